"""Language modelling tasks: an n-gram MLP, and a decoder-only Transformer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from pydantic import model_validator

from proxy_tasks.data import Data
from proxy_tasks.losses import Fitness, constant_loss, cross_entropy, metric_of
from proxy_tasks.metrics import perplexity
from proxy_tasks.models import NGram, Transformer
from proxy_tasks.scaling import check_heads, grow
from proxy_tasks.settings import Count, Fraction, Scale, TaskSettings
from proxy_tasks.task import Task
from proxy_tasks.text import windows


class TextSettings(TaskSettings):
    """What the language tasks have in common."""

    data: str = "pydoc"  # pydoc, text:FILE or hf:NAME_OR_PATH
    tokenizer: str = "char"  # char, byte or bpe:VOCABULARY
    text_limit: Count = 1_000_000  # characters
    context: Count = 16  # tokens that a prediction sees, at most
    validation_examples: Count = 512  # windows of each validation split, at most
    fitness: Fitness = "negative_log_perplexity"
    steps: Count = 200
    batch_size: Count = 64
    warmup: Fraction = 0.05  # fraction of the steps
    scale: Scale = 1.0


class LanguageMLPSettings(TextSettings):
    """Settings of `language_mlp`."""

    context: Count = 8
    validation_examples: Count = 1024
    batch_size: Count = 256
    embedding: Count = 8  # numbers per token
    hidden: Count = 16  # width of the hidden layers
    layers: Count = 2


class LanguageTransformerSettings(TextSettings):
    """Settings of `language_transformer`."""

    layers: Count = 2
    width: Count = 32
    heads: Count = 2

    @model_validator(mode="after")
    def _divisible(self) -> LanguageTransformerSettings:
        check_heads(self.width, self.heads)
        return self


def language_mlp(settings: LanguageMLPSettings) -> Task:
    """n-gram MLP language model: the next token from the last few, one prediction per example."""
    data, vocabulary = _windows(settings, stride=1)
    layers, inputs = settings.layers, settings.context * settings.embedding

    def cost(width: int) -> float:  # multiplications per example
        return width * (inputs + (layers - 1) * width + vocabulary)

    width, steps = grow(settings.scale, settings.hidden, steps=settings.steps, cost=cost)

    def last(arrays: Any, indices: jax.Array) -> tuple[jax.Array, jax.Array]:
        inputs, targets = data.take(arrays, indices)
        return inputs, targets[:, -1]

    model, own = NGram(vocabulary, settings.embedding, width, layers), replace(data, take=last)
    return _modelling(model, own, settings=settings, steps=steps, predicted=1)


def language_transformer(settings: LanguageTransformerSettings) -> Task:
    """Decoder-only Transformer."""
    data, vocabulary = _windows(settings, stride=settings.context)
    layers, heads, context = settings.layers, settings.heads, settings.context

    def cost(width: int) -> float:  # multiplications per token
        return layers * (12 * width * width + 2 * context * width) + 2 * width * vocabulary

    width, steps = grow(
        settings.scale, settings.width, steps=settings.steps, cost=cost, multiple=heads
    )
    model = Transformer(layers, width, heads, vocabulary)
    return _modelling(model, data, settings=settings, steps=steps, predicted=context)


def _windows(settings: TextSettings, stride: int) -> tuple[Data, int]:
    """Windows of the text, and the size of the vocabulary."""
    data, tokenizer = windows(
        settings.data,
        settings.tokenizer,
        length=settings.context,
        stride=stride,
        validation_examples=settings.validation_examples,
        limit=settings.text_limit,
    )
    return data, tokenizer.vocabulary


def _modelling(
    model: nn.Module, data: Data, *, settings: TextSettings, steps: int, predicted: int
) -> Task:
    """predicted: the last tokens of each window, which are scored."""
    example = np.zeros((1, settings.context), np.int32)
    loss = cross_entropy(model.apply)
    targets = data.search_validation[:, None] + settings.context - np.arange(predicted)
    return Task(
        init=lambda key: model.init(key, example),
        loss=loss,
        metric=metric_of(settings.fitness, model.apply),
        data=data,
        steps=steps,
        batch_size=settings.batch_size,
        warmup=settings.warmup,
        reports={"perplexity": perplexity(data, loss)},
        trivial_loss=constant_loss(data.arrays[data.train], data.arrays[targets]),
    )


# Many epochs of little text, on which weight decay makes a difference that can be measured.
LONG_MLP = {"steps": 1000, "batch_size": 64, "hidden": 32, "text_limit": 8000}
# In more steps at small batches Lion catches up with AdamW, and the two cannot be distinguished.
SMALL_BATCH = {"batch_size": 8}
LARGE_BATCH = {"batch_size": 256, "steps": 100}
# LM1B itself is published as a script, which `datasets` no longer runs; this is the Hub's own copy.
PAPER_TRANSFORMER = {
    "data": "hf:billion-word-benchmark/lm1b@refs/convert/parquet",
    "tokenizer": "bpe:3000", "text_limit": 200_000_000, "context": 32,
    "layers": 2, "width": 128, "heads": 2, "batch_size": 64, "steps": 20_000,
    "validation_examples": 4096,
}  # fmt: skip
