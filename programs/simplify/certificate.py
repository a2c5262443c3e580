"""The certificate: every step from the program that was given to the one that came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from programs.program import Program
from programs.simplify.check import Check
from programs.simplify.rules import RULES, Claim


@dataclass(frozen=True, slots=True)
class Step:
    """One rewriting.

    Attributes:
      name: the pass that it belongs to.
      rules: what was applied, by name or in words.
      before, after: the programs.
      claim: in what sense the outputs stay the same.
      check: the numerical comparison of the two.
      applied: False if the check failed: the step was not taken, and a rule is at fault.
    """

    name: str
    rules: tuple[str, ...]
    before: Program
    after: Program
    claim: Claim
    check: Check
    applied: bool


@dataclass(frozen=True, slots=True)
class Simplification:
    """What `simplify` gives.

    Attributes:
      original, program: what went in and what came out.
      certificate: the steps between them.
      complete: False if time ran out, so that the program may not be the shortest.
      seconds: how long it took.
    """

    original: Program
    program: Program
    certificate: tuple[Step, ...]
    complete: bool
    seconds: float


_BY_NAME = {rule.name: rule for rule in RULES}


def as_dict(result: Simplification) -> dict[str, Any]:
    """The certificate as plain values, for JSON."""
    return {
        "program": str(result.program),
        "original": str(result.original),
        "statements": {"before": len(result.original), "after": len(result.program)},
        "states": {"before": len(result.original.states), "after": len(result.program.states)},
        "complete": result.complete,
        "seconds": round(result.seconds, 3),
        "steps": [
            {
                "pass": step.name,
                "rules": list(step.rules),
                "claim": step.claim.value,
                "before": str(step.before),
                "after": str(step.after),
                "applied": step.applied,
                "check": {
                    "passed": step.check.passed,
                    "compared": step.check.compared,
                    "worst_relative_difference": step.check.worst,
                    "float32_agreement": step.check.float32,
                    "note": step.check.note,
                },
            }
            for step in result.certificate
        ],
    }


def as_markdown(result: Simplification) -> str:
    """The certificate as a page to read."""
    before, after = result.original, result.program
    lines = [
        "# Certificate of simplification",
        "",
        f"{len(before)} statements and {_states(before)} before, "
        f"{len(after)} statements and {_states(after)} after; {result.seconds:.2f} s. "
        + (
            "No rule and no pass makes it shorter."
            if result.complete
            else "Time ran out: this is the best so far, and it may not be the shortest."
        ),
        "",
        "*exact*: the outputs are equal up to float rounding. *guard*: equal except where a divisor "
        "is not large against the guard of 1e-8.",
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
            f"Check: {'passed' if step.check.passed else 'FAILED'}; {step.check.note}.",
            "",
            *_code(step.after),
        ]
    if not result.certificate:
        lines += ["Nothing to simplify.", ""]
    return "\n".join(lines)


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
