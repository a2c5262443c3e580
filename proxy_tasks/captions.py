"""Images with captions: labelled images on a larger canvas, and what can be said about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from proxy_tasks.images import Images

MARGIN = 4  # pixels by which the canvas is larger than the image
OFFSETS = (0, MARGIN // 2, MARGIN)  # of the image on it, down and right
ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")
SHADES = ("bright", "dark")
WORDS = ("", "a", *SHADES, *ROWS, *COLUMNS)  # by token; then a word for each class
LENGTH = 5  # words of a caption, filled up with ""
MENTIONED = 0.75  # probability that a caption says an attribute; it always says the class


@dataclass(frozen=True, eq=False)
class CaptionedImages:
    """N images that are each shown in some ways: example i shows image i % N."""

    pixels: np.ndarray  # [copies * N, side, side, channels] uint8
    captions: np.ndarray  # [copies * N, LENGTH] int32 tokens
    labels: np.ndarray  # [copies * N] int32
    prompts: np.ndarray  # [classes, LENGTH], captions that say the class alone

    @property
    def vocabulary(self) -> int:
        """Number of words, "" among them."""
        return len(WORDS) + len(self.prompts)


def captioned(images: Images, copies: int) -> CaptionedImages:
    """Each image `copies` times, somewhere on the canvas, bright or dark, as `a dark 7 top left`.

    A caption says the class and each of the other attributes or not, so that many captions fit an
    image and many images a caption, as it is with captions that people write.
    """
    rng = np.random.RandomState(0)
    total, size = copies * len(images.labels), images.pixels.shape[1]
    shade, row, column = (rng.randint(n, size=total) for n in (2, 3, 3))
    side = size + MARGIN
    canvas = np.zeros((total, side, side, images.pixels.shape[-1]), np.uint8)
    for index in range(total):
        top, left = OFFSETS[row[index]], OFFSETS[column[index]]
        source = images.pixels[index % len(images.labels)]
        canvas[index, top : top + size, left : left + size] = source
    canvas[shade == 1] = 255 - canvas[shade == 1]
    labels = np.tile(images.labels, copies)
    said = rng.uniform(size=(total, 3)) < MENTIONED
    words = [
        np.where(said[:, 0], WORDS.index(SHADES[0]) + shade, 0),
        len(WORDS) + labels,
        np.where(said[:, 1], WORDS.index(ROWS[0]) + row, 0),
        np.where(said[:, 2], WORDS.index(COLUMNS[0]) + column, 0),
    ]
    captions = np.stack([np.full(total, WORDS.index("a")), *words], axis=1)
    prompts = np.zeros((images.classes, LENGTH), np.int32)
    prompts[:, 0] = WORDS.index("a")
    prompts[:, 1] = len(WORDS) + np.arange(images.classes)
    return CaptionedImages(canvas, _moved_up(captions), labels.astype(np.int32), prompts)


def _moved_up(captions: np.ndarray) -> np.ndarray:
    """Without gaps between words: "" stands at the end."""
    order = np.argsort(captions == 0, axis=1, kind="stable")
    return np.take_along_axis(captions, order, axis=1).astype(np.int32)
