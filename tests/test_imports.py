"""The import rule: which package, and which room of `search`, may use which.

programs knows neither tasks nor search, proxy_tasks knows neither programs nor search. Inside
`search` a room imports itself and the rooms before it, a command is imported by nobody, and Ray,
YAML and SQL each stay in one room. Scripts are imported by nobody.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "programs": {"proxy_tasks", "search", "scripts", "tests", "flax", "ray", "yaml", "sqlite3"},
    "proxy_tasks": {"programs", "search", "scripts", "tests", "ray", "yaml", "sqlite3"},
    "search": {"scripts", "tests"},
}
ROOMS = (  # lowest first
    "config",
    "evaluation",
    "workers",
    "storage",
    "evolution",
    "selection",
    "shortening",
    "comparing",
    "reports",
)
BEFORE = ("stopping", "arguments")  # below all rooms: they import none
AFTER = (
    "checks",
    "comparison",
    "console",
    "conclude",
    "result",
    "api",
)  # single files above the rooms
OVER = ("studies",)  # a room that uses the whole: many searches
COMMANDS = ("run", "evaluate", "compare", "funnel", "simplify", "inspect", "report", "__main__")
ORDER = (*BEFORE, *ROOMS, *AFTER, *OVER, *COMMANDS)
APART = {("workers", "storage"), ("storage", "workers")}  # neither knows the other
SELECT = re.compile(r"\bSELECT\b")
HOME = {
    "ray": "search/workers",
    "yaml": "search/config",
    "sqlite3": "search/storage",
    "rich": "search/reports",
}
FILES = [path for package in FORBIDDEN for path in sorted((ROOT / package).rglob("*.py"))]
SCRIPTS = [
    path
    for path in sorted((ROOT / "scripts").iterdir())
    if path.is_file() and re.match("#!.*python", path.read_text())
]
SEARCH = [path for path in FILES if path.relative_to(ROOT).parts[0] == "search"]


def _modules(path: Path) -> set[str]:
    """Every module that a file imports, anywhere in it."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def _room(path: Path) -> str:
    return path.relative_to(ROOT / "search").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_imports_what_it_may(path):
    relative = path.relative_to(ROOT)
    if "library" in relative.parts:
        return
    packages = {module.split(".")[0] for module in _modules(path)}
    assert not packages & FORBIDDEN[relative.parts[0]]
    for module, home in HOME.items():
        if relative.parts[0] == "search" and module in packages:
            assert str(relative).startswith(home), f"{module} belongs into {home}"


@pytest.mark.parametrize("path", SEARCH, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_the_rooms_before_it(path):
    room = _room(path)
    if room == "__init__":
        return
    for module in _modules(path):
        if module.startswith("search."):
            other = module.split(".")[1]
            assert other not in COMMANDS, f"{module} is a command"
            assert ORDER.index(other) <= ORDER.index(room), f"{room} comes before {other}"
            assert (room, other) not in APART


@pytest.mark.parametrize("path", [*SEARCH, *SCRIPTS], ids=lambda path: path.name)
def test_questions_to_the_store_are_asked_in_its_room(path):
    if path.is_relative_to(ROOT / "search" / "storage"):
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not SELECT.search(node.value), f"{path}:{node.lineno}: see storage/queries.py"


def test_every_room_is_in_the_order():
    rooms = {_room(path) for path in SEARCH} - {"__init__"}
    assert rooms == set(ORDER)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_small(path):
    assert len(path.read_text().splitlines()) <= 400
