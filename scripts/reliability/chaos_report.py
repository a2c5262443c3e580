"""What chaos has found, as a page and as JSON."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from importlib.metadata import version

from programs.counted import counted
from reliability.chaos import LEFT_S, PHASES, Options, State
from search.reports.tables import columns

PROMISES = {  # figure -> what it counts
    "lost": "committed rows that were gone or changed after a kill",
    "twice": "trainings that were asked for although they were committed",
    "rows that differ": "rows of finished searches that differ from the undisturbed one's, where "
    "no training was charged with the deaths of its worker",
    "left": "processes left behind, {left} s after a kill or an end",
}


def totals(state: State) -> dict[str, int]:
    """What must be 0."""
    found = {name: state.total(name) for name in PROMISES}
    equal = [one for one in state.searches if not one.get("charged")]
    found["rows that differ"] = sum(one["rows that differ"] for one in equal)
    found["files that differ"] = sum(len(one["files that differ"]) for one in equal)
    found["digests that differ"] = sum(not one["same digest"] for one in equal)
    found["processes that ended with an error"] = state.count("ended")
    return found


def charged(state: State) -> str:
    """The one thing that kills may change: a training whose worker dies again and again while it
    runs alone is taken for the culprit, which is recorded."""
    found = [one for one in state.searches if one.get("charged")]
    trainings = counted(sum(one["charged"] for one in found), "training")
    rows = counted(sum(one["rows that differ"] for one in found), "row")
    searches = counted(len(found), "search")
    where = f", in {searches}, {rows} of which follow from it" if found else ""
    return f"{trainings} charged with the deaths of their workers{where}"


def is_clean(state: State) -> bool:
    return not any(totals(state).values())


def command(options: Options) -> str:
    """The command that says it all, as far as it is not the default."""
    words = ["scripts/chaos", "--kills", str(options.kills)]
    if options.address != "in_process":
        words += ["--address", options.address, "--workers", str(options.count)]
        words += ["--worker-kills", str(options.worker_kills)]
    if options.preloaded:
        words.append("--preloaded")
    if options.phases != PHASES:
        words += ["--phases", ",".join(options.phases)]
    return shlex.join([*words, "--seed", str(options.seed), "--children", str(options.children)])


def write(options: Options, state: State) -> str:
    """Writes report.md and report.json; returns the former."""
    drivers = [fault for fault in state.faults if fault["kind"] == "driver"]
    workers = [fault for fault in state.faults if fault["kind"] == "worker"]
    rows = [["phase", "seconds, undisturbed", "drivers killed", "workers killed"]]
    for phase in PHASES:
        killed = [sum(fault["phase"] == phase for fault in kind) for kind in (drivers, workers)]
        rows.append([phase, f"{state.usual.get(phase, 0.0):.3f}", *map(str, killed)])
    done = state.searches[1:]
    packages = ", ".join(f"{name} {version(name)}" for name in ("jax", "jaxlib", "ray"))
    trained = sum(one["rows"] for one in done)
    text = "\n".join(
        [
            "# Searches under kills",
            "",
            f"`{command(options)}`, {packages}",
            "",
            f"{counted(len(drivers), 'driver')} and {counted(len(workers), 'worker')} killed in "
            f"{counted(len(done), 'search')}, "
            f"each with {state.searches[0]['rows'] if state.searches else 0} rows "
            f"({trained} in all), each resumed until it was done.",
            "",
            "```",
            columns(rows),
            "```",
            "",
            *(f"- {name}: {count}{_meaning(name)}" for name, count in totals(state).items()),
            f"- recorded outcomes: {charged(state)}",
            "",
        ]
    )
    (options.out / "report.md").write_text(text)
    summary = {"command": command(options), "totals": totals(state)} | asdict(state)
    (options.out / "report.json").write_text(json.dumps(summary, indent=1))
    return text


def _meaning(name: str) -> str:
    meaning = PROMISES.get(name)
    return f" ({meaning.format(left=f'{LEFT_S:g}')})" if meaning else ""
