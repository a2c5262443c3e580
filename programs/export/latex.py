r"""A program as equations for a paper: a fragment to \input, which needs amsmath."""

from __future__ import annotations

import re

from programs.abstract import analyse
from programs.export.form import MASK, RATE, Origin, form_of
from programs.export.formula import Call, Equation, Expression, Symbol, equations
from programs.export.names import check_name
from programs.program import Program

# How tightly a form binds: a sum, a product, a sign, what is no base of a power as it stands (a
# power, a fraction, a function's value), or what needs no parentheses.
_SUM, _PRODUCT, _SIGN, _VALUE, _ATOM = range(5)
_OPEN = (_SUM,)
_FORMS: dict[str, tuple[int, str, tuple[int, ...]]] = {  # own tightness, text, of the arguments
    "add": (_SUM, "{0} + {1}", (_SUM, _SUM)),
    "subtract": (_SUM, "{0} - {1}", (_SUM, _PRODUCT)),
    "multiply": (_PRODUCT, r"{0} \, {1}", (_PRODUCT, _SIGN)),
    "divide": (_VALUE, r"\frac{{{0}}}{{{1} + \epsilon}}", (_SUM, _SUM)),
    "reciprocal": (_VALUE, r"\frac{{1}}{{{0}}}", _OPEN),
    "negative": (_SIGN, "-{0}", (_VALUE,)),
    "interp": (_SUM, r"(1 - {2}) \, {0} + {2} \, {1}", (_SIGN, _SIGN, _SIGN)),
    "abs": (_ATOM, r"\left| {0} \right|", _OPEN),
    "sqrt": (_ATOM, r"\sqrt{{\left| {0} \right|}}", _OPEN),
    "cbrt": (_ATOM, r"\sqrt[3]{{{0}}}", _OPEN),
    "square": (_VALUE, r"{{{0}}}^2", (_ATOM,)),
    "cube": (_VALUE, r"{{{0}}}^3", (_ATOM,)),
    "power": (_VALUE, r"{{{0}}}^{{{1}}}", (_ATOM, _SUM)),
    "exp": (_VALUE, r"e^{{{0}}}", _OPEN),
    "exp2": (_VALUE, r"2^{{{0}}}", _OPEN),
    "exp10": (_VALUE, r"10^{{{0}}}", _OPEN),
    "expm1": (_SUM, r"e^{{{0}}} - 1", _OPEN),
    "log": (_VALUE, r"\ln \left| {0} \right|", _OPEN),
    "log2": (_VALUE, r"\log_2 \left| {0} \right|", _OPEN),
    "log10": (_VALUE, r"\log_{{10}} \left| {0} \right|", _OPEN),
    "log1p": (_VALUE, r"\ln \left| 1 + {0} \right|", _OPEN),
    "maximum": (_VALUE, r"\max\left({0}, {1}\right)", (_SUM, _SUM)),
    "minimum": (_VALUE, r"\min\left({0}, {1}\right)", (_SUM, _SUM)),
    "norm": (_ATOM, r"\left\| {0} \right\|_{{\mathrm{{array}}}}", _OPEN),
    "global_norm": (_ATOM, r"\left\| {0} \right\|", _OPEN),
    "dot": (_ATOM, r"\left\langle {0}, {1} \right\rangle", (_SUM, _SUM)),
    "get_pi": (_ATOM, r"\pi", ()),
    "get_e": (_ATOM, "e", ()),
    "get_eps": (_ATOM, r"\epsilon", ()),
}
# Which arguments stand right after an operator, where a sign would be taken for another one.
_AFTER = {"add": (1,), "subtract": (1,), "multiply": (1,), "interp": (0, 1, 2), "log1p": (0,)}
_SYMBOLS = {
    "w": "w",
    "g": "g",
    "update": r"\Delta",
    RATE: r"\eta",
    "learning_rate": r"\alpha",
    "weight_decay": r"\lambda",
    "momentum": r"\mu",
    "beta": r"\beta",
    "c": "c",
    "e": r"\mathrm{e}",  # which Euler's number is not
    MASK: r"\delta",
}


def to_latex(program: Program, name: str = "rule", origin: Origin = Origin()) -> str:  # noqa: B008
    """The update as numbered equations, labelled eq:name, with the values of its constants.

    Raises:
      ProgramError: the name is no identifier.
    """
    check_name(name, ())
    form = form_of(program, needed=(), merge_rate=True, masked=lambda _: False)
    found = equations(form.program, tuple(form.parameters))
    rate = "" if form.rate is not None else rf"{_SYMBOLS[RATE]} \, "
    rows = [rf"  {left} &= {right} \\" for left, right in map(_sides, found)]
    rows.append(rf"  w_t &= w_{{t-1}} - {rate}\Delta")
    values = {**({} if form.rate is None else {RATE: form.rate}), **form.parameters}
    constants = ", ".join(f"${_named(h)} = {_number(v)}$" for h, v in values.items())
    head = [
        f"Update rule from {_comment(origin.name) or 'a program'}, functional hash "
        f"{analyse(program).functional_hash.hex()}.",
        *(_comment(line) for line in origin.comment.splitlines()),
        r"Needs \usepackage{amsmath}. \epsilon is 10^{-8}; states are 0 at first.",
    ]
    lines = [f"% {line}" for line in head]
    lines += [r"\begin{align}", *rows, rf"  \label{{eq:{name}}}", r"\end{align}"]
    lines += [rf"Constants: {constants}."] if constants else []
    return "\n".join(lines) + "\n"


def _sides(equation: Equation) -> tuple[str, str]:
    return _symbol(equation.left), _text(equation.right, _SUM)


def _symbol(symbol: Symbol) -> str:
    step = {None: "", 0: "_t", -1: "_{t-1}"}[symbol.step]
    if symbol.step is None and symbol.primes == 0 and symbol.name in ("w", "g", RATE):
        step = "_{t-1}" if symbol.name == "w" else "_t"
    name = _named(symbol.name)
    if step and "_" in name:
        name = f"{{{name}}}"
    return f"{name}{symbol.primes * chr(39)}{step}"


def _named(name: str) -> str:
    """A variable as mathematics: a role's letter with its number, or its name upright."""
    word = name.rstrip("0123456789")
    number = name.removeprefix(word)
    if word in _SYMBOLS:
        return f"{_SYMBOLS[word]}_{{{number}}}" if number else _SYMBOLS[word]
    if re.fullmatch("[a-zA-Z]", word):
        return f"{word}_{{{number}}}" if number else word
    return rf"\mathrm{{{name.replace('_', chr(92) + '_')}}}"


def _number(value: float) -> str:
    mantissa, _, exponent = f"{value:.6g}".partition("e")
    if not exponent:
        return mantissa
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}"


def _text(value: Expression, tightness: int) -> str:
    """An expression, in parentheses if it binds less tightly than what is around it."""
    if isinstance(value, Symbol):
        return _symbol(value)
    if not isinstance(value, Call):
        text, own = _number(value), _SUM if value < 0 else _ATOM
        if r"\cdot" in text:
            own = min(own, _PRODUCT)
        return f"({text})" if own < tightness else text
    if value.function in _FORMS:
        own, template, around = _FORMS[value.function]
    else:
        arguments = ", ".join(f"{{{i}}}" for i in range(len(value.arguments)))
        name = value.function.replace("_", r"\_")
        own, around = _VALUE, (_SUM,) * len(value.arguments)
        template = rf"\operatorname{{{{{name}}}}}\left({arguments}\right)"
    texts = [_text(a, t) for a, t in zip(value.arguments, around, strict=True)]
    for i in _AFTER.get(value.function, ()):
        if texts[i].startswith("-"):
            texts[i] = _enclosed(texts[i])
    text = template.format(*texts)
    return _enclosed(text) if own < tightness else text


def _enclosed(text: str) -> str:
    return rf"\left({text}\right)"


def _comment(text: str) -> str:
    """Text from a file as one that cannot end a comment."""
    return "".join(c if c.isascii() and c.isprintable() else " " for c in text)
