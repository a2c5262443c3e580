"""A search with batches: its history is a function of the config, the batch size included."""

import json

import pytest
from small_trainings import SMALL

from search import api
from search.config.load import loads
from search.evaluation.together import Together
from search.storage.errors import StoreError
from search.storage.queries import history_digest
from search.storage.store import Reader

CONFIG = {
    "evolution": {"children": 40, "population": 8, "repeats": 1, "rounds": 1, "window": 16},
    "evaluation": {
        "tasks": ["vision_mlp"],
        "engine": "interpreted",
        "settings": SMALL,
        "hurdles": {"at": [0.5]},
        "rates": [1.0, 0.5],
    },
    "rescore": {"programs": 2, "seeds": 2},
    "funnel": None,
}


def digest(run_dir):
    with Reader(run_dir) as store:
        return history_digest(store)


def _config(batch, **workers):
    return {**CONFIG, "workers": {"address": "in_process", "batch": batch, **workers}}


def test_the_same_batch_size_gives_the_same_history(tmp_path, monkeypatch):
    sizes, together = [], Together.together
    monkeypatch.setattr(
        Together, "together", lambda self, jobs: sizes.append(len(jobs)) or together(self, jobs)
    )
    for name, batch_s in (("a", 0.5), ("b", 1e-6)):
        api.search(_config(7, batch_s=batch_s), tmp_path / name)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert max(sizes) == 7
    with pytest.raises(StoreError, match=r"workers\.batch was 7"):
        api.search(None, tmp_path / "a", resume=True, overrides=["workers.batch=8"])


def test_one_after_the_other_is_the_history_that_it_was():
    """Runs from before there were batches are continued."""
    alone, auto, two = (
        loads(json.dumps(_config(batch)).encode(), "config").history_settings()
        for batch in (1, "auto", 2)
    )
    assert alone == auto and "workers" not in alone
    assert two == {**alone, "workers": {"batch": 2}}


@pytest.mark.slow
def test_batches_on_workers_of_ray_give_the_same_history(tmp_path):
    for address, count in (("in_process", 1), ("local", 1), ("local", 2)):
        api.search(_config(7, address=address, count=count), tmp_path / f"{address}{count}")
    assert len({digest(path) for path in tmp_path.iterdir()}) == 1
