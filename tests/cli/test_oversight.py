"""``log``, ``exposure``, ``manifest`` and ``doctor``: what they print, and when they exit with
1.
"""

from __future__ import annotations

import json
import random
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.kills import groups
from benchmarks.kills.run import GroupRun
from benchmarks.kills.striking import Runner, State
from registry.storage.database import Registry
from tests.support.housed import N, furnish
from tests.support.running import Creditline
from tests.support.works import copied


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A furnished home; tests copy it."""
    return furnish(tmp_path_factory.mktemp("made"))


@pytest.fixture
def furnished(made: Registry, tmp_path: Path) -> Registry:
    """The home of the command line, furnished."""
    return copied(made, tmp_path)


def test_the_log_is_listed_verified_and_expected(creditline: Creditline, furnished: Registry, tmp_path: Path) -> None:
    """The newest last; filters; a file of all; verify exits with 1 and names what was edited."""
    events = creditline("log", "--json").document["events"]
    assert [event["sequence"] for event in events] == sorted(event["sequence"] for event in events)
    assert creditline("log", "--limit", 1, "--json").document["events"] == events[-1:]
    members = creditline("log", "--kind", "member registered", "--subject", "member*", "--json").document["events"]
    assert len(members) == N
    assert creditline("log", "--since", "2027-01-01", "--json").document["events"] == []
    assert creditline("log", "--since", "yesterday").status == 2
    shown = creditline("log")
    assert "output audited" in shown.out
    out = tmp_path / "log.json"
    assert creditline("log", "--out", out).status == 0
    assert len(json.loads(out.read_text())) == len(events)

    sequence, sha256 = creditline("log", "head").out.split()
    assert (int(sequence), sha256) == (len(events), events[-1]["sha256"])
    assert creditline("log", "verify", "--expect", sha256.upper()).status == 0
    assert creditline("log", "verify", "--expect", "0" * 63 + "1").status == 1
    assert creditline("log", "verify", "--expect", "x").status == 2
    furnished.home.log_head.unlink()
    assert creditline("log", "verify").status == 1
    assert int(creditline("log", "head", "--restore").out.split()[0]) == len(events) + 1
    assert creditline("log", "verify", "--expect", sha256).status == 0
    with furnished.connection() as connection:
        connection.execute("UPDATE event SET actor = 'nobody' WHERE sequence = 2")
    found = creditline("log", "verify", "--json")
    assert found.status == 1
    assert found.document["faults"][0]["event"] == 2


def test_exposure_and_manifest_answer_and_prove(creditline: Creditline, furnished: Registry, tmp_path: Path) -> None:
    """Members of a work, counts of a rightsholder, a member's manifest, and a proof that is checked
    offline.
    """
    found = creditline("exposure", 3, "--works", "--json")
    assert found.status == 0
    seen = [each["index"] for each in found.document["members"]]
    assert [row["members"] for row in found.document["listed"]] == [seen]
    everything = creditline("exposure", "--rightsholder", "Ada Example")
    assert f"{N} members trained on some of the 12 works, 0 members did not" in everything.err
    assert creditline("exposure").status == 2

    member = found.document["members"][0]["member"]
    facts = creditline("manifest", member, "--works", "--json").document
    assert len(facts["listed"]) == facts["works"] == facts["rightsholders"][0]["works"]
    assert "merkle root" in creditline("manifest", member).out
    proof = tmp_path / "proof.json"
    proof.write_text(creditline("manifest", member, "--prove", 3).out)
    work = json.loads(proof.read_text())["work_sha256"]
    arguments = ("manifest-check", proof, "--root", facts["merkle_root"], "--work", work, "--count")
    assert "the member was trained on this work" in creditline(*arguments, facts["works"]).out
    assert creditline(*arguments, facts["works"] + 1).status == 1
    for place, wrong in ((3, "abc"), (3, facts["merkle_root"][1:] + "g"), (5, work + "0"), (5, "")):
        bad = [*arguments[:place], wrong, *arguments[place + 1 :], facts["works"]]
        refused = creditline(*bad)
        assert (refused.status, refused.out) == (2, "")
        assert "expected a SHA-256: 64 hexadecimal digits" in refused.err

    listing = furnished.home.member(member) / "works.txt"
    listing.write_text("".join(line for line in listing.read_text().splitlines(keepends=True) if work not in line))
    differs = creditline("exposure", 3)
    assert differs.status == 1
    assert "lacks 1 of the works" in differs.err


@pytest.mark.reopens  # the file is written over
@pytest.mark.slow
def test_the_doctor_exits_with_one_when_something_is_wrong(creditline: Creditline, furnished: Registry) -> None:
    """Healthy: 0. A damaged file: 1, with the repair. What is current: 1, until it is computed
    anew.
    """
    assert creditline("doctor").status == 0
    with furnished.connection() as connection:
        connection.execute("UPDATE asset SET permission = 'withdrawn' WHERE id = 1")
    found = creditline("doctor", "--quick", "--json")
    assert (found.status, found.document["healthy"]) == (1, False)
    assert "doctor --repair" in found.document["findings"][0]["repair"]
    assert creditline("doctor", "--repair").status == 0
    assert creditline("doctor", "--quick", "--files").status == 2
    furnished.home.database.write_bytes(furnished.home.database.read_bytes()[:9000])
    assert creditline("doctor").status == 3


@pytest.mark.slow
@pytest.mark.reopens  # rows are counted through connections of another kind
def test_kills_at_random_moments_leave_a_whole_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Intake is killed twice and then run to its end: the doctor finds nothing, no work is lost and
    none is there twice.
    """
    monkeypatch.setattr(groups, "PICTURES", 100)
    state = State(tmp_path / "state")
    state.folder.mkdir()
    with closing(Runner(tmp_path)) as runner:
        runner.must(state, "init")
        (command,) = groups.intake(runner, state, tmp_path)
        run = GroupRun("intake", groups.GROUPS["intake"], runner, state)
        rounds = list(run.kill(command, 2, random.Random(1)))  # noqa: S311 - moments, not secrets
    assert [each["findings"] for each in rounds] == [[]] * 3
    assert all(each["healthy"] for each in rounds)
