"""Texts with labels: topics of Python's reference, GLUE's files, Hugging Face datasets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from proxy_tasks.errors import TaskError, did_you_mean, short_repr
from proxy_tasks.huggingface import column, open_dataset
from proxy_tasks.text import pydoc

# Of the embedded text (see text.pydoc), large ones that have little in common; by label.
TOPICS = (
    "formatstrings", "string-methods", "debugger", "typesmapping", "assignment", "comparisons",
    "execmodel", "import",
)  # fmt: skip
HINT = "labelled=topics needs no files"


@dataclass(frozen=True, eq=False)
class LabelledText:
    """N short texts and their classes."""

    texts: list[str]
    labels: np.ndarray  # [N] int32, 0 to classes - 1
    classes: int


def load_labelled(source: str, length: int) -> LabelledText:
    """The texts of a setting: `topics`, `tsv:FILE` or `hf:NAME_OR_PATH[:CONFIG]`.

    length: characters of a text, where they are cut from a longer one. Raises TaskError when they
    are missing or not in the format.
    """
    kind, _, location = source.partition(":")
    if kind not in SOURCES or bool(location) == (kind == "topics"):
        valid = ["topics", "tsv:FILE", "hf:NAME_OR_PATH"]
        near = did_you_mean(kind, SOURCES) if kind not in SOURCES else f"; valid are: {valid}"
        raise TaskError(f"labelled={short_repr(source)}: not a source of labelled text{near}")
    labelled = SOURCES[kind](location, length)
    if labelled.classes < 2 or not labelled.texts or labelled.labels.min() < 0:
        raise TaskError(
            f"labelled={short_repr(source)}: expected labels 0, 1, ... of 2 classes or more"
        )
    return labelled


def topics(location: str, length: int) -> LabelledText:
    """Which topic a piece of Python's reference is from; see `without_topics` for the rest."""
    texts, labels = [], []
    for label, paragraphs in enumerate(_paragraphs_of_topics()):
        text = "\n\n".join(paragraphs)
        pieces = [text[i : i + length] for i in range(0, len(text) - length + 1, length)]
        texts += pieces
        labels += [label] * len(pieces)
    return LabelledText(texts, np.array(labels, np.int32), len(TOPICS))


def without_topics(limit: int) -> str:
    """The embedded text but for paragraphs of the labelled topics, at most `limit` characters."""
    labelled = {paragraph for topic in _paragraphs_of_topics() for paragraph in topic}
    paragraphs = pydoc("", 10**9).split("\n\n")
    return "\n\n".join(p for p in paragraphs if p not in labelled)[:limit]


def _paragraphs_of_topics() -> Iterator[list[str]]:
    """By label; a paragraph of several topics counts for the first."""
    from pydoc_data.topics import topics as texts

    seen: set[str] = set()
    for name in TOPICS:
        paragraphs = [p for p in texts.get(name, "").strip().split("\n\n") if p not in seen]
        seen |= set(paragraphs)
        yield paragraphs


def tsv(location: str, length: int) -> LabelledText:
    """A file as GLUE's SST-2: columns separated by tabs, named `sentence` and `label` in the first
    line; labels are 0, 1, ..."""
    path = Path(location).expanduser()
    if not path.is_file():
        raise TaskError(
            f"labelled='tsv:{location}': no file {path.absolute()}; expected columns sentence and "
            f"label, as of GLUE's SST-2; {HINT}"
        )
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"{path}: cannot be read: {error}") from None
    names = lines[0].rstrip("\r").split("\t")
    for name in ("sentence", "label"):
        if name not in names:
            raise TaskError(f"{path}:1: no column {name!r}; the columns are {short_repr(names)}")
    texts, labels = [], []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        fields = line.rstrip("\r").split("\t")
        if len(fields) != len(names):
            raise TaskError(f"{path}:{number}: expected {len(names)} columns, got {len(fields)}")
        label = fields[names.index("label")]
        if not (label.isascii() and label.isdigit() and len(label) < 6):
            raise TaskError(f"{path}:{number}: label: expected 0, 1, ..., got {short_repr(label)}")
        texts.append(fields[names.index("sentence")])
        labels.append(int(label))
    return LabelledText(texts, np.array(labels, np.int32), max(labels, default=0) + 1)


def hub(location: str, length: int) -> LabelledText:
    """A Hugging Face data set with a column of class labels, and one of text, its first."""
    dataset = open_dataset(location)
    import datasets

    label = column(
        dataset, location, kind="class labels", fits=lambda f: isinstance(f, datasets.ClassLabel)
    )
    text = column(
        dataset, location, kind="text", fits=lambda f: getattr(f, "dtype", None) == "string"
    )
    rows = [row for row in dataset.select_columns([text, label]) if row[label] >= 0]
    labels = np.array([row[label] for row in rows], np.int32)
    texts = [str(row[text] or "") for row in rows]
    return LabelledText(texts, labels, dataset.features[label].num_classes)


SOURCES: dict[str, Callable[[str, int], LabelledText]] = {"topics": topics, "tsv": tsv, "hf": hub}
