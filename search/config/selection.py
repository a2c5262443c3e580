"""Settings of what follows a search: funnel, tuning, ablation, meta-validation.

Units and meanings stand below each field. Nothing here changes a search's history.
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from programs.counted import counted
from search.config.model import SettingsModel, StringList, constraint_error

FINALS_STAGE = "finals"  # the name of the comparison after the last stage
MAX_SCALE = 10_000.0  # the largest that the proxy tasks grow to

Level = Annotated[float, Field(gt=0, lt=0.5)]
"""One-sided significance level: the chance of a wrong decision."""


class TuningSettings(SettingsModel):
    """How many constants are tried for a program; the same for baselines and candidates."""

    draws: int = Field(default=16, ge=1, le=1_000_000)
    """Constants tried with one seed each, the program's own among them; 1: no tuning."""
    broad: float = Field(default=0.0, ge=0, lt=1)
    """This share of the draws comes first and covers wide ranges evenly, all constants at once:
    averaging times of `interp` from 1 to 1,000 steps, every other constant from a 64th of the
    program's to 64 times as much. For programs whose constants are far from the best."""
    rounds: int = Field(default=2, ge=1, le=1_000)
    """The other draws are made in so many rounds, around one of the best so far: round 1 with the
    spread, round 2 with the spread or half of it, round 3 with a quarter as well, and so on."""
    keep: int = Field(default=4, ge=1)
    """The best draws: new ones are made around them, and in the end they get more seeds."""
    seeds: int = Field(default=3, ge=1)
    """Seeds of each of these, the first one included; the best mean wins."""
    spread: float = Field(default=2.0, gt=0, le=20)
    """Standard deviation of a constant's change, in powers of two."""


def tuning_defaults(**values: float) -> tuple[TuningSettings, BeforeValidator]:
    """A default of tuning settings, and what lets a config give single keys of it."""
    default = TuningSettings.model_validate(values)
    full = default.model_dump()
    return default, BeforeValidator(lambda v: {**full, **v} if isinstance(v, dict) else v)


FINAL_TUNING, fill_final_tuning = tuning_defaults(draws=192, rounds=6, keep=8, seeds=3)
_WIDE = {"draws": 256, "broad": 0.5, "rounds": 8, "keep": 8, "seeds": 6, "spread": 1.0}
HEAD_START, fill_head_start = tuning_defaults(**_WIDE)
START_TUNING, fill_start_tuning = tuning_defaults(**_WIDE)
RETUNING, fill_retuning = tuning_defaults(draws=48, rounds=3, keep=4, seeds=3, spread=0.5)


Looks = Annotated[int, Field(ge=1, le=8)]


EXACT_SEEDS = 14  # up to this many pairs a comparison tries all 2^n sign flips, above it FLIPS
FLIPS = 20_000  # random ones, so that no p is below 1 / (FLIPS + 1), however many pairs there are


def in_looks(looks: int) -> str:
    """A part of a sentence; nothing for one."""
    return f" in {looks} looks" if looks > 1 else ""


def fewest_seeds(level: float, candidates: int = 1) -> int | None:
    """Seeds below which not even the best of `candidates` could pass Holm at `level`; None: no
    number of seeds is enough."""
    if level * (FLIPS + 1) < candidates:
        return None
    return max(2, math.ceil(math.log2(candidates / level) - 1e-9))


def nothing_shown(pairs: int, unit: str, *, level: float, looks: int, candidates: int = 1) -> str:
    """Why not even the best of `candidates` could pass with so many pairs; nothing if it could."""
    where = f"at level {level:g}{in_looks(looks)}"
    least = fewest_seeds(level / looks, candidates)
    if least is None:
        several = f" for {counted(candidates, 'finalist')}" if candidates > 1 else ""
        return (
            f"nothing can be shown {where}{several}, as no p is below 1 / {FLIPS + 1:,} before it "
            f"is adjusted; expected a level of at least {candidates * looks / FLIPS:g}"
        )
    if pairs >= least:
        return ""
    number = counted(pairs, unit.removesuffix("s"))
    return f"with {number} nothing can be shown {where}; expected at least {least}"


class StageSettings(SettingsModel):
    """One stage of the funnel: its candidates are tuned, scored on fresh seeds and compared."""

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9_-]+$")
    """What tables call it, and `--set funnel.stages.NAME.keep=2`."""
    scale: float = Field(default=1.0, gt=0, le=MAX_SCALE)
    """Compute of the tasks, as a multiple of the search's (Chen et al. 2023: B 10, C 100)."""
    tasks: StringList | None = None
    """Other tasks than the search's."""
    seeds: int = Field(default=6, ge=2)
    """Fresh seeds of each program, for each task, on the meta-validation split."""
    looks: Looks = 1
    """How often it is judged: programs that have not passed and may still do so get as many seeds
    again, up to so many times. The level holds for all looks together."""
    keep: int = Field(default=5, ge=1)
    """At most so many are promoted, the best first."""
    beat: bool = True
    """Only programs that beat every baseline by the interval, and are clearly worse on no task, are
    promoted."""
    level: Level = 0.05
    """Chance that a program that is no better than the baselines is promoted."""
    tuning: TuningSettings = TuningSettings()
    shorten: bool = False
    """Whether the candidates are made shorter before they are tuned for it, as the final program is
    (`tuning` and `ablation` of the config): what gains in short trainings alone, such as a flatter
    schedule, would count against them in longer ones. Not with `finals.tunings` above 1: a
    shortened program has constants that the funnel has tuned, and all repetitions would begin with
    that luck."""

    @model_validator(mode="after")
    def _possible(self) -> StageSettings:
        if self.name == FINALS_STAGE:
            raise constraint_error(
                f"{FINALS_STAGE!r} is the name of the comparison after the last stage; "
                "expected another name",
                "name",
            )
        why = nothing_shown(self.most_seeds, "seeds", level=self.level, looks=self.looks)
        if self.beat and why:
            raise constraint_error(why, "seeds", "level", "beat", "looks")
        return self

    @property
    def most_seeds(self) -> int:
        """Of all looks."""
        return self.seeds * self.looks


class FinalsSettings(SettingsModel):
    """The final comparison: finalists on seeds that chose nothing, on the last stage's tasks."""

    tunings: int = Field(default=8, ge=1)
    """So often all tunings of the funnel, its head start included, are repeated for each finalist
    and each baseline, with other draws and seeds. Compared are these repetitions, each by its mean
    over seeds of its own: the luck of one tuning is as large as what is looked for, and no number
    of seeds tells it. 1: nothing is tuned again, and seeds are compared."""
    seeds: int = Field(default=4, ge=1)
    """Fresh seeds of each tuning."""
    level: Level = 0.05
    """Chance that any finalist is confirmed if none of them is better than the baselines (Holm)."""
    looks: Looks = 1
    """As of a stage."""

    @property
    def unit(self) -> str:
        """What is compared in pairs."""
        return "tunings" if self.tunings > 1 else "seeds"

    @property
    def most_pairs(self) -> int:
        """Values of each program that are compared, in all looks."""
        return self.looks * (self.tunings if self.tunings > 1 else self.seeds)

    @property
    def most_seeds(self) -> int:
        """Of all tunings and looks."""
        return self.looks * self.tunings * self.seeds


class FunnelSettings(SettingsModel):
    """From the leading programs of a search to those that can be trusted."""

    baselines: StringList = ("library:adamw",)
    """Programs to beat, each of them; tuned with the candidates' budget in each stage."""
    head_start: Annotated[TuningSettings, fill_head_start] = HEAD_START
    """Extra tuning of the baselines alone, on the search's tasks, before the first stage. A
    candidate's constants were already optimized by the whole search; this gives the baselines the
    same advantage."""
    memory_margin: float | None = Field(default=None, gt=0)
    """A program that needs fewer states than a baseline passes if it is worse by less than this:
    what half of the optimizer's memory may cost, in units of fitness, to be stated before the
    search. Candidates then compete with those of as many states alone: `families` and a stage's
    `keep` count for each number of states, and each has a final program of its own. None: whatever
    a program needs, it must be better."""
    least_gain: float = Field(default=0.0, ge=0)
    """The smallest difference that matters, in units of fitness, to be stated before the search: a
    program is better than a baseline only if it is so by more. With enough seeds differences far
    below any use are significant."""
    weigh_by_noise: bool = False
    """With several tasks: in each stage's comparison, and in the finals, a task's weight is divided
    by the deviation over seeds of the first baseline's fitness there, so that none decides by the
    size of its loss alone (where there is such a deviation on each task; constants are tuned by the
    weights as they are). The margin is then one of that weighted mean (the weights have mean 1)."""
    families: int = Field(default=20, ge=1)
    """Candidates taken from the search: the best of so many different families."""
    pool: int = Field(default=20_000, ge=1)
    """The search's best programs among which families are looked for, from the best down until
    there are enough: thousands of them may be one family."""
    stages: tuple[StageSettings, ...] = Field(
        default=(
            StageSettings(name="A", scale=1, keep=10, beat=False, tuning=TuningSettings(draws=1)),
            StageSettings(name="B", scale=10, keep=5),
            StageSettings(name="C", scale=100, keep=3),
        ),
        min_length=1,
    )
    finals: FinalsSettings = FinalsSettings()
    timeout_s: float = Field(default=7_200.0, ge=0.1)
    """Wall-clock limit of one training."""

    @model_validator(mode="after")
    def _possible(self) -> FunnelSettings:
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise constraint_error(
                f"expected different names of stages, got {', '.join(names)}", "stages"
            )
        finals = self.finals
        finalists = min(s.keep for s in self.stages)
        if self.memory_margin is not None:  # `keep` is then for each number of states: 0, 1 and 2
            finalists *= 3
        why = nothing_shown(
            finals.most_pairs,
            finals.unit,
            level=finals.level,
            looks=finals.looks,
            candidates=finalists,
        )
        if why:
            keys = f"finals.{finals.unit}", "finals.level", "finals.looks", "stages"
            raise constraint_error(f"finals: {why}", *keys)
        if finals.tunings > 1 and any(stage.shorten for stage in self.stages):
            raise constraint_error(
                "a stage that shortens goes on with constants that this funnel has tuned, whose "
                "luck no repetition tells: expected finals.tunings: 1, got "
                f"{finals.tunings}, or no shorten",
                "stages",
                "finals.tunings",
            )
        return self


class AblationSettings(SettingsModel):
    """What counts as no measurable difference."""

    scale: float = Field(default=1.0, gt=0, le=MAX_SCALE)
    """Compute of a training relative to the tasks as they are: what gains a little in a short
    training, such as a flatter schedule, may be a loss in a longer one."""
    seeds: int = Field(default=12, ge=2)
    """Seeds on which a removal is compared with the start, for each task."""
    confirm_seeds: int = Field(default=24, ge=2)
    """Fresh seeds on which the result is compared with the start."""
    scout_seeds: int = Field(default=2, ge=1)
    """The first of these seeds, after which a hopeless removal is given up."""
    tolerance: float | None = Field(default=None, gt=0)
    """Loss of fitness that is accepted, the same on each task; none: `tolerance_sd` decides."""
    tolerance_sd: float = Field(default=0.5, gt=0)
    """The same in units of the standard deviation of the starting program's fitness over seeds."""
    tolerance_most: float | None = Field(default=None, gt=0)
    """Loss that is accepted at most, whatever the deviation. Of a program that the funnel confirmed
    never more than half of what it was shown to be above the margin: the gain is to be kept."""
    level: Level = 0.05
    """Chance of accepting one removal that costs more than the tolerance."""
    retuning: Annotated[TuningSettings, fill_retuning] = RETUNING
    """Tuning of a slightly worse removal before it is rejected: the constants were chosen for a
    program that still had what is removed. 1 draw: none."""


class ShrinkSettings(SettingsModel):
    """Evolution without insertion, the paper's way to a shorter program."""

    price: float = Field(default=0.002, gt=0)
    """Fitness that a statement must be worth."""
    children: int = Field(default=300, ge=1)
    population: int = Field(default=20, ge=2)
    seeds: int = Field(default=2, ge=1)
    """Trainings of a child on each task."""


class MetaValidationSettings(SettingsModel):
    """Scoring the best program so far on a larger task during the search, to see overfitting."""

    every: int = Field(default=0, ge=0)
    """Children of a repeat between two points of the curve; 0: no meta-validation."""
    scale: float = Field(default=10.0, gt=0, le=MAX_SCALE)
    """Compute of the tasks, as a multiple of the search's."""
    seeds: int = Field(default=8, ge=2)
    """Trainings per point and task, with the same seeds for all points. Of ten points, 8 seeds show
    a fall by 2 standard deviations (of a seed's difference) 4 times in 5; 3 seeds almost never."""
    level: Level = 0.05
    """Chance of an onset where there is none."""
