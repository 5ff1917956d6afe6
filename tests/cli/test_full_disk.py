"""A disk without room: each writing command says so in one line, does all or nothing, and works
again once there is room.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.disks import outcomes_on_full_disk
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
    for command, found in zip(commands, outcomes_on_full_disk(home, disk, commands, room), strict=True):
        # With a little room, a small change fits.
        assert found.full.status in ((2, 3) if room == 0 else (0, 2, 3)), (command, found.full)
        if found.full.status:
            last = found.full.err.strip().splitlines()[-1]
            assert last.startswith("creditline: "), (command, found.full.err)
            assert "No space left" in last, (command, found.full.err)
        assert found.doctor.status == 0, (command, found.doctor)
        assert found.again.status == 0, (command, found.again.err)
        assert found.doctor_again.status == 0, (command, found.doctor_again)


@pytest.mark.parametrize("room", [0, pytest.param(LITTLE, marks=pytest.mark.slow)])
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
