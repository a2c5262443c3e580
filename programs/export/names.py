"""Names in generated source: none that could mean something else there, and none that is no name.

A program's variables come from a file, so from anybody. The parser lets only plain names through;
a program made by hand is checked here, before any of its text becomes source.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import unicodedata
from collections.abc import Iterable, Sequence

from programs.functions import FUNCTIONS
from programs.program import Program, ProgramError, Statement

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")


def names_in(source: str) -> set[str]:
    """Every name that Python source reads or binds, and the language's own."""
    names = set(keyword.kwlist)
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.alias(asname=None, name=name):
                names.add(name.partition(".")[0])
            case ast.alias(asname=str(name)) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
    return names


def check_name(name: str, needed: Iterable[str]) -> None:
    """Raises ProgramError unless a generated module may define something of this name."""
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ProgramError(f"--name {name!r} is not a Python name; write one such as 'my_rule'")
    if (folded := unicodedata.normalize("NFKC", name)) != name:
        raise ProgramError(f"--name {name!r}: Python would read it as {folded!r}; write it so")
    if name in needed:
        raise ProgramError(
            f"--name {name!r} is a name that the module itself needs; choose another"
        )
    if name in dir(builtins):
        raise ProgramError(f"--name {name!r} is a name that Python uses; choose another")


def check_program(program: Program) -> None:
    """Raises ProgramError unless every name and number of a program is one in Python, too."""
    for statement in program:
        if statement.function not in FUNCTIONS:
            raise ProgramError(f"export: no function {statement.function[:60]!r}")
        for value in (statement.target, *statement.arguments):
            if isinstance(value, str) and not _NAME.match(value):
                raise ProgramError(f"export: {value[:60]!r} is no variable's name")
            if not isinstance(value, str) and value - value != 0:
                raise ProgramError(f"export: {value} is no finite number")
    for state in program.states:
        if not _NAME.match(state):
            raise ProgramError(f"export: {state[:60]!r} is no state's name")


def filled(template: str, arguments: Sequence[str]) -> str:
    """A function's source on its arguments, with other names for what it binds itself (a lambda's
    arguments, a comprehension's variables) where an argument is called so."""
    holes = [f"argument_{i}_" for i in range(len(arguments))]
    tree = ast.parse(template.format(*holes), mode="eval")
    bound = bound_in(tree)
    if bound.isdisjoint(arguments):
        return template.format(*arguments)
    taken = {
        *arguments,
        *(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)),
        *bound,
    }
    names = dict(zip(holes, arguments))
    for name in sorted(bound.intersection(arguments)):
        new = name
        while new in taken:
            new += "_"
        taken.add(new)
        names[name] = new
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
        elif isinstance(node, ast.arg):
            node.arg = names.get(node.arg, node.arg)
    return ast.unparse(tree)


def bound_in(tree: ast.AST) -> set[str]:
    """The names that an expression gives a meaning inside it."""
    arguments = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return arguments | {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def renamed(program: Program, taken: set[str]) -> Program:
    """The program with other names for variables that are called what the module needs.

    A state is a field of a NamedTuple in some modules, whose name may not begin with an underscore.
    """
    variables = dict.fromkeys((*program.inputs, *(s.target for s in program)))
    names: dict[str, str] = {}
    for name in variables:
        new = name.lstrip("_") or "x"
        while new in taken or (new != name and new in variables) or new in names.values():
            new += "_"
        names[name] = new

    def rename(argument: str | float) -> str | float:
        return names[argument] if isinstance(argument, str) else argument

    statements = (
        Statement(names[s.target], s.function, tuple(map(rename, s.arguments))) for s in program
    )
    return Program(tuple(names[state] for state in program.states), tuple(statements))
