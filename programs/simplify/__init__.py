"""Exact simplification: from an evolved program to the shortest one with the same outputs.

    passes.py         the passes in order: read this first
    terms.py          a program as terms with exact constants; constants.py: where float32 differs
    rules.py          the table of rewrite rules; pattern.py: one side of a rule
    egglog_text.py    the rules for egglog; analyses.py, signs.py: what is known of a value
    egraph.py         equality saturation; extract.py: the shortest program in an e-graph
    states.py         states that say nothing new; reparametrize.py: states kept in another form
    schedule.py       terms back to a program, in canonical order; naming.py: names readers know
    check.py          the numerical check of every step, on the trees of check_settings.py
    certificate.py    the steps written down; losses.py: what was given up
    work.py           the limit on what is done, counted, not timed

Chen et al. 2023, section 3.1, did by hand what this package does, from Program 8 to Lion, but for
statements that only a measurement can show to be of no use.
"""

from programs.simplify.certificate import Simplification, Step, as_dict, as_markdown
from programs.simplify.passes import simplify
from programs.simplify.work import WORK

__all__ = ["WORK", "Simplification", "Step", "as_dict", "as_markdown", "simplify"]
