"""Masked language modelling (Devlin et al. 2019): a Transformer that sees both sides of a gap."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pydantic import model_validator

from proxy_tasks.data import Arrays, Batch, Data
from proxy_tasks.language import TextSettings
from proxy_tasks.losses import constant_loss
from proxy_tasks.metrics import perplexity
from proxy_tasks.models import Transformer
from proxy_tasks.scaling import check_heads, grow
from proxy_tasks.settings import Count, Fraction
from proxy_tasks.task import ModelState, Params, Task
from proxy_tasks.text import windows


class MaskedLanguageSettings(TextSettings):
    """Settings of `masked_language`."""

    context: Count = 32  # tokens of a window
    masked: Fraction = 0.15  # of a window's tokens
    fitness: Literal["negative_log_perplexity"] = "negative_log_perplexity"
    steps: Count = 600
    layers: Count = 2
    width: Count = 32
    heads: Count = 2

    @model_validator(mode="after")
    def _divisible(self) -> MaskedLanguageSettings:
        check_heads(self.width, self.heads)
        return self


def masked_language(settings: MaskedLanguageSettings) -> Task:
    """Encoder Transformer that predicts masked tokens.

    Each step masks other tokens; in validation a window has a mask of its own, always the same.
    """
    data, vocabulary = whole_windows(settings, settings.context)
    layers, heads, context = settings.layers, settings.heads, settings.context

    def cost(width: int) -> float:  # multiplications per token
        return layers * (12 * width * width + 2 * context * width) + 2 * width * vocabulary

    width, steps = grow(
        settings.scale, settings.width, steps=settings.steps, cost=cost, multiple=heads
    )
    model = Transformer(layers, width, heads, vocabulary + 1, causal=False)
    count = max(1, round(settings.masked * context))

    def training_loss(params: Params, batch: Batch, key: jax.Array) -> tuple[jax.Array, ModelState]:
        return masked_loss(model, params, batch, chosen=chosen_tokens(batch, count, key)), {}

    def loss(params: Params, batch: Batch) -> jax.Array:
        return training_loss(params, batch, jax.random.key(0))[0]

    tokens = data.arrays[data.search_validation[:, None] + np.arange(context)]
    return Task(
        init=lambda key: model.init(key, np.zeros((1, context), np.int32)),
        loss=loss,
        data=data,
        steps=steps,
        batch_size=settings.batch_size,
        warmup=settings.warmup,
        training_loss=training_loss,
        has_labels=False,
        reports={"perplexity": perplexity(data, loss)},
        trivial_loss=constant_loss(data.arrays[data.train], tokens),
    )


def whole_windows(settings: TextSettings, length: int) -> tuple[Data, int]:
    """Windows of `length` tokens: a batch is tokens [B, length] and where each window begins, [B];
    and the size of the vocabulary."""
    data, tokenizer = windows(
        settings.data,
        settings.tokenizer,
        length=length - 1,
        stride=length,
        validation_examples=settings.validation_examples,
        limit=settings.text_limit,
    )
    offsets = np.arange(length)

    def take(tokens: Arrays, starts: jax.Array) -> Batch:
        return tokens[starts[:, None] + offsets].astype(jnp.int32), starts

    return replace(data, take=take), tokenizer.vocabulary


def chosen_tokens(batch: Batch, count: int, key: jax.Array) -> jax.Array:
    """Positions of the tokens to mask, [B, count], drawn for each window by where it begins: they
    do not depend on what else is in the batch."""
    tokens, starts = batch
    keys = jax.vmap(lambda start: jax.random.fold_in(key, start))(starts)
    length = tokens.shape[1]
    return jax.vmap(lambda key: jax.random.permutation(key, length)[:count])(keys)


def masked_loss(
    model: Transformer, params: Params, batch: Batch, *, chosen: jax.Array
) -> jax.Array:
    """Mean of -log p(token) over the masked tokens, in nats; the last of the model's vocabulary
    stands for a token that is masked."""
    tokens, _ = batch
    row = jnp.arange(len(tokens))[:, None]
    masked = tokens.at[row, chosen].set(model.vocabulary - 1)
    every: Any = model.apply(params, masked)
    logits = every[row, chosen]
    logits -= jax.lax.stop_gradient(logits.max(-1, keepdims=True))
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, tokens[row, chosen])
    return jnp.mean(losses)
