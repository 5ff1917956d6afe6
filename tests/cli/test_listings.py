"""sql, show, and the listings' options: what is printed, what is written, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import Creditline


def test_any_question_is_answered(filled: Creditline, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a table, as JSON, from an argument or from stdin; with a note where there is more."""
    found = filled("sql", "SELECT title, rightsholder FROM work ORDER BY title", "--limit", 2)
    assert [line.split() for line in found.out.splitlines()] == [
        ["title", "rightsholder"],
        ["Moon", "Zoe", "Example"],
        ["Star", "Zoe", "Example"],
    ]
    assert "the first 2 rows" in found.err
    monkeypatch.setattr(sys, "stdin", io.StringIO("SELECT 1 AS x, 'a' AS y\n"))
    document = filled("sql", "--json").document
    assert (document["columns"], document["rows"], document["more"]) == (["x", "y"], [[1, "a"]], False)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT ';' AS x;",
        ";; SELECT 1 /* ; */ AS x ; -- SELECT 2",
        'SELECT 1 AS "x;y"',
        "PIVOT (SELECT permission, asset_id FROM work) ON permission USING count(asset_id)",
    ],
)
def test_one_statement_with_semicolons_is_one(filled: Creditline, query: str) -> None:
    """In texts, names and comments, at the end; also one that is several to DuckDB itself."""
    assert len(filled("sql", query, "--json").document["rows"]) == 1


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT nope FROM work", "the query cannot be answered: Binder Error"),
        ("DELETE FROM asset", "read-only"),
        ("COPY asset TO 'x.csv'", "file system operations are disabled"),
        ("SELECT * FROM read_text('/etc/hosts')", "file system operations are disabled"),
        ("SET enable_external_access = true", "cannot be answered"),
        ("INSTALL httpfs", "cannot be answered"),
        ("ATTACH 'other.duckdb'", "file system operations are disabled"),
        (" ", "got no query"),
        ("SELECT 1; SELECT 2", "got several statements, expected one query"),
        ("SELECT 1; DELETE FROM asset", "got several statements, expected one query"),
        ("SELECT '\ud800'", "surrogates"),
        ("SELECT " + "1+" * 100_000 + "1", "depth"),
    ],
)
def test_what_cannot_be_asked_is_one_line_and_status_2(filled: Creditline, query: str, message: str) -> None:
    """And nothing is changed or written."""
    before = (Path(filled.home) / "registry.duckdb").read_bytes()
    found = filled("sql", query)
    assert (found.status, found.out) == (2, "")
    assert message in found.err
    assert len(found.err.splitlines()) == 1
    assert (Path(filled.home) / "registry.duckdb").read_bytes() == before


def test_a_question_without_end_is_stopped(filled: Creditline) -> None:
    """After the seconds that it was given."""
    query = "SELECT count(*) FROM range(10000000000) AS a, range(1000) AS b WHERE a.range = b.range * 2.5"
    found = filled("sql", query, "--timeout", 0.5)
    assert (found.status, found.out) == (2, "")
    assert "took longer than 0.5 seconds" in found.err


@pytest.mark.slow
def test_a_question_while_another_process_writes_is_status_3(filled: Creditline) -> None:
    """Reading alone does not get past the lock."""
    program = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"
    arguments = [sys.executable, "-c", program, f"{filled.home}/registry.duckdb"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = filled("sql", "SELECT 1")
        process.kill()
    assert found.status == 3
    assert f"is in use by process {process.pid} (" in found.err


def test_listings_are_written_as_they_are_printed(filled: Creditline, tmp_path: Path) -> None:
    """To a file of each kind, with the filters and pages that were asked for."""
    out = tmp_path / "out.csv"
    found = filled("works", "--rightsholder", "Zoe Example", "--out", out)
    assert (found.status, found.out) == (0, "")
    assert "2 rows written to" in found.err
    assert [row["title"] for row in csv.DictReader(out.read_text().splitlines())] == ["Star", "Moon"]
    assert filled("works", "--out", tmp_path / "out.json", "--offset", 1, "--limit", 1, "--json").document["rows"] == 1
    (row,) = json.loads((tmp_path / "out.json").read_text())
    assert (row["title"], row["attributes"]) == ("Moon", {"style": "flat"})
    for things in ("rightsholders", "licences", "data-sets"):
        assert filled(things, "--out", tmp_path / f"{things}.jsonl").status == 0
        assert (tmp_path / f"{things}.jsonl").read_text().count("\n") == int(filled(things, "--count").out)
    assert filled("sql", "FROM exposure", "--out", tmp_path / "x.parquet").status == 0
    refused = filled("works", "--out", tmp_path / "x.xlsx")
    assert (refused.status, refused.out) == (2, "")
    assert "expected a name that ends in .csv" in refused.err


def test_listings_are_paged_filtered_and_counted(filled: Creditline) -> None:
    """The note on stderr says what is left out."""
    found = filled("works", "--limit", 1, "--offset", 1)
    assert "Moon" in found.out
    assert "Star" not in found.out
    assert "1 of 3 works, from row 2" in found.err
    assert filled("works", "--count", "--licence", "CC0-1.0").out == "2\n"
    assert filled("works", "--permission", "permitted", "--count", "--json").document["count"] == 3
    assert filled("works", "--permission", "maybe").status == 2
    assert filled("licences", "--json").document["licences"][0]["recognised"] is True
    assert filled("data-sets", "--json").document["data_sets"][0]["works"] == 3
    assert filled("rightsholders", "--matching", "ADA", "--json").document["total"] == 1


def test_a_work_is_shown_with_all_that_is_known(filled: Creditline) -> None:
    """By number, hash or place; what is there in text, everything in JSON."""
    encoding = filled("encode", "--within", "none", "--members", 10).out.strip()
    found = filled("show", 2)
    assert found.out.startswith("Work 2: Sun\n")
    for text in ("Ada Example", "Permission: permitted", "licence CC-BY-4.0", "owners.csv", encoding):
        assert text in found.out
    (shown,) = filled("show", "works:sun.png", "--json").document["works"]
    assert shown["work"]["asset_id"] == 2
    assert [row["rightsholder"] for row in shown["rights_history"]] == ["Ada Example"]
    assert len(shown["encodings"][0]["members"]) == 4
    assert filled("show", shown["work"]["sha256"], "--json").document["works"] == [shown]
    missing = filled("show", 99)
    assert (missing.status, missing.out) == (2, "")
    assert "no work '99'" in missing.err
