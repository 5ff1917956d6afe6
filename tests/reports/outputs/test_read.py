"""What a report knows: read from rows and checked files, with a reason for all that is missing."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from PIL import Image
from sqlmodel import col, select

from registry.errors import IntegrityError, NotFoundError, UsageError
from registry.outputs.queries import audits_in_order
from registry.similarity.pdq import fingerprint_of, words_of
from registry.storage.tables import Asset, AssetFingerprint, AssetRights, Audit, Licence, Rightsholder
from reports.facts import NotMeasured
from reports.outputs.facts import Landscape
from reports.outputs.illustrations import Report
from reports.outputs.read import read_audit
from reports.outputs.selection import named_audits, newest_audits, unaudited_samples
from reports.rendering.pictures import Picture
from reports.statements.findings import AUDITS
from tests.support.pictures import scene
from tests.support.world import NOON, N, World, make_world


def read(world: World, audit: Audit) -> Report:
    with world.registry.session() as session:
        return read_audit(session, world.home, audit)


def test_reads_what_the_audit_recorded(fresh: World) -> None:
    """Candidates, decoys, pictures and influences arrive as they were stored, in order of rank."""
    sample = fresh.add_sample(0)
    report = read(fresh, fresh.add_audit((0, 20, 50), sample=sample, exact=True))
    facts, shown = report.facts, report.shown
    assert [candidate.rank for candidate in facts.candidates] == [1, 2, 3]
    assert [candidate.passes for candidate in facts.candidates] == [True, False, False]
    assert facts.artefact_state == "intact"
    assert not facts.gaps
    first, decoys = facts.candidates[0], shown.decoys[1]
    assert isinstance(decoys, np.ndarray)
    assert (1 + (decoys >= first.statistic).sum()) / (1 + decoys.size) == pytest.approx(first.p_value)
    assert isinstance(shown.without[1], Picture)
    assert isinstance(facts.influence_exact, Landscape)
    influences = shown.influences["exact"]
    assert isinstance(influences, np.ndarray)
    assert first.influence_exact == pytest.approx(influences[first.unit_number])
    assert len(facts.ensemble.members) == N


def test_image_audit_has_no_counterfactual_and_says_why(fresh: World) -> None:
    """An image from outside cannot be regenerated: a reason stands where the picture and the
    influences would.
    """
    report = read(fresh, fresh.add_audit((0, 20), image_name="poster.jpg"))
    facts = report.facts
    assert facts.output.kind == "image"
    for value in (facts.candidates[0].influence_exact, facts.influence_estimate, facts.influence_exact):
        assert isinstance(value, NotMeasured)
        assert "not generated here" in value.not_measured
    assert isinstance(report.shown.without[1], NotMeasured)
    assert isinstance(report.shown.output, Picture)


@pytest.mark.parametrize(("harm", "state"), [("flip", "altered"), ("delete", "missing")])
def test_altered_artefact_is_not_believed(fresh: World, harm: str, state: str) -> None:
    """A changed or lost file loses what it held, is a gap of integrity, and leaves what the
    database knows.
    """
    audit = fresh.add_audit((0, 20), sample=fresh.add_sample(0))
    path = fresh.home.audit(audit.id)
    if harm == "flip":
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    else:
        path.unlink()
    report = read(fresh, audit)
    assert report.facts.artefact_state == state
    assert [gap.integrity for gap in report.facts.gaps] == [True]
    assert isinstance(report.shown.decoys[1], NotMeasured)
    assert isinstance(report.shown.without[1], NotMeasured)
    assert report.facts.candidates[0].passes
    assert isinstance(report.shown.output, Picture)


def test_altered_sample_falls_back_to_the_audits_copy(fresh: World) -> None:
    """The output's file was swapped: the page shows what was audited, and says that the file was
    altered.
    """
    sample = fresh.add_sample(0)
    audit = fresh.add_audit((0,), sample=sample)
    Image.new("RGB", (9, 9)).save(fresh.home.sample_image(sample.id))
    report = read(fresh, audit)
    assert isinstance(report.shown.output, Picture)
    assert report.shown.output.width == fresh.size
    assert "altered" in report.facts.gaps[0].reason
    assert report.facts.gaps[0].integrity


def test_missing_or_hostile_work_picture_is_a_gap(fresh: World) -> None:
    """A lost picture, and a file that is no PNG or far too large, become reasons; nothing of them
    is embedded.
    """
    audit = fresh.add_audit((0, 9, 30), sample=fresh.add_sample(0))
    with fresh.registry.session() as session:
        hashes = session.exec(select(Asset.sha256).order_by(col(Asset.id))).all()
    places = [fresh.home.picture(str(sha256)) for sha256 in hashes]
    places[0].unlink()
    places[1].write_bytes(b"<svg onload=alert(1)>")
    Image.new("1", (40_000, 2)).save(places[2])
    report = read(fresh, audit)
    facts, pictures = report.facts, list(report.shown.works.values())
    assert len(pictures) >= 3
    assert all(isinstance(picture, NotMeasured) for picture in pictures)
    reasons = " ".join(gap.reason for gap in facts.gaps)
    assert "missing" in reasons
    assert "not a readable PNG" in reasons
    assert "40000 x 2" in reasons
    assert not any(gap.integrity for gap in facts.gaps)


def test_a_picture_of_a_work_that_was_replaced_is_not_shown(fresh: World) -> None:
    """Its fingerprint tells; the picture of another work is no picture of this one."""
    audit = fresh.add_audit((0, 9), sample=fresh.add_sample(0))
    shown = list(read(fresh, audit).shown.works)
    with fresh.registry.session() as session:
        places = {asset_id: fresh.home.picture(str(session.get_one(Asset, asset_id).sha256)) for asset_id in shown}
    pictures = [scene(number, 180, 120) for number in range(3)]
    for number, place in enumerate(places.values()):
        pictures[number].save(place)
    prints = words_of([fingerprint_of(picture) for picture in pictures])
    fresh.add(
        *(
            AssetFingerprint(
                id=number,
                asset_id=asset_id,
                quality=100,
                **{f"word{place}": int(word) for place, word in enumerate(words)},
            )
            for number, (asset_id, words) in enumerate(zip(shown, prints, strict=False))
        )
    )
    assert not read(fresh, audit).facts.gaps
    pictures[2].save(places[shown[0]])
    report = read(fresh, audit)
    assert isinstance(report.shown.works[shown[0]], NotMeasured)
    assert isinstance(report.shown.works[shown[1]], Picture)
    (gap,) = report.facts.gaps
    assert gap.integrity
    assert f"does not look like the registered work {shown[0]}: it was altered" in gap.reason


@pytest.mark.parametrize("days", [1, -1], ids=["clock runs on", "clock was set back"])
def test_verified_rights_count_before_declared_and_the_newest_counts(fresh: World, days: int) -> None:
    """Declared and verified stay apart; the row that was added last per basis decides, whatever
    the clock said; a contradiction is kept.
    """
    audit = fresh.add_audit((0,), sample=fresh.add_sample(0))
    later = NOON + datetime.timedelta(days=days)
    fresh.add(
        Rightsholder(id=10, name="Wren Archive", created_at=later),
        Licence(
            id=10, reference="CC0-1.0", recognised=True, training="permitted", duties=[], note="", created_at=later
        ),
        *(
            AssetRights(
                id=100 + number,
                asset_id=0,
                basis=basis,
                rightsholder_id=holder,
                licence_id=licence,
                title=None,
                recorded_from="check",
                recorded_by="tests",
                recorded_at=later,
            )
            for number, (basis, holder, licence) in enumerate([("verified", 10, None), ("declared", 1, 10)])
        ),
    )
    with fresh.registry.connection() as connection:
        connection.execute("UPDATE asset SET verified_id = 100, declared_id = 101, rightsholder_id = 10 WHERE id = 0")
    work = read(fresh, audit).facts.candidates[0].works[0]
    assert work.holder == ("Wren Archive", "verified", "Open Shapes Project")
    assert work.rightsholders == ["Wren Archive"]
    assert work.stated("licence") == ("CC0-1.0", "declared", None)
    assert work.title == "00.png"


def test_unit_of_several_works(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A rightsholder as the unit lists its closest works and how many there are."""
    world = make_world(tmp_path_factory.mktemp("holders"), unit_kind="rightsholder")
    facts = read(world, world.add_audit((0, 90), sample=world.add_sample(0), works_each=3)).facts
    assert [work.title for work in facts.candidates[0].works] == ["Red apple", "Blue kite", "Brown acorn"]
    assert facts.candidates[0].work_count == 6


def test_selection_by_name(fresh: World) -> None:
    """Newest audit of a sample or image by id or first digits; an older one by its own id; clear
    errors otherwise.
    """
    sample = fresh.add_sample(0)
    old = fresh.add_audit((0,), sample=sample)
    new = fresh.add_audit((3,), sample=sample, created_at=NOON + datetime.timedelta(hours=1))
    image = fresh.add_audit((0,), image_name="poster.jpg")
    bare = fresh.add_sample(1)
    shared = fresh.add_sample(3).id[:2]
    assert fresh.add_sample(10).id.startswith(shared)
    with fresh.registry.session() as session:
        assert [audit.id for audit in newest_audits(session)] == [new.id, image.id]
        assert [audit.id for audit in named_audits(session, [sample.id[:6]])] == [new.id]
        assert [audit.id for audit in named_audits(session, [image.image_sha256])] == [image.id]
        assert [audit.id for audit in named_audits(session, [old.id, old.id])] == [old.id]
        assert bare.id in unaudited_samples(session)
        assert sample.id not in unaudited_samples(session)
        with pytest.raises(NotFoundError, match="not audited yet; run `creditline audit"):
            named_audits(session, [bare.id])
        with pytest.raises(NotFoundError, match="names no sample"):
            named_audits(session, ["zzz"])
        with pytest.raises(NotFoundError, match="empty name"):
            named_audits(session, [""])
        with pytest.raises(UsageError, match="give more digits"):
            named_audits(session, [shared])


def test_the_audit_recorded_last_counts_also_when_the_clock_was_set_back(fresh: World) -> None:
    """In reports, statements and tables alike: order of recording decides, not time."""
    sample = fresh.add_sample(0)
    audits = [
        fresh.add_audit((beaten,), sample=on, image_name=name, created_at=NOON - datetime.timedelta(hours=hours))
        for on, name in ((sample, None), (None, "poster.jpg"))
        for hours, beaten in ((0, 0), (2, 3), (1, 5))
    ]
    last = [audits[2].id, audits[5].id]
    with fresh.registry.session() as session:
        assert [audit.id for audit in newest_audits(session)] == last
        assert [named_audits(session, [name])[0].id for name in (sample.id, audits[5].image_sha256)] == last
        assert [audit.id for audit, _ in audits_in_order(session)] == [audit.id for audit in audits]
    with fresh.registry.connection() as connection:
        counted = connection.execute(f"SELECT audit_id FROM ({AUDITS}) WHERE newest ORDER BY kind DESC").fetchall()  # noqa: S608 - a constant
    assert [audit_id for (audit_id,) in counted] == last


def test_value_that_is_no_number_is_refused(fresh: World) -> None:
    """A candidate with NaN cannot be sorted or explained: one clear error for that audit."""
    audit = fresh.add_audit((0,), sample=fresh.add_sample(0))
    with fresh.registry.connection() as connection:
        connection.execute("UPDATE candidate SET score = 'nan'::DOUBLE")
    with pytest.raises(IntegrityError, match="no number"):
        read(fresh, audit)
