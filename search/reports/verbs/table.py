"""The table of verbs: one row each."""

from __future__ import annotations

from search.reports.verbs.asked import Verb, from_data
from search.reports.verbs.diff import diff, diff_lines
from search.reports.verbs.families import family_lines, leading_families
from search.reports.verbs.funnel import funnel, funnel_lines
from search.reports.verbs.lineage import lineage, lineage_lines
from search.reports.verbs.overview import (
    best_by_size_lines,
    leader_lines,
    overview,
    overview_lines,
)
from search.reports.verbs.program import program, program_lines, text_lines
from search.reports.verbs.rules import rule_lines, rules
from search.reports.verbs.stats import (
    curve,
    curve_lines,
    digest,
    digest_lines,
    event_lines,
    events,
    stats,
    stats_lines,
)
from search.reports.verbs.tables import tables, tables_lines
from search.reports.verbs.top import best_by_size, top, top_lines

VERBS = {
    "overview": Verb(
        "figures, leading programs, hall of fame",
        overview,
        overview_lines,
        reads_programs=False,
    ),
    "top": Verb("the leading programs, in a table and as text", top, from_data(top, top_lines)),
    "leaders": Verb("their texts alone", top, leader_lines),
    "program": Verb(
        "one program in full: kinds, trainings, contribution of each statement, funnel",
        program,
        from_data(program, program_lines),
        ("ID",),
        of_a_search=False,
    ),
    "show": Verb(
        "its text alone, redundant statements marked",
        program,
        text_lines,
        ("ID",),
        of_a_search=False,
    ),
    "lineage": Verb(
        "how it came to be, edit by edit", lineage, from_data(lineage, lineage_lines), ("ID",)
    ),
    "families": Verb(
        "the leading programs by structure",
        leading_families,
        from_data(leading_families, family_lines),
    ),
    "funnel": Verb(
        "every program in every stage", funnel, from_data(funnel, funnel_lines), of_a_search=False
    ),
    "front": Verb(
        "the best program for each number of states and length", best_by_size, best_by_size_lines
    ),
    "rules": Verb(
        "which known rule the best program of each number of states is",
        rules,
        from_data(rules, rule_lines),
    ),
    "stats": Verb(
        "figures, outcomes, mutations by kind",
        stats,
        from_data(stats, stats_lines),
        reads_programs=False,
    ),
    "curve": Verb(
        "the course of the search, as CSV",
        curve,
        from_data(curve, curve_lines),
        reads_programs=False,
    ),
    "diff": Verb(
        "two programs side by side, and the difference in fitness",
        diff,
        from_data(diff, diff_lines),
        ("A", "B"),
        of_a_search=False,
    ),
    "tables": Verb(
        "the tables of its store; with --out DIR as CSV or Parquet files",
        tables,
        from_data(tables, tables_lines),
        of_a_search=False,
        reads_programs=False,
    ),
    "events": Verb(
        "starts, resumes, lost workers, failures",
        events,
        from_data(events, event_lines),
        of_a_search=False,
        reads_programs=False,
    ),
    "digest": Verb(
        "a hash of the history: equal for equal searches",
        digest,
        from_data(digest, digest_lines),
        whole=True,
        reads_programs=False,
    ),
}
