"""A search for hours, with what its processes hold over time."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from reliability.processes import figures, marked, name_of, shared_mb, still_there
from reliability.run import Run
from search.reports.tables import columns
from search.storage.database import FILE
from search.storage.queries import last_number
from search.storage.store import Reader

CONFIG = """\
evolution: {children: 100000000, population: 200, repeats: 1, rounds: 1, window: 64}
evaluation:
  tasks: [vision_mlp]
  settings: {vision_mlp: {steps: 40, hidden: 8}}
rescore: {programs: 0}
funnel: null
workers: {address: ADDRESS, count: COUNT, timeout_s: 120}
"""
FLAT = {"memory, MB": 10.0, "files": 5.0, "threads": 5.0, "object store, MB": 10.0}
"""By how much each may grow per hour, of each kind of process."""
FRAMES = ("driver", "workers", "Ray")

Sample = dict[str, float]


class Soak:
    """Runs the search and looks at its processes every few seconds."""

    def __init__(self, out: Path, *, address: str, workers: int, every_s: float):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        self.out, self.every_s = out, every_s
        self.samples: list[Sample] = []
        self.code, self.stop_s, self.left = 0, 0.0, list[str]()
        self._config = out / "soak.yaml"
        text = CONFIG.replace("ADDRESS", address).replace("COUNT", str(workers))
        self._config.write_text(text)

    def run(self, hours: float) -> None:
        """Raises RuntimeError if the search ends by itself."""
        run = Run(self.out / "run", self._config)
        run.wait_for("search")
        begin, end = time.monotonic(), time.monotonic() + 3600 * hours
        while time.monotonic() < end:
            if not run.is_running:
                raise RuntimeError(f"the search has ended with {run.code}: {run.output}")
            self.samples.append(self._sample(run) | {"hours": (time.monotonic() - begin) / 3600})
            self._keep()
            run.sleep(self.every_s)
        stopped = time.monotonic()
        os.kill(run.process, signal.SIGTERM)
        self.code = run.wait()
        self.stop_s = time.monotonic() - stopped
        self.left = still_there(run.mark, 10.0)
        self._keep()

    def _sample(self, run: Run) -> Sample:
        sample: Sample = defaultdict(float)
        for process in marked(run.mark):
            name = name_of(process)
            kind = "workers" if name.startswith("ray::") else "Ray"
            kind = "driver" if process == run.process else kind
            if (held := figures(process)) is not None:
                sample[f"{kind}: memory, MB"] += held.memory_mb
                sample[f"{kind}: files"] += held.files
                sample[f"{kind}: threads"] += held.threads
            if "raylet/raylet" in name:
                sample["Ray: object store, MB"] = shared_mb(process)
        with Reader(run.run_dir, verified=False) as store:
            sample["individuals"] = last_number(store) + 1
            sample["search.db, MB"] = (run.run_dir / FILE).stat().st_size / 2**20
        return dict(sample)

    def _keep(self) -> None:
        names = list(dict.fromkeys(name for sample in self.samples for name in sample))
        with (self.out / "samples.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, names, restval="")
            writer.writeheader()
            writer.writerows(self.samples)

    def slopes(self) -> dict[str, tuple[float, float, float]]:
        """For each figure: its mean in the second half, how much it grows there in an hour, by
        least squares, and by how much it may."""
        half = self.samples[len(self.samples) // 2 :]
        hours = np.array([sample["hours"] for sample in half])
        found = {}
        for name in half[0] if len(half) > 2 else ():
            values = np.array([sample.get(name, 0.0) for sample in half])
            kind, _, what = name.partition(": ")
            allowed = FLAT.get(what, float("inf")) if kind in FRAMES else float("inf")
            if name != "hours":
                slope = float(np.polyfit(hours, values, 1)[0])
                found[name] = (float(values.mean()), slope, allowed)
        return found

    def report(self) -> str:
        """A table, also as JSON beside the samples."""
        slopes = self.slopes()
        rows = [["figure", "mean, second half", "per hour", "may grow by"]]
        for name, (mean, slope, allowed) in slopes.items():
            rows.append([name, f"{mean:,.1f}", f"{slope:+,.1f}", f"{allowed:g}"])
        left = ", ".join(self.left) or "nothing"
        end = f"SIGTERM: exit code {self.code} after {self.stop_s:.1f} s, left: {left}"
        hours = self.samples[-1]["hours"] if self.samples else 0.0
        text = f"{len(self.samples)} samples in {60 * hours:.1f} min\n{columns(rows)}\n{end}"
        summary = {"slopes": slopes, "code": self.code, "stop_s": self.stop_s, "left": self.left}
        (self.out / "report.json").write_text(json.dumps(summary, indent=1))
        (self.out / "report.txt").write_text(text + "\n")
        return text

    @property
    def is_flat(self) -> bool:
        return all(slope <= allowed for _, slope, allowed in self.slopes().values())
