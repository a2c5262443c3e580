"""The funnel with planted fitness: null candidates, luck, overfitting, improvements."""

import math
import random
from dataclasses import replace

import pytest
from scipy import stats
from toys import Noisy

from programs import Program, Statement, load
from search.config.load import load as load_config
from search.config.selection import (
    FINALS_STAGE,
    FinalsSettings,
    FunnelSettings,
    StageSettings,
    TuningSettings,
)
from search.evaluation.request import META, SEARCH, Request, scale_of, scaled
from search.evaluation.seeds import FINALS, FINALS_TUNING
from search.reports.funnel import markdown, report, table
from search.selection.funnel import rows_of
from search.selection.objective import Expected, Objective
from search.selection.results import NamedProgram
from search.selection.stages import run_stages

ADAMW, LION = load("library:adamw"), load("library:lion")
BASELINE = [("adamw", ADAMW)]
NO_TUNING = TuningSettings(draws=1)
TUNING = TuningSettings(draws=6, keep=2, seeds=2)


def numbered(number: int, base: Program = LION) -> Program:
    """One of many programs: it begins with so many statements that change nothing of worth, in
    binary, which no tuning touches."""
    bits = tuple(
        Statement("g", "sinh" if number >> i & 1 else "arcsinh", ("g",)) for i in range(15)
    )
    return replace(base, statements=(*bits, *base.statements))


def number_of(program: Program) -> int | None:
    """Which one it is; None: not a numbered one."""
    bits = [s.function == "sinh" for s in program if s.function in ("sinh", "arcsinh")]
    return sum(bit << i for i, bit in enumerate(bits)) if bits else None


def is_lion(program: Program) -> bool:
    return any(s.function == "sign" for s in program)


def funnel_of(candidates, baselines, score, tasks, rules, **more):
    """A funnel on these tasks with equal weights."""
    named = [[NamedProgram(*one) for one in those] for those in (candidates, baselines)]
    return run_stages(*named, objective=Objective(score, tuple(tasks)), settings=rules, **more)


def settings(keep: int = 5, level: float = 0.05, tuning=NO_TUNING, **finals) -> FunnelSettings:
    return FunnelSettings(
        head_start=NO_TUNING,
        stages=(
            StageSettings(name="A", keep=keep, beat=False, tuning=NO_TUNING),
            StageSettings(name="B", scale=10, keep=keep, level=level, tuning=tuning),
            StageSettings(name="C", scale=100, keep=3, level=level, tuning=tuning),
        ),
        finals=FinalsSettings(**{"tunings": 1, "seeds": 10, **finals}),
    )


def test_of_1000_null_candidates_no_more_pass_a_stage_than_stated():
    """Each against a baseline of its own, so that they are independent; tuned before each stage."""
    level, count, passed, confirmed = 0.05, 1_000, 0, 0
    tuning = TuningSettings(draws=3, rounds=1, keep=2, seeds=2)
    rules = FunnelSettings(
        head_start=NO_TUNING,
        stages=(StageSettings(name="B", scale=10, keep=1, level=level, tuning=tuning),),
        finals=FinalsSettings(tunings=1, seeds=5, level=level),
    )
    for i in range(count):
        candidate, baseline = [("null", numbered(2 * i))], [("base", numbered(2 * i + 1))]
        done = funnel_of(candidate, baseline, Noisy(), ["t"], rules)
        passed += bool(done.stages[0].promoted)
        confirmed += bool(done.confirmed)
    assert 0 < passed <= stats.binom.ppf(1 - 1e-3, count, level)
    assert confirmed <= stats.binom.ppf(1 - 1e-3, count, level**2)


def test_of_100_funnels_of_null_candidates_no_more_confirm_one_than_stated():
    """Stage A takes the best of 30 by noisy scores; B lets pass at a level so loose that the finals
    have something to do."""
    level, funnels, confirmed, finals = 0.05, 100, 0, 0
    stages = (
        StageSettings(name="A", keep=5, seeds=3, beat=False, tuning=NO_TUNING),
        StageSettings(name="B", scale=10, keep=3, level=0.4, tuning=NO_TUNING),
    )
    rules = FunnelSettings(
        head_start=NO_TUNING,
        stages=stages,
        finals=FinalsSettings(tunings=1, seeds=7, level=level),
    )
    for i in range(funnels):
        candidates = [(f"n{j}", numbered(100 * i + j)) for j in range(30)]
        done = funnel_of(candidates, [("b", numbered(i, ADAMW))], Noisy(), ["t"], rules)
        finals += done.stages[-1].name == FINALS_STAGE
        confirmed += bool(done.confirmed)
    assert finals > 40
    assert confirmed <= stats.binom.ppf(1 - 1e-4, funnels, level)


def rugged(request: Request) -> float:
    """What constants are worth differs by chance, on each task, and stays so."""
    return 0.1 * random.Random(f"{request.program}{request.task}").gauss(0, 1)


@pytest.mark.parametrize("tunings, holds", [(1, False), (6, True)])
def test_the_luck_of_a_tuning_confirms_nothing_where_there_are_several(tunings, holds):
    """A seed decides little; which constants were drawn decides nearly all."""
    level, funnels, confirmed = 0.05, 60, 0
    few = TuningSettings(draws=4, rounds=1, keep=2, seeds=2)
    finals = FinalsSettings(tunings=tunings, seeds=6 // tunings, level=level)
    stage = StageSettings(name="B", scale=10, keep=1, level=0.45, tuning=few)
    rules = FunnelSettings(head_start=few, stages=(stage,), finals=finals)
    for i in range(funnels):
        score = Noisy(rugged, luck=0.01)
        base = [("base", numbered(i, ADAMW))]
        done = funnel_of([("null", numbered(i, LION))], base, score, ["t"], rules, seed=i)
        confirmed += bool(done.confirmed)
    assert (confirmed <= stats.binom.ppf(1 - 1e-3, funnels, level)) == holds


def test_the_finals_repeat_every_tuning_on_seeds_of_their_own():
    asked: list[Request] = []
    noisy = Noisy(lambda r: 0.5 * is_lion(r.program), luck=0.01)

    def score(requests):
        asked.extend(requests)
        return noisy(requests)

    few = TuningSettings(draws=3, keep=2, seeds=2)
    rules = settings(tuning=few, tunings=6, seeds=2).model_copy(update={"head_start": few})
    done = funnel_of([("lion", LION)], BASELINE, score, ["t"], rules)
    [entry] = done.confirmed
    assert done.stages[-1].unit == "tunings" and len(entry.fitness) == 6
    tuning = [r for r in asked if r.seed >= FINALS_TUNING.first]
    # Of each repetition's seeds the first two are the head start's; A, with 3, tunes nothing.
    head_start = {s for i in range(6) for s in FINALS_TUNING.take(2, block=i)}
    stages = {s for i in range(6) for s in FINALS_TUNING.take(4, skip=5, block=i)}
    assert {r.seed for r in tuning if is_lion(r.program)} == stages
    assert {r.seed for r in tuning if not is_lion(r.program)} == stages | head_start
    assert {r.split for r in tuning} == {SEARCH}
    scored = {
        (r.seed, r.task): noisy.one(r)
        for r in asked
        if r.seed in FINALS.take(12) and is_lion(r.program)
    }
    assert [seed for seed, _ in scored] == [*FINALS.take(12)]
    pairs = zip(*[iter(scored.values())] * 2)
    assert entry.fitness == pytest.approx([sum(pair) / 2 for pair in pairs])
    assert "Better than every baseline over 6 tunings of each, on fresh seeds" in report(done)


def overfitted(bonus: float):
    """Candidate 7 is better on the split that the search sees, and nowhere else."""
    return lambda r: bonus * (number_of(r.program) == 7 and r.split == SEARCH)


def lucky(r: Request) -> float:
    """Candidate 7 wins by one seed's luck: hugely on the search's seed 0."""
    return 5.0 * (number_of(r.program) == 7 and r.seed == 0)


@pytest.mark.parametrize("worth", [overfitted(1.0), lucky], ids=["overfitted", "lucky"])
def test_planted_false_improvements_do_not_pass(worth):
    candidates = [(f"n{i}", numbered(i)) for i in range(12)]
    score = Noisy(worth)
    in_search = {name: score.one(Request(p, "t", 0)) for name, p in candidates}
    assert max(in_search, key=in_search.get) == "n7"
    done = funnel_of(candidates, BASELINE, score, ["t"], settings(tuning=TUNING))
    assert not done.confirmed
    assert "n7" not in [entry.name for stage in done.stages[1:] for entry in stage.promoted]


def test_a_true_improvement_passes_and_everybody_is_tuned_alike():
    def worth(r: Request) -> float:
        return 0.5 * (len(r.program) == len(LION))

    score = Noisy(worth)
    candidates = [("lion", LION), *((f"n{i}", numbered(i, ADAMW)) for i in range(4))]
    done = funnel_of(candidates, BASELINE, score, ["t", "u"], settings(tuning=TUNING))
    assert [entry.name for entry in done.confirmed] == ["lion"]
    assert [stage.name for stage in done.stages] == ["A", "B", "C", FINALS_STAGE]
    assert done.stages[1].tasks == ("t@10", "u@10") and done.stages[2].tasks[0] == "t@100"
    assert done.stages[-1].tasks == done.stages[2].tasks
    entry = done.confirmed[0]
    assert entry.against.low > 0 and entry.p <= 0.05 and entry.baseline == "adamw"
    assert "lion" in table(done.stages) and "| finals | lion |" in "\n".join(markdown(done.stages))
    *_, entry, _ = rows_of(3, done.stages[-1])
    assert entry.stage == 3 and entry.promoted


@pytest.mark.parametrize("searched", [True, False])
def test_a_stage_takes_no_more_trainings_than_it_says_as_it_begins(searched):
    """A training that is asked for twice is paid for once. Candidates of a baseline's structure are
    starting points of its tuning, however many there are."""
    variants = [(f"adamw {i}", at_rate(ADAMW, 2.0**i)) for i in range(6)]
    head_start = TuningSettings(draws=4, keep=2, seeds=2)
    rules = settings(tuning=TUNING).model_copy(update={"head_start": head_start})
    noisy, paid, expected = Noisy(lambda r: 1.0 * is_lion(r.program)), [], []

    def score(requests):
        paid[-1].update(requests)
        return noisy(requests)

    def begin(name: str, most: Expected) -> None:
        paid.append(set())
        expected.append((name, most))

    candidates = [("lion", LION), *variants]
    funnel_of(candidates, BASELINE, score, ["t", "u@10"], rules, searched=searched, begin=begin)
    phases = ["head start", "stage A", "stage B", "stage C", FINALS_STAGE]
    assert [name for name, _ in expected] == phases
    for (_, most), own in zip(expected, paid):
        assert len(own) <= most.trainings
        assert sum(scale_of(r.task) for r in own) <= most.compute
    assert len(paid[-1]) == expected[-1][1].trainings == 2 * 2 * 10


def rate(program: Program) -> float:
    """The learning rate of AdamW or Lion: the constant that the schedule is multiplied with."""
    return next(s.arguments[1] for s in program if s.target == "lr")


def at_rate(program: Program, lr: float) -> Program:
    statements = [
        replace(s, arguments=("lr", lr)) if s.target == "lr" else s for s in program.statements
    ]
    return replace(program, statements=tuple(statements))


def bowl(best: float = 0.1):
    """All that counts is the learning rate; 20 % from the best cost 0.003."""
    return lambda r: -0.05 * math.log2(max(rate(r.program), 1e-30) / best) ** 2


QUICKSTART = load_config("configs/quickstart.yaml").funnel


@pytest.mark.parametrize("extra", [False, True], ids=["the baseline", "with a statement more"])
def test_constants_alone_are_not_confirmed(extra):
    """A whole search has found the best learning rate for the candidate, 100 times AdamW's."""
    level, funnels, confirmed = QUICKSTART.finals.level, 60, 0
    for i in range(funnels):
        best = at_rate(numbered(i, ADAMW) if extra else ADAMW, 0.1)
        score = Noisy(lambda r: bowl()(r), luck=0.02)
        done = funnel_of([("found", best)], BASELINE, score, ["t"], QUICKSTART, seed=i)
        assert extra or done.variants == ("found",)
        confirmed += bool(done.confirmed)
    assert confirmed <= stats.binom.ppf(1 - 1e-3, funnels, level)


def test_a_baseline_is_tuned_from_the_constants_of_a_candidate_of_its_structure():
    candidates = [("adamw again", at_rate(ADAMW, 5.0)), ("lion", at_rate(LION, 5.0))]
    score = Noisy(lambda r: bowl(5.0)(r) + 0.5 * is_lion(r.program), luck=0.0)
    rules = settings().model_copy(update={"head_start": TuningSettings(draws=2, spread=1e-6)})
    done = funnel_of(candidates, BASELINE, score, ["t"], rules)
    assert done.variants == ("adamw again",)
    assert [entry.name for entry in done.confirmed] == ["lion"]
    assert all(rate(stage.baselines[0].program) == 5.0 for stage in done.stages)
    assert "adamw again is a baseline with other constants" in report(done)
    done = funnel_of(candidates[:1], BASELINE, score, ["t"], rules)
    assert not done.stages and not done.confirmed and "no candidate" in report(done)


@pytest.mark.parametrize("searched", [True, False])
def test_a_better_structure_passes(searched):
    """With the constants of a search, or with any, if it gets the head start too."""
    for i in range(5):
        score = Noisy(lambda r: bowl()(r) + 0.3 * is_lion(r.program), luck=0.02)
        lion = at_rate(LION, 0.1 if searched else 0.001)
        given = [("lion", lion)], BASELINE, score, ["t"], QUICKSTART
        done = funnel_of(*given, seed=i, searched=searched)
        assert [entry.name for entry in done.confirmed] == ["lion"]


@pytest.mark.parametrize("by_noise", [False, True])
def test_a_task_with_a_large_loss_decides_only_if_tasks_are_not_weighed_by_noise(by_noise):
    """What seeds do to the fitness on `large` is ten times as much as on `t`."""

    small = Noisy(lambda r: 0.3 * is_lion(r.program) * (r.task[0] == "t"))

    def score(requests):
        return [small.one(r) * (10 if r.task.startswith("large") else 1) for r in requests]

    rules = settings().model_copy(update={"weigh_by_noise": by_noise})
    done = funnel_of([("lion", LION)], BASELINE, score, ["large", "t"], rules)
    large, t = done.stages[1].weights or (1.0, 1.0)
    assert t / large == pytest.approx(10, rel=0.5) if by_noise else t == large
    assert (done.stages[-1].name == FINALS_STAGE) == by_noise  # the gain on t is seen


def test_one_must_beat_every_baseline():
    def worth(r: Request) -> float:
        return {len(LION): 0.5, len(ADAMW): 0.0}.get(len(r.program), 1.0)

    two = [*BASELINE, ("sgd", load("library:sgd"))]
    done = funnel_of([("lion", LION)], two, Noisy(worth), ["t"], settings())
    assert not done.confirmed
    assert done.stages[1].entries[0].baseline == "sgd"


def test_programs_without_a_fitness_never_go_on_and_failing_baselines_give_no_credit():
    def worth(r: Request) -> float:
        diverges = number_of(r.program) == 1 and r.split == META and r.seed % 3 == 0
        return -math.inf if diverges else 1.0 * is_lion(r.program)

    candidates = [(f"n{i}", numbered(i)) for i in range(3)]
    done = funnel_of(candidates, BASELINE, Noisy(worth), ["t"], settings())
    assert sorted(e.name for e in done.confirmed) == ["n0", "n2"]
    assert "n1" not in [e.name for e in done.stages[0].promoted]
    assert "none" in "\n".join(markdown(done.stages))

    def broken(r: Request) -> float:
        return -math.inf if not is_lion(r.program) else 0.0

    done = funnel_of(candidates, BASELINE, Noisy(broken), ["t"], settings())
    assert not done.confirmed and not done.stages[1].promoted


def test_settings_that_could_not_decide_anything_are_refused():
    with pytest.raises(ValueError, match="at least 5"):
        StageSettings(name="B", seeds=4)
    with pytest.raises(ValueError, match="finals: with 3 seeds"):
        FunnelSettings(finals=FinalsSettings(tunings=1, seeds=3))
    with pytest.raises(ValueError, match="finals: with 3 tunings"):
        FunnelSettings(finals=FinalsSettings(tunings=3, seeds=40))
    with pytest.raises(ValueError, match="different names"):
        FunnelSettings(stages=(StageSettings(name="B"), StageSettings(name="B")))


def test_names_at_scales():
    assert scaled("a", 10) == "a@10" and scaled("a:p@10", 10) == "a:p@100" and scaled("a", 1) == "a"


@pytest.mark.parametrize("asked", [False, True])
def test_a_stage_may_make_its_candidates_shorter_first(asked):
    """What gains where a search trains and costs ten times as much later does not end a good rule."""

    def worth(r: Request) -> float:
        if not is_lion(r.program):
            return 0.0
        ornament = number_of(r.program) is not None
        return 1.0 + ornament * (0.2 if scale_of(r.task) < 100 else -10.0)

    shown = []

    def shorten(candidate: NamedProgram, gain: float | None) -> Program:
        assert candidate.name == "ornate"
        shown.append(gain)
        return LION

    rules = settings(tuning=TUNING)
    stages = [s.model_copy(update={"shorten": asked and s.name == "C"}) for s in rules.stages]
    rules = rules.model_copy(update={"stages": tuple(stages)})
    candidate = [("ornate", numbered(5))]
    done = funnel_of(candidate, BASELINE, Noisy(worth), ["t"], rules, shorten=shorten)
    assert [entry.name for entry in done.confirmed] == ["ornate"] * asked
    assert len(shown) == asked and all(0.5 < gain < 1.2 for gain in shown)
