"""A screen that is redrawn every now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NoReturn

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

EVERY_S = 2.0


def watch(draw: Callable[[], str], title: str) -> NoReturn:
    """Shows a text and redraws it, until the process is interrupted.

    What does not fit is cut at the end. Raises whatever `draw` raises.
    """
    console = Console()
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            lines = draw().split("\n")
            shown = Text("\n".join(lines[: max(1, console.height - 3)]), no_wrap=True)
            at = time.strftime("%H:%M:%S")
            live.update(Panel(shown, title=Text(f"{title}, {at}; Ctrl-C ends")), refresh=True)
            time.sleep(EVERY_S)
