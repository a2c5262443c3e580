"""How much simplification may do, counted, not timed: the same result on a busy machine."""

from __future__ import annotations

from dataclasses import dataclass

# What things cost in units of about a microsecond, on one core of a machine of 2025.
E_GRAPH = 4_000  # to set one up and read it back
ROUND = 40  # for each node of an e-graph, one round of rules
VISIT = 1  # of a node, while the shortest program is chosen
CHECK = 2_000  # of a step, for each statement of either program

WORK = 10_000_000  # units, unless another limit is given


@dataclass
class Work:
    """What is left to spend; a limit is looked at between two pieces of work."""

    left: int

    def spend(self, units: int) -> None:
        self.left -= units

    @property
    def exhausted(self) -> bool:
        return self.left <= 0
