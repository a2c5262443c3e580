"""What ended a search early, in one line."""

from __future__ import annotations

from programs.counted import counted
from search.evolution.budget import Budget
from search.evolution.counters import Statistics
from search.reports.progress import duration


def ended_early(name: str, budget: Budget, statistics: Statistics) -> str:
    """Which budget of `stop` was used up by what, and what follows."""
    what = {
        "hours": f"after {duration(budget.seconds)} of search",
        "trainings": f"after {counted(budget.trainings, 'training')}",
        "fitness": f"at fitness {statistics.best:.6g}",
    }[name]
    setting = f"stop.{name}: {getattr(budget.settings, name):,.6g}"
    return (
        f"Stopped {what} ({setting}), with {counted(statistics.individuals, 'individual')}; "
        "concluding with "
        f"the results so far. To continue it later, resume it with a larger stop.{name}, or null."
    )
