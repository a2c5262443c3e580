"""One step of programs by every engine, for tests that compare them.

Each is (programs, w, g, states, lr) -> for each program its update as optax adds it and its new
states, flat vectors; w, g and each state are lists of arrays. A program gets as many of the states
as reach an update.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from programs import live_across_steps
from programs.execute import run_step
from programs.export import to_optax
from programs.hyperparameters import reads_schedule
from programs.interpreter import capacity_of, encode, interpreted
from programs.registers import STATES
from programs.transform import ProgramState, as_optax


def flat(tree):
    leaves = [np.ravel(leaf) for leaf in jax.tree.leaves(tree)]
    return np.concatenate(leaves) if leaves else np.zeros(0, np.float32)


def states_used(program):
    return len(live_across_steps(program).states)


def numpy(programs, w, g, states, lr):
    results = []
    for program in map(live_across_steps, programs):
        with np.errstate(all="ignore"):
            used = states[: len(program.states)]
            update, after = run_step(program, np, w=w, g=g, states=used, lr=np.float32(lr))
        results.append([-flat(update), *map(flat, after)])
    return results


@functools.partial(jax.jit, static_argnums=1)
def interpreted_step(code, capacity, w, g, states, lr):
    """Update and all rows of the states after one step from the given ones: [P], [states, P]."""
    optimizer = interpreted(code, capacity)
    registers = optimizer.init(w)
    if states:
        rows = jnp.stack([jnp.concatenate([jnp.ravel(leaf) for leaf in s]) for s in states])
        # Rows that are not a state's are written before they are read.
        tensors = registers.tensors.at[STATES : STATES + len(rows)].set(rows)
        registers = registers._replace(tensors=tensors)
    updates, registers = optimizer.update(g, registers, w, lr=lr)
    return updates, registers.tensors[STATES : STATES + len(states)]


def interpreter(programs, w, g, states, lr):
    results = []
    for program in programs:
        capacity = capacity_of(program)
        updates, after = interpreted_step(encode(program, capacity), capacity, w, g, states, lr)
        results.append([flat(updates), *np.asarray(after[: states_used(program)])])
    return results


def compiled(programs, w, g, states, lr):
    optimizers = [as_optax(program) for program in programs]
    start = [
        ProgramState(jnp.int32(0), tuple(states[: states_used(program)])) for program in programs
    ]
    return _together([o.update for o in optimizers], start, w, g, {"lr": lr})


def exported(programs, w, g, states, lr):
    updates, start = [], []
    for program in programs:
        module = {"__name__": "rule"}
        exec(to_optax(program), module)
        rule = module["rule"](*([lr] if reads_schedule(live_across_steps(program)) else []))
        updates.append(rule.update)
        start.append(module["State"](jnp.int32(0), *states[: states_used(program)]))
    return _together(updates, start, w, g)


def _together(updates, states, w, g, options=None):
    """All programs in one compilation, to save time."""

    @jax.jit
    def step(w, g, states, options):
        return [update(g, s, w, **options) for update, s in zip(updates, states)]

    results = jax.device_get(step(w, g, states, options or {}))
    return [[flat(update), *map(flat, _states_of(state))] for update, state in results]


def _states_of(state):
    return state.states if isinstance(state, ProgramState) else state[1:]


ENGINES = {"numpy": numpy, "interpreter": interpreter, "compiled": compiled, "exported": exported}
