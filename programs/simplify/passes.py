"""The passes in order: dead statements, liveness across steps, algebra, states, names."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache

from programs.abstract import analyse, live_across_steps, remove_redundant
from programs.canonical import canonical_hash
from programs.load import library, load
from programs.program import Program
from programs.simplify.certificate import Rewriting, Simplification, Step
from programs.simplify.check import Check, check
from programs.simplify.constants import TOLERANCE, as_float32_computes
from programs.simplify.egraph import Rewrites, Stop, saturate
from programs.simplify.extract import Cost, cost_of, extract
from programs.simplify.naming import to_program
from programs.simplify.reparametrize import reparametrizations
from programs.simplify.rules import RULES, Claim
from programs.simplify.signs import nonnegative_states
from programs.simplify.states import Proposal, redundant_states
from programs.simplify.terms import Terms, from_program
from programs.simplify.work import CHECK, WORK, Work

_EXACT, _BOTH = (Claim.EXACT,), (Claim.EXACT, Claim.UP_TO_GUARDS)
# Which rules, and how many rounds of those that explore: cheap ones first, then sure ones.
# Exploring by exact rules keeps the guard of x * 0.1 / 0.1 in x * 0.9999999, so it comes late.
_LEVELS = ((_EXACT, 0), (_BOTH, 0), (_EXACT, 3), (_BOTH, 4))
_MOST_FORMS, _TRIED_FORMS = 1_000, 6  # forms of states: compared, and given exploring rounds
_TOGETHER = 8  # programs in one e-graph, at most
_CHECK_MAY_FAIL = {rule.name for rule in RULES if rule.claim is Claim.UP_TO_GUARDS or rule.rounds}


@dataclass
class _Session:
    """One simplification under way: the program, and the same as terms with exact constants.

    same_bits: the last program up to which every step kept all bits.
    stops: what ended the search for a shorter program, apart from having nothing left to try.
    kept: states of the original program whose values are still there -> their names now.
    disabled: rules behind a step whose check failed.
    """

    program: Program
    terms: Terms
    work: Work
    same_bits: Program
    known: frozenset[Fraction] = frozenset()
    steps: list[Step] = field(default_factory=list)
    stops: set[str] = field(default_factory=set)
    kept: dict[str, str] = field(default_factory=dict)
    disabled: frozenset[str] = frozenset()

    def out_of_work(self) -> bool:
        if self.work.exhausted:
            self.stops.add(Stop.WORK.value)
        return self.work.exhausted

    @property
    def cost(self) -> Cost:
        """What is made small: statements, then states, then what extraction prefers."""
        return _cost(self, self.terms, len(self.program))

    def propose(
        self,
        name: str,
        reason: Rewriting | Sequence[str],
        *,
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
        if states is None:
            states = [(s, s) for s in program.states]
        result = self.check(program, claim, states=states, same_arithmetic=same_arithmetic)
        reason = reason if isinstance(reason, Rewriting) else tuple(reason)
        self.steps.append(Step(name, reason, self.program, program, claim, result, result.passed))
        if result.passed:
            now = dict(states)
            self.kept = {old: now[name] for old, name in self.kept.items() if name in now}
            if same_arithmetic and self.same_bits == self.program:
                self.same_bits = program
            self.program = program
            self.terms = from_program(program) if isinstance(after, Program) else after
        return result.passed

    def check(
        self,
        program: Program,
        claim: Claim,
        *,
        states: Sequence[tuple[str, str]],
        same_arithmetic: bool = False,
    ) -> Check:
        analyse(program)
        self.work.spend(CHECK * (len(self.program) + len(program)))
        return check(
            self.program, program, claim=claim, states=states, same_arithmetic=same_arithmetic
        )

    @contextmanager
    def attempt(self) -> Iterator[Callable[[], bool]]:
        """Undoes all steps of the block unless they made the program better, all together.

        Gives a function that says, after the block, whether they did. Rules that were disabled stay
        so, since their checks failed.
        """
        before = replace(self, steps=list(self.steps), stops=set(self.stops), kept=dict(self.kept))
        cost = self.cost
        better = False
        yield lambda: better
        better = self.cost[:2] < cost[:2]
        if not better:
            self.program, self.terms, self.kept = before.program, before.terms, before.kept
            self.steps, self.stops = before.steps, before.stops


def simplify(program: Program, work: int = WORK) -> Simplification:
    """The shortest program with the same outputs that the passes find.

    Fewest statements, then fewest states, never more than before. Every step is checked numerically
    and written down, and so is the whole.

    Args:
      program: a valid program.
      work: after so much work, in units of about a microsecond (see work.py), the best program so
        far is returned. The work is counted, so the result does not depend on the machine's speed.

    Raises:
      InvalidProgram: the program is not valid.
    """
    analyse(program)
    session = _Session(program, from_program(program), Work(work), program)
    session.kept = {state: state for state in program.states}
    _remove_dead(session)
    _settle_constants(session)
    if _share(session):
        nodes = session.terms.nodes
        session.known = frozenset(node[1] for node in nodes if node[0] == "constant")
        _rewrite(session)
        while not session.out_of_work() and (_drop_state(session) or _reform_state(session)):
            _rewrite(session)
    overall = _checked(session)
    kept = _name(session)
    return Simplification(
        program,
        session.program,
        tuple(session.steps),
        tuple(kept.items()),
        overall,
        tuple(sorted(session.stops)),
    )


def _remove_dead(session: _Session) -> None:
    shorter = remove_redundant(session.program)
    if shorter != session.program:
        reason = ["statements on which no output of the step depends"]
        session.propose("dead statements", reason, after=shorter, same_arithmetic=True)
    shorter = live_across_steps(session.program)
    if shorter != session.program:
        gone = [s for s in session.program.states if s not in shorter.states]
        reason = [f"no later update depends on state {name}" for name in gone]
        session.propose("liveness across steps", reason, after=shorter, same_arithmetic=True)


def _settle_constants(session: _Session, tolerance: float = TOLERANCE) -> None:
    """Numbers in place of constants that float32 computes otherwise than real numbers do."""
    settled = as_float32_computes(session.program, tolerance)
    if settled != session.program:
        reason = ["constants that float32 computes otherwise than real numbers do"]
        session.propose("constants", reason, after=settled, same_arithmetic=True)


def _share(session: _Session) -> bool:
    """Common values and constants: what reading a program into terms does. False if the program
    does not stand that.

    Where a constant's last bit decides what becomes of a state, folding with real numbers is too
    much: every constant is then one that float32 computes, and sharing keeps all bits.
    """
    if _shared(session):
        return True
    _settle_constants(session, 0.0)
    return _shared(session, same_arithmetic=True)


def _shared(session: _Session, *, same_arithmetic: bool = False) -> bool:
    shared = to_program(session.terms)
    if len(shared) < len(session.program):
        reason = ["values that are computed twice", "functions of constants"]
        return session.propose(
            "sharing and folding", reason, after=session.terms, same_arithmetic=same_arithmetic
        )
    return len(shared) == len(session.program)


def _cost(session: _Session, terms: Terms, statements: int | None = None) -> Cost:
    length = len(to_program(terms)) if statements is None else statements
    return length, len(terms.states), cost_of(terms, session.known)[-1]


def _better(
    session: _Session,
    terms: Terms,
    *,
    claims: tuple[Claim, ...],
    explore: int,
    without: frozenset[str] = frozenset(),
) -> Rewriting | None:
    """The best terms that these rules reach, if they are better than those they start from.

    without: rules that are left out, besides the disabled ones.
    """
    rewrites = Rewrites(claims, explore, session.disabled | without, session.known)
    classes = saturate([terms], rewrites, session.work)
    if (claims, bool(explore)) == (_BOTH, True) and classes.stop is not Stop.COMPLETE:
        session.stops.add(classes.stop.value)  # with fewer rules or rounds it is no matter
    best = extract(classes, terms, known=session.known, work=session.work)
    if best == terms or _cost(session, best) >= _cost(session, terms):
        return None
    return Rewriting(terms, best, frozenset(classes.fired), rewrites)


def _rewrite(session: _Session) -> None:
    """Algebra until no round of rules makes the program better."""
    level = 0
    while level < len(_LEVELS) and not session.out_of_work():
        session.stops.clear()
        claims, explore = _LEVELS[level]
        rewriting = _better(session, session.terms, claims=claims, explore=explore)
        if rewriting is None:
            level += 1
        elif session.propose("algebra", rewriting, after=rewriting.after, claim=claims[-1]):
            level = 0 if explore else level
        elif not _disable(session, rewriting):
            level += 1


def _disable(session: _Session, failed: Rewriting) -> bool:
    """Does without the rules behind a step whose check failed; False if there are none left.

    A single rule is at fault if without it a step is left whose check passes. If there is no such
    rule, those go that are known to be risky, or else all.
    """
    names = failed.responsible(session.work)
    suspects = [name for name in names if name in _CHECK_MAY_FAIL] or list(names)
    claims, explore = failed.rewrites.claims, failed.rewrites.explore
    for name in suspects:
        if session.out_of_work():
            break
        other = _better(
            session, session.terms, claims=claims, explore=explore, without=frozenset({name})
        )
        if other is not None:
            program = to_program(other.after)
            states = [(state, state) for state in program.states]
            if session.check(program, claims[-1], states=states).passed:
                suspects = [name]
                break
    before = session.disabled
    session.disabled |= set(suspects)
    return session.disabled > before


def _drop_state(session: _Session) -> bool:
    """Drops a state that says nothing new, unless that takes more statements: 0 is w * 0."""
    for proposal in redundant_states(session.terms, session.work):
        now = session.cost[:2]
        for explore in (0, 3):
            [cost] = _best_costs(session, [proposal.terms], explore)
            if cost < now:
                if _take(session, proposal, "redundant states"):
                    return True
                break
    return False


def _reform_state(session: _Session) -> bool:
    """Tries other forms of every state, with the algebra that they allow, the best gain first."""
    now = session.cost[:2]
    proposals = reparametrizations(session.terms)
    forms = list({form.terms: form for form in itertools.islice(proposals, _MOST_FORMS)}.values())
    if next(proposals, None) is not None:
        session.stops.add(f"the first {_MOST_FORMS} forms of states were compared")
    tried = _by_cost(session, forms, 0)
    if tried and tried[0][0] >= now:
        near = [form for cost, form in tried if cost[0] <= now[0] + 1]
        if len(near) > _TRIED_FORMS:
            session.stops.add(f"of the {len(near)} forms of states {_TRIED_FORMS} were explored")
        tried = _by_cost(session, near[:_TRIED_FORMS], 3)
    return any(
        cost < now and not session.out_of_work() and _take(session, form, "form of states")
        for cost, form in tried
    )


def _by_cost(
    session: _Session, proposals: Sequence[Proposal], explore: int
) -> list[tuple[tuple[int, int], Proposal]]:
    costs = _best_costs(session, [proposal.terms for proposal in proposals], explore)
    return sorted(zip(costs, proposals), key=lambda entry: entry[0])


def _best_costs(
    session: _Session, programs: Sequence[Terms], explore: int
) -> list[tuple[int, int]]:
    """Statements and states that algebra reaches from each program, if all its checks pass.

    Programs share an e-graph, since they have most of their terms in common; unless rules explore,
    which makes it large, or different states are known to be nonnegative.
    """
    rewrites = Rewrites(_BOTH, explore, session.disabled, session.known)
    most = 1 if explore else _TOGETHER
    groups: dict[frozenset[str], list[int]] = {}
    for i, terms in enumerate(programs):
        groups.setdefault(nonnegative_states(terms), []).append(i)
    costs = [_cost(session, terms) for terms in programs]
    for group in groups.values():
        for start in range(0, len(group), most):
            if session.out_of_work():
                break
            some = group[start : start + most]
            classes = saturate([programs[i] for i in some], rewrites, session.work)
            for k, i in enumerate(some):
                best = extract(
                    classes, programs[i], known=session.known, work=session.work, program=k
                )
                costs[i] = min(costs[i], _cost(session, best))
    return [cost[:2] for cost in costs]


def _take(session: _Session, proposal: Proposal, name: str) -> bool:
    """Takes a proposal and the algebra that it allows, if that is better in the end."""
    states = [(s, s) for s in proposal.terms.states if s not in proposal.changed]
    with session.attempt() as better:
        if session.propose(
            name, [proposal.rule], after=proposal.terms, claim=proposal.claim, states=states
        ):
            _rewrite(session)
    return better()


def _checked(session: _Session) -> Check:
    """The check of all steps that may change bits; the last ones are undone until it passes."""
    first = session.same_bits
    while session.program != first:
        applied = [step for step in session.steps if step.applied]
        exact = all(step.claim is Claim.EXACT for step in applied)
        claim = Claim.EXACT if exact else Claim.UP_TO_GUARDS
        pairs = [(old, new) for old, new in session.kept.items() if old in first.states]
        result = check(first, session.program, claim=claim, states=pairs)
        if result.passed:
            return result
        last = applied[-1]
        session.stops.add("the steps added up to too large a difference, and some were undone")
        session.steps[session.steps.index(last)] = replace(last, applied=False, check=result)
        session.program, session.terms = last.before, from_program(last.before)
        session.kept = {s: s for s in session.program.states if s in session.kept}
    return check(first, first, claim=Claim.EXACT, same_arithmetic=True)


@cache
def _library() -> dict[bytes, tuple[str, Program]]:
    """The library's programs by canonical hash."""
    programs = {name: load(f"library:{name}") for name in library()}
    return {canonical_hash(program): (name, program) for name, program in programs.items()}


def _name(session: _Session) -> dict[str, str]:
    """Readable names, constants to float32's precision, canonical order.

    A program of the library is given as it stands there.

    Returns:
      The states of the original program whose values are still there -> their names now.
    """
    after = to_program(session.terms, readable=True)
    pairs = list(zip(session.program.states, after.states))
    name, known = _library().get(canonical_hash(after), ("", after))
    if name and len(known) <= len(after):
        if known != session.program:
            reason = [f"this is the library's {name}, up to names and order"]
            session.propose("names", reason, after=known, same_arithmetic=True, states=[])
    elif after != session.program and len(after) <= len(session.program):
        reason = ["readable names, canonical order, constants with the digits that float32 keeps"]
        session.propose("names", reason, after=after, same_arithmetic=True, states=pairs)
    return session.kept
