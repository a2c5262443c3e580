"""Logs of clicks: generated ones, whose truth is known, and files in Criteo's format."""

from __future__ import annotations

import gzip
import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from proxy_tasks.errors import TaskError, did_you_mean, short_repr

NUMBERS, CATEGORIES = 13, 26  # columns of Criteo's files, after the label
COLUMNS = 1 + NUMBERS + CATEGORIES
SIZES = (4, 8, 16, 40, 100, 200, 400, 800)  # values of each generated category
GENERATED_NUMBERS = 4
RANK = 2  # of the generated interactions between categories
BIAS = -2.6  # of the generated clicks: about a fifth of the shown ads
HINT = "data=generated needs no files"


@dataclass(frozen=True, eq=False)
class ClickLogs:
    """N shown ads, by time or in any order."""

    numbers: np.ndarray  # [N, D] float32, NaN where missing
    categories: np.ndarray  # [N, F] int32, rows of one table of embeddings for all categories
    clicked: np.ndarray  # [N] int32, 0 or 1
    rows: int  # of the table
    probability: np.ndarray | None = None  # [N] float32, the truth, where it is known


def load_clicks(source: str, count: int, buckets: int) -> ClickLogs:
    """The first `count` lines of a data setting: `generated` or `criteo:FILE`.

    buckets: rows of the table of embeddings for each category of a file; its values are hashed
    into them. Raises TaskError when the file is missing or a line is not in the format.
    """
    kind, _, location = source.partition(":")
    if kind == "generated" and not location:
        return generated(count)
    if kind == "criteo" and location:
        return criteo(location, count, buckets)
    kinds = ["generated", "criteo"]
    near = "; valid are: generated, criteo:FILE" if kind in kinds else did_you_mean(kind, kinds)
    raise TaskError(f"data={short_repr(source)}: not a source of click logs{near}")


def generated(count: int) -> ClickLogs:
    """Clicks drawn from a factorization machine (Rendle 2010) on categories of skewed sizes.

    The logit is a sum of an effect of each value, of products of two hidden factors between
    categories, and of a linear and a squared term of the numbers. So a model that only adds up
    misses a part of the truth, and no model can have a smaller log loss than `probability` has.
    """
    truth, rng = np.random.RandomState(0), np.random.RandomState(1)
    columns, effects, factors = [], np.zeros(count), []
    for size in SIZES:
        share = 1 / np.arange(1, size + 1)
        values = rng.choice(size, count, p=share / share.sum())
        columns.append(values)
        effects += 0.4 * truth.normal(size=size)[values]
        factors.append(0.6 * truth.normal(size=(size, RANK))[values])
    numbers = rng.normal(size=(count, GENERATED_NUMBERS))
    effects += numbers @ np.linspace(-0.5, 0.5, GENERATED_NUMBERS) + 0.3 * (numbers[:, 0] ** 2 - 1)
    hidden = np.stack(factors)  # [categories, N, RANK]
    pairs = (hidden.sum(0) ** 2 - (hidden**2).sum(0)).sum(1) / 2
    probability = 1 / (1 + np.exp(-(BIAS + effects + 0.5 * pairs)))
    starts = np.cumsum([0, *SIZES[:-1]])
    return ClickLogs(
        numbers=numbers.astype(np.float32),
        categories=(np.stack(columns, 1) + starts).astype(np.int32),
        clicked=(rng.uniform(size=count) < probability).astype(np.int32),
        rows=sum(SIZES),
        probability=probability.astype(np.float32),
    )


def criteo(location: str, count: int, buckets: int) -> ClickLogs:
    """A file of the Criteo Display Advertising Challenge (train.txt), plain or .gz: a line per ad,
    separated by tabs: clicked (0 or 1), 13 whole numbers, 26 categories; any may be empty.

    Numbers are compressed to sign(x) log(1 + |x|), as they have long tails.
    """
    numbers, categories, clicked = [], [], []
    for line, fields in _lines(location, count):
        if len(fields) != COLUMNS:
            raise TaskError(
                f"{location}:{line}: expected {COLUMNS} columns separated by tabs, "
                f"got {len(fields)}"
            )
        if fields[0] not in ("0", "1"):
            raise TaskError(
                f"{location}:{line}: clicked: expected 0 or 1, got {short_repr(fields[0])}"
            )
        clicked.append(int(fields[0]))
        numbers.append([_number(location, line, text) for text in fields[1 : 1 + NUMBERS]])
        categories.append([zlib.crc32(text.encode()) % buckets for text in fields[1 + NUMBERS :]])
    if not clicked:
        raise TaskError(f"data='criteo:{location}': the file is empty; {HINT}")
    table = np.array(numbers, np.float64)
    return ClickLogs(
        numbers=(np.sign(table) * np.log1p(np.abs(table))).astype(np.float32),
        categories=(np.array(categories) + np.arange(CATEGORIES) * buckets).astype(np.int32),
        clicked=np.array(clicked, np.int32),
        rows=CATEGORIES * buckets,
    )


def _number(location: str, line: int, text: str) -> float:
    try:
        return float(int(text)) if text else np.nan
    except ValueError:
        message = f"expected a whole number or nothing, got {short_repr(text)}"
        raise TaskError(f"{location}:{line}: {message}") from None


def _lines(location: str, count: int) -> Iterator[tuple[int, list[str]]]:
    """(line number, its columns)."""
    path = Path(location).expanduser()
    if not path.is_file():
        raise TaskError(
            f"data='criteo:{location}': no file {path.absolute()}; expected lines of {COLUMNS} "
            f"columns separated by tabs, as of the Criteo Display Advertising Challenge; {HINT}"
        )
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(itertools.islice(file, count), start=1):
                yield number, line.rstrip("\n").split("\t")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise TaskError(f"{path}: cannot be read: {error}") from None
