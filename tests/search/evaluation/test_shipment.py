"""Workers on other machines have none of the driver's files, and are sent little."""

import pickle
import subprocess
import sys

import pytest

from programs import load
from search.config.settings import Config
from search.evaluation.fitness import Evaluation, Outcome
from search.evaluation.jobs import Job, Purpose, Result
from search.evaluation.request import Request
from search.evaluation.source import ProxyTasks

LION = load("library:lion")
MINE = """
from proxy_tasks import make_task, register
@register
def mine(steps: int = 3):
    return make_task('language_mlp', steps=steps, data={data!r})
"""
WORKER = """
import pickle, sys
evaluate = pickle.load(sys.stdin.buffer)()
job = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(pickle.dumps(evaluate(job)))
"""


def config(tasks, address="auto", **settings):
    evaluation = {"tasks": tasks, "settings": settings, "engine": "compiled"}
    workers = {"address": address}
    return Config.model_validate({"evaluation": evaluation, "workers": workers, "funnel": None})


def job(*tasks, number=0) -> Job:
    return Job(number, Purpose.SEARCH, tuple(Request(LION, task, 0) for task in tasks))


@pytest.mark.slow  # two more processes with JAX
def test_a_worker_needs_neither_the_data_nor_the_file_of_tasks(tmp_path):
    text, tasks = tmp_path / "text", tmp_path / "mine.py"
    text.write_text("".join(f"line {i} of a text\n" for i in range(4000)))
    tasks.write_text(MINE.format(data=f"text:{text}"))
    settings = {"data": f"text:{text}", "steps": 3}
    source = ProxyTasks(str(tasks))
    asked = config(["language_mlp", "mine"], language_mlp=settings)
    assert not list(source.mistakes(asked))
    factory = source.factory(asked)
    for path in (text, tasks):
        path.unlink()
    question = pickle.dumps(factory) + pickle.dumps(job("language_mlp", "mine"))
    done = subprocess.run([sys.executable, "-c", WORKER], input=question, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    first, second = pickle.loads(done.stdout)
    assert first.outcome is second.outcome is Outcome.COMPLETED
    assert first.fitness == second.fitness  # the same task under two names


@pytest.mark.parametrize("address", ["local", "in_process"])
def test_nothing_is_shipped_within_a_machine(address):
    factory = ProxyTasks().factory(config(["vision_mlp"], address))
    assert len(pickle.dumps(factory)) < 2_000


def test_a_call_carries_little():
    """Some hundred bytes for a program, and as much for its result; of data nothing."""
    few, many = (
        len(pickle.dumps([job("vision_mlp", number=i) for i in range(n)])) for n in (1, 100)
    )
    assert few < 2_000 and (many - few) / 99 < 200
    evaluation = Evaluation("vision_mlp", 0, -1.0, Outcome.COMPLETED, 300, (-2.0,) * 5)
    assert len(pickle.dumps(Result(job("vision_mlp"), (evaluation,)))) < 3_000
