"""The comment `# keep` in a program's text: which statements it marks, and where it marks none."""

from __future__ import annotations

import ast
import re

from programs.program import KEEP, ProgramError
from programs.source import Source

_MARK = re.compile(r"\s*;?\s*#\s*keep\s*(#.*)?\Z")


def is_marked(source: Source, node: ast.stmt) -> bool:
    """Whether a statement ends in `# keep`."""
    return _MARK.match(source.after(node)) is not None


def misplaced_marks(source: Source, function: ast.FunctionDef) -> list[ProgramError]:
    """`# keep` where it ends no statement."""
    quoted = [node for node in function.body if is_docstring(node)]
    others = (node for node in function.body if not isinstance(node, ast.Return))
    right = {node.end_lineno for node in others if node not in quoted}
    text = {n for node in quoted for n in range(node.lineno, node.end_lineno or node.lineno)}
    marks = {
        line: source.lines[line - 1].partition("#")
        for line in range(function.lineno, len(source.lines) + 1)
        if line not in right | text
    }
    for node in quoted:
        if node.end_lineno in marks:  # what stands in its last line before its end is text
            marks[node.end_lineno] = source.after(node).partition("#")
    return [
        source.error(f"'{KEEP}' follows the statement that it keeps; there is none here", line=line)
        for line, (_, *mark) in marks.items()
        if _MARK.match("".join(mark))
    ]


def is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
