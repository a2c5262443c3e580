"""Chaos, soak and hostile inputs: the scripts run, and notice what they are there to notice."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
for path in ("scripts", "tests/search"):
    sys.path.insert(0, str(ROOT / path))

import small_run
from reliability.chaos import PHASES, Chaos, Options, State
from reliability.chaos_report import is_clean, totals, write
from reliability.soak import Soak
from reliability.stores import compared, held

from search.storage.database import FILE


def ran(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / script), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


def test_hostile_inputs_are_answered_and_go_on_where_they_were_ended(tmp_path):
    words = ["--out", str(tmp_path), "--kinds", "programs,yaml,json,tables"]
    first = ran("fuzz_inputs", "30", *words, "--minutes", "0")
    assert first.returncode == 3, first.stderr
    done = ran("fuzz_inputs", "30", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    kinds = json.loads((tmp_path / "report.json").read_text())["kinds"]
    assert all(kind["done"] == kind["wanted"] > 0 for kind in kinds.values())


EVIL = """
import random, sys
from pathlib import Path
from reliability.guard import Guard, Hang
guard = Guard(Path(sys.argv[1]))
for attempt in (lambda: eval("1"), lambda: open("/dev/null", "w"), lambda: __import__("os").system("true")):
    with guard.watching():
        attempt()
print(len(guard.seen))
try:
    with guard.watching():
        while True:
            pass
except Hang:
    print("hang")
"""


def test_what_is_executed_written_or_hangs_is_noticed(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", EVIL, str(tmp_path)],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["3", "hang"], done.stderr


@pytest.fixture
def two_runs(tmp_path):
    """A run and its copy."""
    first = small_run.make(tmp_path / "first")
    return first, shutil.copytree(first, tmp_path / "second")


def change(run_dir: Path, statement: str, table: str) -> None:
    """Behind the store's back, with the checksum that goes with it."""
    from search.storage.checksums import checksum
    from search.storage.schema import CHECKSUMS, TABLES

    [wanted] = [each for each in TABLES.values() if each.name == table]
    with closing(sqlite3.connect(run_dir / FILE)) as connection:
        connection.execute(statement)
        rows = connection.execute(f"SELECT {wanted.columns} FROM {table}").fetchall()
        update = f"UPDATE {CHECKSUMS.name} SET rows = ?, checksum = ? WHERE name = ?"
        connection.execute(update, (*checksum(wanted, rows), table))
        connection.commit()


def test_one_bit_that_differs_is_counted_and_times_are_not(two_runs):
    first, second = two_runs
    assert compared(second, first)["rows that differ"] == 0
    change(second, "UPDATE evaluations SET run_seconds = 9 WHERE individual = 2", "evaluations")
    assert compared(second, first)["rows that differ"] == 0
    change(second, "UPDATE evaluations SET fitness = fitness * (1 + 2.3e-16) WHERE individual = 2 "
                   "AND seed = 0", "evaluations")  # fmt: skip
    found = compared(second, first)
    assert found["rows that differ"] == 1 and found["same digest"] and not found["charged"]
    change(
        second,
        "UPDATE evaluations SET outcome = 'FAILED' WHERE individual = 2 AND seed = 0",
        "evaluations",
    )
    assert compared(second, first)["charged"] == 1
    (second / "final.py").write_text("x")
    assert compared(second, first)["files that differ"] == ["final.py"]


def test_rows_that_are_lost_or_changed_are_counted(two_runs):
    first, second = two_runs
    assert held(first).missing_in(held(second)) == 0
    change(second, "DELETE FROM individuals WHERE number = 5", "individuals")
    change(second, "UPDATE programs SET live = 77 WHERE id = 1", "programs")
    assert held(first).missing_in(held(second)) == 2
    assert held(second).missing_in(held(first)) == 1
    assert held(first / "none").missing_in(held(second)) == 0


def test_each_phase_of_a_search_is_hit_once_in_order(tmp_path):
    chaos = Chaos(Options(tmp_path, kills=5, worker_kills=0, phases=("search", "writing")))
    done: list[dict[str, str]] = []
    while phase := chaos._next_phase(done):
        done.append({"kind": "driver", "wanted": phase})
    assert [fault["wanted"] for fault in done] == ["search", "writing"]
    assert set(chaos.options.phases) < set(PHASES)


def test_whatever_is_not_as_promised_is_in_the_report(tmp_path):
    ended = {"same digest": True, "rows that differ": 0, "files that differ": [], "rows": 9,
             "charged": 0}  # fmt: skip
    state = State({}, [ended | {"search": 0}], [])
    options = Options(tmp_path, kills=1, worker_kills=0)
    write(options, state)
    assert is_clean(state)
    for wrong in ({"same digest": False}, {"rows that differ": 1}, {"files that differ": ["a"]},
                  {"twice": 1}, {"left": 1}):  # fmt: skip
        assert not is_clean(State({}, [ended | wrong], []))
    for fault in ({"kind": "driver", "lost": 1}, {"kind": "driver", "twice": 2}, {"kind": "ended"}):
        assert not is_clean(State({}, [ended], [fault]))
    assert set(totals(state).values()) == {0}
    charged = State({}, [ended | {"charged": 2, "rows that differ": 3}], [])
    assert is_clean(charged) and set(totals(charged).values()) == {0}
    write(options, charged)
    said = "2 trainings charged with the deaths of their workers, in 1 search, 3 rows of which"
    assert said in (tmp_path / "report.md").read_text()
    assert "1 drivers" not in (tmp_path / "report.md").read_text()


def test_growth_in_the_second_half_is_a_slope(tmp_path):
    soak = Soak(tmp_path / "soak", address="in_process", workers=1, every_s=1.0)
    rng = random.Random(0)
    for i in range(100):
        memory = 100 + (50 if i > 20 else 0) + rng.uniform(-1, 1)  # grows at the beginning alone
        soak.samples.append({"driver: memory, MB": memory, "hours": i / 50, "individuals": 10 * i})
    assert abs(soak.slopes()["driver: memory, MB"][1]) < 2 and soak.is_flat
    for i, sample in enumerate(soak.samples):
        sample["driver: memory, MB"] += i
    assert 45 < soak.slopes()["driver: memory, MB"][1] < 55 and not soak.is_flat


@pytest.mark.slow
def test_chaos_in_process_and_with_ray(tmp_path):
    words = ["--children", "60", "--kills", "2", "--phases", "search,writing"]
    done = ran("chaos", *words, "--out", str(tmp_path / "a"))
    assert done.returncode == 0, done.stdout + done.stderr
    ray = ["--address", "local", "--workers", "2", "--worker-kills", "2", "--every", "1"]
    done = ran("chaos", *words, *ray, "--out", str(tmp_path / "b"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_soak_for_a_moment(tmp_path):
    done = ran(
        "soak",
        "--hours",
        "0.005",
        "--address",
        "in_process",
        "--every",
        "1",
        "--out",
        str(tmp_path),
    )
    assert "SIGTERM: exit code 143" in done.stdout and "left: nothing" in done.stdout, done.stderr
