"""Functions of a user's own in searches and commands: used, handed to workers, part of the run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cloudpickle
import pytest
import toys

from programs import Function, ProgramError, load_functions_file, register, unregister
from programs.user_functions import fingerprints
from proxy_tasks import TASKS, TaskError
from search import api
from search.config.settings import EvaluationSettings
from search.evaluate import main as evaluate
from search.evaluation.source import Function as Toy
from search.evaluation.source import worker_factory
from search.evaluation.tasks_file import load_tasks
from search.inspect import main as inspect
from search.storage.errors import StoreError

SOFTPLUS = Path(__file__).parents[2] / "examples" / "softplus.py"
RULE = """def train(w, g, m, lr):
    m = interp(g, m, 0.9)
    update = softplus(m)
    update = update * 1e-4
    return update, m
"""


@pytest.fixture(autouse=True)
def _forgotten():
    yield
    for name in fingerprints():
        unregister(name)


def _search(tmp_path, resume=False, functions_file=str(SOFTPLUS), **evolution):
    (tmp_path / "rule.py").write_text(RULE)
    config = {
        "evolution": {"warm_start": str(tmp_path / "rule.py"), "children": 60, "population": 5}
        | {"window": 3, "repeats": 1, "rounds": 2, "functions": ["softplus", "add"]}
        | evolution,
        "evaluation": {"tasks": ["toy"]},
        "rescore": {"programs": 1, "seeds": 2},
        "workers": {"address": "in_process"},
        "funnel": None,
    }
    options = {"resume": resume, "functions_file": functions_file}
    return api.search(config, tmp_path / "run", source=Toy(toys.factory()), **options)


def test_a_search_uses_them_and_is_identified_by_them(tmp_path, capsys, caplog):
    caplog.set_level("INFO", logger="search")
    result = _search(tmp_path)
    commands = [line for line in caplog.text.splitlines() if " -m search." in line]
    assert len(commands) >= 4 and all(
        line.endswith(f" --functions-file {SOFTPLUS}") for line in commands
    )
    history = list(result.history())
    last = result.lineage(history[-1].number)[-1].program
    used = {s.function for row in history[::10] for s in result.lineage(row.number)[-1].program}
    assert used == {"interp", "softplus", "multiply", "add"} and last
    run = str(tmp_path / "run")
    assert inspect([run, "show", "5", "--functions-file", str(SOFTPLUS)]) == 0
    unregister("softplus")
    assert inspect([run]) == 0  # texts alone need no functions
    assert inspect([run, "show", "5"]) == 2
    assert "it uses softplus: give the --functions-file that" in capsys.readouterr().err
    for read in (
        lambda: result.best,
        lambda: result.lineage(5),
        lambda: api.SearchResult.of(run).best,
    ):
        with pytest.raises(StoreError, match="it uses softplus: give the --functions-file that"):
            read()
    count = [sys.executable, str(SOFTPLUS.parents[1] / "scripts/count_rules"), run]
    done = subprocess.run(count, capture_output=True, text=True)
    assert done.returncode == 2 and "it uses softplus: give" in done.stderr
    done = subprocess.run([*count, "--functions-file", str(SOFTPLUS)], capture_output=True)
    assert done.returncode == 0
    with pytest.raises(ProgramError, match="unknown function 'softplus'"):
        api.funnel([str(tmp_path / "rule.py")], run_dir=tmp_path / "run")
    other = tmp_path / "other.py"
    other.write_text(SOFTPLUS.read_text() + "\n# edited\n")
    with pytest.raises(
        StoreError, match="softplus: it differs from the function that the search began with"
    ):
        _search(tmp_path, resume=True, functions_file=str(other))
    load_functions_file(SOFTPLUS)
    register(Function("twice", 1, lambda xp, x: x + x, source="{0} + {0}"))
    with pytest.raises(StoreError, match="it began without twice"):
        _search(tmp_path, resume=True)
    unregister("twice")
    _search(tmp_path, resume=True)


def test_a_worker_in_another_process_knows_them():
    load_functions_file(SOFTPLUS)
    register(Function("twice", 1, lambda xp, x: x + x, source="{0} + {0}"))
    factory = worker_factory(EvaluationSettings(tasks=("vision_mlp",)))
    program = (
        "import cloudpickle, sys; cloudpickle.load(sys.stdin.buffer)();"
        "from programs.functions import FUNCTIONS; print([*FUNCTIONS][44:])"
    )
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    try:
        sent = cloudpickle.dumps(factory)
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    run = subprocess.run(
        [sys.executable, "-c", program], input=sent, capture_output=True, check=True
    )
    assert run.stdout.decode().strip() == "['softplus', 'twice']"


COMMAND = [
    "--task",
    "vision_mlp",
    "--task-set",
    "steps=5",
    "--seeds",
    "1",
    "--json",
    "--engine",
    "compiled",
]


def test_a_command_without_them(tmp_path, capsys):
    (tmp_path / "rule.py").write_text(RULE)
    assert evaluate([str(tmp_path / "rule.py"), *COMMAND]) == 2
    assert "unknown function 'softplus'" in capsys.readouterr().err
    assert evaluate(["library:lion", *COMMAND, "--functions-file", "nothing.py"]) == 2
    assert "file of functions: cannot read" in capsys.readouterr().err


def test_a_file_of_tasks_gives_no_functions(capsys):
    """They would be drawn, and no resume would know them."""
    assert evaluate(["library:lion", *COMMAND, "--tasks-file", str(SOFTPLUS)]) == 2
    assert "registers no task" in capsys.readouterr().err
    assert not fingerprints()


def test_a_file_of_tasks_and_functions_is_refused(tmp_path):
    file = tmp_path / "both.py"
    plane = SOFTPLUS.with_name("plane.py").read_text().replace("def plane", "def plane_of_both")
    file.write_text(f"{plane}\n\n{SOFTPLUS.read_text()}")
    try:
        with pytest.raises(TaskError, match=r"both\.py registers the function softplus: put func"):
            load_tasks(file)
    finally:
        TASKS.pop("plane_of_both", None)
    assert not fingerprints()


@pytest.mark.slow
def test_a_command_with_them(tmp_path, capsys):
    (tmp_path / "rule.py").write_text(RULE)
    command = [str(tmp_path / "rule.py"), *COMMAND, "--functions-file", str(SOFTPLUS)]
    assert evaluate(command) == 0
    [summary] = json.loads(capsys.readouterr().out)
    assert summary["seeds"][0]["steps"] == 5
