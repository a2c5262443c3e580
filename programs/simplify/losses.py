"""What simplification gave up, measured: where the two programs differ in float32.

Rewriting keeps the outputs over the real numbers and away from the guards. A program in float32 may
still live by what it loses: by the guard of m / sqrt(v) where gradients are small, by the dead zone
of (g + 1) - 1, by a NaN in its first step. Both programs are run on gradients of several sizes, and
with a schedule value of 0, and each difference is reported with its reason.
"""

from __future__ import annotations

import numpy as np

from programs.function import EPS
from programs.program import OUTPUT, Program
from programs.simplify.check import outputs_of
from programs.simplify.check_settings import NO_RATE, SETTINGS, SIZES, Setting

_REPORTED_FROM = 1e-3  # differences, as shares of the update's norm
_ZEROS = next(setting for setting in SETTINGS if setting.zeros)
_COMPARED = (*SIZES, NO_RATE)


def given_up(before: Program, after: Program) -> tuple[str, ...]:
    """Where the updates of two programs differ, in words; nothing if no difference was seen."""
    guards: list[str] = []
    rounding: list[str] = []
    dead: list[str] = []
    for setting in _COMPARED:
        old, new = _update(before, setting), _update(after, setting)
        both = np.isfinite(old) & np.isfinite(new)
        difference = _share(new, old, both)
        if _REPORTED_FROM < difference < float("inf"):  # of an update of 0: a dead zone
            text = f"{_percent(difference)} at {setting.name}"
            (
                rounding if _rounds(before, setting, single=old, difference=difference) else guards
            ).append(text)
        if (both & (old == 0) & (new != 0)).any():
            dead.append(setting.name)
    differences = []
    if guards:
        differences.append(
            f"guards of 1e-8, and the ends of float32: the update differs by {_and(guards)}"
        )
    if rounding:
        differences.append(f"rounding: the update differs by {_and(rounding)}")
    if dead:
        differences.append(f"dead zones: an update of 0 becomes nonzero at {_and(dead)}")
    return (*differences, *_not_finite(before, after))


def _update(program: Program, setting: Setting) -> np.ndarray:
    return outputs_of(program, setting, dtype=np.float32)[OUTPUT].astype(np.float64)


def _share(one: np.ndarray, other: np.ndarray, where: np.ndarray) -> float:
    """The norm of the difference of two arrays as a share of that of the second."""
    with np.errstate(all="ignore"):
        size = float(np.linalg.norm(other[where]))
        rest = float(np.linalg.norm(one[where] - other[where]))
    return rest / size if size else float("inf") if rest else 0.0


def _rounds(before: Program, setting: Setting, *, single: np.ndarray, difference: float) -> bool:
    """Whether most of a difference is float32's rounding in the first program."""
    double = outputs_of(before, setting, guard=EPS)[OUTPUT]
    both = np.isfinite(single) & np.isfinite(double)
    return _share(double, single, both) > difference / 2


def _not_finite(before: Program, after: Program) -> list[str]:
    """Where one of the two programs gives no finite number and the other does."""
    first: list[str] = []
    later: list[str] = []
    lost: list[str] = []
    for setting in (*_COMPARED, _ZEROS):
        old, new = _update(before, setting), _update(after, setting)
        gained = np.isfinite(new) & ~np.isfinite(old)
        name = "gradients and weights of 0" if setting is _ZEROS else setting.name
        if gained[0].any():
            first.append(name)
        elif gained.any():
            later.append(name)
        if (np.isfinite(old) & ~np.isfinite(new)).any():
            lost.append(name)
    differences = []
    if first:
        differences.append(f"infinity or NaN in the first step becomes finite at {_and(first)}")
    if later:
        differences.append(f"infinity or NaN becomes finite at {_and(later)}")
    if lost:
        differences.append(f"a finite update becomes infinity or NaN at {_and(lost)}")
    return differences


def _percent(share: float) -> str:
    if share >= 10:
        return f"{share:.2g} times its norm"
    return f"{100 * share:.{0 if share >= 0.01 else 1}f} % of its norm"


def _and(texts: list[str]) -> str:
    return ", ".join(texts[:-1]) + " and " + texts[-1] if len(texts) > 1 else texts[0]
