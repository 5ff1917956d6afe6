"""A statement says of a work that no member saw whether it was kept out by choice, as a probe."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from registry.encodings.store import create_encoding
from registry.event_log.events import changing
from registry.ingest.owners.declarations import FolderPerRightsholder
from registry.storage.tables import Ensemble
from reports.checking.document_check import check_document
from reports.statements.document import STATEMENT, read_statement
from reports.statements.facts import StatementFacts
from tests.support.members import ensemble_of
from tests.support.statement_world import H, N, StatementWorld, make_statement_world
from tests.support.works import NOW, register, write_pictures

CY = "Cy Example"
WORKS = 4
UNSEEN = "no member saw it"
BY_CHOICE = f"{UNSEEN}: kept out of all members by choice, as a probe"


@pytest.fixture
def world(tmp_path: Path) -> StatementWorld:
    """Cy's works came after the encoding that members were trained by."""
    made = make_statement_world(tmp_path)
    write_pictures(tmp_path / "more", [f"{CY}/{number}.png" for number in range(WORKS)], 60)
    register(made.registry, tmp_path / "more", FolderPerRightsholder("CC-BY-4.0"), data_set="more")
    return made


def keep_out(world: StatementWorld, *, trained: bool) -> set[int]:
    """A second encoding with half of all works as probes; the ids of these."""
    encoding = create_encoding(world.registry, "asset", None, N + 2, H, 2, NOW, probes=0.5)
    if trained:
        with changing(world.registry, NOW) as change:
            name = ensemble_of(encoding)
            change.insert(Ensemble(id=name, encoding_id=encoding.id, settings={"steps": 1}, created_at=NOW))
            change.record("ensemble created", f"ensemble {name}")
            change.seal("ensemble", name)
    with world.registry.connection() as connection:
        return {int(number) for (number,) in connection.execute("SELECT asset_id FROM encoding_probe").fetchall()}


def read(world: StatementWorld, name: str, folder: Path) -> StatementFacts:
    folder.mkdir(exist_ok=True)
    return read_statement(world.registry, name, folder).facts.facts


def test_works_kept_out_by_choice_are_told_from_others_that_no_member_saw(
    world: StatementWorld, tmp_path: Path
) -> None:
    """Counted in the verdict, named in the list and in the table; works of others stay unnamed."""
    probes = keep_out(world, trained=True)
    written = STATEMENT.write(world.registry, CY, tmp_path / "out", NOW)
    facts, page = read(world, CY, tmp_path / "tables"), written.page.read_text("utf-8")
    theirs = {each.asset_id for each in facts.works.listed}
    kept_out = theirs & probes
    assert 1 < len(kept_out) < WORKS
    assert {each.asset_id for each in facts.works.listed if each.probe_of} == kept_out
    assert facts.works.kept_out == len(kept_out)
    assert facts.verdict == (
        "None of your 4 works was used to train any of the models in this registry. "
        f"{len(kept_out)} of them were kept out of all members by choice, as probes: images from outside are compared "
        "with such works."
    )
    assert page.count(BY_CHOICE) == len(kept_out)
    assert page.count(UNSEEN) == WORKS
    with (tmp_path / "tables" / "works.csv").open(encoding="utf-8", newline="") as file:
        rows = {int(row["asset_id"]): row["probe_of"] for row in csv.DictReader(file)}
    assert {number for number, encodings in rows.items() if encodings not in ("", "[]")} == kept_out
    assert check_document(world.registry, written.page).facts == "same"


def test_a_probe_of_one_encoding_that_members_of_another_saw_was_seen(world: StatementWorld, tmp_path: Path) -> None:
    """It is named as a probe, and no sentence counts it among works that no member saw."""
    probes = keep_out(world, trained=True)
    ada = read(world, "Ada Example", tmp_path / "tables")
    assert (
        {each.asset_id for each in ada.works.listed if each.probe_of} == probes & world.works_of("Ada Example") != set()
    )
    assert ada.works.kept_out is None
    assert "by choice" not in ada.verdict


def test_an_encoding_without_models_keeps_nothing_out(world: StatementWorld, tmp_path: Path) -> None:
    """The statement is as it was before."""
    before = read(world, CY, tmp_path / "tables").model_dump(mode="json")
    assert keep_out(world, trained=False)
    assert read(world, CY, tmp_path / "tables").model_dump(mode="json") == before
    assert "kept_out" not in before["works"]
