"""What a search's children are, counted without a training."""

import random
import subprocess
import sys
from pathlib import Path

import pytest
import small_run

from programs import InvalidProgram, Program, analyse, load, parse
from programs.memory import needed_states
from programs.mutate import MutationOptions
from search.storage.queries import descents
from search.storage.store import Reader, Store
from search.studies.children import HEAD, good_parents, row_of, start_of, step_sizes

ADAMW = load("library:adamw")


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    return small_run.make(tmp_path_factory.mktemp("run") / "run")


def counted(parents, children, **options):
    row = row_of(
        "of them",
        parents,
        children=children,
        options=MutationOptions(**options),
        rng=random.Random(0),
    )
    return dict(zip(HEAD, row, strict=True))


def test_deletions_from_one_parent_are_counted_each_function_once():
    analyses = []
    for i in range(len(ADAMW)):
        rest = (*ADAMW.statements[:i], *ADAMW.statements[i + 1 :])
        try:
            analyses.append(analyse(Program(ADAMW.states, rest)))
        except InvalidProgram:
            continue
    functions = {one.functional_hash: len(needed_states(one)) for one in analyses}
    fewer = sum(states < 2 for states in functions.values())
    found = counted([ADAMW], 500, insert=0, modify=0)
    assert found["parents"] == "1 of them" and found["children"] == "500"
    assert found["functions not seen before"].split()[0] == str(len(functions)) != "0"
    assert found["of these with fewer states"].split()[0] == str(fewer) != "0"


def test_a_sign_of_momentum_among_children_is_counted():
    """Only `sign` is inserted, so it is bound to be drawn."""
    found = counted([ADAMW], 700, delete=0, modify=0, functions={"sign": 1})
    assert int(found["a sign of momentum"].split()[0]) >= 1
    assert counted([ADAMW], 40, functions={"sin": 1})["a sign of momentum"].startswith("0 ")


def test_parents_are_as_fit_as_the_start_with_as_many_states(run_dir):
    with Reader(run_dir) as store:
        rng = random.Random(0)
        assert start_of(store) == small_run.steps()[0][2]
        steps = small_run.steps()
        good = [p for _, _, p, f in steps if f is not None and f >= -2.0 and len(p.states) == 2]
        assert good_parents(store, most=10, rng=rng) == good
        assert len(good_parents(store, most=2, rng=rng)) == 2


def test_a_child_with_larger_updates_is_told_by_how_it_ended(tmp_path):
    run = small_run.make(tmp_path / "run")
    with Reader(run) as store:
        told = step_sizes(store, most=10, rng=random.Random(0))
        assert [line.split()[-3:] for line in told[2:]] == [
            ["hurdle", "0", "0"],
            ["1", "0", "(0.00%)"],
        ]
        one = next(d for d in descents(store) if "wd" not in d.text)
    faster = parse(one.text.replace("0.001", "0.1"))
    assert str(faster) != one.text
    with Store(run) as store:
        store.rows("UPDATE programs SET text = ? WHERE text = ?", (str(faster), one.text))
    with Reader(run, verified=False) as store:
        told = step_sizes(store, most=10, rng=random.Random(0))
    assert told[-1].split()[-3:] == ["1", "1", "(100.00%)"]


def test_the_script_prints_both_tables(run_dir):
    script = Path(__file__).parents[3] / "scripts" / "count_children"
    command = [sys.executable, script, run_dir, "--from-start", "20", "--from-last", "20"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "1 the tuned start" in done.stdout and "trained to the end" in done.stdout
    assert "the tuned start: 0 of 20" in done.stderr
    done = subprocess.run([sys.executable, script, "nowhere"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "nowhere" in done.stderr
