"""Nothing forged goes out: after plain SQL no document rests on what was changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from registry.errors import IntegrityError
from registry.event_log.events import changing, read_head
from registry.event_log.verify import verify
from registry.home import Home
from registry.storage.database import Registry
from reports.data_sets.document import DATA_SET
from reports.filings import ai_act
from reports.filings.versions import file_version
from reports.outputs.selection import newest_audits
from reports.outputs.write import write_reports
from reports.standards.write import write_croissant, write_prov, write_spdx
from reports.statements.document import STATEMENT
from reports.tables.write import TABLES, export_table
from tests.support.world import NOON, make_world

ENSEMBLE = "e" * 12


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with an audited sample."""
    world = make_world(tmp_path_factory.mktemp("forged") / "home")
    world.add_audit((0, 8, 20), sample=world.add_sample(0))
    return world.home.root


def report(registry: Registry, out: Path) -> None:
    with registry.session() as session:
        audits = newest_audits(session)
    write_reports(registry, audits, out, now=NOON)


def prov(registry: Registry, out: Path) -> None:
    with registry.session() as session:
        (audit,) = newest_audits(session)
    write_prov(registry, f"audit {audit.id}", out / "x.json", NOON)


def table_of(name: str, registry: Registry, out: Path) -> None:
    export_table(registry, name, out / "x.csv", NOON)


ISSUE: dict[str, Callable[[Registry, Path], object]] = {
    "report": report,
    "statement": lambda registry, out: STATEMENT.write(registry, "#0", out, NOON),
    "data set": lambda registry, out: DATA_SET.write(registry, "shapes", out, NOON),
    "croissant": lambda registry, out: write_croissant(registry, "shapes", out / "x.json", NOON),
    "spdx": lambda registry, out: write_spdx(registry, ENSEMBLE, out / "x.json", NOON),
    "prov": prov,
    "table": lambda registry, out: export_table(registry, "audits", out / "x.csv", NOON),
}
FORGED = {
    "candidate": ("UPDATE candidate SET q_value = 0.9 WHERE rank = 1", ("report", "statement", "prov", "table")),
    "asset_rights": ("UPDATE asset_rights SET title = 'Other' WHERE id = 0", tuple(ISSUE)),
    "rightsholder": ("UPDATE rightsholder SET name = 'Other' WHERE id = 0", tuple(ISSUE)),
    "sample": ("UPDATE sample SET seed = 5", ("report", "statement", "prov", "table")),
    "member": ("UPDATE member SET weights_sha256 = 'x' WHERE index = 3", ("report", "spdx", "prov")),
    "asset": ("UPDATE asset SET permission = 'prohibited' WHERE id = 0", tuple(ISSUE)),
    "event": ("UPDATE event SET actor = 'nobody' WHERE sequence = 1", tuple(ISSUE)),
}


STRANGE = {
    "asset": "UPDATE asset SET permission = 'x' WHERE id = 0",
    "licence": "UPDATE licence SET training = 'x'",
}
"""Values that creditline never writes, at which a reader of facts may break off."""
ABOUT_WORKS: dict[str, Callable[[Registry, Path], object]] = ISSUE | {
    "filing": lambda registry, out: file_version(registry, ai_act.FORM, ENSEMBLE, None, out, NOON),
    **{f"table of {name}": partial(table_of, name) for name in TABLES},
}


@pytest.mark.parametrize("kind", ABOUT_WORKS)
@pytest.mark.parametrize("table", STRANGE)
def test_a_value_that_no_reader_expects_is_told_as_forged(
    original: Path, tmp_path: Path, table: str, kind: str
) -> None:
    """The check comes before the facts, so that no reader's error hides it."""
    shutil.copytree(original, tmp_path / "home")
    registry = Registry.open(Home(tmp_path / "home"))
    with registry.connection() as connection:
        connection.execute(STRANGE[table])
    with pytest.raises(IntegrityError, match=table):
        ABOUT_WORKS[kind](registry, tmp_path)


@pytest.mark.parametrize(("table", "kind"), [(table, kind) for table, (_, kinds) in FORGED.items() for kind in kinds])
def test_nothing_forged_is_written(original: Path, tmp_path: Path, table: str, kind: str) -> None:
    """Status 3, the message names the table, and there is no file and no event."""
    shutil.copytree(original, tmp_path / "home")
    registry = Registry.open(Home(tmp_path / "home"))
    with registry.connection() as connection:
        connection.execute(FORGED[table][0])
    out = tmp_path / "out"
    out.mkdir()
    before = read_head(registry.home.log_head)
    with pytest.raises(IntegrityError, match=table) as caught:
        ISSUE[kind](registry, out)
    assert caught.value.exit_code == 3
    assert list(out.iterdir()) == []
    assert read_head(registry.home.log_head) == before


@pytest.mark.parametrize("kind", ["report", "statement"])
def test_an_audit_whose_own_file_was_altered_is_not_reported(original: Path, tmp_path: Path, kind: str) -> None:
    """The file is sealed by its hash in the audit's row."""
    shutil.copytree(original, tmp_path / "home")
    registry = Registry.open(Home(tmp_path / "home"))
    for path in (tmp_path / "home" / "audits").iterdir():
        path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(IntegrityError, match="is not the file that the audit wrote"):
        ISSUE[kind](registry, tmp_path / "out")


OTHERWISE = {
    "p_value": ("UPDATE candidate SET p_value = 0.9 WHERE rank = 1", "candidate.*rank 1: p_value is 0.9"),
    "statistic": ("UPDATE candidate SET statistic = 99 WHERE rank = 2", "candidate.*rank 2: p_value"),
    "q_value": ("UPDATE candidate SET q_value = 0.001 WHERE rank = 3", "candidate.*rank 3: q_value is 0.001"),
    "nan": (
        "UPDATE candidate SET q_value = 'nan' WHERE rank = 3",
        "candidate.*rank 3: q_value is nan|with a value that is no number",
    ),
    "influence_estimate": (
        "UPDATE candidate SET influence_estimate = 99 WHERE rank = 1",
        "candidate.*rank 1: influence_estimate is 99",
    ),
    "removed": ("DELETE FROM candidate WHERE rank = 3", "candidate.*: 2 rows, and 3 in the audit's own file"),
    "unit_number": ("UPDATE candidate SET unit_number = 7 WHERE rank = 3", "candidate.*rank 3: influence_estimate"),
}


@pytest.mark.parametrize(
    ("change", "kind"),
    [*((change, "statement") for change in OTHERWISE), *(("q_value", kind) for kind in ("report", "prov", "table"))],
)
def test_candidates_say_what_the_audits_own_file_says(original: Path, tmp_path: Path, change: str, kind: str) -> None:
    """Even where somebody sealed the altered rows anew, with creditline itself."""
    shutil.copytree(original, tmp_path / "home")
    registry = Registry.open(Home(tmp_path / "home"))
    what, told = OTHERWISE[change]
    with changing(registry, NOON) as sealing:
        ((audit,),) = sealing.connection.execute("SELECT id FROM audit").fetchall()
        sealing.connection.execute(what)
        sealing.record("output audited", f"audit {audit}")
        sealing.seal("candidate", audit)
    assert not verify(registry).faults
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(IntegrityError, match=told) as caught:
        ISSUE[kind](registry, out)
    assert caught.value.exit_code == 3
    assert list(out.iterdir()) == []


@pytest.mark.slow
def test_an_untouched_registry_issues_all(original: Path, tmp_path: Path) -> None:
    """Every kind of document that the others refuse."""
    shutil.copytree(original, tmp_path / "home")
    registry = Registry.open(Home(tmp_path / "home"))
    for number, issue in enumerate(ISSUE.values()):
        out = tmp_path / str(number)
        out.mkdir()
        issue(registry, out)
        assert list(out.iterdir())
