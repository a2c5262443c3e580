"""Makes programs longer without changing what they compute, to be undone by simplification.

An edit is one of KINDS. Redundant statements come on top, as evolution leaves them: on anything
that is defined, into new variables or into old ones that are overwritten before they are read, read
by nothing but each other.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from programs import Program, Statement, analyse
from programs.functions import COMMUTATIVE, FUNCTIONS
from programs.kinds import Kind
from programs.program import MAX_STATES
from tests.programs.obfuscation_draft import Draft, add_redundant, neat

Edit = Callable[[Draft, random.Random], bool]


def obfuscate(
    program: Program,
    rng: random.Random,
    redundant: int,
    edits: int,
    kinds: tuple[str, ...] | None = None,
) -> tuple[Program, list[str]]:
    """A longer program with the same updates, and the kinds of edits that were made.

    Args:
      redundant: how many redundant statements to add.
      edits: how many other edits to make.
      kinds: the kinds to draw from; all, if not given.
    """
    draft = Draft(program)
    made = []
    choices = sorted(kinds or KINDS)
    for _ in range(edits):
        kind = rng.choice(choices)
        if KINDS[kind](draft, rng):
            made.append(kind)
    for _ in range(redundant):
        add_redundant(draft, rng)
    if kinds is None or "rename" in kinds:
        _rename(draft, rng)
    result = draft.program
    analyse(result)
    return result, made


def _split_factor(draft: Draft, rng: random.Random) -> bool:
    """x * c = (x * a) * (c / a)"""
    places = [
        (i, k)
        for i in draft.places("multiply")
        for k in (0, 1)
        if isinstance(draft.statements[i].arguments[k], float)
    ]
    if not places:
        return False
    i, k = rng.choice(places)
    old = draft.statements[i]
    factor = neat(rng.uniform(0.3, 3))
    name = draft.fresh()
    c = old.arguments[k]
    assert isinstance(c, float)
    first = replace(old, target=name, arguments=(old.arguments[1 - k], factor))
    draft.put(i, first, replace(old, arguments=(name, c / factor)))
    return True


def _split_constant(draft: Draft, rng: random.Random) -> bool:
    """A constant as the sum, difference or product of two, in a statement of its own.

    The parts of a sum are of the constant's size, so that float32 loses nothing of it.
    """
    places = [
        (i, k)
        for i, statement in enumerate(draft.statements)
        for k, argument in enumerate(statement.arguments)
        if isinstance(argument, float) and argument
    ]
    if not places:
        return False
    i, k = rng.choice(places)
    old = draft.statements[i]
    c = old.arguments[k]
    assert isinstance(c, float)
    ratio = neat(rng.uniform(0.3, 3))
    part = neat(c * ratio)
    forms = [
        ("add", c - part),
        ("subtract", part - c),
        ("multiply", c / part),
        ("divide", part / c),  # float32 loses the guard of the division
    ]
    function, other = rng.choice(forms)
    name = draft.fresh()
    arguments = (*old.arguments[:k], name, *old.arguments[k + 1 :])
    draft.put(i, Statement(name, function, (part, other)), replace(old, arguments=arguments))
    return True


def _compose_interp(draft: Draft, rng: random.Random) -> bool:
    """interp(x, y, a) = interp(x, interp(x, y, a / b), b), and other forms of it."""
    places = [
        i for i in draft.places("interp") if isinstance(draft.statements[i].arguments[2], float)
    ]
    if not places:
        return False
    i = rng.choice(places)
    old = draft.statements[i]
    x, y, a = old.arguments
    assert isinstance(a, float)
    first, second = draft.fresh(), draft.fresh()
    form = rng.choice(("nested", "turned", "sum"))
    if form == "nested":
        b = neat(rng.uniform(0.6, 1.8))
        draft.put(
            i,
            Statement(first, "interp", (x, y, a / b)),
            replace(old, arguments=(x, first, b)),
        )
    elif form == "turned":
        draft.put(i, replace(old, arguments=(y, x, 1 - a)))
    else:
        draft.put(
            i,
            Statement(first, "multiply", (x, 1 - a)),
            Statement(second, "multiply", (y, a)),
            Statement(old.target, "add", (first, second)),
        )
    return True


def _commute(draft: Draft, rng: random.Random) -> bool:
    places = [
        i
        for i, statement in enumerate(draft.statements)
        if COMMUTATIVE in FUNCTIONS[statement.function].properties
    ]
    for i in places:
        if rng.random() < 0.5:
            old = draft.statements[i]
            draft.put(i, replace(old, arguments=old.arguments[::-1]))
    return bool(places)


def _around(
    draft: Draft,
    rng: random.Random,
    forms: list[tuple[tuple, ...]],
    places: list[int] | None = None,
) -> bool:
    """Puts statements behind one that compute its result again; "_" stands for what came before.

    No form reads lr where the program has made something else of it by then.
    """
    places = draft.places() if places is None else places
    if not places:
        return False
    i = rng.choice(places)
    old = draft.statements[i]
    if any(statement.target == "lr" for statement in draft.statements[:i]):
        forms = [form for form in forms if all("lr" not in step for step in form)]
    form = rng.choice(forms)
    names = [draft.fresh() for _ in form] + [old.target]
    new = [replace(old, target=names[0])]
    for (function, *arguments), source, target in zip(form, names, names[1:]):
        filled = tuple(source if a == "_" else a for a in arguments)
        new.append(Statement(target, function, filled))
    draft.put(i, *new)
    return True


def _multiply_divide(draft: Draft, rng: random.Random) -> bool:
    """x = (x * k) / k, for a constant large or small, a power of two, or the schedule value.

    Not for an x that is a constant: x * k / (k + 1e-8) is another one then, and stays it.
    """
    sizes = [rng.uniform(0.3, 4), 2.0 ** rng.randint(-1, 6), 10 ** rng.uniform(-2.9, 3)]
    k = neat(rng.choice(sizes))
    forms: list[tuple[tuple, ...]] = [
        (("multiply", "_", k), ("divide", "_", k)),
        (("divide", "_", k), ("multiply", k, "_")),
        (("multiply", "lr", "_"), ("divide", "_", "lr")),
        (("divide", "_", "lr"), ("multiply", "lr", "_")),
    ]
    return _around(draft, rng, forms, draft.varying())


def _add_nothing(draft: Draft, rng: random.Random) -> bool:
    """x = x + (y - y) and x = x + y * 0, for x itself or what it is computed from."""
    if not draft.statements:
        return False
    i = rng.randrange(len(draft.statements))
    old = draft.statements[i]
    kinds = draft.kinds_before(i + 1)
    result, nothing = draft.fresh(), draft.fresh()
    sources = [a for a in old.arguments if isinstance(a, str) and kinds[a] <= kinds[old.target]]
    source = rng.choice([result, *(a for a in sources if a != old.target)])
    forms: list[tuple[str, tuple[str | float, ...]]] = [
        ("subtract", (source, source)),
        ("multiply", (source, 0.0)),
        ("multiply", (0.0, source)),
    ]
    draft.put(
        i,
        replace(old, target=result),
        Statement(nothing, *rng.choice(forms)),
        Statement(old.target, "add", rng.choice([(result, nothing), (nothing, result)])),
    )
    return True


def _neutral(draft: Draft, rng: random.Random) -> bool:
    """x + 0, x * 1, --x and the like."""
    forms: list[tuple[tuple, ...]] = [
        (("add", "_", 0.0),),
        (("multiply", 1.0, "_"),),
        (("subtract", "_", 0.0),),
        (("divide", "_", 1.0),),
        (("negative", "_"), ("negative", "_")),
        (("maximum", "_", "_"),),
        (("power", "_", 1.0),),
        (("interp", "_", "_", 0.3),),
    ]
    return _around(draft, rng, forms)


def _dead_state(draft: Draft, rng: random.Random) -> bool:
    """A state that no update depends on, fed by whatever there is."""
    if len(draft.program.states) >= MAX_STATES:
        return False
    name = f"dead_{len(draft.program.states)}"
    draft.program = replace(draft.program, states=(*draft.program.states, name))
    place = rng.randint(0, len(draft.statements))
    kinds = draft.kinds_before(place)
    tensors = [n for n, k in kinds.items() if k is Kind.TENSOR]
    function, *rest = rng.choice(
        [("interp", 0.5), ("add",), ("multiply",), ("maximum",), ("subtract",)]
    )
    statement = Statement(name, function, (rng.choice(tensors), name, *rest))
    draft.insert(place, statement)
    return True


def _twin_state(draft: Draft, rng: random.Random) -> bool:
    """A second state with the same or a multiple of another's values, read in its place once."""
    states = draft.program.states
    if not states or len(states) >= MAX_STATES:
        return False
    old = rng.choice(states)
    readers = []
    for i, statement in enumerate(draft.statements):
        if old in statement.arguments:
            readers.append(i)
        if statement.target == old:
            break
    if not readers or all(statement.target != old for statement in draft.statements):
        return False
    twin, scale = f"twin_{len(states)}", rng.choice([1.0, 2.0, -1.0, 0.5])
    i = rng.choice(readers)
    reader, name = draft.statements[i], draft.fresh()
    arguments = tuple(name if a == old else a for a in reader.arguments)
    draft.put(
        i, Statement(name, "multiply", (twin, 1 / scale)), replace(reader, arguments=arguments)
    )
    draft.insert(len(draft.statements), Statement(twin, "multiply", (old, scale)))
    draft.program = replace(draft.program, states=(*states, twin))
    return True


def _scale_state(draft: Draft, rng: random.Random) -> bool:
    """Keeps a multiple of a state in it."""
    states = draft.program.states
    if not states:
        return False
    state = rng.choice(states)
    scale, old = neat(rng.uniform(0.5, 4)), draft.fresh()
    statements = []
    for statement in draft.statements:
        arguments = tuple(old if a == state else a for a in statement.arguments)
        target = old if statement.target == state else statement.target
        statements.append(replace(statement, target=target, arguments=arguments))
    draft.program = replace(
        draft.program,
        statements=(
            Statement(old, "divide", (state, scale)),
            *statements,
            Statement(state, "multiply", (old, scale)),
        ),
    )
    return True


def _rename(draft: Draft, rng: random.Random) -> bool:
    """New names for everything that is not fixed."""
    fixed = {"w", "g", "lr", "update"}
    names = {*draft.program.states, *(s.target for s in draft.statements)} - fixed
    numbers = rng.sample(range(1000), len(names))
    new = {name: f"x{number}" for name, number in zip(sorted(names), numbers)}
    statements = tuple(
        Statement(
            new.get(s.target, s.target),
            s.function,
            tuple(new.get(a, a) if isinstance(a, str) else a for a in s.arguments),
        )
        for s in draft.statements
    )
    draft.program = Program(tuple(new[name] for name in draft.program.states), statements)
    return True


KINDS: dict[str, Edit] = {
    "split factor": _split_factor,
    "split constant": _split_constant,
    "compose interp": _compose_interp,
    "commute": _commute,
    "multiply and divide": _multiply_divide,
    "add nothing": _add_nothing,
    "neutral": _neutral,
    "dead state": _dead_state,
    "twin state": _twin_state,
    "scale state": _scale_state,
    "rename": _rename,
}
