"""A task: its cost and fingerprint."""

import math

import numpy as np
import pytest

from proxy_tasks import Task, TaskError, make_task, split_examples
from proxy_tasks.task import TAKEN
from tests.proxy_tasks.tasks import EMBEDDED, SLOW_TO_COMPILE


@pytest.mark.parametrize(
    ("name", "scale"),
    [(name, scale) for name in EMBEDDED if name not in SLOW_TO_COMPILE for scale in (10, 100)]
    + [(name, 100) for name in sorted(SLOW_TO_COMPILE)]
    + [pytest.param(name, 10, marks=pytest.mark.slow) for name in sorted(SLOW_TO_COMPILE)],
)
def test_scale_multiplies_the_operations(name, scale):
    small, large = make_task(name), make_task(f"{name}@{scale}")
    assert large.flops / small.flops == pytest.approx(scale, rel=0.1)
    # Model and steps both grow, about alike.
    assert large.steps / small.steps == pytest.approx(scale**0.5, rel=0.2)
    assert large.parameters > 1.5 * small.parameters


def test_operations_are_six_per_weight_and_example():
    task = make_task("vision_mlp")
    estimate = 6 * 32 * (64 + 10) * task.batch_size * task.steps
    assert task.flops == pytest.approx(
        estimate, rel=0.35
    )  # the first layer needs no input gradient


@pytest.mark.parametrize("name", TAKEN)
def test_a_report_has_no_name_that_stands_beside_it(name):
    data = split_examples(np.zeros(20))
    with pytest.raises(TaskError, match=f"reports: '{name}' .*expected another name"):
        Task(lambda key: 0.0, lambda params, batch: 0.0, data, 1, 1, reports={name: lambda *_: 0.0})


def test_fingerprint_changes_with_whatever_decides_a_fitness():
    def of(**settings):
        return make_task("vision_mlp", **settings).fingerprint

    same = of()
    assert same == of()
    changes = [{"steps": 501}, {"fitness": "accuracy"}, {"hidden": 31}, {"fraction": 0.5}]
    different = {of(**change) for change in changes}
    assert same not in different
    assert len(different) == len(changes)
    assert (
        make_task("vision_mlp", fraction=0.5).data.fingerprint
        != make_task("vision_mlp").data.fingerprint
    )


def test_fingerprints_are_those_of_earlier_versions():
    """Of tasks whose data are the same on every machine; a run of before can go on."""
    assert {
        name: make_task(name).fingerprint
        for name in ("vision_mlp", "vision_mlp:long", "vision_mlp@10", "vision_vit")
    } == {
        "vision_mlp": "51984cbfc70bac418e23fe939737d9c1",
        "vision_mlp:long": "5f239df5bdb79f497ed6485c00298065",
        "vision_mlp@10": "53e396c57f80e8d56a5b9e9c41034d42",
        "vision_vit": "8acc319951816d82cd2a38e2d3407adc",
    }


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": 0}, "steps: expected a whole number of at least 1, got 0"),
        ({"batch_size": 2.5}, "batch_size: expected a whole number of at least 1, got 2.5"),
        ({"validation_batch": 0}, "validation_batch: expected a whole number of at least 1, got 0"),
        ({"warmup": "x"}, "warmup: expected a number of at least 0, got 'x'"),
        ({"warmup": math.nan}, "warmup: expected a number of at least 0, got nan"),
        ({"reports": {"a": 3}}, "reports: a: expected a function, got 3"),
    ],
)
def test_a_field_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(TaskError, match=f"^{message}$"):
        Task(
            lambda _: {},
            lambda *_: 0,
            split_examples(np.zeros(10)),
            **{"steps": np.int64(1), "batch_size": 1, **wrong},
        )
