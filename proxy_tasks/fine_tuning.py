"""Fine-tuning: what was trained as a language model learns a labelled task."""

from __future__ import annotations

from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pydantic import Field, model_validator

from proxy_tasks.data import Data, split_examples
from proxy_tasks.errors import TaskError
from proxy_tasks.labelled_text import LabelledText, load_labelled, without_topics
from proxy_tasks.losses import (
    Fitness,
    accuracy,
    constant_loss,
    cross_entropy,
    metric_of,
)
from proxy_tasks.metrics import mean_over
from proxy_tasks.models import TextEncoder, Transformer
from proxy_tasks.scaling import check_heads, grow
from proxy_tasks.settings import Count, Fraction, Positive, Scale, TaskSettings
from proxy_tasks.task import Params, Task
from proxy_tasks.text import load_text
from proxy_tasks.tokenizer import Tokenizer, make_tokenizer

RISE = 0.05  # fraction of the pretraining's steps in which its rate rises


class FineTuningSettings(TaskSettings):
    """Settings of `fine_tuning`."""

    data: str = "pydoc"  # text to pretrain on: pydoc, text:FILE or hf:NAME_OR_PATH
    labelled: str = "topics"  # topics, tsv:FILE or hf:NAME_OR_PATH
    tokenizer: str = "bpe:512"  # char, byte or bpe:VOCABULARY; words are what topics differ by
    text_limit: Count = 1_000_000  # characters to pretrain on
    context: Count = 64  # tokens of a window or a labelled text
    pretraining_steps: Annotated[int, Field(ge=0, le=10**9)] = 500
    pretraining_rate: Positive = 0.01  # peak, of AdamW
    held_out: Annotated[float, Field(gt=0, lt=0.5)] = 0.25  # fraction of each validation split
    validation_examples: Count = 1024  # of each validation split, at most
    fitness: Fitness = "negative_loss"
    steps: Count = 200
    batch_size: Count = 32  # also of the pretraining
    layers: Count = 2
    width: Count = 32
    heads: Count = 2
    warmup: Fraction = 0.05  # fraction of the steps
    scale: Scale = 1.0

    @model_validator(mode="after")
    def _divisible(self) -> FineTuningSettings:
        check_heads(self.width, self.heads)
        return self


def fine_tuning(settings: FineTuningSettings) -> Task:
    """Classify texts with a Transformer that was pretrained on other text (Radford et al. 2018).

    The pretraining, on the next token and by AdamW, is a part of the initial weights: each seed has
    its own, the same for every optimizer. Only what follows is the training that is scored.
    """
    labelled = load_labelled(settings.labelled, settings.context)
    on_topics = (settings.data, settings.labelled) == ("pydoc", "topics")
    text = (
        without_topics(settings.text_limit)
        if on_topics
        else load_text(settings.data, settings.text_limit)
    )
    tokenizer = make_tokenizer(settings.tokenizer, text)
    tokens = tokenizer.encode(text)
    if len(tokens) <= settings.context:
        raise TaskError(
            f"data: the text has {len(tokens)} tokens, a window needs {settings.context + 1}"
        )
    data = _data(labelled, tokenizer, settings=settings, pretraining=tokens)
    layers, heads, context = settings.layers, settings.heads, settings.context

    def cost(width: int) -> float:  # multiplications per text
        return context * layers * (12 * width + 2 * context) * width + width * labelled.classes

    width, steps = grow(
        settings.scale, settings.width, steps=settings.steps, cost=cost, multiple=heads
    )
    vocabulary = tokenizer.vocabulary + 1  # the last token fills up short texts
    before = Transformer(layers, width, heads, vocabulary)
    model = TextEncoder(layers, width, heads, vocabulary, labelled.classes, causal=True)
    first_steps = round(settings.pretraining_steps * steps / settings.steps)

    def init(key: jax.Array) -> Params:
        of_model, of_pretraining = jax.random.split(key)
        fresh: Any = model.init(of_model, np.zeros((1, context), np.int32))
        learnt = _pretrained(
            before, tokens, settings=settings, steps=first_steps, key=of_pretraining
        )
        learnt = {name: value for name, value in learnt["params"].items() if name != "output"}
        return {"params": {**fresh["params"], **learnt}}

    labels = data.arrays[1]
    return Task(
        init=init,
        loss=cross_entropy(model.apply),
        metric=metric_of(settings.fitness, model.apply),
        data=data,
        steps=steps,
        batch_size=settings.batch_size,
        warmup=settings.warmup,
        reports={"accuracy": mean_over(data, accuracy(model.apply))},
        trivial_loss=constant_loss(labels[data.train], labels[data.search_validation]),
    )


def _pretrained(
    model: Transformer,
    tokens: np.ndarray,
    *,
    settings: FineTuningSettings,
    steps: int,
    key: jax.Array,
) -> Any:
    """The weights after so many steps of language modelling on the tokens [N]."""
    context = settings.context
    rise = max(1, round(RISE * steps))
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, settings.pretraining_rate, rise, max(steps, rise + 1)
    )
    optimizer = optax.adamw(schedule, weight_decay=0.01)
    text, offsets = jnp.asarray(tokens, jnp.int32), np.arange(context + 1)
    loss = cross_entropy(model.apply)

    def step(index: jax.Array, carry: Any) -> Any:
        params, state = carry
        key_of_step = jax.random.fold_in(key, index)
        starts = jax.random.randint(key_of_step, (settings.batch_size,), 0, len(tokens) - context)
        window = text[starts[:, None] + offsets]
        gradient = jax.grad(loss)(params, (window[:, :-1], window[:, 1:]))
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state

    params = model.init(key, np.zeros((1, context), np.int32))
    return jax.lax.fori_loop(0, steps, step, (params, optimizer.init(params)))[0]


def _data(
    labelled: LabelledText,
    tokenizer: Tokenizer,
    *,
    settings: FineTuningSettings,
    pretraining: np.ndarray,
) -> Data:
    """Batches of tokens [B, L], cut or filled up, and labels [B].

    The text of the pretraining is among the arrays for the data's fingerprint alone.
    """
    tokens = np.full((len(labelled.texts), settings.context), tokenizer.vocabulary, np.int32)
    for row, text in enumerate(labelled.texts):
        encoded = tokenizer.encode(text)[: settings.context]
        tokens[row, : len(encoded)] = encoded
    split = split_examples((tokens, labelled.labels), settings.held_out)
    limit = settings.validation_examples
    return Data(
        (*split.arrays, pretraining),
        split.train,
        split.search_validation[:limit],
        split.meta_validation[:limit],
        lambda arrays, indices: (arrays[0][indices], arrays[1][indices]),
    )
