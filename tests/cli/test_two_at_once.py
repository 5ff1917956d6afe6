"""Two commands on one home at the same time, as real processes: nothing is lost, nothing raw."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from benchmarks.tiny_base import TinyBase, save_tiny_base
from tests.support import captioned as captioned_works
from tests.support.running import Creditline
from tests.support.works import write_pictures

pytestmark = [pytest.mark.reopens, pytest.mark.slow]

MAIN = "from cli.main import main; main()"
TRAIN = ("train", "--size", 8, "--widths", 8, "--batch-size", 8, "--workers", 1, "--steps")


def started(*arguments: object) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-c", MAIN, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def outcomes(*processes: subprocess.Popen[str]) -> list[tuple[int, str, str]]:
    """Status, stdout and stderr of each, at its end."""
    told = [process.communicate(timeout=600) for process in processes]
    return [(process.returncode, out, err) for process, (out, err) in zip(processes, told, strict=True)]


def settled(*commands: Sequence[object]) -> list[str]:
    """Run commands at once and return what each printed.

    One that finds the other at work may be refused, in one line; alone, it then ends well.
    """
    printed = []
    for command, (status, out, err) in zip(commands, outcomes(*[started(*each) for each in commands]), strict=True):
        assert status in (0, 3), (command, err)
        assert "Traceback" not in err
        if status:
            assert err.splitlines()[-1].startswith("creditline: "), err
        printed.append(alone(command) if status else out)
    return printed


def alone(command: Sequence[object]) -> str:
    """What a command prints that nothing disturbs."""
    ((status, out, err),) = outcomes(started(*command))
    assert status == 0, err
    return out


def test_two_inits_and_two_keys(creditline: Creditline) -> None:
    """One registry; both keys are on record, and one of them signs."""
    first, second = settled(("init",), ("init",))
    assert first == second
    settled(("keys", "create"), ("keys", "create"))
    assert len(creditline("keys", "list", "--json").document["keys"]) == 2
    assert creditline("doctor").status == 0


def test_two_bases_and_two_encodings(creditline: Creditline, captioned: Creditline, tmp_path: Path) -> None:
    """The same base, or the same encoding, is recorded once."""
    creditline.take(captioned)
    save_tiny_base(tmp_path / "other", TinyBase(autoencoder="tiny", seed=1))
    add = ("base", "add", tmp_path / "other")
    settled(add, add)
    assert len(creditline("base", "list", "--json").document["bases"]) == 2
    encode = ("encode", "--within", "rightsholder", "--members", 6, "--support", 5, "--weight", 2, "--json")
    settled(encode, encode)
    with duckdb.connect(str(creditline.home / "registry.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM encoding").fetchall() == [(2,)]
    assert creditline("doctor").status == 0


def test_adapters_trained_sampled_and_audited_twice(creditline: Creditline, captioned: Creditline) -> None:
    """Two trainings of one ensemble, two runs for one prompt, two audits of its sample."""
    creditline.take(captioned)
    settled(captioned_works.TRAIN, captioned_works.TRAIN)
    assert len(creditline(*captioned_works.TRAIN, "--json").document["members"]) == 5
    sample = (*captioned_works.SAMPLE, "--prompt", "a dog", "--prompt", "a cat", "--json")
    first, second = settled(sample, sample)
    assert json.loads(first)["samples"] == json.loads(second)["samples"]
    audit = ("audit", "--all", "--workers", 1, "--json")
    ids = [[each["id"] for each in json.loads(out)["audits"]] for out in settled(audit, audit)]
    assert ids[0] == ids[1]
    assert creditline("doctor").status == 0


def test_a_registration_beside_a_withdrawal(creditline: Creditline, captioned: Creditline, tmp_path: Path) -> None:
    """Neither loses a row: new works and captions are in, and the work is out."""
    creditline.take(captioned)
    more = write_pictures(tmp_path / "more", [f"{number}.png" for number in range(6)], first=500)
    register = ("register", more, "--rightsholder", "Ada", "--caption", "a house by {rightsholder}")
    settled(register, ("withdraw", 3, "--reason", "request", "--yes"))
    assert creditline("works", "--count", "--json").document["count"] == 12
    assert len(creditline("withdrawals", "--json").document["withdrawals"]) == 1
    assert creditline("doctor").status == 0


def test_a_second_training_is_refused_and_the_first_may_be_killed(encoded_for_seven: Creditline) -> None:
    """The second names the first; after kill -9 of the first, the same command completes."""
    with started(*TRAIN, 4000) as first:
        deadline = time.monotonic() + 60
        while not list((encoded_for_seven.home / "locks").glob("training-[0-9a-f]*.json")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        second = encoded_for_seven(*TRAIN, 4000)
        assert second.status == 3, second.err
        assert f"is being trained by process {first.pid} (" in second.err
        assert len(second.err.splitlines()) == 1
        first.kill()
        first.communicate()
    # A shorter recipe: another ensemble, in the same home.
    assert encoded_for_seven(*TRAIN, 20).status == 0
    assert encoded_for_seven("doctor").status == 0


def test_samples_audits_and_a_withdrawal_at_once(encoded_for_seven: Creditline) -> None:
    """Equal samples and audits of two processes are one; a withdrawal may come in between."""
    assert encoded_for_seven(*TRAIN, 20).status == 0
    sample = ("sample", "--count", 3, "--seed", 1, "--steps", 6, "--workers", 1)
    (first, out, err), (second, again, err_again) = outcomes(started(*sample), started(*sample))
    assert (first, second) == (0, 0), err + err_again
    assert out == again
    audit = ("audit", "--all", "--workers", 1, "--json")
    done = outcomes(started(*audit), started(*audit), started("withdraw", 3, "--reason", "request", "--yes"))
    assert [status for status, _, _ in done] == [0, 0, 0], done
    ids = [[each["id"] for each in json.loads(out)["audits"]] for _, out, _ in done[:2]]
    assert ids[0] == ids[1]
    train_again = ("retrain", "--workers", 1)
    done = outcomes(started(*train_again), started(*train_again))
    assert {status for status, _, _ in done} <= {0, 3}, done
    assert all("Traceback" not in err for _, _, err in done)
    assert encoded_for_seven("doctor").status == 0


def test_settlements_portfolios_and_images_at_once(encoded_for_seven: Creditline, tmp_path: Path) -> None:
    """Two of each at once, and both members of a job: every document is unaltered, the record
    whole.
    """
    for command in (
        ("encode", "--within", "none", "--members", 7, "--seed", 4, "--probes", "10%"),
        (*TRAIN, 20),
        ("sample", "--seed", 1, "--steps", 6, "--workers", 1),
        ("audit", "--all", "--workers", 1),
    ):
        done = encoded_for_seven(*command)
        assert done.status == 0, done.err
    planned = encoded_for_seven(*TRAIN, 21, "--plan-only", "--json").document["ensemble"]
    job = ("train", "--no-register", "--ensemble", planned, "--member")
    first, second = settled((*job, 0), (*job, 0))
    assert first == second
    collect = ("members", "collect", "--ensemble", planned)
    assert {status for status, _, _ in outcomes(started(*collect), started(*collect))} <= {1, 3}
    assert encoded_for_seven(*collect).status == 1
    image = ("audit", "--image", min((tmp_path / "art").glob("*.png")), "--workers", 1, "--json")
    ids = [[each["id"] for each in json.loads(out)["audits"]] for out in settled(image, image)]
    assert ids[0] == ids[1]
    for made in (("shares",), ("portfolio", "--draws", 0)):
        document = (*made, "--out", tmp_path / "out")
        pages = settled(document, document)
        assert encoded_for_seven("report", "verify", pages[0].strip()).status == 0
    assert encoded_for_seven("doctor").status == 0
