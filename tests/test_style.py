"""Rules of style that a program can hold: sizes, positional parameters, what mypy looks at."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PRODUCT = ("programs", "proxy_tasks", "search")
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 400, 60
MOST_POSITIONAL = 3  # without self and cls; two is the rule, a third where its order is natural
NATURAL = {  # more than that, and why
    "programs/program.py": {"__init__": "a message, then file, line and column, as of SyntaxError"},
    "search/storage/queries.py": {"_rows": "a query with its values"},
}


def _is_python(path: Path) -> bool:
    return path.suffix == ".py" or path.read_text().split("\n", 1)[0].endswith(
        ("python", "python3")
    )


OF_SCRIPTS = ("scripts/reliability",)  # what several of them are made of
SCRIPTS = [p for p in sorted((ROOT / "scripts").iterdir()) if p.is_file() and _is_python(p)]
CODE = [
    p for package in (*PRODUCT, *OF_SCRIPTS) for p in sorted((ROOT / package).rglob("*.py"))
] + SCRIPTS
CODE = [path for path in CODE if path.parent.name not in ("library", "discovered")]  # programs
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


@pytest.mark.parametrize("path", [*CODE, *TESTS], ids=_name)
def test_no_file_is_long(path):
    assert len(path.read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", CODE, ids=_name)
def test_no_function_is_long(path):
    lines = {f.name: f.end_lineno - f.lineno + 1 for f in _functions(path)}
    assert {n: length for n, length in lines.items() if length > MOST_LINES_OF_A_FUNCTION} == {}


@pytest.mark.parametrize("path", [path for path in CODE if path not in SCRIPTS], ids=_name)
def test_later_parameters_are_given_by_keyword(path):
    allowed = set(NATURAL.get(_name(path), ()))
    many = set()
    for function in _functions(path):
        names = [p.arg for p in (*function.args.posonlyargs, *function.args.args)]
        if len([name for name in names if name not in ("self", "cls")]) > MOST_POSITIONAL:
            many.add(function.name)
    assert many - allowed == set(), f"put * after the second parameter of {many - allowed}"


def test_mypy_looks_at_every_script():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert settings["strict"]
    assert set(settings["files"]) == {*PRODUCT, *OF_SCRIPTS, *map(_name, SCRIPTS)}
