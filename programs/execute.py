"""One loop over a program's statements, and real numbers to run it on.

Executing a program, reading it into terms and the canonical hash are `interpret` with other values
(compare jax's autodidax). Only `programs.abstract` walks the statements by itself: kinds, the
functional hash and dependencies are found for every child of a search, and that loop is written out
for speed. This file adds the values of a real execution: parameter trees of numpy or JAX arrays.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any

from programs.functions import FUNCTIONS
from programs.kinds import Kind
from programs.program import Program, Statement


def interpret(
    statements: Iterable[Statement],
    variables: dict[str, Any],
    *,
    constant: Callable[[float], Any],
    apply: Callable[[str, list[Any]], Any],
) -> dict[str, Any]:
    """Runs `statements` over abstract or real values.

    Args:
      variables: the value of each input; updated in place with every target.
      constant: the value of a constant.
      apply: the value of a function on values.

    Returns:
      `variables`.

    Raises:
      KeyError: a statement reads an undefined variable.
    """
    for statement in statements:
        arguments = [
            variables[a] if isinstance(a, str) else constant(a) for a in statement.arguments
        ]
        variables[statement.target] = apply(statement.function, arguments)
    return variables


@dataclass(frozen=True, slots=True)
class Value:
    """A number, one number per array, or a whole parameter tree.

    leaves: one 0-d array (scalar), or A arrays: 0-d (per-array) or of the parameters' shapes.
    """

    kind: Kind
    leaves: tuple[Any, ...]


class Tree:
    """How functions run on Values, over an array module `xp` (numpy or jax.numpy)."""

    def __init__(self, xp: Any):
        self.xp = xp

    def constant(self, number: float) -> Value:
        return Value(Kind.SCALAR, (self.xp.asarray(number, self.xp.float32),))

    def apply(self, function: str, arguments: list[Value]) -> Value:
        row = FUNCTIONS[function]
        if not row.arity:
            return Value(Kind.SCALAR, (row.meaning(self.xp),))
        if not row.whole_tree:
            return self.map(lambda *arrays: row.meaning(self.xp, *arrays), *arguments)
        # A whole-tree meaning works with bare scalars, such as its scalar arguments and totals.
        result = row.meaning(
            self,
            *(v.leaves[0] if i in row.scalar_arguments else v for i, v in enumerate(arguments)),
        )
        return result if isinstance(result, Value) else Value(Kind.SCALAR, (result,))

    def map(self, function: Callable[..., Any], *values: Any) -> Value:
        """Elementwise, lower kinds broadcast to the highest; a bare array counts as a scalar."""
        lifted = [v if isinstance(v, Value) else Value(Kind.SCALAR, (v,)) for v in values]
        kind = max(v.kind for v in lifted)
        count = max(len(v.leaves) for v in lifted if v.kind == kind)
        columns = [v.leaves * count if v.kind == Kind.SCALAR else v.leaves for v in lifted]
        return Value(kind, tuple(function(*arrays) for arrays in zip(*columns)))

    def cast(self, *values: Value) -> tuple[Value, ...]:
        """Broadcasts all to the highest kind, so that reductions run over all its numbers."""
        together = self.map(lambda *arrays: self.xp.broadcast_arrays(*arrays), *values)
        columns = zip(*together.leaves) if together.leaves else [()] * len(values)
        return tuple(Value(together.kind, tuple(column)) for column in columns)

    def total(self, function: Callable[..., Any], *values: Value) -> Any:
        """Sum of function(values) over all numbers of the tree: a bare scalar array."""
        sums = [self.xp.sum(leaf) for leaf in self.map(function, *values).leaves]
        return reduce(operator.add, sums) if sums else self.xp.float32(0)

    def each(self, function: Callable[..., Any], x: Value) -> Value:
        """Sum of function(x) over each array."""
        kind = min(x.kind, Kind.PER_ARRAY)
        return Value(kind, tuple(self.xp.sum(function(leaf)) for leaf in x.leaves))

    def lengths(self, x: Value) -> Value:
        """The length of each array."""
        kind = min(x.kind, Kind.PER_ARRAY)
        return Value(kind, tuple(self.length(Value(x.kind, (leaf,))) for leaf in x.leaves))

    def length(self, x: Value) -> Any:
        """The length of all numbers of the tree, the root of the sum of their squares.

        Of one number its size, whose square might leave float32: XLA would make that of it anyway,
        where it sees the root of a square.
        """
        if sum(map(self.xp.size, x.leaves)) == 1:
            return self.total(self.xp.abs, x)
        return self.xp.sqrt(self.total(self.xp.square, x))


def run_step(
    program: Program,
    xp: Any,
    *,
    w: list[Any],
    g: list[Any],
    states: list[list[Any]],
    lr: Any,
) -> tuple[list[Any], list[list[Any]]]:
    """One training step of a valid program on lists of arrays.

    Args:
      xp: numpy or jax.numpy.
      w, g: the A arrays of the weights and of the gradient, float32.
      states: one such list per state.
      lr: the schedule value, a 0-d float32 array.

    Returns:
      update and new states, as lists of A float32 arrays; the caller does w = w - update.
    """
    tree = Tree(xp)
    trees = [Value(Kind.TENSOR, tuple(leaves)) for leaves in (w, g, *states)]
    variables = dict(zip(program.inputs, [*trees, Value(Kind.SCALAR, (lr,))]))
    interpret(program, variables, constant=tree.constant, apply=tree.apply)
    update, *new_states = (list(variables[name].leaves) for name in program.outputs)
    return update, new_states
