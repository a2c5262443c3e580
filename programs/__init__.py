"""Update rules as programs: write, read, check, hash, mutate, run and simplify them.

Importing this package starts no JAX backend; what needs JAX is in `programs.transform` and
`programs.interpreter`.
"""

from programs.abstract import (
    Analysis,
    InvalidProgram,
    analyse,
    is_valid,
    live_across_steps,
    reaching,
    remove_redundant,
)
from programs.function import Function
from programs.load import discovered, library, load
from programs.parse import parse
from programs.program import Constant, Program, ProgramError, Statement
from programs.user_functions import load_functions_file, register, unregister

__all__ = [
    "Analysis",
    "Constant",
    "Function",
    "InvalidProgram",
    "Program",
    "ProgramError",
    "Statement",
    "analyse",
    "discovered",
    "is_valid",
    "library",
    "live_across_steps",
    "load",
    "load_functions_file",
    "parse",
    "reaching",
    "register",
    "remove_redundant",
    "unregister",
]
