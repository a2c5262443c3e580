"""Exact simplification: from an evolved program to the shortest one with the same outputs.

    terms.py        a program as terms with exact constants
    rules.py        the table of rewrite rules; egglog_text.py: the rules for egglog
    egraph.py       equality saturation; extract.py: the shortest program in an e-graph
    states.py       states that are superfluous or better kept in another form
    naming.py       terms back to a program, in canonical order, with names that a reader knows
    check.py        the numerical check of every step; certificate.py: the steps written down
    passes.py         the passes in order

Chen et al. 2023, section 3.4, did by hand what this package does: from Program 8 to Lion, less the
statements that only a measurement can show to be of no use.
"""

from programs.simplify.certificate import Simplification, Step, as_dict, as_markdown
from programs.simplify.passes import simplify

__all__ = ["Simplification", "Step", "as_dict", "as_markdown", "simplify"]
