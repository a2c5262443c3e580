"""The best programs of a search, and what is known of each."""

from toys import individual_row, program_row

from search.evaluation.fitness import Evaluation, Outcome
from search.evaluation.jobs import Purpose
from search.reports.verbs.contributions import _search_fitness
from search.storage.conversion import evaluation_row
from search.storage.leaders import leaders
from search.storage.store import Reader, Store


def test_programs_that_are_equal_by_algebra_are_one_leader(tmp_path):
    """The second was never trained, so it has no behavioural hash of its own."""
    with Store(tmp_path) as store:
        for i, (evaluated, behavioural) in enumerate(((0, b"x"), (0, None), (2, b"y")), start=1):
            key = bytes([i]) * 8
            store.add(
                program_row(i, functional=key, evaluated=evaluated, behavioural=behavioural,
                            fitness=-1.0 if evaluated == 0 else -2.0, text=f"program {i}")
            )  # fmt: skip
            store.add(individual_row(i - 1, program=i))
    with Reader(tmp_path) as store:
        assert [one.number for one in leaders(store, 3)] == [0, 2]


def test_its_trainings_in_the_search_are_those_at_its_own_rate(tmp_path):
    """Not the better of each seed."""
    with Store(tmp_path) as store:
        store.add(program_row(1, functional=b"f" * 8, evaluated=0, rate=0.5, fitness=-1.5))
        store.add(individual_row(0, program=1))
        for rate, seed, fitness in ((1.0, 0, -3.0), (1.0, 1, -0.5), (0.5, 0, -1.0), (0.5, 1, -2.0)):
            one = Evaluation("t", seed, fitness, Outcome.COMPLETED, 1, rate=rate)
            store.add(evaluation_row(0, Purpose.SEARCH, one))
    with Reader(tmp_path) as store:
        found = {context.seed: fitness for context, fitness in _search_fitness(store, 0).items()}
    assert found == {0: -1.0, 1: -2.0}
