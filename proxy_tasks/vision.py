"""Image classification tasks: an MLP, a vision Transformer, an MLP-Mixer and a ResNet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import flax.linen as nn
import jax
import numpy as np
from pydantic import Field, model_validator

from proxy_tasks.convolutions import ResNet
from proxy_tasks.data import Batch, Data, split_examples
from proxy_tasks.errors import TaskError
from proxy_tasks.images import load_images
from proxy_tasks.losses import (
    Fitness,
    Logits,
    accuracy,
    constant_loss,
    cross_entropy,
    metric_of,
)
from proxy_tasks.metrics import mean_over
from proxy_tasks.models import MLP, Mixer, ViT
from proxy_tasks.scaling import check_heads, grow
from proxy_tasks.settings import Count, Fraction, Scale, TaskSettings
from proxy_tasks.task import ModelState, Params, Task

MAX_BYTES = 2_000_000_000  # of shifted copies of the images, in memory


class ImageSettings(TaskSettings):
    """What the image tasks have in common."""

    data: str = "digits"  # digits, idx:FOLDER, images:FOLDER or hf:NAME_OR_PATH
    image_size: Count = 8  # pixels a side, to which the images are resized
    fraction: Fraction = 1.0  # of the images, to use
    held_out: Annotated[float, Field(gt=0, lt=0.5)] = 0.3  # fraction of each validation split
    shifts: Annotated[int, Field(ge=0, le=2)] = 2  # pixels; see _moved_copies
    validation_examples: Count = 1024  # of each validation split, at most
    fitness: Fitness = "negative_loss"
    steps: Count = 200
    batch_size: Count = 64
    warmup: Fraction = 0.05  # fraction of the steps
    scale: Scale = 1.0


class VisionMLPSettings(ImageSettings):
    """Settings of `vision_mlp`."""

    validation_examples: Count = 2048
    steps: Count = 300
    batch_size: Count = 128
    hidden: Count = 32  # width of the hidden layer


class VisionViTSettings(ImageSettings):
    """Settings of `vision_vit`."""

    patch: Count = 2  # pixels a side
    layers: Count = 3
    width: Count = 24
    heads: Count = 3

    @model_validator(mode="after")
    def _divisible(self) -> VisionViTSettings:
        _check_patches(self.image_size, self.patch)
        check_heads(self.width, self.heads)
        return self


class VisionMixerSettings(ImageSettings):
    """Settings of `vision_mixer`."""

    patch: Count = 2  # pixels a side
    layers: Count = 3
    width: Count = 24
    tokens: Count = 16  # width of the MLPs over the tokens

    @model_validator(mode="after")
    def _divisible(self) -> VisionMixerSettings:
        _check_patches(self.image_size, self.patch)
        return self


class VisionResNetSettings(ImageSettings):
    """Settings of `vision_resnet`."""

    blocks: Count = 1  # of each of the three stages
    width: Count = 8  # channels of the first stage


def vision_mlp(settings: VisionMLPSettings) -> Task:
    """MLP with one hidden layer on small images: the cheapest task, for dense search."""
    images, classes = _flat(settings)
    size = int(images.arrays[0].shape[-1])

    def cost(width: int) -> float:  # multiplications per image
        return width * (size + classes)

    width, steps = grow(settings.scale, settings.hidden, steps=settings.steps, cost=cost)
    return _classification(MLP(width, classes), images, settings=settings, steps=steps)


def vision_vit(settings: VisionViTSettings) -> Task:
    """Vision Transformer; 16 tokens per image, as in Chen et al. 2023."""
    images, classes = _patches(settings, settings.patch)
    tokens, size = map(int, images.arrays[0].shape[1:])
    layers, heads = settings.layers, settings.heads

    def cost(width: int) -> float:  # multiplications per image
        block = 12 * width * width + 2 * tokens * width
        return tokens * (size * width + layers * block) + width * classes

    width, steps = grow(
        settings.scale, settings.width, steps=settings.steps, cost=cost, multiple=heads
    )
    return _classification(
        ViT(layers, width, heads, classes), images, settings=settings, steps=steps
    )


def vision_mixer(settings: VisionMixerSettings) -> Task:
    """MLP-Mixer: patches as of the ViT, and MLPs in place of attention."""
    images, classes = _patches(settings, settings.patch)
    tokens, size = map(int, images.arrays[0].shape[1:])
    layers, hidden = settings.layers, settings.tokens

    def cost(width: int) -> float:  # multiplications per image
        return tokens * width * (size + layers * (8 * width + 2 * hidden)) + width * classes

    width, steps = grow(settings.scale, settings.width, steps=settings.steps, cost=cost)
    model = Mixer(layers, width, hidden, classes)
    return _classification(model, images, settings=settings, steps=steps)


def vision_resnet(settings: VisionResNetSettings) -> Task:
    """ResNet with batch normalization: trained on the batch's means, validated on running ones."""
    images, classes = _flat(settings)
    side = settings.image_size
    channels = int(images.arrays[0].shape[-1]) // side**2

    def cost(width: int) -> float:  # multiplications per image
        total = 9.0 * side * side * channels * width + 4 * width * classes
        for stage in range(3):
            pixels, filters = -(-side // 2**stage), width << stage
            # Blocks of two convolutions; a later stage's first has half of the inputs, and a skip.
            per_pixel = (18 * settings.blocks - 4 * (stage > 0)) * filters * filters
            total += pixels * pixels * per_pixel
        return total

    width, steps = grow(settings.scale, settings.width, steps=settings.steps, cost=cost)
    model = ResNet(settings.blocks, width, classes)

    def logits(params: Params, inputs: jax.Array) -> Any:
        return model.apply(params, inputs.reshape(-1, side, side, channels))

    def training_loss(params: Params, batch: Batch, key: jax.Array) -> tuple[jax.Array, ModelState]:
        images = batch[0].reshape(-1, side, side, channels)
        outputs, state = model.apply(params, images, training=True, mutable=["batch_stats"])
        return cross_entropy(lambda *_: outputs)(params, batch), dict(state)

    example = np.zeros((1, side, side, channels), np.float32)
    task = _classified(lambda key: model.init(key, example), logits, data=images, settings=settings)
    return replace(task, steps=steps, training_loss=training_loss, state=("batch_stats",))


# Long trainings at small batches, on which weight decay makes a difference that can be measured.
LONG_MLP = {"steps": 2000, "batch_size": 64, "shifts": 1}
PAPER_VIT = {
    "data": "hf:ILSVRC/imagenet-1k", "fraction": 0.1, "image_size": 64, "patch": 16,
    "layers": 3, "width": 96, "heads": 3, "batch_size": 64, "steps": 30_000, "shifts": 0,
    "held_out": 0.05, "validation_examples": 10_000,
    "fitness": "accuracy",
}  # fmt: skip


def _patches(settings: ImageSettings, patch: int) -> tuple[Data, int]:
    """Images cut into patches, [N, L, D]; and how many classes.

    Pixels are fed as 0 to 1, uncentred: that conditions the problem as badly as larger ones are,
    which is what makes momentum SGD worse than AdamW on a small MLP.
    """
    images = load_images(settings.data, settings.image_size, settings.fraction)
    split = split_examples((images.pixels, images.labels), settings.held_out)
    moves = moves_of(settings.shifts, images.pixels)
    pixels, count = _moved_copies(images.pixels, moves), len(images.pixels)
    labels = np.tile(images.labels, len(moves))
    side, channels = settings.image_size // patch, pixels.shape[-1]
    cut = pixels.reshape(len(pixels), side, patch, side, patch, channels)
    cut = cut.transpose(0, 1, 3, 2, 4, 5).reshape(len(pixels), side * side, -1)

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
        copies("search_validation", settings.validation_examples),
        copies("meta_validation", settings.validation_examples),
        take,
    )
    return data, images.classes


def _flat(settings: ImageSettings) -> tuple[Data, int]:
    """Whole images, [N, D]; and how many classes."""
    data, classes = _patches(settings, settings.image_size)
    cut, labels = data.arrays
    return replace(data, arrays=(cut[:, 0], labels)), classes


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


def _moved_copies(pixels: np.ndarray, moves: list[tuple[int, int]]) -> np.ndarray:
    """All images [N, height, width, channels] by the first move, then all by the second, and so on.

    A model memorizes a few hundred images within seconds, after which update rules differ in little
    but that; moved copies, which stay in the split of their image, are enough to prevent it.
    """
    return pixels if len(moves) == 1 else np.concatenate([_moved(pixels, *m) for m in moves])


def _moved(pixels: np.ndarray, down: int, right: int) -> np.ndarray:
    """Images [N, height, width, channels] moved; 0 comes in from the edge."""
    height, width = pixels.shape[1:3]
    edge = max(abs(down), abs(right))
    padded = np.pad(pixels, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    return padded[:, edge - down : edge - down + height, edge - right : edge - right + width]


def _check_patches(image_size: int, patch: int) -> None:
    """Raises ValueError when an image cannot be cut into such patches."""
    if image_size % patch:
        raise ValueError(f"patch: {patch} does not divide the image size {image_size}")


def _classification(model: nn.Module, data: Data, *, settings: ImageSettings, steps: int) -> Task:
    example = data.arrays[0][:1].astype(np.float32)
    init = lambda key: model.init(key, example)
    return replace(_classified(init, model.apply, data=data, settings=settings), steps=steps)


def _classified(
    init: Callable[[jax.Array], Params], logits: Logits, *, data: Data, settings: ImageSettings
) -> Task:
    """A task of the settings' number of steps."""
    labels = data.arrays[1]
    return Task(
        init=init,
        loss=cross_entropy(logits),
        metric=metric_of(settings.fitness, logits),
        data=data,
        steps=settings.steps,
        batch_size=settings.batch_size,
        warmup=settings.warmup,
        reports={"accuracy": mean_over(data, accuracy(logits))},
        trivial_loss=constant_loss(labels[data.train], labels[data.search_validation]),
    )
