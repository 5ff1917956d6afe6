"""Members as the jobs of an array, on a real scheduler: submitit's own for one machine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from submitit import LocalExecutor
from submitit.helpers import CommandFunction

from attribution.engines.device import Device
from tests.support.running import Creditline

MAIN = "from cli.main import main; main()"
RECIPE = ("--size", 8, "--widths", 8, "--batch-size", 2, "--steps", 6)


@pytest.fixture
def planned(filled: Creditline) -> str:
    """Three works for three members, prepared for jobs; the ensemble's id."""
    assert filled("encode", "--within", "none", "--members", 3, "--weight", 1).status == 0
    plan = filled("train", *RECIPE, "--plan-only", "--json")
    assert plan.status == 0, plan.err
    assert plan.document["missing"] == [0, 1, 2]
    return str(plan.document["ensemble"])


@pytest.mark.slow
@pytest.mark.reopens
def test_an_array_of_jobs_trains_and_collect_registers(filled: Creditline, planned: str, tmp_path: Path) -> None:
    """All jobs read the registry at once; one is done before, one collection comes too early."""
    early = filled("members", "collect")
    assert early.status == 1
    assert early.out.count("missing") == 3
    job = ["train", "--ensemble", planned, "--home", str(filled.home), "--no-register", "--member"]
    executor = LocalExecutor(folder=tmp_path / "jobs")
    executor.update_parameters(timeout_min=10)
    jobs = executor.map_array(CommandFunction([sys.executable, "-c", MAIN, *job], verbose=False), [0, 1, 2])
    folders = [Path(each.result().strip()) for each in jobs]
    assert {folder.parent for folder in folders} == {filled.home / "members"}
    done = filled("members", "collect", "--json")
    assert done.status == 0, done.out
    assert done.document["complete"]
    assert {each["state"] for each in done.document["members"]} == {"registered"}
    # The same recipe finds its members, and the record is sound.
    trained = filled("train", *RECIPE, "--json")
    assert trained.document["members"] == [each["member"] for each in done.document["members"]]
    assert filled("doctor").status == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--member", 1), "go together"),
        (("--no-register",), "go together"),
        (("--ensemble", "3f"), "--ensemble needs --member"),
        (("--out", "there"), "--out needs --member"),
        (("--member", 1, "--no-register", "--steps", 9), "--steps is not for --member"),
        (("--member", 1, "--no-register", "--workers", 2), "--workers is not for --member"),
        (("--member", 1, "--no-register", "--plan-only"), "--plan-only is not for --member"),
    ],
)
def test_options_of_a_job_that_contradict_each_other(
    filled: Creditline, options: tuple[object, ...], message: str
) -> None:
    """Each is named before anything is done."""
    found = filled("train", *options)
    assert found.status == 2
    assert message in " ".join(found.err.replace("│", " ").split())


def test_an_address_without_a_cluster_is_one_line_at_once(filled: Creditline) -> None:
    """Ray itself would wait for minutes; nothing is registered."""
    assert filled("encode", "--within", "none", "--members", 3, "--weight", 1).status == 0
    for address, message in (
        ("127.0.0.1:1", "no Ray cluster at 127.0.0.1:1: Connection refused"),
        ("head", "got --address 'head'"),
    ):
        found = filled("train", *RECIPE, "--engine", "ray", "--address", address)
        assert found.status == 2
        assert message in found.err
        assert len(found.err.strip().splitlines()) == 1


def test_collecting_shows_how_many_members_there_are(filled: Creditline, planned: str) -> None:
    """The bar has a total."""
    found = filled("members", "collect", "--ensemble", planned)
    assert found.status == 1
    assert "3/3" in found.err


def test_a_plan_prepares_works_on_the_device_of_the_command(
    filled: Creditline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `train` itself chose: `--workers`, `--engine` and all."""
    assert filled("encode", "--within", "none", "--members", 3, "--weight", 1).status == 0
    asked: list[tuple[object, ...]] = []

    def choose(*options: object) -> Device:
        asked.append(options)
        return Device("cpu", 2)

    monkeypatch.setattr("attribution.engines.device.choose_device", choose)
    assert filled("train", *RECIPE, "--plan-only", "--device", "cpu", "--workers", 2).status == 0
    assert asked == [("cpu", 2, "local", None)]
