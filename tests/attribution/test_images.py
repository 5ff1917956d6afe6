"""From files to pixels: every kind of image, and bad ones refused by name."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from attribution.images import ImageSettings, open_image, pixels_of, read_work, read_works
from registry.errors import InputError, IntegrityError, UsageError


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16", "I", "F", "LAB"])
def test_every_mode_becomes_bytes(mode: str) -> None:
    """Mid-grey is mid-grey in every mode, in three channels and in one, never transparent."""
    source = Image.new("L", (20, 10), 128)
    if mode == "1":
        image = Image.new("1", (20, 10), 1)
    elif mode.startswith("I"):
        image = Image.fromarray(np.full((10, 20), 128 * 257, dtype=np.uint16 if mode == "I;16" else np.int32))
    elif mode == "LAB":
        image = Image.new("LAB", (20, 10), (138, 128, 128))
    elif mode == "F":
        image = Image.fromarray(np.full((10, 20), 128.0, dtype=np.float32))
    else:
        image = source.convert("RGB").quantize() if mode == "P" else source.convert("RGB").convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "TIFF")
    opened = open_image(buffer.getvalue(), "x.tif")
    for channels in (1, 3):
        pixels = pixels_of(opened, ImageSettings(size=8, channels=channels, fit="crop"))
        assert pixels.shape == (8, 8, channels)
        assert pixels.dtype == np.uint8
        assert np.abs(pixels.astype(int) - (255 if mode == "1" else 128)).max() <= 2


def test_transparency_shows_the_background() -> None:
    """Where a work is transparent the background is seen."""
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert (pixels_of(image, ImageSettings(size=8, background="#00ff00")) == [0, 255, 0]).all()


def test_pad_keeps_the_whole_work_and_crop_its_middle() -> None:
    """A wide work keeps its ends when padded and loses them when cropped."""
    array = np.zeros((10, 30, 3), dtype=np.uint8)
    array[:, :10] = [255, 0, 0]
    image = Image.fromarray(array)
    assert (pixels_of(image, ImageSettings(size=12, fit="pad"))[6, 0] == [255, 0, 0]).all()
    assert pixels_of(image, ImageSettings(size=12, fit="crop"))[6, 0, 0] < 64


def test_exif_orientation_is_obeyed() -> None:
    """A photograph whose EXIF data turn it is turned upright."""
    array = np.zeros((8, 8, 3), dtype=np.uint8)
    array[:4] = 255
    image = Image.fromarray(array)
    exif = image.getexif()
    exif[0x0112] = 3
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=exif)
    turned = pixels_of(open_image(buffer.getvalue(), "x"), ImageSettings(size=8))
    assert turned[0].max() == 0
    assert turned[-1].min() == 255


@pytest.mark.parametrize("data", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
def test_what_is_no_image_is_refused_by_name(data: bytes) -> None:
    """The error names the file."""
    with pytest.raises(InputError, match=r"found\.png"):
        open_image(data, "found.png")


def test_truncated_image_is_refused() -> None:
    """Half a file does not become grey silently."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(buffer, "PNG")
    with pytest.raises(InputError, match="cannot be decoded"):
        open_image(buffer.getvalue()[:2000], "half.png")


def test_huge_image_is_refused_before_decoding() -> None:
    """A small file that claims 40,000 x 40,000 pixels is refused by its header."""
    buffer = io.BytesIO()
    Image.new("1", (1, 1)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[16:24] = struct.pack(">II", 40_000, 40_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    with pytest.raises(InputError, match=r"bomb\.png"):
        open_image(bytes(data), "bomb.png")


def test_altered_work_is_told_apart(tmp_path: Path) -> None:
    """A work that changed since it was registered is not trained on."""
    path = tmp_path / "work.png"
    Image.new("RGB", (8, 8), "red").save(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_work(path, sha256).size == (8, 8)
    Image.new("RGB", (8, 8), "blue").save(path)
    with pytest.raises(IntegrityError, match=r"work\.png changed"):
        read_work(path, sha256)
    path.unlink()
    with pytest.raises(IntegrityError, match=r"work\.png"):
        read_work(path, sha256)


def test_works_are_read_in_order(tmp_path: Path) -> None:
    """Row k of the array is path k, however many threads read."""
    paths, hashes = [], []
    for level in range(40):
        path = tmp_path / f"{level}.png"
        Image.new("L", (5, 5), level * 6).save(path)
        paths.append(path)
        hashes.append(hashlib.sha256(path.read_bytes()).hexdigest())
    into = np.zeros((40, 4, 4, 1), dtype=np.uint8)
    done: list[int] = []
    read_works(paths, hashes, ImageSettings(size=4, channels=1), into, done.append)
    np.testing.assert_array_equal(into[:, 0, 0, 0], np.arange(40) * 6)
    assert sum(done) == 40


def test_works_in_archives_are_read_beside_files_and_their_content_is_checked(tmp_path: Path) -> None:
    """In any order, each in its row; exchanged or missing works are named."""
    pictures = {}
    for level in range(6):
        buffer = io.BytesIO()
        Image.new("L", (5, 5), level * 40).save(buffer, "PNG")
        pictures[level] = buffer.getvalue()
    with zipfile.ZipFile(tmp_path / "works.zip", "w") as archive:
        for level in (4, 2, 0):
            archive.writestr(f"a/{level}.png", pictures[level])
    for level in (1, 3, 5):
        (tmp_path / f"{level}.png").write_bytes(pictures[level])
    places = {0: "works.zip/a/0.png", 2: "works.zip!/a/2.png", 4: "works.zip!/a/4.png"}
    paths = [tmp_path / places.get(level, f"{level}.png") for level in range(6)]
    hashes = [hashlib.sha256(pictures[level]).hexdigest() for level in range(6)]
    into = np.zeros((6, 4, 4, 1), dtype=np.uint8)
    read_works(paths, hashes, ImageSettings(size=4, channels=1), into)
    np.testing.assert_array_equal(into[:, 0, 0, 0], np.arange(6) * 40)
    with pytest.raises(IntegrityError, match=r"2\.png changed .*and 1 more works"):
        read_works(
            [*paths, tmp_path / "works.zip!" / "b.png"],
            [*hashes[:2], hashes[0], *hashes[3:], hashes[0]],
            ImageSettings(size=4, channels=1),
            np.zeros((7, 4, 4, 1), dtype=np.uint8),
        )


@pytest.mark.parametrize("settings", [{"size": 2}, {"channels": 2}, {"fit": "squash"}, {"background": "white"}])
def test_settings_out_of_range_are_refused(settings: dict[str, object]) -> None:
    """A wrong setting is an error, not a surprise later."""
    with pytest.raises(UsageError):
        ImageSettings(**settings)  # type: ignore[arg-type]
