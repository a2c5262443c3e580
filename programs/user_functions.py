"""Functions of a user's own: rows of the table, registered one by one or by a Python file."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import keyword
import re
import sys
import threading
import traceback
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from programs import functions
from programs.function import Function
from programs.functions import ALIASES, BUILT_IN, FUNCTIONS
from programs.kinds import Kind
from programs.load import LIBRARY, discovered, library, library_text
from programs.program import OUTPUT, ProgramError
from programs.user_function_checks import check_meaning

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
_VARIABLES = {"w", "g", "m", "v", "lr", "train", OUTPUT, "jnp", "jax", "optax", "total", "scaled"}
_FORMS = (  # of kinds, as the simplifier knows them
    lambda *kinds: Kind.SCALAR,
    lambda *kinds: max(kinds),
    lambda *kinds: kinds[0],
    lambda *kinds: min(kinds[0], Kind.PER_ARRAY),
)

_files: dict[Path, str] = {}  # files of functions, and the hash of what was loaded last from each
_origins: dict[str, Path | None] = {}  # of each user's function: its file, if a file was loaded
_loading: Path | None = None
_lock = threading.RLock()  # a file with all that it registers, one thread after the other


def register(row: Function, /) -> Function:
    """Adds a function to the language, which from then on programs may call and mutation draws.

    A row replaces an earlier one of its name that was registered, too.

    Raises:
      ProgramError: the row is not as programs/function.py says, or does not compute what it claims.
    """
    if not isinstance(row, Function):
        raise ProgramError(f"register: expected a programs.Function, got {type(row).__name__}")
    from programs.user_function_sources import check_sources  # exports, which take a moment

    with _lock:
        _check_names(row)
        _check_form(row)
        before = FUNCTIONS.get(row.name)
        try:
            functions.add(row)
            check_meaning(row)
            check_sources(row)
        except BaseException:  # the user's code may raise anything: the table stays as it was
            if before is not None:
                functions.add(before)
            else:
                functions.remove(row.name)
            raise
        _origins[row.name] = _loading
    return row


def unregister(name: str) -> None:
    """Removes a function that was registered. Raises ProgramError if there is none."""
    with _lock:
        if name not in _origins:
            raise ProgramError(f"no function '{name[:60]}' was registered")
        functions.remove(name)
        del _origins[name]


def _check_names(row: Function) -> None:
    for name in (row.name, *row.aliases):
        what = f"function '{name}': "
        if not isinstance(name, str) or not _NAME.match(name) or keyword.iskeyword(name):
            raise ProgramError(f"{what}expected a name of a-z, 0-9 and _ that begins with a letter")
        if name in _VARIABLES or re.fullmatch(r"[vs]\d+", name):
            raise ProgramError(f"{what}it is the name of a variable in programs; choose another")
        if name in _library_variables():
            where = f"{LIBRARY}{_library_variables()[name]}"
            raise ProgramError(f"{what}it is the name of a variable in {where}; choose another")
        taken = ALIASES.get(name)
        if taken in BUILT_IN or (taken is not None and taken != row.name):
            raise ProgramError(f"{what}there is a function of that name already; choose another")


@cache
def _library_variables() -> dict[str, str]:
    """The variables of the library's programs, which could not be read beside a function of the
    same name, and a program that has each."""
    variables: dict[str, str] = {}
    for program in (*library(), *discovered()):
        for node in ast.walk(ast.parse(library_text(program))):
            if isinstance(node, ast.arg):
                variables.setdefault(node.arg, program)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                variables.setdefault(node.id, program)
    return variables


def _check_form(row: Function) -> None:
    what = f"function {row.name}: "
    if type(row.arity) is not int or not 1 <= row.arity <= 3:
        raise ProgramError(f"{what}arity: expected 1, 2 or 3 arguments, got {row.arity!r}")
    if not any(all(form(*k) == kind for k, kind in row.kinds.items()) for form in _FORMS):
        raise ProgramError(
            f"{what}kind_rule: expected a scalar, the first argument's kind, the highest kind, or "
            "at most per-array of the first"
        )
    if not row.whole_tree and any(max(kinds) != kind for kinds, kind in row.kinds.items()):
        raise ProgramError(f"{what}without whole_tree the result has the highest kind")


def load_functions_file(path: str | Path) -> None:
    """Runs a user's Python file that registers functions.

    docs/knobs.md shows such a file, whole. It is trusted as any program that the user
    runs; a config alone never names one. Loading an unchanged file again does nothing. Raises
    ProgramError with the line when the file is missing or fails; then none of its functions is
    registered.
    """
    with _lock:
        _load(Path(path).expanduser().resolve())


def _load(path: Path) -> None:
    global _loading
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ProgramError(f"file of functions: cannot read {path}: {error.strerror}") from None
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    if _files.get(path) == digest and path in _origins.values():
        return
    name = f"programs_functions_of_{digest}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ProgramError(
            f"file of functions: {path} is not a Python file; its name must end in .py"
        )
    module = importlib.util.module_from_spec(spec)
    before = {name: FUNCTIONS[name] for name in _origins}
    origins = dict(_origins)
    for function, origin in origins.items():
        if origin == path:
            unregister(function)
    sys.modules[name], _loading = module, path
    try:
        spec.loader.exec_module(module)
        if path not in _origins.values():
            raise ProgramError("the file registers no function")
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        del sys.modules[name]
        _restore(before, origins)
        raise ProgramError(_with_line(error, str(path))) from error
    finally:
        _loading = None
    _files[path] = digest


def _restore(rows: dict[str, Function], origins: dict[str, Path | None]) -> None:
    for name in list(_origins):
        unregister(name)
    for name, row in rows.items():
        functions.add(row)
        _origins[name] = origins[name]


def _with_line(error: BaseException, file: str) -> str:
    """The error in one line, with the last line of the file that it passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == file]
    line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    kind = "" if isinstance(error, ProgramError) else f"{type(error).__name__}: "
    return f"{file}:{line or (lines[-1] if lines else 1)}: {kind}{' '.join(str(error).split())}"


@dataclass(frozen=True)
class Registered:
    """Functions of a user's own, on their way to another process.

    files: those that register them. rows: those that no file did.
    """

    files: tuple[str, ...] = ()
    rows: tuple[Function, ...] = ()

    def register(self) -> None:
        """Registers them here, too."""
        for file in self.files:
            load_functions_file(file)
        for row in self.rows:
            register(row)


NONE = Registered()


def registered() -> Registered:
    """All that are registered."""
    with _lock:
        files = tuple(str(path) for path in _files if path in _origins.values())
        rows = tuple(FUNCTIONS[name] for name, origin in _origins.items() if origin is None)
    return Registered(files, rows)


def fingerprints() -> dict[str, str]:
    """By user's function, a hash of what it is defined by: its file, or its source."""
    with _lock:
        return {
            name: _source_hash(FUNCTIONS[name]) if origin is None else _files.get(origin, "")
            for name, origin in sorted(_origins.items())
        }


def fingerprint() -> str:
    """Of all of them, what a fitness depends on beside the task; "" if there are none."""
    return "".join(f"-{name}-{digest}" for name, digest in fingerprints().items())


def _source_hash(row: Function) -> str:
    try:
        text = inspect.getsource(row.meaning)
    except (OSError, TypeError):
        text = row.source
    return hashlib.blake2b(f"{text}{row.source}{row.kinds}".encode(), digest_size=16).hexdigest()
