"""HTML in which text cannot become markup: a string is escaped unless it is `Html` already."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

VOID = frozenset({"br", "input", "meta"})


class Html(str):
    """Markup that was made by `tag`, `join` or `raw`."""

    __slots__ = ()


Content = Html | str
Attribute = str | int | float | bool | None


def tag(name: str, /, *content: Content, **attributes: Attribute) -> Html:
    """An element. Attributes: `class_` is class, `data_x` is data-x; None and False are left out,
    True has no value."""
    parts = [name]
    for key, value in attributes.items():
        attribute = key.rstrip("_").replace("_", "-")
        if value is True:
            parts.append(attribute)
        elif value is not None and value is not False:
            parts.append(f'{attribute}="{escape(str(value))}"')
    if name in VOID:
        return Html(f"<{' '.join(parts)}>")
    return Html(f"<{' '.join(parts)}>{join(content)}</{name}>")


def join(parts: Iterable[Content]) -> Html:
    """Parts one after the other, text escaped."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


def raw(text: str) -> Html:
    """Text of this package that is markup, script or style; never anything from a run."""
    return Html(text)


def table(head: Iterable[Content], rows: Iterable[Iterable[Content]], caption: str) -> Html:
    """A table whose first column names its rows; it scrolls by itself where it is too wide."""
    cells = (tag("th", cell, scope="col") for cell in head)
    body = []
    for first, *rest in rows:
        body.append(tag("tr", tag("th", first, scope="row"), *(tag("td", cell) for cell in rest)))
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption),
            tag("thead", tag("tr", *cells)),
            tag("tbody", *body),
        ),
        class_="wide",
        tabindex=0,
        role="region",
        aria_label=caption,
    )


def code(text: str) -> Html:
    """A program or another text as it is."""
    return tag("pre", tag("code", text.rstrip("\n")), tabindex=0)
