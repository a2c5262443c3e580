"""The IDX file format of MNIST: big-endian header, then the numbers; plain or gzipped.

Format: two zero bytes, a type code, the number of axes, then each axis's length in 4 bytes
(http://yann.lecun.com/exdb/mnist, "THE IDX FILE FORMAT").
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from proxy_tasks.errors import TaskError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_AXES = 8
MAX_BYTES = 2**34  # 16 GiB: a header that claims more is taken for a damaged one


def read_idx(path: Path) -> np.ndarray:
    """The array in an IDX file.

    Reads no more than the header announces. Raises TaskError when the file is not IDX, is cut off,
    or has bytes left over.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as file:
            return _parse(file, path)
    except (OSError, EOFError, zlib.error) as error:
        raise TaskError(f"{path}: cannot be read: {error}") from None


def _parse(file: Any, path: Path) -> np.ndarray:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES:
        raise TaskError(f"{path}: not an IDX file: it starts with {magic.hex(' ') or 'nothing'}")
    dtype, axes = np.dtype(TYPES[magic[2]]), magic[3]
    if not 1 <= axes <= MAX_AXES:
        raise TaskError(f"{path}: damaged IDX header: {axes} axes, expected 1 to {MAX_AXES}")
    header = file.read(4 * axes)
    if len(header) < 4 * axes:
        raise TaskError(f"{path}: damaged IDX header: it is cut off")
    shape = tuple(int(length) for length in np.frombuffer(header, ">u4"))
    size = math.prod(shape) * dtype.itemsize
    if size > MAX_BYTES:
        raise TaskError(f"{path}: damaged IDX header: shape {shape} would need {size:,} bytes")
    content = bytearray()
    while len(content) < size and (part := file.read(min(size - len(content), 2**24))):
        content += part  # in parts, so that a lying header of a small file costs no memory
    if len(content) < size:
        raise TaskError(f"{path}: cut off: {len(content):,} of {size:,} bytes of shape {shape}")
    if file.read(1):
        raise TaskError(f"{path}: bytes left over after the {size:,} of shape {shape}")
    return np.frombuffer(bytes(content), dtype).reshape(shape).astype(dtype.newbyteorder("="))


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write an array of one of the IDX types; gzipped when the name ends in .gz."""
    codes = {np.dtype(name).newbyteorder("="): code for code, name in TYPES.items()}
    if array.dtype not in codes or not 1 <= array.ndim <= MAX_AXES:
        raise TaskError(f"{path}: IDX holds no {array.ndim}-axis array of {array.dtype}")
    header = bytes([0, 0, codes[array.dtype], array.ndim])
    header += np.array(array.shape, ">u4").tobytes()
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wb") as file:
        file.write(header + array.astype(array.dtype.newbyteorder(">")).tobytes())
