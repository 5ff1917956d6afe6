"""Pictures for pages: checked, decoded, encoded again, so that a page holds no foreign bytes.

Small images stay exact (the browser scales pixel art up); larger ones become WebP, so a page of ten
candidates stays small enough to mail.
"""

from __future__ import annotations

import base64
import hashlib
import io
import warnings
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reports.facts import NotMeasured

MAX_FILE_BYTES = 32 * 2**20
MAX_SIDE = 4096
"""Pixels. Outputs and kept pictures are far smaller; a larger file is foreign."""
EXACT_SIDE = 64
"""Images up to this many pixels a side are embedded without loss."""
PIXELATED_SIDE = 32
"""Images up to this many pixels a side are shown with visible pixels."""
EMBEDDED_SIDE = 384
THUMBNAIL_SIDE = 192
WEBP_QUALITY = 88


@dataclass(frozen=True)
class Picture:
    """An image to embed; ``width`` and ``height`` in pixels of the original."""

    data: bytes
    media_type: Literal["image/png", "image/webp"]
    width: int
    height: int

    @property
    def coarse(self) -> bool:
        """Whether it is shown with visible pixels; a larger picture is smoothed."""
        return max(self.width, self.height) <= PIXELATED_SIDE


def read_picture(path: Path, *, sha256: str | None = None, side: int = EMBEDDED_SIDE) -> Picture | NotMeasured:
    """The PNG file at ``path``, or why it cannot be shown.

    ``sha256``: the file's hash in the registry. ``side``: most pixels a side to embed.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return NotMeasured(f"the file {_short(path)} is missing from the home")
    except OSError as error:
        return NotMeasured(f"the file {_short(path)} cannot be read: {error.strerror or error}")
    if len(data) > MAX_FILE_BYTES:
        return NotMeasured(f"the file {_short(path)} is larger than {MAX_FILE_BYTES // 2**20} MiB")
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        return NotMeasured(f"the file {_short(path)} was altered since the registry recorded it")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is checked just below
            image = Image.open(io.BytesIO(data), formats=("PNG",))
        if max(image.size) > MAX_SIDE:
            return NotMeasured(
                f"the file {_short(path)} has {image.width} x {image.height} pixels, more than a picture here can have"
            )
        return _picture(image.convert("RGBA" if image.has_transparency_data else "RGB"), side)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return NotMeasured(f"the file {_short(path)} is not a readable PNG image")


def _short(path: Path) -> str:
    """A file's name; one that is a SHA-256 is cut like an id, to be read on a page."""
    return f"{path.stem[:12]}….png" if len(path.stem) == 64 else path.name


def picture_of(pixels: NDArray[np.uint8], *, side: int = EMBEDDED_SIDE) -> Picture:
    """The picture of ``pixels`` (height, width, channels), channels 1 or 3."""
    grey = pixels.shape[2] == 1
    return _picture(Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if grey else pixels)), side)


@lru_cache(maxsize=64)
def thumbnail(picture: Picture) -> Picture:
    """``picture`` small enough for a card: a page shows the output beside each candidate."""
    if max(picture.width, picture.height) <= EXACT_SIDE:
        return picture
    with Image.open(io.BytesIO(picture.data)) as image:
        small = _picture(image, THUMBNAIL_SIDE)
    return replace(small, width=picture.width, height=picture.height)


def data_uri(picture: Picture) -> str:
    """``picture`` as a data URI."""
    return f"data:{picture.media_type};base64,{base64.b64encode(picture.data).decode()}"


def _picture(image: Image.Image, side: int) -> Picture:
    width, height = image.size
    buffer = io.BytesIO()
    if max(width, height) <= EXACT_SIDE:
        image.save(buffer, "PNG", optimize=True)
        return Picture(buffer.getvalue(), "image/png", width, height)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    image.save(buffer, "WEBP", quality=WEBP_QUALITY, method=4)
    return Picture(buffer.getvalue(), "image/webp", width, height)
