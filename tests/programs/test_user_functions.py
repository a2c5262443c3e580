"""Functions of a user's own: known to everything that reads programs; wrong rows are refused."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from programs import Function, ProgramError, load_functions_file, parse, register, unregister
from programs.__main__ import main
from programs.behaviour import Screening, behaviour
from programs.canonical import canonical_hash
from programs.draws import child_rng
from programs.export import to_numpy
from programs.function import COMMUTATIVE, EVEN, NONNEGATIVE, ODD, ROUNDED
from programs.functions import ALIASES, FUNCTIONS
from programs.interpreter import Capacity, encode, interpreted
from programs.kinds import Kind
from programs.mutate import MutationOptions, mutate
from programs.registers import STATES
from programs.simplify import simplify
from programs.transform import as_optax
from programs.user_functions import Registered, fingerprints, registered
from tests.programs.engines import exported, flat, numpy
from tests.programs.export.trajectories import imported
from tests.strategies import trees

SOFTPLUS = Path(__file__).parents[2] / "examples" / "softplus.py"
ROW = {"arity": 1, "meaning": lambda xp, x: xp.tanh(x) * 2, "source": "jnp.tanh({0}) * 2"}


SPREAD = Function(
    "spread",
    2,
    lambda tree, x, c: tree.map(tree.xp.multiply, x, c * tree.total(tree.xp.abs, x)),
    whole_tree=True,
    kind_rule=lambda x, c: x,
    scalar_arguments=(1,),
    source="scaled({0}, {1} * total(jnp.abs, {0}))",
)


@pytest.fixture(autouse=True)
def _table_as_before():
    before, aliases = list(FUNCTIONS.items()), dict(ALIASES)
    yield
    for name in fingerprints():
        unregister(name)
    assert list(FUNCTIONS.items()) == before and aliases == ALIASES


def _program(*calls: str):
    lines = ["m = interp(g, m, 0.9)", *(f"update = {call}" for call in calls), "return update, m"]
    body = "\n".join(f"  {line}" for line in lines)
    return parse(f"def train(w, g, m, lr):\n{body}")


def test_every_reader_of_programs_knows_it():
    load_functions_file(SOFTPLUS)
    program = _program("softplus(m)")
    assert parse(str(program)) == program
    assert behaviour(program).screening is Screening.TRAINABLE
    assert canonical_hash(_program("softplus(m)", "abs(update)")) == canonical_hash(program)
    assert simplify(_program("softplus(m)", "update * 1.0")).program == program
    options = MutationOptions(insert=1, delete=0, modify=0, functions={"softplus": 1.0})
    child = mutate(program, child_rng(0, 0, 0), options=options).program
    assert [s.function for s in child].count("softplus") == 2


def test_engines_and_export_agree():
    load_functions_file(SOFTPLUS)
    register(SPREAD)
    program = _program("softplus(m)", "update * w", "spread(update, lr)")
    w, g, m = trees(1), trees(2), trees(3)
    [(wanted, after)] = numpy([program], w, g, [m], 0.5)
    [(got, _)] = exported([program], w, g, [m], 0.5)
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
    capacity = Capacity(8, 8, 8)
    code = encode(program, capacity)

    @jax.jit
    def both(w, g, m):
        compiled, other = as_optax(program), interpreted(code, capacity)
        start = other.init(w)
        rows = start.tensors.at[STATES].set(jnp.concatenate([leaf.ravel() for leaf in m]))
        state = compiled.init(w)._replace(states=(m,))
        first, _ = compiled.update(g, state, w, lr=0.5)
        second, end = other.update(g, start._replace(tensors=rows), w, lr=0.5)
        return first, second, end.tensors[STATES]

    first, second, state = both(w, g, m)
    np.testing.assert_allclose(flat(first), wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(flat(second), wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state, after, rtol=1e-5, atol=1e-6)


def test_a_function_of_whole_trees_is_given_each_argument_as_it_is():
    """One number beside one for each array: of the built-in ones all are cast to one kind."""
    ratio = Function(
        "ratio",
        2,
        lambda tree, x, y: tree.length(x) / tree.length(y),
        whole_tree=True,
        kind_rule=lambda x, y: Kind.SCALAR,
        source="length({0}) / length({1})",
    )
    register(ratio)
    program = parse(
        "def train(w, g, lr):\n  n = norm(g)\n  r = ratio(lr, n)\n  update = w * r\n"
        "  return update\n"
    )
    w, g = trees(1), trees(2)
    [[wanted]] = numpy([program], w, g, [], 0.5)
    capacity = Capacity(8, 8, 8)
    other = interpreted(encode(program, capacity), capacity)
    update, _ = other.update(g, other.init(w), w, lr=0.5)
    np.testing.assert_allclose(flat(update), wanted, rtol=1e-5)


def _unit(name: str) -> Function:
    return Function(
        "unit",
        1,
        lambda tree, x: tree.map(tree.xp.divide, x, tree.xp.sqrt(tree.total(tree.xp.square, x))),
        whole_tree=True,
        kind_rule=lambda x: x,
        source=f"jax.tree.map(lambda {name}: {name} / jnp.sqrt(total(jnp.square, {{0}})), {{0}})",
        array_source=f"(lambda {name}: {{0}} / {name})(xp.sqrt(total(xp.square({{0}}))))",
    )


@pytest.mark.parametrize("name", ["g", "m", "q", "x"])
def test_exports_keep_what_a_source_binds_apart_from_variables(name, tmp_path):
    register(_unit(name))
    program = _program("unit(g)", "update * lr", "update + m")
    lines = f"  {name} = sin(g)\n  update = unit({name})"
    other = parse(f"def train(w, g, m, lr):\n{lines}\n  return update, m")
    w, g, m = trees(1), trees(2), trees(3)
    wanted = numpy([program, other], w, g, [m], 0.5)
    for got, right in zip(exported([program, other], w, g, [m], 0.5), wanted):
        np.testing.assert_allclose(got[0], right[0], rtol=1e-5, atol=1e-6)
    rule, keys = imported(to_numpy(program), tmp_path).Rule(lr=0.5), range(len(w))
    params, _ = rule.step(dict(enumerate(w)), dict(enumerate(g)), {i: (m[i],) for i in keys})
    got = np.concatenate([np.ravel(params[i] - w[i]) for i in keys])
    np.testing.assert_allclose(got, wanted[0][0], rtol=1e-4, atol=1e-5)


def test_simplified_programs_name_nothing_as_a_function():
    program = parse(
        "def train(w, g, p, q, lr):\n  p = interp(g, p, 0.9)\n  q = interp(p, q, 0.8)\n"
        "  x = w * g\n  y = sin(x)\n  z = y * 1.0\n  update = z * q\n  update = update + x\n"
        "  return update, p, q\n"
    )
    plain = simplify(program).program
    register(Function("product", **ROW, aliases=("n", "product2", "sin_product")))
    named = simplify(program).program
    assert parse(str(named)) == named and len(named) == len(plain) and named != plain


def test_a_row_replaces_its_predecessor_and_goes():
    register(Function("twice", **ROW))
    one = behaviour(_program("twice(m)")).hash
    register(
        Function("twice", **(ROW | {"meaning": lambda xp, x: xp.sin(x), "source": "jnp.sin({0})"}))
    )
    assert behaviour(_program("twice(m)")).hash != one
    unregister("twice")
    with pytest.raises(ProgramError, match="unknown function 'twice'"):
        _program("twice(m)")
    with pytest.raises(ProgramError, match="no function 'twice' was registered"):
        unregister("twice")


def _plus(number: float) -> Function:
    return Function(
        "plus", 1, lambda xp, x: x + number, source=f"{{0}} + {number}", properties={ROUNDED}
    )


def test_what_was_folded_with_its_predecessor_is_forgotten():
    register(_plus(1.0))
    program = parse("def train(w, g, lr):\n  a = plus(2.0)\n  update = g * a\n  return update\n")
    three, four = (
        parse(f"def train(w, g, lr):\n  update = g * {number}\n  return update\n")
        for number in (3.0, 4.0)
    )
    assert canonical_hash(program) == canonical_hash(three)
    register(_plus(2.0))
    assert canonical_hash(program) == canonical_hash(four)


def test_neither_a_replacement_nor_one_that_fails_changes_the_order():
    """Mutation draws by it."""
    names = ["one", "other"]
    for name in (*names, "one"):
        register(Function(name, **ROW))
    with pytest.raises(ProgramError):
        register(Function("one", **(ROW | {"source": "jnp.sin({0})"})))
    with pytest.raises(AttributeError):
        register(Function("third", **(ROW | {"source": "jnp.abs({0.x})"})))
    assert list(FUNCTIONS)[-2:] == names and "third" not in FUNCTIONS
    register(Function("fourth", **ROW))


def test_the_file_in_another_process_and_edited(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(SOFTPLUS.read_text())
    load_functions_file(file)
    first, there = fingerprints(), registered()
    assert there == Registered((str(file),), ())
    load_functions_file(file)  # again: nothing
    assert fingerprints() == first
    file.write_text(SOFTPLUS.read_text().replace("softplus", "softer"))
    load_functions_file(file)
    assert set(fingerprints()) == {"softer"} and fingerprints()["softer"] != first["softplus"]
    unregister("softer")
    there.register()
    assert set(fingerprints()) == {"softer"}
    register(Function("twice", **ROW))
    assert [row.name for row in registered().rows] == ["twice"]


def test_files_are_loaded_in_threads(tmp_path):
    def load_often(number: int) -> None:
        file = tmp_path / f"mine{number}.py"
        for turn in range(20):
            file.write_text(f"# {turn}\n" + SOFTPLUS.read_text().replace("softplus", f"f{number}"))
            load_functions_file(file)
            assert f"f{number}" in fingerprints() and str(file) in registered().files

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(load_often, range(4)))
    finally:
        sys.setswitchinterval(interval)


WRONG = [
    ({"name": "add"}, "there is a function of that name already"),
    ({"name": "div"}, "there is a function of that name already"),
    ({"aliases": ("neg",)}, "function 'neg': there is a function of that name already"),
    ({"name": "m"}, "it is the name of a variable"),
    ({"name": "v12"}, "it is the name of a variable"),
    ({"name": "s3"}, "it is the name of a variable"),
    ({"name": "decayed"}, "it is the name of a variable in library:lars; choose another"),
    ({"aliases": ("sqrt_v",)}, "function 'sqrt_v': it is the name of a variable in library:"),
    ({"name": "My Function"}, "expected a name of a-z"),
    ({"arity": 0}, "expected 1, 2 or 3 arguments, got 0"),
    ({"source": ""}, "source: expected its meaning as JAX source"),
    ({"source": "jnp.tanh({0}"}, "source 'jnp.tanh({0}'"),
    ({"source": "jnp.tanh({1})"}, "source 'jnp.tanh({1})'"),
    (
        {"source": "torch.tanh({0})"},
        "source reads 'torch'; it may read {0}, jnp, jax, total, length and scaled alone",
    ),
    ({"source": "jnp.tanh(x) * 2"}, "source reads 'x'; it may read {0}, jnp"),
    ({"source": "jnp.softsoft({0})"}, "source on (scalar): AttributeError: module 'jax.numpy' has"),
    ({"source": "jnp.tanh({0})"}, "source on (scalar): 0.462117, its meaning gives 0.924234"),
    ({"source": "jax.nn.tanh({0})[0]"}, "source on (scalar): "),
    (
        {"array_source": "scaled({0}, 2)"},
        "array_source reads 'scaled'; it may read {0}, xp, total and w alone",
    ),
    ({"array_source": "xp.tanh({0})"}, "array_source on (scalar): 0.462117, its meaning gives"),
    ({"array_source": "xp.tahn({0})"}, "array_source on (scalar): AttributeError: module 'numpy'"),
    ({"meaning": lambda xp, x: xp.tanhh(x)}, "meaning on (scalar): AttributeError"),
    ({"meaning": lambda xp, x: xp.sum(x)}, "expected a tensor of shapes [(2, 3), (4,)], got"),
    ({"meaning": lambda xp, x: x > 0}, "expected float32, got bool"),
    ({"meaning": lambda x: x}, "meaning on (scalar): TypeError"),
    ({"kind_rule": lambda x: Kind.SCALAR}, "without whole_tree the result has the highest kind"),
    ({"properties": frozenset({EVEN})}, "properties: it is not 'even'"),
    ({"properties": frozenset({NONNEGATIVE})}, "properties: it is not 'nonnegative'"),
    ({"properties": frozenset({COMMUTATIVE})}, "is none of a function of 1 argument"),
    ({"properties": frozenset({"big"})}, "'big' is none of"),
    ({"exact": lambda x: x}, "exact(0.5,): 0.5, its meaning gives 0.924"),
]


@pytest.mark.parametrize("fields, message", WRONG, ids=[case[1] for case in WRONG])
def test_wrong_rows(fields, message):
    with pytest.raises(ProgramError) as error:
        register(Function(**({"name": "twice"} | ROW | fields)))
    assert message in str(error.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"source": "2 * jnp.tanh({0})", "array_source": "xp.tanh({0}) + xp.tanh({0})"},
        {"source": "2 * jax.nn.tanh({0})"},  # numpy cannot try it
        {"source": "(2 * jnp.tanh({0})).at[...].get()"},
    ],
)
def test_right_sources_are_accepted(fields):
    register(Function(**({"name": "twice"} | ROW | fields)))
    unregister("twice")


def test_right_sources_of_whole_trees_are_accepted():
    register(
        Function(
            "share",
            1,
            lambda tree, x: tree.map(tree.xp.multiply, tree.lengths(x), tree.length(x)),
            whole_tree=True,
            kind_rule=lambda x: min(x, Kind.PER_ARRAY),
            source="scaled(jax.tree.map(length, {0}), length({0}))",
            array_source="xp.sqrt(xp.sum(xp.square({0})) * total(xp.square({0})))",
        )
    )
    program = _program("share(g)", "update * w")
    w, g, m = trees(1), trees(2), trees(3)
    [[wanted]], [[got]] = (engine([program], w, g, [m], 0.5) for engine in (numpy, exported))
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_right_claims_are_accepted():
    register(Function("twice", **ROW, properties=frozenset({ODD})))
    with pytest.raises(ProgramError, match=r"expected a programs\.Function, got str"):
        register("twice")


@pytest.mark.parametrize(
    "text, message",
    [
        ("x = 1\nfoo()\n", "mine.py:2: NameError: name 'foo' is not defined"),
        ("def f(:\n", "mine.py:1: SyntaxError"),
        (
            "from programs import *\n\nregister(Function('add', 1, lambda xp, x: x, source='{0}'))",
            "mine.py:3: function 'add': there is a function of that name already",
        ),
        ("from programs import Function\nFunction('f')", "mine.py:2: TypeError"),
        ("raise SystemExit(3)", "mine.py:1: SystemExit"),
        ("x = 1", "mine.py:1: the file registers no function"),
    ],
)
def test_files_that_fail(text, message, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(SOFTPLUS.read_text() if "SystemExit" in text else "")
    file.write_text(text)
    with pytest.raises(ProgramError) as error:
        load_functions_file(file)
    assert message in str(error.value) and not fingerprints()
    with pytest.raises(ProgramError, match=r"cannot read .*: No such file"):
        load_functions_file(tmp_path / "nothing.py")


def test_the_command(tmp_path, capsys):
    rule = tmp_path / "rule.py"
    rule.write_text(str(_program("sin(m)")).replace("sin", "softplus"))
    assert main(["check", str(rule)]) == 2
    assert "unknown function 'softplus'" in capsys.readouterr().err
    for command in ("check", "show", "simplify", "export"):
        assert main([command, str(rule), "--functions-file", str(SOFTPLUS)]) == 0
    assert "jnp.log1p" in capsys.readouterr().out
    example, files = (
        str(SOFTPLUS.with_name("soft_momentum.py")),
        ["--functions-file", str(SOFTPLUS)],
    )
    assert main(["export", example, "--to", "torch", *files]) == 0
    assert "torch.log1p" in capsys.readouterr().out
    assert main(["check", str(rule), "--functions-file", "nothing.py"]) == 2
    assert "file of functions: cannot read" in capsys.readouterr().err
