"""What is taken over from an earlier run."""

import toys
from in_process import evolve

from programs import load
from search.config.settings import Config
from search.evaluation.fitness import Outcome
from search.evaluation.jobs import Purpose
from search.evolution.earlier_runs import import_evaluations
from search.storage import queries
from search.storage.identity import check_identity
from search.storage.store import Reader, Store


def test_what_a_hurdle_ended_at_some_rate_is_trained_again(tmp_path):
    """Whether it ended there depends on the others of its time, and so does which rate counts."""
    one, two = tmp_path / "one", tmp_path / "two"
    settings = {
        "evolution": {"children": 400, "population": 40, "window": 8, "repeats": 1, "rounds": 1},
        "evaluation": {"tasks": "toy", "rates": (1.0, 0.5), "rates_when": "always",
                       "hurdles": {"at": (0.5,), "quantile": 0.5, "slack": 0.1}},
        "rescore": {"programs": 0}, "workers": {"address": "in_process"}, "funnel": None,
    }  # fmt: skip
    config = Config.model_validate(settings)
    with Store(one) as store:
        check_identity(store, config, fingerprints={}, resume=False)
    evolve(one, config, factory=toys.stepper_factory, starts=[load("library:adamw")])
    again = Config.model_validate(settings | {"cache": {"runs": str(one)}})
    with Store(two) as store:
        check_identity(store, again, fingerprints={}, resume=False)
        import_evaluations(store, again)
    with Reader(one) as earlier, Reader(two) as later:
        ended = queries.evaluated(earlier, Purpose.SEARCH, outcome=Outcome.HURDLE)
        imported = {row.key for row in queries.imported(later)}
        scored = ("COMPLETED", "DIVERGED")
        rows = [row for row in queries.programs(earlier) if row.outcome in scored]
    assert any(row.evaluated in ended for row in rows) and imported
    for row in rows:
        if row.evaluated is not None:
            assert (row.functional in imported) == (row.evaluated not in ended)
