"""Which products of the weights are weight decay, and that all who name it mean the same."""

import jax.numpy as jnp
import numpy as np
import pytest

from programs import library, live_across_steps, load, parse
from programs.decay import weight_decay
from programs.describe import describe
from programs.export import to_numpy, to_optax, to_torch
from programs.hyperparameters import hyperparameters
from programs.program import ProgramError
from programs.transform import as_optax

DECAYED = (
    "wd = w * 0.5; update = g + wd",
    "wd = w * 0.5; wd = negative(wd); update = g - wd",
    "wd = 0.5 * w; update = interp(g, wd, 0.1)",
    "wd = w * 0.5; wd = wd * lr; wd = wd / 2.0; update = g + wd",
    "size = norm(g); wd = w * 0.5; wd = wd * size; update = g + wd",
    "wd = w * 0.5; u = g + wd; v = square(u); v = sqrt(v); update = u / v",  # added to the gradient
    "wd = w * 0.5; u = g + wd; s = norm(u); update = u / s",  # as LARS has it
    "update = m * lr; wd = w * 0.5; u = g + wd; m = interp(u, m, 0.9)",  # a step later
    "wd = w * 0.5; m = maximum(m, wd); update = g + wd; update = update - m",
    "t = exp(m); m = interp(g, m, 0.9); wd = w * 0.5; update = g + wd; update = update * t",
)
NOT_DECAYED = (
    "wd = w * 0.5; update = g * wd",
    "wd = w * 0.5; update = g / wd",
    "wd = w * 0.5; update = wd / g",
    "wd = w * 0.5; wd = wd + wd; update = g * wd",
    "wd = w * 0.5; x = sin(wd); update = g + x",
    "wd = w * 0.5; x = g * wd; update = g + x",
    "wd = w * 0.5; u = g + wd; update = u * u",
    "wd = w * 0.5; u = g + wd; x = sin(wd); update = u * x",
    "wd = w * 0.5; u = g + wd; update = g / u",
    "wd = w * 0.5; m = interp(wd, m, 0.9); update = g * m",  # an average of the weights
    "wd = w * 0.5; update = wd * lr",  # nothing else
    "w = sqrt(lr); w = w * 0.5; update = g * w",  # a number of that name
)


def written(statements):
    body = "".join(f"    {line.strip()}\n" for line in statements.split(";"))
    return parse(f"def train(w, g, m, lr):\n{body}    return update, m\n")


@pytest.mark.parametrize("statements", DECAYED)
def test_what_is_a_term_of_the_update_is_weight_decay(statements):
    program = written(statements)
    assert len(weight_decay(program)) == 1
    assert "decay" in [h.name for h in hyperparameters(program)]
    assert len(describe(program)["weight_decay"]) == 1
    assert "decay_mask" in to_optax(program) and "no_decay" in to_numpy(program)
    assert "weight_decay: float = 0.5" in to_torch(program)
    as_optax(program, decay_mask=True)


@pytest.mark.parametrize("statements", NOT_DECAYED)
def test_what_is_a_factor_or_goes_into_a_function_is_none(statements):
    program = written(statements)
    assert not weight_decay(program)
    assert "decay" not in [h.name for h in hyperparameters(program)]
    assert not describe(program)["weight_decay"]
    for source in (to_optax(program), to_numpy(program), to_torch(program)):
        assert not any(word in source for word in ("weight_decay", "decay_mask", "no_decay"))
    with pytest.raises(ProgramError, match="no term of the update is the weights times a number"):
        as_optax(program, decay_mask=True)


@pytest.mark.parametrize("statements", DECAYED)
def test_without_it_the_rest_of_the_update_remains(statements):
    program = written(statements)
    params, g = jnp.array([1.0, -2.0]), jnp.array([0.5, 0.25])
    optimizer = as_optax(program, constants={_decay(program): 0.0})
    state = optimizer.init(params)
    for _ in range(2):
        updates, state = optimizer.update(g, state, params)
    assert np.all(np.isfinite(updates)) and np.any(updates != 0)


def _decay(program):
    return next(h.name for h in hyperparameters(program) if h.name.startswith("decay"))


def test_the_librarys():
    found = {name: weight_decay(live_across_steps(load(f"library:{name}"))) for name in library()}
    assert {name for name, decaying in found.items() if decaying} >= {
        "adamw", "adamw_corrected", "ademamix", "cautious_lion", "lamb", "lars", "lion",
        "program4", "program5", "program7", "program8", "signum",
    }  # fmt: skip
    assert all(len(decaying) <= 1 for decaying in found.values())
