"""Which seeds are for what, so that no question is answered by seeds that an earlier one has used.

A seed decides a training's initial weights and batches. A fitness by which a program was chosen or
tuned is too good on the seeds of that choice (the winner's curse), so every purpose has a range of
its own and nothing takes a seed from outside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class TooManySeeds(ValueError):
    """More seeds are asked for than a purpose has."""


@dataclass(frozen=True)
class SeedRange:
    """The seeds of one purpose: `most` from `first` on, or as many again every `apart` seeds."""

    purpose: str
    first: int
    most: int  # seeds in a block
    why: str  # what these seeds must be independent of
    blocks: int = 1
    apart: int = 0  # from the start of one block to the start of the next

    def take(self, count: int, *, skip: int = 0, block: int = 0) -> range:
        """`count` seeds of a block, after the first `skip`. Raises TooManySeeds, in one line."""
        if block >= self.blocks:
            raise TooManySeeds(f"{self.purpose}: there are seeds for {self.blocks} of them only")
        if skip + count > self.most:
            raise TooManySeeds(
                f"{self.purpose}: {skip + count} seeds are more than the {self.most} there are "
                f"({self.first} to {self.first + self.most - 1})"
            )
        begin = self.first + block * self.apart + skip
        return range(begin, begin + count)


SEARCH = SeedRange("search", 0, 1_000, "a program's fitness in the search")
RESCORING = SeedRange(
    "re-scoring", 1_000, 1_000, "the leading programs' fitness, on seeds that did not choose them"
)
ABLATION = SeedRange("ablation", 2_000, 1_000, "the differences by which removals are accepted")
CONFIRMATION = SeedRange(
    "confirmation",
    3_000,
    1_000,
    "an ablation's result, on seeds on which no removal was accepted",
)
ABLATION_TUNING = SeedRange(
    "tuning for the ablation", 4_000, 1_000, "constants before and within an ablation"
)
SHRINKING = SeedRange(
    "evolution without insertion", 5_000, 1_000, "the fitness of a shorter proposal"
)
HEAD_START = SeedRange(
    "head start", 6_000, 1_000, "the baselines' constants before the funnel's first stage"
)
START_TUNING = SeedRange(
    "tuning of the warm start", 8_000, 1_000, "the warm start's constants before the search"
)
META_VALIDATION = SeedRange(
    "meta-validation", 7_000, 1_000, "the best program's fitness where the search cannot see it"
)
STUDIES = SeedRange(
    "studies", 9_000, 1_000, "what is compared over several searches, on seeds that none has used"
)
STAGE_TUNING = SeedRange(
    "tuning in a stage", 10_000, 5_000, "constants in each stage", blocks=89, apart=10_000
)
STAGE = SeedRange(
    "stage",
    15_000,
    5_000,
    "which programs are promoted, on seeds that tuned nothing",
    blocks=89,
    apart=10_000,
)
FINALS = SeedRange(
    "finals", 900_000, 50_000, "the final comparison, on seeds that chose no finalist"
)
VALIDATION = SeedRange(
    "validation", 950_000, 50_000, "the delivered program, on seeds that no stage has used"
)
COMPARISON_TUNING = SeedRange(
    "tuning in a comparison",
    1_000_000,
    500,
    "constants of each optimizer, in each tuning run",
    blocks=1_000,
    apart=1_000,
)
COMPARISON = SeedRange(
    "comparison",
    1_000_500,
    500,
    "tuned optimizers, on seeds that tuned nothing, in each tuning run",
    blocks=1_000,
    apart=1_000,
)
HEAT_MAP = SeedRange(
    "heat map", 2_000_000, 500, "fitness over two constants around those that a run has chosen"
)
STAGE_ABLATION = SeedRange(
    "ablation before a stage",
    2_100_000,
    1_000,
    "the differences by which candidates are made shorter, each time",
    blocks=89,
    apart=10_000,
)
STAGE_CONFIRMATION = SeedRange(
    "confirmation before a stage",
    2_101_000,
    1_000,
    "its result, on seeds on which no removal was accepted",
    blocks=89,
    apart=10_000,
)
STAGE_ABLATION_TUNING = SeedRange(
    "tuning for the ablation before a stage",
    2_102_000,
    1_000,
    "constants before and within it",
    blocks=89,
    apart=10_000,
)
FINALS_TUNING = SeedRange(
    "tuning in the finals",
    3_000_000,
    100_000,
    "constants in each of the finals' tunings",
    blocks=1_000,
    apart=100_000,
)

RANGES = (
    SEARCH, RESCORING, ABLATION, CONFIRMATION, ABLATION_TUNING, SHRINKING, HEAD_START, START_TUNING,
    META_VALIDATION, STUDIES, STAGE_TUNING, STAGE, FINALS, VALIDATION, COMPARISON_TUNING,
    COMPARISON, HEAT_MAP, STAGE_ABLATION, STAGE_CONFIRMATION, STAGE_ABLATION_TUNING, FINALS_TUNING,
)  # fmt: skip


class AblationSeeds(NamedTuple):
    """The seeds by which a program is made shorter: a block of each range."""

    removals: SeedRange
    confirmation: SeedRange
    tuning: SeedRange
    block: int = 0


FINAL_ABLATION = AblationSeeds(ABLATION, CONFIRMATION, ABLATION_TUNING)
BEFORE_STAGES = AblationSeeds(STAGE_ABLATION, STAGE_CONFIRMATION, STAGE_ABLATION_TUNING)
