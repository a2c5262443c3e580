"""The files of a comparison: JSON, CSV, figures and the page, in its run directory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from search.comparing.compare import ComparisonResult
from search.reports.comparison.figures import FIGURES, figures
from search.reports.comparison.page import page
from search.reports.comparison.rows import facts, runs
from search.reports.comparison.sentences import findings, warnings
from search.reports.tables import finite_or_none
from search.storage.files import write_file

JSON, TABLE, RUNS, PAGE = "comparison.json", "comparison.csv", "runs.csv", "comparison.html"


def write(result: ComparisonResult, run_dir: Path) -> list[Path]:
    """Writes all of them; returns their paths. Raises OSError."""
    rows = [row for condition in result.conditions for row in facts(result, condition)]
    contents: dict[str, str | bytes] = {
        JSON: json.dumps(data(result), indent=1, allow_nan=False) + "\n",
        TABLE: csv_text(rows),
        RUNS: csv_text(
            [{k: v if not isinstance(v, (dict, list)) else json.dumps(v) for k, v in row.items()}
             for row in runs(result)]
        ),
        PAGE: page(result),
        **{f"{name}.svg": picture for name, picture in figures(result).items()},
    }  # fmt: skip
    for name, content in contents.items():
        write_file(run_dir / name, content)
    for name in FIGURES:
        if f"{name}.svg" not in contents:  # of the same directory with another config
            (run_dir / f"{name}.svg").unlink(missing_ok=True)
    return [run_dir / name for name in contents]


def data(result: ComparisonResult) -> dict[str, Any]:
    """Everything as plain values."""
    return {
        "title": result.config.title,
        "baseline": result.baseline,
        "config": result.config.model_dump(mode="json"),
        "spaces": {
            one.name: {
                "ranges": {name: list(ends) for name, ends in one.space.ranges.items()},
                "fixed": dict(one.space.fixed),
                "ties": dict(one.space.ties),
            }
            for one in result.entrants
        },
        "rows": [row for condition in result.conditions for row in facts(result, condition)],
        "runs": runs(result),
        "expected_best": [
            {"condition": condition, "optimizer": name, "fitness": curve or None}
            for condition, curves in result.expected_best.items()
            for name, curve in curves.items()
        ],
        "profiles": [
            {
                "optimizer": one.optimizer,
                "score": one.score,
                "ratios": [finite_or_none(ratio) for ratio in one.ratios],
            }
            for one in result.profiles
        ],
        "heat_maps": [
            {
                "condition": condition.label,
                "optimizer": one.optimizer,
                "constants": list(one.constants),
                "across": list(one.across),
                "up": list(one.up),
                "fitness": [[finite_or_none(value) for value in row] for row in one.fitness],
            }
            for condition in result.conditions
            for one in condition.heat_maps
        ],
        "findings": findings(result),
        "warnings": warnings(result),
    }


def csv_text(rows: Sequence[dict[str, Any]]) -> str:
    """UTF-8, as spreadsheets read it; no value as an empty cell. Conditions may measure different
    things, so the columns are those of all rows."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
