"""The search from Python: all that the commands do, as functions that return data.

    from search import api

    result = api.search("configs/quickstart.yaml", "runs/mine")
    print(result.final)                 # the final program, as text
    result.frame("individuals")         # a pandas frame, if pandas is there

Each function raises what is wrong: ConfigError (every mistake in a config), ProgramError,
TaskError, StoreError (a run directory), WorkerError (no worker can run). KeyboardInterrupt and
Stopped lose nothing: the same call with `resume=True` continues. Progress goes to
`logging.getLogger("search")`. The functions work in a script, in a notebook and in threads.

What trains in this process uses all cores that JAX was started with, and on Transformers the last
bits depend on their number. For the bits of the commands and of workers call
`search.evaluation.threads.single_threaded()` before JAX computes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from operator import index
from pathlib import Path

from programs import Program, load_functions_file
from programs.program import printable
from search.arguments import check_count, listed, name_of, program_of, some_listed
from search.checks import ConfigLike, doubts, resolved
from search.checks import checked as checked
from search.comparison import compare as compare
from search.conclude import conclude
from search.config.selection import (
    FINAL_TUNING,
    AblationSettings,
    FunnelSettings,
    ShrinkSettings,
    TuningSettings,
)
from search.config.settings import Config, Engine
from search.evaluation.fitness import Evaluation
from search.evaluation.request import SettingsByTask, TaskFunction
from search.evaluation.seeds import HEAD_START, SEARCH
from search.evaluation.source import Fitness, ProxyTasks
from search.evolution.budget import Budget
from search.evolution.counters import Statistics
from search.evolution.driver import Driver
from search.evolution.earlier_runs import import_evaluations
from search.evolution.evolution import Repeats
from search.reports.commands import Commands
from search.reports.conclusion import conclusion_lines, files_there
from search.reports.ending import ended_early
from search.reports.funnel import write_report
from search.reports.progress import Lines, View, check_view, say
from search.reports.summary import summary
from search.reports.tensorboard import EventFiles
from search.result import SearchResult
from search.selection.finalists import Finalist, rescored
from search.selection.funnel import Setup, candidates_of, ledger_of, run_funnel
from search.selection.ledger import Progress, remembered
from search.selection.objective import Objective
from search.selection.results import FunnelResult, NamedProgram
from search.selection.tuning import TuningResult
from search.selection.tuning import tune as tune_programs
from search.selection.warm_starts import warm_starts
from search.shortening.between_stages import Shortener
from search.shortening.final import Conclusion
from search.shortening.shorten import ShorteningResult, Step, shorten
from search.stopping import at_once
from search.storage import identity, lineage
from search.storage.kept import NOTHING, keep, kept_by
from search.storage.store import Reader, Store
from search.workers.ray_pool import make_pool

Stopping = Callable[[], int | None]  # the signal that asks to stop, if any


def _load(functions_file: str | None) -> None:
    if functions_file is not None:
        load_functions_file(functions_file)


def _nothing(*_: object) -> None:
    """Shows nothing, and asks nobody to stop."""


def search(
    config: ConfigLike | None,
    run_dir: str | Path,
    *,
    overrides: Sequence[str] = (),
    resume: bool = False,
    tasks: Sequence[TaskFunction] = (),
    tasks_file: str | None = None,
    functions_file: str | None = None,
    source: Fitness | None = None,
    view: str = "log",
    stopping: Stopping = _nothing,
    started: Callable[[], None] = _nothing,
) -> SearchResult:
    """Runs or resumes a search to its end: evolution, re-scoring, funnel, final program.

    Args:
      config: a Config, a YAML file, or the same as nested dictionaries; None, with `resume`: that
        of the run directory.
      run_dir: where all of it is kept; a killed search continues from there with `resume`.
      overrides: texts `a.b=value` that replace keys of the config, such as `stop.hours=null`.
      resume: continues the search in `run_dir`: the same one, or with more `evolution.children`
        in its one round. What does not decide its history, such as `stop`, may differ.
      tasks, tasks_file: user-defined tasks, as functions or as a Python file that registers them.
      functions_file: Python file that registers user-defined functions (`programs.register`).
      source: where fitness comes from, if not from proxy tasks.
      view: how progress is shown: `log`, or one of the command's views.
      stopping: asked often; a number ends the search with Stopped. started: called once the workers
        are there.
    """
    check_view(view)
    _load(functions_file)
    tasks = listed("tasks", tasks)
    source = source or ProxyTasks(tasks_file, tasks)
    kept = kept_by(run_dir) if resume else NOTHING
    changed = [*kept.changed()]
    with kept.standing_in():
        config = resolved(
            config, run_dir, overrides=overrides, resume=resume, source=source, kept=kept
        )
        fingerprints = source.fingerprints(config)
        with Store(run_dir, config.store) as store:
            _warn(view, changed + _begun(store, config, fingerprints=fingerprints, resume=resume))
            finalists, used_up = _evolved(
                config,
                store,
                source=source,
                fingerprints=fingerprints,
                commands=Commands(store.run_dir, tasks_file, functions_file),
                view=view,
                stopping=stopping,
                started=started,
            )
            setup = Setup.of(config, tasks_file, tasks)
            conclusion = conclude(
                config, store, finalists, setup=setup, show=Lines(view), stopping=stopping
            )
            has_funnel = config.funnel is not None
            _tell(conclusion, store.run_dir, has_funnel=has_funnel, view=view)
    return SearchResult(Path(run_dir), tuple(finalists), conclusion, used_up)


def _tell(conclusion: Conclusion | None, run_dir: Path, *, has_funnel: bool, view: str) -> None:
    lines = conclusion_lines(conclusion, run_dir) if has_funnel else ()
    say(view, "conclusion", "\n".join(lines))
    if conclusion is None and (files := files_there(run_dir)):
        names = ", ".join(path.name for path in files)
        _warn(view, [f"{run_dir}: of an earlier conclusion are {names}"])


def _warn(view: str, warnings: Iterable[str]) -> None:
    for warning in warnings:
        say(view, "warning", f"warning: {warning}")


def _begun(
    store: Store, config: Config, *, fingerprints: dict[str, str], resume: bool
) -> list[str]:
    """Makes the store that of this search, or checks that it is; warnings. Raises StoreError."""
    warnings = identity.check_identity(store, config, fingerprints=fingerprints, resume=resume)
    keep(store, config)
    return [*doubts(config), *warnings, *import_evaluations(store, config)]


def _evolved(
    config: Config,
    store: Store,
    *,
    source: Fitness,
    fingerprints: Mapping[str, str],
    commands: Commands,
    view: str,
    stopping: Stopping,
    started: Callable[[], None],
) -> tuple[list[Finalist], str | None]:
    """Evolution, re-scoring and their summary; see `_rounds`."""
    budget = Budget(config.stop, store)
    statistics = Statistics.of(store, config.evolution)
    with (
        closing(make_pool(source.factory(config), config.workers)) as pool,
        View(view, statistics, pool) as shown,
        EventFiles(store.run_dir, config.reports, shown.figures) as events,
    ):

        def show() -> None:
            shown.show()
            events.show()

        lines = Lines(view)

        def show_tuning(progress: Progress) -> None:
            lines(progress)
            budget.save()  # with the next training

        started()
        with at_once(stopping):
            starts = warm_starts(
                config,
                store,
                pool=pool,
                fingerprints=fingerprints,
                show=show_tuning,
                stopping=stopping,
            )
            driver = Driver(
                config,
                store,
                pool=pool,
                statistics=statistics,
                show=show,
                stopping=stopping,
                budget=budget,
            )
        finalists, used_up = _rounds(driver, starts)
    if used_up:
        say(view, "ended_early", ended_early(used_up, budget, statistics))
    with at_once(stopping):
        text = "\n".join(
            summary(store, config, statistics=statistics, finalists=finalists, commands=commands)
        )
    say(view, "summary", text)
    return finalists, used_up


def _rounds(driver: Driver, starts: Sequence[Program]) -> tuple[list[Finalist], str | None]:
    """Runs the rounds as far as the budgets of `stop` go: the leading programs on fresh seeds, and
    which budget ended it early, if one did."""
    config, store, born = driver.config, driver.store, 0
    for number in range(config.evolution.rounds):
        repeats = Repeats(
            config.evolution, config.seed, round_number=number, starts=starts, first_number=born
        )
        driver.run(repeats)
        driver.budget.limit(repeats)  # one that its last individuals have used up, too
        born = repeats.told
        finalists = rescored(store, config, before=born, evaluate=driver.evaluate)
        starts = [lineage.individual(store, finalists[0].leader.number)]  # with all its statements
        if not driver.budget.allows_round(born):
            break
    is_last = number == config.evolution.rounds - 1
    return finalists, driver.budget.used_up if repeats.is_cut or not is_last else None


def evaluate(
    program: Program | str | Path,
    tasks: Sequence[str],
    *,
    seeds: int = 3,
    settings: SettingsByTask | None = None,
    engine: Engine = "auto",
    tasks_file: str | None = None,
    functions_file: str | None = None,
    show: Callable[[Evaluation], None] = _nothing,
) -> list[Evaluation]:
    """Trains tasks with a program as the optimizer: one Evaluation for each task and seed.

    Args:
      program: a Program, its text, a file, `library:NAME` or `optax:NAME(...)`.
      tasks: names, such as "vision_mlp@10"; settings: of them, by name.
      show: called with each evaluation as it is made.
    """
    from search.evaluation.evaluator import Evaluator  # JAX takes a second to import

    _load(functions_file)
    tasks = some_listed("tasks", tasks)
    check_count("seeds", seeds)
    evaluator = Evaluator(tasks, engine, settings=settings, tasks_file=tasks_file)
    return evaluator.evaluate(program, SEARCH.take(seeds), show)


def tune(
    program: Program | str | Path,
    tasks: Sequence[str],
    *,
    tuning: TuningSettings = FINAL_TUNING,
    settings: SettingsByTask | None = None,
    engine: Engine = "auto",
    tasks_file: str | None = None,
    functions_file: str | None = None,
    draw_seed: int = 0,
) -> TuningResult:
    """The program with the constants that train the tasks best, of those that were drawn."""
    from search.evaluation.evaluator import Evaluator

    _load(functions_file)
    tasks = some_listed("tasks", tasks)
    evaluator = Evaluator(tasks, engine, settings=settings, tasks_file=tasks_file)
    objective = Objective(remembered(evaluator), tasks)
    [result] = tune_programs(
        [program_of(program)],
        objective,
        settings=tuning,
        first_seed=HEAD_START.take(tuning.seeds).start,
        draw_seed=index(draw_seed),
    )
    return result


def funnel(
    programs: Sequence[Program | str | Path] = (),
    *,
    run_dir: str | Path,
    setup: Setup | None = None,
    settings: FunnelSettings | None = None,
    ablation: AblationSettings | None = None,
    tuning: TuningSettings | None = None,
    functions_file: str | None = None,
    view: str = "log",
    stopping: Stopping = _nothing,
    started: Callable[[], None] = _nothing,
) -> FunnelResult:
    """Candidates against baselines at growing scale; every training is kept in `run_dir`.

    Args:
      programs: the candidates; none: the best families of the search in `run_dir`.
      setup, settings: tasks and workers, and the stages; by default those of that search.
      ablation, tuning: of stages that make the candidates shorter; likewise.
    """
    check_view(view)
    _load(functions_file)
    programs = listed("programs", programs)  # one given twice counts once
    names = {name_of(p, i): p for i, p in enumerate(programs, start=1)}
    named = [NamedProgram(printable(name), program_of(program)) for name, program in names.items()]
    if setup is None or settings is None:
        config = config_of(run_dir)
        setup, settings = setup or Setup.of(config), settings or config.funnel or FunnelSettings()
        ablation, tuning = ablation or config.ablation, tuning or config.tuning
    show, kept = Lines(view), NOTHING if programs else kept_by(run_dir)
    with kept.standing_in(), Store(run_dir) as store:
        if named and store.meta("history") is not None:
            raise ValueError(f"{run_dir}: holds a search; choose another run directory")
        candidates = named or candidates_of(store, settings, show=show)
        if not candidates:
            raise ValueError(f"{run_dir}: no program of this search has a fitness")
        limit = settings.timeout_s
        with ledger_of(store, setup, timeout_s=limit, show=show, stopping=stopping) as ledger:
            started()
            with at_once(stopping):
                objective = Objective(ledger, setup.tasks, setup.weights)
                result = run_funnel(
                    candidates,
                    ledger,
                    setup=setup,
                    settings=settings,
                    searched=not named,
                    shorten=Shortener(
                        objective,
                        ablation=ablation or AblationSettings(),
                        tuning=tuning or FINAL_TUNING,
                        begin=ledger.progress.begin,
                    ),
                )
        write_report(store.run_dir, result)
    return result


def simplify(
    program: Program | str | Path,
    tasks: Sequence[str],
    *,
    ablation: AblationSettings | None = None,
    tuning: TuningSettings | None = None,
    shrinking: ShrinkSettings | None = None,
    settings: SettingsByTask | None = None,
    engine: Engine = "auto",
    tasks_file: str | None = None,
    functions_file: str | None = None,
    show: Callable[[Step], None] = _nothing,
) -> ShorteningResult:
    """A program made short by proof and by measurement on tasks (see search/shortening).

    show: called with each step as it is made.
    """
    from search.evaluation.evaluator import Evaluator

    _load(functions_file)
    tasks = some_listed("tasks", tasks)
    evaluator = Evaluator(tasks, engine, settings=settings, tasks_file=tasks_file)
    return shorten(
        program_of(program),
        Objective(remembered(evaluator), tuple(dict.fromkeys(tasks))),
        ablation=ablation or AblationSettings(),
        tuning=tuning,
        shrinking=shrinking,
        show=show,
    )


def config_of(run_dir: str | Path) -> Config:
    """The config of a search, from its run directory."""
    with Reader(run_dir, verified=False) as store:
        return identity.config_of(store)
