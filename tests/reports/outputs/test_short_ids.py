"""Images with one short id: each has its own audits, report, findings and rows."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from registry.errors import UsageError
from registry.outputs.history import audits_of_image
from registry.storage.tables import Audit
from reports.outputs.selection import named_audits, newest_audits
from reports.statements.document import STATEMENT
from reports.tables.write import export_table
from tests.support.world import NOON, World

SHARED = "0123456789ab"


@pytest.fixture
def audits(fresh: World) -> dict[str, Audit]:
    """By image: a sample, an image whose hash begins with its id, and two that begin alike."""
    sample = fresh.add_sample(0)
    made = {sample.id: fresh.add_audit((0, 30), sample=sample)}
    for number, sha256 in enumerate((sample.id + "0" * 52, SHARED + "0" * 52, SHARED + "f" * 52), start=1):
        beaten = (0, 40, 50, 60)[: number + 1]
        made[sha256] = fresh.add_audit(beaten, first=number, image_name=f"{number}.png", image_sha256=sha256)
    return made


@pytest.mark.slow
def test_each_image_has_its_own_report(fresh: World, audits: dict[str, Audit], tmp_path: Path) -> None:
    """Under its own name, of its own audit and candidates, and without the others' history."""
    written = fresh.render(tmp_path)
    assert written.damaged == ()
    assert {each.output_id for each in written.facts.reports} == audits.keys()
    for name, audit in audits.items():
        report = json.loads((tmp_path / f"{name}.json").read_bytes())
        assert (tmp_path / f"{name}.html").is_file()
        assert report["audit_id"] == audit.id
        assert report["output"]["id"] == name
        assert report["output"]["image_sha256"] == audit.image_sha256
        assert [each["audit_id"] for each in report["audits_of_image"]] == [audit.id]


def test_a_name_that_fits_two_images_names_neither(fresh: World, audits: dict[str, Audit]) -> None:
    """A whole id names its own image, although another's hash begins with it."""
    with fresh.registry.session() as session:
        with pytest.raises(UsageError, match=f"{SHARED}0+, {SHARED}f+"):
            named_audits(session, [SHARED])
        for name, audit in audits.items():
            assert [each.id for each in named_audits(session, [name])] == [audit.id]
        assert {each.id for each in newest_audits(session)} == {audit.id for audit in audits.values()}
    with fresh.registry.connection() as connection:
        for audit in audits.values():
            (only,) = audits_of_image(connection, audit.id)
            assert (only.audit_id, only.newest) == (audit.id, True)


def test_tables_and_statements_count_each_image(fresh: World, audits: dict[str, Audit], tmp_path: Path) -> None:
    """A row per image, and a finding is listed with the image that it is about."""
    export_table(fresh.registry, "audits", tmp_path / "audits.csv", NOON)
    rows = duckdb.sql(f"SELECT output_id, audit_id FROM '{tmp_path}/audits.csv'").fetchall()  # noqa: S608 - our file
    assert dict(rows) == {name: audit.id for name, audit in audits.items()}
    found: dict[str, tuple[str, str]] = {}
    for holder in (0, 1):
        facts = STATEMENT.write(fresh.registry, f"#{holder}", tmp_path / str(holder), NOON).facts.facts
        found |= {output.id: (output.image_sha256, output.audit_id) for output in facts.outputs}
    assert found == {name: (audit.image_sha256, audit.id) for name, audit in audits.items()}
