"""Programs as long searches leave them, and what is wrong with how one was simplified."""

from __future__ import annotations

import random

from programs import Program, library, live_across_steps, load
from programs.mutate import MutationOptions, mutate
from programs.simplify import Simplification
from programs.simplify.check import check
from programs.simplify.rules import Claim

SHORTEST, LONGEST = 10, 60  # live statements
MUTATIONS = 3000  # after which another library program is tried


def evolved(seed: int) -> Program:
    """A library program under mutations until it has a number of live statements that is drawn."""
    rng = random.Random(f"evolved {seed}")
    options = MutationOptions(delete=0.5)
    while True:
        wanted = rng.randint(SHORTEST, LONGEST)
        program, analysis = load(f"library:{rng.choice(library())}"), None
        for _ in range(MUTATIONS):
            child = mutate(program, rng, options=options, analysis=analysis)
            program, analysis = child.program, child.analysis
            if wanted <= len(live_across_steps(program)) <= LONGEST:
                return program


def complaints(result: Simplification) -> list[str]:
    """What is not as promised: longer, other updates, a rule at fault, work that ran out.

    Updates are compared as bits up to the first step that changes any, as numbers up to the one
    that rounds constants, and as bits again.
    """
    before, after = result.original, result.program
    found = []
    if len(after) > len(live_across_steps(before)):
        found.append(f"{len(live_across_steps(before))} live statements became {len(after)}")
    steps = [step for step in result.certificate if step.applied]
    first, last = before, after
    while steps and _same_bits(before, steps[0].after):
        first = steps.pop(0).after
    if steps and steps[-1].name == "names":
        last = steps[-1].before
        if not _same_bits(last, after):
            found.append("rounding and naming changed a bit")
    equal = [check(first, last, claim=claim) for claim in Claim]
    if not any(one.passed for one in equal):
        found.append(equal[0].note)
    if not result.check.passed:
        found.append(f"the whole: {result.check.note}")
    # float32 may lose all of a small x in log(exp(x)); a step to x is rightly refused then.
    found += [
        f"{step.name} was refused: {step.check.note}"
        for step in result.certificate
        if not step.applied and "are needed" not in step.check.note
    ]
    if not result.complete:
        found.append("the limit on work was reached")
    return found


def _same_bits(one: Program, other: Program) -> bool:
    return check(one, other, claim=Claim.EXACT, same_arithmetic=True).passed
