"""Every change that bears on a work brings its permission up to date at once, also where the work
has several owners.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from registry.claims.decisions import decide_claim
from registry.claims.record import open_claim
from registry.doctor import examine
from registry.event_log.events import changing
from registry.ingest.bulk import register_list
from registry.ingest.lists import open_list
from registry.ingest.owners.declarations import OneOwner
from registry.ingest.owners.table import OwnerTable
from registry.permissions.derived_columns import find_stale
from registry.permissions.reviews import record_review
from registry.permissions.rule import Permission
from registry.rightsholders.records import merge_rightsholders
from registry.rightsholders.verified_rights import verify_rights
from registry.site_policies.store import record_policy
from registry.storage.database import Registry
from registry.withdrawals.record import withdraw
from tests.support.rights import Rights
from tests.support.works import NOW, register, write_csv, write_pictures

ROBOTS = b"User-agent: *\nDisallow: /\n"


@pytest.fixture
def rights(registry: Registry) -> Rights:
    """A registry without works."""
    return Rights(registry)


def list_work(registry: Registry, folder: Path, **row: str) -> None:
    """Register a list of one work."""
    folder.mkdir(exist_ok=True)
    (folder / "staging").mkdir(exist_ok=True)
    table = folder / "list.csv"
    write_csv(table, [row])
    register_list(registry, open_list(table, staging=folder / "staging"), root=table, now=NOW)


def stale_works(registry: Registry) -> list[int]:
    with registry.connection() as connection:
        return find_stale(connection)


@pytest.mark.parametrize("position", [0, 1])
def test_owners_that_were_declared_may_withdraw_when_only_the_licence_was_verified(
    rights: Rights, position: int
) -> None:
    """A verified row that names no owner leaves the declared ones: each of them can withdraw the
    work.
    """
    work = rights.work(["Ada", "Bo"], "CC-BY-4.0")
    verify_rights(rights.registry, [work], licence="CC0-1.0", recorded_from="contract", now=NOW)
    holder = rights.holder(("Ada", "Bo")[position])
    report = withdraw(rights.registry, rightsholder_id=holder, reason="letter", now=NOW)
    assert report.newly_withdrawn == (work,)
    assert rights.permission(work) == "withdrawn"
    assert stale_works(rights.registry) == []


@pytest.mark.parametrize("owner", ["Bo", "Bo's studio"])
def test_merging_reaches_works_with_several_owners(rights: Rights, owner: str) -> None:
    """A withdrawal of one record bears on works that the other one only has a share in, whichever
    is merged into which.
    """
    work = rights.work(["Ada", owner], "CC0-1.0")
    rights.work("Bo")
    rights.work("Bo's studio")
    withdraw(rights.registry, rightsholder_id=rights.holder("Bo"), reason="letter", now=NOW)
    merge_rightsholders(rights.registry, rights.holder("Bo"), rights.holder("Bo's studio"), "one man", NOW)
    assert rights.permission(work) == "withdrawn"
    assert stale_works(rights.registry) == []


def test_merging_two_owners_of_one_work_settles_what_one_of_them_agreed_to(rights: Rights) -> None:
    """Leave that one owner gave binds the other until both turn out to be one: then it holds for
    the work.
    """
    work = rights.work(["Ada", "Bo"])
    record_review(rights.registry, "rightsholder", [rights.holder("Bo")], Permission.PERMITTED, "deed", now=NOW)
    assert rights.permission(work) == "unclear"
    merge_rightsholders(rights.registry, rights.holder("Bo"), rights.holder("Ada"), "pen name", NOW)
    assert rights.permission(work) == "permitted"
    assert stale_works(rights.registry) == []


def test_files_that_are_registered_later_get_the_signals_of_their_sites(registry: Registry, tmp_path: Path) -> None:
    """What a site's policy says of a source counts for files from there, before or after the policy
    was recorded.
    """
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
    """A work that was listed with its address stays reserved when its file turns up without one;
    the doctor is content.

    Withdrawing either of the two withdraws both: they are the same bytes.
    """
    folder = write_pictures(tmp_path / "works", ["1.png"])
    sha256 = hashlib.sha256((folder / "1.png").read_bytes()).hexdigest()
    list_work(registry, tmp_path / "list", url="https://photos.example/1.png", sha256=sha256, rightsholder="Ada")
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
    """Nothing outweighs a withdrawal, not even a later change of the owner, however that is
    recorded.
    """
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


def events_of(registry: Registry, kind: str) -> list[tuple[str, Any, Any]]:
    with registry.connection() as connection:
        rows = connection.execute("SELECT subject, before, after FROM event WHERE kind = ? ORDER BY sequence", [kind])
        return [(subject, json.loads(before), json.loads(after)) for subject, before, after in rows.fetchall()]


def test_the_log_says_which_permissions_a_change_moved(rights: Rights) -> None:
    """Each with what it was and is; a new work has none that was moved."""
    works = [rights.work("Ada", "CC0-1.0"), rights.work("Ada", "CC0-1.0"), rights.work("Ada", "CC-BY-NC-4.0")]
    assert events_of(rights.registry, "permission changed") == []
    withdraw(rights.registry, rightsholder_id=rights.holder("Ada"), reason="letter", now=NOW)
    first, second = events_of(rights.registry, "permission changed")
    assert first == ("asset 2", {"permission": "constrained"}, {"permission": "withdrawn"})
    assert second == (
        "2 assets",
        {"permission": "permitted"},
        {"permission": "withdrawn", "works": 2, "asset_ids": works[:2]},
    )


def test_a_permission_that_comes_back_within_a_change_was_not_moved(rights: Rights) -> None:
    """What counts is before and after the whole change."""
    work = rights.work("Ada", "CC0-1.0")
    with changing(rights.registry, NOW) as change:
        for former, current in (("permitted", "unclear"), ("unclear", "permitted")):
            change.record_permission_changes(pa.table({"asset_id": [work], "former": [former], "current": [current]}))
        change.record("rights reviewed", f"asset {work}")
    assert events_of(rights.registry, "permission changed") == []


def test_a_work_whose_address_changes_gets_what_the_new_site_says(rights: Rights, tmp_path: Path) -> None:
    """Verified or declared anew by a list; once, and what was said of the former address stays."""
    registry = rights.registry
    record_policy(registry, ROBOTS, "robots", "closed.example", "robots.txt", now=NOW)
    work = rights.work("Ada", "CC0-1.0", source_url="https://open.example/1")
    assert rights.permission(work) == "permitted"
    for _ in range(2):
        verify_rights(registry, [work], source_url="https://closed.example/1", recorded_from="letter", now=NOW)
    assert rights.permission(work) == "prohibited"
    for host in ("open", "closed", "open"):
        list_work(
            registry,
            tmp_path,
            sha256="a" * 64,
            source_url=f"https://{host}.example/1",
            licence="CC0-1.0",
            rightsholder="Ada",
        )
    with registry.connection() as connection:
        listed = connection.execute("SELECT id, permission FROM asset WHERE sha256 IS NOT NULL").fetchall()
        signals = connection.execute("SELECT asset_id, count(*) FROM rights_signal GROUP BY 1 ORDER BY 1").fetchall()
    assert listed == [(work + 1, "prohibited")]
    assert [count for _, count in signals] == [signals[0][1]] * 2
    assert stale_works(registry) == []


def test_whoever_withdraws_takes_the_file_along_that_turned_up_under_another_name(
    rights: Rights, tmp_path: Path
) -> None:
    """Ada's work was listed by its hash, the file came from Bo: the bytes are hers, too."""
    registry = rights.registry
    folder = write_pictures(tmp_path / "works", ["1.png"])
    sha256 = hashlib.sha256((folder / "1.png").read_bytes()).hexdigest()
    list_work(registry, tmp_path / "list", sha256=sha256, rightsholder="Ada")
    register(registry, folder, OneOwner("Bo", "CC0-1.0"))
    report = withdraw(registry, rightsholder_id=rights.holder("Ada"), reason="letter", now=NOW)
    assert len(report.newly_withdrawn) == 2
    with registry.connection() as connection:
        assert connection.execute("SELECT DISTINCT permission FROM asset").fetchall() == [("withdrawn",)]
