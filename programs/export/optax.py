"""A program as Python source that needs nothing of this project: one file, jax and optax.

The code is the program statement by statement, so that a reader can check it against the program's
text, which stands in its docstring. Each statement is hidden from the compiler as the compiled
engine hides it (isolation.py): the module computes what was scored, whatever XLA's algebra.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from string import Template

from programs.export import form as forms
from programs.export.names import check_name, filled, names_in
from programs.functions import FUNCTIONS
from programs.kinds import Kind
from programs.program import OUTPUT, Program, Statement

_MODULE = Template('''"""An update rule as an optax.GradientTransformation.

$formula

optax adds updates, so the sign is changed at the end. eps is 1e-8.

$provenance

Example:

    optimizer = $name($example)
    state = optimizer.init(params)
    updates, state = optimizer.update(grads, state, params)
    params = optax.apply_updates(params, updates)
"""

from __future__ import annotations

${imports}from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

Number = float | jax.Array | Callable[[jax.Array], Any]  # or a schedule: step count -> number


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
    """Raises ValueError unless the parameters are real and the tree is a real one like them."""
    found, wanted = jax.tree.structure(tree), jax.tree.structure(params)
    if found != wanted:
        raise ValueError(f"{name}: not a tree like the parameters: {found}, not {wanted}")
    leaves = jax.tree.leaves(tree)
    for (path, param), leaf in zip(jax.tree_util.tree_leaves_with_path(params), leaves):
        where, dtype = f"at {jax.tree_util.keystr(path)}", jnp.result_type(param)
        if not jnp.issubdtype(dtype, jnp.floating):
            wrong = f"{dtype}, but an update rule is for real numbers"
            raise ValueError(f"parameter {where} is {wrong}")
        if jnp.issubdtype(jnp.result_type(leaf), jnp.complexfloating):
            raise ValueError(f"{name}: {where} complex, but an update rule is for real numbers")
        if jnp.shape(leaf) != jnp.shape(param):
            shapes = f"{jnp.shape(leaf)}, not {jnp.shape(param)}"
            raise ValueError(f"{name}: not like the parameters: the shape {where} is {shapes}")


def number(name, value):
    """The value; raises ValueError unless it is one real number."""
    if value is None or isinstance(value, str):
        raise ValueError(f"{name}: expected one real number, got {value!r}")
    if jnp.shape(value) != () or jnp.iscomplexobj(value):
        found = f"{jnp.result_type(value)} of shape {jnp.shape(value)}"
        raise ValueError(f"{name}: expected one real number, got {found}")
    return value


def floating(dtype):
    """The dtype, float32 for None; raises ValueError unless it is a floating-point one."""
    try:
        found = jnp.dtype(jnp.float32 if dtype is None else dtype)
    except TypeError:
        raise ValueError(f"state_dtype: expected a floating-point dtype, got {dtype!r}") from None
    if not jnp.issubdtype(found, jnp.floating):
        raise ValueError(f"state_dtype: expected a floating-point dtype, got {found}")
    return found

$helpers
def $name(
    $signature
) -> optax.GradientTransformation:
    """The rule. It computes in float32, whatever the dtype of the parameters.

    Args:
      $arguments
    """
    numbers = {$numbers}
    for name, value in numbers.items():
        if not callable(value):
            number(name, value)
    state_dtype = floating(state_dtype)
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

        values = {k: n(state.count) if callable(n) else n for k, n in numbers.items()}
        $names = keep([number(name, value) for name, value in values.items()])
        w, g, $states = keep((params, g, state[1:]))
$mask
$body

        updates = jax.tree.map(lambda u, p: (-scale * u).astype(jnp.result_type(p)), update, params)
        trees = jax.tree.map(lambda x: x.astype(state_dtype), $states)
        return updates, State(optax.safe_increment(state.count), *trees)

    return optax.GradientTransformation(init, update)
''')

_MODULES = {"jax", "jnp", "optax", "warnings"}
HELPERS = {
    "total": '''
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
    "length": '''
def length(*trees):
    """Euclidean length of the first tree, as it is together with the others; of one number its
    size, whose square might leave float32."""
    if sum(x.size for x, *_ in together(*trees)) == 1:
        return total(lambda x, *_: jnp.abs(x), *trees)
    return jnp.sqrt(total(lambda x, *_: jnp.square(x), *trees))

''',
    "scaled": '''
def scaled(tree, factor):
    """Every array of the tree times a scalar."""
    return jax.tree.map(lambda x: x * factor, tree)

''',
}

_WARNING = """    if schedule is not None:
        warnings.warn("this rule never reads the schedule value; scale multiplies the update")
"""

_MASK = """        mask = decay_mask(params) if callable(decay_mask) else decay_mask
        mask = jax.tree.broadcast(mask, params)
        mask = keep(jax.tree.map(lambda value: number("decay_mask", value), mask))
"""

_ARGUMENTS = {
    "schedule": "the schedule value, with a peak of about 1; the learning rate is inside the rule.",
    "no schedule": "changes nothing, since this rule never reads the schedule value; use scale.",
    "scale": "a factor of the whole update, weight decay included.",
    forms.MASK: "a bool, a tree of them like the parameters or a prefix of one, or a function of "
    "the parameters that gives one; where False, no weight decay.",
    "state_dtype": "the floating-point dtype in which states are kept between steps.",
}


def to_optax(
    program: Program,
    name: str = "rule",
    origin: forms.Origin = forms.Origin(),  # noqa: B008
) -> str:
    """Source of a module that defines the program as an optax optimizer.

    It defines name(schedule=1.0, *, scale=1.0, decay_mask=True, state_dtype="float32", ...), with
    the program's constants as further keywords by their roles, such as learning_rate, beta1 and
    weight_decay, and decay_mask for a program with weight decay. Redundant statements and states
    that never reach an update are left out; variables whose names the module needs get others.

    Raises:
      ProgramError: the name is no identifier, or one that the module needs.
    """
    check_name(name, _never() | {"isolated", "check", "number", "floating"})
    form = forms.form_of(
        program, needed=_needed(), merge_rate=False, masked=forms.has_decay, mask="mask"
    )
    return _source(form, name, origin)


def _source(form: forms.Form, name: str, origin: forms.Origin) -> str:
    body = "\n".join(_body(form))
    scheduled = form.rate is not None
    options = {"scale": "Number = 1.0", **({forms.MASK: "Any = True"} if form.mask else {})}
    options["state_dtype"] = 'Any = "float32"'
    signature = [f"schedule: {'Number = 1.0' if scheduled else 'Number | None = None'}", "*"]
    signature += [f"{option}: {default}" for option, default in options.items()]
    signature += [f"{h}: Number = {value!r}" for h, value in form.parameters.items()]
    arguments = {"schedule": _ARGUMENTS["schedule" if scheduled else "no schedule"]}
    arguments |= {option: _ARGUMENTS[option] for option in options}
    descriptions = {k: v for k, v in forms.about(form).items() if k not in (forms.RATE, *form.mask)}
    numbers = [*(["schedule"] if scheduled else []), "scale", *form.parameters]
    states = "".join(f"{state}, " for state in form.states)
    example = "schedule=optax.cosine_decay_schedule(1.0, 10_000)"
    return _MODULE.substitute(
        formula=forms.formula(form),
        provenance=forms.provenance(form, origin),
        example=example if scheduled else "",
        imports="" if scheduled else "import warnings\n",
        fields="".join(f"    {state}: Any\n" for state in form.states),
        helpers=_helpers(body),
        name=name,
        signature="\n    ".join(f"{parameter}," for parameter in signature),
        arguments=forms.listed(arguments | descriptions),
        numbers=", ".join(f'"{n}": {n}' for n in numbers),
        warning="" if scheduled else _WARNING,
        names=", ".join([forms.RATE if n == "schedule" else n for n in numbers]) + ",",
        states=f"({states.strip()})",
        mask=_MASK if form.mask else "",
        body=body,
    )


def _body(form: forms.Form) -> Iterable[str]:
    """The statements as lines."""
    kinds = dict.fromkeys(("w", "g", *form.states), Kind.TENSOR)
    kinds |= dict.fromkeys((forms.RATE, *form.parameters), Kind.SCALAR)
    kinds |= dict.fromkeys(form.mask, Kind.PER_ARRAY)
    for statement in form.program:
        yield f"        {statement.target} = keep({_expression(statement, kinds)})"
        arguments = tuple(kinds[str(argument)] for argument in statement.arguments)
        kinds[statement.target] = FUNCTIONS[statement.function].kinds[arguments]


def _helpers(body: str) -> str:
    """The functions that the statements call, and those that these call."""
    source, seen = "", body
    for name, text in reversed(HELPERS.items()):
        if re.search(rf"\b{name}\b", seen):
            source, seen = text + source, seen + text
    return source


def _expression(statement: Statement, kinds: dict[str, Kind]) -> str:
    """The statement's right-hand side as JAX source."""
    row = FUNCTIONS[statement.function]
    template = row.source or (
        f"jnp.{row.name}(" + ", ".join(f"{{{i}}}" for i in range(row.arity)) + ")"
    )
    arguments = [str(argument) for argument in statement.arguments]
    expression = filled(template, arguments)
    trees = dict.fromkeys(a for a in arguments if kinds[a] is not Kind.SCALAR)
    if row.whole_tree or not trees:
        return expression
    names = ", ".join(trees)
    return f"jax.tree.map(lambda {names}: {expression}, {names})"


@functools.cache
def _needed() -> frozenset[str]:
    """What no variable of a program may be called in the module; all but the language's own."""
    texts = ("formula", "provenance", "example", "imports", "fields", "helpers", "mask", "body")
    blank = dict.fromkeys(texts, "")
    blank |= {"name": "rule", "signature": "", "arguments": "", "numbers": "", "warning": _WARNING}
    source = _MODULE.substitute(blank, names="_", states="()") + "".join(HELPERS.values())
    options = f"schedule scale {forms.MASK} state_dtype mask warnings"
    return frozenset(names_in(source + options.replace(" ", "\n"))) - {"w", "g", forms.RATE, OUTPUT}


@functools.cache
def _never() -> frozenset[str]:
    """What the rule itself may not be called; a name of a local variable would be all right."""
    helpers = names_in("".join(HELPERS.values()))
    return frozenset(helpers | _MODULES | {"State", "Any", "NamedTuple", "Number", "Callable"})
