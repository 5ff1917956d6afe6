"""One process at a time: refused with the other's name, free again after ``kill -9``, nested."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from registry.errors import InputError, LockedRegistryError
from registry.home import Home
from registry.storage.job_lock import only_one

HOLDING = """
import sys, time
from pathlib import Path
from registry.home import Home
from registry.storage.job_lock import only_one

with only_one(Home(Path(sys.argv[1])), "training-1", "ensemble 1 is being trained"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holding(home: Home, seconds: float) -> subprocess.Popen[str]:
    """Another process that holds the lock for some seconds."""
    arguments = [sys.executable, "-c", HOLDING, str(home.root), str(seconds)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_refused_with_the_first_ones_name(tmp_path: Path) -> None:
    """Status 3 for the command line; a kill -9 of the first frees the lock at once."""
    home = Home(tmp_path)
    with holding(home, 60) as process:
        expected = rf"ensemble 1 is being trained by process {process.pid} \(-c .*\); wait until it ends"
        with (
            pytest.raises(LockedRegistryError, match=expected),
            only_one(home, "training-1", "ensemble 1 is being trained"),
        ):
            pass
        with only_one(home, "training-2", "ensemble 2 is being trained"):
            pass
        process.kill()
        process.wait()
    with only_one(home, "training-1", "ensemble 1 is being trained"):
        pass


def test_a_process_that_waits_goes_on_after_the_first(tmp_path: Path) -> None:
    """As for a training set, which the second process then finds complete."""
    home = Home(tmp_path)
    with holding(home, 0.5) as process, only_one(home, "training-1", "ensemble 1 is being trained", wait=True):
        assert process.wait(10) == 0


def test_blocks_of_one_process_nest(tmp_path: Path) -> None:
    """The outer block holds the lock until its own end."""
    home = Home(tmp_path)
    with only_one(home, "training-1", "busy"):
        with only_one(home, "training-1", "busy"):
            pass
        arguments = [sys.executable, "-c", HOLDING, str(home.root), "0"]
        assert "LockedRegistryError" in subprocess.run(arguments, stderr=subprocess.PIPE, text=True, check=False).stderr
    with holding(home, 0) as process:
        assert process.wait(10) == 0


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file where the folder of locks should be stands for any fault of the system."""
    (tmp_path / "locks").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot write .*locks"), only_one(Home(tmp_path), "training-1", "busy"):
        pass
