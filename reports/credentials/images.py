"""Finds the image to sign: a sample of the registry, or a file with exactly its pixels.

A file's name proves nothing. A file counts as a sample if it has the sample's bytes, or its pixels
(saved again without loss); otherwise the signature would vouch for a picture that was not generated
here.
"""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps
from sqlmodel import Session, col, select

from registry.errors import InputError, IntegrityError, NotFoundError
from registry.messages import plain_reason
from registry.storage.database import Registry
from registry.storage.tables import Sample
from registry.works.queries import find_by_prefix
from reports.credentials.files import LARGEST_IMAGE, read_plain_file, start_of
from reports.rendering.pictures import MAX_SIDE

SUFFIXES = {"PNG": (".png",), "WEBP": (".webp",), "TIFF": (".tif", ".tiff")}
"""By Pillow's name: the lossless formats that C2PA can sign."""
MOST_SAMPLES, MOST_PIXELS = 50_000, 2**31
"""Limits of the search for a file's sample: the newest samples whose headers are read, and the
pixels decoded. Half a minute at most."""


@dataclass(frozen=True)
class GeneratedImage:
    """A sample and the file to sign."""

    sample: Sample
    data: bytes
    format: str
    file: Path
    """The file that was read."""

    @property
    def media_type(self) -> str:
        return f"image/{self.format.lower()}"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Permitted suffixes of the signed copy."""
        return SUFFIXES[self.format]


def find_image(registry: Registry, named: str) -> GeneratedImage:
    """The image named by a path, a sample's id or the first digits of the id.

    Raises:
        NotFoundError: the sample or file does not exist, or no sample has the file's pixels.
        InputError: the file cannot be read.
        IntegrityError: the sample's file differs from the registry's record.
    """
    path = Path(named)
    if path.name != named or path.suffix or path.exists() or path.is_symlink():
        return _of_file(registry, path)
    with registry.session() as session:
        sample = find_by_prefix(session, Sample, named)
    file = registry.home.sample_image(sample.id)
    data = _recorded_bytes(file, sample.image_sha256)
    if data is None:
        raise IntegrityError(
            f"{file} is missing or not what the registry recorded; `creditline verify {sample.id}` says more"
        )
    return GeneratedImage(sample, data, "PNG", file)


def _of_file(registry: Registry, path: Path) -> GeneratedImage:
    data = read_plain_file(path, "image", LARGEST_IMAGE)
    with registry.session() as session:
        same = select(Sample).where(Sample.image_sha256 == hashlib.sha256(data).hexdigest()).order_by(col(Sample.id))
        sample = session.exec(same).first()
        if sample is not None:
            return GeneratedImage(sample, data, "PNG", path)
        pixels = _decoded(data, path)
        sample = _with_pixels(session, registry, pixels, path)
    if sample is None:
        raise NotFoundError(
            f"{path} is no sample of this registry: neither its bytes nor its pixels are one's; `creditline samples` lists them"
        )
    return GeneratedImage(sample, data, str(pixels.format), path)


def _with_pixels(session: Session, registry: Registry, image: Image.Image, path: Path) -> Sample | None:
    """The newest sample with these pixels. The first bytes of each file give its size."""
    shown = _shown(image)
    size, pixels = shown.size, shown.tobytes()
    newest = select(Sample.id, Sample.image_sha256).order_by(col(Sample.created_at).desc(), col(Sample.id))
    left = MOST_PIXELS
    for number, (sample_id, image_sha256) in enumerate(session.exec(newest.limit(MOST_SAMPLES + 1))):
        if number == MOST_SAMPLES or left <= 0:
            raise NotFoundError(
                f"{path} has the pixels of none of the newest {number:,} samples, and older ones were not compared; name the "
                "sample by its id, or give its own file"
            )
        file = registry.home.sample_image(sample_id)
        if _png_size(file) != size:
            continue
        left -= size[0] * size[1]
        data = _recorded_bytes(file, image_sha256)
        if data is not None:
            with Image.open(io.BytesIO(data), formats=("PNG",)) as own:
                if own.size == size and _shown(own).tobytes() == pixels:
                    return session.get(Sample, sample_id)
    return None


def _png_size(file: Path) -> tuple[int, int] | None:
    """Width and height from the first chunk of a PNG file."""
    start = start_of(file, 24)
    if len(start) < 24 or not start.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    width, height = struct.unpack(">II", start[16:])
    return width, height


def _recorded_bytes(file: Path, image_sha256: str) -> bytes | None:
    """The bytes of a sample's own file; None if they differ from the recorded hash."""
    try:
        data = read_plain_file(file, "sample", LARGEST_IMAGE)
    except InputError:
        return None
    return data if hashlib.sha256(data).hexdigest() == image_sha256 else None


def _shown(image: Image.Image) -> Image.Image:
    """The image as shown: turned as its metadata say, in colour, with transparency."""
    return ImageOps.exif_transpose(image).convert("RGBA")


def _decoded(data: bytes, path: Path) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is checked just below
            image = Image.open(io.BytesIO(data), formats=tuple(SUFFIXES))
        if max(image.size) > MAX_SIDE:
            raise InputError(f"{path} has {image.width} x {image.height} pixels, more than a sample here can have")
        if getattr(image, "n_frames", 1) != 1:
            raise InputError(f"{path} has several pictures in it, expected one")
        image.load()
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(
            f"{path} cannot be read as {', '.join(SUFFIXES)}, the formats that keep every pixel: {plain_reason(error)}"
        ) from error
    return image
