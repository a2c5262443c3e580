"""What a finished search prints: its figures, its leading programs, where everything is."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from statistics import fmean

from programs.counted import counted
from search.config.settings import Config, EvaluationSettings
from search.evaluation.fitness import NOT_TRAINED, Outcome, score_of
from search.evaluation.jobs import Purpose
from search.evaluation.seeds import RESCORING
from search.evolution.counters import Statistics
from search.reports.commands import Commands
from search.reports.front import front_lines
from search.reports.meta_validation import curve_lines
from search.reports.progress import duration
from search.selection.comparison import t_interval
from search.selection.finalists import LEVEL, Finalist
from search.selection.overfitting import curves
from search.storage.leaders import hall_of_fame
from search.storage.queries import completed_fitness, evaluations, outcomes_of
from search.storage.store import Reader, Store
from search.storage.stored_json import stored_object


def summary(
    store: Store,
    config: Config,
    *,
    statistics: Statistics,
    finalists: Sequence[Finalist],
    commands: Commands,
) -> Iterator[str]:
    """The lines of the summary; commands: that go on with the run."""
    yield from figures(store, statistics)
    yield (
        f"this process took {duration(statistics.elapsed_s)}: {statistics.children_per_s:.0f} "
        f"children and {statistics.evaluations_per_s:.1f} trained programs a second"
    )
    yield ""
    yield from leading(finalists)
    yield from start_lines(finalists, config, commands.funnel())
    yield f"All others: {commands.inspect('leaders')}"
    yield ""
    yield "Hall of fame (the fittest of each number of live statements that no shorter one equals):"
    yield from fame(store, finalists)
    yield f"Their program texts: {commands.inspect('show', 'INDIVIDUAL')}"
    yield ""
    if config.evolution.niches is not None:
        yield "Front (better than all that need no more states and no more live statements):"
        yield from front_lines(store)
        simplified = commands.inspect("front", "--simplify")
        yield f"The best for each number of states, simplified: {simplified}"
        yield ""
    if meta := curve_lines(curves(store, config), config.meta_validation):
        yield from [*meta, ""]
    yield f"Everything is in {store.run_dir}; to explore it: {commands.inspect()}"


def figures(store: Reader, s: Statistics) -> Iterator[str]:
    """The figures of the search as sentences."""
    outcomes = s.outcomes
    distinct = sum(outcomes.values())
    yield (
        f"{counted(s.individuals, 'individual')}, {s.evaluations:,} of them trained on workers: "
        f"{s.individuals / max(s.evaluations, 1):.1f} times fewer"
    )
    yield (
        f"cache hits: functional {s.hit_rate('functional'):.1%}, canonical "
        f"{s.hit_rate('canonical'):.1%}, behavioural {s.hit_rate('behavioural'):.1%} (counted only)"
    )
    yield (
        f"redundant statements: {s.redundant_share:.1%} of all; "
        f"draws that gave no valid child: {s.invalid_share:.1%}"
    )
    shares = ", ".join(
        f"{outcome.name.lower().replace('_', ' ')} {outcomes[outcome.name] / max(distinct, 1):.1%}"
        for outcome in Outcome
        if outcomes[outcome.name]
    )
    yield f"{distinct:,} distinct programs: {shares}"
    yield (
        f"wasted training time, on programs that got no fitness: {s.wasted_share:.1%} of "
        f"{duration(sum(s.training_s.values()))} "
        f"({s.wasted_share_with_compilation:.1%} with {duration(sum(s.compile_s.values()))} of "
        "compilation, charged to whichever program came first)"
    )
    yield from audits(store)


def audits(store: Reader) -> Iterator[str]:
    """What the programs that were rejected early would have reached."""
    audited = evaluations(store, Purpose.AUDIT)
    fitness = completed_fitness(store)
    if not audited or not fitness:
        return
    settings = stored_object(store.meta("history"), "the stored 'history'")
    evaluation = EvaluationSettings.model_validate_json(json.dumps(settings.get("evaluation")))
    reached = {number: score_of(of_one, evaluation).fitness for number, of_one in audited.items()}
    judged = outcomes_of(store, Purpose.AUDIT)
    top = sorted(fitness)[math.ceil(0.99 * (len(fitness) - 1))]
    groups = {"hurdles": (Outcome.HURDLE,), "the fingerprint": NOT_TRAINED}
    for name, wanted in groups.items():
        group = [reached[number] for number, outcome in judged if Outcome[outcome] in wanted]
        if group:
            wrong = sum(f >= top for f in group)
            yield (
                f"rejected by {name}: {len(group)} trained to the end to check; {wrong} "
                f"({wrong / len(group):.1%}) would have been among the best 1 %"
            )


TEXTS = 3  # leading programs that are printed


def fame(store: Reader, finalists: Sequence[Finalist] = ()) -> Iterator[str]:
    """The hall of fame; with its interval where a program was scored again."""
    again = {finalist.leader.number: finalist for finalist in finalists if finalist.fresh}
    for entry in hall_of_fame(store):
        line = f"  {entry.live:3d}  {entry.fitness:.6g}  individual {entry.number}"
        if entry.number in again:
            line += f", on fresh seeds {measured(again[entry.number].fresh)}"
        yield line


def leading(finalists: Sequence[Finalist]) -> Iterator[str]:
    """The leading programs, the first of them with their live statements."""
    scored_again = bool(finalists and finalists[0].fresh)
    where = "in the search"
    if scored_again:
        seeds = RESCORING.take(len(finalists[0].fresh))
        where = f"on fresh seeds {seeds[0]} to {seeds[-1]}, with 95 % intervals"
    yield f"Leading programs, by fitness {where}:"
    for rank, finalist in enumerate(finalists, start=1):
        leader = finalist.leader
        line = f"  {rank:2d}. individual {leader.number}, {leader.live} live: "
        if scored_again:
            gain = measured(finalist.gain, "+.4g")
            line += f"{measured(finalist.fresh)}, gain over the warm start {gain}, in the search "
        yield f"{line}{leader.fitness:.6g}"
        if rank <= TEXTS:
            yield from (f"      {line}" for line in leader.text.rstrip().splitlines())


def start_lines(finalists: Sequence[Finalist], config: Config, funnel: str) -> Iterator[str]:
    """What the gains are measured from, and where baselines tuned alike stand; funnel: the command
    that compares with them."""
    if not finalists or not finalists[0].fresh:
        return
    fitness = measured(finalists[0].start)
    tuning = config.evolution.tune_start
    if tuning is not None and tuning.draws > 1:
        yield (
            "The warm start, tuned first on the same tasks with "
            f"{counted(tuning.draws, 'draw')} of its constants (evolution.tune_start): {fitness}"
        )
        return
    yield f"The warm start, with its constants as written, not tuned on these tasks: {fitness}"
    where = (
        "the funnel compares with baselines that are tuned alike"
        if config.funnel is not None
        else f"for baselines that are tuned alike: {funnel}"
    )
    yield f"So the gain may be that of other constants, such as a larger step; {where}"


def measured(values: Sequence[float], form: str = ".6g") -> str:
    """A mean over fresh seeds, with its 95 % interval where there are two or more; none where a
    seed has no value."""
    if not all(map(math.isfinite, values)):
        return "none"
    mean = f"{fmean(values):{form}}"
    if len(values) < 2:
        return mean
    low, high = t_interval(values, LEVEL)
    return f"{mean} [{low:{form}}, {high:{form}}]"
