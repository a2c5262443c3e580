"""The passes in order: dead statements, liveness across steps, algebra, states, names."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from programs.abstract import analyse, live_across_steps, remove_redundant
from programs.program import Program
from programs.simplify.certificate import Simplification, Step
from programs.simplify.check import check
from programs.simplify.egraph import Classes, saturate
from programs.simplify.extract import cost_of, extract
from programs.simplify.naming import to_program
from programs.simplify.rules import RULES, Claim, Stage
from programs.simplify.states import Proposal, other_forms, superfluous
from programs.simplify.terms import Terms, from_program

_EXACT, _BOTH = (Claim.EXACT,), (Claim.EXACT, Claim.GUARD)
# Which rules, and how many rounds of those that explore: cheap and sure ones first.
_ROUNDS = ((_EXACT, 0), (_EXACT, 3), (_BOTH, 0), (_BOTH, 4))
_GUARD_RULES = {rule.name for rule in RULES if rule.claim is Claim.GUARD}
_EXPLORING_RULES = {rule.name for rule in RULES if rule.stage is Stage.EXPLORE}
_NAMING_SHARE = 0.5  # of the time, until which the rules behind a step are singled out


@dataclass(frozen=True, slots=True)
class Algebra:
    """Terms that rules lead to, and the rules."""

    terms: Terms
    rules: tuple[str, ...]
    claim: Claim


@dataclass
class _Run:
    """One simplification under way."""

    program: Program
    start: float
    deadline: float
    known: frozenset[Fraction] = frozenset()
    steps: list[Step] = field(default_factory=list)
    cut: bool = False

    def out_of_time(self) -> bool:
        self.cut = self.cut or time.monotonic() > self.deadline
        return self.cut

    def propose(
        self,
        name: str,
        rules: Sequence[str],
        after: Program,
        claim: Claim = Claim.EXACT,
        changed: frozenset[str] = frozenset(),
        same_arithmetic: bool = False,
        renamed: Sequence[tuple[str, str]] | None = None,
    ) -> bool:
        """Takes a step if its check passes, and writes it down either way."""
        analyse(after)
        kept = set(after.states) - changed
        pairs = renamed or [(s, s) for s in self.program.states if s in kept]
        result = check(self.program, after, claim, pairs, same_arithmetic)
        self.steps.append(
            Step(name, tuple(rules), self.program, after, claim, result, result.passed)
        )
        if result.passed:
            self.program = after
        return result.passed


def simplify(program: Program, seconds: float = 10.0) -> Simplification:
    """The shortest program with the same outputs that the passes find.

    Fewest statements, then fewest states; every step is checked numerically and written down.

    Args:
      program: a valid program.
      seconds: after this time the best program so far is returned. A round of rewriting that is
        under way is finished first.

    Raises:
      InvalidProgram: the program is not valid.
    """
    start = time.monotonic()
    run = _Run(program, start, start + seconds)
    run.known = frozenset(n[1] for n in from_program(program).nodes if n[0] == "constant")
    _remove_dead(run)
    _share(run)
    while not run.out_of_time():
        length = len(run.steps)
        _rewrite(run)
        if not _drop_states(run) and not _reform_states(run):
            break
        if len(run.steps) == length:
            break
    _name(run)
    return Simplification(
        program, run.program, tuple(run.steps), not run.cut, time.monotonic() - start
    )


def _remove_dead(run: _Run) -> None:
    shorter = remove_redundant(run.program)
    if shorter != run.program:
        rule = "statements on which no output of the step depends"
        run.propose("dead statements", [rule], shorter, same_arithmetic=True)
    shorter = live_across_steps(run.program)
    if shorter != run.program:
        gone = [s for s in run.program.states if s not in shorter.states]
        what = [f"no later update depends on state {name}" for name in gone]
        run.propose("liveness across steps", what, shorter, same_arithmetic=True)


def _share(run: _Run) -> None:
    """Common values and constants: what reading a program into terms does."""
    after = to_program(from_program(run.program))
    if len(after) < len(run.program):
        rules = ["values that are computed twice", "functions of constants"]
        run.propose("sharing and folding", rules, after)


def _cost(terms: Terms, known: frozenset[Fraction]) -> tuple[int, int, int]:
    """What is made small: statements, then states, then what `extract` has a taste for."""
    return len(to_program(terms)), len(terms.states), cost_of(terms, known)[1]


def _better(
    terms: Terms, claims: tuple[Claim, ...], explore: int, known: frozenset[Fraction], end: float
) -> tuple[Terms, Classes] | None:
    """The best terms that these rules reach, if they are better than what they started from."""
    classes = saturate(terms, claims, explore, end)
    best = extract(classes, terms, known, end)
    if best == terms or _cost(best, known) >= _cost(terms, known):
        return None
    return best, classes


def _rewrite(run: _Run) -> None:
    """Algebra until no round of rules makes the program better."""
    level = 0
    while level < len(_ROUNDS) and not run.out_of_time():
        terms = from_program(run.program)
        claims, explore = _ROUNDS[level]
        found = _better(terms, claims, explore, run.known, run.deadline)
        if found is None:
            level += 1
            continue
        best, classes = found
        rules = _responsible(run, terms, best, classes, claims, explore)
        claim = Claim.GUARD if _GUARD_RULES & set(rules) else Claim.EXACT
        if not run.propose("algebra", rules, to_program(best), claim):
            level += 1
        elif explore:
            level = 0


def _responsible(
    run: _Run, before: Terms, after: Terms, classes: Classes, claims: Sequence[Claim], explore: int
) -> list[str]:
    """The rules that a rewriting needs: of those that matched, a set of which none can be spared.

    Found by leaving out more and more of them while the e-graph still shows both sides equal.
    """
    names = sorted(classes.fired, key=lambda name: (name not in _EXPLORING_RULES, name))
    end = run.start + _NAMING_SHARE * (run.deadline - run.start)

    def enough(names: Sequence[str]) -> bool:
        roots = saturate(before, claims, explore, end, names, after).roots
        half = len(roots) // 2
        return roots[:half] == roots[half:]

    size = (len(names) + 1) // 2
    while size and time.monotonic() < end:
        start = 0
        while start < len(names) and time.monotonic() < end:
            fewer = names[:start] + names[start + size :]
            if enough(fewer):
                names = fewer
            else:
                start += size
        size = size // 2
    return names


def _drop_states(run: _Run) -> bool:
    dropped = False
    found = True
    while found and len(run.program.states) > 0 and not run.out_of_time():
        found = False
        for proposal in superfluous(from_program(run.program), run.deadline):
            found = _take(run, proposal, "superfluous states")
            dropped = dropped or found
            if found:
                break
    return dropped


def _reform_states(run: _Run) -> bool:
    """Tries every other form of a state, with the algebra that it allows; takes the best gain."""
    terms = from_program(run.program)
    least = _cost(terms, run.known)[:2]
    best: Proposal | None = None
    for proposal in other_forms(terms):
        if run.out_of_time():
            return False
        found = _better(proposal.terms, _BOTH, 2, run.known, run.deadline)
        cost = _cost(found[0] if found else proposal.terms, run.known)[:2]
        if cost < least:
            least, best = cost, proposal
    return best is not None and _take(run, best, "form of states")


def _take(run: _Run, proposal: Proposal, name: str) -> bool:
    return run.propose(
        name, [proposal.rule], to_program(proposal.terms), Claim.EXACT, proposal.changed
    )


def _name(run: _Run) -> None:
    """Readable names, constants to float32's precision, canonical order."""
    after = to_program(from_program(run.program), readable=True)
    if after != run.program and len(after) <= len(run.program):
        pairs = list(zip(run.program.states, after.states))
        rule = "readable names, canonical order, constants with the digits that float32 keeps"
        run.propose("names", [rule], after, same_arithmetic=True, renamed=pairs)
