"""Programs as source that needs nothing of this project: one file per target.

    optax   a module that defines an optax.GradientTransformation
    torch   a module that defines a torch.optim.Optimizer
    numpy   a module that needs numpy alone
    latex   equations for a paper

`form.py` prepares a program, `formula.py` reads it as equations, `arrays.py` writes its statements
for libraries with numpy's names, `names.py` keeps names apart; then a template for each target.
"""

from __future__ import annotations

from collections.abc import Callable

from programs.export.form import Origin
from programs.export.latex import to_latex
from programs.export.numpy import to_numpy
from programs.export.optax import to_optax
from programs.export.torch import to_torch
from programs.program import Program

Export = Callable[[Program, str, Origin], str]

TARGETS: dict[str, tuple[Export, str]] = {  # and what a rule is called there by default
    "optax": (to_optax, "rule"),
    "torch": (to_torch, "Rule"),
    "numpy": (to_numpy, "Rule"),
    "latex": (to_latex, "rule"),
}

__all__ = ["TARGETS", "Origin", "to_latex", "to_numpy", "to_optax", "to_torch"]
