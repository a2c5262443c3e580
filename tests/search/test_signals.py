"""Signals at many moments of a small real search: each ends it cleanly, and says how to go on.

Figures, moment by moment: python tests/search/test_signals.py [MOMENTS [FIRST]]
"""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from whole_runs import all_phases

ROOT = Path(__file__).parents[2]
MARK = "TEST_OF_SIGNALS"  # variable of the environment by which all processes of a run are known
CLEAN_S, GONE_S = 10.0, 15.0  # what is promised
PHASES = {  # name -> what the output shows as it begins, and the share of the moments
    "start": ("", 10),  # imports, a look at the tasks, Ray's start
    "search": (" individuals after ", 6),
    "summary, families, Ray again": (" of them trained on workers", 8),
    "funnel": ("head start: ", 4),
    "stage B": ("stage B: ", 2),
    "tuning": ("tuning for the ablation", 3),
    "ablation": ("ablation: ", 3),
    "validation and writing": ("validation", 3),
    "end": ("Its steps: ", 1),
}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Moment(NamedTuple):
    """When a signal is sent."""

    phase: str
    share: float  # of the phase's usual time
    signal: int
    twice: bool  # and again 0.3 s later, as `timeout` and impatient people do


class Ended(NamedTuple):
    """How a search ended after a signal."""

    code: int
    seconds: float
    output: str
    left: list[str]  # processes that are there after GONE_S


def moments(count: int) -> Iterator[Moment]:
    """So many, spread over all phases."""
    whole = sum(share for _, share in PHASES.values())
    numbers = iter(range(count))
    for phase, (_, share) in PHASES.items():
        few = max(1, round(count * share / whole))
        for i in range(few):
            number = next(numbers, 0)
            yield Moment(phase, (i + 0.5) / few, SIGNALS[number % 3], number % 4 == 3)


class Run:
    """A search as a process, whose output is read line by line."""

    def __init__(self, run_dir: Path, *options: str):
        self.token = secrets.token_hex(8)
        command = [sys.executable, "-m", "search.run", "--view", "plain", *options]
        self.process = subprocess.Popen(
            [*command, "--run-dir", str(run_dir)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, MARK: self.token, "PYTHONPATH": str(ROOT)},
        )
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._queue.put(line)
        self._queue.put(None)

    def wait_for(self, words: str, limit_s: float = 300) -> float:
        """Until a line has the words; when that was. At the end of the output, too."""
        while words:
            line = self._queue.get(timeout=limit_s)
            if line is None:
                self._queue.put(None)
                break
            self.lines.append(line)
            if words in line:
                break
        return time.monotonic()

    def interrupted(self, moment: Moment) -> Ended:
        begin = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(moment.signal)
            if moment.twice:
                time.sleep(0.3)
                self.process.send_signal(moment.signal)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
        seconds = time.monotonic() - begin
        end = time.monotonic() + GONE_S
        while (left := self.left()) and time.monotonic() < end:
            time.sleep(0.2)
        for process in left:
            process.kill()
        self.wait_for("\0")
        names = [" ".join(process.info["cmdline"] or [])[:80] for process in left]
        return Ended(self.process.returncode, seconds, "".join(self.lines), names)

    def left(self) -> list[psutil.Process]:
        """The processes of this run, whoever their parent is now."""
        found = []
        for process in psutil.process_iter(["environ", "cmdline", "status"]):
            environment = process.info["environ"] or {}
            is_dead = process.info["status"] == psutil.STATUS_ZOMBIE
            if environment.get(MARK) == self.token and not is_dead:
                found.append(process)
        return found


class Reference(NamedTuple):
    """An undisturbed search."""

    config: Path
    run_dir: Path
    seconds: dict[str, float]  # by phase


def reference(folder: Path) -> Reference:
    """Runs it in two parts: the search, and what follows it."""
    config, run_dir = folder / "small.yaml", folder / "searched"
    config.write_text(all_phases(1500, 50))
    begun: list[float] = [time.monotonic()]
    search = Run(run_dir, "--config", str(config), "--set", "funnel=null")
    begun += [search.wait_for(words) for words, _ in [*PHASES.values()][1:3]]
    search.wait_for("\0")
    assert search.process.wait() == 0, "".join(search.lines)
    whole = shutil.copytree(run_dir, folder / "whole")
    rest = Run(whole, "--config", str(config), "--resume")
    later = [rest.wait_for(words) for words, _ in [*PHASES.values()][2:]]
    rest.wait_for("\0")
    assert rest.process.wait() == 0, "".join(rest.lines)
    ended = [*begun[1:], *later[1:], time.monotonic()]
    starts = [*begun[:2], *later]
    return Reference(
        config, run_dir, dict(zip(PHASES, map(float.__sub__, ended[: len(starts)], starts)))
    )


def tried(moment: Moment, usual: Reference, folder: Path) -> tuple[Ended, Path]:
    """A search with a signal at that moment."""
    run_dir = folder / "run"
    shutil.rmtree(run_dir, ignore_errors=True)
    options = ["--config", str(usual.config)]
    if list(PHASES).index(moment.phase) > 1:
        shutil.copytree(usual.run_dir, run_dir)
        options.append("--resume")
    run = Run(run_dir, *options)
    run.wait_for(PHASES[moment.phase][0])
    time.sleep(moment.share * max(0.0, usual.seconds[moment.phase]))
    return run.interrupted(moment), run_dir


def complaints(moment: Moment, ended: Ended, run_dir: Path) -> list[str]:
    """What is not as promised."""
    said = ended.output
    found = [] if ended.seconds <= CLEAN_S else [f"took {ended.seconds:.1f} s"]
    found += [f"left: {name}" for name in ended.left]
    if "Traceback" in said or "Exception ignored" in said:
        found.append("a traceback")
    if ended.code == 0 and "Its steps: " in said:  # it was done before
        return found
    if ended.code != 128 + moment.signal:
        found.append(f"exit code {ended.code}")
    resume = f" -m search.run --resume {shlex.quote(str(run_dir))}\n"
    if (run_dir / "search.db").exists():
        wanted = [resume, "To conclude with the results so far:", "--set stop.hours=0\n"]
        found += [f"does not say {words!r}" for words in wanted if words not in said]
    elif not said.endswith("Stopped; nothing was run.\n"):
        found.append("does not say that nothing was run")
    return found


@pytest.mark.slow
def test_a_signal_at_40_moments_ends_cleanly_and_says_how_to_go_on(tmp_path):
    usual, found = reference(tmp_path), {}
    for moment in moments(40):
        ended, run_dir = tried(moment, usual, tmp_path)
        if wrong := complaints(moment, ended, run_dir):
            found[moment] = (wrong, ended.output[-1_000:])
    assert not found


def main(count: int = 40, first: int = 0) -> None:
    for number in SIGNALS:  # in the background SIGINT is ignored, and so it would be by the runs
        signal.signal(number, signal.SIG_DFL)
    folder = Path(tempfile.mkdtemp(prefix="signals-"))
    usual = reference(folder)
    print({phase: round(seconds, 1) for phase, seconds in usual.seconds.items()}, flush=True)
    for number, moment in enumerate(moments(count)):
        if number < first:
            continue
        ended, run_dir = tried(moment, usual, folder)
        wrong = complaints(moment, ended, run_dir)
        name = signal.Signals(moment.signal).name + " twice" * moment.twice
        print(f"{number:2d} {moment.phase} {moment.share:.2f} {name}: exit {ended.code} in "
              f"{ended.seconds:.1f} s {'; '.join(wrong) or 'as promised'}", flush=True)  # fmt: skip
        if wrong:
            print(ended.output[-1_500:], flush=True)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
