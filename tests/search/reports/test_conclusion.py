"""What is said of the final program."""

from types import SimpleNamespace

import pytest

from programs import parse
from search.reports.conclusion import remarks
from search.selection.update_form import update_form
from search.selection.validation import Standing
from search.shortening.final import Route
from search.shortening.shorten import Origin

RULE = "def train(w, g, lr):\n    update = g * {factor}\n    return update\n"


@pytest.mark.parametrize(("factor", "said"), [("lr", False), ("0.1", True)])
def test_the_output_states_that_a_final_program_ignores_the_schedule(factor, said):
    program = parse(RULE.format(factor=factor))
    final = SimpleNamespace(
        program=program,
        route=Route.ABLATED,
        shortened=SimpleNamespace(constants=Origin.UNTUNED),
        validation=SimpleNamespace(tasks=("a",), standing=lambda _: Standing.AS_GOOD),
        form=update_form(program),
        same_as=None,
    )
    lines = remarks(SimpleNamespace(final=final), ())
    assert ("It never reads the schedule value lr" in " ".join(lines)) is said
