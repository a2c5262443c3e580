"""Image classification tasks: an MLP, and a vision Transformer."""

from __future__ import annotations

from typing import Any, Literal

import flax.linen as nn
import jax
import numpy as np

from proxy_tasks.classify import Fitness, cross_entropy, metric_of
from proxy_tasks.data import Data, split_examples
from proxy_tasks.definition import Task
from proxy_tasks.errors import TaskError
from proxy_tasks.images import load_images
from proxy_tasks.models import MLP, ViT
from proxy_tasks.scaling import grow

Shifts = Literal[0, 1, 2]
MAX_BYTES = 2_000_000_000  # of shifted copies of the images, as they lie in memory


def vision_mlp(
    data: str = "digits",
    image_size: int = 8,
    fraction: float = 1.0,
    held_out: float = 0.3,
    shifts: Shifts = 2,
    validation_examples: int = 2048,
    fitness: Fitness = "negative_loss",
    steps: int = 300,
    batch_size: int = 128,
    warmup: float = 0.05,
    hidden: int = 32,
    scale: float = 1.0,
) -> Task:
    """MLP with one hidden layer on small images: the cheapest task, for dense search."""
    images, classes = _patches(
        data, image_size, image_size, fraction, held_out, shifts, validation_examples
    )
    size = images.arrays[0].shape[-1]
    width, steps = grow(scale, hidden, steps, lambda width: width * (size + classes))
    model = MLP(width, classes)
    return _classification(model, images, fitness, steps, batch_size, warmup)


def vision_vit(
    data: str = "digits",
    image_size: int = 8,
    patch: int = 2,
    fraction: float = 1.0,
    held_out: float = 0.3,
    shifts: Shifts = 2,
    validation_examples: int = 1024,
    fitness: Fitness = "negative_loss",
    steps: int = 200,
    batch_size: int = 64,
    warmup: float = 0.05,
    layers: int = 3,
    width: int = 24,
    heads: int = 3,
    scale: float = 1.0,
) -> Task:
    """Vision Transformer; 16 tokens per image, as in Chen et al. 2023."""
    images, classes = _patches(
        data, image_size, patch, fraction, held_out, shifts, validation_examples
    )
    tokens, size = images.arrays[0].shape[1:]

    def cost(width: int) -> float:  # multiplications per image
        block = 12 * width * width + 2 * tokens * width
        return tokens * (size * width + layers * block) + width * classes

    width, steps = grow(scale, width, steps, cost, heads)
    model = ViT(layers, width, heads, classes)
    return _classification(model, images, fitness, steps, batch_size, warmup)


# Long trainings at small batches, on which weight decay makes a difference that can be measured.
LONG_MLP = {"steps": 2000, "batch_size": 64, "shifts": 1}
PAPER_VIT = {
    "data": "hf:ILSVRC/imagenet-1k", "fraction": 0.1, "image_size": 64, "patch": 16,
    "layers": 3, "width": 96, "heads": 3, "batch_size": 64, "steps": 30_000, "shifts": 0,
    "held_out": 0.05, "validation_examples": 10_000,
    "fitness": "accuracy",
}  # fmt: skip


def _patches(
    source: str,
    size: int,
    patch: int,
    fraction: float,
    held_out: float,
    shifts: int,
    validation_examples: int,
) -> tuple[Data, int]:
    """Images cut into patches, [N, L, D], or flat, [N, D], for one patch; and how many classes.

    shifts: every image is there moved by up to so many pixels down and right, too, in the same
    split. A few hundred images alone are learnt by heart within seconds, and then rules differ in
    little else. Pixels are fed as 0 to 1, uncentred: that conditions the problem as badly as larger
    ones are, which is what tells momentum SGD from AdamW on a small MLP.
    """
    if size % patch:
        raise TaskError(f"patch: {patch} does not divide the image size {size}")
    if held_out >= 0.5:
        raise TaskError(f"held_out: two splits of {held_out:g} leave no images to train on")
    images = load_images(source, size, fraction)
    split = split_examples((images.pixels, images.labels), held_out)
    moves = moves_of(shifts, images.pixels)
    pixels = images.pixels
    if shifts:
        pixels = np.concatenate([_moved(images.pixels, *move) for move in moves])
    labels = np.tile(images.labels, len(moves))
    count, side, channels = len(images.pixels), size // patch, pixels.shape[-1]
    cut = pixels.reshape(len(pixels), side, patch, side, patch, channels)
    cut = cut.transpose(0, 1, 3, 2, 4, 5).reshape(len(pixels), side * side, -1)
    cut = cut[:, 0] if side == 1 else cut

    def copies(name: str, limit: int | None = None) -> np.ndarray:
        """Of a split, all copies in a fixed random order, so that a limit leaves most images."""
        starts = np.arange(len(moves), dtype=np.int32) * count
        every = (getattr(split, name)[:, None] + starts).reshape(-1)
        return np.random.RandomState(0).permutation(every)[:limit]

    def take(arrays: Any, indices: jax.Array) -> tuple[jax.Array, jax.Array]:
        cut, labels = arrays
        return cut[indices].astype(np.float32) * np.float32(1 / 255), labels[indices]

    data = Data(
        (cut, labels),
        copies("train"),
        copies("search_validation", validation_examples),
        copies("meta_validation", validation_examples),
        take,
    )
    return data, images.classes


def moves_of(shifts: int, pixels: np.ndarray) -> list[tuple[int, int]]:
    """All moves (down, right) by up to `shifts` pixels.

    Raises TaskError when that many copies of the images are too large; the images alone may be of
    any size.
    """

    def bytes_of(shifts: int) -> int:
        return pixels.nbytes * (2 * shifts + 1) ** 2

    if shifts and bytes_of(shifts) > MAX_BYTES:
        fit = [
            f"shifts={s}" for s in range(shifts - 1, -1, -1) if not s or bytes_of(s) <= MAX_BYTES
        ]
        raise TaskError(
            f"shifts: {(2 * shifts + 1) ** 2} copies of {len(pixels):,} images take "
            f"{bytes_of(shifts):,} bytes, at most {MAX_BYTES:,}; set {' or '.join(fit)}"
        )
    steps = range(-shifts, shifts + 1)
    return [(down, right) for down in steps for right in steps]


def _moved(pixels: np.ndarray, down: int, right: int) -> np.ndarray:
    """Images [N, height, width, channels] moved; 0 comes in from the edge."""
    height, width = pixels.shape[1:3]
    edge = max(abs(down), abs(right))
    padded = np.pad(pixels, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    return padded[:, edge - down : edge - down + height, edge - right : edge - right + width]


def _classification(
    model: nn.Module, data: Data, fitness: str, steps: int, batch_size: int, warmup: float
) -> Task:
    example = data.arrays[0][:1].astype(np.float32)
    return Task(
        init=lambda key: model.init(key, example),
        loss=cross_entropy(model.apply),
        metric=metric_of(fitness, model.apply),
        data=data,
        steps=steps,
        batch_size=batch_size,
        warmup=warmup,
    )
