"""Vision and language, contrastive (CLIP, Radford et al. 2021): a tower for each, on captions."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field, model_validator

from proxy_tasks.captions import LENGTH, MARGIN, CaptionedImages, captioned
from proxy_tasks.data import Batch, Data, split_examples
from proxy_tasks.images import load_images
from proxy_tasks.losses import cross_entropy
from proxy_tasks.metrics import mean_over
from proxy_tasks.models import TextEncoder, ViT
from proxy_tasks.scaling import check_heads, grow
from proxy_tasks.settings import Count, Fraction, Scale, TaskSettings
from proxy_tasks.task import Params, Task

FIRST_SCALE = math.log(1 / 0.07)  # of the similarities, as CLIP's; its logarithm is learnt
LARGEST_SCALE = math.log(100)  # above it the loss does not change, so that scale alone gains little


class ContrastiveSettings(TaskSettings):
    """Settings of `contrastive`."""

    data: str = "digits"  # digits, idx:FOLDER, images:FOLDER or hf:NAME_OR_PATH
    image_size: Count = 8  # pixels a side, before the canvas, which is 4 larger
    fraction: Fraction = 1.0  # of the images, to use
    copies: Count = 8  # of each image, with other attributes
    held_out: Annotated[float, Field(gt=0, lt=0.5)] = 0.3  # fraction of each validation split
    validation_examples: Count = 1024  # of each validation split, at most
    fitness: Literal["negative_loss", "zero_shot_accuracy"] = "negative_loss"
    steps: Count = 600
    batch_size: Count = 64  # also in validation, since the loss depends on it
    patch: Count = 4  # pixels a side
    layers: Count = 2  # of each tower
    width: Count = 24
    heads: Count = 3
    warmup: Fraction = 0.05  # fraction of the steps
    scale: Scale = 1.0

    @model_validator(mode="after")
    def _divisible(self) -> ContrastiveSettings:
        side = self.image_size + MARGIN
        if side % self.patch:
            raise ValueError(f"patch: {self.patch} does not divide the canvas of {side} pixels")
        check_heads(self.width, self.heads)
        return self


class TwoTowers(nn.Module):
    """Embeddings of length 1: of images by a ViT, of captions by a text encoder."""

    layers: int
    width: int
    heads: int
    vocabulary: int

    def setup(self) -> None:
        self.vision = ViT(self.layers, self.width, self.heads, self.width)
        self.language = TextEncoder(self.layers, self.width, self.heads, self.vocabulary)
        self.log_scale = self.param("log_scale", lambda _: jnp.float32(FIRST_SCALE))

    def images(self, patches: jax.Array) -> jax.Array:
        """[B, L, D] -> [B, W]."""
        return _unit(self.vision(patches))

    def captions(self, tokens: jax.Array) -> jax.Array:
        """[B, LENGTH] -> [B, W]."""
        return _unit(self.language(tokens))

    def __call__(self, patches: jax.Array, tokens: jax.Array) -> jax.Array:
        """Scaled similarities of each image with each caption, [B, B]."""
        similar = self.images(patches) @ self.captions(tokens).T
        return jnp.exp(jnp.minimum(self.log_scale, LARGEST_SCALE)) * similar


def contrastive(settings: ContrastiveSettings) -> Task:
    """Which caption belongs to which image of the batch, and the other way round.

    Captions that fit several images of a batch count for one of them alone, as in CLIP, so the loss
    cannot become 0.
    """
    images = load_images(settings.data, settings.image_size, settings.fraction)
    shown = captioned(images, settings.copies)
    data = _data(shown, settings)
    tokens, size = map(int, data.arrays[0].shape[1:])
    layers, heads = settings.layers, settings.heads

    def cost(width: int) -> float:  # multiplications per image and caption
        blocks = sum(n * layers * (12 * width + 2 * n) * width for n in (tokens, LENGTH))
        return tokens * size * width + blocks + 2 * width * width + settings.batch_size * width

    width, steps = grow(
        settings.scale, settings.width, steps=settings.steps, cost=cost, multiple=heads
    )
    model = TwoTowers(layers, width, heads, shown.vocabulary)

    of_logits = cross_entropy(lambda logits, _: logits)

    def loss(params: Params, batch: Batch) -> jax.Array:
        patches, captions, _ = batch
        logits: Any = model.apply(params, patches, captions)
        right = jnp.arange(len(patches))
        return (of_logits(logits, (None, right)) + of_logits(logits.T, (None, right))) / 2

    def zero_shot(params: Params, batch: Batch) -> jax.Array:
        """Share of images whose nearest prompt, of all classes, is their own."""
        patches, _, labels = batch
        seen: Any = model.apply(params, patches, method="images")
        classes: Any = model.apply(params, shown.prompts, method="captions")
        return jnp.mean(jnp.argmax(seen @ classes.T, axis=1) == labels)

    return Task(
        init=lambda key: model.init(
            key, np.zeros((1, tokens, size), np.float32), shown.prompts[:1]
        ),
        loss=loss,
        metric=None if settings.fitness == "negative_loss" else zero_shot,
        data=data,
        steps=steps,
        batch_size=settings.batch_size,
        warmup=settings.warmup,
        validation_batch=settings.batch_size,
        reports={"zero_shot_accuracy": mean_over(data, zero_shot)},
        trivial_loss=math.log(data.batches("search_validation", settings.batch_size).shape[1]),
    )


def _data(shown: CaptionedImages, settings: ContrastiveSettings) -> Data:
    """Patches [N, L, D], captions and labels; all copies of an image are in one split."""
    count = len(shown.labels) // settings.copies
    split = split_examples(shown.labels[:count], settings.held_out)
    side, patch = (settings.image_size + MARGIN) // settings.patch, settings.patch
    cut = shown.pixels.reshape(len(shown.pixels), side, patch, side, patch, -1)
    cut = cut.transpose(0, 1, 3, 2, 4, 5).reshape(len(cut), side * side, -1)

    def copies(name: str) -> np.ndarray:
        starts = np.arange(settings.copies, dtype=np.int32) * count
        every = (getattr(split, name)[:, None] + starts).reshape(-1)
        return np.random.RandomState(0).permutation(every)

    def take(arrays: Any, indices: jax.Array) -> Batch:
        cut, captions, labels = (array[indices] for array in arrays)
        return cut.astype(np.float32) * np.float32(1 / 255), captions, labels

    held = [copies("search_validation"), copies("meta_validation")]
    limit = min(settings.validation_examples, *map(len, held))
    limit -= limit % min(limit, settings.batch_size)  # whole batches
    search, meta = (part[:limit] for part in held)
    return Data((cut, shown.captions, shown.labels), copies("train"), search, meta, take)


def _unit(x: jax.Array) -> jax.Array:
    """Rows of length 1; the gradient of a row of zeros is finite."""
    return x * jax.lax.rsqrt(jnp.sum(x * x, axis=-1, keepdims=True) + 1e-12)
