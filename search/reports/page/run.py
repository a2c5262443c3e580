"""One run as sections of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.config.load import dumps
from search.config.selection import FINALS_STAGE
from search.evaluation.fitness import Outcome
from search.reports.conclusion import CERTIFICATE, FINAL, text_of
from search.reports.page.course import Course, figures
from search.reports.page.html import Html, code, join, table, tag
from search.reports.page.programs import front, lineage, side_by_side, with_text
from search.reports.verbs.asked import Asked
from search.reports.verbs.funnel import FUNNEL_HEAD, candidate_number, entry_row, funnel
from search.reports.verbs.individuals import fitness_text, measured_text
from search.reports.verbs.lineage import lineage as lineage_of
from search.reports.verbs.stats import MUTATION_HEAD, mutation_row, stats
from search.reports.verbs.top import best_by_size, top
from search.selection.overfitting import curves
from search.storage.courses import courses, rises_by_states
from search.storage.identity import check_functions, config_of
from search.storage.leaders import warm_start
from search.storage.queries import start_fitness
from search.storage.store import opened

POINTS = 300  # of a line
BESIDE = 6  # leading programs that can be set side by side, with the warm start and the final one


@dataclass(frozen=True)
class RunPart:
    """What a page shows of one run."""

    name: str
    course: Course
    facts: dict[str, Any]  # as `stats` gives them
    parts: Sequence[tuple[str, str, Html]]  # id, name, content


def run_part(run_dir: Path, key: str) -> RunPart:
    """Reads a run. Raises StoreError, ConfigError.

    key: a prefix for ids.
    """
    with opened(run_dir) as store:
        check_functions(store)
        config, asked = config_of(store), Asked()
        course, facts = courses(store, POINTS), stats(store, asked)
        leading, stages = top(store, asked), funnel(store)
        parts = [
            ("Result", _conclusion(run_dir, facts, stages)),
            ("Course", join([
                figures(key, course, start=start_fitness(store), level=config.meta_validation.level,
                        rises=rises_by_states(store, POINTS), born=facts["individuals"],
                        meta=curves(store, config)),
                _mutations(facts),
            ])),
            ("Leading programs", _leading(leading)),
            ("Front and hall of fame", front(key, best_by_size(store, asked))),
        ]  # fmt: skip
        if leading:
            way = lineage_of(store, Asked((str(_winner(leading, stages)),)))
            beside = _beside(run_dir, warm_start(store).text, leading)
            parts += [
                ("Lineage", lineage(key, way)),
                ("Programs side by side", side_by_side(key, beside)),
            ]
        parts.append(("Funnel", join(_funnel(stages))))
        parts.append(("Certificate and config", join(_files(run_dir, dumps(config)))))
    numbered = [(f"{key}-{i}", name, content) for i, (name, content) in enumerate(parts, start=1)]
    return RunPart(run_dir.resolve().name, course, facts, numbered)


def _conclusion(run_dir: Path, facts: dict[str, Any], stages: list[dict[str, Any]]) -> Html:
    rows = {
        "confirmed": _confirmed(stages),
        "run directory": str(run_dir),
        "individuals": f"{facts['individuals']:,}",
        "distinct programs": f"{facts['programs']:,}, {facts['evaluations']:,} of them trained",
        "best fitness": f"{fitness_text(facts['best_fitness'])} in the search; warm start "
        f"{fitness_text(facts['start_fitness'])}",
        "known programs": f"{facts['functional_hits']:.1%} by the functional hash, "
        f"{facts['canonical_hits']:.1%} by the canonical one too",
        "redundant statements": f"{facts['redundant']:.1%}",
    }
    pairs = [join([tag("dt", name), tag("dd", value)]) for name, value in rows.items()]
    final = text_of(run_dir / FINAL)
    shown = [] if final is None else [tag("p", "The final program:"), code(final)]
    return join([tag("dl", *pairs), *shown])


def _confirmed(stages: list[dict[str, Any]]) -> str:
    if not stages:
        return "no: no funnel has been run yet"
    passed = [one["name"] for one in stages[-1]["programs"] if one["goes_on"]]
    if stages[-1]["stage"] == FINALS_STAGE and passed:
        return f"yes, it passed the finals of the funnel, on fresh seeds: {', '.join(passed)}"
    return "no: the funnel showed no program to be better than the baselines"


def _mutations(facts: dict[str, Any]) -> Html:
    outcomes = [
        (Outcome[name].value if name in Outcome.__members__ else name, f"{row['programs']:,}",
         f"{row['training_seconds']:,.0f}")
        for name, row in facts["outcomes"].items()
    ]  # fmt: skip
    return tag(
        "div",
        table(MUTATION_HEAD, map(mutation_row, facts["mutations"]), "Children by kind of mutation: "
              "completed and better are shares of those with another function than the parent"),
        table(("outcome", "programs", "seconds of training"), outcomes, "Distinct programs"),
        class_="figures",
    )  # fmt: skip


def _leading(leading: list[dict[str, Any]]) -> Html:
    if not leading:
        return tag("p", "No program has a fitness yet.")
    head = "individual", "fitness", "on fresh seeds, 95 %", "live", "states", "child", "mutation"
    rows = [
        (
            str(one["individual"]),
            fitness_text(one["fitness"]),
            measured_text(one["fresh"]) or "not scored",
            str(one["live"]),
            str(one["states"]),
            "start" if one["child"] < 0 else f"{one['child']:,}",
            one["mutation"],
        )
        for one in leading
    ]
    texts = [with_text(f"Individual {one['individual']}", code(one["program"])) for one in leading]
    return join([table(head, rows, "The fittest programs of different behaviour"), *texts])


def _winner(leading: list[dict[str, Any]], stages: list[dict[str, Any]]) -> int:
    """The individual that the result comes from: the first that the last stage let go on, or else
    the leader that is best on fresh seeds."""
    passed = [p["name"] for p in stages[-1]["programs"] if p["goes_on"]] if stages else []
    for number in map(candidate_number, passed):
        if number is not None:
            return number
    scored = [one for one in leading if one["fresh"] and one["fresh"]["mean"] is not None]
    best = max(scored, key=lambda one: one["fresh"]["mean"], default=leading[0])
    return int(best["individual"])


def _beside(run_dir: Path, start: str, leading: list[dict[str, Any]]) -> list[tuple[str, str]]:
    programs = [("the warm start", start)]
    if (final := text_of(run_dir / FINAL)) is not None:
        programs.append(("the final program", final))
    for one in leading[:BESIDE]:
        programs.append((f"individual {one['individual']}", one["program"]))
    return programs


def _funnel(stages: list[dict[str, Any]]) -> list[Html]:
    if not stages:
        return [tag("p", "No funnel has been run yet.")]
    shown = []
    for stage in stages:
        tasks = ", ".join(map(str, stage["tasks"]))
        rows = map(entry_row, stage["programs"])
        shown.append(table(FUNNEL_HEAD, rows, f"Stage {stage['stage']}: {tasks}"))
    return shown


def _files(run_dir: Path, config: str) -> list[Html]:
    shown = []
    certificate = text_of(run_dir / CERTIFICATE)
    if certificate is None:
        shown.append(tag("p", "There is no certificate yet."))
    else:
        shown.append(
            with_text("The certificate: each step to the final program", code(certificate))
        )
    shown.append(with_text("The config", code(config)))
    return shown
