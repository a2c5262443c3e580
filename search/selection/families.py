"""Choosing the best of a search without choosing fifty copies of one program.

The leading programs of a search are relatives: the same statements with other constants, or with a
statement more that changes next to nothing. Two programs are of one family when they have the same
structure (the same canonical hash with every constant blanked), or the same behavioural hash, or
when their updates on fixed random inputs point the same way. A family is named by its fittest, and
a program is compared with that one, not with a member that it may be nearer to: so no chain of
small steps makes one family of two kinds. (What kind of update a family makes is a question of its
own: see update_form.py.)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from programs import Program, live_across_steps
from programs.behaviour import behaviour
from programs.canonical import canonical_hash
from programs.execute import run_step

BLANK = 0.7306190371513367  # stands for every constant; no rule folds it into another
STEPS = 12
SIMILAR = 0.98  # cosine of the updates of two programs of one family
_SHAPES = ((4, 3), (5,), (2, 4))


@dataclass(frozen=True)
class Candidate:
    """A program with the fitness that the search gave it."""

    program: Program
    fitness: float  # in the search: biased upwards
    name: str = ""


@dataclass(frozen=True)
class Family:
    """The fittest of a family, and how many there are."""

    best: Candidate
    members: int


def structure(program: Program) -> bytes:
    """A hash of what the program computes, whatever its constants."""
    live = live_across_steps(program)
    return canonical_hash(live.with_constants([BLANK] * len(live.constants())))


def is_variant(program: Program, of: Program) -> bool:
    """Whether a program is another one with other constants, and no more of them."""
    count, most = (len(live_across_steps(p).constants()) for p in (program, of))
    return count <= most and structure(program) == structure(of)


def direction(program: Program) -> np.ndarray | None:
    """The updates of a few steps on fixed random inputs, each step and array scaled to norm 1.

    [STEPS * elements]; None when an update is not finite. Without a trained weight in sight, so two
    programs may be alike here and differ in training; they are still of one kind.
    """
    program = live_across_steps(program)
    rng = np.random.default_rng(0)
    w = [rng.normal(0, 0.3, shape).astype(np.float32) for shape in _SHAPES]
    states = [[np.zeros_like(leaf) for leaf in w] for _ in program.states]
    drift = [rng.normal(0, 0.1, shape) for shape in _SHAPES]  # what all gradients share
    parts = []
    with np.errstate(all="ignore"):
        for step in range(STEPS):
            g = [(d + rng.normal(0, 0.1, d.shape)).astype(np.float32) for d in drift]
            schedule = np.float32(min(1.0, (step + 1) / 3) * (1 - step / (STEPS + 1)))
            update, states = run_step(program, np, w=w, g=g, states=states, lr=schedule)
            for change in update:
                norm = float(np.linalg.norm(change))
                if not np.isfinite(norm):
                    return None
                parts.append(np.asarray(change, float).ravel() / (norm or 1.0))
    return np.concatenate(parts)


@dataclass(slots=True)
class _Group:
    """A family while it is being counted."""

    best: Candidate
    hashes: set[bytes]  # of the best's structure, and of the behaviour of all
    updates: np.ndarray | None  # of the best, as `direction` gives them
    members: int = 0


def families(
    candidates: Iterable[Candidate], keep: int, *, similar: float = SIMILAR
) -> list[Family]:
    """The families of the fittest, the fittest family first; of equal fitness the shorter program.

    Looks at candidates from the best down until there are `keep` families and a candidate is of
    none of them, and counts the members it met on the way.
    """
    ordered = sorted(candidates, key=lambda c: (-c.fitness, len(live_across_steps(c.program))))
    groups: list[_Group] = []
    for candidate in ordered:
        if not np.isfinite(candidate.fitness):
            continue
        hashes = [structure(candidate.program)]
        group = _with_hash(hashes[0], groups)
        if group is None:
            hashes.append(behaviour(candidate.program).hash)
            group = _with_hash(hashes[1], groups)
        if group is None:
            updates = direction(candidate.program)
            group = next((g for g in groups if _alike(updates, g.updates, similar)), None)
            if group is not None:
                group.hashes.add(hashes[1])  # what behaves the same moves in the same direction
            elif len(groups) < keep:
                group = _Group(candidate, set(hashes), updates)
                groups.append(group)
            else:
                break
        group.members += 1
    return [Family(group.best, group.members) for group in groups]


def _with_hash(hashed: bytes, groups: Iterable[_Group]) -> _Group | None:
    return next((group for group in groups if hashed in group.hashes), None)


def _alike(one: np.ndarray | None, other: np.ndarray | None, similar: float) -> bool:
    """Whether two vectors point the same way; what is not finite points nowhere."""
    if one is None or other is None:
        return False
    norms = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) > similar * norms > 0
