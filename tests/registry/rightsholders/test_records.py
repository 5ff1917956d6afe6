"""Rightsholders: descriptions, identifiers, representation and merges; the log and the rows keep
all of it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InputError, NotFoundError, UsageError
from registry.event_log.events import changing
from registry.ingest.owners.declarations import FolderPerRightsholder
from registry.permissions.derived_columns import find_stale, recompute
from registry.rightsholders.identifiers import Identifier, check_character, parse_identifier, read_identifier
from registry.rightsholders.owners import RightsholderFacts, owners_of, rightsholder_facts, rightsholder_history
from registry.rightsholders.records import (
    Details,
    current_rightsholder_ids,
    describe_rightsholder,
    details_of,
    identifiers_of,
    merge_rightsholders,
)
from registry.storage.database import Registry
from tests.support.works import NOW, register, write_pictures

NAMES = ("Ann", "Bob", "Cid", "Dee")


@pytest.fixture
def holders(registry: Registry, folder: Path) -> dict[str, int]:
    """Four rightsholders with a work each, by name."""
    register(registry, write_pictures(folder, [f"{name}/1.png" for name in NAMES]), FolderPerRightsholder("CC0-1.0"))
    with registry.connection() as connection:
        return dict(connection.execute("SELECT name, id FROM rightsholder").fetchall())


def facts(registry: Registry, rightsholder_id: int) -> RightsholderFacts:
    with registry.connection() as connection:
        return rightsholder_facts(connection, rightsholder_id)


def events(registry: Registry) -> list[tuple[str, str]]:
    with registry.connection() as connection:
        return connection.execute("SELECT kind, subject FROM event ORDER BY sequence").fetchall()


def owner_ids(registry: Registry) -> list[int]:
    """The current rightsholder of each work."""
    with registry.connection() as connection:
        assert find_stale(connection) == []
        return [row[0] for row in connection.execute("SELECT rightsholder_id FROM asset ORDER BY path").fetchall()]


def test_identifiers_have_one_spelling() -> None:
    """Addresses, spaces and small letters are taken; the published examples of ISNI and ORCID have
    valid check digits.
    """
    for scheme, text, value in (
        ("isni", "0000 0001 2103 2683", "0000000121032683"),
        ("ISNI", "https://isni.org/isni/0000000121032683", "0000000121032683"),
        ("isni", "000000012146438x", "000000012146438X"),
        ("orcid", "https://orcid.org/0000-0002-1825-0097", "0000-0002-1825-0097"),
        ("orcid", "0000-0002-1694-233x", "0000-0002-1694-233X"),
        ("wikidata", "http://www.wikidata.org/entity/Q42", "Q42"),
        ("wikidata", "q42", "Q42"),
        ("ipi", " 00045620792 ", "00045620792"),
    ):
        assert read_identifier(scheme, text) == Identifier(scheme.lower(), value)
    assert str(parse_identifier("own:a:b")) == "own:a:b"


@pytest.mark.parametrize(
    "text",
    ["isni:0000000121032684", "isni:1", "isni:", "isni:٠٠٠٠٠٠٠١٢١٠٣٢٦٨٣", "orcid:0000-0002-1825-0098",
     "orcid:0000-0002-1825", "wikidata:Q0", "wikidata:42", "wikidata:Q" + "1" * 20, "own:", "own:a\nb", "own:\udcff",
     "own:\0", "own:" + "x" * 201, "no colon", "bad scheme:1", ":1", "x" * 1000 + ":1"],
)  # fmt: skip
def test_what_is_no_identifier_is_refused(text: str) -> None:
    """With one line that says what was expected."""
    with pytest.raises(InputError) as error:
        parse_identifier(text)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


@given(st.text("0123456789", min_size=15, max_size=15), st.integers(0, 14), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(digits: str, place: int, shift: int) -> None:
    """MOD 11-2 finds every single mistyped digit."""
    right = digits + check_character(digits)
    assert read_identifier("isni", right).value == right
    wrong = digits[:place] + str((int(digits[place]) + shift) % 10) + right[place + 1 :]
    with pytest.raises(InputError, match="wrong check digit"):
        read_identifier("isni", wrong)


def test_a_description_is_added_to_never_overwritten(registry: Registry, holders: dict[str, int]) -> None:
    """What is not given stays, None takes back, the same again adds nothing; every row and event is
    kept.
    """
    ann, bob = holders["Ann"], holders["Bob"]
    isni = read_identifier("isni", "0000000121032683")
    assert describe_rightsholder(registry, ann, kind="person", contact="ann@example.org", identifiers=[isni], now=NOW)
    assert not describe_rightsholder(registry, ann, contact="ann@example.org", identifiers=[isni, isni], now=NOW)
    assert describe_rightsholder(registry, ann, represented_by=bob, note="since 2019\nby letter", now=NOW)
    assert describe_rightsholder(registry, ann, contact=None, now=NOW)
    found = facts(registry, ann)
    assert found.details == Details("person", None, bob, "since 2019\nby letter")
    assert (found.represented_by, found.identifiers, found.works) == ("Bob", [isni], 1)
    assert facts(registry, bob).represents == [{"id": ann, "name": "Ann"}]
    with registry.connection() as connection:
        history = rightsholder_history(connection, ann)
    assert [row["contact"] for row in history["descriptions"]] == ["ann@example.org", "ann@example.org", None]
    assert [row["kind"] for row in history["events"]] == [
        *("rightsholder described", "rightsholder identified", "rightsholder described", "rightsholder described")
    ]


def test_what_cannot_be_kept_is_refused_and_leaves_nothing(registry: Registry, holders: dict[str, int]) -> None:
    """Unknown kinds, control characters, texts without end, records that do not exist."""
    ann, count = holders["Ann"], len(events(registry))
    for kind in ("alien", "", "\udcff"):
        with pytest.raises(InputError, match="is not one of person"):
            describe_rightsholder(registry, ann, kind=kind, now=NOW)
    for text in ("a\0b", "x" * 10_001, "\udcff", "\x1b[31m"):
        with pytest.raises(InputError):
            describe_rightsholder(registry, ann, contact=text, now=NOW)
        with pytest.raises(InputError):
            describe_rightsholder(registry, ann, note=text, now=NOW)
    with pytest.raises(NotFoundError, match="no rightsholder #99"):
        describe_rightsholder(registry, 99, now=NOW)
    with pytest.raises(NotFoundError, match="no rightsholder #99"):
        describe_rightsholder(registry, ann, represented_by=99, now=NOW)
    for reason in ("", " \n", "a\0"):
        with pytest.raises(InputError):
            merge_rightsholders(registry, ann, holders["Bob"], reason, NOW)
    assert len(events(registry)) == count


def test_nobody_speaks_for_himself(registry: Registry, holders: dict[str, int]) -> None:
    """Neither directly, nor by way of others, nor through a merge."""
    ann, bob, cid, dee = (holders[name] for name in NAMES)
    with pytest.raises(UsageError, match="represented by itself"):
        describe_rightsholder(registry, ann, represented_by=ann, now=NOW)
    describe_rightsholder(registry, ann, represented_by=bob, now=NOW)
    describe_rightsholder(registry, bob, represented_by=cid, now=NOW)
    with pytest.raises(UsageError, match="represented by itself"):
        describe_rightsholder(registry, cid, represented_by=ann, now=NOW)
    with pytest.raises(UsageError, match="represented by itself"):
        merge_rightsholders(registry, cid, ann, "one person", NOW)
    merge_rightsholders(registry, dee, cid, "one person", NOW)
    with pytest.raises(UsageError, match="represented by itself"):
        describe_rightsholder(registry, dee, represented_by=ann, now=NOW)
    assert owner_ids(registry) == [ann, bob, cid, cid]


def test_who_is_merged_with_his_representative_has_none(registry: Registry, holders: dict[str, int]) -> None:
    """In either direction."""
    ann, bob, cid, dee = (holders[name] for name in NAMES)
    describe_rightsholder(registry, ann, represented_by=bob, now=NOW)
    describe_rightsholder(registry, dee, represented_by=cid, now=NOW)
    merge_rightsholders(registry, ann, bob, "one", NOW)
    merge_rightsholders(registry, cid, dee, "one", NOW)
    assert [facts(registry, number).details.represented_by for number in (bob, dee)] == [None, None]


def test_merged_records_never_form_chains(registry: Registry, holders: dict[str, int]) -> None:
    """Whatever the order, every merged record names one that counts; merging what is one already is
    refused.
    """
    ann, bob, cid, dee = (holders[name] for name in NAMES)
    assert merge_rightsholders(registry, ann, bob, "letter of 3 May", NOW).works == 1
    assert merge_rightsholders(registry, cid, dee, "same studio", NOW).works == 1
    assert merge_rightsholders(registry, bob, dee, "same studio", NOW).works == 2
    assert owner_ids(registry) == [dee] * 4
    for pair in ((dee, ann), (ann, dee), (ann, cid), (bob, bob)):
        with pytest.raises(UsageError, match="one record already"):
            merge_rightsholders(registry, *pair, "again", NOW)
    with registry.connection() as connection:
        assert connection.execute("SELECT merged_into FROM rightsholder ORDER BY id").fetchall() == [
            *((dee,), (dee,), (dee,), (None,))
        ]
        assert current_rightsholder_ids(connection, [dee, ann, ann, cid]).tolist() == [dee] * 4
        history = rightsholder_history(connection, dee)
    assert [row["reason"] for row in history["merges"]] == ["letter of 3 May", "same studio", "same studio"]
    merges = [row for row in history["events"] if row["kind"] == "rightsholders merged"]
    assert len(merges) == 3
    found = facts(registry, dee)
    assert (found.name, found.works, [row["name"] for row in found.merged]) == ("Dee", 4, ["Ann", "Bob", "Cid"])


def test_a_merge_takes_over_what_the_other_lacks(registry: Registry, holders: dict[str, int]) -> None:
    """What both have stays as it was of the one that counts; identifiers are those of both."""
    ann, bob, cid = holders["Ann"], holders["Bob"], holders["Cid"]
    first, second = parse_identifier("ipi:1"), parse_identifier("ipi:2")
    describe_rightsholder(registry, ann, kind="person", contact="old", represented_by=cid, identifiers=[first], now=NOW)
    describe_rightsholder(registry, bob, contact="new", identifiers=[second], now=NOW)
    merge_rightsholders(registry, ann, bob, "one", NOW)
    with registry.connection() as connection:
        assert details_of(connection, bob) == Details("person", "new", cid, None)
        assert details_of(connection, ann) == Details("person", "old", cid, None)
        assert identifiers_of(connection, bob) == [first, second]


def test_a_later_registration_under_a_merged_name_lands_on_the_record_that_counts(
    registry: Registry, holders: dict[str, int], folder: Path
) -> None:
    """And the name that was stated is still known."""
    merge_rightsholders(registry, holders["Ann"], holders["Bob"], "pen name", NOW)
    register(registry, write_pictures(folder, ["Ann/2.png"], first=10), FolderPerRightsholder("CC0-1.0"))
    assert owner_ids(registry)[:3] == [holders["Bob"]] * 3
    with registry.connection() as connection:
        (row,) = owners_of(connection, [4])
    assert (row["rightsholder"], row["stated_as"], row["counts"]) == ("Bob", "Ann", True)


def test_decisions_and_withdrawals_of_either_count_for_both(registry: Registry, holders: dict[str, int]) -> None:
    """A work of the record that counts falls under what was decided about the merged one, and the
    other way round.
    """
    ann, bob, cid, dee = (holders[name] for name in NAMES)
    with changing(registry, NOW) as change:
        change.connection.execute(
            "INSERT INTO review VALUES (0, 'rightsholder', ?, 'prohibited', NULL, 'no', NULL, 'x', ?)", [ann, NOW]
        )
        change.connection.execute("INSERT INTO withdrawal VALUES (0, 'rightsholder', ?, 'left', 'x', ?)", [dee, NOW])
        recompute(change, None)
        change.record("rights reviewed", f"rightsholder {ann}")
    merged = merge_rightsholders(registry, ann, bob, "one", NOW)
    assert (merged.works, merged.permissions_changed) == (1, 1)
    assert merge_rightsholders(registry, cid, dee, "one", NOW).permissions_changed == 1
    assert facts(registry, bob).permissions == {"prohibited": 2}
    assert facts(registry, dee).permissions == {"withdrawn": 2}
    owner_ids(registry)


def test_two_records_with_one_identifier_are_pointed_out(registry: Registry, holders: dict[str, int]) -> None:
    """Until they are merged."""
    ann, bob = holders["Ann"], holders["Bob"]
    for number in (ann, bob):
        describe_rightsholder(registry, number, identifiers=[parse_identifier("ipi:7")], now=NOW)
    assert facts(registry, ann).shared_identifiers == [{"identifier": "ipi:7", "id": bob, "name": "Bob"}]
    merge_rightsholders(registry, ann, bob, "one", NOW)
    assert facts(registry, bob).shared_identifiers == []


def test_owners_of_a_work_have_roles_and_shares(registry: Registry, holders: dict[str, int]) -> None:
    """Those of the statement that counts, looked at through merges; earlier statements follow."""
    ann, bob, cid, dee = (holders[name] for name in NAMES)
    with changing(registry, NOW) as change:
        change.connection.execute(
            "INSERT INTO asset_rights (id, asset_id, basis, rightsholder_id, recorded_from, recorded_by, recorded_at) "
            "VALUES (4, 0, 'declared', ?, 'table.csv', 'x', ?)",
            [bob, NOW],
        )
        rows = [(0, 4, 0, 1, bob, "photographer", 0.75), (1, 4, 0, 2, cid, "model", 0.25)]
        change.connection.executemany("INSERT INTO co_rightsholder VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        recompute(change, [0])
        change.record("works registered", "data set works")
    merge_rightsholders(registry, cid, dee, "married", NOW)
    with registry.connection() as connection:
        found = owners_of(connection, [0])
        assert owners_of(connection, []) == []
    keys = ("rightsholder", "stated_as", "role", "share", "counts")
    assert [tuple(row[key] for key in keys) for row in found] == [
        ("Bob", "Bob", "photographer", 0.75, True),
        ("Dee", "Cid", "model", 0.25, True),
        ("Ann", "Ann", None, None, False),
    ]
    assert facts(registry, dee).co_owned == [{"role": "model", "works": 1}]
    assert facts(registry, ann).works == 0


def test_an_unknown_id_is_refused(registry: Registry, holders: dict[str, int]) -> None:
    """Also among many; none is no error."""
    with registry.connection() as connection:
        with pytest.raises(NotFoundError, match="no rightsholder #77"):
            current_rightsholder_ids(connection, np.array([*holders.values(), 77]))
        assert len(current_rightsholder_ids(connection, [])) == 0
