"""Naming works and rightsholders: every way finds the record that is meant, anything else says what
to do.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from registry.errors import NotFoundError, UsageError
from registry.event_log.events import changing
from registry.ingest.owners.declarations import FolderPerRightsholder
from registry.storage.database import Registry
from registry.works.identity import identity_of
from registry.works.lookup import resolve_rightsholder, resolve_works
from tests.support.works import NOW, encoded, picture, register, write, write_pictures


def works(registry: Registry, *references: str) -> list[int]:
    with registry.connection() as connection:
        return resolve_works(connection, references)


def holder(registry: Registry, reference: str) -> int:
    with registry.connection() as connection:
        return resolve_rightsholder(connection, reference)


def add_stated_work(registry: Registry, number: int, **columns: str) -> None:
    """A work that is known by its metadata alone."""
    key = columns.get("sha256") or columns.get("other_hash") or columns["url"]
    with changing(registry, NOW) as change:
        names = ", ".join(columns)
        change.connection.execute(
            f"INSERT INTO asset (id, data_set_id, {names}, identity, registered_at, permission) "  # noqa: S608 - the test's own
            f"VALUES (?, 0, {', '.join('?' * len(columns))}, ?, ?, 'unclear')",
            [number, *columns.values(), identity_of(key), NOW],
        )
        change.record("works registered", "data set works", after={"registered": 1})


def test_every_way_to_name_a_work_finds_it(registry: Registry, folder: Path) -> None:
    """Number, whole hash in any case, a start of it, and place; each work once, in the order of the
    references.
    """
    register(registry, write_pictures(folder, ["a.png", "b.png", "deep/c.png"]))
    hashes = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("a.png", "b.png", "deep/c.png")]
    assert works(registry, "1") == works(registry, "#1") == [1]
    assert works(registry, "0001") == [1]
    assert works(registry, hashes[2], hashes[0].upper()) == [2, 0]
    assert works(registry, hashes[1][:8], hashes[1][:20].upper()) == [1]
    assert works(registry, "works:deep/c.png", "2", "works:a.png", hashes[0]) == [2, 0]
    assert works(registry) == []


def test_what_no_work_has_says_what_was_expected(registry: Registry, folder: Path) -> None:
    """Unknown, malformed and hostile references are one line, never a crash, and never some other
    work.
    """
    register(registry, write_pictures(folder, ["a.png"]))
    strange = ["", " ", "\0", "١", "1.0", "' OR true --", "%", "\udcff", ":", ":" * 10_000]
    unknown = [
        "7",
        "-1",
        "9" * 20,
        "1" * 64,
        "g" * 64,
        "abcdef0",
        "#7",
        "##0",
        "works:nothing.png",
        "none:a.png",
        "works:",
    ]
    for reference in (*strange, *unknown):
        with pytest.raises(NotFoundError, match="no work") as error:
            works(registry, "0", reference)
        assert "\n" not in str(error.value)


def test_the_start_of_several_hashes_is_no_answer(registry: Registry, folder: Path) -> None:
    """Even if one of them is registered first."""
    register(registry, write_pictures(folder, ["a.png"]))
    add_stated_work(registry, 1, sha256="abcdef01" + "0" * 56)
    add_stated_work(registry, 2, sha256="abcdef01" + "1" * 56)
    assert works(registry, "abcdef010") == [1]
    with pytest.raises(UsageError, match="give more digits"):
        works(registry, "abcdef01")


def test_a_number_comes_before_the_start_of_a_hash(registry: Registry, folder: Path) -> None:
    """Digits alone are a number as long as a work has it; else they may be the start of a hash."""
    register(registry, write_pictures(folder, ["a.png"]))
    add_stated_work(registry, 1, sha256="12345678" + "a" * 56)
    assert works(registry, "12345678") == [1]
    add_stated_work(registry, 12345678, sha256="f" * 64)
    assert works(registry, "12345678") == [12345678]


def test_a_work_known_by_metadata_alone_is_found_by_what_identifies_it(registry: Registry, folder: Path) -> None:
    """Its address, or the other hash that its source states; not by an address that is not its
    identity.
    """
    register(registry, write_pictures(folder, ["a.png"]))
    add_stated_work(registry, 1, url="https://example.org/é?x=1")
    add_stated_work(registry, 2, url="https://example.org/2", other_hash="md5:00ff")
    assert works(registry, "https://example.org/é?x=1", "md5:00ff") == [1, 2]
    with pytest.raises(NotFoundError):
        works(registry, "https://example.org/2")


def test_a_place_means_the_work_that_was_last_found_there(registry: Registry, folder: Path) -> None:
    """Where a file was replaced, the newer work is meant, and the older one still has its number;
    colons may be anywhere.
    """
    register(registry, write_pictures(folder, ["a:b.png"]), data_set="set:a")
    write(folder / "a:b.png", encoded(picture(100)))
    register(registry, folder, data_set="set:a")
    assert works(registry, "set:a:a:b.png") == [1]
    assert works(registry, "0") == [0]


def test_a_rightsholder_is_named_exactly_or_by_number(registry: Registry, folder: Path) -> None:
    """Also with a decomposed accent; a name that looks like a number does not hide the record of
    that number.
    """
    write_pictures(folder, ["Zoë/1.png", "#1/2.png", "Bob/3.png"])
    register(registry, folder, FolderPerRightsholder(None))
    with registry.connection() as connection:
        ids = dict(connection.execute("SELECT name, id FROM rightsholder").fetchall())
    assert holder(registry, "Zoe\N{COMBINING DIAERESIS}") == ids["Zoë"]
    assert holder(registry, " Bob ") == ids["Bob"]
    assert [holder(registry, f"#{number}") for number in ids.values()] == list(ids.values())
    assert holder(registry, "#1") == ids["Bob"] != ids["#1"]


def test_a_merged_record_stands_for_the_one_that_counts(registry: Registry, folder: Path) -> None:
    """By name and by number."""
    register(registry, write_pictures(folder, ["Bob/1.png", "Robert/2.png"]), FolderPerRightsholder(None))
    with registry.connection() as connection:
        connection.execute("UPDATE rightsholder SET merged_into = 1 WHERE id = 0")
    assert holder(registry, "Bob") == holder(registry, "#0") == 1


def test_an_unknown_rightsholder_says_what_to_do(registry: Registry, folder: Path) -> None:
    """With the names that are nearly this one."""
    register(registry, write_pictures(folder, ["Bob/1.png"]), FolderPerRightsholder(None))
    listed = ["Nobody at all", "#99", "#99999999999999999999", "", "\0", "x" * 100_000]
    advice = {
        "bobb": r"did you mean 'Bob'\?",
        "\udcff": "not UTF-8",
        **dict.fromkeys(listed, "creditline rightsholders"),
    }
    for reference, expected in advice.items():
        with pytest.raises(NotFoundError, match=expected):
            holder(registry, reference)


def test_a_name_that_several_have_is_no_answer(registry: Registry, folder: Path) -> None:
    """Their numbers are."""
    register(registry, write_pictures(folder, ["Bob/1.png"]), FolderPerRightsholder(None))
    with registry.connection() as connection:
        connection.execute("INSERT INTO rightsholder (id, name, created_at) VALUES (5, 'Bob', ?)", [NOW])
    with pytest.raises(UsageError, match="#0, #5"):
        holder(registry, "Bob")
