"""Update rules as programs: write, read, check, hash, mutate, run and simplify them.

Importing this package starts no JAX backend; what needs JAX is in `programs.transform` and
`programs.interpreter`.
"""

from programs.abstract import (
    Analysis,
    InvalidProgram,
    analyse,
    live_across_steps,
    reaching,
    remove_redundant,
)
from programs.parse import library, load, parse
from programs.program import Constant, Program, ProgramError, Statement

__all__ = [
    "Analysis",
    "Constant",
    "InvalidProgram",
    "Program",
    "ProgramError",
    "Statement",
    "analyse",
    "library",
    "live_across_steps",
    "load",
    "parse",
    "reaching",
    "remove_redundant",
]
