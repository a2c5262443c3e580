"""Labelled images: embedded digits, IDX folders, image folders, Hugging Face datasets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from proxy_tasks.errors import TaskError, did_you_mean, shown


@dataclass(frozen=True, eq=False)
class Images:
    """Images and their classes."""

    pixels: np.ndarray  # [N, height, width, channels] uint8
    labels: np.ndarray  # [N] int32, 0 to classes - 1
    classes: int


def digits() -> Images:
    """scikit-learn's 1,797 handwritten digits, 8x8 pixels of 0 to 16 (UCI, Alpaydin and Kaynak)."""
    from sklearn.datasets import load_digits  # imported late: it takes a second

    bunch = load_digits()
    return Images(bunch.images[..., None].astype(np.uint8), bunch.target.astype(np.int32), 10)


def load_images(source: str) -> Images:
    """Images from a data setting, `digits`.

    Raises TaskError when the source is unknown.
    """
    if source == "digits":
        return digits()
    raise TaskError(f"data={shown(source)}: unknown image source{did_you_mean(source, ['digits'])}")
