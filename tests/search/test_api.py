"""The search from Python: data out, mistakes as exceptions, no terminal, no main thread needed."""

import asyncio
import logging
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import toys

from programs import Program, ProgramError, load
from proxy_tasks.errors import TaskError
from search import api
from search.config.load import ConfigError
from search.config.machines import WorkerSettings
from search.config.selection import AblationSettings, FunnelSettings, StageSettings, TuningSettings
from search.evaluation.fitness import Outcome
from search.evaluation.source import Function, ProxyTasks
from search.result import TABLES, SearchResult
from search.selection.funnel import Setup
from search.stopping import Stopped
from search.storage.store import StoreError

CONFIG = {
    "evolution": {"children": 120, "population": 20, "repeats": 1, "rounds": 1, "window": 8},
    "evaluation": {"tasks": ["toy"]},
    "rescore": {"programs": 2, "seeds": 2},
    "workers": {"address": "in_process"},
    "funnel": None,
}
TOY = Function(toys.factory())
QUICK = {"vision_mlp": {"steps": 5, "hidden": 4}}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return api.search(CONFIG, tmp_path_factory.mktemp("run") / "run", source=TOY)


def test_a_search_gives_programs_fitness_and_lineage(result):
    assert isinstance(result.best, Program) and result.final is None and not result.confirmed
    best = result.finalists[0]
    assert best.mean == result.leaders(1)[0].fitness
    steps = result.lineage(best.leader.number)
    assert steps[0].mutation == "start" and steps[0].program == load("library:adamw")
    assert steps[-1].number == best.leader.number
    assert [entry.live for entry in result.hall_of_fame()] == sorted(
        {entry.live for entry in result.hall_of_fame()}
    )


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_a_frame(result, table):
    pytest.importorskip("pandas")
    frame = result.frame(table)
    assert (len(frame) == 121) if table == "individuals" else frame is not None


def test_a_run_can_be_read_without_having_run_it(result):
    again = SearchResult.of(result.run_dir)
    assert again.best == result.leaders(1)[0].program and len(again.frame("individuals")) == 121


def test_an_ended_search_goes_on_with_resume_only(result):
    with pytest.raises(StoreError, match="already holds a search"):
        api.search(CONFIG, result.run_dir, source=TOY)
    again = api.search(CONFIG, result.run_dir, source=TOY, resume=True)
    assert again.best == result.best


def test_a_funnel_of_given_programs_leaves_a_searchs_own(result):
    with pytest.raises(ValueError, match="holds a search; choose another run directory"):
        api.funnel(["library:lion"], run_dir=result.run_dir)


def test_mistakes_are_exceptions(tmp_path):
    wrong = {**CONFIG, "evolution": {"childen": 3}}
    with pytest.raises(ConfigError, match="children"):
        api.search(wrong, tmp_path / "a", source=TOY)
    with pytest.raises(ConfigError, match="vision_mlp"):
        api.search({**CONFIG, "evaluation": {"tasks": ["vision_mpl"]}}, tmp_path / "b")
    with pytest.raises(TaskError, match="vision_mlp"):
        api.evaluate("library:lion", ["vision_mpl"])
    with pytest.raises(ProgramError, match="lion"):
        api.evaluate("library:lino", ["vision_mlp"])
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()


def test_a_choice_that_there_is_not_is_refused_before_anything_is_written(tmp_path):
    engines = "engine: expected one of auto, interpreted, compiled, got 'compield'"
    views = "view: expected one of auto, rich, plain, json, log, got 'josn'"
    for make, message in (
        (lambda: api.evaluate("library:lion", ["vision_mlp"], engine="compield"), engines),
        (lambda: api.tune("library:lion", ["vision_mlp"], engine="compield"), engines),
        (lambda: api.simplify("library:lion", ["vision_mlp"], engine="compield"), engines),
        (lambda: Setup(("vision_mlp",), engine="compield"), engines),
        (lambda: api.search(CONFIG, tmp_path / "a", source=TOY, view="josn"), views),
        (lambda: api.funnel(run_dir=tmp_path / "a", view="josn"), views),
    ):
        with pytest.raises(ValueError, match=message):
            make()
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("function", [api.evaluate, api.tune, api.simplify])
@pytest.mark.parametrize("tasks", ["vision_mlp", [], load("library:lion")])
def test_tasks_are_a_list_that_is_not_empty(function, tasks):
    with pytest.raises(ValueError, match="tasks: expected a list"):
        function("library:lion", tasks)
    with pytest.raises(ValueError, match="tasks: expected a list"):
        Setup(tasks)


def test_one_text_is_no_list(tmp_path, result):
    new = tmp_path / "a"
    for make, name in (
        (lambda: api.funnel("library:lion", run_dir=new), "programs"),
        (lambda: api.funnel(load("library:lion"), run_dir=new), "programs"),
        (lambda: api.search(CONFIG, new, source=TOY, overrides="seed=1"), "overrides"),
        (lambda: api.search(None, result.run_dir, resume=True, overrides="seed=1"), "overrides"),
        (lambda: api.search(CONFIG, new, tasks=print), "tasks"),
    ):
        with pytest.raises(ValueError, match=f"{name}: expected a list, got "):
            make()
    assert not new.exists()


@pytest.mark.parametrize("seeds", [0, -1, 2.0, "3"])
def test_seeds_are_counted_from_one(seeds):
    with pytest.raises(ValueError, match="seeds: expected a whole number >= 1, got "):
        api.evaluate("library:lion", ["vision_mlp"], seeds=seeds)


def test_progress_goes_to_the_logger_and_nothing_to_the_terminal(tmp_path, caplog, capsys):
    with caplog.at_level(logging.INFO, "search"):
        api.search(CONFIG, tmp_path / "run", source=TOY)
    assert "121 individuals" in caplog.text
    assert capsys.readouterr() == ("", "")


def test_it_runs_in_a_thread_and_beside_a_running_event_loop(tmp_path, result):
    ended = []
    thread = threading.Thread(
        target=lambda: ended.append(api.search(CONFIG, tmp_path / "thread", source=TOY))
    )
    thread.start()
    thread.join()

    async def cell():
        return api.search(CONFIG, tmp_path / "loop", source=TOY)

    ended.append(asyncio.run(cell()))
    assert [one.best for one in ended] == [result.best] * 2


def test_two_searches_with_ray_run_in_two_threads(tmp_path, result):
    config = {**CONFIG, "workers": {"count": 1}}
    ended = []

    def run(name):
        ended.append(api.search(config, tmp_path / name, source=TOY))

    threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.best for one in ended] == [result.best] * 2


def test_whoever_is_asked_stops_it_and_it_goes_on_to_the_same_end(tmp_path, result):
    asked = []

    def stopping():
        asked.append(None)
        return 2 if len(asked) > 3 else None

    with pytest.raises(Stopped):
        api.search(CONFIG, tmp_path / "run", source=TOY, stopping=stopping)
    assert api.search(CONFIG, tmp_path / "run", source=TOY, resume=True).best == result.best


def test_evaluate_and_tune():
    shown = []
    found = api.evaluate("library:lion", ["vision_mlp"], seeds=2, settings=QUICK, show=shown.append)
    assert found == shown and [e.seed for e in found] == [0, 1]
    assert {e.outcome for e in found} == {Outcome.COMPLETED}
    optax = api.evaluate("optax:sgd(learning_rate=0.1)", ["vision_mlp"], seeds=1, settings=QUICK)
    assert optax[0].outcome is Outcome.COMPLETED
    tuned = api.tune(
        "library:lion",
        ["vision_mlp"],
        tuning=TuningSettings(draws=6, seeds=1),
        settings=QUICK,
        draw_seed=np.int64(0),
    )
    assert tuned.draws == 6 and tuned.fitness >= found[0].fitness


def test_funnel_and_simplify(tmp_path):
    alone = WorkerSettings(address="in_process")
    setup = Setup(("vision_mlp",), task_settings=QUICK, workers=alone)
    quick = TuningSettings(draws=1)
    stage = StageSettings(name="A", seeds=5, beat=False, keep=1, tuning=quick)
    settings = FunnelSettings(head_start=quick, stages=(stage,), finals={"tunings": 1, "seeds": 5})
    lion = tmp_path / "\x1b[31mlion.py"
    lion.write_text(str(load("library:lion")))
    twice = [lion, str(lion)]  # counts once
    funnel = api.funnel(twice, run_dir=tmp_path, setup=setup, settings=settings)
    assert [entry.name for entry in funnel.stages[0].entries] == [f"{tmp_path}/ [31mlion.py"]
    assert [stage.name for stage in funnel.stages] == ["A", "finals"]
    with pytest.raises(StoreError, match="no search here"):
        api.funnel(run_dir=tmp_path / "nothing")
    short = api.simplify(
        "library:program4",
        ["vision_mlp"],
        ablation=AblationSettings(seeds=2, confirm_seeds=2, tolerance=9.0, retuning=quick),
        settings=QUICK,
    )
    assert len(short.program) < len(load("library:program4"))


TASK = """
import jax.numpy as jnp
import numpy as np

from proxy_tasks import Task, register, split_examples
from search import api

print("imported")


def {name}(steps: int = 4, batch_size: int = 2) -> Task:
    def loss(weights, batch):
        return jnp.mean((batch - weights) ** 2)

    return Task(lambda _: jnp.zeros(2), loss, split_examples(np.ones((9, 2))), steps, batch_size)


config = {{
    "evolution": {{"children": 5, "population": 5, "repeats": 1, "rounds": 1}},
    "evaluation": {{"tasks": ["{name}"]}},
    "rescore": {{"programs": 0}},
    "workers": {{"count": 1}},
    "funnel": None,
}}
print(api.search(config, "run", tasks=[{name}]).best)
"""


def run_script(folder, name):
    script = folder / "script.py"
    script.write_text(TASK.format(name=name))
    return subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=folder)


def test_a_script_needs_no_main_guard_and_its_task_reaches_ray_workers(tmp_path):
    """Nothing that the search starts imports the user's script again."""
    done = run_script(tmp_path, "parabola")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("imported\ndef train(w, g")
    assert done.stdout.count("imported") == 1


def test_a_task_of_ones_own_may_not_be_called_as_another(tmp_path):
    done = run_script(tmp_path, "vision_mlp")
    assert done.returncode and "there is a task of that name already" in done.stderr


def test_a_config_in_python_may_have_paths_and_numbers_of_numpy():
    data = {"evaluation": {"tasks": ["vision_mlp"]}, "funnel": None, "seed": np.int64(3),
            "store": {"run_dir": Path("runs/a")}}  # fmt: skip
    config = api.checked(data, ProxyTasks())
    assert (config.seed, config.store.run_dir) == (3, "runs/a")
    with pytest.raises(ConfigError, match=r"got \{'add'\}"):
        api.checked({**data, "evolution": {"functions": {"add"}}}, ProxyTasks())
