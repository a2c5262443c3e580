"""The commands that a run's messages name, ready to be pasted where the run was started."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Commands:
    """The commands that go on with a run, or look into it. User-defined tasks and functions are
    code, which a run does not keep, so the commands name their files."""

    run_dir: Path
    tasks_file: str | None = None
    functions_file: str | None = None

    def resume(self, overrides: Sequence[str] = ()) -> str:
        """Continues the search; overrides: texts `a.b=value`."""
        sets = [part for override in overrides for part in ("--set", override)]
        return command("search.run", "--resume", str(self.run_dir), *self._files(), *sets)

    def funnel(self) -> str:
        return command("search.funnel", str(self.run_dir), *self._files())

    def inspect(self, *words: str) -> str:
        functions = Commands(self.run_dir, functions_file=self.functions_file)._files()
        return command("search.inspect", str(self.run_dir), *words, *functions)

    def _files(self) -> list[str]:
        files = ["--tasks-file", self.tasks_file] if self.tasks_file else []
        return files + (["--functions-file", self.functions_file] if self.functions_file else [])


def command(module: str, *words: str) -> str:
    """A command of this Python's, quoted for a shell."""
    return shlex.join([_python(), "-m", module, *words])


def _python() -> str:
    """This Python, by a path from here if it is below."""
    path = Path(sys.executable)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
