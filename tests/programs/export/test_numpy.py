"""A rule exported to numpy: what it refuses, and in what it computes."""

import numpy as np
import pytest

from programs import load, parse
from programs.export import to_numpy
from tests.programs.export.trajectories import imported


def test_complex_gradients_are_refused(tmp_path):
    rule, params = imported(to_numpy(load("library:lion")), tmp_path).Rule(), {"a": np.ones(2)}
    with pytest.raises(ValueError, match="the gradient of 'a' is complex; a rule is for real"):
        rule.step(params, {"a": np.ones(2, complex)}, rule.init(params))


def test_each_array_keeps_its_dtype_beside_wider_ones(tmp_path):
    program = parse(
        "def train(w, g, m, lr):\n  n = global_norm(g)\n  h = g / n\n"
        "  m = interp(h, m, 0.9)\n  update = m * lr\n  return update, m\n"
    )
    rule = imported(to_numpy(program), tmp_path).Rule()
    params = {"narrow": np.ones(3, np.float32), "wide": np.ones(2), "half": np.ones((), np.float16)}
    state = rule.init(params)
    for _ in range(2):
        params, state = rule.step(params, params, state)
    wanted = {"narrow": np.float32, "wide": np.float64, "half": np.float32}
    assert {key: one.dtype for key, (one,) in state.items()} == wanted
    assert params["half"].dtype == np.float16
