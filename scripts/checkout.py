"""Imported first by scripts: the project's packages, and a Python that has what they need.

A script that was started by another Python goes on in .venv, where scripts/test and
scripts/quickstart install; where there is none, or another environment is active, it says in one
line what to do. scripts/environment decides likewise for the scripts in bash. Ctrl-C ends a script
without a traceback.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("numpy", "jax", "optax", "yaml", "pydantic", "rich")  # which all scripts import at once


def use_the_environment() -> None:
    """Returns where this Python has the packages; else the process goes on in .venv, or ends."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if not missing:
        return
    environment = Path(os.environ.get("VIRTUAL_ENV") or ROOT / ".venv")
    python = environment / "bin" / "python"
    if python.exists() and not environment.samefile(sys.prefix):
        os.execv(python, [str(python), *sys.argv])
    print(
        f"error: {sys.executable} lacks {', '.join(missing)}; scripts/test and scripts/quickstart "
        f"install what is needed into {environment}, which scripts then use",
        file=sys.stderr,
    )
    sys.exit(2)


def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What a script ends with."""
    if issubclass(kind, KeyboardInterrupt):
        print("stopped", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


use_the_environment()
sys.path.insert(0, str(ROOT))
sys.excepthook = tell
