"""A program as Python source that needs nothing of this project: one file, jax and optax.

Generated code is the program statement by statement, so that a reader can check it against the
program's text, which stands in its docstring.
"""

from __future__ import annotations

from programs.abstract import analyse, live_across_steps
from programs.functions import FUNCTIONS
from programs.kinds import Kind
from programs.program import Program, Statement

_TEMPLATE = '''"""An update rule as an optax.GradientTransformation.

{text}
(the training loop does w = w - update; optax adds, so the sign is changed at the end)
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class State(NamedTuple):
    """The step count, and the rule's states: trees like the parameters, zero at first."""

    count: jax.Array
{fields}
{helpers}
def {name}(schedule=lambda count: 1.0) -> optax.GradientTransformation:
    """The rule; `schedule` is step count -> schedule value, with a peak of about 1.

    The peak learning rate is a constant inside the rule.
    """

    def init(params):
        zeros = jax.tree.map(lambda p: jnp.zeros(jnp.shape(p), jnp.float32), params)
        return State(jnp.zeros([], jnp.int32){zeros})

    def update(g, state, params=None):
        if params is None:
            raise ValueError("this rule reads the weights: call update(grads, state, params)")
        count = state.count
{unpack}        lr = jnp.asarray(schedule(count), jnp.float32)
        w, g = (jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), t) for t in (params, g))
{body}
        updates = jax.tree.map(lambda u, p: (-u).astype(jnp.asarray(p).dtype), update, params)
        return updates, State(count + 1{states})

    return optax.GradientTransformation(init, update)
'''

_HELPERS = {
    "total(": '''
def total(function, *trees):
    """Sum of function over all numbers of the trees; lower shapes are broadcast to the highest."""
    lists = [jax.tree.leaves(tree) for tree in trees]
    count = max(map(len, lists))
    lists = [leaves * count if len(leaves) == 1 else leaves for leaves in lists]
    return sum(jnp.sum(function(*jnp.broadcast_arrays(*leaves))) for leaves in zip(*lists))

''',
    "scaled(": '''
def scaled(tree, factor):
    """Every array of the tree times a scalar."""
    return jax.tree.map(lambda x: x * factor, tree)

''',
}


def to_optax(program: Program, name: str = "rule") -> str:
    """Source of a module that defines `name(schedule) -> optax.GradientTransformation`.

    Redundant statements and states that never reach an update are left out.
    """
    program = live_across_steps(program)
    taken = {
        "state",
        "params",
        "count",
        "init",
        "schedule",
        "updates",
        "jax",
        "jnp",
        "optax",
        "ValueError",
    }
    program = _renamed(program, taken | {"total", "scaled", "State", name})
    kinds: dict[str, Kind] = {"w": Kind.TENSOR, "g": Kind.TENSOR, "lr": Kind.SCALAR}
    kinds |= dict.fromkeys(program.states, Kind.TENSOR)
    lines = []
    for statement, kind in zip(program, analyse(program).kinds):
        lines.append(f"        {statement.target} = {_expression(statement, kinds)}")
        kinds[statement.target] = kind
    body = "\n".join(lines)
    return _TEMPLATE.format(
        text=str(program).rstrip(),
        fields="".join(f"    {state}: Any\n" for state in program.states),
        helpers="".join(text for call, text in _HELPERS.items() if call in body),
        name=name,
        zeros=", zeros" * len(program.states),
        states="".join(f", {state}" for state in program.states),
        unpack="".join(f"        {state} = state.{state}\n" for state in program.states),
        body=body,
    )


def _expression(statement: Statement, kinds: dict[str, Kind]) -> str:
    """The statement's right-hand side as JAX source."""
    row = FUNCTIONS[statement.function]
    template = row.source or (
        f"jnp.{row.name}(" + ", ".join(f"{{{i}}}" for i in range(row.arity)) + ")"
    )
    trees = dict.fromkeys(
        a for a in statement.arguments if isinstance(a, str) and kinds[a] is not Kind.SCALAR
    )
    # Constants alone would be computed by Python, which raises where float32 gives inf.
    lone = not any(isinstance(a, str) for a in statement.arguments)
    shown = [
        a if isinstance(a, str) else f"jnp.float32({a!r})" if lone else repr(a)
        for a in statement.arguments
    ]
    expression = template.format(*shown)
    if row.whole_tree or not trees:
        return expression
    names = ", ".join(trees)
    return f"jax.tree.map(lambda {names}: {expression}, {names})"


def _renamed(program: Program, taken: set[str]) -> Program:
    """The program with an underscore behind each variable that the template uses itself."""

    def rename(name):
        return f"{name}_" if name in taken else name

    return Program(
        tuple(rename(state) for state in program.states),
        tuple(
            Statement(rename(s.target), s.function, tuple(rename(a) for a in s.arguments))
            for s in program
        ),
    )
