"""The import rule: which package may use which.

programs knows neither tasks nor search, proxy_tasks knows neither programs nor search; ray is used
in one place, and so are yaml and sqlite3. Scripts are imported by nobody.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "programs": {"proxy_tasks", "search", "scripts", "tests", "flax", "ray", "yaml", "sqlite3"},
    "proxy_tasks": {"programs", "search", "scripts", "tests", "ray", "yaml", "sqlite3"},
    "search": {"scripts", "tests"},
}
ONLY_IN = {"ray": "search/workers.py", "yaml": "search/config.py", "sqlite3": "search/store.py"}
FILES = [path for package in FORBIDDEN for path in sorted((ROOT / package).rglob("*.py"))]


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_import_rule(path):
    if "library" in path.parts:
        return
    relative = path.relative_to(ROOT)
    found = _imports(path)
    assert not found & FORBIDDEN[relative.parts[0]]
    for module, home in ONLY_IN.items():
        assert module not in found or str(relative) == home


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_small(path):
    assert len(path.read_text().splitlines()) <= 400
