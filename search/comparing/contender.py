"""An optimizer with values of its constants, as a worker is asked to train it.

Two kinds, trained alike: a row of optax's table, and a program. Both are pure data, without JAX.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from programs import Program, user_functions
from programs.hyperparameters import hyperparameters
from search.comparing.optax_table import OPTAX
from search.config.comparison import StateType

Values = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Contender:
    """What is trained.

    rule: a row of the table by name, or a program whose statements all count.
    values: of all constants of a row; of those of a program that differ from its text.
    """

    rule: str | Program
    values: Values = ()
    state_dtype: StateType = "float32"

    def with_values(self, values: Mapping[str, float]) -> Contender:
        """The same with other constants."""
        return replace(self, values=tuple(sorted(values.items())))

    @property
    def program(self) -> Program | None:
        """The program with its constants; none: it is optax's."""
        if isinstance(self.rule, str):
            return None
        values = dict(self.values)
        return self.rule.with_constants(
            [values.get(h.name, h.value) for h in hyperparameters(self.rule)]
        )

    @property
    def identity(self) -> str:
        """Equal for what trains alike."""
        if isinstance(self.rule, str):
            return repr((self.rule, self.values, self.state_dtype))
        return repr((f"{self.program}{user_functions.fingerprint()}", (), self.state_dtype))

    @property
    def shape(self) -> Contender:
        """The same for all values: one compilation serves them."""
        values = tuple((name, 0.0) for name, _ in self.values)
        return replace(self, values=values)

    def optimizer(self, constants: Mapping[str, Any], schedule: Callable[[Any], Any]) -> Any:
        """As an optax transformation, with other constants, on a schedule whose peak is 1.

        A program ignores the schedule: the training gives it the value of each step as `lr`.
        """
        from search.comparing.state_dtype import kept_as

        if isinstance(self.rule, str):
            made = OPTAX[self.rule].optimizer(constants, schedule)
        else:
            from programs.transform import as_optax

            made = as_optax(self.rule, constants=constants)
        return made if self.state_dtype == "float32" else kept_as(self.state_dtype, made)
