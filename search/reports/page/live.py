"""The page served to this machine alone, remade while a search runs."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import NoReturn

from search.config.load import ConfigError
from search.reports.page.report import report
from search.storage.errors import StoreError

LOOPBACK = "127.0.0.1"
REFRESH_S = 10.0


class Server(ThreadingHTTPServer):
    """Serves one page at /, made at most once in `refresh_s`."""

    daemon_threads = True

    def __init__(self, runs: Sequence[Path], *, port: int = 0, refresh_s: float = REFRESH_S):
        """refresh_s: between two pages, seconds.

        Raises:
          StoreError, ConfigError: the page cannot be made. OSError: the port cannot be had.
        """
        self._runs, self._refresh_s, self._lock = runs, refresh_s, Lock()
        self._made, self._page = 0.0, ""
        self.page()
        super().__init__((LOOPBACK, port), Handler)

    def page(self) -> str:
        with self._lock:
            if not self._page or time.monotonic() - self._made >= self._refresh_s:
                self._page = report(self._runs, refresh_s=self._refresh_s)
                self._made = time.monotonic()
            return self._page


class Handler(BaseHTTPRequestHandler):
    """Answers GET / from this machine, and nothing else."""

    server: Server

    def do_GET(self) -> None:
        host = self.headers.get("Host", "")
        if host.rpartition(":")[0] not in (LOOPBACK, "localhost"):  # another site's name for us
            self.send_error(403, "only by 127.0.0.1 or localhost")
        elif self.path != "/":
            self.send_error(404)
        else:
            self._answer()

    def _answer(self) -> None:
        try:
            page = self.server.page().encode()
        except (StoreError, ConfigError) as error:
            self.send_error(503, "the run cannot be read now", str(error))
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Says nothing of each request."""


class PortTaken(Exception):
    """Somebody else listens there."""


def serve(runs: Sequence[Path], *, port: int, show: Callable[[str], None]) -> NoReturn:
    """Serves the page until the process is interrupted. Raises PortTaken."""
    try:
        server = Server(runs, port=port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken from None
        raise
    show(f"http://{LOOPBACK}:{server.server_address[1]}/ (Ctrl-C ends)")
    while True:
        server.serve_forever()
