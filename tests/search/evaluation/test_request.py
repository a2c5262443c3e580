"""A training that is asked for: the settings of its task."""

import pytest

from search.evaluation.request import settings_of

SETTINGS = {"a": {"steps": 1}, "a:paper": {"steps": 2}, "a@0.5": {"steps": 3}}


@pytest.mark.parametrize(
    ("task", "steps"),
    [("a", 1), ("a@0.5", 3), ("a@10", 1), ("a:paper@10", 2), ("a:other", 1), ("b", None)],
)
def test_a_task_at_another_scale_has_the_settings_of_its_own_preset(task, steps):
    assert settings_of(task, SETTINGS).get("steps") == steps
