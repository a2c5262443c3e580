"""What every target's source is: safe whatever the program is called, readable, alone."""

import ast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.mathtext import MathTextParser

from programs import (
    Function,
    Program,
    ProgramError,
    Statement,
    library,
    load,
    parse,
    register,
    unregister,
)
from programs.__main__ import main
from programs.export import TARGETS, Origin, to_numpy, to_torch
from programs.export.form import form_of
from programs.export.formula import equations, lines
from tests.programs.export.trajectories import imported
from tests.strategies import programs, random_programs

PYTHON = [target for target in TARGETS if target != "latex"]
ALONE = {"optax": {"jax", "optax", "warnings"}, "torch": {"torch"}, "numpy": {"numpy"}}
STANDARD = {"__future__", "typing", "collections", "dataclasses"}


def source_of(target, program, origin=Origin()):
    to, name = TARGETS[target]
    return to(program, name, origin)


@pytest.mark.parametrize("target", PYTHON)
def test_it_stands_alone_and_is_readable(target):
    for program in [load(f"library:{name}") for name in library()] + random_programs(60, seed=9):
        source = source_of(target, program)
        tree = ast.parse(source)
        modules = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(node.module.split(".")[0])
        assert modules - STANDARD <= ALONE[target]
        assert str(program).rstrip().replace("\n", "\n    ") in ast.get_docstring(tree, clean=False)


@pytest.mark.parametrize("target", PYTHON)
@settings(deadline=None)
@given(name=st.text(max_size=30), comment=st.text(max_size=60))
def test_a_comment_or_file_name_stays_in_the_docstring(target, name, comment):
    """Whatever they are: the code is that of the program without them."""
    program = load("library:lion")
    plain, marked = (
        ast.parse(source_of(target, program, origin))
        for origin in (Origin("a", "b"), Origin(name, comment))
    )
    assert ast.dump(ast.Module(plain.body[1:], [])) == ast.dump(ast.Module(marked.body[1:], []))


EVIL = 'x"""\nimport os; os.system("id")\n"""', "\\", '"""', "\\N{DIGIT ONE}", "a\x00b", "‮", "\r"


@pytest.mark.parametrize("target", PYTHON)
@pytest.mark.parametrize("text", EVIL)
def test_text_that_would_end_a_docstring(target, text):
    tree = ast.parse(source_of(target, load("library:sgd"), Origin(text, text)))
    assert not any(isinstance(n, ast.Name) and n.id == "os" for n in ast.walk(tree))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["a b", "x\n", 'a"', "a;b", "é", "", "x" * 65, "}"])
def test_names_that_no_file_can_have_are_refused(target, name):
    """The parser lets none of them through; a program made by hand might."""
    for program in (
        Program((), (Statement("update", "sign", ("g",)), Statement(name, "sign", ("g",)))),
        Program((name,), (Statement("update", "sign", ("g",)),)),
    ):
        with pytest.raises(ProgramError, match=r"is no (variable|state)'s name"):
            source_of(target, program)


@pytest.mark.parametrize("target", TARGETS)
def test_a_number_that_is_none(target):
    program = Program((), (Statement("update", "multiply", ("g", float("nan"))),))
    with pytest.raises(ProgramError, match="nan is no finite number"):
        source_of(target, program)


@settings(deadline=None)
@given(program=programs())
def test_equations_hold_every_live_statement(program):
    form = form_of(program, needed=(), merge_rate=False, masked=lambda _: False)
    found = equations(form.program, tuple(form.parameters))
    size = sum(getattr(right, "size", 0) for _, right in found)
    assert size >= len(form.program)  # an equation is counted with what is written into it
    assert len({left for left, _ in found}) == len(found)
    assert all(line.isascii() for line in lines(found))


def test_hyperparameters_have_their_roles():
    source = to_torch(load("library:adamw"), "AdamW")
    for line in ("lr: float | torch.Tensor = 0.001", "beta1: float = 0.9", "beta2: float = 0.999",
                 "weight_decay: float = 0.01"):  # fmt: skip
        assert line in source
    assert "learning_rate" not in source
    assert "update = (m[t] / (sqrt(v[t]) + eps) + w * weight_decay) * lr" in source


def test_a_factor_of_the_weights_is_weight_decay_only_if_it_is_a_term_of_the_update():
    text = "def train(w, g, lr):\n  x = w * 3.0\n  x = sin(x)\n  {}\n  update = g + x\n  return update\n"
    assert "    c1: float = 3.0" in to_torch(parse(text.format("x = x * g")))
    assert "    weight_decay: float = 0.5" in to_torch(parse(text.format("x = w * 0.5")))
    assert "weight_decay: float = 0.0001" in to_torch(load("library:lars"))


def test_latex_is_mathematics():
    """Each side of each equation can be set."""
    parser = MathTextParser("path")
    for program in [load(f"library:{name}") for name in library()] + random_programs(40, seed=5):
        text = source_of("latex", program, Origin("a\\b^^M", "c\n\\input{x}"))
        assert text.isascii()
        body = text.partition("\\begin{align}\n")[2].partition("  \\label")[0]
        for row in body.rstrip().split("\\\\\n"):
            for side in row.strip().split(" &= "):
                parser.parse(f"${side}$")
        outside = [line for line in text.splitlines() if "input" in line]
        assert all(line.startswith("% ") for line in outside)


def _softplus(**fields):
    return Function(
        "softplus",
        1,
        lambda xp, x: xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x))),
        source="jnp.maximum({0}, 0) + jnp.log1p(jnp.exp(-jnp.abs({0})))",
        **fields,
    )


def test_functions_of_ones_own(tmp_path):
    register(_softplus())
    try:
        program = Program((), (Statement("update", "softplus", ("g",)),))
        rule = imported(to_numpy(program), tmp_path).Rule()
        params, _ = rule.step({"a": np.zeros(1)}, {"a": np.zeros(1)}, rule.init({"a": np.zeros(1)}))
        np.testing.assert_allclose(params["a"], -np.log(2))
        with pytest.raises(ProgramError, match="softplus: to be exported to torch it needs"):
            to_torch(program)
        register(_softplus(array_source="xp.log(1 + xp.exp({0}))"))
        assert "update = torch.log(1 + torch.exp(g))" in to_torch(program)
        with pytest.raises(ProgramError, match="array_source reads 'os'; it may read"):
            register(_softplus(array_source="os.abs({0})"))
    finally:
        unregister("softplus")


@pytest.mark.parametrize("target", TARGETS)
def test_the_command(target, tmp_path, capsys):
    out = tmp_path / "a.txt"
    asked = ["export", "library:lion", "--to", target, "--name", "lion", "--out", str(out)]
    assert main(asked) == 0
    text = out.read_text()
    assert "lion" in text and "library:lion, functional hash" in text
    assert "Source: Chen et al. 2023" in text
    assert main(["export", "library:lion", "--to", target, "--name", "1x"]) == 2
    assert capsys.readouterr().err.startswith("error: --name '1x' is not a Python name")
    assert main(["export", "library:lion", "--to", target, "--name", "\uff4a\uff41\uff58"]) == 2
    assert "Python would read it as 'jax'" in capsys.readouterr().err
