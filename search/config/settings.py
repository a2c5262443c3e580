"""What can be configured: one frozen model per part of the search.

The defaults of evolution and mutation are the paper's values (Chen et al. 2023); what the paper
does not state, such as `window`, `fingerprint`, `rescore` and all that follows a search, has
defaults of this project. All differences from the paper's search stand in docs/design.md.

Units are in the names (`_s` seconds, `_gb` gigabytes) or in the line below a field. A search's
history is a function of all that `history_settings` gives: not of `workers` (but for a `batch`
above 1) and `store`, nor of what only looks at its results; `stop` only says how much of it there
is.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from programs.function_draws import MAX_WEIGHT
from programs.program import MAX_STATEMENTS, MAX_STATES
from search.config.machines import StoreSettings, WorkerSettings
from search.config.model import SettingsModel, StringList, as_tuple, constraint_error
from search.config.selection import (
    FINAL_TUNING,
    AblationSettings,
    FunnelSettings,
    MetaValidationSettings,
    TuningSettings,
    fill_final_tuning,
    fill_start_tuning,
)

Engine = Literal["auto", "interpreted", "compiled"]


Weight = Annotated[float, Field(gt=0, le=MAX_WEIGHT)]


def weights_of_names(value: Any) -> Any:
    """Names of functions as equal weights of each; what has weights already as it is."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)):
        return names
    if not names or not all(isinstance(name, str) for name in names):
        raise constraint_error("expected names of functions, or names with weights")
    return dict.fromkeys(names, 1.0)


class MutationSettings(SettingsModel):
    """How a child differs from its parent: three mutations (Chen et al. 2023, section 2.1), equally
    likely as in the authors' release; the paper does not say how likely each is."""

    insert: float = Field(default=1.0, ge=0, le=MAX_WEIGHT)
    """Relative weight of inserting a random statement."""
    delete: float = Field(default=1.0, ge=0, le=MAX_WEIGHT)
    """Relative weight of deleting a random statement."""
    modify: float = Field(default=1.0, ge=0, le=MAX_WEIGHT)
    """Relative weight of changing one argument of a random statement."""
    max_length: int | None = Field(default=None, ge=1, le=MAX_STATEMENTS)
    """Longest program allowed, in statements; none: as long as a program's text may be, 1,000."""
    max_redundant: int | None = Field(default=None, ge=0, le=MAX_STATEMENTS)
    """Redundant statements that a child may have; above it all of them go, and what it computes
    stays. None: any number, as in the paper, where they are stepping stones; but most mutations of
    a program that is mostly redundant change nothing that counts."""

    @model_validator(mode="after")
    def _some_weight(self) -> MutationSettings:
        if self.insert + self.delete + self.modify <= 0:
            raise constraint_error(
                "at least one of insert, delete, modify must be above 0",
                *("insert", "delete", "modify"),
            )
        if self.insert + self.modify <= 0:
            raise constraint_error(
                "with delete alone programs run out of statements: give insert or modify a weight "
                "above 0, too",
                *("delete", "insert", "modify"),
            )
        if self.max_length is not None and self.delete + self.modify <= 0:
            raise constraint_error(
                "with insert alone programs stop at max_length: give delete or modify a weight "
                "above 0, too",
                *("max_length", "insert", "delete", "modify"),
            )
        return self


class PriceSettings(SettingsModel):
    """What tournaments subtract from a program's fitness; the stored fitness stays as it is."""

    state: float = Field(default=0.0, ge=0)
    """Of each state that a later update depends on: its memory."""
    statement: float = Field(default=0.0, ge=0)
    """Of each statement that is not redundant."""


class NicheSettings(SettingsModel):
    """A population for each number of states that the program needs, each with its own hurdles."""

    shares: tuple[Annotated[float, Field(ge=0, le=MAX_WEIGHT)], ...] = (1.0, 1.0, 1.0)
    """Relative share of the children whose parent has no state, one, two, ...; the last stands for
    all that need more. A niche in which nothing has a fitness yet gets none; while that is so of
    all with a share above 0, the others get the children."""
    hurdle_members: int = Field(default=50, ge=1)
    """Members with a fitness that a niche must have before its hurdles end a training, and before
    `evaluation.race` refuses one of its children a seed."""

    @model_validator(mode="after")
    def _some_niches(self) -> NicheSettings:
        if len(self.shares) < 2 or not sum(self.shares) > 0:
            got = list(self.shares)
            message = f"expected at least two numbers, not all of them 0, got {got}"
            raise constraint_error(message, "shares")
        return self


class EvolutionSettings(SettingsModel):
    """Regularized evolution (Real et al. 2019) with the logical clock that makes it independent of
    the workers."""

    mode: Literal["evolution", "tune", "random"] = "evolution"
    """`tune` mutates constants only (the paper's hyperparameter baseline); `random` draws random
    programs."""
    warm_start: StringList = ("library:adamw",)
    """Program files or library names; the first population is made of copies of them in turn."""
    children: int = Field(default=300_000, ge=1)
    """Children per repeat and round."""
    population: int = Field(default=1_000, ge=1, le=1_000_000)
    """Members of a repeat's population; when a child joins it, the oldest leaves."""
    tournament: int = Field(default=2, ge=1)
    """Members drawn at random for each child; the best of them is its parent."""
    window: int = Field(default=256, ge=1)
    """Child i sees the population after exactly i - window + 1 committed results; 1: one after
    the other."""
    repeats: int = Field(default=5, ge=1)
    """Searches run side by side, independent of each other without `migration_interval`."""
    migration_interval: int | None = Field(default=None, ge=1)
    """Makes the repeats islands of one search: of so many children of a repeat one has its parent
    in the repeat before it (of the first one: in the last), and lives where it was born. None:
    repeats have nothing to do with each other, as in the paper."""
    rounds: int = Field(default=2, ge=1)
    """Rounds of `repeats` searches; every round after the first starts from the best program so
    far, with all its statements: redundant ones are stepping stones."""
    max_states: int | None = Field(default=None, ge=0, le=MAX_STATES)
    """States that each program of the search may use: a warm start with fewer gets further ones,
    which are 0 until a mutation assigns them; none: those that it has, and two in random
    programs."""
    flat_children: int | None = Field(default=None, ge=1)
    """End a repeat early when for this many children nothing was better than all before, as
    tournaments compare: by fitness minus `price`, in its niche. None: never."""
    random_length: tuple[int, int] = (4, 16)
    """Shortest and longest program that the mode `random` draws, in statements."""
    mutations: MutationSettings = MutationSettings()
    functions: Annotated[dict[str, Weight] | None, BeforeValidator(weights_of_names)] = None
    """The functions that mutations insert and random programs are made of: a list of names, or
    names with relative weights, such as `{add: 2, sign: 1}`; none: all of the language, all alike,
    as in the paper. Warm starts may use others, too."""
    tune_start: Annotated[TuningSettings, fill_start_tuning] | None = None
    """Tuning of the first round's warm starts on the search's tasks before they are scored; none:
    their constants as they are, as in the paper. With a badly tuned start nearly all that a search
    finds is a better step size. What it leaves out is as in `funnel.head_start`."""
    orientation: Literal["as_written", "reversed", "both"] = "as_written"
    """Of the averages of the first round's warm starts: `reversed` writes `interp(g, m, 0.9)` as
    `interp(m, g, 0.1)`, the same average, whose decay a factor can change without leaving the
    useful range; `both` starts with each program in both forms."""
    niches: NicheSettings | None = None
    """Populations by the number of needed states; none: one population, as in the paper."""
    price: PriceSettings = PriceSettings()

    @model_validator(mode="after")
    def _sizes(self) -> EvolutionSettings:
        if not 1 <= self.random_length[0] <= self.random_length[1] <= MAX_STATEMENTS:
            got = list(self.random_length)
            message = f"expected two rising numbers from 1 to {MAX_STATEMENTS:,}, got {got}"
            raise constraint_error(message, "random_length")
        if self.starts > self.population:
            message = f"{self.starts} warm starts do not fit into a population of {self.population}"
            raise constraint_error(message, "warm_start", "population")
        if self.tournament > self.population:
            message = f"tournament {self.tournament} is larger than population {self.population}"
            raise constraint_error(message, "tournament", "population")
        if self.migration_interval is not None and self.repeats == 1:
            message = "migration needs at least two repeats, got 1"
            raise constraint_error(message, "migration_interval", "repeats")
        return self

    @property
    def starts(self) -> int:
        """Warm starts of each repeat in the first round."""
        return len(self.warm_start) * (2 if self.orientation == "both" else 1)


class HurdleSettings(SettingsModel):
    """Ending trainings that are clearly behind, by thresholds taken from committed results only."""

    at: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    """Shares of a training's steps at which it is checked; empty: no hurdles, as in the paper."""
    quantile: float = Field(default=0.25, ge=0, le=1)
    """The reference is this quantile of the population's scores at the same step, as the child sees
    the population."""
    slack: float = Field(default=0.25, ge=0)
    """How far behind the reference a training may be, as a share of what the population's median
    still gained from that step to the end."""
    audit_share: float = Field(default=0.02, ge=0, le=1)
    """This share of the rejected programs (chosen by hash) is trained to the end, for the statistic
    only."""


class EvaluationSettings(SettingsModel):
    """How a program gets its fitness: the weighted mean over tasks and seeds."""

    tasks: StringList
    """Proxy tasks by name, such as `vision_mlp` or `language_mlp`."""
    settings: dict[str, dict[str, int | float | bool | str]] = Field(default={})
    """Settings of tasks by the task's name, on top of its preset, such as `{vision_mlp: {steps:
    200}}`."""
    weights: tuple[Weight, ...] | None = None
    """One weight for each task; none: all equal."""
    seeds: int = Field(default=1, ge=1)
    """Trainings per program and task, with seeds 0, 1, ..."""
    rates: tuple[Annotated[float, Field(gt=0, le=1024)], ...] = (1.0,)
    """A child is tried with its update times each of these, in this order; the best counts and is
    written into the program. Powers of two are exact. `[1.0]`: only as it is, as in the paper."""
    rates_when: Literal["failed", "always", "changed"] = "failed"
    """When the next rate is tried: after one that `failed`, or `always`, on the first seed; the
    other seeds are for the best rate then. `changed`: always, but a child that has its parent's
    statements with other constants has the parent's rate, too."""
    match_size: bool = False
    """A child with other statements than its parent is tried at `rates` times the power of two that
    makes its updates about as large as its parent's, as measured by a few steps on fixed inputs.
    Else a good structure is lost where it happens to be drawn with a step of another size."""
    race: Annotated[float, Field(ge=0, le=1)] | None = None
    """Seeds by racing: a child gets its next seed only if its mean over those so far is at least
    this quantile of its niche's, once `niches.hurdle_members` of it (without niches: one) had as
    many seeds. What the seeds that it lacks would have changed is taken from the
    warm start. None: each gets all."""
    engine: Engine = "auto"
    """`interpreted` compiles a task once for all programs; `compiled` compiles each program."""
    fingerprint: bool = True
    """Do not train a program that a few steps on random inputs show to give NaN, to ignore the
    gradient or never to move."""
    hurdles: HurdleSettings = HurdleSettings()

    @model_validator(mode="after")
    def _one_weight_each(self) -> EvaluationSettings:
        if len(set(self.tasks)) < len(self.tasks):
            raise constraint_error(
                f"expected different tasks, got {', '.join(self.tasks)}", "tasks"
            )
        if self.weights is not None and len(self.weights) != len(self.tasks):
            wanted, got = len(self.tasks), len(self.weights)
            raise constraint_error(
                f"expected one number for each task, so {wanted}, got {got}", "weights", "tasks"
            )
        if self.rates[:1] != (1.0,) or len(set(self.rates)) < len(self.rates):
            got_rates = list(self.rates)
            message = f"expected different numbers, the first of them 1, got {got_rates}"
            raise constraint_error(message, "rates")
        return self


class CacheSettings(SettingsModel):
    """Programs that compute the same need one training."""

    key: Literal["functional", "canonical"] = "functional"
    """`functional` is the paper's hash; `canonical` also merges programs that are equal by
    algebra, or by a state that stays zero."""
    runs: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = ()
    """Directories of earlier runs whose evaluations are imported; tasks, seeds, rates and hurdles
    must be the same, and seeds not be raced for (`evaluation.race`)."""


class RescoreSettings(SettingsModel):
    """The best of many noisy scores is biased: the leading programs are scored again on fresh seeds
    after each round."""

    programs: int = Field(default=10, ge=0)
    """How many leading programs; 0: none."""
    seeds: int = Field(default=5, ge=2)
    """Fresh seeds for each of them and for the warm start (1000, 1001, ...)."""


class StopSettings(SettingsModel):
    """Budgets that end a search early; the first that is reached counts. The results so far are
    concluded as at the usual end: re-scoring, summary, funnel, final program. A resume may give
    others."""

    hours: float | None = Field(default=None, ge=0)
    """Wall-clock time of the search over all its processes: tuning of the warm starts (which is not
    cut short), children, re-scoring between rounds; not what follows it. 0: conclude with the
    results so far. None: no limit."""
    trainings: int | None = Field(default=None, ge=1)
    """Trainings of the search, each of one program on one task with one seed, those of the warm
    starts included; tuning, re-scoring and the funnel are not counted. None: no limit."""
    fitness: float | None = None
    """Fitness in the search that is good enough; none: no limit."""


class ReportSettings(SettingsModel):
    """Where a search can be watched, beside the terminal. Nothing here changes its history."""

    tensorboard: bool = False
    """Whether event files for TensorBoard are written into RUN/tensorboard, a point every 10 s;
    needs the package tensorboardX."""


class Config(SettingsModel):
    """Everything a search needs to know."""

    seed: int = Field(default=0, ge=0)
    """What all random choices of a search follow from."""
    evolution: EvolutionSettings = EvolutionSettings()
    evaluation: EvaluationSettings
    cache: CacheSettings = CacheSettings()
    rescore: RescoreSettings = RescoreSettings()
    workers: WorkerSettings = WorkerSettings()
    store: StoreSettings = StoreSettings()
    stop: StopSettings = StopSettings()
    reports: ReportSettings = ReportSettings()
    meta_validation: MetaValidationSettings = MetaValidationSettings()
    funnel: FunnelSettings | None = FunnelSettings()
    """What the search's best must pass; none: the search ends with its summary."""
    tuning: Annotated[TuningSettings, fill_final_tuning] = FINAL_TUNING
    """How the final program's constants are tuned before ablation; a statement's effect can only be
    measured in a program that trains well."""
    ablation: AblationSettings = AblationSettings()
    """How the final program is made shorter, after the funnel."""

    def history_settings(self) -> dict[str, Any]:
        """The settings that a search's history depends on, as plain data."""
        looking = {"workers", "store", "stop", "reports"}
        others = {"meta_validation", "funnel", "tuning", "ablation"}
        settings = self.model_dump(mode="json", exclude=looking | others)
        if self.workers.batch not in ("auto", 1):
            settings["workers"] = {"batch": self.workers.batch}
        return settings
