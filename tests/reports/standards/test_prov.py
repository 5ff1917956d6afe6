"""PROV-JSON: read by its own library, and what is a fact in it and what an estimate."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from prov.model import ProvDocument

from registry.errors import IntegrityError, NotFoundError, UsageError
from registry.ids import sha256_of
from registry.storage.tables import Sample
from reports.checking.document_types import KINDS
from reports.content.outputs import find_output
from reports.standards import prov
from reports.standards.write import output_facts, write_prov
from tests.reports.standards.test_ensembles import MANIFEST
from tests.support.sealing import decide, reseal
from tests.support.world import HOSTILE, NOON, N, World, make_world

WEIGHTS = [f"{index + 100:064x}" for index in range(N)]


def _sql(world: World, query: str, *values: object) -> None:
    with world.registry.connection() as connection:
        connection.execute(query, list(values))
    reseal(world.registry)


def _generated(world: World, number: int = 0) -> Sample:
    """A sample that all members of the world served, whose manifests say what they saw."""
    _sql(world, "UPDATE member SET manifest = ?", json.dumps(MANIFEST))
    sample = world.add_sample(number)
    _sql(world, "UPDATE sample SET members_sha256 = ?", sha256_of(WEIGHTS))
    return sample


def _export(world: World, name: str, folder: Path) -> dict[str, Any]:
    """The export of an output; the library must take it, and write it so that it reads the same
    again.
    """
    with world.registry.session() as session:
        subject = find_output(session, name)
    path = write_prov(world.registry, subject, folder / "x.prov.json", NOON).path
    text = path.read_text()
    document = ProvDocument.deserialize(content=text, format="json")
    again = ProvDocument.deserialize(content=document.serialize(format="json"), format="json")
    assert document == again
    found: dict[str, Any] = json.loads(text)
    assert len(list(document.get_records())) == sum(len(part) for name, part in found.items() if name != "prefix")
    _check_references(found)
    return found


def _check_references(found: Mapping[str, Any]) -> None:
    """Every end of a relation is stated in the document."""
    stated = {name for kind in ("entity", "activity", "agent") for name in found.get(kind, {})}
    for kind, relations in found.items():
        if kind in ("prefix", "entity", "activity", "agent"):
            continue
        for relation in relations.values():
            ends = {value for name, value in relation.items() if name.startswith("prov:") and name != "prov:time"}
            assert ends <= stated


def test_an_output_is_generated_by_members_that_used_the_works_of_their_manifests(fresh: World, tmp_path: Path) -> None:
    """From the image back to each member's collection of works, with its root and count; no work is
    named as used.
    """
    sample = _generated(fresh)
    fresh.add_audit((0, 8, 120), sample=sample)
    found = _export(fresh, sample.id, tmp_path)
    (made,) = [
        each for each in found["wasGeneratedBy"].values() if each["prov:entity"].startswith("creditline:output-")
    ]
    used = {each["prov:entity"] for each in found["used"].values() if each["prov:activity"] == made["prov:activity"]}
    assert used == {f"creditline:member-{'e' * 12}-{index}" for index in range(N)}
    collection = found["entity"][f"creditline:works-of-member-{'e' * 12}-3"]
    assert collection["creditline:works"] == 6
    assert collection["creditline:merkle_root"] == f"{203:064x}"
    assert not any(each["prov:entity"].startswith("creditline:work-") for each in found["used"].values())
    assert "wasDerivedFrom" not in found


def test_only_candidates_that_pass_are_related_and_as_estimates(fresh: World, tmp_path: Path) -> None:
    """One of three passed: it alone is there, with p, q, the method and the rate; the others are a
    count.
    """
    sample = _generated(fresh)
    audit = fresh.add_audit((0, 60, 120), sample=sample)
    found = _export(fresh, sample.id, tmp_path)
    (influence,) = found["wasInfluencedBy"].values()
    assert influence["creditline:p"] == 1 / 205
    assert influence["creditline:q"] == pytest.approx(3 / 205)
    assert (influence["creditline:passes"], influence["creditline:estimate"]) == (True, True)
    assert "randomisation test" in influence["creditline:method"]
    work = found["entity"][influence["prov:influencer"]]
    assert (work["prov:label"], work["creditline:licence"]) == ("Red apple", "LicenseRef-Kestrel-2")
    assert [name for name in found["entity"] if name.startswith("creditline:work-")] == [influence["prov:influencer"]]
    finding = found["entity"][f"creditline:finding-{audit.id}"]
    assert (finding["creditline:tested"], finding["creditline:passed"]) == (3, 1)
    attributed = [
        each for each in found["wasAttributedTo"].values() if each["prov:entity"] == influence["prov:influencer"]
    ]
    assert [found["agent"][each["prov:agent"]]["prov:label"] for each in attributed] == ["Kestrel Studio"]


def test_a_work_belongs_to_the_collections_of_the_members_that_saw_it(fresh: World, tmp_path: Path) -> None:
    """By its code, less those whose training left it out as withdrawn."""
    sample = _generated(fresh)
    fresh.add_audit((0, 60), sample=sample)
    _sql(fresh, "INSERT INTO withdrawal_work (id, withdrawal_id, asset_id) VALUES (0, 4, 0)")
    _sql(fresh, 'UPDATE member SET manifest = ? WHERE "index" = 2', json.dumps({**MANIFEST, "withdrawn_through": 4}))
    found = _export(fresh, sample.id, tmp_path)
    members = {each["prov:collection"].rpartition("-")[2] for each in found["hadMember"].values()}
    assert members == {"0", "1", "3", "4"}  # the code of work 0 is 0b11111


def test_an_output_that_is_not_attributable_has_no_influence(fresh: World, tmp_path: Path) -> None:
    """Nothing passed: no relation, no work, and the narration says why."""
    sample = _generated(fresh)
    audit = fresh.add_audit((60, 90), sample=sample)
    found = _export(fresh, sample.id, tmp_path)
    assert "wasInfluencedBy" not in found
    made = write_prov(fresh.registry, f"audit {audit.id}", tmp_path / "y.json", NOON)
    assert made.left_out == ("works that influenced it: none of those tested passed, so it is not attributable",)


def test_a_unit_of_several_works_is_a_collection(tmp_path: Path) -> None:
    """A rightsholder's works were tested together: the influence is the collection's, not a
    work's.
    """
    world = make_world(tmp_path / "home", unit_kind="rightsholder")
    sample = world.add_sample(0)
    world.add_audit((0, 90), sample=sample, works_each=3)
    found = _export(world, sample.id, tmp_path)
    (influence,) = found["wasInfluencedBy"].values()
    unit = found["entity"][influence["prov:influencer"]]
    assert (unit["prov:label"], unit["creditline:works"], unit["creditline:works_listed"]) == ("Kestrel Studio", 6, 3)
    assert len(found["hadMember"]) == 3


def test_an_image_from_elsewhere_has_an_audit_and_no_origin(fresh: World, tmp_path: Path) -> None:
    """It was used by the audit and generated by nothing that is known."""
    audit = fresh.add_audit((0, 50, 120), first=5, image_name="found on a poster.jpg")
    found = _export(fresh, audit.id, tmp_path)
    assert all(not each["prov:entity"].startswith("creditline:output-") for each in found["wasGeneratedBy"].values())
    (image,) = [each for name, each in found["entity"].items() if name.startswith("creditline:output-")]
    assert image["prov:label"] == "audited image found on a poster.jpg"
    assert len(found["wasInfluencedBy"]) == 1


def test_a_sample_without_an_audit_has_its_origin(fresh: World, tmp_path: Path) -> None:
    """Who made it is a fact already; that nothing is known of influences is said."""
    sample = _generated(fresh)
    found = _export(fresh, sample.id[:6], tmp_path)
    assert "wasInfluencedBy" not in found
    assert f"creditline:sampling-{sample.id}" in found["activity"]
    made = write_prov(fresh.registry, f"sample {sample.id}", tmp_path / "y.json", NOON)
    assert made.left_out == ("works that influenced it: no audit has looked at it; run `creditline audit`",)


def test_members_that_cannot_be_told_are_named_as_lacking(fresh: World, tmp_path: Path) -> None:
    """The hash of those that served fits no generation on record: none is claimed."""
    sample = fresh.add_sample(0)
    made = write_prov(fresh.registry, f"sample {sample.id}", tmp_path / "y.json", NOON)
    assert any(each.startswith("the members that made it") for each in made.left_out)
    assert "creditline:member-" not in made.path.read_text()


def test_hostile_texts_are_bounded_and_names_are_hashes(fresh: World, tmp_path: Path) -> None:
    """Title, path, owner, licence, label and file name of 100 kB with controls: valid, small, and
    no address has any of it.
    """
    hostile = "a\x00\x1b]0;x\u202e\n" + HOSTILE
    sample = _generated(fresh)
    fresh.add_audit((0, 60), sample=sample)
    _sql(fresh, "UPDATE asset_rights SET title = ?", hostile)
    _sql(fresh, "UPDATE asset SET path = ?", hostile)
    _sql(fresh, "UPDATE rightsholder SET name = ?", hostile)
    _sql(fresh, "UPDATE licence SET reference = ?", hostile)
    _sql(fresh, "UPDATE data_set SET name = ?", hostile)
    _sql(fresh, "UPDATE unit SET label = ?", hostile)
    _sql(
        fresh,
        "UPDATE sample SET label = ?, versions = ?",
        hostile,
        json.dumps({hostile: hostile, "creditline": hostile}),
    )
    found = _export(fresh, sample.id, tmp_path)
    text = json.dumps(found, ensure_ascii=False)
    assert len(text) < 60_000
    assert not set("\x00\x1b\u202e") & set(text)
    for kind in ("entity", "activity", "agent"):
        assert all(name.replace(":", "").replace("-", "").replace(".", "").isalnum() for name in found[kind])


def test_facts_are_read_again_from_the_stamp(fresh: World, tmp_path: Path) -> None:
    """The same later; others once a right changes. A later audit leaves an export of an earlier one
    as it is.
    """
    sample = _generated(fresh)
    audit = fresh.add_audit((0, 60), sample=sample)
    made = write_prov(fresh.registry, f"audit {audit.id}", tmp_path / "x.json", NOON)
    fresh.add_audit((60, 90), sample=sample, created_at=NOON + datetime.timedelta(days=1))
    assert sha256_of(KINDS[prov.KIND](fresh.registry, made.stamp.subject)) == made.stamp.facts_sha256
    with fresh.registry.connection() as connection:
        decide(connection, 0, "prohibited")
    reseal(fresh.registry)
    assert sha256_of(KINDS[prov.KIND](fresh.registry, made.stamp.subject)) != made.stamp.facts_sha256


def test_a_number_that_json_does_not_have_is_damage(fresh: World) -> None:
    """A candidate's p is no number: the registry is at fault, and the export is refused."""
    audit = fresh.add_audit((0, 60), sample=_generated(fresh))
    _sql(fresh, "UPDATE candidate SET p_value = 'nan'::DOUBLE")
    with pytest.raises(IntegrityError, match="not finite"):
        output_facts(fresh.registry, f"audit {audit.id}")


@pytest.mark.parametrize(
    ("subject", "error", "message"),
    [
        ("audit ffffffffffff", NotFoundError, "no audit 'ffffffffffff'"),
        ("sample ffffffffffff", NotFoundError, "no sample 'ffffffffffff'"),
        ("member 0", UsageError, "expected 'audit ID' or 'sample ID'"),
    ],
)
def test_a_subject_that_is_not_there_is_refused(
    fresh: World, subject: str, error: type[Exception], message: str
) -> None:
    """A stamp may come from another registry, or from nowhere."""
    with pytest.raises(error, match=message):
        output_facts(fresh.registry, subject)
