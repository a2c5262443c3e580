"""A whole small search as text that a person can read and follow by hand.

To make the golden text anew after an intended change: python tests/search/test_whole_search.py
"""

import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

import toys

from search import api
from search.evaluation.source import Function

GOLDEN = Path(__file__).with_suffix(".txt")
CONFIG = {
    "seed": 4,
    "evolution": {
        "warm_start": ["library:signum"],
        "children": 14,
        "population": 3,
        "tournament": 2,
        "window": 2,
        "repeats": 1,
        "rounds": 1,
    },
    "evaluation": {"tasks": ["toy"]},
    "rescore": {"programs": 2, "seeds": 2},
    "workers": {"address": "in_process"},
    "funnel": None,
}


def story(run_dir: str) -> str:
    """Fitness is the number of different functions that the live statements use."""
    result = api.search(CONFIG, run_dir, source=Function(toys.factory()))
    told = {row.number: row for row in result.history()}
    lines = []
    for number, row in told.items():
        parent = "" if row.parent is None else f" of {row.parent}"
        lines.append(f"{number:2d} {row.mutation}{parent}: {row.reuse}, fitness {row.fitness:g}")
        lines += [f"     {line}" for line in str(result.lineage(number)[-1].program).splitlines()]
    lines.append(f"best on fresh seeds: {result.finalists[0].leader.number}")
    return "\n".join(lines) + "\n"


def test_a_search_is_the_one_that_was_written_down(tmp_path):
    assert story(str(tmp_path / "run")) == GOLDEN.read_text()


if __name__ == "__main__":
    GOLDEN.write_text(story(tempfile.mkdtemp() + "/run"))
