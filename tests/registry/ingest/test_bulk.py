"""Registering lists of works: what lands, what is refused, and that a second time changes
nothing.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import InputError, UsageError
from registry.event_log.events import changing
from registry.ingest.bulk import ListReport, batches, register_list
from registry.ingest.bulk.batches import UNOWNED
from registry.ingest.bulk.checks import suspected
from registry.ingest.bulk.registration import with_defaults
from registry.ingest.bulk.texts import tidied
from registry.ingest.lists import open_list
from registry.ingest.lists.connection import reader
from registry.ingest.store.matching import identities_of
from registry.ingest.store.supersede import supersede_listed
from registry.permissions.derived_columns import find_stale
from registry.storage.database import Registry
from registry.text import BLANKS
from registry.works.identity import identity_of
from tests.registry.ingest.lists.reading import write_parquet
from tests.support.works import NOW, encoded, picture, register, write

SHA = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(9)]


def take(registry: Registry, path: Path, *, choice: Mapping[str, Any] | None = None, **options: Any) -> ListReport:
    """Register a list at the time of the tests."""
    staging = path.parent / "staging"
    staging.mkdir(exist_ok=True)
    source = open_list(path, staging=staging, **(choice or {}))
    return register_list(registry, source, root=path, now=NOW, **options)


def query(registry: Registry, sql: str) -> list[tuple[Any, ...]]:
    """Rows of the registry."""
    with registry.connection() as connection:
        return connection.execute(sql).fetchall()


def events(registry: Registry) -> int:
    """How many there are."""
    return int(query(registry, "SELECT count(*) FROM event")[0][0])


def csv(path: Path, text: str) -> Path:
    """Write a list."""
    path.write_text(text, encoding="utf-8")
    return path


CELL = st.text(st.sampled_from(" \u00a0\u3000\u200b\ufeff\t\n?AaÉe\u0301é1"), max_size=5) | st.none()


@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=40), st.integers(0, 4), st.booleans())
@settings(max_examples=60, deadline=None)
@pytest.mark.slow
def test_texts_are_brought_into_order(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str | None, ...]], cut: int, default: bool
) -> None:
    """Trimming, letters of hashes, unknown licences and composed letters, as Python does it cell by
    cell; of a slice of a batch, too.
    """
    folder = tmp_path_factory.mktemp("list")
    names = ("sha256", "licence", "title")
    columns = {
        name: pa.array(values, pa.string()) for name, values in zip(names, zip(*cells, strict=True), strict=True)
    }
    source = open_list(write_parquet(folder / "works.parquet", columns), staging=folder)
    if default:
        source = with_defaults(source, None, "CC0-1.0")
    with reader(source.files) as connection:
        loose = connection.execute(source.select()).to_arrow_table().combine_chunks().to_batches()[0].slice(cut)
    trimmed = [[(cell or "").strip(BLANKS) or None for cell in row] for row in cells[cut:]]
    assert tidied(loose, source.untidied).select(names).to_pylist() == [
        {
            "sha256": sha256 and sha256.lower(),
            "licence": _composed(None if licence == "?" else licence) or ("CC0-1.0" if default else None),
            "title": _composed(title),
        }
        for sha256, licence, title in trimmed
    ]


def _composed(text: str | None) -> str | None:
    return text and unicodedata.normalize("NFC", text)


def test_spaces_do_not_count_as_length(registry: Registry, tmp_path: Path) -> None:
    """A name is not too long for the spaces around it; a long one is refused whatever is around
    it.
    """
    spaces = " " * 2_000
    path = csv(
        tmp_path / "works.csv",
        f"url,rightsholder\nhttps://a.org/1,{spaces}Ada{spaces}\nhttps://a.org/2, {'y' * 1025}\n",
    )
    report = take(registry, path)
    assert query(registry, "SELECT name FROM rightsholder") == [("Ada",)]
    assert [refusal.reason for refusal in report.refusals] == ["rightsholder has more than 1,024 bytes"]


def test_lengths_are_those_of_what_is_kept(registry: Registry, tmp_path: Path) -> None:
    """Composed and without the spaces around; a long address is too long and nothing else."""
    accent = "e\u0301"
    rows_ = [
        ("https://a.org/1", accent * 512, "CC0-1.0"),
        ("https://a.org/2", accent * 513, "CC0-1.0"),
        ("https://a.org/3", "Ada", accent * 1500),
        ("https://a.org/" + "y" * 8200, "Ada", "CC0-1.0"),
        ("https://a.org/5", "\u00a0\u3000\u200b", "CC0-1.0"),
        ("https://a.org/6", "\u3000Ada\u00a0", "\u00a0CC0-1.0\t"),
    ]
    names = ("url", "rightsholder", "licence")
    path = write_parquet(tmp_path / "works.parquet", dict(zip(names, map(list, zip(*rows_, strict=True)), strict=True)))
    report = take(registry, path)
    assert {one.reason for one in report.refusals} == {
        "rightsholder has more than 1,024 bytes", "url has more than 8,192 bytes", UNOWNED,
    }  # fmt: skip
    assert query(registry, "SELECT name FROM rightsholder ORDER BY name") == [("Ada",), ("é" * 512,)]
    assert query(registry, "SELECT DISTINCT reference FROM licence ORDER BY 1") == [("CC0-1.0",), ("é" * 1500,)]


def test_a_list_lands_with_its_rights(registry: Registry, tmp_path: Path) -> None:
    """Rows in their order, names as records, the licence's own terms as permission, and nothing of
    a file.
    """
    path = csv(
        tmp_path / "works.csv",
        "url,sha256,bytes,width,rightsholder,licence,title,creator,page_url,style\n"
        f"https://a.org/1,{SHA[1]},77,5,Ada,CC-BY-4.0,Sun,Zoe,https://a.org,flat\n"
        f"https://a.org/2,,,,Bob,no such thing,,,,\n",
    )
    report = take(registry, path, choice={"attributes": ["style"]})
    assert (report.registered, report.declarations, report.refused, report.works) == (2, 2, 0, 2)
    assert query(registry, "SELECT id, url, sha256, byte_size, width, permission FROM asset ORDER BY id") == [
        (0, "https://a.org/1", SHA[1], None, 5, _training(registry)),
        (1, "https://a.org/2", None, None, None, "unclear"),
    ]
    assert query(
        registry,
        "SELECT name, title, creator, source_url, attributes, recorded_from, basis FROM asset_rights "
        "JOIN rightsholder ON rightsholder.id = rightsholder_id ORDER BY asset_rights.id",
    ) == [
        ("Ada", "Sun", "Zoe", "https://a.org", '{"style":"flat"}', "works.csv", "declared"),
        ("Bob", None, None, None, None, "works.csv", "declared"),
    ]
    assert query(registry, "SELECT identity FROM asset ORDER BY id") == [
        (identity_of(SHA[1]),),
        (identity_of("https://a.org/2"),),
    ]
    with registry.connection() as connection:
        assert find_stale(connection) == []


def _training(registry: Registry) -> str:
    return str(query(registry, "SELECT training FROM licence WHERE reference = 'CC-BY-4.0'")[0][0])


def test_the_same_list_again_changes_nothing(registry: Registry, tmp_path: Path) -> None:
    """Not a row and not an event, also where rows name a work twice and state different things."""
    path = csv(
        tmp_path / "works.csv",
        "url,rightsholder,title\nhttps://a.org/1,Ada,One\nhttps://a.org/2,Ada,\nhttps://a.org/1,Bob,Other\n",
    )
    first = take(registry, path)
    assert (first.registered, first.repeated, first.works) == (2, 1, 2)
    before = events(registry), query(registry, "SELECT * FROM asset_rights ORDER BY id")
    again = take(registry, path)
    assert again.changed_nothing
    assert (again.registered, again.unchanged, again.repeated) == (0, 2, 1)
    assert (events(registry), query(registry, "SELECT * FROM asset_rights ORDER BY id")) == before
    assert (first.conflicts, first.further, again.conflicts, again.further) == (1, 1, 0, 0)
    assert query(registry, "SELECT name FROM rightsholder ORDER BY name") == [("Ada",), ("Bob",)]


def test_hashes_that_begin_alike_cost_no_more_than_others(registry: Registry, tmp_path: Path) -> None:
    """Hashes may agree in the digits that lookups use, as written on purpose: twenty thousand such
    rows are found again one by one, not as 400 million pairs.
    """
    hashes = pa.array([f"{number:064x}" for number in range(20_000)], pa.string())
    path = write_parquet(tmp_path / "works.parquet", {"sha256": hashes})
    first = take(registry, path, rightsholder="Ada Example")
    again = take(registry, path, rightsholder="Ada Example")
    assert (first.registered, again.registered, again.unchanged, again.repeated) == (20_000, 0, 20_000, 0)
    assert query(registry, "SELECT count(*), count(DISTINCT identity), count(DISTINCT sha256) FROM asset") == [
        (20_000, 1, 20_000)
    ]


def test_a_list_of_which_nothing_lands_leaves_nothing(registry: Registry, tmp_path: Path) -> None:
    """No data set without works, no event; and it does not read as if everything were there
    already.
    """
    path = csv(tmp_path / "works.csv", "url,rightsholder\nhttps://a.org/1,\nhttps://a.org/2,\n")
    report = take(registry, path)
    assert (report.refused, report.works, report.changed_nothing) == (2, 0, False)
    assert query(registry, "SELECT count(*) FROM data_set") == [(0,)]
    assert events(registry) == 0
    path.write_text("url,rightsholder\nhttps://a.org/1,Ada\n")
    assert take(registry, path).registered == 1
    assert query(registry, "SELECT id, name FROM data_set") == [(0, "works.csv")]


def test_batches_do_not_show(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeated rows are known across batches, and each batch is an event."""
    monkeypatch.setattr(batches, "ROWS", 10)
    monkeypatch.setattr(batches, "_FETCHED", 4)
    numbers = [number % 25 for number in range(60)]
    path = write_parquet(
        tmp_path / "works.parquet",
        {
            "url": [f"https://a.org/{number}" for number in numbers],
            "rightsholder": [f"Owner {place}" for place in range(60)],
        },
    )
    report = take(registry, path)
    assert (report.registered, report.repeated, report.declarations_changed) == (25, 35, 0)
    assert query(registry, "SELECT count(*), count(DISTINCT identity), max(id) FROM asset") == [(25, 25, 24)]
    assert (report.further, report.conflicts) == (35, 35), "each of these rows names another rightsholder"
    assert query(registry, "SELECT count(*) FROM rightsholder") == [(60,)]
    assert take(registry, path).changed_nothing
    kinds = query(registry, "SELECT kind, count(*) FROM event GROUP BY kind ORDER BY kind")
    assert kinds == [("data set added", 1), ("works registered", 5)]


def test_a_declaration_that_changed_is_a_newer_row(registry: Registry, tmp_path: Path) -> None:
    """The former stays; columns that the list does not have are taken over from it."""
    take(
        registry, csv(tmp_path / "a.csv", "url,rightsholder,title\nhttps://a.org/1,Ada,Sun\nhttps://a.org/2,Ada,Moon\n")
    )
    report = take(
        registry, csv(tmp_path / "b.csv", "url,owner,licence\nhttps://a.org/1,Bob,MIT\nhttps://a.org/2,Ada,\n")
    )
    assert (report.registered, report.declarations_changed, report.unchanged) == (0, 1, 1)
    rows = query(
        registry,
        "SELECT asset.id, name, title, recorded_from FROM asset JOIN asset_rights AS declared ON declared.id = declared_id "
        "JOIN rightsholder ON rightsholder.id = asset.rightsholder_id ORDER BY asset.id",
    )
    assert rows == [(0, "Bob", "Sun", "b.csv"), (1, "Ada", "Moon", "a.csv")]
    assert query(registry, "SELECT count(*) FROM asset_rights") == [(3,)]


def test_a_list_that_contradicts_what_was_declared_says_so(registry: Registry, tmp_path: Path) -> None:
    """Another rightsholder or licence, or none where there was one: recorded as the newer
    declaration, and a finding.

    Another spelling of the same licence, a name that was merged into another and a new title
    contradict nothing; and what is recorded by now is no conflict when the list comes again.
    """
    works = [f"https://a.org/{number}" for number in range(6)]
    take(
        registry,
        csv(tmp_path / "a.csv", "url,owner,licence\n" + "".join(f"{work},Ada,CC-BY-4.0\n" for work in works)),
        rightsholder="Bob",
    )
    take(registry, csv(tmp_path / "more.csv", "url,owner\nhttps://b.org,Lovelace\n"))
    with changing(registry, NOW) as change:
        change.connection.execute("UPDATE rightsholder SET merged_into = 0 WHERE name = 'Lovelace'")
        change.record("test", "rightsholder Lovelace")
    path = csv(
        tmp_path / "b.csv",
        "url,owner,licence,title\n"
        f"{works[0]},Ada,CC-BY-4.0,New\n{works[1]},Bob,CC-BY-4.0,\n{works[2]},Ada,MIT,\n{works[3]},Eve,,\n"
        f"{works[4]},Lovelace,https://creativecommons.org/licenses/by/4.0/,\nhttps://a.org/new,Bob,MIT,\n",
    )
    report = take(registry, path)
    assert (report.registered, report.declarations_changed, report.conflicts) == (1, 5, 3)
    assert [(finding.path, str(finding.kind), finding.reason) for finding in report.findings] == [
        (
            "row 2",
            "conflict",
            "names for work 1 the rightsholder 'Bob', where 'Ada' was recorded from a.csv; both stay on "
            "record, the stricter counts",
        ),
        (
            "row 3",
            "conflict",
            "names for work 2 the licence 'MIT', where 'CC-BY-4.0' was recorded from a.csv; both stay on "
            "record, the stricter counts",
        ),
        (
            "row 4",
            "conflict",
            "names for work 3 the rightsholder 'Eve', where 'Ada' was recorded and the licence (none), where 'CC-BY-4.0' "
            "was recorded from a.csv; both stay on record, the stricter counts",
        ),
    ]
    assert query(registry, "SELECT rightsholder_id FROM asset WHERE id = 1") == query(
        registry, "SELECT id FROM rightsholder WHERE name = 'Bob'"
    )
    again = take(registry, path)
    assert (again.changed_nothing, again.conflicts, again.findings) == (True, 0, ())
    assert report.to_json()["conflicts"] == 3


def test_conflicts_are_named_by_the_first(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are counted over all batches, and no more than twenty are named, also of works that a
    folder brought.
    """
    monkeypatch.setattr(batches, "ROWS", 10)
    monkeypatch.setattr(batches, "_FETCHED", 5)
    data = encoded(picture(1))
    write(tmp_path / "works" / "a.png", data)
    register(registry, tmp_path / "works")
    shas = [hashlib.sha256(data).hexdigest(), *(hashlib.sha256(bytes([number])).hexdigest() for number in range(49))]
    for name, owner in (("a", "Ada Example"), ("b", "Bob")):
        path = write_parquet(tmp_path / f"{name}.parquet", {"sha256": shas, "owner": [owner] * 50})
        report = take(registry, path)
        assert report.conflicts == (50 if owner == "Bob" else 0)
    assert [finding.path for finding in report.findings] == [f"row {number}" for number in range(1, 21)]
    assert "'Ada Example'" in report.findings[0].reason


def test_malformed_lines_are_refused_and_the_rest_is_registered(registry: Registry, tmp_path: Path) -> None:
    """Such a line is a refused row under its number in the file, whatever else counts for rows;
    again changes nothing.
    """
    path = csv(
        tmp_path / "works.csv",
        'url,rightsholder,licence\nhttps://a.org/1,Ada,MIT\nhttps://a.org/2,Ada,MIT,\U0001f600\nhttps://a.org/3,"Ada,MIT\n'
        "https://a.org/4,Bob,MIT\nmailto:x,Ada,MIT\nhttps://a.org/5,Ada,MIT\n",
    )
    for registered in (3, 0):
        report = take(registry, path, choice={"attributes": ["licence"]})
        assert (report.rows, report.registered, report.refused, report.works) == (6, registered, 3, 3)
        assert {refusal.places: refusal.reason.split(";")[0] for refusal in report.refusals} == {
            ("line 3",): "4 fields, expected 3",
            ("line 4",): "a quote is not closed, or text follows one",
            ("row 5",): "url is not one of http, https, ftp, s3 or gs",
        }
    assert query(registry, "SELECT url, name FROM asset JOIN rightsholder ON rightsholder.id = rightsholder_id") == [
        ("https://a.org/1", "Ada"),
        ("https://a.org/4", "Bob"),
        ("https://a.org/5", "Ada"),
    ]


def test_refusals_are_counted_by_reason_with_their_rows(registry: Registry, tmp_path: Path) -> None:
    """The rest goes in; ids have no gap."""
    path = csv(
        tmp_path / "works.csv",
        "url,sha256,width,rightsholder\nhttps://a.org/1,,,Ada\nmailto:a,,,Ada\nhttps://a.org/2,zz,,Ada\n"
        f"https://a.org/3,,wide,Ada\nhttps://a.org/4,{SHA[4]},3,\nhttps://a.org/5,{SHA[5]},3,Ada\nftp://a.org/6,,,Ada\n",
    )
    report = take(registry, path)
    assert {refusal.reason: refusal.first for refusal in report.refusals} == {
        "url is not one of http, https, ftp, s3 or gs": (2,),
        "sha256 is not 64 hexadecimal digits": (3,),
        "width is not a number": (4,),
        "no rightsholder is stated": (5,),
    }
    assert (report.registered, report.refused) == (3, 4)
    assert query(registry, "SELECT id, url FROM asset ORDER BY id") == [
        (0, "https://a.org/1"),
        (1, "https://a.org/5"),
        (2, "ftp://a.org/6"),
    ]


def test_refused_rows_are_named_by_the_first(registry: Registry, tmp_path: Path) -> None:
    """However many there are: a count, and the first five with their lines in the file."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"url,title\n" + b'ftp://a,"two\nlines"\nx\n' * 9)
    (refusal,) = take(registry, path, allow_unowned=True).refusals
    assert (refusal.rows, refusal.first) == (9, (2, 4, 6, 8, 10))
    assert refusal.places == ("line 4", "line 7", "line 10", "line 13", "line 16")


def test_defaults_and_unowned_works(registry: Registry, tmp_path: Path) -> None:
    """A list without owners needs one for all, or leave to have none; then nothing is declared."""
    choice = {"mapping": {"title": "TEXT"}}
    path = csv(tmp_path / "laion.csv", "URL,TEXT,NSFW\nhttps://a.org/1,,x\n")
    with pytest.raises(UsageError, match=r"--map rightsholder=COLUMN.*--rightsholder NAME.*--allow-unowned"):
        take(registry, path, choice=choice)
    assert take(registry, path, choice=choice, allow_unowned=True).declarations == 0
    assert query(registry, "SELECT declared_id, permission FROM asset") == [(None, "unclear")]
    report = take(registry, path, choice=choice, rightsholder="Ada", licence="CC0-1.0")
    assert (report.declarations, report.registered) == (1, 0)
    assert query(registry, "SELECT permission, rightsholder_id FROM asset") == [("permitted", 0)]


def test_words_for_nobody_are_empty_cells(registry: Registry, tmp_path: Path) -> None:
    """Refused with the words, or replaced by the default; a recorded name is not replaced."""
    path = csv(
        tmp_path / "a.csv",
        "url,rightsholder\nhttps://a.org/1,Unknown\nhttps://a.org/2,Ada\nhttps://a.org/3,n.a.\nhttps://a.org/4,\n"
        "https://a.org/5,Unknown\n",
    )
    report = take(registry, path)
    assert [(refusal.reason, refusal.first) for refusal in report.refusals] == [
        (f"{UNOWNED}: 'Unknown' names nobody", (1, 5)),
        (UNOWNED, (4,)),
        (f"{UNOWNED}: 'n.a.' names nobody", (3,)),
    ]
    owners = "SELECT url, name FROM asset LEFT JOIN rightsholder ON rightsholder.id = rightsholder_id ORDER BY url"
    assert query(registry, owners) == [("https://a.org/2", "Ada")]
    report = take(registry, path, rightsholder="Bob")
    assert [name for _, name in query(registry, owners)] == ["Bob", "Ada", "Bob", "Bob", "Bob"]
    assert [(finding.path, finding.reason) for finding in report.findings] == [
        ("row 1", "'Unknown' names nobody: it counts as an empty cell"),
        ("row 3", "'n.a.' names nobody: it counts as an empty cell"),
    ]
    again = csv(tmp_path / "b.csv", "url,rightsholder\nhttps://a.org/2,???\n")
    assert take(registry, again, allow_unowned=True).changed_nothing
    with pytest.raises(InputError, match="names nobody"):
        take(registry, again, rightsholder="desconocido")


def _made_alike(numbers: range) -> list[str]:
    """Hashes with equal first 64 bits: anybody can write them into a list."""
    return [f"{number:064x}" for number in numbers]


def test_hashes_that_are_made_alike_fill_no_memory(registry: Registry, tmp_path: Path) -> None:
    """A list of them is matched with the registry in a small multiple of what real hashes take."""
    count, peaks = 1_500, []
    real = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]
    for name, hashes in (("real", real), ("made", _made_alike(range(count)))):
        path = write_parquet(tmp_path / f"{name}.parquet", {"sha256": hashes, "rightsholder": ["Ada"] * count})
        assert take(registry, path).registered == count
        usual = pa.default_memory_pool()
        counting = pa.proxy_memory_pool(usual)
        pa.set_memory_pool(counting)
        try:
            report = take(registry, path)
        finally:
            pa.set_memory_pool(usual)
        assert (report.unchanged, report.changed_nothing) == (count, True)
        peaks.append(counting.max_memory())
    assert peaks[1] < 5 * peaks[0]


def test_hashes_that_are_made_alike_are_different_works(registry: Registry, tmp_path: Path) -> None:
    """Beside other rows, repeated, new and known; of two works of a text the one that is there
    counts.
    """
    first = [*_made_alike(range(40)), *SHA[:3]]
    take(registry, write_parquet(tmp_path / "first.parquet", {"sha256": first, "rightsholder": ["Ada"] * len(first)}))
    with changing(registry, NOW) as change:
        change.connection.execute(
            "INSERT INTO asset (id, data_set_id, path, sha256, identity, byte_size, registered_at, permission) "
            "VALUES (43, 0, 'a.png', ?, 0, 5, ?, 'unclear')",
            [first[30], NOW],
        )
        assert supersede_listed(change, {first[30]: 43}) == [(30, 43)]
    second = [SHA[5], *_made_alike(range(20, 60)), SHA[1], *_made_alike(range(35, 45)), SHA[1]]
    path = write_parquet(tmp_path / "second.parquet", {"sha256": second, "rightsholder": ["Ada"] * len(second)})
    report = take(registry, path)
    assert (report.registered, report.unchanged, report.repeated) == (21, 21, 11)
    assert query(registry, "SELECT count(*), count(DISTINCT sha256), max(id) FROM asset") == [(65, 64, 64)]
    assert query(registry, f"SELECT id FROM asset WHERE sha256 = '{second[-2]}'") == [(49,)]  # noqa: S608 - the test's own
    assert take(registry, path).changed_nothing


def test_a_file_and_a_list_that_mean_the_same_work(registry: Registry, tmp_path: Path) -> None:
    """A row with the hash of a file that is registered is that work."""
    data = encoded(picture(1))
    write(tmp_path / "works" / "a.png", data)
    register(registry, tmp_path / "works")
    sha256 = hashlib.sha256(data).hexdigest()
    report = take(registry, csv(tmp_path / "list.csv", f"sha256,rightsholder\n{sha256},Ada Example\n"))
    assert (report.registered, report.unchanged, report.declarations_changed) == (0, 1, 0)


def test_a_listed_work_is_superseded_by_its_file(registry: Registry, tmp_path: Path) -> None:
    """The row of the list is marked missing; its declaration and its withdrawal go over to the
    file's.
    """
    take(registry, csv(tmp_path / "list.csv", f"sha256,rightsholder,licence\n{SHA[0]},Ada,MIT\n"))
    with changing(registry, NOW) as change:
        change.connection.execute(
            "INSERT INTO withdrawal (id, scope, subject_id, reason, recorded_by, recorded_at) "
            "VALUES (0, 'asset', 0, 'no', 'me', ?)",
            [NOW],
        )
        change.connection.execute("INSERT INTO withdrawal_work (id, withdrawal_id, asset_id) VALUES (0, 0, 0)")
        change.connection.execute(
            "INSERT INTO asset (id, data_set_id, path, sha256, identity, byte_size, registered_at, permission) "
            "VALUES (1, 0, 'a.png', ?, ?, 5, ?, 'unclear')",
            [SHA[0], identity_of(SHA[0]), NOW],
        )
        assert supersede_listed(change, {SHA[0]: 1, SHA[1]: 1}) == [(0, 1)]
    assert query(registry, "SELECT id, missing_since IS NULL, rightsholder_id, permission FROM asset ORDER BY id") == [
        (0, False, 0, "withdrawn"),
        (1, True, 0, "withdrawn"),
    ]
    with changing(registry, NOW) as change:
        assert supersede_listed(change, {SHA[0]: 1}) == []
    # From then on the list's row means the work with the file.
    assert take(registry, tmp_path / "list.csv").unchanged == 1


def test_a_list_with_damage_inside_keeps_what_was_before_it(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the list; the batches before it are registered, and the whole list completes
    them.
    """
    monkeypatch.setattr(batches, "ROWS", 5_000)
    columns = {"url": [f"https://a.org/{number}" for number in range(40_000)], "rightsholder": ["Ada"] * 40_000}
    whole = write_parquet(
        tmp_path / "w.parquet", columns, row_group_size=5_000, compression="none", use_dictionary=False
    )
    data = bytearray(whole.read_bytes())
    late = len(data) * 9 // 10
    broken = tmp_path / "broken" / "w.parquet"
    broken.parent.mkdir()
    data[late : late + 20_000] = b"\xff" * 20_000
    broken.write_bytes(data)
    with pytest.raises(InputError, match=r"^w\.parquet cannot be read"):
        take(registry, broken, data_set="w")
    (count,) = query(registry, "SELECT count(*) FROM asset")[0]
    assert 0 < count < 40_000
    broken.unlink()
    assert take(registry, whole, data_set="w").registered == 40_000 - count
    assert query(registry, "SELECT count(*), count(DISTINCT url) FROM asset") == [(40_000, 40_000)]


_KILLED = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from registry.storage.database import Registry
from registry.home import Home
from registry.ingest.bulk import batches, register_list
from registry.ingest.lists import open_list
batches.ROWS = 8192
path = Path(sys.argv[2])
if len(sys.argv) > 3:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
source = open_list(path, staging=path.parent)
register_list(Registry.open(Home(Path(sys.argv[1]))), source, root=path, now=datetime.now(UTC),
    on_progress=lambda done, total: print(done, flush=True))
"""


def _many(tmp_path: Path, rows: int) -> Path:
    columns = {"url": [f"https://a.org/{number}" for number in range(rows)], "rightsholder": ["Ada"] * rows}
    return write_parquet(tmp_path / "works.parquet", columns)


@pytest.mark.slow
def test_killed_at_any_time_it_goes_on(registry: Registry, tmp_path: Path) -> None:
    """Committed batches stay, the next run completes them, and no work is there twice."""
    path = _many(tmp_path, 80_000)
    for batches_done in (1, 2):
        command = [sys.executable, "-c", _KILLED, str(registry.home.root), str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(batches_done):
                process.stdout.readline()
            time.sleep(0.02)
            process.kill()
    (count,) = query(registry, "SELECT count(*) FROM asset")[0]
    assert 2 * 8192 <= count < 80_000
    report = take(registry, path)
    assert (report.registered, report.unchanged) == (80_000 - count, count)
    assert query(registry, "SELECT count(*), count(DISTINCT identity), max(id) FROM asset") == [
        (80_000, 80_000, 79_999)
    ]
    assert query(registry, "SELECT count(*) FROM asset_rights") == [(80_000,)]


@pytest.mark.slow
def test_a_full_disk_leaves_the_registry_whole(registry: Registry, tmp_path: Path) -> None:
    """What was committed stays, and with room again the list completes."""
    path = _many(tmp_path, 80_000)
    room = registry.home.database.stat().st_size + 1_500_000
    command = [sys.executable, "-c", _KILLED, str(registry.home.root), str(path), str(room)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "Error" in ended.stderr
    report = take(registry, path)
    assert report.registered + report.unchanged == 80_000
    assert query(registry, "SELECT count(*), count(DISTINCT identity) FROM asset") == [(80_000, 80_000)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | st.text(max_size=300), max_size=12), st.integers(0, 3))
def test_identities_are_those_of_one_at_a_time(keys: list[str | None], first: int) -> None:
    """Of any texts, of any length, and of a slice of a column."""
    texts = [SHA[0], *(None if key is None else key.encode("utf-8", "ignore").decode() for key in keys)]
    column = pa.array(texts, pa.string()).slice(min(first, len(texts)))
    expected = [identity_of(key or "") for key in column.to_pylist()]
    with duckdb.connect(":memory:") as connection:
        assert identities_of(connection, column).tolist() == expected


CELL = st.sampled_from(
    ["https://a.org/1", "https:///a", "https://", "HTTP://a", " s3://b/c ", "mailto:x",
     "a\x01b", "a\nb", "\x7f", "é\u0301", "", "x" * 9_000]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(CELL, CELL, st.sampled_from([None, SHA[0], SHA[0].upper(), "ab", "g" * 64, ":" * 64])), min_size=1
    )
)
@pytest.mark.slow
def test_whatever_is_refused_was_suspected(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[Any, ...]]
) -> None:
    """The quick look errs on one side only."""
    folder = tmp_path_factory.mktemp("list")
    columns = zip(("url", "title", "sha256"), zip(*cells, strict=True), strict=True)
    path = write_parquet(folder / "w.parquet", {name: pa.array(values, pa.string()) for name, values in columns})
    source = open_list(path, staging=folder)
    with reader(source.files) as connection:
        (whole,) = connection.execute(source.select()).to_arrow_table().combine_chunks().to_batches()
        whole = tidied(whole, source.untidied)
        connection.register("whole", pa.Table.from_batches([whole]))
        checked = f"SELECT reason IS NOT NULL FROM ({source.reasons('whole')}) ORDER BY row_number"  # noqa: S608
        rows = connection.execute(checked)
        refused = np.array([bool(found) for (found,) in rows.fetchall()])
    assert not (refused & ~suspected(source, whole)).any()


def test_events_say_what_was_registered(registry: Registry, tmp_path: Path) -> None:
    """Counts and the list's name, in the log."""
    take(registry, csv(tmp_path / "w.csv", "url,rightsholder\nhttps://a.org/1,Ada\n"))
    ((after,),) = query(registry, "SELECT after FROM event WHERE kind = 'works registered'")
    said = {"declarations": 1, "list": "w.csv", "newer declarations": 0, "registered": 1, "rights signals": 0}
    assert json.loads(after) == said
