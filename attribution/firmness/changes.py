"""Benign changes of an image: those that happen when it is stored, scaled, moved or cut."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import UInt8
from PIL import Image

Picture = UInt8[np.ndarray, "height width channel"]


def _image(picture: Picture) -> Image.Image:
    return Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)


def _array(image: Image.Image, like: Picture) -> Picture:
    return np.asarray(image, np.uint8).reshape(like.shape)


def jpeg(picture: Picture, quality: int) -> Picture:
    """Stored as JPEG, and opened again."""
    file = io.BytesIO()
    _image(picture).save(file, "JPEG", quality=quality)
    return _array(Image.open(file), picture)


def resized(picture: Picture, share: float) -> Picture:
    """Scaled to a share of its sides, and back."""
    height, width = picture.shape[:2]
    small = _image(picture).resize(
        (max(1, round(width * share)), max(1, round(height * share))), Image.Resampling.LANCZOS
    )
    return _array(small.resize((width, height), Image.Resampling.LANCZOS), picture)


def shifted(picture: Picture, down: int, right: int) -> Picture:
    """Moved by whole pixels; the edge is repeated."""
    height, width = picture.shape[:2]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return np.ascontiguousarray(picture[rows][:, columns])


def cropped(picture: Picture, edge: int) -> Picture:
    """Without some pixels at each edge, scaled back to its size."""
    height, width = picture.shape[:2]
    inner = _image(np.ascontiguousarray(picture[edge : height - edge, edge : width - edge]))
    return _array(inner.resize((width, height), Image.Resampling.LANCZOS), picture)


BENIGN: Mapping[str, Callable[[Picture], Picture]] = MappingProxyType(
    {
        "JPEG of quality 90": lambda picture: jpeg(picture, 90),
        "JPEG of quality 75": lambda picture: jpeg(picture, 75),
        "scaled to a half, and back": lambda picture: resized(picture, 0.5),
        "moved down by one pixel": lambda picture: shifted(picture, 1, 0),
        "moved up by one pixel": lambda picture: shifted(picture, -1, 0),
        "moved right by one pixel": lambda picture: shifted(picture, 0, 1),
        "moved left by one pixel": lambda picture: shifted(picture, 0, -1),
        "cut by one pixel at each edge": lambda picture: cropped(picture, 1),
    }
)
"""Each change by its name."""
