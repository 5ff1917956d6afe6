"""From image files to the square arrays that members train on and are compared with.

Every work of an encoding becomes size x size x channels bytes: turned upright as its EXIF data says, laid over the
background where it is transparent, fitted into the square, and scaled. The bytes that are decoded are hashed on
the way, so that what a member trained on is what its manifest lists.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from registry.errors import InputError, IntegrityError, UsageError

Fit = Literal["pad", "crop"]
PIXEL_LIMIT = 100_000_000
"""Images with more pixels are refused before they are decoded."""


@dataclass(frozen=True)
class ImageSettings:
    """How a work becomes pixels.

    Raises:
        UsageError: a value is outside its range.
    """

    size: int = 16
    """Side of the square, in pixels."""
    channels: int = 3
    """1 for grey, 3 for colour."""
    fit: Fit = "pad"
    """``pad`` keeps the whole work and fills with the background, ``crop`` fills the square with its middle."""
    background: str = "#ffffff"
    """Under transparent parts and beside padded works."""

    def __post_init__(self) -> None:
        if not 4 <= self.size <= 1024:
            raise UsageError(f"image size {self.size}: expected 4 to 1024 pixels")
        if self.channels not in (1, 3):
            raise UsageError(f"{self.channels} image channels: expected 1 (grey) or 3 (colour)")
        if self.fit not in get_args(Fit):
            raise UsageError(f"fit {self.fit!r}: choose one of {', '.join(get_args(Fit))}")
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", self.background):
            raise UsageError(f"background {self.background!r}: expected a colour such as #ffffff")

    def to_json(self) -> dict[str, Any]:
        """The settings as they are stored with an ensemble."""
        return asdict(self)


def pixels_of(image: Image.Image, settings: ImageSettings) -> UInt8[np.ndarray, "height width channel"]:
    """One opened image as the array that a member sees."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith(("I", "F")):
        # Pillow clips 16-bit and floating-point values to 8 bits instead of scaling them.
        values = np.asarray(upright, dtype=np.float64)
        peak = 65535.0 if values.max(initial=0.0) > 255.0 else 255.0
        upright = Image.fromarray((np.clip(values / peak, 0.0, 1.0) * 255.0).round().astype(np.uint8))
    layer = upright.convert("RGBA")
    flat = Image.new("RGBA", layer.size, settings.background)
    flat.alpha_composite(layer)
    square = (settings.size, settings.size)
    colour = flat.convert("RGB")
    if settings.fit == "pad":
        fitted = ImageOps.pad(colour, square, Image.Resampling.LANCZOS, color=settings.background)
    else:
        fitted = ImageOps.fit(colour, square, Image.Resampling.LANCZOS)
    array = np.asarray(fitted if settings.channels == 3 else fitted.convert("L"), dtype=np.uint8)
    return array.reshape(settings.size, settings.size, settings.channels)


def open_image(data: bytes, name: str) -> Image.Image:
    """Decode an image's bytes under the pixel limit.

    Raises:
        InputError: not an image, damaged, or too large; the message carries ``name``.
    """
    try:
        image = Image.open(io.BytesIO(data))
        if image.width * image.height > PIXEL_LIMIT:
            raise InputError(f"{name}: {image.width} x {image.height} pixels, more than {PIXEL_LIMIT} are refused")
        image.load()
    except UnidentifiedImageError as error:
        raise InputError(
            f"{name} is not an image that can be read; expected PNG, JPEG, WebP, GIF, TIFF or BMP"
        ) from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{name} cannot be decoded: {error}") from error
    return image


def read_image(path: Path) -> tuple[Image.Image, str]:
    """An image file from outside and its SHA-256 (hex).

    Raises:
        InputError: the file cannot be read or decoded.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    return open_image(data, str(path)), hashlib.sha256(data).hexdigest()


def read_work(path: Path, sha256: str) -> Image.Image:
    """A registered work's picture.

    Raises:
        IntegrityError: the file is gone or no longer the one that was registered.
    """
    try:
        image, found = read_image(path)
    except InputError as error:
        raise IntegrityError(f"a registered work cannot be read: {error}; restore the file") from error
    if found != sha256:
        raise IntegrityError(
            f"{path} changed since it was registered (SHA-256 {found[:12]}, registered {sha256[:12]}): restore the file"
        )
    return image


def read_works(
    paths: list[Path],
    hashes: list[str],
    settings: ImageSettings,
    into: UInt8[np.ndarray, "work height width channel"],
    advance: Callable[[int], object] = lambda _: None,
) -> None:
    """Fill ``into`` with the works' pixels, in order, on all cores (Pillow decodes outside the interpreter's lock).

    Raises:
        IntegrityError: a work is gone or was altered since it was registered.
    """

    def read(index: int) -> None:
        into[index] = pixels_of(read_work(paths[index], hashes[index]), settings)

    with ThreadPoolExecutor() as pool:
        for _ in pool.map(read, range(len(paths))):
            advance(1)


def to_unit_range(pixels: UInt8[np.ndarray, "*shape"]) -> np.ndarray:
    """Bytes as float32 in [0, 1]: what similarity and distances are computed on."""
    return pixels.astype(np.float32) / np.float32(255.0)
