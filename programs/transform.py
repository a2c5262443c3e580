"""The compiled engine: a program as an optax.GradientTransformation.

    optimizer = as_optax("library:lion", schedule=optax.cosine_decay_schedule(1.0, 1000))

The program's peak learning rate is a constant inside it, so the schedule value that it gets as `lr`
peaks at about 1 (Chen et al. 2023, section 2.1). A program returns what is to be subtracted from
the weights and optax adds, so the transformation returns the update with its sign changed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax

from programs.abstract import live_across_steps
from programs.counted import counted
from programs.decay import weight_decay
from programs.execute import Value, interpret
from programs.hyperparameters import (
    Hyperparameter,
    hyperparameters,
    reads_schedule,
    with_inputs,
)
from programs.isolation import IsolatedTree, zero_from
from programs.kinds import Kind
from programs.load import load
from programs.program import OUTPUT, Program, ProgramError
from programs.suggest import did_you_mean
from programs.trees import check_like, check_number, check_parameters

Schedulable: TypeAlias = (
    float | jax.Array | Callable[[jax.Array], Any]
)  # a number, or step count -> number

_DECAY_MASK = "decay mask"  # no variable of a program has a space in its name


class ProgramState(NamedTuple):
    """Optimizer state: the step count, int32 [], and the program's states, trees like params."""

    count: jax.Array  # type: ignore[assignment]  # the name optax gives it
    states: tuple[Any, ...]


def as_optax(
    program: Program | str | Path,
    schedule: Schedulable | None = None,
    *,
    scale: Schedulable | None = None,
    constants: Mapping[str, Schedulable] | None = None,
    decay_mask: Any | Callable[[Any], Any] = None,
    state_dtype: Any = None,
) -> optax.GradientTransformationExtraArgs:
    """A program as an optimizer over any pytree of real parameters.

    What is given as a number, an array or a schedule (step count -> number) may change from step to
    step without a new compilation.

    Args:
      program: the program, a path, or a name such as "library:lion"; its redundant statements and
        states that never reach an update are left out.
      schedule: the schedule value (peak about 1), used when `update` gets no `lr`; 1 by default.
        A program that never reads `lr` ignores both; of a schedule that is warned.
      scale: a factor of the whole update, weight decay included.
      constants: values in place of the program's own constants, by the names of
        `programs.hyperparameters`, such as {"rate": 3e-4, "beta1": 0.95}.
      decay_mask: a tree of bools like the parameters, a prefix of one, or a function of the
        parameters that gives one: where False, the terms of the update that are weight decay
        (programs/decay.py) are 0. So {"bias": False, ...} leaves biases without weight decay.
      state_dtype: dtype in which states are kept between steps, e.g. jnp.bfloat16; None means
        float32. Each step computes in float32 whatever the dtypes of parameters and states. A step
        counter in a state, as in "library:adamw_corrected", stays at 256 in bfloat16 and at 2048
        in float16: keep float32 there.

    Returns:
      init(params) -> ProgramState; update(grads, state, params, *, lr=None) -> (updates, state),
      with updates of the parameters' dtypes. `init` raises ValueError for parameters that are not
      real floating-point numbers, `update` without params and for trees that are not like them.

    Raises:
      ProgramError: the program cannot be read, or lacks a constant or weight decay asked for.
      ValueError: an option is not of the kinds above.
    """
    program = live_across_steps(program if isinstance(program, Program) else load(program))
    if schedule is not None and not reads_schedule(program):
        warnings.warn(
            "the program never reads the schedule value `lr`, so the schedule changes nothing; "
            "scale= multiplies the update",
            stacklevel=2,
        )
    chosen = _chosen(program, constants or {})
    if decay_mask is not None and not weight_decay(program):
        raise ProgramError("decay_mask: no term of the update is the weights times a number")
    mask = None if decay_mask is None else _DECAY_MASK
    rule = _Rule(
        states=program.states,
        program=with_inputs(program, {h: f"constant {h.name}" for h in chosen}, mask),
        scalars={"lr": _schedulable("schedule", 1.0 if schedule is None else schedule)}
        | {f"constant {h.name}": _schedulable(h.name, value) for h, value in chosen.items()},
        scale=None if scale is None else _schedulable("scale", scale),
        decay_mask=decay_mask,
        dtype=_dtype(state_dtype),
    )
    return optax.GradientTransformationExtraArgs(rule.init, rule.update)


def _chosen(
    program: Program, constants: Mapping[str, Schedulable]
) -> dict[Hyperparameter, Schedulable]:
    known = {h.name: h for h in hyperparameters(program)}
    for name in constants:
        if name not in known:
            near = did_you_mean(str(name), known, or_list=True)
            raise ProgramError(f"constants: the program has no '{name}'{near}")
    return {known[name]: value for name, value in constants.items()}


def _schedulable(name: str, value: Schedulable) -> Schedulable:
    if not callable(value):
        check_number(value, name, "a number or a function of the step count")
    return value


def _dtype(state_dtype: Any) -> Any:
    try:
        dtype = jnp.dtype(jnp.float32 if state_dtype is None else state_dtype)
    except TypeError:
        raise ValueError(
            f"state_dtype: expected a floating-point dtype, got {state_dtype!r}"
        ) from None
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"state_dtype: expected a floating-point dtype, got {dtype}")
    return dtype


@dataclass(frozen=True)
class _Rule:
    """What the two functions of the transformation share.

    states: the names of the states.
    program: reads the scalars and the decay mask as variables of its own.
    scalars: the schedule value and the chosen constants, by variable.
    """

    states: tuple[str, ...]
    program: Program
    scalars: Mapping[str, Schedulable]
    scale: Schedulable | None
    decay_mask: Any
    dtype: Any

    def init(self, params: Any) -> ProgramState:
        check_parameters(params)
        # Each state has buffers of its own, so that all can be donated.
        states = tuple(
            jax.tree.map(lambda p: jnp.zeros_like(p, self.dtype), params) for _ in self.states
        )
        return ProgramState(jnp.zeros([], jnp.int32), states)

    def update(
        self, grads: Any, state: ProgramState, params: Any = None, *, lr: Any = None, **_: Any
    ) -> tuple[Any, ProgramState]:
        if params is None:
            raise ValueError("a program reads the weights: call update(grads, state, params)")
        check_like(params, grads, "the gradients")
        if len(state.states) != len(self.states):
            raise ValueError(
                f"state: it has {len(state.states)} trees, but this program has "
                f"{counted(len(self.states), 'state')}; call init(params) of the same program"
            )
        for name, tree in zip(self.states, state.states, strict=True):
            check_like(params, tree, f"state '{name}'")
        engine = IsolatedTree(zero_from(state.count))
        variables = self._inputs(grads, state, params=params, lr=lr)
        variables = {name: engine.isolate(value) for name, value in variables.items()}
        interpret(self.program, variables, constant=engine.constant, apply=engine.apply)

        change = [-leaf for leaf in variables[OUTPUT].leaves]
        if self.scale is not None:
            factor = jnp.asarray(_at(self.scale, state.count, "scale"), jnp.float32)
            change = [leaf * factor for leaf in change]
        leaves, structure = jax.tree.flatten(params)
        updates = [u.astype(jnp.result_type(p)) for u, p in zip(change, leaves)]
        kept = (
            [leaf.astype(self.dtype) for leaf in variables[name].leaves] for name in self.states
        )
        return jax.tree.unflatten(structure, updates), ProgramState(
            optax.safe_increment(state.count),
            tuple(jax.tree.unflatten(structure, leaves) for leaves in kept),
        )

    def _inputs(self, grads: Any, state: ProgramState, *, params: Any, lr: Any) -> dict[str, Value]:
        """The value of every variable that the program reads and does not define."""
        trees = {"w": params, "g": grads, **dict(zip(self.states, state.states))}
        values = {
            name: Value(Kind.TENSOR, _float32(jax.tree.leaves(tree)))
            for name, tree in trees.items()
        }
        for name, scalar in self.scalars.items():
            if name == "lr" and lr is not None:
                check_number(lr, "lr")
                number = lr
            else:
                number = _at(scalar, state.count, "schedule" if name == "lr" else name)
            values[name] = Value(Kind.SCALAR, _float32([number]))
        if self.decay_mask is not None:
            mask = self.decay_mask(params) if callable(self.decay_mask) else self.decay_mask
            try:
                leaves = jax.tree.leaves(jax.tree.broadcast(mask, params))
            except ValueError:
                raise ValueError("decay_mask: not a tree of bools like the parameters") from None
            for leaf in leaves:
                check_number(leaf, "decay_mask", "a tree of bools like the parameters")
            values[_DECAY_MASK] = Value(Kind.PER_ARRAY, _float32(leaves))
        return values


def _at(value: Schedulable, count: jax.Array, name: str) -> Any:
    if callable(value):
        value = value(count)
        check_number(value, name)
    return value


def _float32(leaves: list[Any]) -> tuple[jax.Array, ...]:
    return tuple(jnp.asarray(leaf, jnp.float32) for leaf in leaves)
