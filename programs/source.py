"""The text that is being parsed: its lines, and messages that say where a mistake is."""

from __future__ import annotations

import ast
import re
from typing import NoReturn

from programs.program import ProgramError


def lines_of(text: str) -> list[str]:
    """The lines as Python counts them: `splitlines` ends one at a form feed, too."""
    lines = re.split(r"\r\n|\r|\n", text)
    return lines if lines[-1] else lines[:-1]


class Source:
    """The text being parsed, for messages."""

    def __init__(self, text: str, file: str):
        self.file = file
        self.lines = lines_of(text)

    def error(self, message: str, node: ast.AST | None = None, line: int = 1) -> ProgramError:
        line = getattr(node, "lineno", line)
        column = getattr(node, "col_offset", 0) + 1
        return ProgramError(message, self.file, line, column)

    def fail(self, message: str, node: ast.AST | None = None, line: int = 1) -> NoReturn:
        raise self.error(message, node, line)

    def after(self, node: ast.stmt) -> str:
        """What follows a statement in its last line."""
        assert node.end_lineno is not None
        row = self.lines[node.end_lineno - 1].encode()
        return row[node.end_col_offset :].decode(errors="replace")

    def quote(self, node: ast.AST) -> str:
        """The offending text itself, shortened."""
        line, end = getattr(node, "lineno", 1), getattr(node, "end_lineno", None)
        start, stop = getattr(node, "col_offset", 0), getattr(node, "end_col_offset", None)
        row = self.lines[line - 1].encode() if line <= len(self.lines) else b""
        text = row[start : stop if end == line else None].decode(errors="replace").strip()
        return f"'{text[:57]}...'" if len(text) > 60 else f"'{text}'"
