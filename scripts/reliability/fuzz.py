"""Runs hostile inputs, kind by kind, and keeps what is not as promised."""

from __future__ import annotations

import contextlib
import json
import random
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from reliability import texts
from reliability.guard import Guard, Hang
from reliability.hostile_stores import Stores
from search.reports.tables import columns

SHARES = {  # of the inputs; flipped bytes are asked for by themselves
    "programs": 0.84,
    "yaml": 0.1,
    "json": 0.04,
    "tables": 0.02,
    "flipped": 0.0,
}
WARM = 5  # inputs of each kind before the guard is on, so that modules are imported
KEEP_S = 5.0  # between two moments at which the state is kept
FINDINGS = 100  # that are kept

Try = Callable[[random.Random], bool]  # raises what is not as promised


@dataclass
class Kind:
    """What has come of the inputs of one kind."""

    wanted: int
    done: int = 0
    accepted: int = 0  # the others were refused with a message
    tracebacks: int = 0
    hangs: int = 0
    executed: int = 0
    slowest_ms: float = 0.0  # of processor time
    seconds: float = 0.0

    @property
    def share_done(self) -> float:
        return self.done / self.wanted if self.wanted else 1.0


class Fuzz:
    """Goes through the inputs that are left, all kinds in step."""

    def __init__(self, out: Path, inputs: int, *, kinds: Sequence[str], seed: int):
        out.mkdir(parents=True, exist_ok=True)
        self._out, self._file, self._seed = out, out / f"state-{seed}-{'-'.join(kinds)}.json", seed
        whole = sum(SHARES[kind] for kind in kinds) or len(kinds)
        shares = {kind: (SHARES[kind] or 1) / whole for kind in kinds}
        self.kinds = {kind: Kind(round(inputs * share)) for kind, share in shares.items()}
        self.found: list[dict[str, str]] = []
        if self._file.exists():
            kept = json.loads(self._file.read_text())
            self.found = kept["found"]
            for name, kind in self.kinds.items():
                before = Kind(**kept["kinds"][name])
                before.wanted = kind.wanted
                self.kinds[name] = before

    def _tries(self) -> dict[str, Try]:
        tries: dict[str, Try] = {
            "programs": texts.program,
            "yaml": texts.yaml,
            "json": texts.as_json,
        }
        if {"tables", "flipped"} & self.kinds.keys():
            stores = Stores(self._out / "stores")
            tries |= {"tables": stores.cells, "flipped": stores.flipped}
        return tries

    @property
    def _is_done(self) -> bool:
        return all(kind.done >= kind.wanted for kind in self.kinds.values())

    def run(self, *, minutes: float) -> bool:
        """Whether all are done; else the time is up."""
        end = time.monotonic() + 60 * minutes
        if self._is_done or not minutes:
            return self._is_done
        tries = self._tries()
        for name in self.kinds:
            for i in range(WARM):
                with contextlib.suppress(Exception):  # counted when its turn comes
                    tries[name](self._rng(name, i))
        guard = Guard(self._out)
        due = 0.0
        while not self._is_done:
            if time.monotonic() > due:
                self._keep()
                due = time.monotonic() + KEEP_S
                if time.monotonic() > end:
                    return False
            name = min(self.kinds, key=lambda each: self.kinds[each].share_done)
            self._one(name, tries[name], guard)
        self._keep()
        return True

    def _rng(self, name: str, number: int) -> random.Random:
        return random.Random(f"{self._seed} {name} {number}")

    def _one(self, name: str, attempt: Try, guard: Guard) -> None:
        number = self.kinds[name].done
        rng = self._rng(name, number)
        kind, before = self.kinds[name], len(guard.seen)
        begin, begun = time.process_time(), time.monotonic()
        try:
            with guard.watching():
                kind.accepted += attempt(rng)
        except Hang as error:
            kind.hangs += 1
            self._note(name, number, str(error))
        except Exception:  # any is what is looked for
            kind.tracebacks += 1
            self._note(name, number, traceback.format_exc()[-1_500:])
        kind.slowest_ms = max(kind.slowest_ms, 1e3 * (time.process_time() - begin))
        kind.seconds += time.monotonic() - begun
        kind.done += 1
        if executed := guard.seen[before:]:
            kind.executed += len(executed)
            self._note(name, number, f"executed: {executed[:5]}")

    def _note(self, kind: str, number: int, what: str) -> None:
        if len(self.found) < FINDINGS:
            seed = f"{self._seed} {kind} {number}"
            self.found.append({"kind": kind, "seed": seed, "what": what})

    def _keep(self) -> None:
        state = {"kinds": {name: asdict(kind) for name, kind in self.kinds.items()}}
        aside = self._file.with_suffix(".new")
        aside.write_text(json.dumps(state | {"found": self.found}, indent=1))
        aside.replace(self._file)
        (self._out / "report.json").write_text(json.dumps(state | {"found": self.found}, indent=1))

    def report(self) -> str:
        """A table, and the first findings."""
        head = ["kind", "inputs", "accepted", "tracebacks", "hangs", "executed", "slowest, ms"]
        rows = [head]
        for name, kind in self.kinds.items():
            figures = [kind.done, kind.accepted, kind.tracebacks, kind.hangs, kind.executed]
            rows.append([name, *map(str, figures), f"{kind.slowest_ms:.0f}"])
        found = [f"{one['seed']}: {one['what']}" for one in self.found[:5]]
        return "\n".join([columns(rows), *found])
