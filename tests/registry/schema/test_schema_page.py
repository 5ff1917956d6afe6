"""docs/schema.md: it has every table, view and column that the registry has, no other, and its
queries answer.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from registry.encodings.store import create_encoding
from registry.event_log.events import Change
from registry.ingest.owners.table import OwnerTable
from registry.permissions.derived_columns import recompute
from registry.storage import tables
from registry.storage.database import Registry
from registry.storage.relation_names import TABLES, VIEWS
from tests.support.works import NOW, register, write_csv, write_pictures

PAGE = (Path(__file__).parents[3] / "docs" / "schema.md").read_text(encoding="utf-8")
QUESTIONS = dict(re.findall(r"^([^\n]+)\n\n```sql\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))

ANSWERS: dict[str, list[tuple[Any, ...]]] = {
    "How much may be trained on?": [("prohibited", 2), ("permitted", 1)],
    "What of a rightsholder's": [
        ("b.png", "Two", "CC0-1.0", "prohibited"),
        ("c.png", "Three", "House rules", "prohibited"),
    ],
    "Which works were declared under": [(0, "CC-BY-4.0", "MIT")],
    "Which licences were not understood": [("House rules", "not understood: 'House rules'; kept as declared", 1)],
    "Which base models are there": [("sd15", None, None, "works")],
    "Which models saw this work?": [("e", "e-0", 1, "m")],
    "Which members that are the newest": [("e", "e-0")],
    "What is claimed and not decided": [(0, "Ada Example", 1, "mine")],
    "How often were a rightsholder's": [("Ada Example", 1)],
    "Which works say themselves": [(1, "plus", "prohibited", "CC0-1.0")],
    "What do the sources say": [("flat", 2), ("round", 1)],
}
"""What the answers begin with, on the registry below."""


@pytest.fixture
def asked(registry: Registry, folder: Path) -> Registry:
    """Three works about which there is something to ask."""
    write_pictures(folder, ["a.png", "b.png", "c.png"])
    table = write_csv(
        folder.parent / "owners.csv",
        [
            {"path": "a.png", "rightsholder": "Ada Example", "licence": "CC-BY-4.0", "title": "One", "style": "flat"},
            {"path": "b.png", "rightsholder": "Zoe Example", "licence": "CC0-1.0", "title": "Two", "style": "flat"},
            {
                "path": "c.png",
                "rightsholder": "Zoe Example",
                "licence": "House rules",
                "title": "Three",
                "style": "round",
            },
        ],
    )
    register(registry, folder, OwnerTable(table))
    encoding = create_encoding(registry, "asset", None, 4, 2, 0, NOW)
    with registry.connection() as connection:
        code, *_ = connection.execute("SELECT code FROM unit WHERE key = '0'").fetchall()[0]
        index = (code & -code).bit_length() - 1
        for query, values in (
            ("INSERT INTO ensemble VALUES ('e', ?, '{}', ?)", [encoding.id, NOW]),
            (
                'INSERT INTO member (id, ensemble_id, "index", generation, origin, manifest, manifest_sha256, merkle_root, '
                "weights_sha256, registered_at) VALUES ('e-0', 'e', ?, 1, 'trained', '{}', 'm', 'r', 'w', ?)",
                [index, NOW],
            ),
            (
                "INSERT INTO licence VALUES (9, 'MIT', 'MIT', true, 'permitted', '[]', NULL, '', ?)",
                [NOW],
            ),
            (
                "INSERT INTO asset_rights (id, asset_id, basis, rightsholder_id, licence_id, recorded_from, recorded_by, "
                "recorded_at) VALUES (9, 0, 'verified', 0, 9, 'letter', 'x', ?)",
                [NOW],
            ),
            ("INSERT INTO review VALUES (0, 'rightsholder', 1, 'prohibited', NULL, 'a letter', NULL, 'x', ?)", [NOW]),
            ("INSERT INTO claim VALUES (0, 0, 'mine', NULL, NULL, 'x', ?)", [NOW]),
            ("INSERT INTO claim_work VALUES (0, 0, 1, 'id', NULL)", []),
            ("INSERT INTO base_model VALUES ('b', 'p', 'sd', 'epsilon', '{}', '{}', 77, NULL, ?)", [NOW]),
            ("INSERT INTO base_details VALUES ('b', 0, 'sd15', '/sd15', NULL, NULL, 0, 'x', ?, NULL)", [NOW]),
            (
                "INSERT INTO rights_signal VALUES (0, 1, 'plus', 'ai training', 'prohibited', NULL, 'raw', 'xmp', NULL, ?)",
                [NOW],
            ),
            (
                "INSERT INTO audit (id, ensemble_id, subject_kind, image_sha256, settings, ranker, test, attributable, "
                "artefact_sha256, versions, timings, created_at) VALUES "
                "('a', 'e', 'image', 'x', '{\"false_discovery_rate\": 0.05}', '{}', '{}', true, 'x', '{}', '{}', ?)",
                [NOW],
            ),
            (
                "INSERT INTO candidate VALUES ('a', 1, 0, 1, 1, 0.01, 0.01, 0.1, 0.05, 0.2, "
                "NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
                [],
            ),
        ):
            connection.execute(query, values)
        recompute(Change(connection, "tests", NOW), None)
        connection.execute("INSERT INTO withdrawal VALUES (0, 'asset', 0, 'asked', 'x', ?)", [NOW])
        connection.execute("INSERT INTO withdrawal_work VALUES (0, 0, 0)")
    return registry


def test_the_page_has_every_table_and_view_with_its_columns_in_order(registry: Registry) -> None:
    """What is added is described, and what is described is there."""
    with registry.reading() as connection:
        found: dict[str, list[str]] = {}
        for relation, column in connection.execute(
            "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal ORDER BY table_name, column_index"
        ).fetchall():
            found.setdefault(relation, []).append(column)
    assert set(found) == TABLES | VIEWS
    sections = re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    described = {name: re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) for name, text in sections}
    assert described == found


def test_the_page_describes_a_table_as_its_model_does() -> None:
    """In the docstring's words, so that the two do not drift apart."""
    models = {getattr(model, "__tablename__", None): model for model in vars(tables).values()}
    assert set(models) >= TABLES
    page = " ".join(PAGE.split())
    for name in sorted(TABLES):
        described = re.sub(r":\w+:`([^`]*)`", r"`\1`", " ".join((models[name].__doc__ or "").split()))
        assert f"### `{name}` {described.replace('``', '`')} |" in page


def test_every_column_has_a_meaning() -> None:
    """No empty cell."""
    assert not re.search(r"\|\s*\|\s*$", PAGE, re.MULTILINE)


def test_there_are_a_dozen_questions() -> None:
    """The answers below are to questions of the page."""
    assert len(QUESTIONS) >= 12
    assert all(any(question.startswith(start) for question in QUESTIONS) for start in ANSWERS)


def test_the_questions_are_answered(asked: Registry) -> None:
    """As `creditline sql` asks them, with something in the answer to each."""
    for question, query in QUESTIONS.items():
        with asked.reading() as connection:
            answer = connection.execute(query).fetchall()
        assert answer, question
        expected = next((rows for start, rows in ANSWERS.items() if question.startswith(start)), None)
        if expected is not None:
            assert [row[: len(expected[0])] for row in answer] == expected, question
