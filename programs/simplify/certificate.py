"""The certificate: every step from the program that was given to the one that came out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from programs.program import Program
from programs.simplify.check import Check, check
from programs.simplify.egraph import Stop, saturate
from programs.simplify.rules import RULES, Claim, Phase
from programs.simplify.terms import Terms

_EXPLORING = {rule.name: rule.phase is Phase.EXPLORE for rule in RULES}


@dataclass(frozen=True, slots=True)
class Rewriting:
    """What equality saturation did: the rules in `fired` matched on the way from before to after.

    explore: rounds of exploring rules.
    """

    before: Terms
    after: Terms
    fired: frozenset[str]
    claims: tuple[Claim, ...]
    explore: int
    known: frozenset[Fraction]

    def responsible(self, seconds: float = 2.0) -> tuple[str, ...]:
        """Of the rules that matched, a set that suffices and of which none can be spared.

        Found by leaving out ever fewer of them while the e-graph still shows both sides equal; when
        the time is over, what is left is given.
        """
        end = time.monotonic() + seconds
        names = sorted(self.fired, key=lambda name: (not _EXPLORING[name], name))

        def enough(names: Sequence[str]) -> bool:
            again = saturate(
                self.before, self.claims, self.explore, end, names, self.after, self.known
            )
            half = len(again.roots) // 2
            return again.roots[:half] == again.roots[half:]

        size = (len(names) + 1) // 2
        while size:
            start = 0
            while start < len(names) and time.monotonic() < end:
                fewer = names[:start] + names[start + size :]
                if enough(fewer):
                    names = fewer
                else:
                    start += size
            size //= 2
        return tuple(names)


@dataclass(frozen=True)
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

    @cached_property
    def rules(self) -> tuple[str, ...]:
        """What was applied, in words or by the names of rules. Worked out when it is first read,
        since singling out the rules behind an algebraic step takes longer than the step."""
        reason = self.reason
        return reason.responsible() if isinstance(reason, Rewriting) else reason


@dataclass(frozen=True)
class Simplification:
    """What `simplify` gives.

    Attributes:
      original, program: what went in and what came out.
      certificate: the steps between them.
      kept: states whose values are still there, by their names before and after.
      stops: what ended the search for a shorter program; none if the rules had nothing left to add
        and the passes nothing left to try.
      seconds: how long it took.
    """

    original: Program
    program: Program
    certificate: tuple[Step, ...]
    kept: tuple[tuple[str, str], ...]
    stops: tuple[str, ...]
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether it ended before the time did."""
        return Stop.TIME.value not in self.stops

    @property
    def claim(self) -> Claim:
        """In what sense the outputs stay the same, over all steps."""
        guard = any(step.claim is Claim.UP_TO_GUARDS for step in self.certificate if step.applied)
        return Claim.UP_TO_GUARDS if guard else Claim.EXACT

    @cached_property
    def check(self) -> Check:
        """The comparison of what went in with what came out: each step may be wrong by a little.
        Worked out when it is first read."""
        return check(self.original, self.program, self.claim, self.kept)


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
        "check": _check_as_dict(result.check),
        "seconds": round(result.seconds, 3),
        "steps": [
            {
                "pass": step.name,
                "rules": list(step.rules),
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
        f"{len(before)} statements and {_states(before)} before, "
        f"{len(after)} statements and {_states(after)} after. " + _end(result),
        "",
        "*exact*: the outputs are equal up to float rounding. *guard*: equal except where a "
        "divisor is not large against the guard of 1e-8, or a number leaves float32's range.",
        "",
        f"From the first program to the last: {result.claim.value}. {_outcome(result.check)}",
        "",
        *_code(after),
    ]
    for number, step in enumerate(result.certificate, 1):
        lines += [
            f"## {number}. {step.name}{'' if step.applied else ': NOT APPLIED, its check failed'}",
            "",
            f"{len(step.before)} -> {len(step.after)} statements, "
            f"{len(step.before.states)} -> {len(step.after.states)} states; {step.claim.value}.",
            "",
            *(f"- {_described(rule)}" for rule in step.rules),
            "",
            _outcome(step.check),
            "",
            *_code(step.after),
        ]
    if not result.certificate:
        lines += ["Nothing to simplify.", ""]
    return "\n".join(lines)


def _end(result: Simplification) -> str:
    """Why it was not made shorter still."""
    if not result.stops:
        return "The rules had nothing left to add, and no shorter program was found."
    stops = "; ".join(sorted(result.stops, key=lambda stop: stop != Stop.TIME.value))
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
    return f"{len(program.states)} state{'s' * (len(program.states) != 1)}"


def _code(program: Program) -> list[str]:
    return ["```python", str(program).rstrip(), "```", ""]
