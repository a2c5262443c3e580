"""The interpreter: a program as arrays, so that one compilation serves every program.

    code = encode(program, capacity)          # small numpy arrays
    optimizer = interpreted(code, capacity)   # an optax transformation; `code` may be traced

Compiling an update rule takes a second or more, training a small task with it milliseconds. So the
compiled training takes the program as an argument: a loop over its live statements, and in it one
`lax.switch` over everything that a statement may be. The branches are made from the table of
functions: one per function and combination of kinds that needs its own code. Each branch fetches
its own operands.

The register files (registers.py) are the optimizer's state: states and constants stay in their rows
from step to step. A branch returns the new row rather than the file with that row replaced, because
XLA copies whole files that go through a branch, while it replaces a row of a loop's file in place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from programs.functions import BUILT_IN, FUNCTIONS, derived
from programs.kinds import Kind
from programs.program import Program, ProgramError
from programs.registers import (
    CONSTANTS,
    COPY,
    COPY_FORM,
    LR,
    Allocation,
    Form,
    G,
    W,
    allocate,
    form_of,
)
from programs.trees import check_like, check_parameters


@dataclass(frozen=True, slots=True)
class Capacity:
    """How large a program may be: shapes of the arrays, hence one compilation each.

    instructions: N, statements and moves; only those that are there cost time.
    tensors, scalars: rows T and S of the register files (registers.py).
    """

    instructions: int
    tensors: int
    scalars: int

    def holds(self, need: Capacity) -> bool:
        return (
            need.instructions <= self.instructions
            and need.tensors <= self.tensors
            and need.scalars <= self.scalars
        )


# A program gets the first that holds it. Rows that a program does not use cost memory, not time.
CAPACITIES = (
    Capacity(64, 16, 64),
    Capacity(512, 64, 512),
    Capacity(1024, 1024, 4096),
)


Branching = Literal["switch", "select"]  # see `interpreted`


class Code(NamedTuple):
    """A program as data, numpy or JAX arrays.

    table: int32 [N, 6], each instruction's opcode, target in `tensors`, target in `scalars`, and
      three operands.
    constants: float32 [S], what stands in `scalars` at the start.
    count: int32 [], instructions there are.
    update: int32 [], the row of `tensors` that holds the update at the end.
    """

    table: Any
    constants: Any
    count: Any
    update: Any


class Registers(NamedTuple):
    """The optimizer's state: tensors float32 [T, P], scalars float32 [S, A]."""

    tensors: jax.Array
    scalars: jax.Array


def _forms() -> tuple[Form, ...]:
    """Those of users' functions come last."""
    forms: dict[Form, None] = {}
    for row in FUNCTIONS.values():
        if row.name not in BUILT_IN:
            forms.setdefault(COPY_FORM)
        forms |= {form_of(row.name, kinds): None for kinds in row.kinds if row.arity}
    return tuple(forms | {COPY_FORM: None})


FORMS: tuple[Form, ...]
_OPCODES: dict[Form, int]
_COLUMNS: int


@derived
def _derive() -> None:
    global FORMS, _OPCODES, _COLUMNS
    FORMS = _forms()
    _OPCODES = {form: opcode for opcode, form in enumerate(FORMS)}
    _COLUMNS = 3 + max(row.arity for row in FUNCTIONS.values())


def capacity_of(program: Program) -> Capacity:
    """The smallest capacity that holds a program.

    Raises:
      ProgramError: there is none.
    """
    need = _needed(allocate(program))
    for capacity in CAPACITIES:
        if capacity.holds(need):
            return capacity
    raise ProgramError(f"too large to interpret: it needs {need}, at most {CAPACITIES[-1]}")


def _needed(allocation: Allocation) -> Capacity:
    return Capacity(len(allocation.instructions), allocation.tensors, allocation.scalars)


def encode(program: Program, capacity: Capacity) -> Code:
    """A program as arrays of its capacity's shapes.

    Raises:
      ProgramError: it does not fit.
    """
    allocation = allocate(program)
    need = _needed(allocation)
    if not capacity.holds(need):
        raise ProgramError(f"the program needs {need}, which does not fit {capacity}")
    table = np.zeros((capacity.instructions, _COLUMNS), np.int32)
    for row, instruction in zip(table, allocation.instructions):
        row[0] = _OPCODES[instruction.form]
        row[1 if instruction.kind is Kind.TENSOR else 2] = instruction.target
        row[3 : 3 + len(instruction.operands)] = instruction.operands
    constants = np.zeros(capacity.scalars, np.float32)
    with np.errstate(over="ignore"):  # beyond float32 is infinite, as in the other engines
        constants[CONSTANTS : CONSTANTS + len(allocation.constants)] = allocation.constants
    return Code(
        table, constants, np.int32(len(allocation.instructions)), np.int32(allocation.update)
    )


class Flat(NamedTuple):
    """A value in registers: scalar [], per-array [A] or tensor [P]."""

    kind: Kind
    array: jax.Array


class FlatTree:
    """How functions run on Flat values: `programs.execute.Tree` for flattened parameters.

    sizes: the number of elements of each of the A arrays.
    """

    xp = jnp

    def __init__(self, sizes: tuple[int, ...]):
        self.sizes = sizes
        self.ends = np.cumsum((0, *sizes))
        self.owner = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)  # [P]

    def apply(self, function: str, arguments: list[Flat]) -> Flat:
        """FUNCTIONS[function] on values; COPY is the identity."""
        if function == COPY:
            return arguments[0]
        row = FUNCTIONS[function]
        if not row.whole_tree:
            return self.map(lambda *arrays: row.meaning(jnp, *arrays), *arguments)
        result = row.meaning(
            self, *(v.array if i in row.scalar_arguments else v for i, v in enumerate(arguments))
        )
        return result if isinstance(result, Flat) else Flat(Kind.SCALAR, result)

    def map(self, function: Callable[..., Any], *values: Any) -> Flat:
        """Elementwise, lower kinds broadcast to the highest; a bare array counts as a scalar."""
        lifted = [v if isinstance(v, Flat) else Flat(Kind.SCALAR, v) for v in values]
        kind = max(v.kind for v in lifted)
        return Flat(kind, function(*(self._lift(v, kind) for v in lifted)))

    def _lift(self, value: Flat, kind: Kind) -> jax.Array:
        if value.kind is Kind.PER_ARRAY and kind is Kind.TENSOR:
            return value.array[self.owner]
        return value.array

    def cast(self, *values: Flat) -> tuple[Flat, ...]:
        """Broadcasts all to the highest kind, so that reductions run over all its elements."""
        kind = max(v.kind for v in values)
        arrays = jnp.broadcast_arrays(*(self._lift(v, kind) for v in values))
        return tuple(Flat(kind, array) for array in arrays)

    def total(self, function: Callable[..., Any], *values: Flat) -> jax.Array:
        """Sum of function(values) over all elements."""
        return jnp.sum(self.map(function, *values).array)

    def each(self, function: Callable[..., Any], x: Flat) -> Flat:
        """Sum of function(x) over each array."""
        elements = function(x.array)
        if x.kind is not Kind.TENSOR:
            return Flat(x.kind, elements)
        parts = [jnp.sum(elements[i:j]) for i, j in zip(self.ends, self.ends[1:])]
        return Flat(Kind.PER_ARRAY, jnp.stack(parts))

    def lengths(self, x: Flat) -> Flat:
        """The length of each array; see `programs.execute.Tree.length`."""
        if x.kind is not Kind.TENSOR:
            return Flat(x.kind, jnp.abs(x.array))
        roots = jnp.sqrt(self.each(jnp.square, x).array)
        if 1 in self.sizes:
            sizes = jnp.abs(x.array[self.ends[:-1]])
            roots = jnp.where(np.array(self.sizes) == 1, sizes, roots)
        return Flat(Kind.PER_ARRAY, roots)

    def length(self, x: Flat) -> jax.Array:
        """The length of all elements."""
        if x.array.size == 1:
            return self.total(jnp.abs, x)
        return jnp.sqrt(self.total(jnp.square, x))


def _branch(tree: FlatTree, form: Form) -> Callable[[jax.Array, Registers], Row]:
    """The code of one opcode."""
    function, kinds = form

    def fetch(registers: Registers, kind: Kind, row: jax.Array) -> Flat:
        if kind is Kind.TENSOR:
            return Flat(kind, lax.dynamic_index_in_dim(registers.tensors, row, keepdims=False))
        if kind is Kind.PER_ARRAY:
            return Flat(kind, lax.dynamic_index_in_dim(registers.scalars, row, keepdims=False))
        return Flat(kind, lax.dynamic_slice(registers.scalars, (row, jnp.int32(0)), (1, 1))[0, 0])

    def run(instruction: jax.Array, registers: Registers) -> Row:
        operands = [fetch(registers, kind, instruction[3 + i]) for i, kind in enumerate(kinds)]
        kind, result = tree.apply(function, operands)
        none = Row(*(jnp.zeros_like(file[0]) for file in registers))
        if kind is Kind.TENSOR:
            return none._replace(tensor=result)
        return none._replace(scalar=jnp.broadcast_to(result, none.scalar.shape))

    return run


class Row(NamedTuple):
    """What an instruction writes, one row of each register file: float32 [P] and [A]."""

    tensor: jax.Array
    scalar: jax.Array


def _most(x: jax.Array, axis: str) -> jax.Array:
    """The largest of all programs of an axis: one value for all of them."""
    largest: jax.Array = lax.pmax(x, axis)  # type: ignore[no-untyped-call]
    return largest


def _one_function_at_a_time(
    branches: Sequence[Callable[[jax.Array, Registers], Row]],
    axis: str,
    *,
    instruction: jax.Array,
    registers: Registers,
) -> Row:
    """An instruction of all programs of an axis: each branch that one of them needs, for all.

    What is reduced over the axis is one value for all, so its switch is no selection.
    """
    opcode = instruction[0]
    is_needed = _most((jnp.arange(len(branches)) == opcode).astype(jnp.int32), axis)
    needed = jnp.argsort(-is_needed, stable=True)

    def take(i: jax.Array, row: Row) -> Row:
        new = lax.switch(needed[i], branches, instruction, registers)
        return Row(*(jnp.where(opcode == needed[i], a, b) for a, b in zip(new, row)))

    none = Row(*(jnp.zeros_like(file[0]) for file in registers))
    row: Row = lax.fori_loop(0, jnp.sum(is_needed), take, none)
    return row


def _run_all(
    tree: FlatTree, code: Code, *, start: Registers, axis: str | None, branching: Branching
) -> Registers:
    """All instructions, one after the other."""
    branches = [_branch(tree, form) for form in FORMS]
    table = jnp.asarray(code.table)

    def run(i: jax.Array, registers: Registers) -> Registers:
        instruction = lax.dynamic_index_in_dim(table, i, keepdims=False)
        if axis is None or branching == "select":
            row = lax.switch(instruction[0], branches, instruction, registers)
        else:
            row = _one_function_at_a_time(
                branches, axis, instruction=instruction, registers=registers
            )
        return Registers(
            lax.dynamic_update_index_in_dim(registers.tensors, row.tensor, instruction[1], 0),
            lax.dynamic_update_index_in_dim(registers.scalars, row.scalar, instruction[2], 0),
        )

    end: Registers = lax.fori_loop(
        0, code.count if axis is None else _most(code.count, axis), run, start
    )
    return end


def interpreted(
    code: Code, capacity: Capacity, *, axis: str | None = None, branching: Branching = "switch"
) -> optax.GradientTransformationExtraArgs:
    """An encoded program as an optimizer over any pytree of parameters.

    Args:
      code: from `encode(program, capacity)`; may be traced, so that another program of the same
        capacity compiles nothing.
      capacity: the shapes of `code`.
      axis: the name of a `jax.vmap` over programs. All then run to the end of the longest: what
        follows a program's last instruction writes to scratch, and loops of different lengths would
        copy the register files at each instruction.
      branching: how an instruction is computed for all programs of the axis: `switch`, one function
        after the other of those that some program has there; `select`, all that there are, of which
        each program takes its own.

    Returns:
      init(params) -> Registers; update(grads, state, params, *, lr=1.0) -> (updates, state), with
      updates of the parameters' dtypes. Raises ValueError as `as_optax` does.
    """

    def init(params: Any) -> Registers:
        check_parameters(params)
        sizes = _sizes(params)
        constants = jnp.asarray(code.constants)[:, None]
        scalars = jnp.broadcast_to(constants, (capacity.scalars, len(sizes)))
        return Registers(jnp.zeros((capacity.tensors, sum(sizes)), jnp.float32), scalars)

    def update(
        grads: Any, state: Registers, params: Any = None, *, lr: Any = 1.0, **_: Any
    ) -> tuple[Any, Registers]:
        if params is None:
            raise ValueError("a program reads the weights: call update(grads, state, params)")
        check_like(params, grads, "the gradients")
        tree = FlatTree(_sizes(params))
        start = Registers(
            _write(_write(state.tensors, W, params), G, grads),
            jnp.asarray(state.scalars).at[LR].set(jnp.asarray(lr, jnp.float32)),
        )
        end = _run_all(tree, code, start=start, axis=axis, branching=branching)
        change = lax.dynamic_index_in_dim(end.tensors, code.update, keepdims=False)
        return _unflatten(-change, params, tree.ends), end

    return optax.GradientTransformationExtraArgs(init, update)


def _sizes(params: Any) -> tuple[int, ...]:
    """The number of elements of each array; an empty tree counts as one empty array."""
    return tuple(math.prod(jnp.shape(leaf)) for leaf in jax.tree.leaves(params)) or (0,)


def _write(tensors: jax.Array, row: int, tree: Any) -> jax.Array:
    """Puts a tree into a row, array by array: one concatenation would be compiled to slow code."""
    start = 0
    for leaf in jax.tree.leaves(tree):
        elements = jnp.reshape(jnp.asarray(leaf, jnp.float32), (1, -1))
        tensors = lax.dynamic_update_slice(tensors, elements, (row, start))
        start += elements.size
    return tensors


def _unflatten(flat: jax.Array, like: Any, ends: np.ndarray) -> Any:
    """A tree of the shapes and dtypes of `like`."""
    leaves, structure = jax.tree.flatten(like)
    parts = [
        flat[i:j].reshape(jnp.shape(leaf)).astype(jnp.asarray(leaf).dtype)
        for leaf, i, j in zip(leaves, ends, ends[1:])
    ]
    return jax.tree.unflatten(structure, parts)
