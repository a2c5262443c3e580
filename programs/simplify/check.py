"""The numerical check of a rewriting step: the outputs before and after, over 50 training steps.

The weights and gradients of every step are drawn at random, on trees of several shapes and
magnitudes (see check_settings.py); each program carries its own states. Three comparisons are made:

    float64   number by number. Where the two differ by more than a part in ten million, the
              difference must be explained by rounding: it may not exceed 100 times what relative
              changes of 1e-9 in every argument of every operation do to the program before the
              step. So x - x + y may differ from y where x is huge, but sqrt(x) never from x.
    guards    for a step that claims equality only away from the 1e-8 guards, the float64
              comparison is made with a guard of 1e-300 in both programs.
    float32   with the executor and the guards of the real thing: a share of the numbers must agree
              to a part in a thousand. A step that claims equality but for the guards is held to it
              too, for weights of about 1 and gradients from 1e-3 up, and where gradients and
              weights are 0: there the guards do not matter, unless the program itself makes small
              numbers and divides by them. For a step that changes no arithmetic the results must be
              the same bits.

Where the program before the step gives infinity or NaN nothing is compared; where only the program
after it does, the check fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from programs.execute import Tree, Value, interpret
from programs.function import EPS, EPS_IS_LOST_FROM
from programs.functions import FUNCTIONS
from programs.kinds import Kind
from programs.program import OUTPUT, Program
from programs.simplify.check_settings import GROUPS, SETTINGS, STEPS, Setting, inputs_of
from programs.simplify.rules import Claim

# Relative differences up to here are none: half a unit in float32's last place is 6e-8. A weight of
# 0.9000001 in place of 0.9 differs by more.
NEGLIGIBLE = 1e-7
# The noise is far above float64's own rounding and small enough for its effect to be proportional;
# 100 times it is float32's rounding. One sample may happen to leave a number alone, eight do not.
_NOISE, _FACTOR, _SAMPLES = 1e-9, 100.0, 8
_SINGLE = 1e-3  # relative; float32's rounding after 50 steps of up to some 100 operations
_NOTHING = 1e-18  # absolute; what underflow may leave of a number, far below any use
_NO_GUARD = 1e-300  # keeps 0 / 0 at 0
_UNDERFLOW = 1e-280  # absolute; below it float64 itself loses digits
# Relative to an output's largest number: what may stand where the other program has a 0, as the
# rounding of pi / 2 does in cos(arccos(0)).
_RESIDUE: dict[Any, float] = {np.float64: 1e-12, np.float32: 1e-6}


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
            arguments = [self._shaken(value, function) for value in arguments]
        if function == "divide":
            return self.map(self._divide, *arguments)
        row = FUNCTIONS[function]
        if not row.arity:
            assert row.exact is not None
            return self.constant(float(row.exact()))
        return super().apply(function, arguments)

    def _divide(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return x / np.where(np.abs(y) >= float(EPS_IS_LOST_FROM), y, y + self.guard)

    def _shaken(self, value: Value, function: str) -> Value:
        assert self.noise is not None
        shift = 1 if function == "log1p" else 0  # it is log|1 + x|, and rounds 1 + x
        draw = self.noise.standard_normal
        return Value(
            value.kind,
            tuple(x + _NOISE * draw(np.shape(x)) * (x + shift) for x in value.leaves),
        )


def outputs_of(
    program: Program,
    setting: Setting,
    *,
    dtype: type = np.float64,
    guard: float = EPS,
    noise: int | None = None,
) -> dict[str, np.ndarray]:
    """Each output over all steps: [STEPS, numbers in the tree].

    Args:
      guard, noise: with float64; the guard of divisions, and the seed of noise in every argument.
    """
    group = next((group for group in GROUPS if setting in group), (setting,))
    if any(FUNCTIONS[statement.function].whole_tree for statement in program):
        group = (setting,)
    return _run(program, group, dtype=dtype, guard=guard, noise=noise)[setting]


@lru_cache(maxsize=160)
def _run(
    program: Program,
    group: tuple[Setting, ...],
    *,
    dtype: type,
    guard: float,
    noise: int | None,
) -> dict[Setting, dict[str, np.ndarray]]:
    """The outputs in several settings at once: all their arrays are one, which takes a tenth of the
    time where no function looks at a tree as a whole."""
    rng = None if noise is None else np.random.default_rng(noise)
    tree = _Numbers(guard, rng) if dtype is np.float64 else Tree(np)
    states: list[list[Any]] = [_joined([s.zeros_like() for s in group]) for _ in program.states]
    rows: dict[str, list[np.ndarray]] = {name: [] for name in program.outputs}
    with np.errstate(all="ignore"):
        for inputs in zip(*map(inputs_of, group)):
            ws, gs, lrs = zip(*inputs)
            trees: list[list[np.ndarray]] = [
                [np.asarray(leaf, dtype) for leaf in _joined(t)] for t in (ws, gs)
            ]
            states = [[np.asarray(leaf, dtype) for leaf in state] for state in states]
            values = [Value(Kind.TENSOR, tuple(leaves)) for leaves in (*trees, *states)]
            variables = dict(zip(program.inputs, [*values, Value(Kind.SCALAR, (dtype(lrs[0]),))]))
            interpret(program, variables, constant=tree.constant, apply=tree.apply)
            states = [list(variables[name].leaves) for name in program.states]
            for name in program.outputs:
                leaves = variables[name].leaves
                rows[name].append(np.concatenate([np.ravel(leaf) for leaf in leaves]))
    ends = np.cumsum([setting.size for setting in group])
    return {
        setting: {name: np.array(row)[:, end - setting.size : end] for name, row in rows.items()}
        for setting, end in zip(group, ends)
    }


def _joined(trees: Sequence[list[np.ndarray]]) -> list[np.ndarray]:
    """One tree as it is, several as one array."""
    if len(trees) == 1:
        return trees[0]
    return [np.concatenate([np.ravel(leaf) for leaves in trees for leaf in leaves])]


def check(
    before: Program,
    after: Program,
    *,
    claim: Claim,
    states: Sequence[tuple[str, str]] = (),
    same_arithmetic: bool = False,
    settings: Sequence[Setting] = SETTINGS,
) -> Check:
    """Compares two programs' outputs.

    Args:
      states: pairs of states (before, after) that must agree as well as the update.
      same_arithmetic: the step only dropped, renamed or reordered, so that float32 must agree bit
        for bit; nothing else is compared then.
      settings: on which trees.
    """
    pairs = [(OUTPUT, OUTPUT), *states]
    if same_arithmetic:
        return _same_bits(before, after, pairs)
    guard = EPS if claim is Claim.EXACT else _NO_GUARD
    compared, worst, difference = 0, 0.0, ""
    for setting in settings:
        for a, b in pairs:
            old = outputs_of(before, setting, guard=guard)[a]
            new = outputs_of(after, setting, guard=guard)[b]
            finite = np.isfinite(old)
            compared += int(finite.sum())
            if setting is settings[0] and finite.any():
                worst = max(worst, float(_relative(old, new)[finite].max()))
            difference = _unexplained(before, setting, guard=guard, name=a, new=new)
            if difference:
                return Check(False, compared, worst, None, difference)
    return _in_float32(
        before, after, claim=claim, pairs=pairs, settings=settings, compared=compared, worst=worst
    )


def _unexplained(
    before: Program, setting: Setting, *, guard: float, name: str, new: np.ndarray
) -> str:
    """Where an output differs in float64 by more than rounding explains; "" if nowhere."""
    old = outputs_of(before, setting, guard=guard)[name]
    finite = np.isfinite(old)
    relative = _relative(old, new)
    wrong = finite & ~(np.isfinite(new) & (relative <= NEGLIGIBLE))
    if not wrong.any():
        return ""
    clear = wrong & ~(relative <= _SINGLE) & ~_residues(old, new, np.float64)
    many = clear.sum() > setting.excused * finite.sum()
    if not many and _explained(before, setting, guard=guard, name=name, new=new, where=wrong):
        return ""
    row, column = np.argwhere(wrong)[0]
    return (
        f"{name} differs at step {row + 1} in the {setting.name} setting: "
        f"{old[row, column]:.9g} before, {new[row, column]:.9g} after"
    )


def _residues(old: np.ndarray, new: np.ndarray, dtype: type) -> np.ndarray:
    """Where one of two is 0 and the other nothing beside the output's largest number."""
    with np.errstate(all="ignore"):
        largest = np.max(np.abs(old), where=np.isfinite(old), initial=0)
        small: np.ndarray = _distance(old, new) <= _RESIDUE[dtype] * largest
        residues: np.ndarray = ((old == 0) | (new == 0)) & small
        return residues


def _relative(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        scale = np.maximum(np.abs(old), np.abs(new))
        return np.where(scale > _UNDERFLOW, np.abs(old - new) / np.where(scale > 0, scale, 1), 0)


def _explained(
    before: Program,
    setting: Setting,
    *,
    guard: float,
    name: str,
    new: np.ndarray,
    where: np.ndarray,
) -> bool:
    """Whether the rounding of the program before the step can account for other results.

    Where noise leaves no digit of a number, as of tan(arctan(1e30)), it accounts for any.
    """
    old = outputs_of(before, setting, guard=guard)[name]
    for sample in range(_SAMPLES):
        spread = _spread(before, setting, guard=guard, name=name, sample=sample)
        where = where & ~((_distance(old, new) <= _FACTOR * spread) | _lost(old, spread))
        if not where.any():
            return True
    return False


def _spread(
    before: Program, setting: Setting, *, guard: float, name: str, sample: int
) -> np.ndarray:
    """What noise does to an output; infinite where it leaves the finite numbers."""
    clean = outputs_of(before, setting, guard=guard)[name]
    shaken = outputs_of(before, setting, guard=guard, noise=sample)[name]
    spread = _distance(clean, shaken)
    return np.where(np.isfinite(spread), spread, np.inf)


def _lost(old: np.ndarray, spread: np.ndarray) -> np.ndarray:
    lost: np.ndarray = (spread >= np.abs(old) / 2) & (spread > 0)
    return lost


def _distance(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        distance: np.ndarray = np.abs(old - new)
    return distance


def _in_float32(
    before: Program,
    after: Program,
    *,
    claim: Claim,
    pairs: Sequence[tuple[str, str]],
    settings: Sequence[Setting],
    compared: int,
    worst: float,
) -> Check:
    shares: dict[str, float] = {}
    missed: list[str] = []
    for setting in settings:
        need = setting.float32.get(claim)
        if need is None:
            continue
        share = shares[setting.name] = min(
            _float32_share(before, after, setting=setting, a=a, b=b) for a, b in pairs
        )
        if share < need:
            missed.append(f"{need:.0%} {setting.name}")
        if not all(_stays_finite(before, after, setting=setting, a=a, b=b) for a, b in pairs):
            missed.append(f"finite numbers {setting.name}")
    note = (
        f"{STEPS} steps, {len(settings)} trees, float64"
        f"{'' if claim is Claim.EXACT else f' with a guard of {_NO_GUARD:g}'}: {compared} numbers "
        f"agree; float32 with guards, to {_SINGLE:g}: "
        + ", ".join(f"{share:.2%} {name}" for name, share in shares.items())
    )
    if missed:
        note += f", where {' and '.join(missed)} are needed"
    return Check(not missed, compared, worst, min(shares.values()), note)


def _float32_share(before: Program, after: Program, *, setting: Setting, a: str, b: str) -> float:
    """The share of one output's numbers that agree in float32 to three digits, or as far as
    rounding allows: of some numbers, and of any residues where there should be 0."""
    old = outputs_of(before, setting, dtype=np.float32)[a]
    new = outputs_of(after, setting, dtype=np.float32)[b]
    distance = _distance(old, new)
    finite = np.isfinite(old)
    far = finite & ~(distance <= _SINGLE * np.abs(old) + _NOTHING)
    total = int(finite.sum())
    if not far.any():
        return 1.0
    spread = np.maximum.reduce(
        [_spread(before, setting, guard=EPS, name=a, sample=i) for i in (0, 1)]
    )
    spread = spread * (2.0**-24 / _NOISE)
    explained = far & ((distance <= 10 * spread) | _lost(outputs_of(before, setting)[a], spread))
    free = explained & _residues(old, new, np.float32)
    excused = min(int((explained & ~free).sum()), setting.excused * total)
    return (total - int((far & ~free).sum()) + excused) / total


def _stays_finite(before: Program, after: Program, *, setting: Setting, a: str, b: str) -> bool:
    """Whether the program after a step is finite wherever that before it is, at magnitudes that
    leave room for another order of operations."""
    if setting.excused == 1.0:
        return True
    old, new = (outputs_of(p, setting, dtype=np.float32)[n] for p, n in ((before, a), (after, b)))
    return bool(np.isfinite(new[np.isfinite(old)]).all())


def _same_bits(before: Program, after: Program, pairs: Sequence[tuple[str, str]]) -> Check:
    compared = 0
    for setting in SETTINGS:
        old, new = (outputs_of(program, setting, dtype=np.float32) for program in (before, after))
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
    rows = outputs_of(program, setting)
    for i in range(STEPS):
        yield {name: values[i] for name, values in rows.items()}
