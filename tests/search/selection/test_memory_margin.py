"""Programs that need fewer states compete among themselves, and may be a stated margin worse."""

import pytest
from scipy import stats
from toys import Noisy

from programs import load
from search.config.selection import FINALS_STAGE, FunnelSettings
from search.reports.funnel import markdown, outcome
from search.selection.objective import Objective
from search.selection.results import NamedProgram, states_of
from search.selection.stages import run_stages
from search.shortening.final import winners
from tests.search.selection.test_stages import numbered, settings

MARGIN = 0.2
BOTH = "library:adamw", "library:signum"
NAMES = "adamw", "lion", "sign_sgd", "signum"
ADAMW, LION, SIGN, SIGNUM = (load(f"library:{name}") for name in NAMES)


def rules(margin: float | None = MARGIN, keep: int = 2, **more) -> FunnelSettings:
    return settings(keep).model_copy(update={"memory_margin": margin, **more})


def run(candidates, worth, funnel_settings, luck: float = 0.03):
    named = [NamedProgram(*one) for one in candidates]
    baselines = [NamedProgram("adamw", ADAMW)]
    objective = Objective(Noisy(worth, luck=luck), ("t",))
    return run_stages(named, baselines, objective=objective, settings=funnel_settings)


def by_states(worth):
    return lambda r: worth[states_of(r.program)]


@pytest.mark.parametrize(
    ("worth", "margin", "confirmed"),
    [
        ({0: -1.0, 1: -0.02, 2: 0.0}, MARGIN, ["lion"]),
        ({0: -1.0, 1: -0.02, 2: 0.0}, None, []),
        ({0: -0.02, 1: -1.0, 2: 0.0}, MARGIN, ["sign"]),
        ({0: -1.0, 1: 1.0, 2: 0.0}, None, ["lion"]),
        ({0: 0.0, 1: 1.0, 2: 0.0}, MARGIN, ["lion", "sign"]),
    ],
)
def test_fewer_states_may_cost_the_margin(worth, margin, confirmed):
    """And no more: a program with as many states as the baseline has to be better."""
    candidates = [("lion", LION), ("sign", SIGN), ("two", numbered(3, ADAMW))]
    done = run(candidates, by_states(worth), rules(margin, keep=3))
    assert [entry.name for entry in done.confirmed] == confirmed


def test_each_number_of_states_has_its_places():
    """The best of one number of states push out none of another."""
    worth = {0: -0.1, 1: 0.5, 2: 1.0}
    candidates = [(f"{n}-{i}", numbered(i, base)) for n, base in enumerate((SIGN, LION, ADAMW))
                  for i in range(4)]  # fmt: skip
    done = run(candidates, by_states(worth), rules(keep=2))
    first = done.stages[0].promoted
    assert sorted(entry.states for entry in first) == [0, 0, 1, 1, 2, 2]
    told = "\n".join(markdown(done.stages))
    assert "no: not among the best 2 with 0 states" in told
    plain = run(candidates, by_states(worth), rules(None, keep=2))
    assert [entry.states for entry in plain.stages[0].promoted] == [2, 2]


@pytest.mark.parametrize("margin", [None, MARGIN])
def test_finals_that_could_confirm_nothing_are_refused(margin):
    """With a margin a stage keeps so many for each number of states."""
    stage = {"name": "B", "keep": 1}
    finals = {"tunings": 5, "seeds": 2}
    if margin is None:
        FunnelSettings(memory_margin=margin, stages=(stage,), finals=finals)
    else:
        with pytest.raises(ValueError, match=r"with 5 tunings nothing .* expected at least 6"):
            FunnelSettings(memory_margin=margin, stages=(stage,), finals=finals)


def test_the_question_that_was_answered_is_told():
    candidates = [("lion", LION), ("sign", SIGN)]
    done = run(candidates, by_states({0: -1.0, 1: -0.02, 2: 0.0}), rules())
    [entry] = done.confirmed
    assert entry.against.margin == -MARGIN and entry.p <= 0.05
    assert "lion (1 state instead of 2: not worse than adamw by 0.2)" in " ".join(outcome(done))
    assert "no: p is above 0.05" in "\n".join(markdown(done.stages))


@pytest.mark.parametrize("signum, worst", [(-0.11, "signum"), (-1.0, "adamw")])
def test_each_baseline_has_its_own_margin(signum, worst):
    """Whichever it comes out worst against: no p is of another baseline's margin."""
    baselines = [NamedProgram("adamw", ADAMW), NamedProgram("signum", SIGNUM)]
    worth = {ADAMW: 0.0, SIGNUM: signum, LION: -0.05}
    score = Objective(Noisy(lambda r: worth[r.program], luck=0.03), ("t",))
    candidate = NamedProgram("lion", LION)
    done = run_stages([candidate], baselines, objective=score, settings=rules())
    [entry] = done.confirmed
    assert entry.baseline == worst
    said = " ".join(outcome(done))
    assert "(1 state instead of 2: better than signum, and not worse than adamw by 0.2)" in said
    [winner] = winners(done, [], candidates=[candidate], settings=rules(baselines=BOTH))[:1]
    bounds = entry.by_baseline
    assert winner.margin == -MARGIN
    assert winner.shown == min(bounds["signum"].low, bounds["adamw"].low + MARGIN)


def test_programs_that_are_worse_by_the_margin_pass_no_more_often_than_the_level():
    """As the null candidates of the whole funnel, at the edge of what is allowed."""
    level, funnels, passed = 0.05, 60, 0
    for number in range(funnels):
        candidates = [(f"n{i}", numbered(10 * number + i)) for i in range(3)]
        done = run(candidates, by_states({1: -MARGIN, 2: 0.0}), rules(keep=3), luck=0.1)
        passed += any(stage.name == FINALS_STAGE and stage.promoted for stage in done.stages)
    assert passed <= stats.binom.ppf(1 - 1e-3, funnels, level)
