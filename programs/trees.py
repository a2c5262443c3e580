"""Checks of the trees that a user hands to an optimizer; each mistake is one line."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Leaves = list[tuple[tuple[Any, ...], Any]]  # with their paths


def check_parameters(params: Any) -> None:
    """Warns of float64 parameters.

    Raises:
      ValueError: a parameter is complex, or not a floating-point number at all.
    """
    doubles = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        dtype, name = jnp.result_type(leaf), f"parameter{_at(path)}"
        if jnp.issubdtype(dtype, jnp.complexfloating):
            raise ValueError(
                f"{name} is {dtype}, but an update rule is for real numbers; "
                "optax.contrib.split_real_and_imaginary makes two real parameters of it"
            )
        if not jnp.issubdtype(dtype, jnp.floating):
            raise ValueError(
                f"{name} is {dtype}, but an update rule is for floating-point numbers; "
                "optax.masked leaves it out"
            )
        if dtype == jnp.float64:
            doubles.append(name)
    if doubles:
        warnings.warn(
            f"{doubles[0]} is float64, but an update rule computes in float32 and keeps its states "
            "in it; the updates are converted to float64",
            stacklevel=3,
        )


def check_number(value: Any, name: str, expected: str = "a number") -> None:
    """Raises ValueError, which calls the value `name`, unless it is one real number."""
    dtype: Any = None
    shape: Any = None
    if value is not None:
        with contextlib.suppress(TypeError, ValueError):
            shape, dtype = np.shape(value), jnp.result_type(value)
    if dtype is None or shape != () or jnp.issubdtype(dtype, jnp.complexfloating):
        found = f"{dtype} of shape {shape}" if shape else repr(value)
        raise ValueError(f"{name}: expected {expected}, got {found}")


def check_like(params: Any, tree: Any, name: str) -> None:
    """Checks that `tree`, which messages call `name`, has the parameters' structure and shapes,
    and real numbers.

    Raises:
      ValueError: it has not.
    """
    given = jax.tree_util.tree_leaves_with_path(tree)
    wanted = jax.tree_util.tree_leaves_with_path(params)
    structure: Any = jax.tree.structure(tree)
    if structure != jax.tree.structure(params):
        raise ValueError(f"{name}: not a tree like the parameters: {_difference(given, wanted)}")
    for (path, leaf), (_, param) in zip(given, wanted):
        dtype = jnp.result_type(leaf)
        if jnp.issubdtype(dtype, jnp.complexfloating):
            raise ValueError(f"{name}: {dtype}{_at(path)}, but an update rule is for real numbers")
        if jnp.shape(leaf) != jnp.shape(param):
            raise ValueError(
                f"{name}: not like the parameters: the shape{_at(path)} is {jnp.shape(leaf)}, "
                f"not {jnp.shape(param)}"
            )


def _difference(given: Leaves, wanted: Leaves) -> str:
    here, there = ([jax.tree_util.keystr(path) for path, _ in leaves] for leaves in (given, wanted))
    missing = [path for path in there if path not in here]
    extra = [path for path in here if path not in there]
    if missing and extra:
        return f"it has {extra[0]} where {missing[0]} is expected"
    if missing:
        return f"it has no {missing[0]}"
    return f"it has {extra[0]} besides" if extra else "its containers are of other types"


def _at(path: Any) -> str:
    return f" at {jax.tree_util.keystr(path)}" if path else ""
