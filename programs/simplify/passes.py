"""The passes in order: dead statements, liveness across steps, algebra, states, names."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache

from programs.abstract import analyse, live_across_steps, remove_redundant
from programs.canonical import canonical_hash
from programs.parse import library, load
from programs.program import Program
from programs.simplify.certificate import Rewriting, Simplification, Step
from programs.simplify.check import check
from programs.simplify.egraph import Stop, saturate
from programs.simplify.extract import cost_of, extract
from programs.simplify.naming import to_program
from programs.simplify.rules import RULES, Claim
from programs.simplify.states import Proposal, redundant_states, reparametrizations
from programs.simplify.terms import Terms, from_program

_EXACT, _BOTH = (Claim.EXACT,), (Claim.EXACT, Claim.UP_TO_GUARDS)
# Which rules, and how many rounds of those that explore: cheap ones first, then sure ones.
# Exploring by exact rules keeps the guard of x * 0.1 / 0.1 in x * 0.9999999, so it comes late.
_ROUNDS = ((_EXACT, 0), (_BOTH, 0), (_EXACT, 3), (_BOTH, 4))
_TRIED_FORMS = 6  # forms of states that get exploring rounds


@dataclass
class _Session:
    """One simplification under way: the program, and the same as terms with exact constants.

    stops: what ended the search for a shorter program, apart from having nothing left to try.
    kept: states of the original program whose values are still there -> their names now.
    disabled: guarded rules that took part in a step whose check failed.
    """

    program: Program
    terms: Terms
    deadline: float
    known: frozenset[Fraction]
    steps: list[Step] = field(default_factory=list)
    stops: set[str] = field(default_factory=set)
    kept: dict[str, str] = field(default_factory=dict)
    disabled: frozenset[str] = frozenset()

    def out_of_time(self) -> bool:
        if time.monotonic() > self.deadline:
            self.stops.add(Stop.TIME.value)
        return Stop.TIME.value in self.stops

    def propose(
        self,
        name: str,
        reason: Rewriting | Sequence[str],
        after: Program | Terms,
        claim: Claim = Claim.EXACT,
        same_arithmetic: bool = False,
        states: Sequence[tuple[str, str]] | None = None,
    ) -> bool:
        """Takes a step if its check passes, and writes it down either way.

        Args:
          states: pairs of states, before and after, that must agree; all of the same name, if not
            given.
        """
        program = after if isinstance(after, Program) else to_program(after)
        analyse(program)
        if states is None:
            states = [(s, s) for s in program.states]
        result = check(self.program, program, claim, states, same_arithmetic)
        reason = reason if isinstance(reason, Rewriting) else tuple(reason)
        self.steps.append(Step(name, reason, self.program, program, claim, result, result.passed))
        if result.passed:
            now = dict(states)
            self.kept = {old: now[name] for old, name in self.kept.items() if name in now}
            self.program = program
            self.terms = from_program(program) if isinstance(after, Program) else after
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
    analyse(program)
    terms = from_program(program)
    known = frozenset(node[1] for node in terms.nodes if node[0] == "constant")
    session = _Session(program, terms, start + seconds, known, kept={s: s for s in program.states})
    _remove_dead(session)
    _share(session)
    _rewrite(session)
    while not session.out_of_time() and (_drop_state(session) or _reform_state(session)):
        _rewrite(session)
    _name(session)
    return Simplification(
        program,
        session.program,
        tuple(session.steps),
        tuple(session.kept.items()),
        tuple(sorted(session.stops)),
        time.monotonic() - start,
    )


def _remove_dead(session: _Session) -> None:
    shorter = remove_redundant(session.program)
    if shorter != session.program:
        reason = ["statements on which no output of the step depends"]
        session.propose("dead statements", reason, shorter, same_arithmetic=True)
    shorter = live_across_steps(session.program)
    if shorter != session.program:
        gone = [s for s in session.program.states if s not in shorter.states]
        reason = [f"no later update depends on state {name}" for name in gone]
        session.propose("liveness across steps", reason, shorter, same_arithmetic=True)


def _share(session: _Session) -> None:
    """Common values and constants: what reading a program into terms does."""
    if len(to_program(session.terms)) < len(session.program):
        reason = ["values that are computed twice", "functions of constants"]
        session.propose("sharing and folding", reason, session.terms)


def _cost(terms: Terms, known: frozenset[Fraction]) -> tuple[int, int, int]:
    """What is made small: statements, then states, then what `extract` has prefers."""
    return len(to_program(terms)), len(terms.states), cost_of(terms, known)[-1]


def _better(
    session: _Session, terms: Terms, claims: tuple[Claim, ...], explore: int
) -> Rewriting | None:
    """The best terms that these rules reach, if they are better than those they start from."""
    names = [rule.name for rule in RULES if rule.name not in session.disabled]
    classes = saturate(terms, claims, explore, session.deadline, names, known=session.known)
    if (claims, bool(explore)) == (_BOTH, True) and classes.stop is not Stop.COMPLETE:
        session.stops.add(classes.stop.value)  # with fewer rules or rounds it is no matter
    best = extract(classes, terms, session.known, session.deadline)
    if best == terms or _cost(best, session.known) >= _cost(terms, session.known):
        return None
    return Rewriting(terms, best, frozenset(classes.fired), claims, explore, session.known)


def _rewrite(session: _Session) -> None:
    """Algebra until no round of rules makes the program better."""
    level = 0
    while level < len(_ROUNDS) and not session.out_of_time():
        session.stops.clear()
        claims, explore = _ROUNDS[level]
        found = _better(session, session.terms, claims, explore)
        if found and session.propose("algebra", found, found.after, claims[-1]):
            level = 0 if explore else level
        elif not (found and _disable(session, found)):
            level += 1


def _disable(session: _Session, failed: Rewriting) -> bool:
    """Does without the guarded rules behind a step whose check failed; False if there are none."""
    guarded = {rule.name for rule in RULES if rule.claim is Claim.UP_TO_GUARDS}
    if not guarded & failed.fired:
        return False
    names = failed.responsible(min(2.0, max(0.0, session.deadline - time.monotonic())))
    disabled = session.disabled | guarded & set(names)
    grown = disabled > session.disabled
    session.disabled = disabled
    return grown


def _drop_state(session: _Session) -> bool:
    """Drops a state that says nothing new, unless that takes more statements: 0 is w * 0."""
    now = _cost(session.terms, session.known)[:2]
    return any(
        any(_best_cost(session, proposal.terms, explore) < now for explore in (0, 3))
        and _take(session, proposal, "superfluous states")
        for proposal in redundant_states(session.terms, session.deadline)
    )


def _reform_state(session: _Session) -> bool:
    """Tries other forms of every state, with the algebra that they allow; takes the best gain."""
    now = _cost(session.terms, session.known)[:2]
    tried: list[tuple[tuple[int, int], int, Proposal]] = []
    for proposal in reparametrizations(session.terms):
        if session.out_of_time():
            return False
        tried.append((_best_cost(session, proposal.terms, 0), len(tried), proposal))
    tried.sort(key=lambda entry: entry[:2])
    if tried and tried[0][0] >= now:
        if len(tried) > _TRIED_FORMS:
            session.stops.add(f"of the {len(tried)} forms of states {_TRIED_FORMS} were explored")
        tried = [
            (_best_cost(session, proposal.terms, 3), i, proposal)
            for _, i, proposal in tried[:_TRIED_FORMS]
            if not session.out_of_time()
        ]
        tried.sort(key=lambda entry: entry[:2])
    return bool(tried) and tried[0][0] < now and _take(session, tried[0][2], "form of states")


def _best_cost(session: _Session, terms: Terms, explore: int) -> tuple[int, int]:
    found = _better(session, terms, _BOTH, explore)
    return _cost(found.after if found else terms, session.known)[:2]


def _take(session: _Session, proposal: Proposal, name: str) -> bool:
    states = [(s, s) for s in proposal.terms.states if s not in proposal.changed]
    return session.propose(name, [proposal.rule], proposal.terms, proposal.claim, states=states)


@cache
def _library() -> dict[bytes, tuple[str, Program]]:
    """The library's programs by canonical hash."""
    programs = {name: load(f"library:{name}") for name in library()}
    return {canonical_hash(program): (name, program) for name, program in programs.items()}


def _name(session: _Session) -> None:
    """Readable names, constants to float32's precision, canonical order.

    A program of the library is given as it stands there.
    """
    after = to_program(session.terms, readable=True)
    name, known = _library().get(canonical_hash(after), ("", after))
    if name and len(known) <= len(after):
        if known != session.program:
            reason = [f"this is the library's {name}, up to names and order"]
            session.propose("names", reason, known, same_arithmetic=True, states=[])
    elif after != session.program and len(after) <= len(session.program):
        reason = ["readable names, canonical order, constants with the digits that float32 keeps"]
        pairs = list(zip(session.program.states, after.states))
        session.propose("names", reason, after, same_arithmetic=True, states=pairs)
