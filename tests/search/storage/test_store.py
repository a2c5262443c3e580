"""The store: what is committed survives any kill; one writer; readable meanwhile; small."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from toys import individual_row, program_row

from search.config.machines import StoreSettings
from search.storage.database import FILE
from search.storage.errors import StoreError
from search.storage.queries import history_digest, last_number
from search.storage.schema import EvaluationRow
from search.storage.store import Reader, Store

WRITER = """
import sys
from search.config.settings import StoreSettings
from search.storage.queries import last_number
from search.storage.schema import EvaluationRow, IndividualRow
from search.storage.store import Store
store = Store(sys.argv[1], StoreSettings(journal=sys.argv[2]))
number = last_number(store) + 1
while True:
    for _ in range(20):
        row = IndividualRow(number, 0, number, None, "insert", 1, 9, 9, number, "new", "0 0\\nx")
        store.add(row)
        store.add(EvaluationRow(number, "search", "t", 0, 1.0, 0.5, "COMPLETED", 1, "[]", 0.0, 0.0))
        number += 1
    store.commit()
    print(number, flush=True)
"""


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_what_is_acknowledged_survives_sigkill(tmp_path, journal):
    rng = random.Random(0)
    for _ in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), journal], stdout=subprocess.PIPE
        )
        acknowledged = int(writer.stdout.readline())
        time.sleep(rng.uniform(0, 0.1))
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.communicate()[0].split(b"\n")[:-1]
        acknowledged = int(rest[-1]) if rest else acknowledged
        with Store(tmp_path, StoreSettings(journal=journal)) as store:
            numbers = [n for (n,) in store.rows("SELECT number FROM individuals ORDER BY number")]
            assert numbers == list(range(len(numbers))) and len(numbers) >= acknowledged
            assert len(numbers) == store.rows("SELECT count(*) FROM evaluations")[0][0]
            assert len(numbers) % 20 == 0  # whole transactions
            assert store.rows("PRAGMA integrity_check") == [("ok",)]


def test_one_writer_and_readers_meanwhile(tmp_path):
    with Store(tmp_path) as store:
        with pytest.raises(StoreError, match=f"in use by another process .process {os.getpid()}"):
            Store(tmp_path)
        store.add(program_row(1))
        store.add(individual_row(0))
        with Reader(tmp_path) as reader:
            assert last_number(reader) == -1
            store.commit()
            assert reader.rows("SELECT number, fitness FROM history") == [(0, 0.5)]
            with pytest.raises(StoreError, match="readonly"):
                reader.rows("DELETE FROM individuals")
    Store(tmp_path).close()


def test_a_run_directory_may_have_any_name(tmp_path):
    for name in ("a#b", "c?mode=ro", "50%20 d", "ä ö"):
        with Store(tmp_path / name) as store:
            store.set_meta("config", name)
        with Reader(tmp_path / name) as reader:
            assert reader.meta("config") == name
        assert (tmp_path / name / FILE).is_file()


def test_infinite_fitness_comes_back_and_digests_differ(tmp_path):
    digests = set()
    for name, fitness in (("a", -float("inf")), ("b", 0.1 + 0.2), ("c", 0.3), ("d", 0.3)):
        with Store(tmp_path / name) as store:
            store.add(program_row(1, fitness=fitness))
            store.add(individual_row(0))
            store.commit()
            assert store.rows("SELECT fitness FROM history") == [(fitness,)]
            digests.add(history_digest(store))
    assert len(digests) == 3


def test_a_full_disk_refuses_and_loses_nothing_committed(tmp_path):
    store = Store(tmp_path)
    store.add(individual_row(0))
    store.commit()
    store.rows("PRAGMA max_page_count = 20")
    for number in range(1, 5000):
        store.add(individual_row(number))
    with pytest.raises(
        StoreError, match="database or disk is full; nothing committed before is lost"
    ):
        store.commit()
    store.close()
    with Store(tmp_path) as again:
        assert again.rows("SELECT number FROM individuals") == [(0,)]


def test_300000_individuals_take_less_than_300_megabytes(tmp_path):
    """At the paper's shares: one program in ten is new."""
    text = "def train(w, g, m, v, lr):\n" + "    v1234 = interp(g, v, 0.8999999761581421)\n" * 13
    edit = "13 1\nv1234 = interp(g, v, 0.8999999761581421)"
    with Store(tmp_path) as store:
        for n in range(30_000):
            parent = n - 1 if n else None
            store.add(individual_row(n, parent=parent, program=n // 10, edit=edit))
            if n % 10 == 0:
                hashes = {name: random.randbytes(16) for name in ("canonical", "behavioural")}
                store.add(program_row(n // 10, fitness=0.123456789, text=text, **hashes))
                for task in ("vision_mlp", "language_mlp"):
                    trained = 1.0, 0.123456, "COMPLETED", 500, "[0.5, 0.6]", 0.0, 0.1
                    store.add(EvaluationRow(n, "search", task, 0, *trained))
    assert (tmp_path / FILE).stat().st_size * 10 < 300e6
