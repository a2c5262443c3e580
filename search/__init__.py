"""Symbolic discovery of optimization algorithms: `from search import api`."""

import sys

if sys.platform == "win32":  # which has neither fcntl nor resource
    raise ImportError(
        "searches run on Linux; on Windows, in WSL (programs and proxy_tasks run anywhere)"
    )
