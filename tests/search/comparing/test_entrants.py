"""Optimizers from a config: their ranges, and every mistake with its key."""

import pytest

from search.comparing.entrants import entrants_of, mistakes_of
from search.comparing.optax_table import OPTAX
from tests.search.comparing.toy import config

ADAMW = {"rule": "optax:adamw", "name": "A"}


def _mistakes(*optimizers, **changes):
    return list(mistakes_of(config(optimizers=[ADAMW, *optimizers], **changes)))


def test_every_row_and_a_text_alone_are_optimizers():
    names = [one.name for one in entrants_of(config(optimizers=[f"optax:{n}" for n in OPTAX]))]
    assert names == list(OPTAX)


def test_a_twin_has_the_ranges_of_its_row():
    row, twin = entrants_of(config(optimizers=["optax:lion", "library:lion"]))[:2]
    assert twin.space.ranges == row.space.ranges


def test_a_program_has_ranges_by_the_roles_of_its_constants(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "def train(w, g, m, lr):\n"
        "    m = interp(g, m, 0.9)\n"
        "    update = m * 3.0\n"
        "    lr = lr * 0.00002\n"
        "    update = update * lr\n"
        "    return update, m\n"
    )
    [_, mine] = entrants_of(config(optimizers=[ADAMW, str(path)]))
    assert mine.name == "mine"
    assert mine.space.ranges == {"beta": (0.1, 0.999), "rate": (pytest.approx(2e-6), 1.0)}
    contender = mine.with_values({"beta": 0.5, "rate": 0.25})
    assert "interp(g, m, 0.5)" in str(contender.program)


def test_a_config_may_change_fix_and_tie_constants():
    space = {"rate": [0.01, 0.1], "beta1": 0.8, "beta2": "beta1"}
    [_, one] = entrants_of(config(optimizers=[ADAMW, {"rule": "optax:adamw", "space": space}]))
    assert one.space.ranges == {"rate": (0.01, 0.1), "decay": OPTAX["adamw"].space["decay"]}
    for values in one.space.draws(4, "s"):
        assert values["beta2"] == values["beta1"] == 0.8


@pytest.mark.parametrize(
    ("optimizer", "path", "words"),
    [
        ("optax:adam_w", ("optimizers", 1, "rule"), "did you mean 'adamw'?"),
        ("library:lien", ("optimizers", 1, "rule"), "lion"),
        ({"rule": "optax:lion", "name": "A"}, ("optimizers", 1), "another name"),
        (
            {"rule": "optax:lion", "space": {"beta": 0.9}},
            ("optimizers", 1, "space", "beta"),
            "did you mean 'beta",
        ),
        (
            {"rule": "optax:lion", "space": {"rate": [1, 0.1]}},
            ("optimizers", 1, "space", "rate"),
            "nearer to 0 first",
        ),
        (
            {"rule": "optax:lion", "space": {"beta1": 1.5}},
            ("optimizers", 1, "space", "beta1"),
            "from 0 to below 1",
        ),
        (
            {"rule": "library:lion", "name": "P", "space": {"rate": -0.1}},
            ("optimizers", 1, "space", "rate"),
            "above 0",
        ),
        (
            {"rule": "optax:lion", "space": {"beta1": "b"}},
            ("optimizers", 1, "space", "beta1"),
            "'b' is no constant",
        ),
    ],
)
def test_a_mistake_has_its_key_and_what_would_be_right(optimizer, path, words):
    [(at, message)] = _mistakes(optimizer)
    assert at == path and words in message


@pytest.mark.parametrize(
    ("constants", "words"),
    [
        (["rate", "decai"], "no optimizer tunes a constant 'decai'; did you mean 'decay'?"),
        (["rate", "rate"], "expected two constants, got 'rate' twice"),
        (
            ["rate", "momentum"],
            "no optimizer tunes a constant 'momentum'; expected two of rate, de",
        ),
        (["beta2", "beta"], "no optimizer tunes both 'beta2' and 'beta'"),
    ],
)
def test_a_heat_map_needs_two_constants_that_an_optimizer_tunes(constants, words):
    heat_map = {"constants": constants}
    [(at, message)] = _mistakes("optax:signum", heat_map=heat_map)
    assert at == ("heat_map", "constants") and words in message
    assert not _mistakes("optax:signum", heat_map={"constants": ["rate", "beta"]})


def test_a_baseline_must_be_there():
    [(at, message)] = _mistakes("optax:lion", baseline="B")
    assert at == ("baseline",) and "no optimizer is called 'B'" in message
