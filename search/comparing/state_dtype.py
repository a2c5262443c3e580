"""Any optimizer with its state in fewer bits between two steps."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax


def kept_as(
    dtype: str, optimizer: optax.GradientTransformation
) -> optax.GradientTransformationExtraArgs:
    """The same optimizer, whose float32 arrays of the state are kept as `dtype`.

    Each step computes in float32, as `as_optax(state_dtype=...)` does. Numbers of the state, such
    as a step count, and whole numbers stay as they are.
    """
    inner = optax.with_extra_args_support(optimizer)

    def is_kept(leaf: Any) -> bool:
        return bool(jnp.ndim(leaf)) and jnp.issubdtype(jnp.result_type(leaf), jnp.floating)

    def cast(state: Any, to: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf.astype(to) if is_kept(leaf) else leaf, state)

    def init(params: Any) -> Any:
        return cast(inner.init(params), dtype)

    def update(grads: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
        updates, state = inner.update(grads, cast(state, jnp.float32), params, **extra)
        return updates, cast(state, dtype)

    return optax.GradientTransformationExtraArgs(init, update)
