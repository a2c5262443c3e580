"""Language modelling tasks: an n-gram MLP, and a decoder-only Transformer."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np

from proxy_tasks.classify import Fitness, cross_entropy, metric_of
from proxy_tasks.definition import Task
from proxy_tasks.models import NGram, Transformer
from proxy_tasks.scaling import grow
from proxy_tasks.text import windows

TEXT_LIMIT = 1_000_000  # characters


def language_mlp(
    data: str = "pydoc",
    tokenizer: str = "char",
    text_limit: int = TEXT_LIMIT,
    context: int = 8,
    validation_examples: int = 1024,
    fitness: Fitness = "negative_log_perplexity",
    steps: int = 200,
    batch_size: int = 256,
    warmup: float = 0.05,
    embedding: int = 8,
    hidden: int = 16,
    layers: int = 2,
    scale: float = 1.0,
) -> Task:
    """n-gram MLP language model: the next token from the last few, one prediction per example."""
    text, made = windows(data, tokenizer, context, 1, validation_examples, text_limit)
    inputs = context * embedding

    def cost(width: int) -> float:  # multiplications per example
        return width * (inputs + (layers - 1) * width + made.vocabulary)

    width, steps = grow(scale, hidden, steps, cost)
    model = NGram(made.vocabulary, embedding, width, layers)

    def last(arrays, indices: jax.Array):
        inputs, targets = text.take(arrays, indices)
        return inputs, targets[:, -1]

    return Task(
        init=lambda key: model.init(key, np.zeros((1, context), np.int32)),
        loss=cross_entropy(model.apply),
        metric=metric_of(fitness, model.apply),
        data=replace(text, take=last),
        steps=steps,
        batch_size=batch_size,
        warmup=warmup,
    )


def language_transformer(
    data: str = "pydoc",
    tokenizer: str = "char",
    text_limit: int = TEXT_LIMIT,
    context: int = 16,
    validation_examples: int = 512,
    fitness: Fitness = "negative_log_perplexity",
    steps: int = 200,
    batch_size: int = 64,
    warmup: float = 0.05,
    layers: int = 2,
    width: int = 32,
    heads: int = 2,
    scale: float = 1.0,
) -> Task:
    """Decoder-only Transformer."""
    text, made = windows(data, tokenizer, context, context, validation_examples, text_limit)

    def cost(width: int) -> float:  # multiplications per token
        return layers * (12 * width * width + 2 * context * width) + 2 * width * made.vocabulary

    width, steps = grow(scale, width, steps, cost, heads)
    model = Transformer(layers, width, heads, made.vocabulary)
    return Task(
        init=lambda key: model.init(key, np.zeros((1, context), np.int32)),
        loss=cross_entropy(model.apply),
        metric=metric_of(fitness, model.apply),
        data=text,
        steps=steps,
        batch_size=batch_size,
        warmup=warmup,
    )


# Many epochs of little text, on which weight decay makes a difference that can be measured.
LONG_MLP = {"steps": 1000, "batch_size": 64, "hidden": 32, "text_limit": 8000}
# In more steps at small batches Lion catches up with AdamW, and nothing tells them apart.
SMALL_BATCH = {"batch_size": 8}
LARGE_BATCH = {"batch_size": 256, "steps": 100}
# LM1B itself is published as a script, which `datasets` no longer runs; this is the Hub's own copy.
PAPER_TRANSFORMER = {
    "data": "hf:billion-word-benchmark/lm1b@refs/convert/parquet",
    "tokenizer": "bpe:3000", "text_limit": 200_000_000, "context": 32,
    "layers": 2, "width": 128, "heads": 2, "batch_size": 64, "steps": 20_000,
    "validation_examples": 4096,
}  # fmt: skip
