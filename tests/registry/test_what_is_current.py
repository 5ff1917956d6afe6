"""Every change that bears on a work brings its permission up to date at once, also where the work has several owners."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from registry.claim_decisions import decide_claim
from registry.claims import open_claim
from registry.database import Registry
from registry.doctor import examine
from registry.ingest.bulk import register_list
from registry.ingest.lists import open_list
from registry.ingest.owner_table import OwnerTable
from registry.ingest.owners import OneOwner
from registry.permissions import Permission
from registry.reviews import record_review, verify_rights
from registry.rightsholders import merge_rightsholders
from registry.site_policies import record_policy
from registry.state import stale
from registry.withdrawals import withdraw
from tests.registry.rights import Rights
from tests.registry.works import NOW, register, write_csv, write_pictures

ROBOTS = b"User-agent: *\nDisallow: /\n"


@pytest.fixture
def rights(registry: Registry) -> Rights:
    """A registry without works."""
    return Rights(registry)


def stale_works(registry: Registry) -> list[int]:
    with registry.connection() as connection:
        return stale(connection)


@pytest.mark.parametrize("position", [0, 1])
def test_owners_that_were_declared_may_withdraw_when_only_the_licence_was_verified(
    rights: Rights, position: int
) -> None:
    """A verified row that names no owner leaves the declared ones: each of them can withdraw the work."""
    work = rights.work(["Ada", "Bo"], "CC-BY-4.0")
    verify_rights(rights.registry, [work], licence="CC0-1.0", recorded_from="contract", now=NOW)
    holder = rights.holder(("Ada", "Bo")[position])
    report = withdraw(rights.registry, rightsholder_id=holder, reason="letter", now=NOW)
    assert report.newly_withdrawn == (work,)
    assert rights.permission(work) == "withdrawn"
    assert stale_works(rights.registry) == []


@pytest.mark.parametrize("owner", ["Bo", "Bo's studio"])
def test_merging_reaches_works_with_several_owners(rights: Rights, owner: str) -> None:
    """A withdrawal of one record bears on works that the other one only has a share in, whichever is merged into which."""
    work = rights.work(["Ada", owner], "CC0-1.0")
    rights.work("Bo")
    rights.work("Bo's studio")
    withdraw(rights.registry, rightsholder_id=rights.holder("Bo"), reason="letter", now=NOW)
    merge_rightsholders(rights.registry, rights.holder("Bo"), rights.holder("Bo's studio"), "one man", NOW)
    assert rights.permission(work) == "withdrawn"
    assert stale_works(rights.registry) == []


def test_merging_two_owners_of_one_work_settles_what_one_of_them_agreed_to(rights: Rights) -> None:
    """Leave that one owner gave binds the other until both turn out to be one: then it holds for the work."""
    work = rights.work(["Ada", "Bo"])
    record_review(rights.registry, "rightsholder", [rights.holder("Bo")], Permission.PERMITTED, "deed", now=NOW)
    assert rights.permission(work) == "unclear"
    merge_rightsholders(rights.registry, rights.holder("Bo"), rights.holder("Ada"), "pen name", NOW)
    assert rights.permission(work) == "permitted"
    assert stale_works(rights.registry) == []


def test_files_that_are_registered_later_get_the_signals_of_their_sites(registry: Registry, tmp_path: Path) -> None:
    """What a site's policy says of a source counts for files from there, before or after the policy was recorded."""
    folder = write_pictures(tmp_path / "works", ["1.png", "2.png"])
    table = tmp_path / "owners.csv"
    write_csv(
        table,
        [
            {"path": "1.png", "rightsholder": "Ada", "source_url": "https://photos.example/1.png"},
            {"path": "2.png", "rightsholder": "Ada", "source_url": "https://elsewhere.example/2.png"},
        ],
    )
    record_policy(registry, ROBOTS, "robots", "photos.example", "robots.txt", now=NOW)
    register(registry, folder, OwnerTable(table))
    with registry.connection() as connection:
        found = connection.execute("SELECT permission FROM asset ORDER BY path").fetchall()
        signals = connection.execute("SELECT count(DISTINCT asset_id) FROM rights_signal").fetchall()
    assert found == [("prohibited",), ("unclear",)]
    assert signals == [(1,)]
    assert stale_works(registry) == []
    report = record_policy(registry, ROBOTS, "robots", "photos.example", "robots.txt", now=NOW)
    assert not report.recorded


def test_a_file_inherits_what_its_site_said_of_the_listed_work(registry: Registry, tmp_path: Path) -> None:
    """A work that was listed with its address stays reserved when its file turns up without one; the doctor is content.

    Withdrawing either of the two withdraws both: they are the same bytes.
    """
    folder = write_pictures(tmp_path / "works", ["1.png"])
    sha256 = hashlib.sha256((folder / "1.png").read_bytes()).hexdigest()
    listed = tmp_path / "list.csv"
    write_csv(listed, [{"url": "https://photos.example/1.png", "sha256": sha256, "rightsholder": "Ada"}])
    (tmp_path / "staging").mkdir()
    source = open_list(listed, staging=tmp_path / "staging")
    register_list(registry, source, root=listed, now=NOW)
    record_policy(registry, ROBOTS, "robots", "photos.example", "robots.txt", now=NOW)
    report = register(registry, folder, OneOwner("Ada", "CC0-1.0"))
    assert (report.registered, report.superseded) == (1, 1)
    with registry.connection() as connection:
        found = connection.execute("SELECT permission FROM asset ORDER BY id").fetchall()
    assert found == [("prohibited",), ("prohibited",)]
    assert [finding.what for finding in examine(registry).wrong] == []
    assert register(registry, folder, OneOwner("Ada", "CC0-1.0")).registered == 0
    assert withdraw(registry, asset_ids=[0], reason="letter", now=NOW).newly_withdrawn == (0, 1)


@pytest.mark.parametrize("change", ["declared", "verified", "claimed"])
def test_a_work_that_came_after_its_owners_withdrawal_stays_withdrawn_under_another_owner(
    registry: Registry, tmp_path: Path, change: str
) -> None:
    """Nothing outweighs a withdrawal, not even a later change of the owner, however that is recorded."""
    first = write_pictures(tmp_path / "first", ["1.png"])
    register(registry, first, OneOwner("Ada", "CC0-1.0"))
    withdraw(registry, rightsholder_id=0, reason="letter", now=NOW)
    later = write_pictures(tmp_path / "later", ["2.png"], 2)
    register(registry, later, OneOwner("Ada", "CC0-1.0"))
    if change == "declared":
        register(registry, later, OneOwner("Bo", "CC0-1.0"))
    elif change == "verified":
        verify_rights(registry, [1], rightsholder="Bo", licence="CC0-1.0", recorded_from="contract", now=NOW)
    else:
        opened = open_claim(registry, "Bo", "mine", works=["1"], now=NOW)
        decide_claim(registry, opened.claim_id, "accepted", "he is right", NOW, licence="CC0-1.0")
    with registry.connection() as connection:
        found = connection.execute(
            "SELECT name, permission FROM asset JOIN rightsholder ON rightsholder.id = rightsholder_id ORDER BY asset.id"
        ).fetchall()
    assert found == [("Ada", "withdrawn"), ("Bo", "withdrawn")]
    assert stale_works(registry) == []
