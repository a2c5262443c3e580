"""Searches that are killed at random moments and resumed until they are done."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reliability.processes import still_there, workers
from reliability.run import Run
from reliability.stores import compared, held
from tests.search.whole_runs import all_phases

PHASES = ("start", "search", "commit", "re-scoring", "families", "funnel", "tuning", "ablation",
          "validation", "writing")  # fmt: skip
SHORT = ("commit", "writing")  # over before a store could be read
TRIES = 3  # processes in a row that may end with an error before chaos gives up
LEFT_S = 10.0  # after which the processes of a killed driver count as left behind


@dataclass
class State:
    """What chaos has done so far; kept as JSON after each fault."""

    usual: dict[str, float] = field(default_factory=dict)  # seconds of each phase, undisturbed
    searches: list[dict[str, Any]] = field(default_factory=list)  # that are done, compared
    faults: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, file: Path) -> State:
        return cls(**json.loads(file.read_text())) if file.exists() else cls()

    def save(self, file: Path) -> None:
        aside = file.with_suffix(".new")
        aside.write_text(json.dumps(asdict(self), indent=1))
        aside.replace(file)

    def count(self, kind: str) -> int:
        return sum(fault["kind"] == kind for fault in self.faults)

    def total(self, what: str) -> int:
        """Of all faults and searches."""
        return sum(one.get(what, 0) for one in (*self.faults, *self.searches))


@dataclass(frozen=True)
class Options:
    """What `scripts/chaos` is asked for."""

    out: Path
    kills: int  # of drivers
    worker_kills: int
    phases: tuple[str, ...] = PHASES  # in which drivers are killed
    seed: int = 0
    address: str = "in_process"
    count: int = 1  # workers
    children: int = 300
    every_s: float = 4.0  # between two kills of workers, about
    minutes: float = 1e9
    preloaded: bool = False  # processes are forked after all imports


class Chaos:
    """Kills and resumes searches until all kills are spent."""

    def __init__(self, options: Options):
        self.options, self.file = options, options.out / "state.json"
        options.out.mkdir(parents=True, exist_ok=True)
        self.state = State.of(self.file)
        self._end = time.monotonic() + 60 * options.minutes
        self._config = options.out / "chaos.yaml"
        text = all_phases(options.children, 40, address=options.address, workers=options.count)
        self._config.write_text(text)

    @property
    def left(self) -> dict[str, int]:
        """Kills that are not spent."""
        return {
            "driver": self.options.kills - self.state.count("driver"),
            "worker": self.options.worker_kills - self.state.count("worker"),
        }

    @property
    def time_is_up(self) -> bool:
        return time.monotonic() > self._end

    def run(self) -> bool:
        """Whether all is done; else the time is up."""
        if not self.state.searches:
            self._undisturbed()
        while any(left > 0 for left in self.left.values()) or not self._is_done:
            if self.time_is_up or not self._search(len(self.state.searches)):
                return False
        return True

    @property
    def _is_done(self) -> bool:
        """Whether no search is half-way."""
        faults, number = self.state.faults, len(self.state.searches)
        return not any(fault["search"] == number for fault in faults)

    def _undisturbed(self) -> None:
        """Twice, so that what differs by itself is known; the second finds compiled trainings."""
        first, again = (self.options.out / name for name in ("undisturbed", "undisturbed-again"))
        for run_dir in (first, again):
            if run_dir == first and (first / "certificate.md").exists():
                continue
            shutil.rmtree(run_dir, ignore_errors=True)
            run = Run(run_dir, self._config, preloaded=self.options.preloaded)
            if run.wait():
                raise SystemExit(f"error: the undisturbed search failed:\n{run.output}")
        self.state.usual = {phase: round(s, 4) for phase, s in run.seconds().items()}
        self._ended(run, 0, compared(again, first))

    def _ended(self, run: Run, number: int, found: dict[str, Any]) -> None:
        end = {"search": number, "twice": run.twice(), "seconds": round(run.elapsed_s, 1)}
        end |= _left(run)
        self.state.searches.append(end | found)
        self.state.save(self.file)
        print(json.dumps(self.state.searches[-1]), flush=True)

    def _search(self, number: int) -> bool:
        """One search to its end, with its share of the kills; whether it came to its end."""
        run_dir, failures = self.options.out / f"search-{number}", 0
        while not self.time_is_up:
            done = [fault for fault in self.state.faults if fault["search"] == number]
            draws = random.Random(f"{self.options.seed} {number} {len(done)}")
            phase = self._next_phase(done)
            run = Run(run_dir, self._config, preloaded=self.options.preloaded)
            if phase is not None and self._kill_driver(run, number, phase=phase, draws=draws):
                continue
            self._kill_workers(run, number, draws)
            if run.wait() == 0:
                self._ended(run, number, compared(run_dir, self.options.out / "undisturbed"))
                return True
            failures += 1
            self._note(run, number, "ended", code=run.code, output=run.output)
            if failures == TRIES:
                raise SystemExit(f"error: search {number} fails again and again:\n{run.output}")
        return False

    def _next_phase(self, done: list[dict[str, Any]]) -> str | None:
        """Where a search that had these faults is killed next: in each phase once, in order."""
        reached = [PHASES.index(fault["wanted"]) for fault in done if fault["kind"] == "driver"]
        rest = PHASES[max(reached, default=-1) + 1 :] if self.left["driver"] > 0 else ()
        return next((phase for phase in rest if phase in self.options.phases), None)

    def _kill_driver(self, run: Run, number: int, *, phase: str, draws: random.Random) -> bool:
        """At a random moment of a phase, by its usual length; whether it still ran."""
        if phase == "commit":  # some commit of the search
            run.wait_for("search")
            run.sleep(draws.uniform(0, 0.9) * self.state.usual["search"])
            run.forget()
        if not run.wait_for(phase):
            run.wait()  # its pipe is closed, so it is about to end
        run.sleep(draws.uniform(0, 0.9) * self.state.usual.get(phase, 0.0))
        before = run.at_start if phase in SHORT else held(run.run_dir)
        if not run.is_running:
            return False
        os.kill(run.process, signal.SIGKILL)
        at, seconds = run.phase, round(run.elapsed_s, 3)
        run.wait()
        now = held(run.run_dir)
        what = {
            "wanted": phase,
            "phase": at,
            "at_s": seconds,
            "committed": len(now.rows),
            "lost": run.at_start.missing_in(now) + before.missing_in(now),
            "twice": run.twice(),
        } | _left(run)
        self._note(run, number, "driver", **what)
        return True

    def _kill_workers(self, run: Run, number: int, draws: random.Random) -> None:
        """Every few seconds one of them, while the search lasts."""
        while run.is_running and self.left["worker"] > 0:
            run.sleep(draws.uniform(0.1, 2 * self.options.every_s))
            there = workers(run.mark) if run.is_running else []
            if there:
                os.kill(draws.choice(there), signal.SIGKILL)
                self._note(run, number, "worker", at_s=round(run.elapsed_s, 3))

    def _note(self, run: Run, number: int, kind: str, **what: Any) -> None:
        fault = {"search": number, "kind": kind, "phase": run.phase}
        self.state.faults.append(fault | what)
        self.state.save(self.file)
        print(json.dumps(self.state.faults[-1]), flush=True)


def _left(run: Run) -> dict[str, Any]:
    """Processes that a run has left behind."""
    names = still_there(run.mark, LEFT_S)
    return {"left": len(names), "names": names} if names else {"left": 0}
