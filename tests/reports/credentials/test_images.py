"""Which image is signed: a sample, or a file that is one; and where its signed copy may be put."""

from __future__ import annotations

import datetime
import io
import os
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("c2pa", reason="needs the extra c2pa")

from registry.errors import InputError, NotFoundError, UsageError
from reports.credentials import images
from reports.credentials.checking import check_credentials
from reports.credentials.files import read_plain_file
from reports.credentials.images import find_image
from reports.credentials.signing import check_out, sign_image
from tests.support.credentials import Chain, make_chain, now, sign
from tests.support.sealing import reseal
from tests.support.world import World


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """A signer."""
    return make_chain(tmp_path_factory.mktemp("chain"))


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    """An image in a file."""
    image.save(path, **options)  # type: ignore[arg-type]  # Pillow's own options
    return path


def test_by_id_and_by_its_first_digits(fresh: World) -> None:
    """The registry's own file."""
    sample = fresh.add_sample(0)
    fresh.add_sample(1)
    for name in (sample.id, sample.id[:6]):
        found = find_image(fresh.registry, name)
        assert (found.sample.id, found.file) == (sample.id, fresh.home.sample_image(sample.id))
    with pytest.raises(NotFoundError, match="no sample"):
        find_image(fresh.registry, "zzzz")


def test_a_file_that_is_a_sample(fresh: World, chain: Chain, tmp_path: Path) -> None:
    """By its bytes; or, saved again without loss in any of three formats, by its pixels, and it is
    signed as it is.
    """
    fresh.add_sample(0)
    sample = fresh.add_sample(1)
    own = fresh.home.sample_image(sample.id)
    (tmp_path / "copy.png").write_bytes(own.read_bytes())
    assert find_image(fresh.registry, str(tmp_path / "copy.png")).sample.id == sample.id
    with Image.open(own) as image:
        again = [
            saved(image, tmp_path / "again.png", compress_level=0),
            saved(image, tmp_path / "again.webp", lossless=True),
            saved(image, tmp_path / "again.tiff"),
        ]
    for path in again:
        found = find_image(fresh.registry, str(path))
        assert found.sample.id == sample.id
        out = tmp_path / f"signed{path.suffix}"
        sign_image(fresh.registry, found, chain.load(), out, now(), with_audit=False)
        assert check_credentials(out.read_bytes(), anchors=chain.anchors).state == "valid"
        with Image.open(out) as shown, Image.open(own) as original:
            assert shown.convert("RGB").tobytes() == original.convert("RGB").tobytes()


def test_only_samples_of_its_size_are_read_to_find_it(
    fresh: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the others the first bytes alone, hostile ones and pipes among them; and of the right ones
    none after the match.
    """
    samples = [fresh.add_sample(number) for number in range(6)]
    place = fresh.home.sample_image
    with Image.open(place(samples[0].id)) as image:
        again = saved(image, tmp_path / "again.png", compress_level=0)
    for sample in samples[1:]:
        place(sample.id).unlink()
    saved(Image.new("RGB", (8, 8)), place(samples[1].id))
    place(samples[2].id).write_bytes(b"\x89PNG\r\n\x1a\n")
    os.mkfifo(place(samples[3].id))
    place(samples[4].id).symlink_to(place(samples[0].id))
    read: list[Path] = []

    def spy(path: Path, what: str, largest: int) -> bytes:
        read.append(path)
        return read_plain_file(path, what, largest)

    monkeypatch.setattr(images, "read_plain_file", spy)
    assert find_image(fresh.registry, str(again)).sample.id == samples[0].id
    assert read == [again, place(samples[0].id)]


@pytest.mark.parametrize(("bound", "value"), [("MOST_SAMPLES", 2), ("MOST_PIXELS", 2 * 16 * 16)])
def test_the_search_by_pixels_is_bounded(
    fresh: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    """The newest are compared first; of a file that is none of them it is said that older ones were
    not.
    """
    samples = [fresh.add_sample(number) for number in range(3)]
    with fresh.registry.connection() as connection:
        for number, sample in enumerate(samples):
            connection.execute(
                "UPDATE sample SET created_at = ? WHERE id = ?", [now() + datetime.timedelta(days=number), sample.id]
            )
    reseal(fresh.registry)
    again = []
    for number, sample in enumerate(samples):
        with Image.open(fresh.home.sample_image(sample.id)) as image:
            again.append(saved(image, tmp_path / f"{number}.png", compress_level=0))
    monkeypatch.setattr(images, bound, value)
    for number in (1, 2):
        assert find_image(fresh.registry, str(again[number])).sample.id == samples[number].id
    with pytest.raises(NotFoundError, match="none of the newest 2 samples, and older ones were not compared"):
        find_image(fresh.registry, str(again[0]))


def test_a_file_that_is_none(fresh: World, tmp_path: Path) -> None:
    """One pixel off, turned by its metadata, half seen through, several in one, lossy, too large,
    no image: refused by name.
    """
    sample = fresh.add_sample(0)
    with Image.open(fresh.home.sample_image(sample.id)) as image:
        own = image.convert("RGB")
    other = own.copy()
    other.putpixel((3, 3), (1, 2, 3))
    clear = own.convert("RGBA")
    clear.putalpha(100)
    turned = Image.Exif()
    turned[0x0112] = 6
    nothing = r"no sample of this registry: neither its bytes nor its pixels"
    for path, message in (
        (saved(other, tmp_path / "other.png"), nothing),
        (saved(clear, tmp_path / "clear.png"), nothing),
        (saved(own, tmp_path / "turned.png", exif=turned), nothing),
        (saved(own, tmp_path / "two.webp", save_all=True, append_images=[other], lossless=True), "several pictures"),
        (saved(own, tmp_path / "lossy.jpg"), "formats that keep every pixel"),
        (saved(Image.new("1", (30_000, 5_000)), tmp_path / "large.png"), "more than a sample here can have"),
        (tmp_path / "missing.png", "No such file"),
    ):
        with pytest.raises((InputError, NotFoundError), match=message) as caught:
            find_image(fresh.registry, str(path))
        assert str(path) in str(caught.value)
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "link.png").symlink_to(fresh.home.sample_image(sample.id))
    for name, message in (("text.png", "cannot be read"), ("link.png", "is a symbolic link")):
        with pytest.raises(InputError, match=message):
            find_image(fresh.registry, str(tmp_path / name))


def test_a_bomb_is_not_unpacked(fresh: World, tmp_path: Path) -> None:
    """A small file that says it is huge is refused by what it says."""
    buffer = io.BytesIO()
    Image.new("1", (8, 8)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[16:24] = struct.pack(">II", 2**31 - 1, 2**31 - 1)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "bomb.png").write_bytes(data)
    with pytest.raises(InputError, match=r"bomb\.png cannot be read .*decompression bomb"):
        find_image(fresh.registry, str(tmp_path / "bomb.png"))


def test_a_signed_image_is_not_signed_again(fresh: World, chain: Chain, tmp_path: Path) -> None:
    """A second signature would drop the first; the sample itself can be signed any number of
    times.
    """
    sample = fresh.add_sample(0)
    made = sign(fresh, sample, chain, tmp_path / "out.png", with_audit=False)
    found = find_image(fresh.registry, str(made.image))
    with pytest.raises(UsageError, match=f"has Content Credentials already; sign the sample itself: {sample.id}"):
        sign_image(fresh.registry, found, chain.load(), tmp_path / "again.png", now(), with_audit=False)
    sign(fresh, sample, chain, tmp_path / "out.png", with_audit=False)


def test_where_the_copy_may_be_put(fresh: World, chain: Chain, tmp_path: Path) -> None:
    """Not on the registry's own files, not on what is read, not under another format's name, not on
    a folder.
    """
    sample = fresh.add_sample(0)
    image = find_image(fresh.registry, sample.id)
    key = tmp_path / "key.png"
    key.write_bytes(chain.key.read_bytes())
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "samples").symlink_to(fresh.home.root / "samples")
    inputs = (image.file, chain.certificate, key, tmp_path / "chain.c2pa")
    for out, message in (
        (image.file, "one of the registry's own places"),
        (tmp_path / "samples" / image.file.name, "one of the registry's own places"),
        (fresh.home.root / "new.png", "one of the registry's own places"),
        (key, "is a file that is read for signing"),
        (tmp_path / "chain.png", "is a file that is read for signing"),
        (tmp_path / "out.jpg", "ends in .png, as it is not converted"),
        (tmp_path / "folder.png", "is a folder"),
    ):
        with pytest.raises(UsageError, match=message):
            check_out(fresh.registry, image, out, sidecar=True, inputs=inputs)
    check_out(fresh.registry, image, fresh.home.reports / "signed" / "a.png", sidecar=True, inputs=inputs)
    check_out(fresh.registry, image, tmp_path / "a.png", sidecar=False, inputs=inputs)
    before = image.file.read_bytes()
    sign(fresh, sample, chain, tmp_path / "a.png", with_audit=False)
    assert image.file.read_bytes() == before
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(InputError, match="cannot write"):
        sign(fresh, sample, chain, blocked / "a.png", with_audit=False)
