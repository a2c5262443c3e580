"""Programs on the page: a lineage to walk, two programs side by side, the front."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from programs.counted import counted
from search.reports.page.chart import Series, chart
from search.reports.page.html import Html, join, table, tag
from search.reports.verbs.individuals import fitness_text

STEPS = 1_000  # of a lineage that are shown, the last ones


def lineage(key: str, answer: Mapping[str, Any]) -> Html:
    """A program's way from the warm start: a chart of its steps, and each step to look at."""
    steps = answer["steps"][-STEPS:]
    remarks = [f"Steps that did not change the function, left out: {answer['left_out']:,}."]
    if len(steps) < len(answer["steps"]):
        remarks.append(f"Of the others the last {STEPS} are shown.")
    points = [(float(max(step["child"], 0)), step["fitness"]) for step in steps]
    drawing = chart(
        f"{key}-steps",
        f"Lineage of individual {answer['individual']}",
        [Series("fitness of the step", points, dots=True, links=range(len(steps)))],
        x="child",
        y="fitness",
        says=f"{counted(len(steps), 'step')} from the warm start. {' '.join(remarks)}",
    )
    names = [_step_name(i, step) for i, step in enumerate(steps)]
    last = len(steps) - 1
    options = [
        tag("option", name, value=i, selected=i == last) for i, name in enumerate(names)
    ]  # fmt: skip
    controls = tag(
        "div",
        tag("button", "Previous step", type="button", id=f"{key}-back"),
        tag("button", "Next step", type="button", id=f"{key}-on"),
        tag("label", "Step", tag("select", *options, id=f"{key}-step")),
        class_="controls",
        hidden=True,
    )
    panels = [
        tag("article", tag("h4", name), _changes(step), data_panel=i)
        for i, (name, step) in enumerate(zip(names, steps))
    ]
    return tag("div", drawing, tag("div", controls, *panels), class_="lineage figures")


def _step_name(index: int, step: Mapping[str, Any]) -> str:
    change = "" if step["change"] is None else f" ({step['change']:+.4g})"
    fitness = fitness_text(step["fitness"])
    return (
        f"{index}: individual {step['individual']}, {step['mutation']}, fitness {fitness}{change}"
    )


MARKS = {"-": "del", "+": "ins"}
TITLES = {"-": "removed", "+": "added"}


def _changes(step: Mapping[str, Any]) -> Html:
    lines = []
    for sign, position, line in step["lines"]:
        text = f"{sign} {position:2d}  {line}" if step["child"] >= 0 else line
        mark = MARKS.get(sign)
        lines += [tag(mark, text, title=TITLES[sign]) if mark else text, "\n"]
    return tag("pre", tag("code", *lines[:-1]), tabindex=0)


def side_by_side(key: str, programs: Sequence[tuple[str, str]]) -> Html:
    """Two programs chosen among some, with the lines that differ marked.

    programs: name and text.
    """
    boxes = []
    for side, chosen in (("left", 0), ("right", min(1, len(programs) - 1))):
        options = [
            tag("option", name, value=i, selected=i == chosen)
            for i, (name, _) in enumerate(programs)
        ]
        select = tag("select", *options, id=f"{key}-{side}")
        boxes.append(tag("label", f"{side.capitalize()}: ", select))
    pairs = [
        tag("div", _pair(programs[i], programs[j]), data_pair=f"{i} {j}")
        for i in range(len(programs))
        for j in range(len(programs))
        if i != j
    ]
    same = [
        tag("div", tag("p", "The same program on both sides."), data_pair=f"{i} {i}", hidden=True)
        for i in range(len(programs))
    ]
    controls = tag("div", *boxes, class_="controls", hidden=True)
    return tag("div", controls, *pairs, *same, class_="compare")


def _pair(left: tuple[str, str], right: tuple[str, str]) -> Html:
    rows = []
    for sign, one, other in aligned(left[1].rstrip().split("\n"), right[1].rstrip().split("\n")):
        cells = one, other
        if sign:
            cells = tag("del", one) if one else "", tag("ins", other) if other else ""
        rows.append(tag("tr", tag("th", sign, scope="row"), *(tag("td", cell) for cell in cells)))
    names = (tag("th", name, scope="col") for name in ("", left[0], right[0]))
    return tag(
        "div",
        tag("table", tag("thead", tag("tr", *names)), tag("tbody", *rows), class_="sides"),
        class_="wide",
        tabindex=0,
        role="region",
        aria_label=f"{left[0]} and {right[0]} side by side",
    )


def aligned(left: Sequence[str], right: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Lines of two texts beside each other: what is between them ("" for equal, "differs", "left
    only", "right only"), and both."""
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    for what, i, j, k, m in matcher.get_opcodes():
        for offset in range(max(j - i, m - k)):
            one = left[i + offset] if i + offset < j else ""
            other = right[k + offset] if k + offset < m else ""
            sign = "differs" if one and other else "left only" if one else "right only"
            yield ("" if what == "equal" else sign), one, other


def front(key: str, answer: Mapping[str, Any]) -> Html:
    """The best by states and length, as a figure and as tables."""
    if not answer["front"]:
        return tag("p", "No program has a fitness yet.")
    by_states: dict[int, list[tuple[float, float | None]]] = {}
    for entry in answer["front"]:
        by_states.setdefault(entry["states"], []).append((float(entry["live"]), entry["fitness"]))
    series = [
        Series(counted(states, "state"), points, dots=True) for states, points in by_states.items()
    ]
    fame = [(float(entry["live"]), entry["fitness"]) for entry in answer["hall_of_fame"]]
    series.append(Series("hall of fame: whatever the states", fame))
    best = answer["hall_of_fame"][-1]
    drawing = chart(
        f"{key}-front",
        "Front by length and states",
        series,
        x="live statements",
        y="fitness",
        says="Each program of the front is fitter than all that need no more states and no more "
        f"live statements. The fittest has {best['live']} live statements.",
    )
    head = "individual", "states", "live statements", "fitness"
    rows = [
        (str(e["individual"]), str(e["states"]), str(e["live"]), fitness_text(e["fitness"]))
        for e in answer["front"]
    ]
    fame_rows = [
        (str(e["individual"]), str(e["states"]), str(e["live"]), fitness_text(e["fitness"]))
        for e in answer["hall_of_fame"]
    ]
    return tag(
        "div",
        drawing,
        tag("div", table(head, rows, "The front"), table(head, fame_rows, "Hall of fame: the "
            "fittest of each length that no shorter one equals")),
        class_="figures",
    )  # fmt: skip


def with_text(name: str, text: Html) -> Html:
    """Something that is opened on demand."""
    return join([tag("details", tag("summary", name), text)])
