"""What statements count, held against going through everything by hand."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import pytest

from registry.claims.decisions import decide_claim
from registry.claims.record import open_claim
from registry.event_log.events import changing
from registry.members.serving import ServiceStatus, service_statuses
from registry.outputs.chance import chances_to_pass
from registry.rightsholders.records import add_rightsholder, merge_rightsholders
from registry.storage.database import Registry
from registry.storage.tables import Audit, Candidate, CoRightsholder
from registry.withdrawals.record import withdraw
from reports.checking.document_check import check_document
from reports.facts import NotMeasured
from reports.statements import document as reading
from reports.statements import words
from reports.statements.document import STATEMENT, read_statement
from reports.statements.facts import StatementFacts
from tests.support.sealing import reseal
from tests.support.statement_world import (
    RATE,
    N,
    StatementWorld,
    make_filled_statement_world,
    make_statement_world,
    record_run,
)
from tests.support.works import NOW

ADA, BO, MISSPELT = "Ada Example", "Bo Example", "Ada Exmaple"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> StatementWorld:
    """Read it, do not change it."""
    return make_filled_statement_world(tmp_path_factory.mktemp("statement"))


@pytest.fixture
def world(tmp_path: Path) -> StatementWorld:
    """One that may be changed."""
    return make_filled_statement_world(tmp_path)


def read(world: StatementWorld, name: str, folder: Path) -> StatementFacts:
    place = folder / "tables"
    place.mkdir(exist_ok=True)
    return read_statement(world.registry, f"#{world.holder(name)}", place).facts.facts


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("names", [(ADA,), (BO,), (ADA, MISSPELT)])
def test_counts_are_those_of_going_through_everything(
    world: StatementWorld, tmp_path: Path, names: tuple[str, ...]
) -> None:
    """Tested, found, works found and earlier audits: the same by hand, alone and after a merge of
    two records.
    """
    if MISSPELT in names:
        merge_rightsholders(world.registry, world.holder(MISSPELT), world.holder(ADA), "one person", NOW)
    facts = read(world, names[0], tmp_path)
    theirs = world.works_of(*names)
    current = [each for each in world.drawn if each.newest and each.generated]
    mine = [each for each in current if each.asset_id in theirs]
    tested = facts.tested
    assert facts.works.total == len(theirs)
    assert (tested.generated, tested.audited) == (8, 7)
    assert tested.tested == len({each.output for each in mine})
    assert tested.found == len({each.output for each in mine if each.passes}) > 0
    assert tested.works_tested == len({each.asset_id for each in mine})
    assert tested.works_found == len({each.asset_id for each in mine if each.passes})
    earlier = [each for each in world.drawn if not each.newest and each.asset_id in theirs]
    assert (tested.earlier_audits, tested.earlier_found) == (2, len({each.audit for each in earlier if each.passes}))
    assert tested.images_audited == 1
    found = {(output.audit_id, finding.rank) for output in facts.outputs for finding in output.findings}
    expected = {
        (each.audit, each.rank) for each in world.drawn if each.newest and each.passes and each.asset_id in theirs
    }
    assert found == expected
    # Every name was tested in every audit: after the merge an image has several tests, and counts
    # once.
    assert (tested.joint_tested, tested.joint_tests) == (7, 7 * len(names))
    assert tested.joint_found == len(
        {each.output_id for each in facts.joint if each.passes and each.output_kind == "sample"}
    )
    assert {each.tested_as for each in facts.joint} == set(names)
    told = words.together(tested)
    assert told is not None
    assert "of 7 images" in told
    assert ("tested separately" in told) == (len(names) > 1)


@pytest.mark.slow
def test_the_test_over_all_images_leads(world: StatementWorld, tmp_path: Path) -> None:
    """It passes, does not pass, or was not made: told first, with what it rests on."""
    assert read(world, ADA, tmp_path).over_all_images == []
    assert words.NOT_OVER_ALL in read(world, ADA, tmp_path).explanation
    record_run(world, {ADA: (0.0002, 0.0006), BO: (0.4, 0.5)})
    facts = read(world, ADA, tmp_path)
    assert facts.verdict.endswith("; taken together, your works made a difference.")
    assert "names on average at most 5 % of rightsholders by chance" in facts.explanation
    assert "1 audited image could not be used" in facts.explanation
    assert words.NOT_OVER_ALL not in facts.explanation
    assert "your works showed no effect" in read(world, BO, tmp_path).verdict
    merge_rightsholders(world.registry, world.holder(MISSPELT), world.holder(ADA), "one person", NOW)
    record_run(world, {ADA: (0.2, 0.4), MISSPELT: (0.0002, 0.0006), BO: (0.4, 0.5)})
    merged = read(world, ADA, tmp_path)
    assert [each.name for each in merged.over_all_images] == [ADA, MISSPELT]
    assert "your works made a difference" in merged.verdict
    assert f"Your works recorded as {MISSPELT}" in merged.explanation


def test_findings_stand_beside_the_number_expected_by_chance(filled: StatementWorld, tmp_path: Path) -> None:
    """Counted by hand over the newest audits, from the p-values of all candidates of each."""
    facts = read(filled, ADA, tmp_path)
    theirs = filled.works_of(ADA)
    expected, found = 0.0, 0
    for audit in {each.audit for each in filled.drawn if each.newest and each.generated}:
        candidates = sorted((each for each in filled.drawn if each.audit == audit), key=lambda each: each.rank)
        with filled.registry.session() as session:
            row = session.get(Audit, audit)
        assert row is not None
        levels = chances_to_pass([each.q / 2 for each in candidates], RATE, row.test.get("smallest_p"))
        expected += sum(level for each, level in zip(candidates, levels, strict=True) if each.asset_id in theirs)
        found += sum(each.passes for each in candidates if each.asset_id in theirs)
    assert facts.tested.findings_by_chance == pytest.approx(expected)
    assert facts.tested.findings == found > 0
    assert words.by_chance(found, facts.tested.findings_by_chance) in facts.explanation


def test_similar_only_is_never_found(filled: StatementWorld, tmp_path: Path) -> None:
    """No listed finding has a q above its audit's rate; the table lists the others and says that
    they do not pass.
    """
    facts = read(filled, ADA, tmp_path)
    assert all(finding.q_value <= 0.05 for output in facts.outputs for finding in output.findings)
    rows = rows_of(tmp_path / "tables" / "tested.csv")
    theirs = filled.works_of(ADA)
    assert len(rows) == sum(each.asset_id in theirs for each in filled.drawn)
    assert all((row["passes"] == "true") == (float(row["q_value"]) <= 0.05) for row in rows)
    assert {row["passes"] for row in rows} == {"true", "false"}


def test_share_of_an_output_is_the_sum_over_their_works(filled: StatementWorld, tmp_path: Path) -> None:
    """A work's share is a tenth of its rank here, and 0.05 to 0.2 of it with certainty: so the sums
    can be computed by hand from the tested works, passing or not. A work of several rightsholders
    counts for its part.
    """
    facts = read(filled, ADA, tmp_path)
    theirs = filled.works_of(ADA)
    assert any(output.kind == "sample" for output in facts.outputs)
    for output in facts.outputs:
        if output.kind == "image":
            assert output.share == output.unattributed == NotMeasured("these members did not make it")
            continue
        assert not isinstance(output.share, NotMeasured)
        ranks = [each.rank for each in filled.drawn if each.audit == output.audit_id and each.asset_id in theirs]
        assert 0 < output.share.value <= 0.1 * sum(ranks) + 1e-9
        assert output.share.low == pytest.approx(output.share.value / 2)
        assert output.share.high == pytest.approx(min(1.0, output.share.value * 2))
        for finding in output.findings:
            assert not isinstance(finding.share, NotMeasured)
            assert finding.share.value == pytest.approx(0.1 * finding.rank)


@pytest.mark.slow
def test_work_of_a_group_is_not_called_found(world: StatementWorld, tmp_path: Path) -> None:
    """Where groups were tested, what is known of a work is that its group passed: that is told
    apart, and in words.
    """
    alone = read(world, ADA, tmp_path)
    with world.registry.connection() as connection:
        connection.execute("UPDATE encoding SET unit_kind = 'rightsholder'")
    reseal(world.registry)
    facts = read(world, ADA, tmp_path)
    assert any(work.outputs_found for work in alone.works.listed)
    assert {work.asset_id: work.outputs_found for work in alone.works.listed} == {
        work.asset_id: work.outputs_group_found for work in facts.works.listed
    }
    assert not any(work.outputs_group_found for work in alone.works.listed)
    assert not any(work.outputs_found for work in facts.works.listed)
    assert (facts.tested.works_found, facts.tested.groups_found) == (0, alone.tested.works_found)
    assert facts.tested.groups_tested == alone.tested.works_tested
    assert "group" in facts.explanation
    assert "group" not in alone.explanation
    rows = rows_of(tmp_path / "tables" / "works.csv")
    assert {row["outputs_found"] for row in rows} == {"0"}
    assert any(row["outputs_group_found"] != "0" for row in rows)
    place = tmp_path / "given"
    page = STATEMENT.write(world.registry, f"#{world.holder(ADA)}", place, NOW).page.read_text("utf-8")
    assert "its group was found in" in page


def test_members_are_those_of_the_codes(filled: StatementWorld, tmp_path: Path) -> None:
    """For every member: how many of the works it saw; the works' table has the number of members of
    each.
    """
    facts = read(filled, BO, tmp_path)
    works = filled.works_of(BO)
    (model,) = facts.models
    expected = {index: sum(filled.code(work) >> index & 1 for work in works) for index in range(N)}
    assert {member.index: member.works for member in model.members} == {
        index: number for index, number in expected.items() if number
    }
    assert all(member.state == "in service" for member in model.members)
    assert {work.members for work in facts.works.listed} == {3}
    assert facts.gaps == []


@pytest.mark.slow
def test_withdrawal_shows_what_followed(world: StatementWorld, tmp_path: Path) -> None:
    """A withdrawn work stays where it was found, with that state; members are out of service, and
    back once trained anew.
    """
    before = read(world, ADA, tmp_path)
    work = before.outputs[0].findings[0].works[0].asset_id
    withdraw(world.registry, asset_ids=[work], reason="letter of 3 May", now=NOW)
    facts = read(world, ADA, tmp_path)
    concerned = [index for index in range(N) if world.code(work) >> index & 1]
    assert facts.works.withdrawn == 1
    assert facts.outputs[0].findings[0].works[0].permission == "withdrawn"
    assert {each.name: each.works for each in facts.works.permissions_at_training} == {
        each.name: each.works for each in before.works.permissions
    }
    (withdrawal,) = facts.withdrawals
    (followed,) = withdrawal.followed
    assert (followed.concerned, followed.out_of_service, followed.trained_without) == (3, 3, 0)
    assert {member.index for member in facts.models[0].members if member.state == "out of service"} == set(concerned)
    assert facts.models[0].out_of_service_that_saw == 3
    world.retrain(concerned[0])
    (followed,) = read(world, ADA, tmp_path).withdrawals[0].followed
    assert (followed.out_of_service, followed.trained_without) == (2, 1)
    assert withdrawal.reason == "letter of 3 May"
    others = read(world, BO, tmp_path)
    assert others.withdrawals == []
    reasons = {member.because for member in others.models[0].members if member.state == "out of service"}
    assert reasons <= {"it saw a work of another rightsholder that was withdrawn"}


def test_a_withdrawal_while_it_is_read_is_heeded_whole(
    world: StatementWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it did to the models is of the same state of the registry as the withdrawal itself."""
    made: list[object] = []

    def racing(registry: Registry) -> list[ServiceStatus]:
        found = service_statuses(registry)
        if not made:
            made.append(withdraw(registry, asset_ids=[min(world.works_of(ADA))], reason="asked", now=NOW))
        return found

    monkeypatch.setattr(reading, "service_statuses", racing)
    assert [each.out_of_service for each in read(world, ADA, tmp_path).withdrawals[0].followed] == [3]


def test_a_reason_is_shown_to_whom_it_is_about_alone(world: StatementWorld, tmp_path: Path) -> None:
    """Not that of a withdrawal of works of several owners, nor a co-owner's for their own; that it
    was made, is.
    """
    theirs = [number for number, owner in world.owner.items() if owner == ADA]
    foreign = next(number for number, owner in world.owner.items() if owner == BO)
    with world.registry.connection() as connection:
        (rights,) = connection.execute("SELECT declared_id FROM asset WHERE id = ?", [theirs[0]]).fetchall()[0]
    with changing(world.registry, NOW) as change:
        owners = {1: world.holder(ADA), 2: world.holder(BO)}
        change.insert(
            *(
                CoRightsholder(id=place, rights_id=rights, asset_id=theirs[0], position=place, rightsholder_id=holder)
                for place, holder in owners.items()
            )
        )
        change.record("rights stated", "two owners of one work")
    withdraw(world.registry, asset_ids=[theirs[1]], reason="Ada alone", now=NOW)
    withdraw(world.registry, asset_ids=[theirs[2], foreign], reason="a letter of two", now=NOW)
    withdraw(world.registry, asset_ids=[theirs[3], foreign], reason="another letter of two", now=NOW)
    withdraw(world.registry, rightsholder_id=world.holder(BO), reason="Bo's contract", now=NOW)
    read_by = {name: {each.id: each.reason for each in read(world, name, tmp_path).withdrawals} for name in (ADA, BO)}
    assert list(read_by[ADA].values()) == [None, None, None, "Ada alone"]
    assert list(read_by[BO].values()) == ["Bo's contract", None]


def test_merged_record_is_named(world: StatementWorld, tmp_path: Path) -> None:
    """Works and joint tests of the merged name count for the other record; either name leads to
    it.
    """
    merge_rightsholders(world.registry, world.holder(MISSPELT), world.holder(ADA), "one person", NOW)
    facts = read(world, ADA, tmp_path)
    assert facts.rightsholder.merged_names == [MISSPELT]
    rows = rows_of(tmp_path / "tables" / "works.csv")
    assert {row["stated_rightsholder"] for row in rows} == {ADA, MISSPELT}
    assert {row["rightsholder"] for row in rows} == {ADA}


def test_claims_of_both_sides(world: StatementWorld, tmp_path: Path) -> None:
    """A claim of theirs and one of somebody else on a work of theirs; nothing of the other's words
    is told, which may have their name.
    """
    mine, foreign = sorted(world.works_of(ADA))[0], sorted(world.works_of(BO))[0]
    open_claim(world.registry, ADA, "that one is mine", now=NOW, works=[str(foreign)])
    claim = open_claim(world.registry, "Cy Secret", "I, Cy Secret of Basel, drew this", now=NOW, works=[str(mine)])
    decide_claim(world.registry, claim.claim_id, "refused", "Cy Secret sent no proof", now=NOW)
    facts = read(world, ADA, tmp_path)
    assert [(claim.theirs, claim.state, claim.works) for claim in facts.claims] == [
        (False, "refused", 1),
        (True, "open", 1),
    ]
    assert [(claim.statement, claim.decision_reason) for claim in facts.claims] == [
        (None, None),
        ("that one is mine", None),
    ]
    assert "Cy Secret" not in facts.model_dump_json()


def test_facts_are_the_same_when_read_again(filled: StatementWorld, tmp_path: Path) -> None:
    """So that a stamp can be checked; and the table's hash is that of the file."""
    facts = read(filled, ADA, tmp_path)
    assert STATEMENT.facts_now(filled.registry, f"#{filled.holder(ADA)}") == facts.model_dump(mode="json")
    table = (tmp_path / "tables" / "works.csv").read_bytes()
    assert facts.works.table_sha256 == hashlib.sha256(table).hexdigest()
    assert table.count(b"\r\n") == facts.works.total + 1


@pytest.mark.slow
def test_nothing_known_is_said_so(tmp_path: Path) -> None:
    """Nothing audited is not the same as nothing found; a rightsholder without works is told so."""
    world = make_statement_world(tmp_path)
    facts = read(world, ADA, tmp_path)
    assert facts.verdict.startswith("No image has been tested yet")
    number = add_rightsholder(world.registry, "Cy Without", NOW)
    empty = read_statement(world.registry, f"#{number}", tmp_path).facts.facts
    assert (empty.verdict, empty.models, empty.works.total) == ("No work is registered as yours.", [], 0)


def test_value_that_is_no_number_does_not_pass(world: StatementWorld, tmp_path: Path) -> None:
    """A candidate recorded with NaN counts as tested and not as found, and is named as a gap."""
    first = world.drawn[-5]
    with changing(world.registry, NOW) as change:
        change.insert(
            Candidate(
                audit_id=first.audit,
                rank=99,
                unit_number=0,
                score=0.0,
                statistic=0.0,
                p_value=float("nan"),
                q_value=0.001,
            )
        )
        change.record("output audited", "again")
        owner = world.owner[
            int(change.connection.execute("SELECT asset_id FROM unit_asset WHERE unit_number = 0").fetchall()[0][0])
        ]
    facts = read(world, owner, tmp_path)
    assert all(finding.rank != 99 for output in facts.outputs for finding in output.findings)
    assert any("no number" in gap for gap in facts.gaps)


@pytest.mark.slow
def test_the_statement_of_the_record_that_counts_takes_the_place_of_a_merged_ones(
    world: StatementWorld, tmp_path: Path
) -> None:
    """Whoever holds the older one is told of the newer, once there is one."""
    old = STATEMENT.write(world.registry, f"#{world.holder(MISSPELT)}", tmp_path / "old", NOW)
    merge_rightsholders(world.registry, world.holder(MISSPELT), world.holder(ADA), "one person", NOW)
    assert check_document(world.registry, old.page).later is None
    new = STATEMENT.write(world.registry, f"#{world.holder(ADA)}", tmp_path / "new", NOW)
    later = check_document(world.registry, old.page).later
    assert later is not None
    assert later[1].name == new.page.name
    assert check_document(world.registry, new.page).later is None
