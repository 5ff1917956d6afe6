"""What every command has in common: usage errors, tracebacks on request, interruption."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from registry.errors import NotFoundError
from tests.support.running import Creditline
from tests.support.works import write_pictures

MAIN = "from cli.main import main; main()"


def test_usage_errors_are_status_2_without_a_traceback(creditline: Creditline) -> None:
    """An unknown command, an unknown option, a missing argument, a number that is none."""
    for arguments in (("nothing",), ("init", "--nothing"), ("register",), ("encode", "--members", "x"), ("encode",)):
        found = creditline(*arguments)
        assert (found.status, found.out) == (2, "")
        assert found.err
        assert "Traceback" not in found.err


@pytest.mark.parametrize("command", ["works", "rightsholders", "licences", "data-sets", "rights", "claims", "log"])
@pytest.mark.parametrize("number", ["-1", "0", "1" + "0" * 30])
def test_a_limit_that_no_listing_can_have_names_the_range(creditline: Creditline, command: str, number: str) -> None:
    """Below one, and more than can be counted with: a usage error, never the database's."""
    creditline("init")
    found = creditline(command, "--limit", number)
    assert (found.status, found.out) == (2, "")
    assert "'--limit'" in found.err
    assert ("less" if len(number) > 2 else "greater") + " than or equal to 1" in found.err


@pytest.mark.parametrize("command", ["init", "works", "doctor"])
def test_a_home_that_cannot_be_looked_into_is_one_line(creditline: Creditline, command: str) -> None:
    """A name too long stands for any fault of the system: status 2, not an unforeseen error."""
    found = creditline(command, "--home", "x" * 300)
    assert found.status == 2
    (line,) = found.err.splitlines()
    assert line.startswith("creditline: cannot look into xxx")
    assert "File name too long" in line


def test_the_version_is_data(creditline: Creditline) -> None:
    """On stdout."""
    found = creditline("--version")
    assert found.status == 0
    assert found.out.startswith("creditline ")


def test_a_traceback_comes_only_with_debug(creditline: Creditline) -> None:
    """Without it, one line."""
    found = creditline("status")
    assert len(found.err.splitlines()) == 1
    with pytest.raises(NotFoundError):
        creditline("--debug", "status")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status", "words"), [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "SIGTERM")])
def test_an_interrupted_registration_says_how_to_go_on(
    creditline: Creditline, tmp_path: Path, number: str, status: int, words: str
) -> None:
    """Ctrl-C is status 130, SIGTERM is 143, and the same command completes the registration."""
    creditline("init")
    folder = write_pictures(tmp_path / "works", [f"{number:04d}.png" for number in range(300)])
    table = tmp_path / "owners.csv"
    os.mkfifo(table)  # the command waits here until it is interrupted
    arguments = [sys.executable, "-c", MAIN, "register", str(folder), "--owners", str(table)]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process, table.open("w"):
        process.send_signal(signal.Signals[number])
        _, err = process.communicate(timeout=30)
    assert process.returncode == status
    (line,) = err.splitlines()
    assert words in line
    assert "run the same command again" in line
    assert creditline("register", folder, "--rightsholder", "Ada").status == 0


@pytest.mark.slow
def test_output_for_a_reader_that_stops_reading_is_no_error(creditline: Creditline, tmp_path: Path) -> None:
    """As with ``creditline works | head``."""
    creditline("init")
    creditline(
        "register", write_pictures(tmp_path / "works", [f"{n}.png" for n in range(400)]), "--rightsholder", "Ada"
    )
    arguments = [sys.executable, "-c", MAIN, "works", "--json"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
    assert "Traceback" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_output_to_a_full_disk_asks_for_space() -> None:
    """Status 2 and one line, as for every file that cannot be written."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", MAIN, "--version"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("creditline: ")
    assert "No space left on device; free some space" in line


STUBBORN = """
import sys
import time
import cli.interruption
import cli.main

def stubborn(**_):
    word = "ready"
    while True:
        try:
            print(word, flush=True)
            time.sleep(60)
        except BaseException:
            word = "swallowed"

cli.main.app, cli.interruption.GRACE = stubborn, float(sys.argv[1])
cli.main.main()
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(("grace", "signals"), [(0.5, 1), (60.0, 2)])
@pytest.mark.parametrize("heard", [True, False])
def test_an_interrupt_that_is_swallowed_ends_the_process_all_the_same(
    number: signal.Signals, status: int, grace: float, signals: int, heard: bool
) -> None:
    """A library may catch the exception, or wait for a lock that it left taken: the process ends
    after a while, or at the second signal, and says how to go on; also if nobody reads stderr any
    more, as after Ctrl-C in ``creditline train 2>&1 | tee log``.
    """
    program = [sys.executable, "-c", STUBBORN, str(grace)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        if not heard:
            process.stderr.close()
        for expected in (b"ready\n", b"swallowed\n")[:signals]:
            assert process.stdout.readline() == expected
            process.send_signal(number)
        process.wait(timeout=30)
        assert process.returncode == status
        if heard:
            assert b"run the same command again" in process.stderr.read()
