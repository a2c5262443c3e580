"""Random programs and trees, for tests."""

from __future__ import annotations

import random
from functools import lru_cache

import numpy as np
from hypothesis import strategies as st

from programs import Program, Statement, library, load
from programs.draws import child_rng
from programs.functions import ALIASES
from programs.mutate import MutationOptions, mutate, random_program

SHAPES = ((3, 2), (4,), ())  # arrays of a small parameter tree


def random_programs(count: int, seed: int = 0) -> list[Program]:
    """`count` programs: library programs under 1 to 40 mutations, and random ones."""
    names = library()
    found: list[Program] = []
    chain = 0
    while len(found) < count:
        rng = child_rng(seed, 0, chain)
        if chain % 5 == 4:
            found.append(
                random_program(rng, 1 + int(rng.random() * 30), ("m", "v", "s")[: chain % 4])
            )
        else:
            program = load(f"library:{names[chain % len(names)]}")
            options = MutationOptions(max_length=60, insert=1.5)
            analysis = None
            for step in range(40):
                child = mutate(program, rng, options=options, analysis=analysis)
                program, analysis = child.program, child.analysis
                if step % 3 == 0:
                    found.append(program)
        chain += 1
    return found[:count]


@lru_cache(maxsize=2)
def ten_thousand_programs() -> tuple[Program, ...]:
    return tuple(random_programs(10_000))


def programs() -> st.SearchStrategy[Program]:
    """Hypothesis: a valid program."""
    return st.integers(0, 2**32).map(lambda seed: random_programs(1 + seed % 20, seed)[-1])


def trees(seed: int, scale: float = 1.0, shapes=SHAPES) -> list[np.ndarray]:
    """A float32 parameter tree."""
    rng = np.random.default_rng(seed)
    return [np.asarray(scale * rng.normal(size=shape), np.float32) for shape in shapes]


def renamed(program: Program, seed: int) -> Program:
    """The same program with every variable but w, g, lr and update under another name."""
    rng = random.Random(seed)
    names = {s.target for s in program} | set(program.states)
    fixed = {"w", "g", "lr", "update"}
    others = {name: f"x{rng.randrange(10**9)}_{i}" for i, name in enumerate(sorted(names - fixed))}

    def rename(argument):
        return others.get(argument, argument) if isinstance(argument, str) else argument

    assert not set(others.values()) & set(ALIASES)
    return Program(
        tuple(rename(s) for s in program.states),
        tuple(
            Statement(rename(s.target), s.function, tuple(rename(a) for a in s.arguments))
            for s in program
        ),
    )
