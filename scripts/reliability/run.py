"""A search in a process of its own, which says which phase it is in."""

from __future__ import annotations

import json
import os
import queue
import secrets
import threading
import time
from collections import defaultdict
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from reliability.starting import forked, started
from reliability.stores import held

MARK = "CHAOS_SEARCH"  # variable of the environment by which all its processes are known
WAIT_S = 600.0  # longest wait for a phase, or an end


class Run:
    """One process of a search, from its start to its end."""

    def __init__(self, run_dir: Path, config: Path, *, preloaded: bool = False):
        """Starts a search, or goes on with the one that is there.

        preloaded: in a process that is forked from one that has imported everything.
        """
        self.run_dir, self.at_start = run_dir, held(run_dir)
        self.mark = f"{MARK}={secrets.token_hex(8)}"
        self.phase, self.phases = "start", [("start", 0.0)]
        self._said: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._asked = run_dir.with_name(f"{run_dir.name}-asked.jsonl")
        self._output = run_dir.with_name(f"{run_dir.name}-output.txt")
        self._asked.unlink(missing_ok=True)
        resume = ["--resume"] if (run_dir / "search.db").exists() else []
        words = ["--config", str(config), "--run-dir", str(run_dir), "--view", "plain", *resume]
        own = dict([self.mark.split("=")]) | {"CHAOS_ASKED": str(self._asked)}
        reading, writing = Pipe(duplex=False)
        self.begun = time.monotonic()
        start = forked if preloaded else started
        self._process = start(words, writing, output=self._output, own=own)
        writing.close()
        threading.Thread(target=self._read, args=(reading,), daemon=True).start()

    def _read(self, reading: Connection) -> None:
        with os.fdopen(os.dup(reading.fileno())) as lines:
            reading.close()
            for line in lines:
                self.phase = line.strip()
                self.phases.append((self.phase, self.elapsed_s))
                self._said.put(self.phase)
        self._said.put(None)

    @property
    def process(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        return self._process.poll()

    @property
    def is_running(self) -> bool:
        return self.code is None

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.begun

    @property
    def output(self) -> str:
        """The end of what it has printed."""
        return self._output.read_text()[-2_000:]

    def wait_for(self, phase: str) -> bool:
        """Whether the phase has begun; else the search has ended before."""
        if phase == "start":
            return True
        while (said := self._said.get(timeout=WAIT_S)) is not None:
            if said == phase:
                return True
        self._said.put(None)
        return False

    def forget(self) -> None:
        """What it has said so far is not waited for any more."""
        while not self._said.empty():
            if self._said.get() is None:
                self._said.put(None)
                break

    def sleep(self, seconds: float) -> None:
        """As long as it runs."""
        end = time.monotonic() + seconds
        while self.is_running and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))

    def wait(self) -> int:
        return self._process.wait(WAIT_S)

    def seconds(self) -> dict[str, float]:
        """How long each phase has lasted, in all; of what lasts within others, its mean."""
        ends = [at for _, at in self.phases[1:]] + [self.elapsed_s]
        lengths = defaultdict[str, list[float]](list)
        for (phase, begin), end in zip(self.phases, ends):
            lengths[phase].append(end - begin)
        commit = lengths.get("commit", [])
        total = {phase: sum(each) for phase, each in lengths.items()}
        return total | ({"commit": sum(commit) / len(commit)} if commit else {})

    def twice(self) -> int:
        """Trainings that it has asked for although they were committed before, or twice."""
        if not self._asked.exists():
            return 0
        lines = self._asked.read_text().split("\n")[:-1]  # a kill may cut the last one
        asked = [key for line in lines for key in {tuple(key) for key in json.loads(line)}]
        return len(asked) - len(set(asked) - self.at_start.trainings)
