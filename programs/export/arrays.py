"""A program as a Python function of one parameter, for libraries with numpy's names.

Its statements stand in it one by one. What a statement needs of all parameters it yields: its share
of a sum, and it gets the sum over all of them. The module that calls it runs all parameters side by
side (`together` in the templates), so that one text does for any tree of arrays.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from programs.export.form import RATE, Form
from programs.export.names import filled
from programs.function import Function
from programs.functions import BUILT_IN, FUNCTIONS
from programs.kinds import Kind
from programs.program import OUTPUT, ProgramError, Statement

TOTAL = "total"  # in a row's array_source, the sum of an array over all parameters

SIGN = "torch.where(torch.isnan({0}), {0}, torch.sign({0}))"


@dataclass(frozen=True)
class Rule:
    """scalars: what it takes beside w, g and the states. body: its statements as lines.
    shared: whether it yields."""

    scalars: tuple[str, ...]
    body: tuple[str, ...]
    shared: bool


def rule_of(form: Form, module: str) -> Rule:
    """A program's statements. A rule without a learning rate is multiplied by `lr` at the end.

    module: what the array library is called in the source, np or torch.

    Raises:
      ProgramError: a function of the user's own says nothing of how it is written in the library.
    """
    scalars = (RATE, *form.parameters, *form.mask)
    kinds = dict.fromkeys(("w", "g", *form.states), Kind.TENSOR)
    kinds |= dict.fromkeys(scalars, Kind.SCALAR) | dict.fromkeys(form.mask, Kind.PER_ARRAY)
    body, shared = [], False
    for statement in form.program:
        row = FUNCTIONS[statement.function]
        expression = written(row, module, statement, shares=_spread(statement, kinds))
        shared |= any(isinstance(node, ast.Yield) for node in ast.walk(expression))
        body.append(f"{statement.target} = {ast.unparse(expression)}")
        arguments = tuple(kinds[str(argument)] for argument in statement.arguments)
        kinds[statement.target] = FUNCTIONS[statement.function].kinds[arguments]
    if form.rate is None:
        body.append(f"{OUTPUT} = {OUTPUT} * {RATE}")
    return Rule(scalars, tuple(body), shared)


def _spread(statement: Statement, kinds: dict[str, Kind]) -> bool:
    """Whether an argument has numbers in every parameter, rather than being one number."""
    return any(kinds[str(argument)] is not Kind.SCALAR for argument in statement.arguments)


def written(row: Function, module: str, statement: Statement, *, shares: bool) -> ast.expr:
    """The right-hand side of a statement in a library; shares: whether totals are yielded."""
    tree = ast.parse(array_text(row, module, statement), mode="eval").body
    expression: ast.expr = _Written(module, shares=shares).visit(tree)
    return expression


def array_text(row: Function, module: str, statement: Statement) -> str:
    """The right-hand side of a statement over `xp` and `total`."""
    source = (
        row.array_source
        or row.source
        or (f"jnp.{row.name}(" + ", ".join(f"{{{i}}}" for i in range(row.arity)) + ")")
    )
    foreign = "jax." in source or row.whole_tree  # to both libraries
    if not row.array_source and (foreign or (module != "np" and row.name not in BUILT_IN)):
        targets = "numpy or torch" if foreign else "torch"
        raise ProgramError(
            f"function {row.name}: to be exported to {targets} it needs an array_source over "
            "{0}, ..., such as 'xp.log(1 + xp.exp({0}))', where xp is numpy or torch"
        )
    return filled(source, [str(argument) for argument in statement.arguments])


class _Written(ast.NodeTransformer):
    """xp and jnp by their name; total as what a rule yields; in torch, whose sign of NaN is 0, a
    sign that keeps NaN."""

    def __init__(self, module: str, *, shares: bool):
        self._module, self._shares = module, shares

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Name(self._module, node.ctx) if node.id in ("xp", "jnp") else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if self._module == "torch" and ast.unparse(node.func) == "torch.sign":
            x = ast.unparse(node.args[0])
            return ast.parse(SIGN.format(x), mode="eval").body
        if not (isinstance(node.func, ast.Name) and node.func.id == TOTAL):
            return node
        whole = ast.Attribute(ast.Name(self._module, ast.Load()), "sum", ast.Load())
        share = ast.Call(whole, node.args, node.keywords)
        return ast.Yield(share) if self._shares else share
