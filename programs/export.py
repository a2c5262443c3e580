"""A program as Python source that needs nothing of this project: one file, jax and optax.

The code is the program statement by statement, so that a reader can check it against the program's
text, which stands in its docstring. Each statement is hidden from the compiler as the compiled
engine hides it (isolation.py): the module computes what was scored, whatever XLA's algebra.
"""

from __future__ import annotations

import ast
import builtins
import functools
import keyword
from collections.abc import Iterable
from string import Template

from programs.abstract import live_across_steps
from programs.functions import FUNCTIONS
from programs.hyperparameters import hyperparameters, reads_schedule, weight_decay, with_inputs
from programs.kinds import Kind
from programs.program import OUTPUT, Program, ProgramError, Statement

_MODULE = Template('''"""An update rule as an optax.GradientTransformation.

$text
(the training loop does w = w - update; optax adds, so the sign is changed at the end)
"""

${imports}from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class State(NamedTuple):
    """The step count, and the rule's states: trees like the parameters, zero at first."""

    count: jax.Array
$fields

@jax.custom_jvp
def isolated(x, zero):
    """x, bit for bit, hidden from the compiler: it would merge statements into what is equal for
    real numbers only, log(exp(x)) into x and (x * c) * d into x * (c * d)."""
    bits = jax.lax.bitcast_convert_type(x, jnp.int32) ^ zero
    return jax.lax.bitcast_convert_type(bits, jnp.float32)


isolated.defjvps(lambda tangent, _, *primals: tangent, None)


def check(params, tree, name):
    """Raises ValueError unless the parameters are real numbers and the tree is one like them."""
    found, wanted = jax.tree.structure(tree), jax.tree.structure(params)
    if found != wanted:
        raise ValueError(f"{name}: not a tree like the parameters: {found}, not {wanted}")
    leaves = jax.tree.leaves(tree)
    for (path, param), leaf in zip(jax.tree_util.tree_leaves_with_path(params), leaves):
        where, dtype = f"at {jax.tree_util.keystr(path)}", jnp.result_type(param)
        if not jnp.issubdtype(dtype, jnp.floating):
            wrong = f"{dtype}, but an update rule is for real numbers"
            raise ValueError(f"parameter {where} is {wrong}")
        if jnp.shape(leaf) != jnp.shape(param):
            shapes = f"{jnp.shape(leaf)}, not {jnp.shape(param)}"
            raise ValueError(f"{name}: not like the parameters: the shape {where} is {shapes}")

$helpers
def $name(
    $signature
) -> optax.GradientTransformation:
    """The rule. Every number may be a schedule, too: step count -> number.

    It computes in float32, whatever the dtype of the parameters.

    Args:
      $arguments
    """
    numbers = ($numbers)
$warning
    def init(params):
        check(params, params, "the parameters")
        # Each state has buffers of its own, so that all can be donated.
        trees = [
            jax.tree.map(lambda p: jnp.zeros_like(p, state_dtype), params)
            for _ in State._fields[1:]
        ]
        return State(jnp.zeros([], jnp.int32), *trees)

    def update(g, state, params=None):
        if params is None:
            raise ValueError("this rule reads the weights: call update(grads, state, params)")
        check(params, g, "the gradients")
        for name, tree in zip(State._fields[1:], state[1:]):
            check(params, tree, f"state '{name}'")
        zero = jax.lax.optimization_barrier(jnp.minimum(state.count, 0))

        def keep(tree):
            return jax.tree.map(lambda x: isolated(jnp.asarray(x, jnp.float32), zero), tree)

        $names = keep([n(state.count) if callable(n) else n for n in numbers])
        w, g, $states = keep((params, g, state[1:]))
$mask
$body

        updates = jax.tree.map(lambda u, p: (-scale * u).astype(jnp.result_type(p)), update, params)
        trees = jax.tree.map(lambda x: x.astype(state_dtype), $states)
        return updates, State(optax.safe_increment(state.count), *trees)

    return optax.GradientTransformation(init, update)
''')

_HELPERS = {
    "total(": '''
def together(*trees):
    """The arrays of the trees beside each other; lower shapes are broadcast to the highest."""
    lists = [jax.tree.leaves(tree) for tree in trees]
    count = max(map(len, lists))
    lists = [leaves * count if len(leaves) == 1 else leaves for leaves in lists]
    return [jnp.broadcast_arrays(*leaves) for leaves in zip(*lists)]


def total(function, *trees):
    """Sum of function over all elements of the trees, as they are together."""
    return sum((jnp.sum(function(*arrays)) for arrays in together(*trees)), jnp.float32(0))

''',
    "length(": '''
def length(*trees):
    """Euclidean length of the first tree, as it is together with the others; of one number its
    size, whose square might leave float32."""
    if sum(x.size for x, *_ in together(*trees)) == 1:
        return total(lambda x, *_: jnp.abs(x), *trees)
    return jnp.sqrt(total(lambda x, *_: jnp.square(x), *trees))

''',
    "scaled(": '''
def scaled(tree, factor):
    """Every array of the tree times a scalar."""
    return jax.tree.map(lambda x: x * factor, tree)

''',
}

_WARNING = """    if schedule is not None:
        warnings.warn("this rule never reads the schedule value; scale multiplies the update")
"""

_MASK = """        mask = decay_mask(params) if callable(decay_mask) else decay_mask
        mask = keep(jax.tree.broadcast(mask, params))
"""

_ARGUMENTS = {
    "schedule": "the schedule value, with a peak of about 1: the peak learning rate is a constant "
    "inside the rule.",
    "no schedule": "changes nothing, since this rule never reads the schedule value; use scale.",
    "scale": "a factor of the whole update, weight decay included.",
    "decay_mask": "a bool, a tree of them like the parameters or a prefix of one, or a function of "
    "the parameters that gives one; where False, no weight decay.",
    "state_dtype": "the dtype in which states are kept between steps.",
}


def to_optax(program: Program, name: str = "rule") -> str:
    """Source of a module that defines the program as an optax optimizer.

    It defines name(schedule=1.0, *, scale=1.0, decay_mask=True, state_dtype="float32", ...), with
    the program's constants as further keywords (`programs.hyperparameters`) and decay_mask for a
    program with weight decay. Redundant statements and states that never reach an update are left
    out; variables whose names the module needs get others.

    Raises:
      ProgramError: the name is no identifier, or one that the module needs.
    """
    _check_name(name)
    program = live_across_steps(program)
    constants = hyperparameters(program)
    masked = weight_decay(program)
    renamed = _renamed(program, {h.name for h in constants} | _names_of_template())
    code = with_inputs(renamed, {h: h.name for h in constants}, "mask" if masked else None)
    body = "\n".join(_body(code, [h.name for h in constants]))

    scheduled = reads_schedule(program)
    defaults = {"scale": "1.0", **({"decay_mask": "True"} if masked else {})}
    defaults["state_dtype"] = '"float32"'
    arguments = {"schedule": _ARGUMENTS["schedule" if scheduled else "no schedule"]}
    arguments |= {option: _ARGUMENTS[option] for option in defaults}
    if constants:
        arguments[", ".join(h.name for h in constants)] = "the constants of the rule."
    signature = [f"schedule={'1.0' if scheduled else 'None'}", "*"]
    signature += [f"{option}={default}" for option, default in defaults.items()]
    signature += [f"{h.name}={h.value!r}" for h in constants]
    numbers = [*(["schedule"] if scheduled else []), "scale", *(h.name for h in constants)]
    states = "".join(f"{state}, " for state in renamed.states)
    return _MODULE.substitute(
        text=str(program).rstrip(),
        imports="" if scheduled else "import warnings\n",
        fields="".join(f"    {state}: Any\n" for state in renamed.states),
        helpers=_helpers(body),
        name=name,
        signature="\n    ".join(f"{parameter}," for parameter in signature),
        arguments="\n      ".join(f"{names}: {text}" for names, text in arguments.items()),
        numbers=", ".join(numbers) + ",",
        warning="" if scheduled else _WARNING,
        names=", ".join(["lr" if n == "schedule" else n for n in numbers]) + ",",
        states=f"({states.strip()})",
        mask=_MASK if masked else "",
        body=body,
    )


def _body(code: Program, constants: Iterable[str]) -> Iterable[str]:
    """The statements as lines; `constants` and "mask" are variables that they do not define."""
    kinds = dict.fromkeys(("w", "g", *code.states), Kind.TENSOR)
    kinds |= dict.fromkeys(("lr", *constants), Kind.SCALAR) | {"mask": Kind.PER_ARRAY}
    for statement in code:
        yield f"        {statement.target} = keep({_expression(statement, kinds)})"
        arguments = tuple(kinds[str(argument)] for argument in statement.arguments)
        kinds[statement.target] = FUNCTIONS[statement.function].kinds[arguments]


def _helpers(body: str) -> str:
    """The functions that the statements call, and those that these call."""
    source, seen = "", body
    for call, text in reversed(_HELPERS.items()):
        if call in seen:
            source, seen = text + source, seen + text
    return source


def _expression(statement: Statement, kinds: dict[str, Kind]) -> str:
    """The statement's right-hand side as JAX source."""
    row = FUNCTIONS[statement.function]
    template = row.source or (
        f"jnp.{row.name}(" + ", ".join(f"{{{i}}}" for i in range(row.arity)) + ")"
    )
    arguments = [str(argument) for argument in statement.arguments]
    expression = template.format(*arguments)
    trees = dict.fromkeys(a for a in arguments if kinds[a] is not Kind.SCALAR)
    if row.whole_tree or not trees:
        return expression
    names = ", ".join(trees)
    return f"jax.tree.map(lambda {names}: {expression}, {names})"


def _names_in(source: str) -> set[str]:
    """Every name that Python source reads or binds."""
    names = set(keyword.kwlist)
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.alias(asname=None, name=name):
                names.add(name.partition(".")[0])
            case ast.alias(asname=str(name)) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
    return names


@functools.cache
def _names_of_template() -> frozenset[str]:
    """What no variable of a program may be called in the module; all but the language's own."""
    blank = dict.fromkeys(("text", "imports", "fields", "helpers", "mask", "body"), "")
    blank |= {"name": "rule", "signature": "", "arguments": "", "numbers": "", "warning": _WARNING}
    source = _MODULE.substitute(blank, names="_", states="()") + "".join(_HELPERS.values())
    options = "schedule scale decay_mask state_dtype mask warnings"
    return frozenset(_names_in(source + options.replace(" ", "\n"))) - {"w", "g", "lr", OUTPUT}


def _check_name(name: str) -> None:
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ProgramError(f"--name {name!r} is not a Python name; write one such as 'my_rule'")
    helpers = _names_in("".join(_HELPERS.values()))
    if name in helpers | {"jax", "jnp", "optax", "State", "Any", "NamedTuple", "isolated", "check"}:
        raise ProgramError(
            f"--name {name!r} is a name that the module itself needs; choose another"
        )
    if name in dir(builtins):
        raise ProgramError(f"--name {name!r} is a name that Python uses; choose another")


def _renamed(program: Program, taken: set[str]) -> Program:
    """The program with other names for variables that are called what the module needs.

    A state is a field of a NamedTuple, whose name may not begin with an underscore.
    """
    variables = dict.fromkeys((*program.inputs, *(s.target for s in program)))
    names: dict[str, str] = {}
    for name in variables:
        new = name.lstrip("_") or "x"
        while new in taken or (new != name and new in variables) or new in names.values():
            new += "_"
        names[name] = new

    def rename(argument: str | float) -> str | float:
        return names[argument] if isinstance(argument, str) else argument

    statements = (
        Statement(names[s.target], s.function, tuple(map(rename, s.arguments))) for s in program
    )
    return Program(tuple(names[state] for state in program.states), tuple(statements))
