"""What follows a search as text: lines for the terminal, and the certificate's page."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from programs.counted import counted
from programs.describe import NO_SCHEDULE
from programs.hyperparameters import reads_schedule
from search.reports.certificate import between_stages, certificate, exact_certificate
from search.reports.funnel import REPORT, outcome, table
from search.reports.measurements import confidence, states
from search.reports.validation import validation_markdown, validation_table
from search.shortening.final import Conclusion, Delivered, Route, Winner
from search.storage.errors import printable

FINAL, FINAL_OPTAX, CERTIFICATE = "final.py", "final_optax.py", "certificate.md"
CARD = "card.md"
TEXT_BYTES = 200_000  # of a file of the run that is read again
_CONFIRMED = "Final program, made from "


class Files(NamedTuple):
    """What is written of a final program."""

    program: Path
    optax: Path
    certificate: Path
    card: Path


def files_of(done: Conclusion, one: Delivered, run_dir: Path) -> Files:
    """The first final program has the plain names, the others those with their states."""
    paths = [run_dir / name for name in (FINAL, FINAL_OPTAX, CERTIFICATE, CARD)]
    if one is not done.delivered[0]:
        size = states(one.winner.states).replace(" ", "_")
        paths = [path.with_stem(f"{path.stem}_{size}") for path in paths]
    return Files(*paths)


def files_there(run_dir: Path) -> list[Path]:
    """The files of final programs that are in a run's directory, of whatever conclusion."""
    names = [Path(name) for name in (FINAL, FINAL_OPTAX, CERTIFICATE, CARD)]
    any_states = [f"{name.stem}_[0-9]*_state{s}{name.suffix}" for name in names for s in ("", "s")]
    patterns = [*map(str, names), *any_states]
    return sorted(path for pattern in patterns for path in run_dir.glob(pattern))


def conclusion_lines(done: Conclusion | None, run_dir: Path) -> Iterator[str]:
    """What came out, line by line; done: None where no program has a fitness."""
    if done is None:
        yield "No program of this search has a fitness: there is nothing to select."
        return
    yield "Funnel:"
    yield table(done.funnel.stages)
    yield ""
    yield from outcome(done.funnel)
    for one in done.delivered:
        yield ""
        yield from _delivered_lines(done, one, run_dir)
    yield f"The funnel: {run_dir / REPORT}"


def _delivered_lines(done: Conclusion, one: Delivered, run_dir: Path) -> Iterator[str]:
    final, validation = one.final, one.final.validation
    size = f"{states(one.winner.states)}: " if len(done.delivered) > 1 else ""
    count = f"{len(one.winner.program)} -> {counted(len(final.program), 'statement')}."
    yield f"{size}{heading(one.winner)} {count}"
    yield from remarks(one, done.baselines)
    yield ""
    yield str(final.program)
    yield (
        f"The same on {', '.join(validation.tasks)}, on {len(validation.fitness[0])} fresh seeds, "
        f"with {confidence(validation.level)} intervals:"
    )
    yield validation_table(validation)
    yield ""
    paths = files_of(done, one, run_dir)
    yield f"Its steps: {paths.certificate}; as optax: {paths.optax}; where it helps: {paths.card}"


def heading(winner: Winner) -> str:
    """What a final program is made of, and whether that was confirmed."""
    if winner.confirmed and winner.margin < 0:
        better = f"better than {', '.join(winner.beaten)}, and as " if winner.beaten else ""
        larger = ", ".join(winner.larger)
        need = "needs" if len(winner.larger) == 1 else "need"
        return (
            f"{_CONFIRMED}{winner.name}, which the funnel confirmed as {better}not "
            f"worse by {-winner.margin:g} than {larger}, which {need} more states."
        )
    if winner.confirmed:
        beaten = f" as better than {', '.join(winner.beaten)}" if winner.beaten else ""
        return f"{_CONFIRMED}{winner.name}, which the funnel confirmed{beaten}."
    if winner.stage:
        return (
            f"Final program, not confirmed: made from {winner.name} as tuned for stage "
            f"{winner.stage}, the last stage reached with as many states."
        )
    return (
        f"Final program, not confirmed: made from {winner.name}, the search's best, which the "
        "funnel did not show to be better than the baselines."
    )


def is_confirmed(text: str) -> bool:
    """Whether the file of a final program says that it was confirmed."""
    return text.startswith(f"# {_CONFIRMED}")


def text_of(path: Path) -> str | None:
    """A file of the run, if it is there. It may be untrusted: no link is followed, and not all of a
    huge one is read."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            content = file.read(TEXT_BYTES + 1)
    except OSError:
        return None
    text = printable(content[:TEXT_BYTES])
    return text if len(content) <= TEXT_BYTES else f"{text}\n... (the file continues)"


def remarks(one: Delivered, baselines: Sequence[str]) -> list[str]:
    """How a final program came about and what it is, a sentence each."""
    final = one.final
    tasks = ", ".join(final.validation.tasks)
    if final.route is Route.ABLATED and final.shortened is not None:
        lines = [
            final.shortened.constants.value,
            f"On {tasks} it is {final.validation.standing(1).value}.",
        ]
    else:
        lines = [f"It comes from {final.route.value} ({tasks})."]
    lines.append(f"Its update, by behaviour: {final.form.value}.")
    if not reads_schedule(final.program):
        lines.append(f"It {NO_SCHEDULE}.")
    if final.same_as in baselines:
        lines.append(
            f"It equals the baseline {final.same_as} except for its constants: any gain is due to "
            "them."
        )
    elif final.same_as is not None:
        lines.append(f"It equals {final.same_as} except for its constants.")
    return lines


def page(done: Conclusion, one: Delivered) -> str:
    """The certificate: each step, the validation, and what the result is."""
    final = one.final
    remark = " ".join(remarks(one, done.baselines))
    if final.route is Route.ABLATED and final.shortened is not None:
        steps = certificate(final.shortened)
    else:
        steps = exact_certificate(final.exact, remark, final.shortened)
    validation = "\n".join(validation_markdown(final.validation))
    earlier = [between_stages(step) for step in done.earlier.get(one.winner.name, ())]
    return "\n".join([*earlier, steps, validation, "", f"{heading(one.winner)} {remark}", ""])
