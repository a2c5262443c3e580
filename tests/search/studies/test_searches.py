"""A study's searches: in pieces as in one go, and how long the rest takes."""

import json
import math
from collections import Counter

import pytest
import toys
from in_process import digest

from search.config.load import ConfigError, loads
from search.evaluation.jobs import Purpose
from search.evaluation.source import Function
from search.stopping import Stopped
from search.storage.errors import StoreError
from search.studies import against_baselines, onset, searches
from search.studies.clock import Clock
from search.studies.folder import Folder
from search.studies.searches import Done, changed, left_s, run_all, share_done

CONFIG = loads(b"""
evolution:
  {children: 400, population: 20, repeats: 1, rounds: 1, window: 8, tournament: 3,
   niches: {shares: [1, 3, 6], hurdle_members: 5}, price: {statement: 0.001}, orientation: both}
evaluation:
  {tasks: [vision_mlp], seeds: 2, race: 0.5, rates: [1.0, 0.5], rates_when: changed,
   hurdles: {at: [0.5]}}
cache: {key: canonical}
rescore: {programs: 2, seeds: 2}
workers: {address: in_process}
""")
TOY = Function(toys.stepper_factory)


class Pieces(Clock):
    """Ends whatever asks it for the so-manieth time."""

    def __init__(self, asks: int):
        super().__init__(None)
        self.left = asks

    def __call__(self) -> int | None:
        self.left -= 1
        return 14 if self.left < 0 else None


def planned():
    return against_baselines.plan(CONFIG, TOY, trainings=60, others=2, repeats=2)


def test_pieces_give_what_one_go_gives(tmp_path):
    folders = [Folder(tmp_path / name, {}) for name in ("whole", "pieces")]
    run_all(planned(), folders[0], source=TOY, clock=Clock(None), say=lambda _: None)
    pieces = 0
    while True:
        try:
            clock = Pieces(40)
            run_all(planned(), folders[1], source=TOY, clock=clock, say=lambda _: None)
            break
        except Stopped:
            pieces += 1
    assert pieces > 1
    for one in planned():
        results = [folder.result(one.name) for folder in folders]
        assert results[0]["trainings"] == results[1]["trainings"]
        assert len({digest(folder.run_dir(one.name)) for folder in folders}) == 1


def test_a_start_is_tuned_once_for_all_searches_of_a_seed(tmp_path, monkeypatch):
    tuned = changed(CONFIG, TOY, {"evolution.tune_start": {"draws": 8, "keep": 2, "seeds": 2}})
    few = against_baselines.plan(tuned, TOY, trainings=20, others=1, repeats=1)
    asked = Counter()

    def run(name):
        def evaluate(job):
            asked[name] += job.purpose is Purpose.TRAINING
            return toys.stepper(job)

        folder, source = Folder(tmp_path / name, {}), Function(lambda: evaluate)
        run_all(few, folder, source=source, clock=Clock(None), say=lambda _: None)
        return [digest(folder.run_dir(one.name)) for one in few]

    once = run("once")
    monkeypatch.setattr(searches, "_add_tunings", lambda *_: None)
    assert once == run("each")
    assert 3 * asked["once"] == asked["each"] > 0


def test_baselines_start_alike_and_have_their_multiple(tmp_path):
    arms = {}
    for one in planned():
        arms.setdefault(one.seed, {})[one.arm] = one.config
    assert list(arms) == [0, 1]
    for seed, configs in arms.items():
        assert {name: c.evolution.mode for name, c in configs.items()} == against_baselines.MODES
        assert {name: c.stop.trainings for name, c in configs.items()} == {
            "evolution": 60, "constants only": 120, "random": 120,
        }  # fmt: skip
        for config in configs.values():
            assert config.seed == seed and config.funnel is None
            assert config.evaluation == CONFIG.evaluation
            assert config.evolution.warm_start == CONFIG.evolution.warm_start


def test_short_searches_with_meta_validation():
    few = onset.plan(CONFIG, TOY, children=50, points=5, repeats=3)
    assert [one.config.seed for one in few] == [0, 1, 2]
    assert {one.config.meta_validation.every for one in few} == {10}
    assert {one.config.evolution.children for one in few} == {50}


@pytest.mark.parametrize(("children", "points", "near"), [(19, 10, 20), (250, 100, 200), (3, 9, 9)])
def test_points_that_do_not_fit_evenly_are_refused(children, points, near):
    """As the p-value of an onset is multiplied by their number."""
    with pytest.raises(ConfigError, match=f"multiple of the {points} .* {near} would be one"):
        onset.plan(CONFIG, TOY, children=children, points=points, repeats=1)


def test_time_left_is_by_the_speed_of_each_arm():
    assert math.isnan(left_s([Done("a", 1.0, 0.0, 0.0)]))
    some = [
        Done("a", 1.0, 1.0, 100.0), Done("a", 1.0, 0.5, 60.0), Done("b", 4.0, 0.25, 80.0),
        Done("b", 4.0, 0.0, 0.0), Done("c", 2.0, 0.0, 0.0),
    ]  # fmt: skip
    speed = {"a": 160 / 1.5, "b": 80.0, "c": 240 / 2.5}
    expected = 0.5 * speed["a"] + 3 * speed["b"] + 4 * speed["b"] + 2 * speed["c"]
    assert left_s(some) == pytest.approx(expected)
    assert left_s([Done("a", 1.0, 1.0, 3.0)]) == 0


def test_a_budget_of_trainings_or_children_is_the_whole():
    assert share_done(CONFIG, 100, 7) == 0.25
    limited = changed(CONFIG, TOY, {"stop": {"trainings": 10}, "evolution.children": 10**9})
    assert share_done(limited, 100, 7) == 0.7
    assert share_done(limited, 100, 12) == 1.0


def test_another_study_is_not_continued(tmp_path):
    Folder(tmp_path, {"children": 5, "config": {"seed": 0}})
    Folder(tmp_path, {"children": 5, "config": {"seed": 0}})
    with pytest.raises(StoreError, match="children is 5 there, 6 here; give the same options"):
        Folder(tmp_path, {"children": 6, "config": {"seed": 0}})
    (tmp_path / "one.json").write_text("{")
    with pytest.raises(StoreError, match=r"one\.json: cannot be read"):
        Folder(tmp_path, {"children": 5, "config": {"seed": 0}}).result("one")
    assert json.loads((tmp_path / "study.json").read_text())["children"] == 5


def test_a_clock_ends_a_piece_and_a_signal_comes_first():
    over = Clock(0)
    assert not over.is_over and over() is not None and over.is_over
    stopped = Clock(0, lambda: 2)
    assert stopped() == 2 and not stopped.is_over
    assert Clock(None)() is None and Clock(1.0)() is None
