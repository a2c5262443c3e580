"""How a task grows with its scale: the model and the steps together."""

from __future__ import annotations

import math
from collections.abc import Callable


def check_heads(width: int, heads: int) -> None:
    """Raises ValueError when the heads of a Transformer cannot share its width."""
    if width % heads:
        raise ValueError(f"width: {width} is not a multiple of the {heads} heads")


def grow(
    scale: float, width: int, *, steps: int, cost: Callable[[int], float], multiple: int = 1
) -> tuple[int, int]:
    """(width, steps) at `scale`, so that the training costs `scale` times that of scale 1.

    Model and steps take about sqrt(scale) each: the width is the multiple of `multiple` at which
    `cost(width)`, the cost of one step, comes nearest to sqrt(scale) times that of the given width;
    the steps make up for the rest. The given width must be such a multiple, too.
    """
    wanted = math.sqrt(scale) * cost(width)
    best = width
    if scale != 1:
        units = 1
        while cost(multiple * units) < wanted:
            units += 1
        near = [multiple * units, multiple * max(1, units - 1)]
        best = min(near, key=lambda w: abs(math.log(cost(w) / wanted)))
    return best, max(1, round(steps * scale * cost(width) / cost(best)))
