"""Permissions at an earlier moment: what was, not what is; and "not known" where the log cannot
say.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from registry.errors import IntegrityError
from registry.event_log import events
from registry.permissions.history import PermissionHistory
from registry.permissions.reviews import record_review
from registry.permissions.rule import Permission
from registry.storage.database import Registry
from registry.storage.results import number_of
from tests.support.rights import Rights
from tests.support.works import NOW

OWNERS = ("Ada", "Zoe", "Kim")
LICENCES = ("CC-BY-4.0", "CC-BY-NC-4.0", None)
BEFORE = NOW - timedelta(days=1)


@pytest.fixture
def rights(registry: Registry) -> Rights:
    """A registry to write rows into."""
    return Rights(registry)


def at(rights: Rights, works: list[int], moment: datetime) -> dict[int, str | None]:
    """What the log says of these works at a moment."""
    with rights.registry.connection() as connection:
        query = "SELECT coalesce(max(sequence), 0) FROM event WHERE recorded_at <= ?"
        return dict(PermissionHistory.read(connection, works).at(number_of(connection, query, [moment])))


def decide(rights: Rights, scope: str, subject: int, permission: Permission, now: datetime) -> None:
    """A review, with the condition that it may need."""
    condition = "a notice" if permission is Permission.CONSTRAINED else None
    record_review(rights.registry, scope, [subject], permission, f"at {now}", condition=condition, now=now)


def history(rights: Rights, seed: int) -> tuple[list[int], dict[datetime, dict[int, str]]]:
    """Random works and decisions; by moment, what every work's permission was when it had
    passed.
    """
    generator = np.random.default_rng(seed)
    works = [rights.work(OWNERS[number % 3], LICENCES[number // 3 % 3]) for number in range(5)]
    seen = {NOW: {work: rights.permission(work) for work in works}}
    for step in range(1, 10):
        now = NOW + timedelta(hours=step)
        permission = list(Permission)[generator.choice([0, 2, 3])]
        scope = str(generator.choice(["asset", "rightsholder", "licence", "data set"]))
        subject = {
            "asset": int(generator.choice(works)),
            "rightsholder": rights.holder(str(generator.choice(OWNERS))),
            "licence": rights.licence(str(generator.choice(LICENCES[:2]))),
            "data set": 0,
        }[scope]
        decide(rights, scope, subject, permission, now)
        seen[now] = {work: rights.permission(work) for work in works}
    return works, seen


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_every_moment_is_as_it_was(rights: Rights, seed: int) -> None:
    """After random decisions, each moment's permissions are those that were read off at that
    moment.
    """
    works, seen = history(rights, seed)
    assert len({tuple(state.values()) for state in seen.values()}) > 4
    for moment, state in seen.items():
        assert at(rights, works, moment) == state
        assert at(rights, works, moment + timedelta(minutes=59)) == state
        assert at(rights, works[2:4], moment) == {work: state[work] for work in works[2:4]}


@pytest.mark.parametrize("seed", [0, 1])
def test_what_the_log_does_not_list_is_never_made_up(
    rights: Rights, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Where changes name no works, a work has the permission that it had, or none; and some do have
    none.
    """
    monkeypatch.setattr(events, "LISTED", 1)
    works, seen = history(rights, seed)
    unknown = 0
    for moment, state in seen.items():
        found = at(rights, works, moment)
        unknown += sum(permission is None for permission in found.values())
        assert all(found[work] in (None, state[work]) for work in works)
    assert unknown > 0
    assert at(rights, works, max(seen)) == seen[max(seen)]


def test_a_large_change_hides_only_works_that_it_may_have_moved(
    rights: Rights, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A work that is not what the change led to was not part of it; one that was changed by name
    before is known again.
    """
    monkeypatch.setattr(events, "LISTED", 1)
    first, second, other = rights.work("Ada"), rights.work("Ada"), rights.work("Zoe")
    decide(rights, "asset", other, Permission.PERMITTED, NOW + timedelta(hours=1))
    decide(rights, "asset", first, Permission.PERMITTED, NOW + timedelta(hours=2))
    decide(rights, "asset", second, Permission.PERMITTED, NOW + timedelta(hours=2))
    record_review(rights.registry, "asset", [first, second], Permission.PROHIBITED, "no", now=NOW + timedelta(hours=3))
    assert at(rights, [first, second, other], NOW + timedelta(hours=2)) == {
        first: None,
        second: None,
        other: "permitted",
    }
    assert at(rights, [first, second, other], NOW) == dict.fromkeys([first, second, other], "unclear")


def test_a_later_work_has_what_it_was_registered_with(rights: Rights) -> None:
    """Before its registration there was nothing to say of it; what happened to it since is
    undone.
    """
    record_review(rights.registry, "data set", [0], Permission.PERMITTED, "ours", now=NOW)
    work = rights.work("Ada")
    decide(rights, "asset", work, Permission.PROHIBITED, NOW + timedelta(hours=1))
    assert at(rights, [work], BEFORE) == {work: "permitted"}
    assert at(rights, [work], NOW + timedelta(hours=1)) == {work: "prohibited"}


def test_works_that_are_not_there(rights: Rights) -> None:
    """Nothing is said of no works, and of numbers that no work has."""
    work = rights.work("Ada")
    assert at(rights, [], NOW) == {}
    assert at(rights, [work, work + 100], BEFORE) == {work: "unclear"}


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("before", "{"),
        ("before", "[]"),
        ("before", None),
        ("before", '{"permission": 7}'),
        ("before", "[" * 100_000),
        ("after", "null"),
        ("after", "{}"),
        ("after", '{"permission": ["x"]}'),
        ("after", '{"permission": "permitted", "works": 2, "asset_ids": 5}'),
        ("after", '{"permission": "permitted", "works": 2, "asset_ids": [[]]}'),
        ("subject", "a work"),
    ],
)
def test_an_event_that_was_edited_is_refused(rights: Rights, column: str, text: str | None) -> None:
    """It is not read as something else: the reader is sent to the check of the log."""
    work = rights.work("Ada")
    decide(rights, "asset", work, Permission.PROHIBITED, NOW + timedelta(hours=1))
    with rights.registry.connection() as connection:
        connection.execute(f"UPDATE event SET {column} = ? WHERE kind = 'permission changed'", [text])  # noqa: S608
    with pytest.raises(IntegrityError, match=r"event \d+ of the log cannot be read: run `creditline log verify`"):
        at(rights, [work], NOW)
