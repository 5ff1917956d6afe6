"""What one file is: every bad file is really made, and each is refused with its reason; odd but
good ones go in.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from registry.image_files.inspection import KnownWork, Refusal, Task, Work, inspect_file
from registry.image_files.opening import LARGEST_SIDE
from tests.support.works import encoded, picture, png_header, write

PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8))


def inspect(folder: Path, data: bytes, *, decode: bool = False) -> Work | KnownWork | Refusal:
    """Inspect a file with these bytes."""
    write(folder / "file", data)
    return inspect_file(folder, Task("file"), decode=decode)


def refusal(folder: Path, data: bytes, *, decode: bool = False) -> str:
    """The reason why a file with these bytes is refused."""
    result = inspect(folder, data, decode=decode)
    assert isinstance(result, Refusal)
    return result.reason


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("WEBP", "image/webp"),
        ("GIF", "image/gif"),
        ("TIFF", "image/tiff"),
        ("BMP", "image/bmp"),
        ("JPEG2000", "image/jp2"),
        ("PPM", "image/x-portable-anymap"),
    ],
)
def test_images_are_taken_with_hash_size_and_type(folder: Path, name: str, media_type: str) -> None:
    """Whatever their file is called: type and dimensions come from the content."""
    data = encoded(PHOTO, name)
    work = inspect(folder, data)
    assert isinstance(work, Work)
    assert (work.media_type, work.width, work.height) == (media_type, 64, 48)
    assert (work.sha256, work.byte_size) == (hashlib.sha256(data).hexdigest(), len(data))


@pytest.mark.parametrize(
    ("mode", "name"),
    [("CMYK", "JPEG"), ("I;16", "PNG"), ("P", "PNG"), ("L", "PNG"), ("1", "PNG"), ("RGBA", "PNG"), ("LA", "PNG")],
)
def test_every_colour_model_is_taken_and_recorded(folder: Path, mode: str, name: str) -> None:
    """Members see colours converted; the registry keeps what the file had."""
    work = inspect(folder, encoded(Image.new(mode, (5, 4)), name))
    assert isinstance(work, Work)
    assert work.pixel_mode == mode


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "JPEG2000", "PPM"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_truncated_image_is_refused(folder: Path, name: str, share: float) -> None:
    """Wherever it was cut off, and without decoding it where the format says where it ends."""
    data = encoded(PHOTO, name)
    reason = refusal(folder, data[: int(len(data) * share)])
    assert "truncated" in reason or "damaged" in reason or "not an image" in reason


def test_a_truncated_photograph_with_a_preview_is_refused(folder: Path) -> None:
    """The preview in the metadata has an end marker of its own, which is not the photograph's."""
    small = encoded(picture(1), "JPEG")
    preview = b"\xff\xe1" + (len(small) + 2).to_bytes(2, "big") + small
    whole = encoded(PHOTO, "JPEG")
    data = whole[:2] + preview + whole[2:]
    assert isinstance(inspect(folder, data), Work)
    assert "truncated" in refusal(folder, data[:-200])


def test_progressive_photographs_and_bytes_behind_the_end_are_taken(folder: Path) -> None:
    """Several scans, and cameras that append things."""
    assert isinstance(inspect(folder, encoded(PHOTO, "JPEG", progressive=True)), Work)
    for name in ("JPEG", "PNG", "GIF", "WEBP"):
        assert isinstance(inspect(folder, encoded(PHOTO, name) + b"appended"), Work)


def test_damage_inside_a_png_shows_in_its_checksums(folder: Path) -> None:
    """One changed bit in the middle."""
    data = bytearray(encoded(PHOTO))
    data[len(data) // 2] ^= 1
    assert "checksum of its IDAT chunk" in refusal(folder, bytes(data))


def test_decoding_finds_damage_that_the_structure_does_not_show(folder: Path) -> None:
    """A WebP whose pixel data was overwritten is complete by its structure; `--decode` refuses
    it.
    """
    data = bytearray(encoded(PHOTO, "WEBP", lossless=True))
    data[30:-4] = b"\xff" * (len(data) - 34)
    assert isinstance(inspect(folder, bytes(data)), Work)
    assert refusal(folder, bytes(data), decode=True)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_decoding_finds_damage_inside_photographs(folder: Path, mode: str, progressive: bool) -> None:
    """Pillow fills what is missing with grey; `--decode` refuses the file."""
    image = PHOTO.resize((256, 192)).convert(mode)
    whole = encoded(image, "JPEG", quality=90, progressive=progressive)
    half, tenth = len(whole) // 2, len(whole) // 10
    assert isinstance(inspect(folder, whole, decode=True), Work)
    for damaged in (whole[:half] + b"\xff\xd9", whole[:half] + bytes(tenth) + whole[half + tenth :]):
        assert isinstance(inspect(folder, damaged), Work)
        assert "Corrupt JPEG data" in refusal(folder, damaged, decode=True)


@pytest.mark.parametrize("subsampling", [0, 1, 2, "4:1:1"])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_decoding_takes_good_photographs_of_every_kind(folder: Path, mode: str, subsampling: int | str) -> None:
    """Also those whose subsampling simplejpeg does not know, and those with filling before the
    end.
    """
    for size in ((1, 1), (17, 33)):
        data = encoded(PHOTO.resize(size).convert(mode), "JPEG", subsampling=subsampling, restart_marker_blocks=2)
        for good in (data, data[:-2] + bytes(9) + data[-2:], data + b"appended"):
            assert isinstance(inspect(folder, good, decode=True), Work)


@pytest.mark.parametrize("tiles", [{}, {"strip_size": 2048}])
def test_decoding_compares_the_checksums_of_a_tiff(folder: Path, tiles: dict[str, int]) -> None:
    """The library prints that a checksum is wrong, and goes on."""
    data = bytearray(encoded(PHOTO, "TIFF", compression="tiff_adobe_deflate", **tiles))
    assert isinstance(inspect(folder, bytes(data), decode=True), Work)
    data[3000:3064] = bytes(64)
    assert refusal(folder, bytes(data), decode=True)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"this is text, not an image", "not an image, but text"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image of a format that is taken: an SVG drawing"),
        (b"<!-- x --><svg/>", "an SVG drawing"),
        (b"<!DOCTYPE html><title>404</title>", "not an image, but an HTML page"),
        (b"\n<html><body>Sign in</body></html>", "not an image, but an HTML page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "not an image, but an XML document"),
        (b'{"error": "not found"}', "not an image, but JSON"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS; fetch the file itself"),
        (b"%PDF-1.7\n", "not an image, but a PDF document"),
        (b"PK\x03\x04" + b"\0" * 30, "not an image, but a ZIP archive"),
        (b"\0" * 5000, "not an image, but nothing but zeros"),
        (b"\0\0\0\x18ftypisom", "not an image, but a video"),
        (b"8BPS\0\1", "a Photoshop document"),
        (b"\x01\x02\x03", "not an image, or none of PNG, JPEG"),
        (b"II*\0\xff", "damaged image: it begins as a TIFF image"),
        (b"\x89PNG\r\n\x1a\n", "truncated image"),
        (b"\x89PNG\n\x1a\n" + b"\0" * 40, "damaged image"),
        (b"\xff\xd8\xff", "truncated image"),
        (b"\xff\xd8\xff\xda\0\x04ab\xff\xd9", "damaged image: it begins as JPEG does"),
        (b"GIF89a", "truncated image"),
        (png_header(40_000, 10), "40000 x 10 pixels, at most 16384 a side"),
        (png_header(10, LARGEST_SIDE + 1), "at most 16384 a side"),
        (png_header(40_000, 40_000), "decompression bomb"),
        (png_header(16_000, 16_000), "decompression bomb"),
    ],
)
def test_what_is_no_usable_image_is_refused_with_the_reason(folder: Path, data: bytes, reason: str) -> None:
    """And a bomb before anything of it is decoded."""
    assert reason in refusal(folder, data)


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"gAMA", b"IHDR"])
def test_a_png_with_one_wrong_checksum_names_the_chunk(folder: Path, kind: bytes) -> None:
    """Pillow takes such a file for no image at all."""
    body = b"Author\0\0" + zlib.compress(b"Ada") if kind == b"zTXt" else b"\0\0\xb1\x8f"
    whole = encoded(PHOTO)
    extra = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    data = bytearray(whole if kind == b"IHDR" else whole[:33] + extra + whole[33:])
    place = 29 if kind == b"IHDR" else 33 + len(extra) - 1
    data[place] ^= 1
    assert f"the checksum of its {kind.decode()} chunk is wrong" in refusal(folder, bytes(data))


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "TIFF"])
def test_what_moves_or_has_pages_is_refused(folder: Path, name: str) -> None:
    """Nobody has said which frame is the work."""
    frames = [picture(number, side=16) for number in range(3)]
    assert "animated" in refusal(folder, encoded(frames[0], name, save_all=True, append_images=frames[1:]))


def test_a_phone_photograph_with_further_pictures_behind_it_counts_as_jpeg(folder: Path) -> None:
    """MPO: the first picture is the photograph."""
    work = inspect(folder, encoded(PHOTO, "MPO", save_all=True, append_images=[picture(2)]))
    assert isinstance(work, Work)
    assert work.media_type == "image/jpeg"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(folder: Path) -> None:
    """With the system's reason."""
    write(folder / "file", b"x").chmod(0)
    result = inspect_file(folder, Task("file"))
    assert isinstance(result, Refusal)
    assert "Permission denied" in result.reason


def test_a_file_that_is_gone_or_was_exchanged_since_it_was_listed_is_refused(folder: Path) -> None:
    """Neither a link nor a pipe that took its place is followed or waited for."""
    assert inspect_file(folder, Task("gone")) == Refusal("gone", "cannot be read: No such file or directory")
    (folder / "link").symlink_to(write(folder.parent / "outside.png", encoded(PHOTO)))
    result = inspect_file(folder, Task("link"))
    assert isinstance(result, Refusal)
    os.mkfifo(folder / "pipe")
    assert inspect_file(folder, Task("pipe")) == Refusal("pipe", "not a regular file")


def test_a_file_with_its_known_content_is_not_looked_at_again(folder: Path) -> None:
    """Except to hash it, and when decoding was asked for."""
    data = encoded(PHOTO)
    write(folder / "file", data)
    sha256 = hashlib.sha256(data).hexdigest()
    assert inspect_file(folder, Task("file", sha256)) == KnownWork("file", sha256)
    assert isinstance(inspect_file(folder, Task("file", sha256), decode=True), Work)
    assert isinstance(inspect_file(folder, Task("file", "0" * 64)), Work)
