"""A disk without room: each writing command says so in one line, does all or nothing, and works
again once there is room.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attribution.conftest import write_works
from tests.support.disks import outcomes_on_full_disk
from tests.support.running import Creditline
from tests.support.works import write_pictures
from tests.support.world import fill, make_world

pytestmark = pytest.mark.reopens

LITTLE = 30_000
"""Bytes: enough for the first of some writes."""


def check(home: Path, disk: Path, command: tuple[object, ...], room: int) -> None:
    """Hold that the command fails cleanly, leaves a whole record, and then works."""
    disk.mkdir()
    full, doctor, again = outcomes_on_full_disk(home, disk, command, room)
    last = full.err.strip().splitlines()[-1]
    # With a little room, a small change fits.
    assert full.status in ((2, 3) if room == 0 else (0, 2, 3)), full
    if full.status:
        assert last.startswith("creditline: "), full.err
        assert "No space left" in last, full.err
    assert doctor.status == 0, doctor
    assert again.status == 0, again.err


@pytest.mark.parametrize("room", [0, LITTLE])
def test_records_and_reports(tmp_path: Path, room: int) -> None:
    """Withdrawal, registration, encoding and reports."""
    world = make_world(tmp_path / "world")
    fill(world)
    more = write_pictures(tmp_path / "more", [f"{number}.png" for number in range(4)], first=500)
    commands: list[tuple[object, ...]] = [
        ("withdraw", 0, "--reason", "letter", "--yes"),
        ("register", more, "--rightsholder", "Ada"),
        ("encode", "--within", "none", "--members", 7, "--seed", 5),
        ("report", "--all"),
    ]
    for number, command in enumerate(commands):
        check(world.home.root, tmp_path / str(number), command, room)


@pytest.mark.slow
def test_training_samples_and_audits(creditline: Creditline, tmp_path: Path) -> None:
    """Files of many sizes, some of them mapped into memory."""
    art = tmp_path / "art"
    write_works(art, 18)
    train = ("train", "--size", 8, "--widths", 8, "--steps", 20, "--batch-size", 8, "--workers", 1)
    creditline("init")
    creditline("register", art, "--owners", art / "owners.csv")
    creditline("encode", "--within", "none", "--members", 7)
    for number, command in enumerate(
        (train, ("sample", "--count", 2, "--steps", 6, "--workers", 1), ("audit", "--all", "--workers", 1))
    ):
        for room in (0, LITTLE):
            check(creditline.home, tmp_path / f"{number}-{room}", command, room)
        assert creditline(*command).status == 0
