"""The tables as files: the same rows in every format, stamped, as documented, and harmless whatever
is in them.
"""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from jsonschema import Draft202012Validator

from registry.errors import InputError, UsageError
from registry.export.cells import spreadsheet_text
from registry.export.files import SUFFIXES
from registry.home import Home
from registry.ids import sha256_of
from registry.schema.create import create_registry
from registry.storage.database import Registry
from reports.checking.document_check import check_document
from reports.checking.json_schemas import published
from reports.issuing.stamp import PARQUET_KEY, Stamp, beside
from reports.outputs.candidates_table import CELL_LIMIT
from reports.outputs.candidates_table import TABLE as CANDIDATES
from reports.rendering.columns import batch_of
from reports.tables.write import TABLES, export_table
from tests.support.golden import check_golden
from tests.support.sealing import reseal
from tests.support.world import HOSTILE, NOON, World, fill, make_world

GOLDEN = Path(__file__).parent / "golden"
PAGE = Path(__file__).parents[3] / "docs" / "tables.md"
NOW = NOON + datetime.timedelta(days=1)
LATER = NOW + datetime.timedelta(days=1)


@pytest.fixture
def small(world: World, tmp_path: Path) -> World:
    """A copy of the world with an audit of every kind, to be changed."""
    shutil.copytree(world.home.root, tmp_path / "home")
    return World(Registry.open(Home(tmp_path / "home")))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Works and units with markup, a formula and a hundred thousand characters in their names."""
    made = make_world(tmp_path_factory.mktemp("hostile"), first_title="=" + HOSTILE)
    fill(made)
    return made


def read_csv(path: Path) -> list[dict[str, str]]:
    text = path.read_bytes().decode("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().decode().split("\n")[:-1]]


@pytest.mark.parametrize("suffix", [".csv", ".json"])
@pytest.mark.parametrize("name", TABLES)
def test_golden(small: World, tmp_path: Path, name: str, suffix: str) -> None:
    """Each table byte for byte, with the clock pinned."""
    given = export_table(small.registry, name, tmp_path / f"{name}{suffix}", NOW)
    check_golden(GOLDEN / f"table-{name}{suffix}", given.path.read_bytes())


def test_page_has_exactly_the_columns() -> None:
    """``docs/tables.md`` lists every column of every table with its type, unit, meaning and what an
    empty cell means.
    """
    page = PAGE.read_text()
    places = re.compile(r"(<!-- columns of (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
    check_golden(PAGE, places.sub(lambda found: found[1] + TABLES[found[2]].markdown() + found[3], page).encode())
    for name, table in TABLES.items():
        part = page.partition(f"<!-- columns of {name} -->")[2].partition("<!-- end -->")[0]
        assert tuple(line.split("`")[1] for line in part.splitlines() if line.startswith("| `")) == table.names
        assert all(column.meaning for column in table.columns)


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_every_format_has_the_same_rows(small: World, tmp_path: Path, name: str) -> None:
    """JSON, JSON lines and Parquet alike, CSV with the same names and as many records; rows satisfy
    the schema.
    """
    paths = {suffix: export_table(small.registry, name, tmp_path / f"t{suffix}", NOW).path for suffix in SUFFIXES}
    document = json.loads(paths[".json"].read_bytes())
    schema = json.loads(published()[f"{name}-table.schema.json"])
    Draft202012Validator(schema).validate(document)
    rows = document["rows"]
    assert rows
    assert read_lines(paths[".jsonl"]) == rows
    cells = read_csv(paths[".csv"])
    assert len(cells) == len(rows)
    assert {tuple(row) for row in cells} == {TABLES[name].names} == {tuple(row) for row in rows}
    table = pq.read_table(paths[".parquet"])
    assert table.schema.equals(TABLES[name].arrow())
    for column in TABLES[name].columns:
        values = table[column.name].to_pylist()
        if column.kind == "time":
            values = [None if value is None else value.isoformat(timespec="microseconds") for value in values]
        if column.kind == "object":
            values = [json.loads(value) for value in values]
        assert values == [row[column.name] for row in rows], column.name
        assert column.null or None not in values, f"{column.name} is null, which the page says never happens"


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_stamps_hold(small: World, tmp_path: Path, name: str, suffix: str) -> None:
    """A table is on record, the registry says the same, its stamp is over the JSON lines, and a
    changed byte shows.
    """
    path = tmp_path / f"t{suffix}"
    given = export_table(small.registry, name, path, NOW)
    checked = check_document(small.registry, path)
    assert (checked.state, checked.facts, checked.stamp_fits) == ("unaltered", "same", True)
    assert checked.stamp == given.stamp
    assert given.files == ((path, beside(path)) if suffix in (".csv", ".jsonl") else (path,))
    lines = export_table(small.registry, name, tmp_path / "again.jsonl", LATER).path.read_bytes()
    assert sha256_of({"rows": given.facts.rows, "sha256": hashlib.sha256(lines).hexdigest(), "unread": []}) == (
        given.stamp.facts_sha256
    )
    data = bytearray(path.read_bytes())
    # Not at an end, where Parquet has its stamp and JSON has its own.
    place = 8 if suffix == ".parquet" else len(data) - 8
    data[place] ^= 1
    path.write_bytes(data)
    assert check_document(small.registry, path).state == "altered"


@pytest.mark.slow
def test_registry_moves_on(small: World, tmp_path: Path) -> None:
    """After another audit the tables that have audits are out of date; the table of works is
    not.
    """
    given = [export_table(small.registry, name, tmp_path / f"{name}.csv", NOW) for name in TABLES]
    small.add_audit((0, 5, 90), first=3, sample=small.add_sample(9), created_at=LATER)
    found = [check_document(small.registry, each.path).facts for each in given]
    assert found == ["changed", "same", "changed", "changed"]


@pytest.mark.slow
def test_newest_or_all_audits(small: World, tmp_path: Path) -> None:
    """The newest audit of every output, or all of them; the table of audits has all and marks the
    newest.
    """
    sample = small.add_sample(11)
    for created_at in (NOON, LATER):
        small.add_audit((0, 5), first=4, sample=sample, created_at=created_at)
    newest = export_table(small.registry, "candidates", tmp_path / "newest.jsonl", NOW)
    every = export_table(small.registry, "candidates", tmp_path / "every.jsonl", NOW, all_audits=True)
    assert every.facts.rows == newest.facts.rows + 2
    assert {row["audited_at"][:10] for row in read_lines(newest.path) if row["output_id"] == sample.id} == {
        "2026-03-16"
    }
    audits = read_lines(export_table(small.registry, "audits", tmp_path / "audits.jsonl", NOW).path)
    assert [row["newest"] for row in audits if row["output_id"] == sample.id] == [False, True]
    assert check_document(small.registry, every.path).facts == "same"


def test_audits_agree_with_their_candidates(small: World, tmp_path: Path) -> None:
    """Tested, passing, smallest p and q: as counted from the table of candidates."""
    candidates = read_lines(export_table(small.registry, "candidates", tmp_path / "c.jsonl", NOW, all_audits=True).path)
    for row in read_lines(export_table(small.registry, "audits", tmp_path / "a.jsonl", NOW).path):
        mine = [each for each in candidates if each["audit_id"] == row["audit_id"]]
        assert row["tested"] == len(mine) > 0
        assert row["passing"] == sum(each["passes"] for each in mine)
        assert row["attributable"] == (row["passing"] > 0)
        assert row["smallest_p"] == min(each["p_value"] for each in mine)
        assert row["smallest_q"] == min(each["q_value"] for each in mine)
        assert row["seconds"] == pytest.approx(sum(row["timings"].values()))
        assert (row["seed"] is None) == (row["output_kind"] == "image")


@pytest.mark.slow
def test_no_number_is_null(small: World, tmp_path: Path) -> None:
    """NaN and infinite figures, records that are no objects and texts in place of numbers are null
    or empty, not a crash.
    """
    sample = small.add_sample(12)
    audit = small.add_audit((0, 5), first=4, sample=sample)
    with small.registry.connection() as connection:
        connection.execute("UPDATE candidate SET p_value = 'nan', q_value = 'inf' WHERE audit_id = ?", [audit.id])
        connection.execute(
            """UPDATE audit SET settings = '[1]', timings = '{"rank": "long"}',
            test = '{"decoys": "many", "smallest_p": "none"}', ranker = '3', landscape = 'null' WHERE id = ?""",
            [audit.id],
        )
    small.registry.home.audit(audit.id).unlink()  # it would contradict these figures
    reseal(small.registry)
    for suffix in SUFFIXES:
        export_table(small.registry, "audits", tmp_path / f"a{suffix}", NOW)
    rows = {row["audit_id"]: row for row in json.loads((tmp_path / "a.json").read_bytes())["rows"]}
    row = rows[audit.id]
    assert (row["tested"], row["passing"], row["smallest_p"], row["smallest_q"]) == (2, 0, None, None)
    assert (row["settings"], row["false_discovery_rate"], row["decoys"], row["possible_p"]) == ({}, None, None, None)
    given = export_table(small.registry, "candidates", tmp_path / "c.csv", NOW)
    assert len(given.facts.unread) == 1
    assert sample.id in given.facts.unread[0]
    assert sample.id not in given.path.read_text()
    assert check_document(small.registry, given.path).facts == "same"


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_hostile_texts(hostile: World, tmp_path: Path, name: str) -> None:
    """CSV runs nothing and spills nothing; the others have the text in full, and nothing is
    lost.
    """
    for suffix in SUFFIXES:
        export_table(hostile.registry, name, tmp_path / f"t{suffix}", NOW)
    rows = read_lines(tmp_path / "t.jsonl")
    cells = read_csv(tmp_path / "t.csv")
    assert len(rows) == len(cells) == pq.read_table(tmp_path / "t.parquet").num_rows
    for row, record in zip(rows, cells, strict=True):
        for column in TABLES[name].columns:
            cell, value = record[column.name], row[column.name]
            assert len(cell) <= CELL_LIMIT + 1
            if column.kind == "text" and value is not None and len(value) < CELL_LIMIT:
                assert cell == spreadsheet_text(value)
    whole = (tmp_path / "t.json").read_text()
    assert (json.dumps("=" + HOSTILE, ensure_ascii=False) in whole) == (name in ("candidates", "works"))
    if name in ("candidates", "works"):
        (title,) = {
            record["work_title" if name == "candidates" else "title"] for record in cells if "script" in str(record)
        }
        assert title.startswith("'=<script>")
        assert title.endswith("…")


def test_text_that_no_encoding_holds() -> None:
    """Half of a surrogate pair is replaced, where a file could not be written with it."""
    row: dict[str, Any] = dict.fromkeys(CANDIDATES.names)
    assert batch_of(CANDIDATES, [{**row, "unit_label": "a\ud800b"}]).column("unit_label").to_pylist() == ["a?b"]


@pytest.mark.slow
def test_an_empty_registry(tmp_path: Path) -> None:
    """Tables without rows are tables."""
    registry = create_registry(Home(tmp_path / "home"))
    for name in TABLES:
        for suffix in SUFFIXES:
            path = export_table(registry, name, tmp_path / f"{name}{suffix}", NOW).path
            assert check_document(registry, path).whole
        assert json.loads((tmp_path / f"{name}.json").read_bytes())["rows"] == []
        assert read_csv(tmp_path / f"{name}.csv") == []
        stamp = pq.read_schema(tmp_path / f"{name}.parquet").metadata[PARQUET_KEY]
        assert Stamp.model_validate_json(stamp).kind == f"{name} table"


def test_places_that_cannot_be_written(small: World, tmp_path: Path) -> None:
    """A wrong name, no such folder, a folder of that name, a folder that is not ours: one reason,
    no file, no event.
    """
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "closed").mkdir(mode=0o500)
    for place in ("t.xlsx", "nowhere/t.csv", "folder.csv"):
        with pytest.raises(UsageError):
            export_table(small.registry, "works", tmp_path / place, NOW)
    if os.getuid():
        with pytest.raises(InputError):
            export_table(small.registry, "works", tmp_path / "closed" / "t.csv", NOW)
    with small.registry.connection() as connection:
        found = connection.execute("SELECT count(*) FROM event WHERE kind = 'documents issued'").fetchall()
    assert found == [(0,)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["closed", "folder.csv", "home"]
