"""The table of statements says of every rightsholder what their own statement says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from registry.claims.record import open_claim
from registry.event_log.events import changing
from registry.permissions.derived_columns import recompute
from registry.rightsholders.records import add_rightsholder, merge_rightsholders
from registry.storage.tables import AssetSignal, CoRightsholder
from registry.withdrawals.record import withdraw
from reports.statements.document import read_statement
from reports.statements.facts import StatementFacts
from reports.tables.write import export_table
from tests.support.sealing import reseal
from tests.support.statement_world import StatementWorld, make_filled_statement_world, record_run
from tests.support.works import NOW

ADA, BO, MISSPELT = "Ada Example", "Bo Example", "Ada Exmaple"


@pytest.fixture
def world(tmp_path: Path) -> StatementWorld:
    """One that may be changed."""
    return make_filled_statement_world(tmp_path)


def rows_of(world: StatementWorld, folder: Path) -> dict[str, dict[str, Any]]:
    path = export_table(world.registry, "statements", folder / "statements.jsonl", NOW).path
    return {row["rightsholder"]: row for row in map(json.loads, path.read_text().splitlines())}


def figures_of(facts: StatementFacts) -> dict[str, Any]:
    """The row that a statement makes."""
    works, tested = facts.works, facts.tested
    permissions = {each.name: each.works for each in works.permissions}
    return {
        "rightsholder_id": facts.rightsholder.id,
        "rightsholder": facts.rightsholder.name,
        "kind": facts.rightsholder.kind,
        "represented_by": facts.rightsholder.represented_by,
        "identifiers": facts.rightsholder.identifiers,
        "merged_names": sorted(facts.rightsholder.merged_names),
        "works": works.total,
        "works_shared": works.shared,
        "works_missing": works.missing,
        "works_with_signals": works.with_signals,
        **{
            f"works_{name}": permissions.get(name, 0)
            for name in ("permitted", "unclear", "constrained", "prohibited", "withdrawn")
        },
        "licences": works.licences_total,
        "models": len(facts.models),
        "members_that_saw": sum(len(model.members) for model in facts.models),
        "newest_members_that_saw": sum(model.members_that_saw for model in facts.models),
        "outputs_generated": tested.generated,
        "outputs_audited": tested.audited,
        "outputs_tested": tested.tested,
        "outputs_found": tested.found,
        "works_tested": tested.works_tested,
        "works_found": tested.works_found,
        "groups_found": tested.groups_found,
        "images_tested": tested.images_tested,
        "images_found": tested.images_found,
        "earlier_found": tested.earlier_found,
        "joint_tested": tested.joint_tested,
        "joint_found": tested.joint_found,
        "withdrawals": facts.withdrawals_total,
        "certificates": len(facts.certificates),
        "claims_made": sum(claim.theirs for claim in facts.claims),
        "claims_on_works": sum(not claim.theirs for claim in facts.claims),
        "claims_open": sum(claim.state == "open" for claim in facts.claims),
        "findings": tested.findings,
        "findings_by_chance": pytest.approx(tested.findings_by_chance),
        "joint_by_chance": pytest.approx(tested.joint_by_chance),
        "over_all_images_p": min((each.p_value for each in facts.over_all_images), default=None),
        "over_all_images_q": min((each.q_value for each in facts.over_all_images), default=None),
        "over_all_images_passes": any(each.passes for each in facts.over_all_images) if facts.over_all_images else None,
    }


def check(world: StatementWorld, folder: Path) -> dict[str, dict[str, Any]]:
    """Hold every row against the statement of its rightsholder."""
    rows = rows_of(world, folder)
    for name, row in rows.items():
        place = folder / f"tables-{row['rightsholder_id']}"
        place.mkdir(exist_ok=True)
        facts = read_statement(world.registry, f"#{row['rightsholder_id']}", place).facts.facts
        assert row == figures_of(facts), name
    return rows


@pytest.mark.slow
def test_as_registered(world: StatementWorld, tmp_path: Path) -> None:
    """Three records, each with its own figures, and somebody without works, all of whose figures
    are nought.
    """
    add_rightsholder(world.registry, "Cy Without", NOW)
    record_run(world, {ADA: (0.0002, 0.0006), BO: (0.4, 0.5)})
    rows = check(world, tmp_path)
    assert [rows[name]["over_all_images_passes"] for name in (ADA, BO, MISSPELT)] == [True, False, None]
    assert {name: row["works"] for name, row in rows.items()} == {ADA: 6, BO: 4, MISSPELT: 2, "Cy Without": 0}
    assert any(row["outputs_found"] for row in rows.values())
    assert rows["Cy Without"]["outputs_audited"] == 7
    assert rows["Cy Without"]["outputs_tested"] == rows["Cy Without"]["members_that_saw"] == 0


@pytest.mark.slow
def test_after_everything_that_can_happen(world: StatementWorld, tmp_path: Path) -> None:
    """Withdrawn, trained anew, merged, claimed from both sides, shared, reserved by a signal,
    certified.
    """
    registry = world.registry
    mine, foreign = min(world.works_of(ADA)), min(world.works_of(BO))
    withdraw(registry, asset_ids=[mine], reason="letter of 3 May", now=NOW)
    world.retrain(next(index for index in range(6) if world.code(mine) >> index & 1))
    withdraw(registry, rightsholder_id=world.holder(MISSPELT), reason="all of mine", now=NOW)
    open_claim(registry, ADA, "that one is mine", now=NOW, works=[str(foreign)])
    open_claim(registry, "Cy Secret", "mine as well", now=NOW, works=[str(mine)])
    with registry.connection() as connection:
        (rights,) = connection.execute("SELECT declared_id FROM asset WHERE id = ?", [foreign]).fetchall()[0]
        (sha256,) = connection.execute("SELECT sha256 FROM asset WHERE id = ?", [mine]).fetchall()[0]
    with changing(registry, NOW) as change:
        change.insert(
            CoRightsholder(id=0, rights_id=rights, asset_id=foreign, position=1, rightsholder_id=world.holder(BO)),
            CoRightsholder(id=1, rights_id=rights, asset_id=foreign, position=2, rightsholder_id=world.holder(ADA)),
            AssetSignal(
                id=0,
                asset_id=foreign,
                protocol="plus",
                category="ai training",
                use="prohibited",
                raw="raw",
                found_in="xmp",
                seen_at=NOW,
            ),
        )
        recompute(change, [foreign])
        change.record("certificate made", "ensemble x", after={"works": [sha256], "document_sha256": "0" * 64})
        change.record("certificate made", "ensemble x", after={"works": [sha256]})
        change.record("certificate made", "ensemble x", after={"works": 3, "document_sha256": "0" * 64})
    before = check(world, tmp_path)
    assert before[ADA]["works"] == 7
    assert before[ADA]["works_shared"] == before[BO]["works_shared"] == 1
    assert before[ADA]["works_with_signals"] == 1
    assert (before[ADA]["withdrawals"], before[MISSPELT]["withdrawals"]) == (1, 1)
    assert (before[ADA]["claims_made"], before[ADA]["claims_on_works"], before[ADA]["certificates"]) == (1, 1, 1)
    assert before[ADA]["members_that_saw"] > before[ADA]["newest_members_that_saw"]
    merge_rightsholders(registry, world.holder(MISSPELT), world.holder(ADA), "one person", NOW)
    after = check(world, tmp_path)
    assert MISSPELT not in after
    assert after[ADA]["works"] == 9
    assert after[ADA]["merged_names"] == [MISSPELT]
    assert after[ADA]["joint_tested"] == 7


@pytest.mark.slow
def test_records_that_cannot_be_judged_by(world: StatementWorld, tmp_path: Path) -> None:
    """Values that are no numbers and rates that are missing pass nothing, here as there."""
    with world.registry.connection() as connection:
        connection.execute("UPDATE candidate SET p_value = 'nan' WHERE rank = 1")
        connection.execute("UPDATE candidate SET q_value = '-inf' WHERE rank = 2")
        connection.execute("UPDATE audit SET settings = '{}' WHERE id = ?", [world.drawn[0].audit])
        connection.execute(
            """UPDATE audit SET test = '{"rightsholders": {"tested": [{"name": "Ada Example", "works": "x", "p": 1, "q": 0},
            {"name": "Ada Example", "works": 2, "p": "none", "q": 0}, {"name": "Bo Example"}, 7]}}' WHERE id = ?""",
            [world.drawn[-1].audit],
        )
    reseal(world.registry)
    check(world, tmp_path)
