"""Shards of img2dataset: what belongs together comes together, and what a shard says about an image
never costs the image.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from registry.captions.sources import Source
from registry.errors import InputError
from registry.ingest.findings import Finding
from registry.ingest.owners.declarations import OneOwner
from registry.ingest.reading.json_facts import LARGEST_FACTS
from registry.ingest.reading.shard_facts import facts_of, with_caption
from registry.ingest.reading.webdataset import ShardSample, is_webdataset, read_shard
from registry.ingest.registration import register_shards
from registry.storage.database import Registry
from tests.registry.ingest.hostile_archives import tar_of
from tests.support.works import NOW, encoded, picture

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
    """Image, facts and caption come together, in the shard's order; other kinds of files are passed
    over.
    """
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
    assert samples["0001"].text.text == "ein Kätzchen"
    known = with_caption(facts_of(samples["0002"].facts), Source.TEXT_FILE, samples["0002"].text)
    assert known["captions"] == {"JSON file": "a cat"}
    assert samples["part/0001"].facts == {}
    assert samples["part/0001"].text.text is None
    assert not findings


def test_of_two_texts_the_txt_counts_and_the_other_one_is_told(path: Path) -> None:
    """Whatever their order, as beside an image in a folder."""
    files = [
        ("1.caption", b"other"),
        ("1.jpg", b"one"),
        ("1.txt", b"first"),
        ("2.jpg", b"two"),
        ("2.caption", b"alone"),
    ]
    samples, findings = read(path, files)
    assert {key: sample.text.text for key, sample in samples.items()} == {"1": "first", "2": "alone"}
    assert findings == {"1.caption": "the file 1.txt has the same name and counts, so this one is no caption"}


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        (b"{", "cannot be read"),
        (b"[1]", "not a JSON object"),
        (b"\xff", "cannot be read"),
        (b'{"a": NaN}', "NaN"),
        (b'{"license": "All rights reserved", "license": "CC0-1.0"}', "'license' comes twice"),
        (b'{"License": "All rights reserved", "license": "CC0-1.0"}', "'license' comes twice"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "cannot be read"),
        (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", "nested"),
        (b'{"a": ' + b"[" * 400_000 + b"]" * 400_000 + b"}", "nested"),
        (b'{"a": "' + b"x" * LARGEST_FACTS + b'"}', "at most"),
    ],
)
def test_facts_that_cannot_be_read_leave_the_image(path: Path, facts: bytes, word: str) -> None:
    """Whatever is wrong with a .json is a finding about it; its image comes without facts. A .txt
    that is no UTF-8 is read as what it most likely is, with a note.
    """
    samples, findings = read(path, [("1.jpg", b"one"), ("1.json", facts), ("1.txt", b"caf\xe9")])
    assert samples["1"].image.data == b"one"
    assert samples["1"].facts == {}
    assert samples["1"].text.text == "café"
    assert "Windows-1252" in str(samples["1"].text.note)
    assert word in findings["1.json"]


def test_samples_without_or_with_two_images_are_told(path: Path) -> None:
    """Facts without an image are a finding, and so is a second image under the same name."""
    samples, findings = read(path, [("1.json", b"{}"), ("2.jpg", b"two"), ("2.png", b"other"), ("../3.jpg", b"x")])
    assert samples["2"].image.data == b"two"
    assert findings.keys() == {"1", "2.png", "../3.jpg"}


def test_a_shard_is_told_from_another_tar(path: Path) -> None:
    """Images with facts under the same name make a shard; images alone, and files that are no TAR,
    do not.
    """
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


def test_a_hash_that_is_not_of_the_bytes_is_a_conflict(registry: Registry, path: Path) -> None:
    """The member is named, its work registered under the hash of its bytes.

    The right hash in capitals is none, and neither is that of an image which the shard says was
    resized since.
    """
    pictures = [encoded(picture(number), "JPEG") for number in range(5)]
    hashes = [hashlib.sha256(data).hexdigest() for data in pictures]
    same = {"width": 4, "height": 4, "original_width": 4, "original_height": 4}
    facts = [
        {"sha256": hashes[0].upper()},
        {"sha256": hashes[0], **same},
        {"sha256": "0" * 64, **same, "original_width": 9},
        {"sha256": "nonsense" * 99},
        {"sha256": None},
    ]
    files = [
        file
        for number, (data, known) in enumerate(zip(pictures, facts, strict=True))
        for file in ((f"{number}.jpg", data), (f"{number}.json", json.dumps(known).encode()))
    ]
    path.write_bytes(tar_of(files))
    for registered in (5, 0):
        report = register_shards(registry, path, OneOwner("Ada", None), now=NOW, near_duplicates=False)
        assert (report.registered, report.conflicts) == (registered, 2)
        conflicts = {finding.path: finding.reason for finding in report.findings if finding.kind == "conflict"}
        assert list(conflicts) == ["00000.tar!/1.jpg", "00000.tar!/3.jpg"]
        assert f"states the sha256 {hashes[0]}, but its bytes have {hashes[1]}" in conflicts["00000.tar!/1.jpg"]
        assert len(conflicts["00000.tar!/3.jpg"]) < 500
    with registry.connection() as connection:
        assert connection.execute("SELECT sha256 FROM asset ORDER BY path").fetchall() == [(each,) for each in hashes]
