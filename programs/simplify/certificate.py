"""The certificate: every step from the program that was given to the one that came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from programs.counted import counted
from programs.program import Program
from programs.simplify.check import Check
from programs.simplify.egraph import Rewrites, Stop, saturate
from programs.simplify.losses import given_up
from programs.simplify.rules import RULES, Claim, Phase
from programs.simplify.terms import Terms
from programs.simplify.work import Work

_EXPLORING = {rule.name: rule.phase is Phase.EXPLORE for rule in RULES}
_EXPLAINING = 2_000_000  # work that may go into naming the rules behind one step


@dataclass(frozen=True, slots=True)
class Rewriting:
    """What equality saturation did: the rules in `fired` matched between before and after."""

    before: Terms
    after: Terms
    fired: frozenset[str]
    rewrites: Rewrites

    def responsible(self, work: Work) -> tuple[str, ...]:
        """Of the rules that matched, a set that suffices and of which none can be spared.

        Found by leaving out ever fewer of them while the e-graph still shows both sides equal
        (delta debugging); when the work is exhausted, what is left is given.
        """
        every = frozenset(_EXPLORING)

        def enough(names: Sequence[str]) -> bool:
            rewrites = replace(self.rewrites, disabled=every - frozenset(names))
            before, after = saturate([self.before, self.after], rewrites, work).roots
            olds = dict(zip(("", *self.before.states), before))
            return all(olds[name] == new for name, new in zip(("", *self.after.states), after))

        names = sorted(self.fired, key=lambda name: (not _EXPLORING[name], name))
        size = (len(names) + 1) // 2
        while size:
            start = 0
            while start < len(names) and not work.exhausted:
                fewer = names[:start] + names[start + size :]
                if enough(fewer):
                    names = fewer
                else:
                    start += size
            size //= 2
        return tuple(names)


@dataclass(frozen=True, slots=True)
class Step:
    """One rewriting.

    Attributes:
      name: the pass that it belongs to.
      reason: what was applied: in words, or a rewriting by rules.
      before, after: the programs.
      claim: in what sense the outputs stay the same.
      check: the numerical comparison of the two.
      applied: False if the check failed: the step was not taken, and a rule is at fault.
    """

    name: str
    reason: tuple[str, ...] | Rewriting
    before: Program
    after: Program
    claim: Claim
    check: Check
    applied: bool

    def explain(self) -> tuple[str, ...]:
        """What was applied, in words or by the names of rules.

        Singling out the rules behind an algebraic step takes longer than the step did.
        """
        if isinstance(self.reason, Rewriting):
            return self.reason.responsible(Work(_EXPLAINING))
        return self.reason


@dataclass(frozen=True, slots=True)
class Simplification:
    """What `simplify` gives.

    Attributes:
      original, program: what went in and what came out.
      certificate: the steps between them.
      kept: states whose values are still there, by their names before and after.
      check: the comparison of what went in with what came out, but for the rounding of constants to
        float32, which has a check of its own: each step may be wrong by a little.
      stops: what ended the search for a shorter program; none if the rules had nothing left to add
        and the passes nothing left to try.
    """

    original: Program
    program: Program
    certificate: tuple[Step, ...]
    kept: tuple[tuple[str, str], ...]
    check: Check
    stops: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether it ended before the limit on work was reached."""
        return Stop.WORK.value not in self.stops

    @property
    def claim(self) -> Claim:
        """In what sense the outputs stay the same, over all steps."""
        guards = any(step.claim is Claim.UP_TO_GUARDS for step in self.certificate if step.applied)
        return Claim.UP_TO_GUARDS if guards else Claim.EXACT

    def given_up(self) -> tuple[str, ...]:
        """Where the two differ after all, in words; see losses.py."""
        return given_up(self.original, self.program)


_BY_NAME = {rule.name: rule for rule in RULES}


def as_dict(result: Simplification) -> dict[str, Any]:
    """The certificate as plain values, for JSON."""
    return {
        "program": str(result.program),
        "original": str(result.original),
        "statements": {"before": len(result.original), "after": len(result.program)},
        "states": {"before": len(result.original.states), "after": len(result.program.states)},
        "complete": result.complete,
        "stops": list(result.stops),
        "claim": result.claim.value,
        "given_up": list(result.given_up()),
        "check": _check_as_dict(result.check),
        "steps": [
            {
                "pass": step.name,
                "rules": list(step.explain()),
                "claim": step.claim.value,
                "before": str(step.before),
                "after": str(step.after),
                "applied": step.applied,
                "check": _check_as_dict(step.check),
            }
            for step in result.certificate
        ],
    }


def _check_as_dict(check: Check) -> dict[str, Any]:
    return {
        "passed": check.passed,
        "compared": check.compared,
        "worst_relative_difference": check.worst,
        "float32_agreement": check.float32,
        "note": check.note,
    }


def as_markdown(result: Simplification) -> str:
    """The certificate as a page to read."""
    before, after = result.original, result.program
    lines = [
        "# Certificate of simplification",
        "",
        f"{counted(len(before), 'statement')} and {_states(before)} before, "
        f"{counted(len(after), 'statement')} and {_states(after)} after. {_end(result)}",
        "",
        "*exact*: the outputs are equal up to float rounding. *up to guards*: equal except where "
        "a divisor is not large against the guard of 1e-8, or a number leaves float32's range.",
        "",
        f"From the first program to the last: {result.claim.value}. {_outcome(result.check)}",
        "",
        f"Given up: {'; '.join(result.given_up()) or 'nothing that was measured'}.",
        "",
        *code_block(after),
    ]
    for number, step in enumerate(result.certificate, 1):
        lines += [
            f"## {number}. {step.name}{'' if step.applied else ': NOT APPLIED, its check failed'}",
            "",
            f"{len(step.before)} -> {counted(len(step.after), 'statement')}, "
            f"{len(step.before.states)} -> {counted(len(step.after.states), 'state')}; "
            f"{step.claim.value}.",
            "",
            *(f"- {_described(rule)}" for rule in step.explain()),
            "",
            _outcome(step.check),
            "",
            *code_block(step.after),
        ]
    if not result.certificate:
        lines += ["Nothing to simplify.", ""]
    return "\n".join(lines)


def _end(result: Simplification) -> str:
    """Why it was not made shorter still."""
    if not result.stops:
        return "The rules had nothing left to add, and no shorter program was found."
    stops = "; ".join(sorted(result.stops, key=lambda stop: stop != Stop.WORK.value))
    return f"{stops[0].upper()}{stops[1:]}: this is the best so far, and may not be the shortest."


def _outcome(check: Check) -> str:
    return f"Check: {'passed' if check.passed else 'FAILED'}; {check.note}."


def _described(name: str) -> str:
    rule = _BY_NAME.get(name)
    if rule is None:
        return name
    when = f", if {' and '.join(rule.when)}" if rule.when else ""
    return f"{name}: `{rule.left} = {rule.right}`{when} ({rule.claim.value}; {rule.why})"


def _states(program: Program) -> str:
    return counted(len(program.states), "state")


def code_block(program: Program) -> list[str]:
    """A program as the lines of a Markdown code block."""
    return ["```python", str(program).rstrip(), "```", ""]
