"""Shards of img2dataset: what belongs together comes together, and what a shard says about an image never costs the image."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry.errors import InputError
from registry.ingest.findings import Finding
from registry.ingest.webdataset import LARGEST_FACTS, ShardSample, is_webdataset, read_shard
from tests.registry.hostile_archives import tar_of

FACTS = {
    "url": "https://example.org/1.jpg",
    "caption": "a cat",
    "sha256": "00",
    "width": 4,
    "exif": "{}",
    "status": "success",
}


def read(path: Path, files: list[tuple[str, bytes]]) -> tuple[dict[str, ShardSample], dict[str, str]]:
    path.write_bytes(tar_of(files))
    samples: dict[str, ShardSample] = {}
    findings: dict[str, str] = {}
    for found in read_shard(path):
        if isinstance(found, Finding):
            findings[found.path.removeprefix(f"{path.name}!/")] = found.reason
        else:
            samples[found.key] = found
    return samples, findings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "00000.tar"


def test_files_of_one_name_are_one_sample(path: Path) -> None:
    """Image, facts and caption come together, in the shard's order; other kinds of files are passed over."""
    facts = json.dumps(FACTS).encode()
    samples, findings = read(
        path,
        [
            *[("0001.jpg", b"one"), ("0001.json", facts), ("0001.txt", "ein Kätzchen".encode()), ("0001.cls", b"7")],
            *[("0002.JSON", facts), ("0002.PNG", b"two")],
            ("part/0001.webp", b"three"),
        ],
    )
    assert list(samples) == ["0001", "0002", "part/0001"]
    assert samples["0001"].image.data == b"one"
    assert samples["0001"].facts == FACTS
    assert samples["0001"].caption == "ein Kätzchen"
    assert samples["0002"].caption == "a cat"
    assert samples["part/0001"].facts == {}
    assert samples["part/0001"].caption is None
    assert not findings


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        (b"{", "cannot be read"),
        (b"[1]", "not a JSON object"),
        (b"\xff", "cannot be read"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "cannot be read"),
        (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", "nested"),
        (b'{"a": ' + b"[" * 400_000 + b"]" * 400_000 + b"}", "nested"),
        (b'{"a": "' + b"x" * LARGEST_FACTS + b'"}', "at most"),
    ],
)
def test_facts_that_cannot_be_read_leave_the_image(path: Path, facts: bytes, word: str) -> None:
    """Whatever is wrong with a .json is a finding about it; its image comes without facts."""
    samples, findings = read(path, [("1.jpg", b"one"), ("1.json", facts), ("1.txt", b"\xff")])
    assert samples["1"].image.data == b"one"
    assert samples["1"].facts == {}
    assert samples["1"].caption is None
    assert word in findings["1.json"]
    assert "cannot be read" in findings["1.txt"]


def test_samples_without_or_with_two_images_are_told(path: Path) -> None:
    """Facts without an image are a finding, and so is a second image under the same name."""
    samples, findings = read(path, [("1.json", b"{}"), ("2.jpg", b"two"), ("2.png", b"other"), ("../3.jpg", b"x")])
    assert samples["2"].image.data == b"two"
    assert findings.keys() == {"1", "2.png", "../3.jpg"}


def test_a_shard_is_told_from_another_tar(path: Path) -> None:
    """Images with facts under the same name make a shard; images alone, and files that are no TAR, do not."""
    for files, expected in (
        ([("1.jpg", b"x"), ("1.json", b"{}")], True),
        ([("1.txt", b"x"), ("1.jpg", b"x")], True),
        ([("1.jpg", b"x"), ("2.jpg", b"x"), ("readme.txt", b"x")], False),
    ):
        path.write_bytes(tar_of(files))
        assert is_webdataset(path) is expected
    path.write_bytes(b"no archive")
    assert not is_webdataset(path)
    assert not is_webdataset(path.parent / "missing")
    with pytest.raises(InputError, match="not an archive"):
        list(read_shard(path))
