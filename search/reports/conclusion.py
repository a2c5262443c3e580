"""What follows a search as text: lines for the terminal, and the certificate's page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from programs.describe import NO_SCHEDULE
from programs.hyperparameters import reads_schedule
from search.reports.certificate import certificate, exact_certificate
from search.reports.funnel import REPORT, outcome, table
from search.reports.measurements import confidence
from search.reports.validation import validation_markdown, validation_table
from search.shortening.final import Conclusion, Route, Winner

FINAL, FINAL_OPTAX, CERTIFICATE = "final.py", "final_optax.py", "certificate.md"


def conclusion_lines(done: Conclusion | None, run_dir: Path) -> Iterator[str]:
    """What came out, line by line; done: None where no program has a fitness."""
    if done is None:
        yield "No program of this search has a fitness: there is nothing to select."
        return
    final, validation = done.final, done.final.validation
    yield "Funnel:"
    yield table(done.funnel.stages)
    yield ""
    yield from outcome(done.funnel)
    yield ""
    yield f"{heading(done.winner)} {len(done.winner.program)} -> {len(final.program)} statements."
    yield from remarks(done)
    yield ""
    yield str(final.program)
    yield (
        f"The same on {', '.join(validation.tasks)}, on {len(validation.fitness[0])} fresh seeds, "
        f"with {confidence(validation.level)} intervals:"
    )
    yield validation_table(validation)
    yield ""
    yield (
        f"Its steps: {run_dir / CERTIFICATE}; as optax: {run_dir / FINAL_OPTAX}; "
        f"the funnel: {run_dir / REPORT}"
    )


def heading(winner: Winner) -> str:
    """What the final program is made of, and whether that was confirmed."""
    if winner.confirmed:
        return f"Final program, made from {winner.name}, which the funnel confirmed."
    return (
        f"Final program, not confirmed: made from {winner.name}, the search's best, which the "
        "funnel did not show to be better than the baselines."
    )


def remarks(done: Conclusion) -> list[str]:
    """How the final program came about and what it is, a sentence each."""
    final = done.final
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
    if final.same_as in done.baselines:
        lines.append(
            f"It equals the baseline {final.same_as} except for its constants: any gain is due to "
            "them."
        )
    elif final.same_as is not None:
        lines.append(f"It equals {final.same_as} except for its constants.")
    return lines


def page(done: Conclusion) -> str:
    """The certificate: each step, the validation, and what the result is."""
    final = done.final
    remark = " ".join(remarks(done))
    if final.route is Route.ABLATED and final.shortened is not None:
        steps = certificate(final.shortened)
    else:
        steps = exact_certificate(final.exact, remark, final.shortened)
    validation = "\n".join(validation_markdown(final.validation))
    return f"{steps}\n{validation}\n\n{heading(done.winner)} {remark}\n"
