"""Text to Program: an allow-list walk over `ast`, which never evaluates anything.

Program text comes from elsewhere (files of other people's runs), so it is data: its size is bounded
before `ast.parse` sees it, and every mistake is a ProgramError that says where, what, and what
would be right.
"""

from __future__ import annotations

import ast
import contextlib
import itertools
import re
import warnings
from collections.abc import Sequence

from programs.abstract import faults, is_valid
from programs.counted import counted
from programs.functions import ALIASES, FUNCTIONS
from programs.marks import is_docstring, is_marked, misplaced_marks
from programs.program import (
    INFINITE_FROM,
    MAX_STATEMENTS,
    MAX_STATES,
    OUTPUT,
    ZERO_UP_TO,
    Argument,
    Program,
    ProgramError,
    Statement,
)
from programs.source import Source
from programs.suggest import did_you_mean

# Every program of up to MAX_STATEMENTS statements can be written and read again: a statement has
# names of 64 letters and at most 25 words and signs, v = interp(-1.2e-05, -1.2e-05, -1.2e-05).
MAX_BYTES = 300 * MAX_STATEMENTS
MAX_LINES = 2 * MAX_STATEMENTS
MAX_LINE = 640  # characters, for 10 names; bounds the nesting that ast.parse may meet
MAX_TOKENS = 26 * MAX_STATEMENTS  # bounds the time that ast.parse may take
MAX_MISTAKES = 20  # reported of one text
BYTE_ORDER_MARK = "\ufeff"  # some editors begin a file with it

_TOKEN = re.compile(r"#.*|\w+|[^\w\s]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
_OPERATORS = {ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide"}
_PARAMETERS = {"weight": "w", "weights": "w", "gradient": "g", "grad": "g", "learning_rate": "lr"}
_FORM = "def train(w, g, <states>, lr):"


def parse(text: str | bytes, file: str = "<text>") -> Program:
    """Parses and checks a program's text.

    Args:
      text: a Python function `def train(w, g, <states>, lr)` of assignments, at most 300 KB.
      file: what to call the text in messages.

    Raises:
      ProgramError: with file, line, column, the offending text, and what would be right; of several
        mistakes the first, with the `others`.
    """
    source, function = _outline(text, file)
    states = _states(source, function)
    body = [s for s in function.body if not is_docstring(s)]
    if not body or not isinstance(body[-1], ast.Return):
        source.fail(
            f"the last line must be 'return {', '.join((OUTPUT, *states))}'",
            body[-1] if body else function,
        )
    if len(body) - 1 > MAX_STATEMENTS:
        source.fail(f"{len(body) - 1} statements; at most {MAX_STATEMENTS} are allowed", function)
    rename = dict(zip((a.arg for a in function.args.args), ("w", "g", *states, "lr")))
    mistakes = _captured(source, body[:-1], rename)
    statements, more, unreadable = _statements(source, body[:-1], rename)
    mistakes += more
    program = Program(states, statements)
    mistakes += misplaced_marks(source, function)
    mistakes += _mistakes_of_return(source, body[-1], program)
    if not mistakes and is_valid(program):
        return program
    for fault in itertools.islice(faults(program, unreadable), MAX_MISTAKES):
        node = body[-1] if fault.index is None else body[fault.index]
        fault.file, fault.line, fault.column = file, node.lineno, node.col_offset + 1
        mistakes.append(fault)
    raise _all_in_one(mistakes)


def _all_in_one(mistakes: list[ProgramError]) -> ProgramError:
    """The first mistake of a text, with the others."""
    first, *others = sorted(mistakes, key=lambda mistake: mistake.line)[:MAX_MISTAKES]
    first.others = tuple(others)
    return first


def _tree(text: str) -> ast.Module:
    """`ast.parse`, again where two were under way at once, in two threads or in a callback of the
    garbage collector: before Python 3.11.8 that is a SystemError."""
    for _ in range(9):
        with contextlib.suppress(SystemError):
            return ast.parse(text)
    return ast.parse(text)


def _outline(text: str | bytes, file: str) -> tuple[Source, ast.FunctionDef]:
    """Bounds the text, and finds its one function."""
    size = len(text)
    if size > MAX_BYTES:
        raise ProgramError(f"longer than {MAX_BYTES} bytes; a program's text is a few KB", file, 1)
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise ProgramError(
                f"byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8",
                file,
                line,
            ) from None
    text = text.removeprefix(BYTE_ORDER_MARK)
    source = Source(text, file)
    if len(source.lines) > MAX_LINES:
        raise ProgramError(f"{len(source.lines)} lines; at most {MAX_LINES} are allowed", file, 1)
    for number, row in enumerate(source.lines, 1):
        if len(row) > MAX_LINE:
            source.fail(f"{len(row)} characters; a line has at most {MAX_LINE}", line=number)
        if "\0" in row:
            source.fail("a NUL byte; program text is plain text", line=number)
    if any(True for _ in itertools.islice(_TOKEN.finditer(text), MAX_TOKENS, None)):
        source.fail(f"more than {MAX_TOKENS} words and signs")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = _tree(text)
    except SyntaxError as error:
        where = (error.text or "").strip()[:60]
        raise ProgramError(
            f"not Python syntax: {error.msg}" + (f", at '{where}'" if where else ""),
            file,
            error.lineno or 1,
            error.offset or 1,
        ) from None
    except (ValueError, MemoryError, RecursionError) as error:
        raise ProgramError(
            f"not Python syntax: {str(error) or 'nested too deeply'}", file, 1
        ) from None
    functions = [node for node in module.body if not is_docstring(node)]
    if not functions:
        source.fail(f"empty; expected '{_FORM}' and its statements")
    function = functions[0]
    if not isinstance(function, ast.FunctionDef):
        source.fail(f"{source.quote(function)} is not allowed here; expected '{_FORM}'", function)
    if len(functions) > 1:
        source.fail("only one function is allowed in a program's file", functions[1])
    return source, function


def _states(source: Source, function: ast.FunctionDef) -> tuple[str, ...]:
    """Checks the signature and returns the names of the states."""
    a = function.args
    plain = not (
        a.posonlyargs or a.kwonlyargs or a.vararg or a.kwarg or a.defaults or function.returns
    )
    if function.decorator_list or not plain or any(arg.annotation for arg in a.args):
        source.fail(
            f"decorators, defaults and annotations are not allowed; write '{_FORM}'", function
        )
    if function.name != "train":
        source.fail(f"the function is called '{function.name}'; write '{_FORM}'", function)
    names = [arg.arg for arg in a.args]
    fixed = [_PARAMETERS.get(name, name) for name in (*names[:2], *names[2:][-1:])]
    if fixed != ["w", "g", "lr"]:
        source.fail(f"the inputs are ({', '.join(names)}); write '{_FORM}'", function)
    states = tuple(names[2:-1])
    for name, arg in zip(states, a.args[2:-1]):
        _check_name(source, arg, name)
        if name in (OUTPUT, "w", "g", "lr") or names.count(name) > 1:
            source.fail(f"'{name}' cannot be a state's name, or names two inputs", arg)
    if len(states) > MAX_STATES:
        source.fail(f"{counted(len(states), 'state')}; at most {MAX_STATES} are allowed", function)
    return states


def _captured(
    source: Source, nodes: Sequence[ast.stmt], rename: dict[str, str]
) -> list[ProgramError]:
    """Variables that have the short name of an input with a long one: they would be that input."""
    inputs = {short: name for name, short in rename.items() if short != name}
    names = (n for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name))
    return [
        source.error(
            f"'{n.id}' is what the input '{inputs[n.id]}' is called in programs; write "
            f"'{inputs[n.id]}' if it is meant, or give the variable another name",
            n,
        )
        for n in itertools.islice((n for n in names if n.id in inputs), 1)
    ]


def _check_name(source: Source, node: ast.AST, name: str) -> None:
    if not _NAME.match(name):
        source.fail(f"'{name[:60]}' is not a name: use up to 64 of a-z, A-Z, 0-9 and _", node)
    if name in ALIASES:
        source.fail(f"'{name}' is a function's name; call the variable something else", node)


def _mistakes_of_return(source: Source, node: ast.Return, program: Program) -> list[ProgramError]:
    value = node.value
    nodes = value.elts if isinstance(value, ast.Tuple) else [value]
    names = [n.id if isinstance(n, ast.Name) else None for n in nodes]
    if names == list(program.outputs):
        return []
    wanted = f"return {', '.join(program.outputs)}"
    return [
        source.error(
            f"{source.quote(node)}: the outputs are not as expected; write '{wanted}'", node
        )
    ]


def _statements(
    source: Source, nodes: Sequence[ast.stmt], rename: dict[str, str]
) -> tuple[tuple[Statement, ...], list[ProgramError], dict[int, set[str]]]:
    """The statements, the mistakes in them, and for the number of each that could not be read the
    names that it seems to assign."""
    statements: list[Statement] = []
    mistakes: list[ProgramError] = []
    unreadable: dict[int, set[str]] = {}
    for i, node in enumerate(nodes):
        try:
            statements.append(_statement(source, node, rename))
        except ProgramError as error:
            mistakes.append(error)
            if len(mistakes) == MAX_MISTAKES:
                raise _all_in_one(mistakes) from None
            names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
            targets = {n.id for n in names if isinstance(n.ctx, ast.Store)}
            unreadable[i] = {rename.get(name, name) for name in targets}
            statements.append(Statement("", "", ()))
    return tuple(statements), mistakes, unreadable


def _statement(source: Source, node: ast.stmt, rename: dict[str, str]) -> Statement:
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        source.fail(
            f"{source.quote(node)} is not allowed; a statement is 'variable = function(arguments)'",
            node,
        )
    target = node.targets[0]
    if not isinstance(target, ast.Name):
        source.fail(f"{source.quote(target)} cannot be assigned to; name one variable", target)
    name = rename.get(target.id, target.id)
    _check_name(source, target, name)
    function, arguments = _call(source, node.value)
    row = FUNCTIONS[function]
    if len(arguments) != row.arity:
        source.fail(
            f"{source.quote(node.value)}: {function} takes {counted(row.arity, 'argument')}, "
            f"here {len(arguments)}",
            node.value,
        )
    given = tuple(_argument(source, a, rename) for a in arguments)
    return Statement(name, function, given, frozen=is_marked(source, node))


def _call(source: Source, node: ast.expr) -> tuple[str, list[ast.expr]]:
    """The function and argument nodes of a right-hand side."""
    if isinstance(node, ast.BinOp):
        if type(node.op) not in _OPERATORS:
            hint = "power(x, y)" if isinstance(node.op, ast.Pow) else "one of + - * /"
            source.fail(f"{source.quote(node)}: no such operator; use {hint}", node)
        return _OPERATORS[type(node.op)], [node.left, node.right]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return "negative", [node.operand]
    if isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name):
            source.fail(
                f"{source.quote(node.func)} is not a function of the language; "
                f"attributes and modules are not allowed",
                node,
            )
        name = node.func.id
        if name not in ALIASES:
            source.fail(f"unknown function '{name[:60]}'{did_you_mean(name[:60], ALIASES)}", node)
        if node.keywords:
            source.fail(f"{source.quote(node)}: arguments are given by position", node)
        return ALIASES[name], node.args
    if isinstance(node, ast.Name | ast.Constant):
        source.fail(
            f"{source.quote(node)}: a plain copy is not in the language; write it as "
            f"{source.quote(node)[1:-1]} * 1",
            node,
        )
    source.fail(f"{source.quote(node)} is not allowed; call one function, or use + - * /", node)


def _argument(source: Source, node: ast.expr, rename: dict[str, str]) -> Argument:
    if isinstance(node, ast.Name):
        return rename.get(node.id, node.id)
    sign = 1.0
    inner = node
    while isinstance(inner, ast.UnaryOp) and isinstance(inner.op, ast.USub | ast.UAdd):
        sign = -sign if isinstance(inner.op, ast.USub) else sign
        inner = inner.operand
    if isinstance(inner, ast.Constant) and type(inner.value) in (int, float):  # not bool
        return sign * _number(source, inner)
    source.fail(
        f"{source.quote(node)} is not allowed as an argument; give a variable or a number, "
        f"and one function to a statement",
        node,
    )


def _number(source: Source, node: ast.Constant) -> float:
    """A constant, which float32 can hold."""
    try:
        number = float(node.value)  # type: ignore[arg-type]
    except OverflowError:
        number = float("inf")
    text = source.quote(node)
    if number >= INFINITE_FROM:
        source.fail(f"{text} is beyond float32, in which programs compute: at most 3.4e38", node)
    if number <= ZERO_UP_TO and (number or re.search("[1-9]", text.lower().split("e")[0])):
        source.fail(f"{text} is 0 in float32, in which programs compute; write 0.0", node)
    return number
