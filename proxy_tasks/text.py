"""Text for language models: embedded Python reference, text files, Hugging Face datasets."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from proxy_tasks.data import Data
from proxy_tasks.errors import TaskError, did_you_mean, short_repr
from proxy_tasks.huggingface import column, open_dataset
from proxy_tasks.shipment import Arrays, read
from proxy_tasks.tokenizer import Tokenizer, make_tokenizer

BLOCKS = 200  # the text is cut into so many pieces of equal length
ROLES = {8: "search_validation", 9: "meta_validation"}  # by piece number modulo 10; others: train
HINT = "data=pydoc needs no files"


def load_text(source: str, limit: int) -> str:
    """The text of a data setting, at most `limit` characters of it.

    source: `pydoc`, `text:FILE` or `hf:NAME_OR_PATH[:CONFIG]`. Raises TaskError when the text is
    missing, empty or not UTF-8; its message names what was expected, and where.
    """
    kind, _, location = source.partition(":")
    if kind not in SOURCES or bool(location) == (kind == "pydoc"):
        valid = ["pydoc", "text:FILE", "hf:NAME_OR_PATH"]
        near = did_you_mean(kind, SOURCES) if kind not in SOURCES else f"; valid are: {valid}"
        raise TaskError(f"data={short_repr(source)}: not a source of text{near}")
    text = _as_text(read(("text", source, limit), lambda: _bytes(SOURCES[kind](location, limit))))
    if not text.strip():
        raise TaskError(f"data={short_repr(source)}: the text is empty; {HINT}")
    return text


def _bytes(text: str) -> Arrays:
    return {"text": np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)}


def _as_text(arrays: Arrays) -> str:
    return arrays["text"].tobytes().decode("utf-8", "surrogatepass")


def pydoc(location: str, limit: int) -> str:
    """The reference of the Python that runs this, which ships with it (`pydoc_data.topics`).

    Several topics repeat each other; only the first copy of a paragraph is kept, so that validation
    text does not occur in training. Another version of Python has another text.
    """
    from pydoc_data.topics import topics

    joined = "\n\n".join(topics[name].strip() for name in sorted(topics))
    return "\n\n".join(dict.fromkeys(joined.split("\n\n")))[:limit]


def text_file(location: str, limit: int) -> str:
    """One UTF-8 text file."""
    path = Path(location).expanduser()
    if not path.is_file():
        raise TaskError(
            f"data='text:{location}': no file {path.absolute()}; expected UTF-8 text; {HINT}"
        )
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read(limit)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise TaskError(f"{path}: not UTF-8 text: byte {byte:#04x} cannot be read") from None
    except OSError as error:
        raise TaskError(f"{path}: cannot be read: {error}") from None


def hub_text(location: str, limit: int) -> str:
    """A Hugging Face data set: its column `text`, or the first one of strings; a line per row."""
    dataset = open_dataset(location)

    def is_text(feature: object) -> bool:
        return getattr(feature, "dtype", None) in ("string", "large_string")

    name = (
        "text"
        if "text" in dataset.features
        else column(dataset, location, kind="text", fits=is_text)
    )
    lines: list[str] = []
    remaining = limit
    for row in dataset.select_columns([name]):
        line = str(row[name] or "") + "\n"
        lines.append(line[:remaining])
        remaining -= len(line)
        if remaining <= 0:
            break
    return "".join(lines)


SOURCES: dict[str, Callable[[str, int], str]] = {
    "pydoc": pydoc,
    "text": text_file,
    "hf": hub_text,
}


def windows(
    source: str,
    tokenizer: str,
    *,
    length: int,
    stride: int,
    validation_examples: int,
    limit: int,
) -> tuple[Data, Tokenizer]:
    """Windows of `length` + 1 tokens: a batch is inputs and next tokens, [B, length] each.

    The text is cut into pieces of equal length; of ten in a row, eight are for training and one for
    each validation split, so that all three see all of the text. No window crosses a cut. Training
    windows start anywhere, validation windows every `stride` tokens, `validation_examples` of them
    evenly spaced.
    """
    text = load_text(source, limit)
    cuts = [round(i * len(text) / BLOCKS) for i in range(BLOCKS + 1)]
    pieces = [text[a:b] for a, b in itertools.pairwise(cuts)]
    roles = [ROLES.get(i % 10, "train") for i in range(BLOCKS)]
    training_text = "".join(p for p, role in zip(pieces, roles, strict=True) if role == "train")
    encoder = make_tokenizer(tokenizer, training_text)
    encoded = [encoder.encode(piece) for piece in pieces]
    shortest = min(map(len, encoded))
    if shortest <= length:
        raise TaskError(
            f"data={short_repr(source)}: the text is too short: its pieces have {shortest} tokens "
            f"({BLOCKS} pieces), a window needs {length + 1}"
        )
    starts: dict[str, list[np.ndarray]] = {"train": [], **{role: [] for role in ROLES.values()}}
    begin = 0
    for tokens, role in zip(encoded, roles, strict=True):
        step = 1 if role == "train" else stride
        starts[role].append(np.arange(begin, begin + len(tokens) - length, step, dtype=np.int32))
        begin += len(tokens)
    splits = {role: np.concatenate(parts) for role, parts in starts.items()}
    for role in ROLES.values():
        total = len(splits[role])
        count = min(total, validation_examples)
        spaced = np.arange(count) * total // count
        splits[role] = splits[role][spaced]
    dtype = np.uint8 if encoder.vocabulary <= 256 else np.uint16
    offsets = np.arange(length + 1)

    def take(tokens: jax.Array, indices: jax.Array) -> tuple[jax.Array, jax.Array]:
        window = tokens[indices[:, None] + offsets].astype(jnp.int32)
        return window[:, :-1], window[:, 1:]

    return Data(np.concatenate(encoded).astype(dtype), **splits, take=take), encoder
