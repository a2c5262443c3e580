"""Clocks decide nothing: on a machine a thousand times as slow, whose clock is set back, a search
and what follows it are the same, to the last byte."""

import ast
import random
import time
from pathlib import Path

import pytest
import toys
from in_process import digest

from programs import load
from search import api
from search.conclude import conclude
from search.config.machines import WorkerSettings
from search.config.selection import (
    AblationSettings,
    FinalsSettings,
    FunnelSettings,
    StageSettings,
    TuningSettings,
)
from search.config.settings import Config, EvaluationSettings
from search.evaluation.source import Function
from search.selection import funnel
from search.selection.finalists import Finalist
from search.storage.leaders import leaders
from search.storage.store import Store
from tests.search.shortening.test_ablation import EVOLVED, WORTH

ROOT = Path(__file__).parents[2]
CONFIG = {
    "evolution": {"children": 150, "population": 20, "repeats": 2, "rounds": 2, "window": 16},
    "evaluation": {"tasks": ["toy"]},
    "rescore": {"programs": 2, "seeds": 2},
    "workers": {"address": "in_process"},
    "funnel": None,
}
TUNING = TuningSettings(draws=2, keep=1, seeds=2)
CONCLUDING = Config(
    evaluation=EvaluationSettings(tasks=("vision_mlp",)),
    workers=WorkerSettings(address="in_process"),
    funnel=FunnelSettings(
        head_start=TUNING,
        stages=(StageSettings(name="A", scale=1, tuning=TUNING),),
        finals=FinalsSettings(tunings=1, seeds=7),
    ),
    ablation=AblationSettings(seeds=4, confirm_seeds=4),
    tuning=TUNING,
)


@pytest.fixture
def mad_clocks(monkeypatch):
    """Each look at a clock is up to an hour later than the one before; that of the day is set back
    now and then, too."""
    draws, now = random.Random(0), [1e6]

    def later() -> float:
        now[0] += draws.uniform(0, 3600)
        return now[0]

    def start() -> None:
        for name in ("monotonic", "perf_counter"):
            monkeypatch.setattr(time, name, later)
        monkeypatch.setattr(time, "time", lambda: later() - draws.choice([0, 1e6, 1e9]))

    yield start
    monkeypatch.undo()


def test_a_search_is_the_same(tmp_path, mad_clocks):
    source = Function(toys.factory())
    api.search(CONFIG, tmp_path / "quiet", source=source)
    mad_clocks()
    api.search(CONFIG, tmp_path / "mad", source=source)
    assert digest(tmp_path / "mad") == digest(tmp_path / "quiet")


def test_a_conclusion_is_the_same(tmp_path, mad_clocks, monkeypatch):
    def worth(request) -> float:
        return sum(WORTH.get(s.function, 0.0) for s in request.program)

    def concluded(name: str) -> dict[str, bytes]:
        workers = toys.Workers(toys.Noisy(worth, luck=0.02))
        monkeypatch.setattr(funnel, "evaluation_function", workers.factory)
        with Store(tmp_path / name) as store:
            toys.fill_search(store, CONCLUDING, [EVOLVED, load("library:sgd")])
            finalists = [Finalist(leader, (), ()) for leader in leaders(store, 2)]
            conclude(CONCLUDING, store, finalists)
        return {file.name: file.read_bytes() for file in (tmp_path / name).glob("*[yd]")}

    quiet = concluded("quiet")
    mad_clocks()
    assert concluded("mad") == quiet
    assert {"final.py", "final_optax.py", "certificate.md", "funnel.md"} <= quiet.keys()


TIMED = {  # what may look at a clock, and for what; nothing of it reaches a fitness or a program
    "search/selection/ledger.py": "how long a phase takes, to be shown",
}


def test_programs_selection_and_shortening_know_no_clock():
    rooms = ("programs", "search/selection", "search/shortening")
    timed = set()
    for path in [path for room in rooms for path in (ROOT / room).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            if {"time", "datetime", "signal"}.intersection(names):
                timed.add(str(path.relative_to(ROOT)))
    assert timed == set(TIMED)
