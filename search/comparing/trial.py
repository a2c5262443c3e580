"""One training of a comparison, as it is asked of a worker and as it comes back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum

from search.comparing.conditions import Condition
from search.comparing.contender import Contender
from search.config.comparison import NoiseSettings, SpeedSettings
from search.evaluation.fitness import Evaluation
from search.evaluation.request import META, SEARCH

VERSION = 1  # of what a training measures; goes up when the same question has another answer


class Kind(StrEnum):
    """What a training is for."""

    DRAW = "draw"  # its fitness on validation, to tune
    FINAL = "final"  # everything, on the test split too
    SPEED = "speed"  # no training: seconds per step


@dataclass(frozen=True, slots=True)
class Trial:
    """One training that is asked for: contender, condition and seed."""

    contender: Contender
    condition: Condition
    seed: int
    kind: Kind = Kind.DRAW
    curve: tuple[float, ...] = ()
    """Shares of the steps at which a final training is validated; those for tuning and speed have
    them, too, so that one optimizer is kept once, compiled, for all of them."""
    noise: NoiseSettings | None = None  # of a final training
    speed: SpeedSettings | None = None
    together: str = ""  # of speed: all that are measured in turn with it
    rate: float = 1.0  # as of every job's request: nothing is tried again at another rate

    @property
    def split(self) -> str:
        """The split that its fitness is of."""
        return META if self.kind is Kind.FINAL else SEARCH

    def key(self, fingerprint: str) -> str:
        """By what its record is found: all that its result depends on (32 hex digits).

        fingerprint: of the condition's task and its data.
        """
        # The steps then follow from the task's own batch size, which the fingerprint does not have.
        own = self.condition.examples and self.condition.settings
        facts = [
            VERSION, self.kind, fingerprint, self.condition.label, own,
            self.contender.identity, self.seed, self.curve if self.kind is Kind.FINAL else (),
            self.together, self.noise and self.noise.model_dump(),
            self.speed and self.speed.model_dump(),
        ]  # fmt: skip
        text = json.dumps(facts)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Measured(Evaluation):
    """An evaluation and what was measured with it.

    curve: (steps done, fitness) on the way, on the validation split's first batch.
    measures: by name, see proxy_tasks/observation.py; and `state_bytes`, `parameters`, `steps`.
    """

    curve: tuple[tuple[int, float], ...] = ()
    measures: dict[str, float] = field(default_factory=dict)
