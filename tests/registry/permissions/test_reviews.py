"""Decisions and verified rights: what is recorded, what is refused, and that nothing is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from registry.errors import InputError, NotFoundError, UsageError
from registry.permissions.reviews import record_review
from registry.permissions.rule import Permission
from registry.rightsholders.verified_rights import verify_rights
from registry.storage.database import Registry
from tests.support.rights import Rights
from tests.support.works import NOW


@pytest.fixture
def rights(registry: Registry) -> Rights:
    """A registry to write rows into."""
    return Rights(registry)


def rows(rights: Rights, query: str) -> list[tuple[Any, ...]]:
    """What a query finds."""
    with rights.registry.connection() as connection:
        return connection.execute(query).fetchall()


def test_a_decision_is_a_row_and_an_event_with_what_was_before(rights: Rights) -> None:
    """Who, what, why, on which condition; the report counts the works that it is about."""
    works = [rights.work("Ada"), rights.work(["Zoe", "Ada"]), rights.work("Zoe")]
    ada = rights.holder("Ada")
    report = record_review(
        rights.registry, "rightsholder", [ada], Permission.PROHIBITED, "they said no", evidence="mail 7", now=NOW
    )
    assert (report.reviews, report.works, report.permissions_changed) == (1, 2, 2)
    assert [rights.permission(work) for work in works] == ["prohibited", "prohibited", "unclear"]
    record_review(
        rights.registry, "rightsholder", [ada], Permission.CONSTRAINED, "contract 12", condition="a notice", now=NOW
    )
    kind, subject, before, after = rows(rights, "SELECT kind, subject, before, after FROM event ORDER BY sequence")[-2]
    assert (kind, subject) == ("rights reviewed", f"rightsholder {ada}")
    assert json.loads(before) == [
        {"subject": ada, "permission": "prohibited", "condition": None, "reason": "they said no", "evidence": "mail 7"}
    ]
    stated = {"permission": "constrained", "condition": "a notice", "reason": "contract 12", "evidence": None}
    assert json.loads(after) == {**stated, "scope": "rightsholder", "subjects": [ada], "works": 2}


def test_the_same_decision_again_changes_nothing(rights: Rights) -> None:
    """For those that have it; the others get it, in one event."""
    works = [rights.work(), rights.work()]
    for subjects, expected in ((works[:1], 1), (works, 1), (works, 0)):
        report = record_review(rights.registry, "asset", subjects, Permission.PERMITTED, "ours", now=NOW)
        assert report.reviews == expected
    assert len(rows(rights, "SELECT * FROM review")) == 2
    assert len(rows(rights, "SELECT * FROM event WHERE kind = 'rights reviewed'")) == 2


def test_decisions_that_cannot_be_meant_are_refused(rights: Rights) -> None:
    """And leave nothing behind."""
    work = rights.work("Ada")
    registry = rights.registry
    with pytest.raises(UsageError, match="expected one of asset, rightsholder, licence, data set"):
        record_review(registry, "folder", [work], Permission.PERMITTED, "ours", now=NOW)
    with pytest.raises(UsageError, match="expected permitted, constrained, prohibited, or None"):
        record_review(registry, "asset", [work], Permission.WITHDRAWN, "ours", now=NOW)
    with pytest.raises(UsageError, match="--condition is required with"):
        record_review(registry, "asset", [work], Permission.CONSTRAINED, "ours", now=NOW)
    with pytest.raises(UsageError, match="--condition is required with"):
        record_review(registry, "asset", [work], Permission.PERMITTED, "ours", condition="a notice", now=NOW)
    with pytest.raises(InputError, match="the reason is empty"):
        record_review(registry, "asset", [work], Permission.PERMITTED, " ", now=NOW)
    with pytest.raises(NotFoundError, match="no asset with the id 99"):
        record_review(registry, "asset", [work, 99], Permission.PERMITTED, "ours", now=NOW)
    with pytest.raises(NotFoundError, match="got no asset"):
        record_review(registry, "asset", [], Permission.PERMITTED, "ours", now=NOW)
    with pytest.raises(UsageError, match="there is no review of this asset"):
        record_review(registry, "asset", [work], None, "no reason", now=NOW)
    assert rows(rights, "SELECT * FROM review") == []


def test_verified_rights_come_before_declared_ones_and_are_told_as_such(rights: Rights) -> None:
    """The licence's terms follow; the event says what was verified and what was there before."""
    work = rights.work("Ada", "All rights reserved")
    report = verify_rights(
        rights.registry, [work], licence="CC-BY-4.0", title="Sun", recorded_from="contract 12", now=NOW
    )
    assert (report.works, report.recorded, report.permissions_changed) == (1, 1, 1)
    assert rights.permission(work) == "permitted"
    kind, before, after = rows(rights, "SELECT kind, before, after FROM event ORDER BY sequence")[-2]
    assert kind == "rights verified"
    assert json.loads(before)[0]["licence_id"] == rights.licence("All rights reserved")
    assert json.loads(after) == {"licence_id": rights.licence("CC-BY-4.0"), "title": "Sun", "works": [work]}


def test_verifying_one_thing_loses_no_other(rights: Rights) -> None:
    """What was verified before is carried over, with all rightsholders; the same again is not
    recorded.
    """
    work = rights.work(["Ada", "Zoe"], "CC0-1.0")
    ada = rights.holder("Ada")
    registry = rights.registry
    assert verify_rights(registry, [work], licence="MIT", recorded_from="a letter", now=NOW).recorded == 1
    record_review(registry, "rightsholder", [rights.holder("Zoe")], Permission.PROHIBITED, "no", now=NOW)
    assert rights.permission(work) == "prohibited"
    verify_rights(registry, [work], rightsholder=ada, creator="Ada L.", recorded_from="a letter", now=NOW)
    assert rights.permission(work) == "permitted"
    verify_rights(registry, [work], title="Sun", recorded_from="a letter", now=NOW)
    assert verify_rights(registry, [work], title="Sun", recorded_from="a letter", now=NOW).recorded == 0
    newest = rows(rights, "SELECT rightsholder_id, licence_id, title, creator FROM asset_rights ORDER BY id")[-1]
    assert newest == (ada, rights.licence("MIT"), "Sun", "Ada L.")


def test_verified_rightsholders_beside_the_first_are_carried_over(rights: Rights) -> None:
    """They stand in rows of their own, which the newer row must have, too."""
    work = rights.work("Ada")
    with rights.registry.connection() as connection:
        connection.execute("UPDATE asset_rights SET basis = 'verified'")
    rights.work(["Ada", "Zoe"])
    with rights.registry.connection() as connection:
        connection.execute("UPDATE co_rightsholder SET rights_id = 0, asset_id = 0")
        connection.execute("UPDATE asset SET declared_id = NULL, verified_id = 0 WHERE id = 0")
    verify_rights(rights.registry, [work], title="Sun", recorded_from="a letter", now=NOW)
    assert rows(rights, "SELECT rights_id, rightsholder_id, position FROM co_rightsholder ORDER BY id")[2:] == [
        (2, rights.holder("Ada"), 1),
        (2, rights.holder("Zoe"), 2),
    ]


def test_rights_that_cannot_be_verified_are_refused(rights: Rights) -> None:
    """Nothing given, nobody of that number, no such work, no origin."""
    work = rights.work("Ada")
    registry = rights.registry
    with pytest.raises(UsageError, match="got nothing to verify"):
        verify_rights(registry, [work], recorded_from="a letter", now=NOW)
    with pytest.raises(NotFoundError, match="no rightsholder #99"):
        verify_rights(registry, [work], rightsholder=99, recorded_from="a letter", now=NOW)
    with pytest.raises(NotFoundError, match="no asset with the id 7"):
        verify_rights(registry, [7], title="Sun", recorded_from="a letter", now=NOW)
    with pytest.raises(InputError, match="the origin is empty"):
        verify_rights(registry, [work], title="Sun", recorded_from="", now=NOW)
