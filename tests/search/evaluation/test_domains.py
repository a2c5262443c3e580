"""Tasks of all domains, with programs: both engines, and side by side."""

import numpy as np
import pytest

from programs import load
from proxy_tasks import TASKS
from search.evaluation.evaluator import Evaluator
from search.evaluation.fitness import Outcome
from search.evaluation.jobs import Job, Purpose
from search.evaluation.request import Request
from search.evaluation.together import Together

TINY = {  # settings that make a training of a few operations
    "vision_resnet": {"width": 2, "image_size": 4, "shifts": 0},
    "vision_mixer": {"layers": 1, "width": 3, "tokens": 2, "shifts": 0},
    "contrastive": {"layers": 1, "width": 3, "heads": 1, "copies": 1},
    "diffusion": {"width": 2, "image_size": 4, "validation_examples": 32},
    "masked_language": {"layers": 1, "width": 4, "heads": 1, "context": 8},
    "fine_tuning": {"layers": 1, "width": 4, "heads": 1, "context": 8, "pretraining_steps": 2},
    "click_through": {"examples": 500, "hidden": 4, "embedding": 2},
}
QUICK = ("click_through",)  # of the others each takes half a minute to compile
STEPS = {"steps": 4, "batch_size": 8}
NAMES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in TINY]


def test_every_domain_has_tiny_settings():
    older = {"vision_mlp", "vision_vit", "language_mlp", "language_transformer"}
    built_in = {name for name, spec in TASKS.items() if not spec.defined_in}  # by other tests
    assert {*TINY} | older >= built_in


@pytest.mark.parametrize("name", NAMES)
def test_a_program_trains_alike_in_both_engines_and_side_by_side(name):
    settings = {name: {**TINY[name], **STEPS}}
    interpreted = Evaluator([name], "interpreted", settings=settings)
    (one,) = interpreted.evaluate("library:lion")
    (other,) = Evaluator([name], "compiled", settings=settings).evaluate("library:lion")
    assert one.outcome is other.outcome is Outcome.COMPLETED and one.steps == 4
    assert one.fitness == pytest.approx(other.fitness, rel=1e-4)
    job = Job(0, Purpose.SEARCH, (Request(load("library:lion"), name, 0),))
    (result,) = Together(interpreted, 2).together([job])
    assert [e.fitness for e in result.evaluations] == pytest.approx([one.fitness], rel=1e-4)
    assert np.isfinite(one.fitness)
