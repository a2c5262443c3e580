"""What `search.inspect` answers, as text and as JSON."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import small_run
from in_process import exit_code

from programs import analyse, load, parse
from search.inspect import main as inspect
from search.reports.verbs.asked import Asked
from search.reports.verbs.contributions import contributions, difference, fitness_of
from search.reports.verbs.lineage import _changed_lines
from search.reports.verbs.table import VERBS
from search.reports.watch import watch
from search.result import SearchResult
from search.storage import schema
from search.storage.errors import StoreError
from search.storage.facts import facts
from search.storage.lineage import ProgramText
from search.storage.schema import TrainingRow
from search.storage.store import SMALL, Reader, Store, opened

NAMES = {"ID": "3", "A": "3", "B": "library:adamw"}
GOLDEN = Path(__file__).with_name("test_verbs.json")


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    return small_run.make(tmp_path_factory.mktemp("run") / "run")


def answered(capsys, *words) -> str:
    assert inspect([str(word) for word in words]) == 0
    return capsys.readouterr().out


def words_of(name: str) -> list[str]:
    return [name, *(NAMES[wanted] for wanted in VERBS[name].names)]


def test_the_json_of_every_verb_is_as_documented(run_dir, capsys):
    """To change it on purpose: write `found` to the file, and docs/inspect.md."""
    found = {
        name: json.loads(answered(capsys, run_dir, *words_of(name), "--json")) for name in VERBS
    }
    assert found.pop("digest").keys() == {"digest"}
    assert found == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("name", VERBS)
def test_every_key_is_explained(name, run_dir, capsys):
    text = (Path(__file__).parents[3] / "docs" / "inspect.md").read_text()
    found = json.loads(answered(capsys, run_dir, *words_of(name), "--json"))
    assert all(f"`{key}`" in text for key in _keys(found)), [
        k for k in _keys(found) if f"`{k}`" not in text
    ]


def _keys(value) -> set[str]:
    """All keys but those that are data: outcomes."""
    if isinstance(value, list):
        return set().union(*map(_keys, value))
    if isinstance(value, dict):
        return {k for k in value if not k.isupper()}.union(*map(_keys, value.values()))
    return set()


@pytest.mark.parametrize(
    "words, expected",
    [
        ((), "individual 3, 7 live statements, on fresh seeds -1.375 [-1.68552, -1.06448]"),
        ((), "Funnel as far as stage B, promoted: none"),
        (("top",), "3           -1.25    -1.375 [-1.6855, -1.0645]  7"),
        (("program", "1"), "# computes what individual 0 computed first"),
        (("program", "1"), "x = cos(g)"),
        (("program", "3"), "a candidate of the funnel"),
        (("lineage", "3"), "    -  6  wd = w * 0.01"),
        (("lineage", "1"), "1  insert  fitness -2 (+0), the same function"),
        (("lineage", "4"), "4  modify  fitness none (hurdle)"),
        (("funnel",), "+0.1 [+0.05, +0.15] library:adamw  0.01  yes"),
        (("families",), "individual 5"),
        (("stats",), "insert    1         0.0%"),
        (("diff", "3", "0"), "+     wd = w * 0.01"),
        (("diff", "3", "0"), "on the same 3 seeds, measured (on fresh seeds): -0.75"),
        (("diff", "1", "0"), "the same by: functional, canonical, behavioural, structure"),
        (("front", "--simplify"), "# The same, simplified:"),
        (("rules",), "-1.375 [-1.6855, -1.0645]  Adam (0.8, 0.999)"),
        (("rules", "--all"), "2 states, leading programs by rule: "),
    ],
)  # fmt: skip
def test_answers_for_people(run_dir, capsys, words, expected):
    assert expected in answered(capsys, run_dir, *words)


def test_the_rules_of_several_runs_are_counted_each_run_once(run_dir, tmp_path):
    other = shutil.copytree(run_dir, tmp_path / "other")
    script = Path(__file__).parents[3] / "scripts" / "count_rules"
    again = run_dir / ".." / run_dir.name
    command = [sys.executable, str(script), str(run_dir), str(other), str(again)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["1 state: 2 the sign of momentum", "2 states: 2 Adam"]
    done = subprocess.run([*command, "nowhere"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "nowhere" in done.stderr


def test_from_python_the_same_values(run_dir, capsys):
    result = SearchResult(run_dir, (), None)
    for name in ("top", "lineage", "diff"):
        names = words_of(name)
        assert result.inspect(*names) == VERBS[name].data(Reader(run_dir), Asked(tuple(names[1:])))


def test_steps_that_change_nothing_are_counted_and_shown_on_demand(run_dir, capsys, tmp_path):
    found = json.loads(answered(capsys, run_dir, "lineage", "2", "--all", "--json"))
    assert [step["individual"] for step in found["steps"]] == [0, 2] and not found["left_out"]


def test_a_knock_out_that_was_trained_gives_a_contribution_with_its_interval(tmp_path):
    run, program = small_run.make(tmp_path / "run"), load("library:lion")
    decay = next(i for i, s in enumerate(program) if str(s) == "update = update + wd")
    rest = type(program)(program.states, tuple(s for i, s in enumerate(program) if i != decay))
    with Store(run) as store:
        for seed in range(4):
            for one, fitness in ((program, -1.0), (rest, -1.5)):
                key = analyse(one).functional_hash.hex()
                luck = 0.01 * seed if one is rest else 0.0
                store.add(
                    TrainingRow(
                        key, "f", seed, "final", "t", fitness + luck, "COMPLETED", 1, 0.1, ""
                    )
                )
    with Reader(run) as store:
        found = {one["statement"]: one for one in contributions(store, program)}
    measured = found.pop("update = update + wd")
    assert measured["seeds"] == 4 and measured["without"] == "dropped"
    low, high = measured["interval"]
    assert measured["mean"] == pytest.approx(0.485) and low < 0.485 < high < 0.51
    assert not any("mean" in one for one in found.values() if one["statement"] != "wd = w * 0.01")


def test_trainings_are_found_of_a_program_that_was_trained_at_another_rate(run_dir):
    with Reader(run_dir) as store:
        fact = facts(store, 3)
        own = fitness_of(store, parse(fact.text))
        as_rescaled = fitness_of(store, load("library:yogi"), fact.evaluated)
    assert own and as_rescaled == own


def test_statements_within_an_edit_that_stay_are_shown_as_such():
    parent = ProgramText((), ("z", "a", "b", "c", "d", "e", "f"))
    found = _changed_lines(parent, "1 5\na\nb\nC\nd\ne")
    assert found == [(" ", 3, "b"), ("-", 4, "c"), ("+", 4, "C"), (" ", 5, "d")]


def test_a_reader_who_has_had_enough_is_no_mistake(run_dir, monkeypatch):
    def closed(*_, **__):
        raise BrokenPipeError

    monkeypatch.setattr("search.inspect.answer", closed)
    with pytest.raises(BrokenPipeError):  # `run_command` ends quietly
        inspect([str(run_dir), "top"])


def test_a_difference_needs_the_same_task_and_seed():
    assert difference({}, {})["verdict"] == "not measured"


@pytest.mark.parametrize(
    "words, message",
    [
        (("diff", "3"), "expected `diff A B`, got `diff 3`"),
        (("top", "3"), "expected `top`, got `top 3`"),
        (("lineage", "x"), "expected the number of an individual, such as 0, got 'x'"),
        (("program", "77"), "there is no individual 77"),
        (("diff", "0", "library:lions"), "lion"),
        (("top", "--count", "0"), "expected a whole number from 1 to 10000"),
        (("top", "--watch"), "--watch draws on a terminal"),
    ],
)
def test_mistakes_are_one_line(run_dir, capsys, words, message):
    code = exit_code(inspect, [str(run_dir), *words])
    err = capsys.readouterr().err
    assert code == 2 and message in err and err.count("\n") == 1


@pytest.mark.parametrize("name", VERBS)
def test_a_search_that_has_just_begun_and_one_without_funnel_have_answers(name, tmp_path, capsys):
    run = small_run.make(tmp_path / "run", funnel=False)
    answered(capsys, run, *words_of(name))
    with Store(run) as store:
        store.clear(schema.INDIVIDUALS, schema.PROGRAMS, schema.EVALUATIONS)
    if not VERBS[name].names:
        answered(capsys, run, *words_of(name))
        answered(capsys, run, *words_of(name), "--json")


@pytest.mark.parametrize("name", VERBS)
def test_a_run_of_a_funnel_alone_holds_no_search(name, tmp_path, capsys):
    with Store(tmp_path / "run") as store:
        small_run._add_funnel(store)
        store.commit()
    code = inspect([str(tmp_path / "run"), *words_of(name)])
    if name in ("funnel", "tables", "events"):
        assert code == 0
        return
    assert code == 2 and capsys.readouterr().err == f"error: {tmp_path}/run: holds no search\n"
    with pytest.raises(StoreError, match="holds no search"):
        SearchResult.of(tmp_path / "run").inspect(*words_of(name))


@pytest.mark.parametrize("name", ["families", "rules"])
def test_a_text_that_is_no_program_is_told_with_its_run_and_individual(name, tmp_path, capsys):
    run = small_run.make(tmp_path / "run")
    with Store(run) as store:
        rows = [schema.ProgramRow(*row) for row in store.rows("SELECT * FROM programs")]
        store.clear(schema.PROGRAMS)
        for row in rows:
            store.add(row._replace(text="broken") if row.fitness == -1.25 else row)
        store.commit()
    assert inspect([str(run), name]) == 2
    assert f"error: {run}: individual 3 is not a program: <text>:1:1: " in capsys.readouterr().err
    with pytest.raises(StoreError, match="individual 3 is not a program"):
        print(SearchResult.of(run).best)


def test_an_answer_is_of_one_moment_while_the_search_goes_on(tmp_path):
    run = small_run.make(tmp_path / "run")
    with Store(run) as store, opened(run) as reader:
        before = VERBS["events"].data(reader, Asked())
        store.add_event("resume", "in between")
        store.commit()
        assert VERBS["events"].data(reader, Asked()) == before
    with opened(run) as reader:
        assert len(VERBS["events"].data(reader, Asked())) == len(before) + 1


def test_nothing_is_written(run_dir, capsys):
    before = {path: path.read_bytes() for path in run_dir.iterdir()}
    for name in VERBS:
        answered(capsys, run_dir, *words_of(name))
    assert {path: path.read_bytes() for path in run_dir.iterdir()} == before


@pytest.mark.parametrize("name", VERBS)
def test_damage_in_what_a_large_store_holds_is_one_line(name, tmp_path, capsys, monkeypatch):
    run = small_run.make(tmp_path / "run")
    connection = sqlite3.connect(run / "search.db")
    for change in (
        "UPDATE programs SET text = 'def train(' , outcome = 'NONE'",
        "UPDATE individuals SET edit = 'a b c'",
        "UPDATE evaluations SET purpose = 'x', outcome = 'y'",
        "UPDATE stage_entries SET fitness = '{', program = ''",
        "UPDATE meta SET value = '['",
    ):
        connection.execute(change)
    connection.commit()
    connection.close()
    monkeypatch.setattr("search.storage.store.SMALL", 0)
    assert SMALL > 0
    code = inspect([str(run), *words_of(name)])
    err = capsys.readouterr().err
    assert (code, err.count("\n")) in ((0, 0), (2, 1)), err


def test_the_live_screen_is_drawn_anew_and_cut_to_the_terminal(monkeypatch, capsys):
    drawn = iter(["one", "two\n" * 1000])
    monkeypatch.setattr("search.reports.watch.time.sleep", lambda _: None)
    with pytest.raises(StopIteration):
        watch(lambda: next(drawn), "a [bold]run")
    out = capsys.readouterr().out
    assert "a [bold]run" in out and 1 < out.count("two") < 200
