"""Image classification tasks: an MLP, and a vision Transformer."""

from __future__ import annotations

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


def vision_mlp(
    data: str = "digits",
    image_size: int = 8,
    fraction: float = 1.0,
    held_out: float = 0.2,
    fitness: Fitness = "negative_loss",
    steps: int = 500,
    batch_size: int = 64,
    warmup: float = 0.05,
    hidden: int = 32,
    scale: float = 1.0,
) -> Task:
    """MLP with one hidden layer on small images: the cheapest task, for dense search."""
    images, classes = _patches(data, image_size, image_size, fraction, held_out)
    size = images.arrays[0].shape[-1]
    width, steps = grow(scale, hidden, steps, lambda width: width * (size + classes))
    model = MLP(width, classes)
    return _classification(model, images, fitness, steps, batch_size, warmup)


def vision_vit(
    data: str = "digits",
    image_size: int = 8,
    patch: int = 2,
    fraction: float = 1.0,
    held_out: float = 0.2,
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
    images, classes = _patches(data, image_size, patch, fraction, held_out)
    tokens, size = images.arrays[0].shape[1:]

    def cost(width: int) -> float:  # multiplications per image
        block = 12 * width * width + 2 * tokens * width
        return tokens * (size * width + layers * block) + width * classes

    width, steps = grow(scale, width, steps, cost, heads)
    model = ViT(layers, width, heads, classes)
    return _classification(model, images, fitness, steps, batch_size, warmup)


PAPER_VIT = {
    "data": "hf:ILSVRC/imagenet-1k", "fraction": 0.1, "image_size": 64, "patch": 16,
    "layers": 3, "width": 96, "heads": 3, "batch_size": 64, "steps": 30_000,
    "fitness": "accuracy",
}  # fmt: skip


def _patches(
    source: str, size: int, patch: int, fraction: float, held_out: float
) -> tuple[Data, int]:
    """Images cut into patches, (patches [N, L, D] or flat [N, D] for one patch, labels [N])."""
    if size % patch:
        raise TaskError(f"patch: {patch} does not divide the image size {size}")
    if held_out >= 0.5:
        raise TaskError(f"held_out: two splits of {held_out:g} leave no images to train on")
    images = load_images(source, size, fraction)
    count, side, channels = len(images.pixels), size // patch, images.pixels.shape[-1]
    cut = images.pixels.reshape(count, side, patch, side, patch, channels)
    cut = cut.transpose(0, 1, 3, 2, 4, 5).reshape(count, side * side, -1)
    cut = cut[:, 0] if side == 1 else cut
    split = split_examples((cut, images.labels), held_out)
    # float64 sums: the same bits whatever numpy's summation order is.
    training = cut[split.train].astype(np.float64)
    mean, spread = np.float32(training.mean()), np.float32(1 / max(training.std(), 1e-6))

    def take(arrays, indices: jax.Array):
        pixels, labels = arrays
        return (pixels[indices].astype(np.float32) - mean) * spread, labels[indices]

    return Data(split.arrays, split.train, split.search_validation, split.meta_validation, take), (
        images.classes
    )


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
