"""Nothing that an input says is executed, and nothing hangs: by Python's audit events, and by a
clock of processor time."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

HANG_S = 1.0  # of processor time, for one input
FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen",
             "socket.connect", "socket.bind", "ctypes.dlopen", "pickle.find_class")  # fmt: skip


class Hang(BaseException):
    """An input has taken too long; no Exception, so that nobody takes it for a failure."""


class Guard:
    """Notes what is executed, started, connected to or written while it is on.

    Code of the standard library, of packages and of this repository may run: modules are imported
    late. Files may be written in one folder only.
    """

    def __init__(self, folder: Path):
        self._folder, self._is_on = str(folder), False
        paths = [*map(sysconfig.get_path, ("stdlib", "purelib", "platlib"))]
        root = str(Path(__file__).resolve().parents[2])
        self._own = (root, "<frozen ", *map(os.path.realpath, paths), *paths)
        self.seen: list[str] = []
        sys.addaudithook(self._hook)  # for good: Python cannot remove one
        signal.signal(signal.SIGVTALRM, self._late)

    def _late(self, *_: object) -> None:
        raise Hang(f"longer than {HANG_S:g} s")

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._is_on:
            return
        if event in FORBIDDEN:
            self.seen.append(f"{event} {str(arguments)[:100]}")
        elif event == "exec" and isinstance(arguments[0], CodeType):
            file = arguments[0].co_filename
            if not file.startswith(self._own) and not _is_of_a_class(arguments[0]):
                self.seen.append(f"exec {file} in {_callers()}")
        elif event == "open" and isinstance(arguments[0], str):
            path, mode = os.path.realpath(arguments[0]), str(arguments[1] or "")
            if set("wax+").intersection(mode) and not path.startswith(self._folder):
                self.seen.append(f"open {path} {mode}")

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Raises Hang where what it guards does not end."""
        self._is_on = True
        signal.setitimer(signal.ITIMER_VIRTUAL, HANG_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            self._is_on = False


def _callers() -> str:
    """The functions that led to an event, the innermost last."""
    frame, names = sys._getframe(2), list[str]()
    while frame is not None and len(names) < 6:
        names.append(f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}")
        frame = frame.f_back  # type: ignore[assignment]
    return " > ".join(reversed(names))


def _is_of_a_class(code: CodeType) -> bool:
    """What namedtuple and dataclass make of the names of fields, when a module is imported."""
    return code.co_filename in ("<string>", "<@beartype>") and sys._getframe(2).f_code.co_name in (
        "namedtuple", "_create_fn", "__build_class__")  # fmt: skip
