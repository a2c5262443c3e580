"""A search's figures as event files for TensorBoard."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from search.config.settings import ReportSettings
from search.reports.progress import Figures
from search.storage.files import refuse_links

FOLDER = "tensorboard"  # in the run directory
EVERY_S = 10.0


class EventFiles:
    """Writes the numbers of a search every now and then; cheap to call often."""

    def __init__(self, run_dir: Path, settings: ReportSettings, figures: Callable[[], Figures]):
        self._figures, self._due, self._writer = figures, 0.0, None
        if settings.tensorboard:
            refuse_links(run_dir / FOLDER)
            self._writer = _writer(run_dir / FOLDER)

    def __enter__(self) -> EventFiles:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self.show(now=True)
            self._writer.close()

    def show(self, now: bool = False) -> None:
        """Writes a point when it is time: over individuals, as all figures of a search are."""
        if self._writer is None or (not now and time.monotonic() < self._due):
            return
        self._due = time.monotonic() + EVERY_S
        figures = self._figures()
        for name, value in figures.items():
            if isinstance(value, int | float) and math.isfinite(value):
                self._writer.add_scalar(f"search/{name}", value, int(figures["individuals"] or 0))
        self._writer.flush()


def _writer(folder: Path) -> Any:
    from tensorboardX import (
        SummaryWriter,  # an optional package; checks.py says so if it is missing
    )

    return SummaryWriter(str(folder))
