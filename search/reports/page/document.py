"""The frame of the page: its policy, style and script, heading and contents."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from search.reports.page.html import Html, join, raw, tag


@dataclass(frozen=True)
class Section:
    """A part of the page with an id and a heading, and parts of its own."""

    key: str
    name: str
    content: Html
    parts: Sequence[Section] = ()

    def link(self) -> Html:
        """An entry of the contents."""
        link = tag("a", self.name, href=f"#{self.key}")
        below = [tag("ul", *(part.link() for part in self.parts))] if self.parts else []
        return tag("li", link, *below)

    def html(self, level: int = 2) -> Html:
        heading = tag(f"h{level}", self.name, id=f"{self.key}-name")
        below = (part.html(level + 1) for part in self.parts)
        return tag(
            "section",
            heading,
            self.content,
            *below,
            id=self.key,
            aria_labelledby=f"{self.key}-name",
        )


def document(
    title: str,
    sections: Sequence[Section],
    *,
    refresh_s: float = 0.0,
    made_by: str = "python -m search.report",
) -> str:
    """A whole page.

    Args:
      made_by: the command.
      refresh_s: every so many seconds the page reloads itself from where it was served;
        0: never, for a file.
    """
    style, script = (_own(name) for name in ("style.css", "script.js"))
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
    policy += "base-uri 'none'; form-action 'none'"
    if refresh_s:
        policy += "; connect-src 'self'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", style),
    )
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        tag("header", tag("h1", title)),
        tag(
            "main",
            tag("nav", tag("ul", *(section.link() for section in sections)), aria_label="Contents"),
            *(section.html() for section in sections),
            id="content",
        ),
        tag("footer", "Fitness is higher-is-better: the negative validation loss, unless a task "
            f"measures something else. Made by {made_by}."),
        tag("script", script),
    )  # fmt: skip
    page = tag("html", head, body, lang="en", data_refresh=f"{refresh_s:g}" if refresh_s else None)
    return join([raw("<!DOCTYPE html>\n"), page, raw("\n")])


def _own(name: str) -> Html:
    return raw(resources.files("search.reports.page").joinpath(name).read_text(encoding="utf-8"))


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
