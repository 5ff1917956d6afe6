"""Changed copies of a picture, as they come back from the web."""

from __future__ import annotations

import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image

Picture = UInt8[np.ndarray, "height width channel"]
NOISE = 20.0
"""Standard deviation, in grey levels."""
CONTRAST = 0.6
JPEG_QUALITY = 60
CROPPED = 1
"""Pixels cut from each side of 16 before the rest is enlarged again."""
KINDS = ("noise", "contrast", "shift", "crop", "JPEG")


def changed(picture: Picture, kind: str, seed: int) -> Picture:
    """One changed copy; the seed is used for noise alone."""
    if kind == "noise":
        grain = np.random.default_rng(seed).normal(0.0, NOISE, picture.shape)
        return np.clip(np.rint(picture + grain), 0, 255).astype(np.uint8)
    if kind == "contrast":
        return np.clip(np.rint(CONTRAST * picture + (1 - CONTRAST) * 128.0), 0, 255).astype(np.uint8)
    if kind == "shift":
        return np.concatenate([picture[:, :1], picture[:, :-1]], axis=1)
    image = Image.fromarray(picture if picture.shape[-1] == 3 else picture[..., 0])
    if kind == "crop":
        side = picture.shape[0]
        inner = image.crop((CROPPED, CROPPED, side - CROPPED, side - CROPPED))
        return _array(inner.resize((side, side), Image.Resampling.BICUBIC))
    if kind == "JPEG":
        file = io.BytesIO()
        image.save(file, "JPEG", quality=JPEG_QUALITY)
        with Image.open(file) as opened:
            return _array(opened)
    raise ValueError(f"no change {kind!r}; choose one of {', '.join(KINDS)}")


def _array(image: Image.Image) -> Picture:
    found = np.asarray(image)
    return found if found.ndim == 3 else found[..., None]
