"""LaTeX that reads as the program computes."""

import pytest

from programs import parse
from programs.export import to_latex


def _rows(lines, state="m"):
    body = "".join(f"  {line.strip()}\n" for line in lines.split(";"))
    text = to_latex(parse(f"def train(w, g, {state}, lr):\n{body}  return update, {state}\n"))
    rows = text.partition("\\begin{align}\n")[2].partition("  w_t &=")[0]
    return [row.strip() for row in rows.replace("\\\\\n", "\n").splitlines()]


NEGATIVE = r"\left(-g_t\right)"


@pytest.mark.parametrize(
    "lines, row",
    [
        (
            "a = -g; m = interp(m, a, 0.1)",
            rf"m_t &= (1 - \beta) \, m_{{t-1}} + \beta \, {NEGATIVE}",
        ),
        (
            "a = -g; m = interp(a, m, 0.1)",
            rf"m_t &= (1 - \beta) \, {NEGATIVE} + \beta \, m_{{t-1}}",
        ),
        ("a = -g; m = m * a", rf"m_t &= m_{{t-1}} \, {NEGATIVE}"),
        ("a = -g; m = a * m", r"m_t &= -g_t \, m_{t-1}"),
        ("a = -g; m = m + a", rf"m_t &= m_{{t-1}} + {NEGATIVE}"),
        ("a = -g; m = m - a", rf"m_t &= m_{{t-1}} - {NEGATIVE}"),
        ("a = -g; a = a * w; m = m + a", r"m_t &= m_{t-1} + \left(-g_t \, w_{t-1}\right)"),
        ("a = -g; a = -a; m = m + a", rf"m_t &= m_{{t-1}} + \left(-{NEGATIVE}\right)"),
        (
            "a = m - g; a = -a; m = interp(a, m, 0.9)",
            r"m_t &= (1 - \beta) \, \left(-\left(m_{t-1} - g_t\right)\right) + \beta \, m_{t-1}",
        ),
    ],
)
def test_a_sign_after_an_operator_stands_in_parentheses(lines, row):
    assert row in _rows(f"{lines}; update = m * lr")


@pytest.mark.parametrize(
    "lines, row",
    [
        ("a = log(m); m = square(a)", r"m_t &= {\left(\ln \left| m_{t-1} \right|\right)}^2"),
        (
            "a = log1p(m); m = power(a, m)",
            r"m_t &= {\left(\ln \left| 1 + m_{t-1} \right|\right)}^{m_{t-1}}",
        ),
        ("a = reciprocal(m); m = cube(a)", r"m_t &= {\left(\frac{1}{m_{t-1}}\right)}^3"),
        ("a = g / m; m = cube(a)", r"m_t &= {\left(\frac{g_t}{m_{t-1} + \epsilon}\right)}^3"),
        ("a = exp(m); m = square(a)", r"m_t &= {\left(e^{m_{t-1}}\right)}^2"),
        ("a = sin(m); m = square(a)", r"m_t &= {\left(\operatorname{sin}\left(m_{t-1}\right)\right)}^2"),
        ("a = sqrt(m); m = cube(a)", r"m_t &= {\sqrt{\left| m_{t-1} \right|}}^3"),
        ("a = square(m); m = -a", r"m_t &= -{m_{t-1}}^2"),
    ],
)  # fmt: skip
def test_the_base_of_a_power_is_clear(lines, row):
    assert row in _rows(f"{lines}; update = m * lr")


def test_a_variable_is_not_eulers_number():
    rows = _rows("e = get_e(); e = exp(e); m = e * g; a = e * lr; update = m * a")
    assert r"\mathrm{e} &= e^{e}" in rows
    rows = _rows("e = interp(g, e, 0.9); update = e * lr", state="e")
    assert rows[0] == r"\mathrm{e}_t &= (1 - \beta) \, g_t + \beta \, \mathrm{e}_{t-1}"
