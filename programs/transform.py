"""The compiled engine: a program as an optax.GradientTransformation.

    optimizer = as_optax(load("library:lion"), schedule=optax.cosine_decay_schedule(1.0, 1000))

The program's peak learning rate is a constant inside it, so the schedule value that it gets as `lr`
peaks at about 1 (Chen et al. 2023, section 3.1). A program returns what is to be subtracted from
the weights and optax adds, so the transformation returns the update with its sign changed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from programs.abstract import live_across_steps
from programs.execute import run_step
from programs.program import Program


class ProgramState(NamedTuple):
    """Optimizer state: the step count, int32 [], and the program's states, trees like params."""

    count: jax.Array  # type: ignore[assignment]  # the name optax gives it
    states: tuple[Any, ...]


def as_optax(
    program: Program,
    schedule: optax.Schedule | None = None,
    state_dtype: Any = None,
) -> optax.GradientTransformationExtraArgs:
    """A program as an optimizer over any pytree of parameters.

    Args:
      program: the program; its redundant statements and states that never reach an update are left
        out.
      schedule: step count -> schedule value (peak about 1), used when `update` gets no `lr`.
        Without both, the schedule value is 1.
      state_dtype: dtype in which states are kept between steps, e.g. jnp.bfloat16; None keeps
        float32. Each step computes in float32 whatever the dtypes of parameters and states.

    Returns:
      init(params) -> ProgramState; update(grads, state, params, *, lr=None) -> (updates, state),
      with updates of the parameters' dtypes. `update` raises ValueError without params.
    """
    program = live_across_steps(program)
    dtype = jnp.float32 if state_dtype is None else state_dtype

    def init(params: Any) -> ProgramState:
        zeros = jax.tree.map(lambda p: jnp.zeros(jnp.shape(p), dtype), params)
        return ProgramState(jnp.zeros([], jnp.int32), tuple(zeros for _ in program.states))

    def update(grads: Any, state: ProgramState, params: Any = None, *, lr: Any = None, **_: Any):
        if params is None:
            raise ValueError("a program reads the weights: call update(grads, state, params)")
        if lr is None:
            lr = 1.0 if schedule is None else schedule(state.count)
        structure = jax.tree.structure(params)
        trees = [
            [jnp.asarray(leaf, jnp.float32) for leaf in jax.tree.leaves(tree)]
            for tree in (params, grads, *state.states)
        ]
        w, g, *states = trees
        change, states = run_step(
            program, jnp, w=w, g=g, states=states, lr=jnp.asarray(lr, jnp.float32)
        )
        updates = jax.tree.unflatten(
            structure,
            [(-u).astype(jnp.asarray(p).dtype) for u, p in zip(change, jax.tree.leaves(params))],
        )
        kept = tuple(
            jax.tree.unflatten(structure, [leaf.astype(dtype) for leaf in leaves])
            for leaves in states
        )
        return updates, ProgramState(optax.safe_increment(state.count), kept)

    return optax.GradientTransformationExtraArgs(init, update)
