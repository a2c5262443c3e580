"""The statements of a rule on lists of tensors, as torch's own optimizers have them for GPUs.

One call of `torch._foreach_*` does for all parameters of a group what a loop does one by one. Where
a function has no such form there is no foreach path: `torch.compile` merges loops of any rule.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from programs.export.arrays import SIGN, Rule
from programs.export.form import Form

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
}
_SAME = (
    "abs", "sqrt", "sign", "exp", "expm1", "log", "log2", "log10", "sin", "cos", "tan", "sinh",
    "cosh", "tanh",
)  # fmt: skip
_UNARY = dict(zip(_SAME, _SAME)) | {"arcsin": "asin", "arccos": "acos", "arctan": "atan"}
_BINARY = ("maximum", "minimum")


class _NotEasy(Exception):
    """There is no such call in torch."""


def foreach_body(form: Form, rule: Rule) -> Sequence[str]:
    """The statements as lines, or none where that is not easy."""
    lists = {"w", "g", *form.states}
    lines = []
    try:
        for line in rule.body:
            target, _, right = line.partition(" = ")
            value, is_list = _written(ast.parse(right, mode="eval").body, lists)
            (lists.add if is_list else lists.discard)(target)
            lines.append(f"{target} = {ast.unparse(value)}")
    except _NotEasy:
        return ()
    return lines


def _written(node: ast.expr, lists: set[str]) -> tuple[ast.expr, bool]:
    """An expression on lists, and whether its value is one."""
    match node:
        case ast.Name(id=name):
            return node, name in lists
        case ast.Constant():
            return node, False
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value, is_list = _written(operand, lists)
            return (_call("neg", value), True) if is_list else (ast.UnaryOp(node.op, value), False)
        case ast.BinOp(left=left, op=op, right=right):
            one, other = _written(left, lists), _written(right, lists)
            if not one[1] and not other[1]:
                return ast.BinOp(one[0], op, other[0]), False
            return _operation(op, one, other), True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr=name), args=args):
            if name == "where":
                return _sign(node, lists)
            values = [_written(argument, lists) for argument in args]
            if not any(is_list for _, is_list in values):
                keywords = [new for one in node.keywords for new in _keyword(one, lists)]
                return ast.Call(node.func, [value for value, _ in values], keywords), False
            if node.keywords:
                raise _NotEasy
            return _function(name, values), True
    raise _NotEasy


def _keyword(keyword: ast.keyword, lists: set[str]) -> list[ast.keyword]:
    """A keyword of a call that gives a number. A list has the dtype that its tensors share, and
    takes numbers from their device alone."""
    match keyword.value:
        case ast.Attribute(value=ast.Name(id=name) as tensors, attr="dtype") if name in lists:
            first = ast.Subscript(tensors, ast.Constant(0), ast.Load())
            return [
                ast.keyword(of, ast.Attribute(first, of, ast.Load())) for of in ("dtype", "device")
            ]
        case value if not any(
            isinstance(node, ast.Name) and node.id in lists for node in ast.walk(value)
        ):
            return [keyword]
    raise _NotEasy


def _operation(
    op: ast.operator, one: tuple[ast.expr, bool], other: tuple[ast.expr, bool]
) -> ast.expr:
    name = _OPERATORS.get(type(op))
    (left, left_is_list), (right, right_is_list) = one, other
    if name is None:
        raise _NotEasy
    if left_is_list and (right_is_list or name != "sub"):
        return _call(name, left, right)
    if left_is_list:  # torch subtracts no number from a list
        return _call("add", left, ast.UnaryOp(ast.USub(), right))
    if name in ("add", "mul"):
        return _call(name, right, left)
    return _call("add", _call("neg", right), left) if name == "sub" else _quotient(left, right)


def _quotient(number: ast.expr, divisor: ast.expr) -> ast.expr:
    return _call("mul", _call("reciprocal", divisor), number)


def _sign(node: ast.Call, lists: set[str]) -> tuple[ast.expr, bool]:
    """A sign that keeps NaN, as tanh is NaN where the number is, and finite elsewhere."""
    inner = node.args[-1].args[0] if isinstance(node.args[-1], ast.Call) else node.args[-1]
    if ast.unparse(node) != SIGN.format(ast.unparse(inner)):
        raise _NotEasy
    value, is_list = _written(inner, lists)
    if not is_list:
        return node, False
    nothing = _call("mul", _call("tanh", value), ast.Constant(0))
    return _call("add", _call("sign", value), nothing), True


def _function(name: str, values: Sequence[tuple[ast.expr, bool]]) -> ast.expr:
    if name == "square":
        return _call("mul", values[0][0], values[0][0])
    if name in _UNARY:
        return _call(_UNARY[name], values[0][0])
    if name in _BINARY and all(is_list for _, is_list in values):
        return _call(name, *(value for value, _ in values))
    raise _NotEasy


def _call(name: str, *arguments: ast.expr) -> ast.expr:
    function = ast.Attribute(ast.Name("torch", ast.Load()), f"_foreach_{name}", ast.Load())
    return ast.Call(function, list(arguments), [])
