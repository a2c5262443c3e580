"""How a command ends early: at Ctrl-C, or when nobody reads its output any more.

This file imports nothing heavy, so that it can come before what takes seconds to import.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable


def end_at_ctrl_c() -> None:
    """From now on Ctrl-C ends the process at once, with one line and exit code 130.

    A KeyboardInterrupt would wait until XLA comes back, which can take minutes, and then show a
    traceback; and an interpreter that winds up while XLA's threads run can crash. For commands
    that keep nothing until they are done.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # threads started later inherit it
    threading.Thread(target=_wait, daemon=True).start()


def _wait() -> None:
    signal.sigwait({signal.SIGINT})
    os.write(2, b"stopped\n")
    os._exit(128 + signal.SIGINT)


def until_closed(main: Callable[[], int]) -> int:
    """Runs a command to its exit code; quiet when its output is closed before, as by `| head`."""
    try:
        try:
            return main()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered would be written, and fail aloud, at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
