"""Disks that a test needs: a home that truly cannot be written, not even by root; a full disk."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.running import Outcome

_PROTECTED = """
import json, sys
from pathlib import Path
from tests.support.running import Creditline

creditline = Creditline(Path(sys.argv[1]))
print(json.dumps([vars(creditline(*command)) for command in json.loads(sys.argv[2])]))
"""

_FULL = """
import json, os, shutil, sys, tempfile
from pathlib import Path
from tests.support.running import Creditline

disk, home, commands, room = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]), int(sys.argv[4])
creditline, filler, outcomes = Creditline(disk / "home"), disk / "filler", []
# Temporary files of the system lie on the same disk, as on most machines.
tempfile.tempdir = str(disk / "tmp")
os.mkdir(tempfile.tempdir)
for command in commands:
    shutil.copytree(home, creditline.home)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, shutil.disk_usage(disk).free - room))
    outcomes.append(creditline(*command))
    filler.unlink()
    outcomes += [creditline("doctor"), creditline(*command), creditline("doctor")]
    shutil.rmtree(creditline.home)
print(json.dumps([vars(each) for each in outcomes]))
"""


@dataclass(frozen=True)
class OnFullDisk:
    """The outcomes of one command on a full disk and afterwards, once there is room."""

    full: Outcome
    doctor: Outcome
    again: Outcome
    doctor_again: Outcome


def outcomes_in_protected(home: Path, commands: Sequence[Sequence[object]]) -> list[Outcome]:
    """Run commands, in one process, on a home that the process cannot write.

    For root the home is mounted once more, read-only, in the process's own view of the disk; other
    users only lose their rights.
    """
    program = (_PROTECTED, home, json.dumps([[str(word) for word in each] for each in commands]))
    if not os.getuid():
        return _in_own_mounts('mount --bind "$0" "$0" && mount -o remount,ro,bind "$0"', home, *program)
    for path in (home, *home.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    return _outcomes([sys.executable, "-c", *map(str, program)])


def outcomes_on_full_disk(home: Path, disk: Path, commands: Sequence[Sequence[object]], room: int) -> list[OnFullDisk]:
    """Run each command on a copy of a home of its own, on a disk with ``room`` bytes left.

    ``disk`` is an empty folder. Once there is room, ``creditline doctor`` examines the home, the
    same command runs again, and so does the doctor.
    """
    words = json.dumps([[str(word) for word in each] for each in commands])
    found = _in_own_mounts('mount -t tmpfs -o size=96m tmpfs "$0"', disk, _FULL, disk, home, words, room)
    return [OnFullDisk(*found[place : place + 4]) for place in range(0, len(found), 4)]


def _in_own_mounts(mounting: str, place: Path, program: str, *arguments: object) -> list[Outcome]:
    """Run a program that sees something else mounted at a place; only root can.

    Skips the test where that is not allowed.
    """
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here: that needs root, and a system that lets root mount")
    shell = [unshare, "-m", "sh", "-c", f'{mounting} && exec "$@"', str(place)]
    return _outcomes([*shell, sys.executable, "-c", program, *map(str, arguments)])


def _outcomes(program: Sequence[str]) -> list[Outcome]:
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [Outcome(**each) for each in json.loads(done.stdout.splitlines()[-1])]
