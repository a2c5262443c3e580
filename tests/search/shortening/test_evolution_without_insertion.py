"""Evolution without insertion: shorter, better by its own measure, the same for the same seed."""

from search.config.selection import ShrinkSettings
from search.selection.objective import Objective
from search.shortening.evolution_without_insertion import shrink
from tests.search.shortening.test_ablation import EVOLVED, WORTH, Planted


def test_evolution_without_insertion_shortens_too():
    settings = ShrinkSettings(price=0.2, children=400, seeds=1)
    short = shrink(EVOLVED, Objective(Planted(luck=0.0), ("a",)), settings=settings)
    assert len(short) < len(EVOLVED)

    def worth(program):
        return sum(WORTH.get(s.function, 0) - settings.price for s in program)

    assert worth(short) > worth(EVOLVED)
    assert (
        shrink(EVOLVED, Objective(Planted(luck=0.0), ("a",)), settings=settings) == short
    )  # the same seed
