"""A disk without room: each writing command says so in one line, does all or nothing, and works
again once there is room.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from benchmarks.tiny_base import TinyBase, save_tiny_base
from registry.ids import sha256_of_file
from tests.support import captioned
from tests.support.disks import OnFullDisk, outcomes_on_full_disk
from tests.support.running import Creditline
from tests.support.works import write_pictures

pytestmark = pytest.mark.reopens

LITTLE = 30_000
"""Bytes: enough for the first of some writes."""
TRAIN = ("train", "--size", 8, "--widths", 8, "--batch-size", 8, "--workers", 1, "--steps")
SAMPLE = ("sample", "--steps", 6, "--workers", 1, "--seed")


def check(home: Path, disk: Path, commands: Sequence[Sequence[object]], room: int) -> None:
    """Hold that each command fails cleanly, leaves a whole record, and then works."""
    disk.mkdir()
    faults = [
        (command, fault)
        for command, found in zip(commands, outcomes_on_full_disk(home, disk, commands, room), strict=True)
        for fault in faults_of(found, room)
    ]
    assert not faults


def faults_of(found: OnFullDisk, room: int) -> Iterator[object]:
    """What a command did wrong, or left behind, on a full disk."""
    # With a little room, a small change fits.
    if found.full.status not in ((2, 3) if room == 0 else (0, 2, 3)):
        yield found.full
    if found.full.status:
        last = found.full.err.strip().splitlines()[-1]
        if not last.startswith("creditline: ") or "No space left" not in last or "free some space" not in last:
            yield found.full.err
    yield from (each for each in (found.doctor, found.again, found.doctor_again) if each.status)


@pytest.mark.parametrize("room", [0, LITTLE])
@pytest.mark.slow
def test_the_record(encoded_for_seven: Creditline, tmp_path: Path, room: int) -> None:
    """Registration, encoding, withdrawal and claims."""
    more = write_pictures(tmp_path / "more", [f"{number}.png" for number in range(4)], first=500)
    commands = (
        ("register", more, "--rightsholder", "Ada"),
        ("encode", "--within", "none", "--members", 8, "--seed", 5),
        ("withdraw", 0, "--reason", "letter", "--yes"),
        ("claim", "Ada", "--work", 1, "--statement", "mine"),
    )
    check(encoded_for_seven.home, tmp_path / "disk", commands, room)


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, LITTLE])
def test_training_samples_audits_and_reports(encoded_for_seven: Creditline, tmp_path: Path, room: int) -> None:
    """Files of many sizes, some mapped into memory; a withdrawal from a trained ensemble."""
    for command in ((*TRAIN, 20), (*SAMPLE, 1), ("audit", "--all", "--workers", 1), (*SAMPLE, 2)):
        done = encoded_for_seven(*command)
        assert done.status == 0, done.err
    commands = (
        (*TRAIN, 21),
        (*SAMPLE, 3),
        ("audit", "--all", "--workers", 1),
        ("report", "--all"),
        ("withdraw", 0, "--reason", "letter", "--yes"),
    )
    check(encoded_for_seven.home, tmp_path / "disk", commands, room)


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, LITTLE])
def test_adapters_on_a_base(creditline: Creditline, adapters: Creditline, tmp_path: Path, room: int) -> None:
    """A second base, captions, codes that nest, adapters, samples of prompts, and their audits."""
    creditline.take(adapters)
    done = creditline(*captioned.SAMPLE, "--prompt", "a dog")
    assert done.status == 0, done.err
    save_tiny_base(tmp_path / "other", TinyBase(autoencoder="tiny", seed=1))
    art = Path(creditline("data-sets", "--json").document["data_sets"][0]["root"])
    commands = (
        ("base", "add", tmp_path / "other"),
        ("register", art, "--owners", art / "owners.csv", "--caption", "a house by {caption}"),
        ("encode", "--within", "rightsholder", "--members", 6, "--support", 5, "--weight", 2),
        (*captioned.TRAIN, "--seed", 5),
        (*captioned.SAMPLE, "--prompt", "a dog", "--prompt", "a cat", "--seed", 5),
        ("audit", "--all", "--workers", 1),
    )
    check(creditline.home, tmp_path / "disk", commands, room)


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, LITTLE])
def test_keys_facts_and_documents(encoded_for_seven: Creditline, tmp_path: Path, room: int) -> None:
    """Changes that are small, and files that people ask for: they lie on the same disk."""
    for command in ((*TRAIN, 20), (*SAMPLE, 1), ("audit", "--all", "--workers", 1)):
        done = encoded_for_seven(*command)
        assert done.status == 0, done.err
    assert encoded_for_seven("withdraw", 3, "--reason", "letter", "--yes").status == 0
    assert encoded_for_seven("retrain", "--workers", 1).status == 0
    sample = encoded_for_seven("samples", "--json").document["samples"][0]["id"]
    headers = tmp_path / "headers.jsonl"
    pictures = sorted((tmp_path / "art").glob("*.png"))
    headers.write_text(json.dumps({"sha256": sha256_of_file(pictures[0]), "X-Robots-Tag": "noai"}) + "\n")
    assert encoded_for_seven("test-certificate", tmp_path / "chain").status == 0
    chain = ("--certificate", tmp_path / "chain" / "test-chain.pem", "--key", tmp_path / "chain" / "test-key.pem")
    (encoded_for_seven.home / "out").mkdir()
    out = tmp_path / "disk" / "home" / "out"
    commands = (
        ("keys", "create"),
        ("headers", headers),
        ("facts", "data-set", "art", "--set", "creator=Harbour Museum", "--from", "its curator"),
        ("certificate", 3, "--out", out / "certificate.json"),
        ("report", "--all", "--out", out),
        ("statement", "House 0", "--out", out),
        ("export", "works", "--out", out / "works.csv"),
        ("export", "works", "--out", out / "works.parquet"),
        ("sign", sample, *chain, "--out", tmp_path / "disk" / "signed.png"),
        # With a little room it ends well, and then never writes over its key.
        *([("test-certificate", out / "test")] if room == 0 else []),
        ("ablate", sample, "--without", "3", "--out", out / "without.png"),
    )
    check(encoded_for_seven.home, tmp_path / "disk", commands, room)


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, LITTLE])
def test_probes_jobs_settlements_and_portfolios(encoded_for_seven: Creditline, tmp_path: Path, room: int) -> None:
    """An image that is compared with probes, members of a job, documents over many outputs."""
    planned = encoded_for_seven(*TRAIN, 21, "--plan-only", "--json")
    assert planned.status == 0, planned.err
    job = ("train", "--no-register", "--ensemble", planned.document["ensemble"], "--member")
    for command in (
        ("encode", "--within", "none", "--members", 7, "--seed", 4, "--probes", "10%"),
        (*TRAIN, 20),
        (*SAMPLE, 1),
        ("audit", "--all", "--workers", 1),
        (*job, 0),
        (*job, 1),
    ):
        done = encoded_for_seven(*command)
        assert done.status == 0, done.err
    probe = encoded_for_seven("sql", "SELECT min(asset_id) FROM encoding_probe", "--json").document["rows"][0][0]
    picture = sorted((tmp_path / "art").glob("*.png"))[probe]
    out = tmp_path / "disk" / "home" / "out"
    (encoded_for_seven.home / "out").mkdir()
    commands = (
        ("encode", "--within", "none", "--members", 7, "--seed", 6, "--probes", "20%"),
        ("audit", "--image", picture, "--workers", 1),
        ("firmness", "--all", "--workers", 1),
        ("shares", "--out", out),
        ("portfolio", "--draws", 0, "--out", out),
        (*job, 2),
    )
    check(encoded_for_seven.home, tmp_path / "disk", commands, room)
