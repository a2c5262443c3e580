"""The numerical check of a rewriting step: the outputs before and after, over 50 training steps.

The weights and gradients of every step are drawn at random, on trees of several shapes and
magnitudes (see SETTINGS); each program carries its own states. Three comparisons are made:

    float64   number by number. Where the two differ by more than a part in ten million, the
              difference must be explained by rounding: it may not exceed 100 times what relative
              changes of 1e-9 in every argument of every operation do to the program before the
              step. So x - x + y may differ from y where x is huge, but sqrt(x) never from x.
    guards    for a step that claims equality only away from the 1e-8 guards, the float64
              comparison is made with a guard of 1e-300 in both programs.
    float32   with the executor and the guards of the real thing: a share of the numbers must agree
              to a part in a thousand. A step that claims equality but for the guards is held to it
              too, for weights of about 1 and gradients from 1e-3 up: there the guards do not
              matter, unless the program itself makes small numbers and divides by them. For a step
              that changes no arithmetic the results must be the same bits.

Rounding explains only so much (`Setting.excused`): where all numbers of ordinary size would be
rounding errors, as in z / z with z = n / n - 1, the real result is one of them and must be kept.

Where the program before the step gives infinity or NaN nothing is compared; where only the program
after it does, the check fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from programs.execute import Tree, Value, interpret
from programs.functions import EPS, FUNCTIONS
from programs.kinds import Kind
from programs.program import OUTPUT, Program
from programs.simplify.rules import Claim

STEPS = 50
NEGLIGIBLE = 1e-7  # relative; half a unit in float32's last place is 6e-8
_NOISE, _SAMPLES, _FACTOR = 1e-9, 8, 100.0
_SINGLE = 1e-3  # relative; float32's rounding after 50 steps of up to some 100 operations
_NOTHING = 1e-18  # absolute; what underflow may leave of a number, far below any use


@dataclass(frozen=True, slots=True)
class Setting:
    """One tree of parameters, and what is asked of the programs that run on it.

    shapes: of its arrays.
    draw: the weights and the gradient, (generator, shape) -> numbers.
    gradient: what the gradient is multiplied by.
    float32: the share of each output's numbers that must agree in float32, for each claim that says
      anything at these magnitudes.
    excused: the share of each output's numbers that may differ by more than a part in a thousand
      where rounding explains it.
    """

    name: str
    shapes: tuple[tuple[int, ...], ...]
    draw: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
    gradient: float = 1.0
    float32: Mapping[Claim, float] = field(default_factory=dict, hash=False)
    excused: float = 1.0


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape)


def _decades(low: float, high: float) -> Callable:
    """Numbers of either sign whose magnitudes are spread evenly from 10^low to 10^high."""
    return lambda r, s: r.choice([-1.0, 1.0], s) * 10.0 ** r.uniform(low, high, s)


_EXTREME = _decades(-30, 30)  # in float64 only
# Near its zeros a sine or a sign makes much of rounding: float32's 1 - 0.999 is off by 5e-5. A mean
# of gradients of 1e-3 is often near 1e-5, where the guard is a part in a thousand.
_USUAL = {Claim.EXACT: 0.95, Claim.UP_TO_GUARDS: 0.75}

SETTINGS = (
    Setting("ordinary", ((2, 3), (), (4,)), _normal, 1.0, _USUAL, 0.25),
    Setting("training", ((3, 2), (4,)), _normal, 1e-3, _USUAL, 0.25),
    # The squares of these are still float32 numbers, their cubes are not.
    Setting("small", ((5,),), _decades(-18, -6), 1.0, {Claim.EXACT: 0.9}),
    Setting("large", ((1, 3),), _decades(6, 18), 1.0, {Claim.EXACT: 0.9}),
    Setting(
        "extreme", ((8,),), lambda r, s: r.choice([0.0, 1.0], s, p=[0.1, 0.9]) * _EXTREME(r, s)
    ),
)


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of a check.

    passed: whether the step may stand.
    compared: how many numbers were compared, in float64.
    worst: the largest relative difference among them in the ordinary setting, in float64.
    float32: the smallest share of an output's numbers in a setting that agree in float32; None if
      not compared.
    note: what was run, and what failed.
    """

    passed: bool
    compared: int
    worst: float
    float32: float | None
    note: str


class _Numbers(Tree):
    """float64 arithmetic with a chosen guard and, on request, noise in every argument."""

    def __init__(self, guard: float, noise: np.random.Generator | None):
        super().__init__(np)
        self.guard, self.noise = guard, noise

    def constant(self, number: float) -> Value:
        return Value(Kind.SCALAR, (np.float64(number),))

    def apply(self, function: str, arguments: list[Value]) -> Value:
        if self.noise is not None:
            arguments = [self._shaken(value) for value in arguments]
        if function == "divide":
            return self.map(self._divide, *arguments)
        if not FUNCTIONS[function].arity:
            return self.constant(_NAMED[function])
        return super().apply(function, arguments)

    def _divide(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return x / np.where(np.abs(y) >= 0.25, y, y + self.guard)  # float32 loses it in y >= 0.25

    def _shaken(self, value: Value) -> Value:
        assert self.noise is not None
        draw = self.noise.standard_normal
        return Value(
            value.kind, tuple(leaf * (1 + _NOISE * draw(np.shape(leaf))) for leaf in value.leaves)
        )


_NAMED = {"get_pi": np.pi, "get_e": np.e, "get_eps": EPS}


@lru_cache(maxsize=64)
def _inputs(setting: Setting) -> list[tuple[list, list, float]]:
    """w, g and lr of every step."""
    rng = np.random.default_rng([len(setting.name), 50])
    lrs = np.linspace(1.0, 0.01, STEPS)
    return [
        (
            [setting.draw(rng, shape) for shape in setting.shapes],
            [setting.gradient * setting.draw(rng, shape) for shape in setting.shapes],
            float(lr),
        )
        for lr in lrs
    ]


@lru_cache(maxsize=128)
def _run(
    program: Program,
    setting: Setting,
    dtype: type = np.float64,
    guard: float = EPS,
    noise: int | None = None,
) -> dict[str, np.ndarray]:
    """Each output over all steps: [STEPS, numbers in the tree]."""
    rng = None if noise is None else np.random.default_rng(noise)
    tree = _Numbers(guard, rng) if dtype is np.float64 else Tree(np)
    states: list[list[Any]] = [
        [np.zeros(shape, dtype) for shape in setting.shapes] for _ in program.states
    ]
    rows: dict[str, list[np.ndarray]] = {name: [] for name in program.outputs}
    with np.errstate(all="ignore"):
        for w, g, lr in _inputs(setting):
            trees: list[list[Any]] = [
                [np.asarray(leaf, dtype) for leaf in leaves] for leaves in (w, g)
            ]
            values = [Value(Kind.TENSOR, tuple(leaves)) for leaves in (*trees, *states)]
            variables = dict(zip(program.inputs, [*values, Value(Kind.SCALAR, (dtype(lr),))]))
            interpret(program, variables, constant=tree.constant, apply=tree.apply)
            states = [list(variables[name].leaves) for name in program.states]
            for name in program.outputs:
                leaves = variables[name].leaves
                rows[name].append(np.concatenate([np.ravel(leaf) for leaf in leaves]))
    return {name: np.array(row) for name, row in rows.items()}


def check(
    before: Program,
    after: Program,
    claim: Claim,
    states: Sequence[tuple[str, str]] = (),
    same_arithmetic: bool = False,
) -> Check:
    """Compares two programs' outputs.

    Args:
      states: pairs of states (before, after) that must agree as well as the update.
      same_arithmetic: the step only dropped, renamed or reordered, so that float32 must agree bit
        for bit; nothing else is compared then.
    """
    pairs = [(OUTPUT, OUTPUT), *states]
    if same_arithmetic:
        return _same_bits(before, after, pairs)
    guard = EPS if claim is Claim.EXACT else 1e-300
    compared, worst = 0, 0.0
    for setting in SETTINGS:
        old, new = _run(before, setting, guard=guard), _run(after, setting, guard=guard)
        for a, b in pairs:
            finite = np.isfinite(old[a])
            compared += int(finite.sum())
            wrong = finite & ~_close(old[a], new[b])
            if setting is SETTINGS[0] and finite.any():
                worst = max(worst, float(_relative(old[a], new[b])[finite].max()))
            clear = wrong & (_relative(old[a], new[b]) > _SINGLE)
            few = clear.sum() <= setting.excused * finite.sum()
            if wrong.any() and not (few and _explained(before, setting, guard, a, new[b], wrong)):
                row, column = np.argwhere(wrong)[0]
                return Check(
                    False,
                    compared,
                    worst,
                    None,
                    f"{a} differs at step {row + 1} in the {setting.name} setting: "
                    f"{old[a][row, column]:.9g} before, {new[b][row, column]:.9g} after",
                )
    shares = {
        setting.name: (
            min(_float32_share(before, after, setting, *pair) for pair in pairs),
            setting.float32[claim],
        )
        for setting in SETTINGS
        if claim in setting.float32
    }
    note = (
        f"{STEPS} steps, {len(SETTINGS)} trees, float64"
        f"{'' if claim is Claim.EXACT else ' with a guard of 1e-300'}: {compared} numbers agree; "
        f"float32 with guards, to {_SINGLE:g}: "
        + ", ".join(f"{share:.2%} {name}" for name, (share, _) in shares.items())
    )
    missed = [f"{need:.0%} {name}" for name, (share, need) in shares.items() if share < need]
    if missed:
        note += f", where {' and '.join(missed)} are needed"
    return Check(not missed, compared, worst, min(share for share, _ in shares.values()), note)


def _relative(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        scale = np.maximum(np.abs(old), np.abs(new))
        return np.where(scale > 0, np.abs(old - new) / np.where(scale > 0, scale, 1), 0)


def _close(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    return np.isfinite(new) & (_relative(old, new) <= NEGLIGIBLE)


def _explained(
    before: Program, setting: Setting, guard: float, name: str, new: np.ndarray, where: np.ndarray
) -> bool:
    """Whether the rounding of the program before the step can account for other results."""
    old = _run(before, setting, guard=guard)[name]
    for sample in range(_SAMPLES):
        spread = _spread(before, setting, guard, name, sample)
        where = where & ~(_distance(old, new) <= _FACTOR * spread)
        if not where.any():
            return True
    return False


def _spread(before: Program, setting: Setting, guard: float, name: str, sample: int) -> np.ndarray:
    """What noise does to an output; infinite where it leaves the finite numbers."""
    clean = _run(before, setting, guard=guard)[name]
    shaken = _run(before, setting, guard=guard, noise=sample)[name]
    spread = _distance(clean, shaken)
    return np.where(np.isfinite(spread), spread, np.inf)


def _distance(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.abs(old - new)


def _float32_share(before: Program, after: Program, setting: Setting, a: str, b: str) -> float:
    """The share of one output's numbers that agree in float32 to three digits, or as far as
    rounding allows."""
    old = _run(before, setting, np.float32)[a]
    distance = _distance(old, _run(after, setting, np.float32)[b])
    finite = np.isfinite(old)
    far = finite & ~(distance <= _SINGLE * np.abs(old) + _NOTHING)
    total = int(finite.sum())
    if not far.any():
        return 1.0
    spread = np.maximum.reduce([_spread(before, setting, EPS, a, i) for i in (0, 1)])
    excused = int((far & (distance <= 10 * spread * (2.0**-24 / _NOISE))).sum())
    return (total - int(far.sum()) + min(excused, setting.excused * total)) / total


def _same_bits(before: Program, after: Program, pairs: Sequence[tuple[str, str]]) -> Check:
    compared = 0
    for setting in SETTINGS:
        old, new = _run(before, setting, np.float32), _run(after, setting, np.float32)
        for a, b in pairs:
            compared += old[a].size
            if not np.array_equal(old[a], new[b], equal_nan=True):
                return Check(
                    False, compared, 0.0, 0.0, f"{a} is not the same in the {setting.name} setting"
                )
    note = f"{STEPS} steps, {len(SETTINGS)} trees, float32: {compared} numbers are the same bits"
    return Check(True, compared, 0.0, 1.0, note)


def steps_of(program: Program, setting: Setting = SETTINGS[0]) -> Iterator[dict[str, np.ndarray]]:
    """What the outputs are after each step of one setting, in float64: guesses start from this."""
    rows = _run(program, setting)
    for i in range(STEPS):
        yield {name: values[i] for name, values in rows.items()}
