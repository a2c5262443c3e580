"""The paper's figures of several searches: pictures, tables of their numbers, and what they show.

Chen et al. 2023, Figure 2: evolution against constants alone and random programs; known programs
and redundant statements. Figure 3: where searches begin to overfit. Intervals are Student's t over
the searches, at 95 %.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from programs.counted import counted
from search.reports.tables import finite_or_none, markdown_table
from search.storage.files import write_file
from search.studies.curves import (
    Course,
    Overfitting,
    Rise,
    at_the_end,
    band_of,
    course_band,
    course_of,
    overfitting_of,
    rise_of,
)
from search.studies.drawing import draw_overfitting, draw_search
from search.studies.intervals import Estimate, difference_of, mean_of, share_of

COURSES = {"known programs": "hits", "redundant statements": "redundant"}


def search_figure(
    arms: Mapping[str, Sequence[str | Path]],
    out: Path,
    fresh: Mapping[str | Path, float] | None = None,
) -> list[str]:
    """Figure 2 of several searches of each arm; the first is compared with each of the others.

    fresh: by run the fitness of its best on fresh seeds, where it is known better than by the
    run's own re-scoring; NaN: it has none.

    Writes OUT.svg, OUT.png, OUT.json and OUT.md.

    Returns:
      The lines of OUT.md.

    Raises:
      StoreError: a run cannot be read, or nothing in it has a fitness.
    """
    fresh = fresh or {}
    rises = {arm: [_rise(run, fresh) for run in runs] for arm, runs in arms.items()}
    first = next(iter(arms))
    courses = [course for run in arms[first] for course in course_of(run)]
    starts = [rise.start for few in rises.values() for rise in few]
    draw_search(
        {arm: band_of(few) for arm, few in rises.items()},
        mean_of(starts).value,
        {name: course_band(courses, key) for name, key in COURSES.items()},
        out=out,
    )
    rows = [
        [
            "arm", "searches", "trainings each", "best search fitness [95 %]",
            "on fresh seeds [95 %]", "of searches", "above the warm start",
        ]
    ]  # fmt: skip
    numbers: dict[str, Any] = {"arms": {}, "verdicts": []}
    for arm, few in rises.items():
        best, again = mean_of(_best(few)), mean_of(_fresh(few))
        trained = mean_of([float(rise.trainings[-1]) for rise in few]).value
        gain = mean_of([rise.best[-1] - rise.start for rise in few if math.isfinite(rise.start)])
        rows.append(
            [
                arm, str(len(few)), f"{trained:,.0f}", best.text(), again.text(), str(again.size),
                gain.text("+.4g"),
            ]
        )  # fmt: skip
        numbers["arms"][arm] = {
            "runs": [str(run) for run in arms[arm]],
            "trainings": trained,
            "best": best.as_json(),
            "fresh": again.as_json(),
            "by_run": [{"best": r.best[-1], "fresh": finite_or_none(r.fresh)} for r in few],
        }
    lines = [*markdown_table(rows), ""]
    for arm in [arm for arm in arms if arm != first]:
        verdict = _verdict(first, arm, rises=rises)
        lines.append(f"- {verdict}")
        numbers["verdicts"].append(verdict)
    lines += _course_lines(first, courses, numbers)
    return _written(out, lines, numbers)


def _rise(run: str | Path, fresh: Mapping[str | Path, float]) -> Rise:
    rise = rise_of(run)
    return replace(rise, fresh=fresh[run]) if run in fresh else rise


def _best(rises: Sequence[Rise]) -> list[float]:
    return [float(rise.best[-1]) for rise in rises]


def _fresh(rises: Sequence[Rise]) -> list[float]:
    return [rise.fresh for rise in rises if math.isfinite(rise.fresh)]


def _verdict(first: str, other: str, *, rises: Mapping[str, Sequence[Rise]]) -> str:
    """Whether the two are apart, in the search and on fresh seeds: there only where every search
    was scored and has a fitness, as the mean of the rest would leave out what failed."""
    parts = []
    for name, values in (("best search fitness", _best), ("on fresh seeds", _fresh)):
        ours, theirs = values(rises[first]), values(rises[other])
        lacking = [
            f"{count} of {len(rises[arm])} of {arm}"
            for arm, few in ((first, ours), (other, theirs))
            if (count := len(rises[arm]) - len(few))
        ]
        if lacking:
            parts.append(
                f"{name}: not compared (not scored, or no fitness there: {', '.join(lacking)})"
            )
            continue
        one, two = mean_of(ours), mean_of(theirs)
        if one.is_above(two):
            word = "intervals apart"
        elif two.is_above(one):
            word = "intervals apart, the other way round"
        else:
            word = "intervals not apart"
        difference = difference_of(ours, theirs).text("+.4g")
        parts.append(f"{name}: {word} (difference {difference})")
    return f"{first} against {other}: {'; '.join(parts)}"


def _course_lines(arm: str, courses: Sequence[Course], numbers: dict[str, Any]) -> list[str]:
    lines = []
    for name, key in COURSES.items():
        end = mean_of([100 * at_the_end(course, key) for course in courses])
        numbers[key] = {"arm": arm, "percent_at_the_end": end.as_json()}
        lines.append(f"- {arm}: {name} at the end: {end.text('.1f')} %")
    return lines


def onset_figure(runs: Sequence[str | Path], out: Path) -> list[str]:
    """Figure 3 of several searches with meta-validation; see `search_figure`."""
    searches = [(str(run), one) for run in runs for one in overfitting_of(run)]
    draw_overfitting([one for _, one in searches], out=out)
    rows = [["search", "points", "onset after", "of the search", "fall", "p"]]
    for name, one in searches:
        begin = one.onset
        cells = ["none", "", "", ""]
        if begin:
            cells = [f"{begin.child:,} children", f"{one.progress:.0%}"]
            cells += [f"{begin.fall:.4g}", f"{begin.p:.2g}"]
        rows.append([name, str(len(one.points)), *cells])
    begins = [one.progress for _, one in searches if one.onset]
    share = share_of(len(begins), len(searches))
    lines = [*markdown_table(rows), ""]
    lines.append(
        f"- meta-overfitting begins in {len(begins)} of {len(searches)} searches: "
        f"{100 * share.value:.0f} % [{100 * share.low:.0f}, {100 * share.high:.0f}]"
    )
    if begins:
        lines.append(f"- where it does, after {median(begins):.0%} of the search (median)")
    gains = _gains([one for _, one in searches])
    of = f"{gains.size} of {counted(len(searches), 'search')}"
    gained = f"{gains.text('+.4g')} in {of}"
    lines.append(f"- meta-validation fitness, last point minus first: {gained}")
    if missing := len(searches) - gains.size:
        lines.append(f"- {_without_fitness([one for _, one in searches], missing)}")
    numbers = {
        "searches": [
            {"run": name, "onset": one.progress if one.onset else None} for name, one in searches
        ],
        "share_with_onset": share.as_json(),
        "gain": gains.as_json(),
    }
    return _written(out, lines, numbers)


def _gains(searches: Sequence[Overfitting]) -> Estimate:
    """Meta-validation fitness at the end minus that at the first point, where there are both."""
    gains = [one.points[-1].mean - one.points[0].mean for one in searches]
    return mean_of([gain for gain in gains if math.isfinite(gain)])


def _without_fitness(searches: Sequence[Overfitting], missing: int) -> str:
    """What the mean gain leaves out, in words."""
    ended = sum(not math.isfinite(one.points[-1].mean) for one in searches)
    begun = missing - ended
    where = [f"{ended} at the last point"] if ended else []
    where += [f"{begun} at the first"] if begun else []
    return f"left out, as there is no meta-validation fitness: {', '.join(where)}"


def _written(out: Path, lines: list[str], numbers: Mapping[str, Any]) -> list[str]:
    write_file(out.with_name(f"{out.name}.json"), json.dumps(numbers, indent=1) + "\n")
    write_file(out.with_name(f"{out.name}.md"), "\n".join(lines) + "\n")
    return lines
