"""Denoising diffusion (DDPM, Ho et al. 2020) of small images."""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field, model_validator

from proxy_tasks.convolutions import UNet
from proxy_tasks.data import Batch, Data, split_examples
from proxy_tasks.frechet import classifier_features, frechet_distance
from proxy_tasks.images import Images, load_images
from proxy_tasks.metrics import Report
from proxy_tasks.scaling import grow
from proxy_tasks.settings import Count, Fraction, Scale, TaskSettings
from proxy_tasks.task import ModelState, Params, Task

LEVELS = 100  # of noise; 1000 of the paper's size
FIRST, LAST = 1e-4, 0.2  # variance that the first and the last level add; their sum is the paper's


class DiffusionSettings(TaskSettings):
    """Settings of `diffusion`."""

    data: str = "digits"  # digits, idx:FOLDER, images:FOLDER or hf:NAME_OR_PATH
    image_size: Count = 8  # pixels a side
    fraction: Fraction = 1.0  # of the images, to use
    held_out: Annotated[float, Field(gt=0, lt=0.5)] = 0.2  # fraction of each validation split
    validation_examples: Count = 512  # of each validation split, at most
    fitness: Literal["negative_loss"] = "negative_loss"
    steps: Count = 600
    batch_size: Count = 64
    width: Count = 8  # channels
    warmup: Fraction = 0.05  # fraction of the steps
    scale: Scale = 1.0

    @model_validator(mode="after")
    def _halved(self) -> DiffusionSettings:
        if self.image_size % 2:
            raise ValueError(f"image_size: expected an even number, got {self.image_size}")
        return self


def diffusion(settings: DiffusionSettings) -> Task:
    """Predict the noise in an image; the loss is its mean squared error, 1 for predicting 0.

    Each step draws levels and noise anew; in validation an image has its own, always the same.
    """
    images = load_images(settings.data, settings.image_size, settings.fraction)
    data = _data(images, settings)
    side, channels = settings.image_size, int(images.pixels.shape[-1])

    def cost(width: int) -> float:  # multiplications per image
        fine, coarse = (47 * width + 18 * channels) * width, 90 * width * width
        return side * side * (fine + coarse / 4)

    width, steps = grow(settings.scale, settings.width, steps=settings.steps, cost=cost)
    model = UNet(width)
    kept = jnp.asarray(signal_kept())

    def training_loss(params: Params, batch: Batch, key: jax.Array) -> tuple[jax.Array, ModelState]:
        pixels, indices = batch
        levels, noise = drawn(indices, pixels.shape[1:], key)
        share = kept[levels][:, None, None, None]
        noisy = jnp.sqrt(share) * pixels + jnp.sqrt(1 - share) * noise
        predicted: Any = model.apply(params, noisy, (levels + 1) / LEVELS)
        return jnp.mean((predicted - noise) ** 2), {}

    def loss(params: Params, batch: Batch) -> jax.Array:
        return training_loss(params, batch, jax.random.key(0))[0]

    example = np.zeros((1, side, side, channels), np.float32)
    return Task(
        init=lambda key: model.init(key, example, np.zeros(1, np.float32)),
        loss=loss,
        data=data,
        steps=steps,
        batch_size=settings.batch_size,
        warmup=settings.warmup,
        training_loss=training_loss,
        has_labels=False,
        reports={"frechet_distance": _frechet(model, images, data)},
        trivial_loss=1.0,
    )


def signal_kept() -> np.ndarray:
    """Share of an image's variance that is left at each level, [LEVELS] float32, falling."""
    return np.cumprod(1 - np.linspace(FIRST, LAST, LEVELS)).astype(np.float32)


def drawn(
    indices: jax.Array, shape: tuple[int, ...], key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Levels [B] and standard normal noise [B, ...], drawn for each image by its index: they do not
    depend on what else is in the batch."""

    def of_image(index: jax.Array) -> tuple[jax.Array, jax.Array]:
        of_level, of_noise = jax.random.split(jax.random.fold_in(key, index))
        level = jax.random.randint(of_level, (), 0, LEVELS)
        return level, jax.random.normal(of_noise, shape)

    return jax.vmap(of_image)(indices)


def sampled(model: UNet, params: Params, key: jax.Array, *, shape: tuple[int, ...]) -> jax.Array:
    """Images [N, H, H, C] of -1 to 1, from noise by all levels (algorithm 2 of the paper)."""
    kept = jnp.asarray(signal_kept())
    added = jnp.asarray(np.linspace(FIRST, LAST, LEVELS, dtype=np.float32))

    def denoise(step: jax.Array, x: jax.Array) -> jax.Array:
        level = LEVELS - 1 - step
        times = jnp.full(len(x), (level + 1) / LEVELS)
        noise: Any = model.apply(params, x, times)
        mean: jax.Array = x - added[level] / jnp.sqrt(1 - kept[level]) * noise
        more = jnp.sqrt(added[level]) * jax.random.normal(jax.random.fold_in(key, step), x.shape)
        return mean / jnp.sqrt(1 - added[level]) + jnp.where(level > 0, more, 0.0)

    first = jax.random.normal(jax.random.fold_in(key, LEVELS), shape)
    last: jax.Array = jax.lax.fori_loop(0, LEVELS, denoise, first)
    return jnp.clip(last, -1.0, 1.0)


def _frechet(model: UNet, images: Images, data: Data) -> Report:
    """Of as many generated images as the split has."""

    def pixels(indices: np.ndarray) -> np.ndarray:
        return np.asarray(images.pixels[indices].astype(np.float32) / np.float32(127.5) - 1)

    @functools.cache  # the classifier is trained once, when it is first asked for
    def features() -> Any:
        labels = images.labels[data.train]
        return classifier_features(pixels(data.train), labels, images.classes)

    sample = jax.jit(
        lambda params, key, shape: sampled(model, params, key, shape=shape), static_argnums=2
    )

    def report(params: Params, batches: np.ndarray) -> float:
        real = pixels(batches.reshape(-1))
        made = np.asarray(sample(params, jax.random.key(0), real.shape))
        return frechet_distance(features()(made), features()(real))

    return report


def _data(images: Images, settings: DiffusionSettings) -> Data:
    """Batches of pixels from -1 to 1, [B, H, H, C], and the images' indices, [B]."""
    split = split_examples((images.pixels,), settings.held_out)
    limit = settings.validation_examples

    def take(arrays: Any, indices: jax.Array) -> Batch:
        return arrays[0][indices].astype(np.float32) * np.float32(1 / 127.5) - 1, indices

    return Data(
        split.arrays,
        split.train,
        split.search_validation[:limit],
        split.meta_validation[:limit],
        take,
    )
