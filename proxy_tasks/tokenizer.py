"""Text to token numbers: bytes, characters, or byte pairs trained on the task's text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from proxy_tasks.errors import TaskError, did_you_mean, short_repr

BYTES = 256
MAX_VOCABULARY = 2**16  # tokens are stored in 16 bits


@dataclass(frozen=True)
class Tokenizer:
    """`decode(encode(text)) == text`, except that `char` replaces unknown characters."""

    vocabulary: int
    encode: Callable[[str], np.ndarray]  # -> [L] uint16
    decode: Callable[[Sequence[int]], str]


def make_tokenizer(name: str, training_text: str) -> Tokenizer:
    """The tokenizer of a setting: `byte`, `char`, or `bpe:VOCABULARY`.

    `char` and `bpe` see the training text only, never the validation splits. Raises TaskError.
    """
    kind, colon, size = name.partition(":")
    if kind == "bpe" and colon:
        if not (size.isascii() and size.isdigit() and BYTES <= int(size) <= MAX_VOCABULARY):
            raise TaskError(
                f"tokenizer={short_repr(name)}: expected a vocabulary of {BYTES} to "
                f"{MAX_VOCABULARY}, as in 'bpe:3000'"
            )
        return _pairs(training_text, int(size))
    if name == "byte":
        return Tokenizer(
            BYTES,
            lambda text: np.frombuffer(text.encode(), np.uint8).astype(np.uint16),
            lambda tokens: bytes(int(token) for token in tokens).decode(errors="replace"),
        )
    if name == "char":
        return _characters(training_text)
    near = did_you_mean(name, ["byte", "char", "bpe:3000"])
    raise TaskError(f"tokenizer={short_repr(name)}: no such tokenizer{near}")


def _characters(training_text: str) -> Tokenizer:
    """Token 0 stands for every character that the training text lacks."""
    characters = "".join(sorted(set(training_text)))
    if len(characters) >= MAX_VOCABULARY:
        raise TaskError(
            f"tokenizer='char': {len(characters)} different characters; use 'byte' or 'bpe'"
        )
    number = {character: index for index, character in enumerate(characters, start=1)}
    return Tokenizer(
        len(characters) + 1,
        lambda text: np.array([number.get(character, 0) for character in text], np.uint16),
        lambda tokens: "".join(characters[token - 1] if token else "\ufffd" for token in tokens),
    )


def _pairs(training_text: str, vocabulary: int) -> Tokenizer:
    """Byte-level byte-pair encoding, as GPT-2's, trained with the `tokenizers` library."""
    import tokenizers

    model = tokenizers.Tokenizer(tokenizers.models.BPE())
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocabulary,
        show_progress=False,
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
    )
    model.train_from_iterator(training_text.splitlines(keepends=True), trainer)
    return Tokenizer(
        model.get_vocab_size(),
        lambda text: np.array(model.encode(text).ids, np.uint16),
        lambda tokens: model.decode(list(tokens)),
    )
