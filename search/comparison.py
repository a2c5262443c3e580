"""A comparison of optimizers from Python: checked, trained, its files written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from programs import load_functions_file
from search.arguments import listed
from search.config.comparison import ComparisonConfig
from search.config.load import read_as
from search.evaluation.request import TaskFunction
from search.reports.progress import Lines, check_view

if TYPE_CHECKING:
    from search.comparing.compare import ComparisonResult


def compare(
    config: ComparisonConfig | str | Path | Mapping[str, Any],
    run_dir: str | Path,
    *,
    overrides: Sequence[str] = (),
    tasks: Sequence[TaskFunction] = (),
    tasks_file: str | None = None,
    functions_file: str | None = None,
    view: str = "log",
    stopping: Callable[[], int | None] = lambda: None,
    started: Callable[[], None] = lambda: None,
) -> ComparisonResult:
    """Tunes optimizers alike and compares them; the same call continues what was stopped.

        result = api.compare("configs/compare/smoke.yaml", "runs/compare/smoke")
        for one in result.differences:  # to the baseline, with intervals
            print(one.condition, one.optimizer, one.mean, one.low, one.high)

    Args:
      config: a ComparisonConfig, a YAML file, or the same as nested dictionaries.
      run_dir: where every training is kept, and the page, the tables and the figures are written.
      overrides: texts `a.b=value` that replace keys of the config, such as `tuning.runs=8`.
      tasks, tasks_file, functions_file, view, stopping: as those of `search`. started: called once
        the user's mistakes are behind it.

    Raises what `search` raises, and TooManyFailures.
    """
    # They need scipy, with which every command would start a second later.
    from search.comparing.compare import Checks
    from search.comparing.compare import compare as run
    from search.comparing.study import most_trainings
    from search.reports.comparison.files import write

    check_view(view)
    if functions_file is not None:
        load_functions_file(functions_file)
    checks = Checks(tasks_file, listed("tasks", tasks))
    config = read_as(ComparisonConfig, config, overrides=overrides, check=checks.mistakes)
    show, run_dir = Lines(view), Path(run_dir)
    show.line("trainings", f"at most {most_trainings(config):,} trainings, kept in {run_dir}")
    result = run(
        config,
        run_dir,
        fingerprints=checks.fingerprints,
        tasks_file=tasks_file,
        tasks=checks.tasks,
        show=show,
        stopping=stopping,
        started=started,
    )
    write(result, run_dir)
    return result
