"""From image files to the square arrays on which members train, and between bytes and [-1, 1].

Every work of an encoding becomes size x size x channels bytes: turned upright by its EXIF data,
laid over the background where it is transparent, fitted into the square, and scaled. The decoded
bytes are hashed, so that a member trains on the very works that its manifest lists.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from registry.errors import InputError, IntegrityError, UsageError
from registry.home import write_bytes_atomically
from registry.image_files import opening
from registry.image_files.inspection import read_regular_file
from registry.image_files.opening import LARGEST_AREA, LARGEST_SIDE
from registry.ingest.reading.content import read_content, read_members, split_path
from registry.messages import plain_reason

PICTURE_SIDE = 256
"""Longest side of the small pictures that the home keeps for reports, in pixels."""
READ_AT_ONCE = 64
"""Works per task of the reading threads."""
Fit = Literal["pad", "crop"]


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
    """``pad``: the whole work, filled up with background. ``crop``: its middle."""
    background: str = "#ffffff"
    """Colour of transparent parts and of padding."""

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
        """The settings, as stored with an ensemble."""
        return asdict(self)


def pixels_of(image: Image.Image, settings: ImageSettings) -> UInt8[np.ndarray, "height width channel"]:
    """An image of :func:`open_image` as the array that a member sees."""
    layer = image.convert("RGBA")
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
    """Decode an image under the limits of registration: upright, in RGB, RGBA, L or LA.

    Raises:
        InputError: not an image, damaged, or too large; the message names the image ``name``.
    """
    # Any exception of Pillow refuses the file, which may be hostile; see
    # registry.image_files.inspection.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = opening.open_image(data)
            width, height = image.size
            if max(width, height) > LARGEST_SIDE or width * height > LARGEST_AREA:
                raise InputError(f"{name} has {width} x {height} pixels, at most {LARGEST_SIDE} a side are read")
            image.load()
            return _eight_bit(_upright(image))
    except InputError:
        raise
    except opening.MissingReaderError as error:
        raise InputError(f"{name} cannot be read: {error}") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{name} cannot be read: {opening.why_unidentified(data)}") from error
    except Exception as error:
        raise InputError(f"{name} cannot be decoded: {plain_reason(error)}") from error


def _upright(image: Image.Image) -> Image.Image:
    """Turned upright by its EXIF data; damaged EXIF data are ignored."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # Pillow fails in many ways here; the picture itself is fine
        return image


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scale 16-bit values to 8 bits (Pillow clips them); LAB to RGB (Pillow: transparent)."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image, dtype=np.float64) / 257.0).round().astype(np.uint8))
    if image.mode in {"I", "F"}:
        values = np.asarray(image, dtype=np.float64)
        # Pixels of these modes may have any range: values beyond 8 bits are taken as 16-bit.
        peak = 65535.0 if np.nanmax(values, initial=0.0) > 255.0 else 255.0
        scaled = np.clip(np.nan_to_num(values) / peak, 0.0, 1.0) * 255.0
        return Image.fromarray(scaled.round().astype(np.uint8))
    if image.mode in {"RGB", "RGBA", "L", "LA"}:
        return image
    has_alpha = image.mode in {"PA", "La", "RGBa"} or "transparency" in image.info
    return image.convert("RGBA" if has_alpha and image.mode != "LAB" else "RGB")


def read_image(path: Path) -> tuple[Image.Image, str]:
    """An outside image file and its SHA-256 (hex).

    Raises:
        InputError: the file cannot be read or decoded, is no regular file, or is too large.
    """
    try:
        data = read_regular_file(path.resolve())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if isinstance(data, str):
        raise InputError(f"cannot read {path}: {data}")
    return open_image(data, str(path)), hashlib.sha256(data).hexdigest()


def check_images(paths: Iterable[Path]) -> None:
    """Read every outside image file once: one that is no image must not stop long work half-way.

    Raises:
        InputError: as :func:`read_image`, for the first such file.
    """
    for path in paths:
        read_image(path)


def read_work(path: Path, sha256: str) -> Image.Image:
    """A registered work's picture, from its file or its archive.

    Raises:
        IntegrityError: the file is gone, undecodable, or differs from the registered one.
    """
    try:
        return _checked(read_content(path), path, sha256)
    except InputError as error:
        raise IntegrityError(_unusable(error)) from error


def read_works(
    paths: list[Path],
    hashes: list[str],
    settings: ImageSettings,
    into: UInt8[np.ndarray, "work height width channel"],
    advance: Callable[[int], object] = lambda _: None,
) -> None:
    """Fill ``into`` with the works' pixels, in order, in one pass through each archive.

    Threads use all cores, as Pillow decodes outside the interpreter's lock.

    Raises:
        IntegrityError: works are gone or altered; the message counts them and names the first.
    """
    unusable: list[str] = []

    def read(rows: Sequence[int]) -> int:
        for row, data in _contents(paths, rows):
            try:
                if isinstance(data, InputError):
                    raise data
                into[row] = pixels_of(_checked(data, paths[row], hashes[row]), settings)
            except IntegrityError as error:
                unusable.append(str(error))
            except InputError as error:
                unusable.append(_unusable(error))
        return len(rows)

    with ThreadPoolExecutor() as pool:
        for done in pool.map(read, _read_together(paths)):
            advance(done)
    if unusable:
        others = f" (and {len(unusable) - 1} more works)" if len(unusable) > 1 else ""
        raise IntegrityError(min(unusable) + others)


def _checked(data: bytes, path: Path, sha256: str) -> Image.Image:
    image = open_image(data, str(path))
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise IntegrityError(
            f"{path} changed since it was registered (SHA-256 {found[:12]}, registered {sha256[:12]}): restore the file"
        )
    return image


def _unusable(error: InputError) -> str:
    return f"a registered work cannot be used: {error}; restore the file, or encode without it"


def _read_together(paths: Sequence[Path]) -> Iterator[list[int]]:
    """Rows for one thread: some files, or all works of one archive."""
    archives: dict[Path, list[int]] = {}
    files: list[int] = []
    for row, path in enumerate(paths):
        file, member = split_path(path)
        if member is not None:
            archives.setdefault(file, []).append(row)
            continue
        files.append(row)
        if len(files) == READ_AT_ONCE:
            yield files
            files = []
    if files:
        yield files
    yield from archives.values()


def _contents(paths: Sequence[Path], rows: Sequence[int]) -> Iterator[tuple[int, bytes | InputError]]:
    """Each row with its work's bytes or reading error; an archive's rows in its own order."""
    archive, member = split_path(paths[rows[0]])
    if member is None:
        for row in rows:
            try:
                yield row, read_content(paths[row])
            except InputError as error:
                yield row, error
        return
    rows_of: dict[str, list[int]] = {}
    for row in rows:
        rows_of.setdefault(str(split_path(paths[row])[1]), []).append(row)
    try:
        for found, data in read_members(archive, rows_of):
            for row in rows_of.pop(found, ()):
                yield row, data if isinstance(data, bytes) else InputError(f"cannot read {paths[row]}: {data}")
    except InputError as error:
        for left in rows_of.values():
            for row in left:
                yield row, error


def keep_picture(place: Path, image: Image.Image) -> None:
    """Write a small copy as PNG for reports, which do not need the folder of the works.

    Raises:
        InputError: the home cannot be written.
    """
    image.thumbnail((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    write_bytes_atomically(place, buffer.getvalue())


def to_unit_range(pixels: UInt8[np.ndarray, "*shape"]) -> np.ndarray:
    """Bytes as float32 in [0, 1], for similarities and distances."""
    return pixels.astype(np.float32) / np.float32(255.0)


def from_pixels(pixels: UInt8[np.ndarray, "batch height width channel"]) -> Float[Tensor, "batch channel height width"]:
    """Bytes to [-1, 1], channels first: the range in which members train."""
    values = torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32))
    return (values / 127.5 - 1.0).movedim(-1, 1).contiguous()


def to_pixels(images: Float[Tensor, "batch channel height width"]) -> UInt8[Tensor, "batch height width channel"]:
    """Clamp to [-1, 1] and round half to even to 0..255; channels last, as in image files."""
    return ((images.clamp(-1.0, 1.0) + 1.0) * 127.5).round().to(torch.uint8).movedim(-3, -1).contiguous()
