"""Both kinds of optimizers are trained alike, on every task."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from proxy_tasks import TASKS
from search.comparing.conditions import Condition
from search.comparing.contender import Contender
from search.comparing.entrants import entrants_of
from search.comparing.optax_table import OPTAX
from search.comparing.state_dtype import kept_as
from search.comparing.trainer import Trainer
from search.comparing.trial import Kind, Trial
from search.config.comparison import SpeedSettings
from tests.search.comparing.toy import config

TWINS = [name for name, row in OPTAX.items() if row.twin]
QUICK = Condition("vision_mlp", (("hidden", 8), ("steps", 20), ("validation_examples", 128)))


def _values(name: str, *, decay: bool) -> dict[str, float]:
    """A rate in the lower half of its range, where no training diverges, and common averages."""
    low, high = OPTAX[name].space["rate"]
    values = {"rate": low**0.75 * high**0.25, "decay": 0.01 * decay}
    common = {"beta1": 0.9, "beta2": 0.97, "beta": 0.9, "momentum": 0.8}
    return values | {key: common[key] for key in OPTAX[name].space if key in common}


def _both(name: str, condition: Condition) -> list[float]:
    """Fitness of a row and of its twin."""
    twin = OPTAX[name].twin
    row, program = entrants_of(config(optimizers=[f"optax:{name}", {"rule": twin, "name": "t"}]))
    values = _values(name, decay="decay" in program.space.ranges)
    own = {key: value for key, value in values.items() if key in program.space.ranges}
    contenders = row.with_values(values), program.with_values(program.space.completed(own))
    trials = [Trial(one, condition, 3, Kind.FINAL, (0.5,)) for one in contenders]
    return [one.fitness for one in Trainer()(trials)]


def _check(name: str, condition: Condition) -> None:
    ours, theirs = _both(name, condition)
    assert math.isfinite(ours) and ours == pytest.approx(theirs, abs=1e-4)


@pytest.mark.parametrize("name", ["adamw", "lion"])
def test_a_row_and_its_twin_train_alike(name):
    _check(name, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", TWINS)
def test_a_row_and_its_twin_train_alike_on_every_task(name, task):
    _check(name, Condition(task, (("steps", 20),)))


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTAX)
def test_every_row_lowers_the_loss(name):
    contender = Contender(name).with_values(_values(name, decay=True))
    trial = Trial(contender, Condition("vision_mlp", (("steps", 100),)), 0, Kind.FINAL, (0.1,))
    [result] = Trainer()([trial])
    assert result.fitness > result.curve[0][1]


def test_a_final_training_has_its_curve_and_measures_and_a_draw_the_same_fitness():
    contender = Contender("momentum").with_values(_values("momentum", decay=True))
    trainer = Trainer()
    final, draw = trainer(
        [Trial(contender, QUICK, 0, Kind.FINAL, (0.5,)), Trial(contender, QUICK, 0, curve=(0.5,))]
    )
    assert [step for step, _ in final.curve] == [10, 19]
    assert final.measures["validation_fitness"] == pytest.approx(draw.fitness, abs=1e-6)
    assert final.measures["test_fitness"] == pytest.approx(final.fitness, abs=1e-6)
    assert final.measures["state_bytes"] == 4 * final.measures["parameters"] + 4
    assert draw.measures == {} and draw.compile_seconds == 0.0


def test_an_optimizer_is_kept_once_whatever_is_asked_of_it(monkeypatch):
    monkeypatch.setattr("search.comparing.trainer.TRAININGS_KEPT", 2)
    contenders = [Contender(name).with_values(_values(name, decay=True))
                  for name in ("sgd", "momentum")]  # fmt: skip
    finals = [Trial(one, QUICK, 0, Kind.FINAL, (0.5,)) for one in contenders]
    speed = SpeedSettings(steps=1, repeats=1)
    times = [Trial(one, QUICK, 0, Kind.SPEED, (0.5,), speed=speed) for one in contenders]
    trainer = Trainer()
    first = trainer(finals)
    assert all(one.measures["seconds_per_step"] > 0 for one in trainer(times))
    again = trainer(finals)
    assert [one.compile_seconds for one in again] == [0.0, 0.0]
    assert [one.measures for one in again] == [one.measures for one in first]


def test_a_schedule_is_the_task_s_own_or_one_that_is_listed():
    linear = (*QUICK.settings, ("schedule", "linear"))
    own = Condition("vision_mlp", linear)
    listed = [Condition("vision_mlp", linear, schedule=shape) for shape in ("linear", "cosine")]
    ours, same, other = (one.make().fingerprint for one in (own, *listed))
    assert ours == same and other == Condition("vision_mlp", QUICK.settings).make().fingerprint
    assert [one.label for one in listed] == ["vision_mlp, linear", "vision_mlp"]


def test_as_many_examples_in_other_steps_are_another_training():
    """The steps follow from the task's own batch size, which `batch_sizes` replaces."""
    own = (("batch_size", 32),), (("batch_size", 128),)
    adamw = entrants_of(config())[0].with_values(_values("adamw", decay=True))
    for examples in (False, True):
        conditions = [Condition("vision_mlp", s, batch_size=64, examples=examples) for s in own]
        steps = {condition.make().steps for condition in conditions}
        keys = {Trial(adamw, condition, 0).key("one") for condition in conditions}
        assert len(steps) == len(keys) == 1 + examples


def test_batches_may_keep_the_number_of_examples():
    condition = Condition("vision_mlp", (("steps", 20),), batch_size=256, examples=True)
    assert condition.make().steps == 10  # its own batch is 128
    assert condition.label == "vision_mlp, batch 256"


def test_a_state_in_bfloat16_takes_half_and_trains_nearly_alike():
    params = {"w": jnp.ones((4, 4)), "b": jnp.zeros(4)}
    plain, small = optax.adam(0.1), kept_as("bfloat16", optax.adam(0.1))
    states = plain.init(params), small.init(params)
    sizes = [sum(leaf.nbytes for leaf in jax.tree.leaves(state)) for state in states]
    assert sizes == [2 * 80 + 4, 80 + 4]
    grads = jax.tree.map(lambda p: p + 0.3, params)
    for _ in range(3):
        updates = []
        for i, one in enumerate((plain, small)):
            update, state = one.update(grads, states[i], params)
            states = (state, states[1]) if i == 0 else (states[0], state)
            updates.append(update)
        for ours, theirs in zip(*map(jax.tree.leaves, updates)):
            np.testing.assert_allclose(ours, theirs, rtol=0.02)
