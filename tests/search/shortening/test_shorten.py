"""From an evolved program to Lion: exact passes, tuning, ablation, exact passes."""

import zlib

import pytest

from programs import load, parse
from programs.canonical import canonical_hash
from search.config.selection import AblationSettings, ShrinkSettings, TuningSettings
from search.selection.families import structure
from search.selection.objective import Objective
from search.shortening.shorten import Origin, shorten

LION = load("library:lion")
WORTH = {"sign": 1.0, "interp": 1.0, "add": 0.5, "multiply": 0.5}


def planted(requests) -> list[float]:
    """The sum of what the functions are worth; clip and arcsin are worth nothing."""

    def one(r) -> float:
        return sum(WORTH.get(s.function, 0.0) for s in r.program) + 0.1 * (r.seed * 7 % 5)

    return [one(r) for r in requests]


def shortened():
    """Program 8, made short on a toy."""
    tuning = TuningSettings(draws=4, keep=2, seeds=2)
    objective = Objective(planted, ("a", "b"))
    program8 = load("library:program8")
    return shorten(program8, objective, ablation=AblationSettings(), tuning=tuning)


@pytest.fixture(scope="module")
def done():
    return shortened()


def test_program8_becomes_lion_with_its_own_constants(done):
    assert done.constants is Origin.ORIGINAL
    assert structure(done.program) == structure(LION)
    assert len(done.program) == 7 and done.program.states == ("v",)
    lion = (
        str(LION)
        .replace("m)", "v)").replace("m,", "v,").replace("m =", "v =").replace(" m\n", " v\n")
        .replace("0.9)", "0.9)").replace("0.99)", "0.99821967)")
        .replace("0.1", "0.46019784").replace("0.0001", "0.00021717617")
    )  # fmt: skip
    assert canonical_hash(done.program) == canonical_hash(parse(lion))


def test_what_longer_trainings_have_no_use_for_goes_by_them():
    """A root of the schedule that gains at scale 1 alone."""
    start = parse(
        str(LION).replace("    lr = lr * 0.0001", "    lr = sqrt(lr)\n    lr = lr * 0.0001")
    )

    def fitness(requests):
        gain = [("@10" in r.task) - 0.5 for r in requests]
        roots = [any(s.function == "sqrt" for s in r.program) for r in requests]
        return [v - g * root for v, g, root in zip(planted(requests), gain, roots)]

    objective = Objective(fitness, ("a",))
    short = shorten(start, objective, ablation=AblationSettings(tolerance=0.1))
    assert "sqrt" in str(short.program)
    at_ten = AblationSettings(tolerance=0.1, scale=10)
    assert structure(shorten(start, objective, ablation=at_ten).program) == structure(LION)


@pytest.mark.parametrize("seed", range(3))
def test_constants_come_back_after_any_tuning(seed):
    """Also where the simplifier multiplies constants, so that none of them is left."""
    text = str(LION).replace("0.0001", "0.5")
    twice = parse(text.replace("    update = update * lr\n", "    lr = lr * 0.02\n"
                               "    update = update * lr\n"))  # fmt: skip
    draws = TuningSettings(draws=3 + seed, keep=2, seeds=2, spread=1.0)

    def luck(requests):
        return [
            value + zlib.crc32(str(r.program).encode()) % 97 / 1e4
            for value, r in zip(planted(requests), requests)
        ]

    objective = Objective(luck, ("a",))
    done = shorten(twice, objective, ablation=AblationSettings(tolerance=0.2), tuning=draws)
    assert done.constants is Origin.ORIGINAL
    wanted = parse(str(LION).replace("0.0001", "0.01"))
    assert canonical_hash(done.program) == canonical_hash(wanted)


def test_one_draw_is_no_tuning():
    done = shorten(
        LION,
        Objective(planted, ("a",)),
        ablation=AblationSettings(),
        tuning=TuningSettings(draws=1),
    )
    assert done.tuned is None and done.constants is Origin.UNTUNED


def test_evolution_without_insertion_may_propose():
    shrinking = ShrinkSettings(price=0.2, children=150, seeds=1)
    done = shorten(
        load("library:program4"),
        Objective(planted, ("a",)),
        ablation=AblationSettings(),
        shrinking=shrinking,
    )
    assert done.proposal is not None and len(done.program) < 9
    assert done.original is None and done.constants is Origin.UNTUNED
