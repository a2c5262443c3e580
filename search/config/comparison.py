"""Settings of a comparison of optimizers (`python -m search.compare`): one frozen model.

Units and meanings stand below each field. A condition is a task with a batch size, a schedule and a
warm-up; every optimizer is tuned for every condition with the same budget.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from proxy_tasks.settings import Shape
from search.config.machines import WorkerSettings
from search.config.model import SettingsModel, StringList, as_tuple, constraint_error

FEWEST_RUNS = 3  # one tuning run decides nothing, and two give no useful interval

StateType = Literal["float32", "bfloat16"]
Ends = Annotated[
    tuple[float, float], BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v)
]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


def _rule_alone(value: Any) -> Any:
    """An optimizer from one text."""
    return {"rule": value} if isinstance(value, str) else value


class OptimizerSettings(SettingsModel):
    """One optimizer: what it is, and between which ends its constants are tuned."""

    rule: str = Field(min_length=1)
    """`optax:adamw` (a row of the table), `library:lion`, or the file of a program, such as
    runs/discover/final.py."""
    name: str | None = Field(default=None, min_length=1, max_length=60)
    """What tables call it; none: the rule's."""
    space: dict[str, Ends | float | str] = Field(default_factory=dict)
    """By constant: the two ends of its range, one value that it keeps, or the name of another
    constant whose value it takes. What is not given has the ends of docs/compare.md."""
    state_dtype: StateType = "float32"
    """How its state is kept between two steps; each step computes in float32."""


class TuningRunSettings(SettingsModel):
    """How each optimizer is tuned for each condition; the same for all."""

    runs: int = Field(default=5, ge=FEWEST_RUNS, le=1_000)
    """Independent tuning runs (replicates): draws and seeds of their own."""
    draws: Count = 24
    """Values of the constants that a run tries (its trials), with one seed each: a scrambled Sobol
    sequence over the logarithms of the ranges."""
    keep: Count = 3
    """The best of them that get more seeds."""
    seeds: int = Field(default=3, ge=1, le=500)
    """Seeds of each of these, the first one included; the best mean on validation wins."""


class FinalSettings(SettingsModel):
    """How what a run has chosen is judged: on the test split, with fresh seeds."""

    seeds: int = Field(default=8, ge=1, le=500)
    """Seeds for each tuning run; another run has others."""


class NoiseSettings(SettingsModel):
    """Flatness: how much the training loss rises when noise is added to the final weights."""

    sizes: tuple[Annotated[float, Field(gt=0, le=100)], ...] = (0.01, 0.03, 0.1)
    """Standard deviations of the noise on each weight."""
    draws: int = Field(default=8, ge=1, le=1_000)
    """Noises of each size, over which the loss is averaged."""


class HeatMapSettings(SettingsModel):
    """Fitness over a grid of two constants; the others have the values of the first tuning run."""

    constants: tuple[str, str] = ("rate", "decay")
    """Across and up; optimizers that do not tune both are left out."""
    points: tuple[Annotated[int, Field(ge=2, le=50)], Annotated[int, Field(ge=2, le=50)]] = (7, 6)
    """Points of each, evenly over the logarithm of its range, both ends included."""
    seeds: int = Field(default=2, ge=1, le=500)
    """Seeds of each point, on the validation split."""


class SpeedSettings(SettingsModel):
    """Seconds per step: all optimizers of a condition in turn, in one worker, compiled."""

    steps: int = Field(default=100, ge=1, le=100_000)
    """Steps of one measurement."""
    repeats: int = Field(default=7, ge=1, le=1_000)
    """Measurements of each optimizer; the median counts."""


OptimizerList = Annotated[
    tuple[Annotated[OptimizerSettings, BeforeValidator(_rule_alone)], ...],
    Field(min_length=2),
    BeforeValidator(as_tuple),
]
BatchSizes = Annotated[tuple[Count, ...], Field(min_length=1)]
Shapes = Annotated[tuple[Shape, ...], Field(min_length=1), BeforeValidator(as_tuple)]
WarmUps = Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1)]
Curve = tuple[Annotated[float, Field(gt=0, lt=1)], ...]


class ComparisonConfig(SettingsModel):
    """Everything a comparison needs to know."""

    title: str = "Optimizers compared"
    """Heading of the page."""
    seed: int = Field(default=0, ge=0)
    """Of the draws of constants."""
    optimizers: OptimizerList
    baseline: str | None = None
    """Name of the optimizer that all others are compared with; none: the first."""
    tasks: StringList
    """Names as `python -m proxy_tasks` lists them, with presets and scales."""
    settings: dict[str, dict[str, int | float | bool | str]] = Field(default_factory=dict)
    """Settings by task, on top of what the names say."""
    batch_sizes: BatchSizes | None = None
    """Each task with each of them; none: the task's own."""
    hold: Literal["steps", "examples"] = "steps"
    """What stays when the batch size changes: the number of steps, or of examples seen."""
    schedules: Shapes | None = None
    """How the schedule value falls after its warm-up: `cosine` and `linear` to a hundredth,
    `constant` not at all; `square_root`, `cube_root`: that root of the cosine, warm-up included, as
    rules have it that searches found; none: the task's own."""
    warmups: WarmUps | None = None
    """Shares of the steps over which the schedule value rises; none: the task's own."""
    tuning: TuningRunSettings = TuningRunSettings()
    test: FinalSettings = FinalSettings()
    level: float = Field(default=0.05, gt=0, lt=0.5)
    """Chance that any optimizer that is as good as the baseline is called different."""
    curve: Curve = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
    """Shares of the steps at which the final trainings are validated, for the steps to the
    baseline's result."""
    noise: NoiseSettings | None = None
    heat_map: HeatMapSettings | None = None
    speed: SpeedSettings | None = None
    workers: WorkerSettings = WorkerSettings()

    @model_validator(mode="after")
    def _possible(self) -> ComparisonConfig:
        if self.tuning.keep > self.tuning.draws:
            message = f"keep ({self.tuning.keep}) is more than tuning.draws ({self.tuning.draws})"
            raise constraint_error(message, "tuning.keep", "tuning.draws")
        sizes = [f"{size:g}" for size in self.noise.sizes] if self.noise else []
        lists = {
            "tasks": self.tasks,
            "batch_sizes": self.batch_sizes or (),
            "schedules": self.schedules or (),
            "warmups": self.warmups or (),
            "noise.sizes": sizes,
        }
        for key, values in lists.items():
            if twice := [value for i, value in enumerate(values) if value in values[:i]]:
                raise constraint_error(f"{twice[0]} is given twice", key)
        return self
