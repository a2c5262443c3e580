"""Names of tasks: `vision_vit`, of a preset `vision_vit:paper`, at a scale `vision_vit@10`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from proxy_tasks.errors import TaskError, short_repr

LAPTOP = "laptop"  # the preset that a task's default settings are
MAX_SCALE = 10_000.0


@dataclass(frozen=True, slots=True)
class TaskName:
    """The parts of `base[:preset][@scale]`. Whether there is such a task, the registry knows."""

    base: str
    preset: str = LAPTOP
    scale: float | None = None  # None: not in the name

    @classmethod
    def parse(cls, text: str) -> TaskName:
        """Raises TaskError when the scale is not a number above 0 and at most MAX_SCALE."""
        if not isinstance(text, str):
            raise TaskError(f"task {short_repr(text)}: expected a name such as 'vision_mlp@10'")
        front, at, number = text.partition("@")
        base, _, preset = front.partition(":")
        return cls(base, preset or LAPTOP, _scale(text, number) if at else None)

    def __str__(self) -> str:
        """The shortest text of the name: neither the preset `laptop` nor scale 1 is written."""
        preset = "" if self.preset == LAPTOP else f":{self.preset}"
        scale = "" if self.scale in (None, 1.0) else f"@{self.scale:g}"
        return f"{self.base}{preset}{scale}"


def _scale(text: str, number: str) -> float:
    try:
        scale = float(number)
    except ValueError:
        scale = math.nan
    if not 0 < scale <= MAX_SCALE:
        raise TaskError(
            f"task {short_repr(text)}: scale: expected a number > 0 and <= {MAX_SCALE:g}, "
            f"got {short_repr(number)}"
        )
    return scale
