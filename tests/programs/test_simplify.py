"""Simplification as a whole: known programs, the certificate, limits, obfuscated programs."""

import json
import random
import threading
from dataclasses import replace

import pytest

from programs import (
    Program,
    Statement,
    analyse,
    library,
    load,
    parse,
    remove_redundant,
)
from programs.canonical import canonical_hash
from programs.simplify import as_dict, as_markdown, egraph, passes, simplify
from programs.simplify.certificate import Rewriting
from programs.simplify.check import check
from programs.simplify.egraph import Rewrites, Stop, saturate
from programs.simplify.reparametrize import reparametrizations
from programs.simplify.rules import RULES, Claim, Phase, Rule
from programs.simplify.terms import from_program
from programs.simplify.work import WORK, Work
from tests.programs.obfuscate import obfuscate

RAW = ("program4", "program8")


def numbers(program: Program) -> list[float]:
    return [a for s in program.statements for a in s.arguments if isinstance(a, float)]


@pytest.mark.parametrize("name", library())
def test_library_program_comes_out_no_longer_and_equal(name, simplified):
    result = simplified[name]
    before, after = result.original, result.program
    assert len(after) <= len(before) and len(after.states) <= len(before.states)
    assert analyse(after).live == tuple(range(len(after)))
    same = check(before, after, claim=Claim.UP_TO_GUARDS)
    assert same.passed, same.note
    assert all(step.applied and step.check.passed for step in result.certificate)
    assert parse(str(after)) == after


@pytest.mark.parametrize("name", ["adam", "adamw", "lion", "rmsprop", "signum"])
def test_what_is_short_already_stays_what_it_is(name, simplified):
    before, after = simplified[name].original, simplified[name].program
    assert after == before, "the same text"


@pytest.mark.parametrize("name", ["adam", "adamw", "lion", "signum"])
def test_what_is_recognised_is_given_as_the_library_has_it(name):
    """A renamed, reordered, longer program of the library comes out as the library's text."""
    kinds = ("rename", "commute", "neutral", "dead state")
    longer, _ = obfuscate(load(f"library:{name}"), random.Random(name), 10, 8, kinds)
    result = simplify(longer)
    assert result.program == load(f"library:{name}")
    assert name in result.certificate[-1].explain()[0]


def test_program8_becomes_lion_on_a_clipped_gradient(simplified):
    assert str(simplified["program8"].program) == (
        "def train(w, g, v, lr):\n"
        "    g = clip(g, lr)\n"
        "    g = arcsin(g)\n"
        "    update = interp(g, v, 0.9)\n"
        "    update = sign(update)\n"
        "    wd = w * 0.46019784\n"
        "    update = update + wd\n"
        "    lr = lr * 0.00021717617\n"
        "    update = update * lr\n"
        "    v = interp(g, v, 0.99821967)\n"
        "    return update, v\n"
    )


def test_program4_becomes_the_same_with_its_constants(simplified):
    four, eight = simplified["program4"].program, simplified["program8"].program
    shape = [(s.target, s.function, len(s.arguments)) for s in four.statements]
    assert shape == [(s.target, s.function, len(s.arguments)) for s in eight.statements]
    assert numbers(four) == pytest.approx([0.899, 0.4602, 0.0002, 0.899 * 1.109])


@pytest.mark.parametrize("name", RAW)
def test_without_clip_and_arcsin_it_is_lion(name):
    raw = remove_redundant(load(f"library:{name}"))
    keep = tuple(s for s in raw.statements if s.function not in ("clip", "arcsin"))
    result = simplify(replace(raw, statements=keep)).program
    assert len(result) == 7 and len(result.states) == 1
    lion = load("library:lion")
    ours = {s.function + str(s.target): s for s in result.statements}
    constants = iter(
        [
            ours["interpupdate"].arguments[2],
            ours["interpv"].arguments[2],
            ours["multiplywd"].arguments[1],
            ours["multiplylr"].arguments[1],
        ]
    )
    theirs = tuple(
        replace(s, arguments=(*s.arguments[:-1], next(constants)))
        if isinstance(s.arguments[-1], float)
        else s
        for s in lion.statements
    )
    assert canonical_hash(result) == canonical_hash(replace(lion, statements=theirs))


SIGNUM_OF_ADAMW = (
    "def train(w, g, m, lr):\n"
    "    m = interp(g, m, 0.9)\n"
    "    update = sign(m)\n"
    "    wd = w * 0.01\n"
    "    update = update + wd\n"
    "    lr = lr * 0.001\n"
    "    update = update * lr\n"
    "    return update, m\n"
)


@pytest.mark.parametrize(
    "division",
    [
        "sqrt_v = sqrt(v); update = m / sqrt_v",
        "update = m / v",
        "sqrt_v = sqrt(v); sqrt_v = sqrt_v + 1e-8; update = m / sqrt_v",
        "r = reciprocal(v); r = sqrt(r); update = m * r",
        "r = exp(v); update = r * m",
    ],
)
def test_adamw_with_an_inserted_sign_becomes_signum(division):
    """The mutation that leads from AdamW to the sign of momentum leaves a second state unread."""
    adamw = str(load("library:adamw"))
    before = "    sqrt_v = sqrt(v)\n    update = m / sqrt_v\n"
    assert before in adamw
    lines = [*division.split("; "), "update = sign(update)"]
    program = parse(adamw.replace(before, "".join(f"    {line}\n" for line in lines)))
    result = simplify(program)
    assert str(result.program) == SIGNUM_OF_ADAMW
    assert result.check.passed and result.claim is Claim.UP_TO_GUARDS


def test_the_sign_of_a_divisor_has_to_be_known():
    program = update_only("m = interp(g, m, 0.9)", "t = m / w", "update = sign(t)", states="m")
    assert canonical_hash(simplify(program).program) == canonical_hash(program)
    other = "v = interp(w, v, 0.9)", "t = g / v", "update = sign(t)"
    assert len(simplify(update_only(*other, states="v")).program.states) == 1


def test_simplifying_again_changes_nothing(simplified):
    for name in ("adamw", "lion", "program8"):
        again = simplify(simplified[name].program)
        assert again.program == simplified[name].program and not again.certificate


def test_certificate_tells_every_step(simplified):
    result = simplified["program8"]
    assert [s.name for s in result.certificate[:2]] == ["dead statements", "liveness across steps"]
    assert result.certificate[0].before == result.original
    assert result.certificate[-1].after == result.program
    for step, following in zip(result.certificate, result.certificate[1:]):
        assert step.after == following.before
    rules = {rule for step in result.certificate for rule in step.explain()}
    assert {"interp of interp", "x / |x|", "sqrt of square"} <= rules
    guard = [step for step in result.certificate if step.claim is Claim.UP_TO_GUARDS]
    assert "x / |x|" in guard[-1].explain()
    page = as_markdown(result)
    assert "interp(x, interp(x, y, s), t) = interp(x, y, s * t)" in page
    assert "21 statements and 2 states before, 9 statements and 1 state after" in page
    data = json.loads(json.dumps(as_dict(result)))
    assert data["statements"] == {"before": 21, "after": 9} and data["complete"]
    assert all(step["check"]["passed"] for step in data["steps"])
    assert data["check"]["passed"] and data["claim"] == "up to guards"
    assert "From the first program to the last: up to guards. Check: passed; 50 steps" in page


def test_certificate_compares_the_first_program_with_the_last():
    """Also where each step has passed."""
    result = simplify(
        update_only("a = g + 0", "m = interp(a, m, 0.9)", "update = m * lr", states="m")
    )
    assert result.kept == (("m", "m"),) and result.check.passed and result.claim is Claim.EXACT
    other = update_only("m = interp(g, m, 0.91)", "update = m * lr", states="m")
    failed = check(result.original, other, claim=Claim.EXACT)
    wrong = replace(result, program=other, check=failed)
    assert not failed.passed and "differs at step" in failed.note
    assert "Check: FAILED" in as_markdown(wrong) and not as_dict(wrong)["check"]["passed"]


def test_certificate_says_what_ended_the_search(monkeypatch):
    assert "The rules had nothing left to add, and no shorter" in as_markdown(
        simplify(update_only("update = g * lr"))
    )
    lion = simplify(load("library:lion"))
    assert lion.complete and lion.stops == (Stop.ROUNDS.value,)
    assert "The limit on rounds of rewriting was reached: this is the best so far" in as_markdown(
        lion
    )
    monkeypatch.setattr(egraph, "MAX_SIZE", 10)
    assert Stop.SIZE.value in as_dict(simplify(load("library:lion")))["stops"]


def test_a_wrong_rule_is_caught_and_reported(monkeypatch):
    """A step whose check fails is written down and not taken."""
    program = parse("def train(w, g, lr):\n  a = sqrt(g)\n  update = a * lr\n  return update\n")
    wrong = parse("def train(w, g, lr):\n  update = g * lr\n  return update\n")
    terms = from_program(wrong)

    def better(session, before, claims, explore, *disabled):
        rewrites = Rewrites(claims, explore, session.disabled | set(disabled), session.known)
        return Rewriting(before, terms, frozenset(), rewrites)

    monkeypatch.setattr(passes, "_better", better)
    result = simplify(program)
    failed = [step for step in result.certificate if not step.applied]
    assert failed and "differs at step 1" in failed[0].check.note
    assert canonical_hash(result.program) == canonical_hash(program)
    assert "NOT APPLIED" in as_markdown(result)


def test_a_work_limit_gives_the_best_so_far():
    program, _ = obfuscate(load("library:program5"), random.Random(1), 20, 20)
    result = simplify(program, 0)
    assert not result.complete and len(result.program) < len(program)
    assert check(program, result.program, claim=Claim.EXACT).passed
    assert "The limit on work was reached" in as_markdown(result)
    lengths = [len(simplify(program, work).program) for work in (0, 200_000, 10_000_000)]
    assert lengths == sorted(lengths, reverse=True) and lengths[0] > lengths[-1]


def update_only(*statements: str, states: str = "") -> Program:
    body = "".join(f"  {s}\n" for s in statements)
    head = "".join(f", {s}" for s in states.split())
    return parse(f"def train(w, g{head}, lr):\n{body}  return update{head}\n")


def test_kinds_are_kept():
    """g - g is a tree of zeros, not the number 0."""
    program = update_only("z = g - g", "update = z + lr")
    result = simplify(program).program
    assert len(result) == 2 and check(program, result, claim=Claim.EXACT).passed
    sum_of_kinds = update_only("a = lr + g", "b = a - g", "update = b * g")
    assert check(sum_of_kinds, simplify(sum_of_kinds).program, claim=Claim.EXACT).passed


@pytest.mark.parametrize(
    ("statements", "length"),
    [
        (["y = g - g", "update = y + g"], 1),
        (["z = g * 1.5", "y = z - z", "update = g + y"], 1),
        (["z = sin(g)", "y = z * 0", "update = y + z"], 1),
        (["z = g - g", "y = z / w", "update = g + y"], 1),
        (["z = 0 / lr", "update = z + g"], 1),
        (["z = sin(g)", "z = square(z)", "y = z - z", "y = y * lr", "update = g + y"], 1),
    ],
)
def test_nothing_may_be_added(statements, length):
    """x - x, x * 0 and 0 / x are 0 however x was computed."""
    assert len(simplify(update_only(*statements)).program) == length


def test_nothing_added_to_lion():
    lion = load("library:lion")
    zero = Statement("z", "subtract", ("update", "update"))
    more = (*lion.statements, zero, Statement("update", "add", ("update", "z")))
    assert simplify(replace(lion, statements=more)).program == lion


def test_a_wrong_proof_within_the_guards_is_not_used():
    """n / n = 1 makes z zero; z / z = 1 and 0 / (0 + 1e-8) = 0 would prove 1 = 0."""
    program = update_only("n = dot(w, w)", "z = n / n", "z = z - 1", "a = z / z", "update = g + a")
    terms = from_program(program)
    classes = saturate([terms], Rewrites(tuple(Claim), 2), Work(WORK))
    assert classes.stop is Stop.CONFLICT
    result = simplify(program)
    assert len(result.program) == len(program) and result.check.passed
    assert Stop.CONFLICT.value in result.stops


def test_a_failed_step_does_not_stop_the_others():
    """a / |a| is not sign(a) where a is 1e-9 * g; s / s is still 1."""
    a = ["a = g * 1e-9", "b = abs(a)", "a = a / b"]
    result = simplify(update_only(*a, "s = lr / lr", "update = a * s"))
    assert str(result.program).count("/") == 1 and len(result.program) == 3
    assert any(not step.applied for step in result.certificate)
    assert result.check.passed


def test_chaos_is_shared_with_the_constants_that_float32_computes():
    """Here the last bit of a constant decides, so that none is folded as real numbers are."""
    constants, start = ["c = 1.1 * 97.3", "d = 97.3 * 1.1"], ["v = v + g", "a = v * c", "b = v * d"]
    rest = ["a = a * b", "v = sin(a)", "update = v * lr"]
    program = update_only(*constants, *start, *rest, states="v")
    result = simplify(program)
    assert len(result.program) == 5 and result.complete, str(result.program)
    same = check(program, result.program, claim=Claim.EXACT, same_arithmetic=True)
    assert same.passed, same.note
    assert [step.applied for step in result.certificate] == [False, True, True, True]


def test_a_tree_is_not_cancelled():
    """(g * w) / w is 0 where w is, so a bias that starts at 0 stays there."""
    assert len(simplify(update_only("a = g * w", "update = a / w")).program) == 2


@pytest.mark.parametrize(
    ("statements", "states", "length", "count"),
    [
        (
            ["m = interp(g, m, 0.9)", "n = interp(g, n, 0.9)", "s = m + n", "update = s * lr"],
            "m n",
            3,
            1,
        ),
        (
            [
                "h = g * 3",
                "m = interp(g, m, 0.9)",
                "n = interp(h, n, 0.9)",
                "s = m + n",
                "update = sign(s)",
            ],
            "m n",
            2,
            1,
        ),
        (["z = z * 0.9", "m = z + g", "update = m * lr"], "z m", 1, 0),
        (["r = square(v)", "r = interp(g, r, 0.9)", "v = sqrt(r)", "update = r * lr"], "v", 3, 1),
        (["k = m * 0.25", "k = interp(g, k, 0.9)", "m = k * 4", "update = k * lr"], "m", 2, 1),
    ],
    ids=["twin", "multiple", "zero", "square", "scaled"],
)
def test_states(statements, states, length, count):
    """States that say the same as others go; a state is kept in the form that needs least."""
    program = update_only(*statements, states=states)
    result = simplify(program).program
    assert check(program, result, claim=Claim.UP_TO_GUARDS).passed
    assert len(result) == length, str(result)
    assert len(result.states) == count


def test_copies_and_swaps_survive():
    """Outputs that are inputs or other outputs need a copy, and must not be overwritten early."""
    program = update_only("t = a * 1", "a = b * 1", "b = t + g", "update = a + lr", states="a b")
    result = simplify(program).program
    assert check(program, result, claim=Claim.EXACT).passed
    for text in ("update = g * 1", "update = w * 1.0"):
        assert len(simplify(update_only(text)).program) == 1


def test_rules_table_is_what_the_passes_use():
    assert {rule.phase for rule in RULES} == set(Phase)
    assert all(isinstance(rule, Rule) for rule in RULES)
    assert Statement("a", "abs", ("g",)) in update_only("a = abs(g)", "update = a * 1").statements


def test_one_thread_after_another_may_simplify():
    """An e-graph is its thread's alone."""
    program = parse("def train(w, g, lr):\n  a = g * 2\n  update = a * 3\n  return update\n")
    simplified = []
    for _ in range(2):
        thread = threading.Thread(target=lambda: simplified.append(simplify(program).program))
        thread.start()
        thread.join()
    assert len(simplified) == 2 and len(simplified[0]) == 1 and simplified[0] == simplified[1]


def test_what_is_used_again_and_again_is_looked_at_once():
    """On the way back from the update there are 2^60 ways."""
    lines = ["x = g * 0.3", "y = v * 0.7"]
    for _ in range(20):
        lines += ["z = maximum(x, y)", "y = interp(x, y, 0.3)", "x = minimum(z, g)"]
    body = "".join(f"  {line}\n" for line in [*lines, "v = maximum(x, y)", "update = v * lr"])
    program = parse(f"def train(w, g, v, lr):\n{body}  return update, v\n")
    assert len(list(reparametrizations(from_program(program)))) > 1
