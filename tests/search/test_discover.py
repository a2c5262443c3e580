"""The discovery config does what discovery was measured to need."""

from statistics import stdev

import pytest

from programs import Program, analyse, load, parse
from search.config.load import load as load_config
from search.evaluation.evaluator import Evaluator
from search.evaluation.fitness import score_of
from search.evaluation.jobs import Job, Purpose
from search.evaluation.request import SEARCH, Request
from search.evaluation.source import task_settings
from search.evolution.niches import needed_states
from search.evolution.rates import at_rate

CONFIG = load_config("configs/discover.yaml")
SEEDS = (0, 1, 2, 3, 4, 5)

# AdamW and the sign of momentum, each tuned on the config's task.
ADAMW = """def train(w, g, m, v, lr):
    g2 = square(g)
    m = interp(g, m, 0.64)
    v = interp(g2, v, 0.936)
    sqrt_v = sqrt(v)
    update = m / sqrt_v
    wd = w * 0.047
    update = update + wd
    lr = lr * 0.031
    update = update * lr
    return update, m, v
"""
SIGNUM = """def train(w, g, m, lr):
    m = interp(g, m, 0.64)
    update = sign(m)
    wd = w * 0.3
    update = update + wd
    lr = lr * 0.016
    update = update * lr
    return update, m
"""
INSERTED = ADAMW.replace("    wd =", "    update = sign(update)\n    wd =")


def test_the_baseline_of_its_funnel_is_the_start_of_its_search():
    assert CONFIG.funnel.baselines == CONFIG.evolution.warm_start == ("library:adamw",)
    with_niches = CONFIG.evolution.niches
    assert with_niches and len(with_niches.shares) == 1 + len(load("library:adamw").states)


def test_an_inserted_sign_belongs_to_the_niche_of_one_state():
    """Though its text reads both: the sign of a quotient needs no positive divisor."""
    assert needed_states(analyse(parse(ADAMW))) == 2
    assert needed_states(analyse(parse(INSERTED))) == 1


@pytest.mark.slow
def test_an_inserted_sign_is_judged_at_its_own_step_size():
    """At its parent's it is far behind; with it within one seed's deviation of the tuned Signum."""
    [task] = CONFIG.evaluation.tasks
    evaluation = CONFIG.evaluation.model_copy(update={"seeds": len(SEEDS)})
    evaluator = Evaluator((task,), evaluation.engine, settings=task_settings(evaluation))

    def judged(program: Program, rates):
        requests = [
            Request(at_rate(program, rate), task, seed, SEARCH, (), rate)
            for rate in rates
            for seed in SEEDS
        ]
        job = Job(0, Purpose.SEARCH, tuple(requests), stop_at_failure=True, first_seed_decides=True)
        settings = evaluation.model_copy(update={"rates": rates})
        evaluations = list(evaluator.each(job))
        return score_of(evaluations, settings), evaluations

    signum, each = judged(parse(SIGNUM), (1.0,))
    deviation = stdev(evaluation.fitness for evaluation in each)
    as_drawn, _ = judged(parse(INSERTED), (1.0,))
    inserted, _ = judged(parse(INSERTED), evaluation.rates)
    adamw, _ = judged(parse(ADAMW), (1.0,))
    print(f"\nAdamW {adamw.fitness:.4f}, Signum {signum.fitness:.4f} (deviation {deviation:.4f}), "
          f"sign inserted {as_drawn.fitness:.4f}, at rate {inserted.rate}: {inserted.fitness:.4f}")  # fmt: skip
    assert inserted.rate < 1 and inserted.fitness > as_drawn.fitness
    assert abs(inserted.fitness - signum.fitness) < deviation
