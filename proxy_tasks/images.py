"""Labelled images: embedded digits, IDX folders, image folders, Hugging Face datasets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
import numpy as np

from proxy_tasks.errors import TaskError, did_you_mean, short_repr
from proxy_tasks.huggingface import INSTALL, column, open_dataset
from proxy_tasks.idx import read_idx
from proxy_tasks.shipment import Arrays, read

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm")
RESIZE_AT_ONCE = 4096  # images per call, bounds the memory


@dataclass(frozen=True, eq=False)
class Images:
    """Images and their classes."""

    pixels: np.ndarray  # [N, size, size, channels] uint8
    labels: np.ndarray  # [N] int32, 0 to classes - 1
    classes: int

    def arrays(self) -> Arrays:
        return {"pixels": self.pixels, "labels": self.labels, "classes": np.array(self.classes)}

    @classmethod
    def of(cls, arrays: Arrays) -> Images:
        return cls(arrays["pixels"], arrays["labels"], int(arrays["classes"]))


def load_images(source: str, size: int, fraction: float = 1.0) -> Images:
    """Images of a data setting, resized to `size` x `size` pixels.

    source: `digits`, `idx:FOLDER`, `images:FOLDER` or `hf:NAME_OR_PATH[:CONFIG]`.
    fraction: the part of the data to use, chosen at random but always the same.
    Raises TaskError when the data are missing or damaged; its message names what was expected, and
    where.
    """
    kind, _, location = source.partition(":")
    if kind not in SOURCES or bool(location) == (kind == "digits"):
        valid = ["digits", "idx:FOLDER", "images:FOLDER", "hf:NAME_OR_PATH"]
        near = did_you_mean(kind, SOURCES) if kind not in SOURCES else f"; valid are: {valid}"
        raise TaskError(f"data={short_repr(source)}: not a source of images{near}")
    question = ("images", source, size, fraction)
    images = Images.of(read(question, lambda: SOURCES[kind](location, size, fraction).arrays()))
    if len(images.labels) == 0 or images.pixels.size == 0:
        raise TaskError(f"data={short_repr(source)}: there are no images")
    if images.classes < 2 or images.labels.min() < 0:
        raise TaskError(
            f"data={short_repr(source)}: expected labels 0, 1, ... of 2 classes or more"
        )
    return images


def digits(location: str, size: int, fraction: float) -> Images:
    """scikit-learn's 1,797 handwritten digits, 8x8 pixels of 0 to 16 (UCI, Alpaydin and Kaynak)."""
    rows = _digits()
    pixels = np.rint(rows[:, :64].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    target = rows[:, 64].astype(int)
    return _arranged(pixels[..., None], target, size=size, fraction=fraction, classes=10)


def _digits() -> np.ndarray:
    """[N, 64 pixels and the label], read from scikit-learn's file.

    Importing scikit-learn takes a second, in each worker's start; its own function is asked only
    where the file is not where its releases have it.
    """
    package = find_spec("sklearn")
    folders = (package and package.submodule_search_locations) or ()
    for path in (Path(folder, "datasets", "data", "digits.csv.gz") for folder in folders):
        if path.exists():
            return np.loadtxt(path, delimiter=",")
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return np.column_stack([bunch.data, bunch.target])


def idx_folder(location: str, size: int, fraction: float) -> Images:
    """A folder in MNIST's format: *images-idx* and *labels-idx* files, paired by name."""
    folder = _folder(
        "idx", location, "*images*idx* and *labels*idx* files, plain or .gz, as MNIST's"
    )
    pairs = []
    for images in sorted(folder.glob("*images*idx*")):
        prefix = images.name.partition("images")[0]
        matching = sorted(folder.glob(f"{prefix}labels*idx*"))
        if not matching:
            raise TaskError(f"data='idx:{location}': {images.name} has no {prefix}labels*idx* file")
        pairs.append((images, matching[0]))
    if not pairs:
        wanted = f"no file named *images*idx* in {folder}"
        raise TaskError(f"data='idx:{location}': {wanted}; {hint('idx', location)}")
    pixels, classes = [], []
    for images, labels in pairs:
        array, targets = read_idx(images), read_idx(labels)
        if array.dtype != np.uint8 or array.ndim not in (3, 4):
            raise TaskError(f"{images}: expected bytes of shape [N, height, width(, channels)]")
        if targets.ndim != 1 or targets.dtype.kind not in "iu" or len(targets) != len(array):
            raise TaskError(f"{labels}: expected {len(array)} whole numbers, as many as images")
        pixels.append(array[..., None] if array.ndim == 3 else array)
        classes.append(targets)
    if len({array.shape[1:] for array in pixels}) != 1:
        raise TaskError(f"data='idx:{location}': the files hold images of different shapes")
    return _arranged(np.concatenate(pixels), np.concatenate(classes), size=size, fraction=fraction)


def image_folder(location: str, size: int, fraction: float) -> Images:
    """A folder with one folder of images per class."""
    folder = _folder("images", location, "a folder of images per class")
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    files = [
        (file, label)
        for label, name in enumerate(names)
        for file in sorted((folder / name).iterdir())
        if file.suffix.lower() in SUFFIXES
    ]
    if not files:
        wanted = f"no {'/'.join(SUFFIXES)} files in folders of {folder}"
        expected = "expected one folder per class"
        raise TaskError(
            f"data='images:{location}': {wanted}; {expected}; {hint('images', location)}"
        )
    files = [files[i] for i in _part(len(files), fraction)]
    pixels = _decoded((file for file, _ in files), size)
    return Images(pixels, np.array([label for _, label in files], np.int32), len(names))


def hub_images(location: str, size: int, fraction: float) -> Images:
    """A Hugging Face data set with a column of images and one of class labels."""
    dataset = open_dataset(location)
    import datasets

    image = column(dataset, location, kind="images", fits=lambda f: isinstance(f, datasets.Image))
    label = column(
        dataset, location, kind="class labels", fits=lambda f: isinstance(f, datasets.ClassLabel)
    )
    classes = dataset.features[label].num_classes
    dataset = dataset.select(_part(len(dataset), fraction)).select_columns([image, label])
    pixels = _decoded((row[image] for row in dataset), size)
    return Images(pixels, np.array(dataset[label][:], np.int32), classes)


SOURCES: dict[str, Callable[[str, int, float], Images]] = {
    "digits": digits,
    "idx": idx_folder,
    "images": image_folder,
    "hf": hub_images,
}


def _folder(kind: str, location: str, content: str) -> Path:
    folder = Path(location).expanduser()
    if not folder.is_dir():
        raise TaskError(
            f"data='{kind}:{location}': no folder {folder.absolute()}; expected one with "
            f"{content}; {hint(kind, location)}"
        )
    return folder


def hint(kind: str, location: str) -> str:
    """How to get images where there are none."""
    convert = (
        f"`python -m proxy_tasks convert images:FOLDER|hf:NAME {location}` makes such a folder; "
    )
    return (convert if kind == "idx" else "") + "data=digits needs no files"


def _part(count: int, fraction: float) -> np.ndarray:
    """Indices of a fixed random part, in ascending order."""
    if not 0 < fraction <= 1:
        raise TaskError(f"fraction: expected a number above 0 and at most 1, got {fraction:g}")
    return np.sort(np.random.RandomState(1).permutation(count)[: max(1, int(count * fraction))])


def _arranged(
    pixels: np.ndarray, labels: np.ndarray, *, size: int, fraction: float, classes: int = 0
) -> Images:
    """Images of the wanted part and size, from arrays [N, height, width, channels]."""
    part = _part(len(pixels), fraction)
    classes = classes or int(labels.max(initial=0)) + 1
    pixels, labels = pixels[part], labels[part].astype(np.int32)
    if pixels.shape[1:3] != (size, size):
        pieces = []
        for start in range(0, len(pixels), RESIZE_AT_ONCE):
            piece = pixels[start : start + RESIZE_AT_ONCE].astype(np.float32)
            shape = (len(piece), size, size, piece.shape[-1])
            piece = jax.image.resize(piece, shape, "linear", antialias=True)
            pieces.append(np.rint(np.clip(piece, 0, 255)).astype(np.uint8))
        pixels = np.concatenate(pieces)
    return Images(pixels, labels, classes)


def _decoded(images: Any, size: int) -> np.ndarray:
    """[N, size, size, channels] from files or pillow images; grey when the first one is."""
    try:
        import PIL.Image
    except ImportError:
        raise TaskError(f"images need the pillow package: {INSTALL}") from None
    arrays: list[np.ndarray] = []
    mode = ""
    for image in images:
        try:
            picture = PIL.Image.open(image) if isinstance(image, Path) else image
            mode = mode or ("L" if picture.mode in ("1", "L") else "RGB")
            picture = picture.convert(mode).resize((size, size), PIL.Image.Resampling.BILINEAR)
        except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
            raise TaskError(f"{image}: not a readable image: {error}") from None
        arrays.append(np.asarray(picture, np.uint8).reshape(size, size, -1))
    return np.stack(arrays)
