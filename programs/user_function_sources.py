"""Could an export write a user's function down? Its sources are tried on a small tree.

They are evaluated: they stand in the Python file that the user gives by `--functions-file`, or in
the row that a user's own code registers, so whoever could put something into them runs code
already. No source is ever read from a run, a config or a program.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from programs.execute import Tree, Value
from programs.export.arrays import written
from programs.export.names import bound_in
from programs.export.numpy import TOGETHER
from programs.export.optax import HELPERS
from programs.function import Function
from programs.kinds import Kind
from programs.program import ProgramError, Statement
from programs.user_function_checks import called, tree_of

_HOLES = ("argument_0_", "argument_1_", "argument_2_")
_READ = {
    "source": ("jnp", "jax", "total", "length", "scaled"),
    "array_source": ("xp", "total", "w"),
}


def check_sources(row: Function) -> None:
    """Raises ProgramError, with what would be right, if they are not its meaning.

    The values of `source` are compared with numpy in place of JAX. What numpy cannot run, such as
    jax.nn, is traced by JAX, which starts none of its backends.
    """
    what = f"function {row.name}: source"
    if not row.source:
        raise ProgramError(
            f"{what}: expected its meaning as JAX source over {{0}}, {{1}}, ..., such as "
            "'jnp.log1p(jnp.exp({0}))', for exports"
        )
    text = _expression(row, "source", what)
    for kinds, kind in row.kinds.items():
        arguments = [tree_of(kind, turn) for turn, kind in enumerate(kinds)]
        asked = f"{what} on ({', '.join(map(str, kinds))}): "
        try:
            leaves = _run(row, text, arguments=arguments, names=_in_numpy())
        except Exception:  # what numpy lacks, or a mistake
            leaves = _traced(row, text, arguments=arguments, asked=asked)
        _compare(leaves, called(row, arguments), asked)
    if row.array_source:
        _check_array_source(row)


def _expression(row: Function, field: str, what: str) -> str:
    """The source over the holes. Raises ProgramError for what it may not read."""
    source = getattr(row, field)
    try:
        text = source.format(*_HOLES[: row.arity])
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, IndexError, KeyError, ValueError) as error:
        raise ProgramError(f"{what} {source!r}: {error}") from None
    known = {*_READ[field], *_HOLES, *bound_in(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in known:
            holes = ", ".join(f"{{{i}}}" for i in range(row.arity))
            allowed = f"{holes}, {', '.join(_READ[field][:-1])} and {_READ[field][-1]}"
            raise ProgramError(f"{what} reads '{node.id}'; it may read {allowed} alone")
    return str(text)


def _run(row: Function, text: str, *, arguments: list[Value], names: dict[str, Any]) -> list[Any]:
    """The leaves of what the source gives, as the exported module runs it."""
    function = eval(f"lambda {', '.join(_HOLES[: row.arity])}: {text}", names)
    with np.errstate(all="ignore"):
        if not row.whole_tree:
            return list(Tree(np).map(function, *arguments).leaves)
        trees = (v.leaves[0] if v.kind is Kind.SCALAR else v.leaves for v in arguments)
        return _leaves(function(*trees))


def _map(function: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """jax.tree.map of tuples."""
    if not isinstance(tree, tuple):
        return function(tree, *rest)
    if not all(isinstance(other, tuple) for other in rest):
        raise ValueError("trees of different structure")
    return tuple(function(*leaves) for leaves in zip(tree, *rest, strict=True))


def _leaves(tree: Any) -> list[Any]:
    """jax.tree.leaves of a tuple."""
    return list(tree) if isinstance(tree, tuple) else [tree]


def _with_helpers(jnp: Any, jax: Any) -> dict[str, Any]:
    names = {"jnp": jnp, "jax": jax}
    exec("".join(HELPERS.values()), names)
    return names


@cache
def _in_numpy() -> dict[str, Any]:
    """What a source reads, by numpy."""
    return _with_helpers(np, SimpleNamespace(tree=SimpleNamespace(map=_map, leaves=_leaves)))


def _traced(row: Function, text: str, *, arguments: list[Value], asked: str) -> list[Any]:
    """The leaves as shapes."""
    import jax  # only for what numpy cannot run: it takes a second
    import jax.numpy as jnp

    names = _with_helpers(jnp, jax)
    try:
        leaves: list[Any] = jax.eval_shape(
            lambda leaves: _run(
                row,
                text,
                arguments=[Value(v.kind, own) for v, own in zip(arguments, leaves, strict=True)],
                names=names,
            ),
            [v.leaves for v in arguments],
        )
        return leaves
    except Exception as error:  # the user's code may raise anything
        raise _failed(asked, error) from error


def _failed(asked: str, error: Exception) -> ProgramError:
    reason = " ".join(str(error).split())[:300]
    return ProgramError(f"{asked}{type(error).__name__}: {reason}")


def _compare(leaves: Iterable[Any], wanted: Value, asked: str) -> None:
    """Shapes, and values where there are some."""
    got = list(leaves)
    shapes, expected = [np.shape(leaf) for leaf in got], [np.shape(leaf) for leaf in wanted.leaves]
    if shapes != expected:
        raise ProgramError(f"{asked}expected a {wanted.kind} of shapes {expected}, got {shapes}")
    for one, other in zip(got, wanted.leaves, strict=True):
        if not hasattr(one, "__array__") and not isinstance(one, float | int):
            continue  # traced: it has no values
        wrong = ~np.isclose(one, other, rtol=1e-3, atol=1e-5, equal_nan=True)
        if np.any(wrong):
            first, right = (np.broadcast_to(x, wrong.shape)[wrong][0] for x in (one, other))
            raise ProgramError(f"{asked}{first:g}, its meaning gives {right:g}")


def _check_array_source(row: Function) -> None:
    """In numpy, one of its two libraries, as an exported rule runs it."""
    what = f"function {row.name}: array_source"
    _expression(row, "array_source", what)
    holes = _HOLES[: row.arity]
    statement = Statement("update", row.name, holes)
    for kinds in row.kinds:
        arguments = [tree_of(kind, turn) for turn, kind in enumerate(kinds)]
        spread = any(kind is not Kind.SCALAR for kind in kinds)
        expression = written(row, "np", statement, shares=spread)
        names: dict[str, Any] = {"np": np, "Any": Any}
        asked = f"{what} on ({', '.join(map(str, kinds))}): "
        wanted = called(row, arguments)
        try:
            exec(TOGETHER, names)
            rule = eval(f"lambda w, {', '.join(holes)}: {ast.unparse(expression)}", names)
            with np.errstate(all="ignore"):
                each = list(zip(tree_of(Kind.TENSOR, 0).leaves, *map(_in_each, arguments)))
                results = [rule(*values) for values in each]
                if any(isinstance(node, ast.Yield) for node in ast.walk(expression)):
                    results = names["together"](results)
        except Exception as error:  # the user's code may raise anything
            raise _failed(asked, error) from error
        _compare(results[: len(wanted.leaves)], wanted, asked)


def _in_each(value: Value) -> tuple[Any, ...]:
    """A value's share in each array of the tree."""
    count = len(tree_of(Kind.TENSOR, 0).leaves)
    return value.leaves * count if value.kind is Kind.SCALAR else value.leaves
