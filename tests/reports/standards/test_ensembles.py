"""CycloneDX and SPDX: both validated by the standards' own tools, and what they say against what
the registry has.
"""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from license_expression import get_spdx_licensing
from spdx_python_model import v3_0_1 as spdx_model

from registry.errors import NotFoundError
from registry.ids import sha256_of
from registry.supplied_facts import SubjectKind, supply
from reports.checking.document_types import KINDS
from reports.standards import cyclonedx, spdx
from reports.standards.croissant import is_identifier
from reports.standards.write import write_cyclonedx, write_spdx
from tests.support.sealing import decide, reseal
from tests.support.world import HOSTILE, NOON, World

ENSEMBLE = "e" * 12
MANIFEST = {
    "works": {"count": 6, "sha256": "1" * 64, "merkle_root": "2" * 64},
    "withdrawn_through": None,
    "seed": 3,
    "config_sha256": "4" * 64,
    "versions": {"creditline": "0.1.0", "torch": "2.9.0"},
    "created_at": "2026-03-14T11:00:00.5Z",
}


def _sql(world: World, query: str, *values: object) -> None:
    with world.registry.connection() as connection:
        connection.execute(query, list(values))
    reseal(world.registry)


@pytest.fixture
def trained(fresh: World) -> World:
    """An ensemble whose members have manifests, of works under licences that were understood."""
    _sql(fresh, "UPDATE member SET manifest = ?", json.dumps(MANIFEST))
    _sql(fresh, "UPDATE licence SET spdx = reference")
    return fresh


def _bill(world: World, folder: Path) -> dict[str, Any]:
    """The CycloneDX export; the tool must take it."""
    text = write_cyclonedx(world.registry, ENSEMBLE, folder / "e.cdx.json", NOON).path.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    found: dict[str, Any] = json.loads(text)
    return found


def _objects(world: World, folder: Path) -> Any:  # noqa: ANN401 - elements of many classes, told apart by their content
    """The SPDX export, decoded; the tool checks names, types and counts of every property, and all
    that is named is there.
    """
    data = write_spdx(world.registry, ENSEMBLE, folder / "e.spdx3.json", NOON).path.read_bytes()
    objects = spdx_model.SHACLObjectSet()
    spdx_model.JSONLDDeserializer().read(io.BytesIO(data), objects)
    assert not objects.link()
    assert not objects.missing_ids
    # Writing it again fails on any property that is required and not there.
    again = io.BytesIO()
    spdx_model.JSONLDSerializer().write(objects, again)
    assert len(json.loads(again.getvalue())["@graph"]) == len(json.loads(data)["@graph"])
    return objects


def _relations(objects: Any, kind: str) -> Iterator[Any]:  # noqa: ANN401 - as above
    """The relationships of a kind."""
    for each in objects.foreach_type(spdx_model.Relationship):
        if each.relationshipType == getattr(spdx_model.RelationshipType, kind):
            yield each


def test_cyclonedx_lists_members_and_data_and_what_depends_on_what(trained: World, tmp_path: Path) -> None:
    """Weights by hash, data sets by reference from the model cards, every reference resolved."""
    bill = _bill(trained, tmp_path)
    components = {each["bom-ref"]: each for each in bill["components"]}
    models = [each for each in components.values() if each["type"] == "machine-learning-model"]
    (data,) = [each for each in components.values() if each["type"] == "data"]
    assert bill["metadata"]["component"]["type"] == "machine-learning-model"
    assert [model["hashes"][0]["content"] for model in models] == [f"{index + 100:064x}" for index in range(10)]
    for each in (bill["metadata"]["component"], *models[:9]):
        assert each["modelCard"]["modelParameters"]["datasets"] == [{"ref": data["bom-ref"]}]
    assert models[9]["modelCard"]["modelParameters"]["datasets"] == []  # no code of this world has its bit
    listed = {bill["metadata"]["component"]["bom-ref"], *components}
    assert {each["ref"] for each in bill["dependencies"]} == listed
    assert {name for each in bill["dependencies"] for name in each.get("dependsOn", [])} < listed
    owners = data["data"][0]["governance"]["owners"]
    assert [owner["organization"]["name"] for owner in owners] == ["Kestrel Studio", "Open Shapes Project"]
    assert [each["license"].get("id") or each["license"]["name"] for each in data["licenses"]] == [
        "CC-BY-4.0",
        "LicenseRef-Kestrel-2",
    ]
    assert {each["license"]["acknowledgement"] for each in data["licenses"]} == {"declared"}


@pytest.mark.parametrize("base_id", ["7b" * 32, "no hash \u202e <b>"])
def test_a_base_model_is_an_ancestor(trained: World, tmp_path: Path, base_id: str) -> None:
    """Both formats say that its training data is not among the data sets; others name none."""
    assert "pedigree" not in _bill(trained, tmp_path)["metadata"]["component"]
    _sql(trained, "UPDATE ensemble SET settings = ?", json.dumps({"network": {"base": base_id}}))
    bill = _bill(trained, tmp_path)
    (ancestor,) = bill["metadata"]["component"]["pedigree"]["ancestors"]
    assert ancestor["name"].startswith("the base model ")
    assert ("hashes" in ancestor) == (base_id == "7b" * 32)
    _objects(trained, tmp_path)
    assert "the data sets are those of the fine-tuning" in (tmp_path / "e.spdx3.json").read_text()


def test_every_identifier_that_a_licence_can_have_is_one_of_cyclonedx() -> None:
    """A licence becomes an id where it is one of SPDX's list; the validator's list has all of
    them.
    """
    licensing = get_spdx_licensing()
    known = {key for key, symbol in licensing.known_symbols.items() if not symbol.is_exception and is_identifier(key)}
    schema = json.loads(files("cyclonedx.schema._res").joinpath("spdx.SNAPSHOT.schema.json").read_text())
    assert len(known) > 600
    assert known <= set(schema["enum"])


def test_spdx_has_the_packages_of_both_profiles_and_their_relations(trained: World, tmp_path: Path) -> None:
    """The ensemble contains its members; each was trained on the data set; hashes are of the
    weights.
    """
    objects = _objects(trained, tmp_path)
    models = list(objects.foreach_type(spdx_model.ai_AIPackage))
    (data,) = objects.foreach_type(spdx_model.dataset_DatasetPackage)
    assert len(models) == 11
    assert data.dataset_datasetType == [spdx_model.dataset_DatasetType.image]
    assert data.dataset_datasetSize == 12 * 700
    (contains,) = _relations(objects, "contains")
    assert len(contains.to) == 10
    trained_on = list(_relations(objects, "trainedOn"))
    told = {model._id for model in models}
    assert {address.rpartition("-")[2] for address in told - {each.from_._id for each in trained_on}} == {"9"}
    assert all(list(each.to) == [data] for each in trained_on)
    hashes = {model.verifiedUsing[0].hashValue for model in models if model.verifiedUsing}
    assert hashes == {f"{index + 100:064x}" for index in range(10)}


def test_spdx_says_one_declared_and_one_concluded_licence_of_every_package(trained: World, tmp_path: Path) -> None:
    """As both profiles demand; of the data it binds to all of its licences, of the models nothing
    is asserted.
    """
    objects = _objects(trained, tmp_path)
    packages = [
        *objects.foreach_type(spdx_model.ai_AIPackage),
        *objects.foreach_type(spdx_model.dataset_DatasetPackage),
    ]
    for kind in ("hasDeclaredLicense", "hasConcludedLicense"):
        related = [each.from_._id for each in _relations(objects, kind)]
        assert sorted(related) == sorted(package._id for package in packages)
    (expression,) = objects.foreach_type(spdx_model.simplelicensing_LicenseExpression)
    words = expression.simplelicensing_licenseExpression.split(" AND ")
    assert words[0] == "CC-BY-4.0"
    assert words[1].startswith("LicenseRef-creditline-")
    (text,) = objects.foreach_type(spdx_model.simplelicensing_SimpleLicensingText)
    assert (text.name, text.simplelicensing_licenseText) == (words[1], "LicenseRef-Kestrel-2")


def test_a_licence_is_concluded_where_every_work_was_verified(trained: World, tmp_path: Path) -> None:
    """Then it is no longer the supplier's word: CycloneDX says concluded, SPDX moves it to the
    concluded licence.
    """
    _sql(trained, "UPDATE asset_rights SET basis = 'verified'")
    (data,) = [each for each in _bill(trained, tmp_path)["components"] if each["type"] == "data"]
    assert {each["license"]["acknowledgement"] for each in data["licenses"]} == {"concluded"}
    objects = _objects(trained, tmp_path)
    (expression,) = objects.foreach_type(spdx_model.simplelicensing_LicenseExpression)
    (of_data,) = [each for each in _relations(objects, "hasConcludedLicense") if expression in each.to]
    assert "data-set-" in of_data.from_._id


def test_works_without_a_licence_are_not_hidden(trained: World, tmp_path: Path) -> None:
    """The expression has a part of its own for them, and the narration names them."""
    _sql(trained, "UPDATE asset_rights SET licence_id = NULL WHERE asset_id < 4")
    objects = _objects(trained, tmp_path)
    texts = {
        each.simplelicensing_licenseText
        for each in objects.foreach_type(spdx_model.simplelicensing_SimpleLicensingText)
    }
    assert "4 works have no licence on record." in texts
    made = write_cyclonedx(trained.registry, ENSEMBLE, tmp_path / "again.json", NOON)
    assert "licence of 4 works of data set shapes" in made.left_out


def test_a_withdrawn_work_puts_members_out_of_service_and_the_bill_says_so(trained: World, tmp_path: Path) -> None:
    """Those that saw it are excluded and the ensemble does not depend on them; they stay listed,
    with what they saw.
    """
    _sql(trained, "INSERT INTO withdrawal_work (id, withdrawal_id, asset_id) VALUES (0, 0, 0)")
    bill = _bill(trained, tmp_path)
    scopes = {each["bom-ref"]: each["scope"] for each in bill["components"] if "scope" in each}
    out = {f"member-{ENSEMBLE}-{index}" for index in range(5)}  # the code of work 0 is 0b11111
    assert {name for name, scope in scopes.items() if scope == "excluded"} == out
    assert not out & set(bill["dependencies"][0]["dependsOn"])
    comments = [model.comment for model in _objects(trained, tmp_path).foreach_type(spdx_model.ai_AIPackage)]
    assert (
        sum("Out of service: of what it saw, 1 work withdrawn since." in (comment or "") for comment in comments) == 5
    )


def test_a_member_is_related_to_the_data_sets_that_it_saw_works_of(trained: World, tmp_path: Path) -> None:
    """Another data set, whose one work has bits 0 to 4, is no training data of members 5 to 8;
    member 9 saw nothing at all.
    """
    _sql(trained, "INSERT INTO data_set SELECT 2, 'other', kind, root, created_at FROM data_set")
    _sql(trained, "UPDATE asset SET data_set_id = 2 WHERE id = 0")
    bill = _bill(trained, tmp_path)
    counts = {each["ref"]: len(each.get("dependsOn", [])) for each in bill["dependencies"]}
    assert [counts[f"member-{ENSEMBLE}-{index}"] for index in range(10)] == [2] * 5 + [1] * 4 + [0]
    related = {
        each.from_._id.split("#")[1]: len(each.to) for each in _relations(_objects(trained, tmp_path), "trainedOn")
    }
    assert [related.get(f"member-{ENSEMBLE}-{index}", 0) for index in range(10)] == [2] * 5 + [1] * 4 + [0]


@pytest.mark.slow
def test_hostile_names_leave_both_valid_and_small(trained: World, tmp_path: Path) -> None:
    """100 kB of script, controls and overrides as data set, owner, licence, address and setting."""
    hostile = "\x00\u202e" + HOSTILE
    _sql(trained, "UPDATE data_set SET name = ?", hostile)
    _sql(trained, "UPDATE rightsholder SET name = ?", hostile)
    _sql(trained, "UPDATE licence SET reference = ?, spdx = NULL, url = ?", hostile, "https://x y\u202e")
    _sql(
        trained,
        "UPDATE ensemble SET settings = ?",
        json.dumps({hostile: {hostile: [hostile]}, "label_column": hostile}),
    )
    _bill(trained, tmp_path)
    _objects(trained, tmp_path)
    for name in ("e.cdx.json", "e.spdx3.json"):
        text = (tmp_path / name).read_text()
        assert len(text) < 60_000
        assert "\u202e" not in text
        assert "\\u0000" not in text


@pytest.mark.slow
def test_an_ensemble_without_members_or_rights_is_exported_too(fresh: World, tmp_path: Path) -> None:
    """Nothing was trained yet and nobody is on record: both are valid, and the narration says what
    is lacking.
    """
    _sql(fresh, "DELETE FROM member")
    _sql(fresh, "UPDATE asset_rights SET licence_id = NULL, rightsholder_id = NULL")
    assert "licenses" not in _bill(fresh, tmp_path)["components"][0]
    objects = _objects(fresh, tmp_path)
    assert not list(objects.foreach_type(spdx_model.simplelicensing_LicenseExpression))
    made = write_spdx(fresh.registry, ENSEMBLE, tmp_path / "again.json", NOON)
    assert "10 of 10 members (not trained yet)" in made.left_out
    assert any("10 of 10 members" in (each.comment or "") for each in objects.foreach_type(spdx_model.SpdxDocument))


@pytest.mark.parametrize(("kind", "write"), [(cyclonedx.KIND, write_cyclonedx), (spdx.KIND, write_spdx)])
def test_the_same_facts_give_the_same_document_but_for_the_time(
    trained: World,
    tmp_path: Path,
    kind: str,
    write: Any,  # noqa: ANN401 - one of two functions
) -> None:
    """Facts are read again to the stamp's hash; a later export differs in time and log alone."""
    first = write(trained.registry, ENSEMBLE, tmp_path / "a.json", NOON)
    later = write(trained.registry, ENSEMBLE, tmp_path / "b.json", NOON + datetime.timedelta(days=1))
    assert first.stamp.facts_sha256 == later.stamp.facts_sha256 == sha256_of(KINDS[kind](trained.registry, ENSEMBLE))
    size = {len(made.path.read_text()) for made in (first, later)}
    assert len(size) == 1
    with trained.registry.connection() as connection:
        decide(connection, 3, "prohibited")
    reseal(trained.registry)
    assert sha256_of(KINDS[kind](trained.registry, ENSEMBLE)) != first.stamp.facts_sha256


def test_an_unknown_ensemble_is_refused(fresh: World, tmp_path: Path) -> None:
    """With a message that says where to look; nothing is written."""
    with pytest.raises(NotFoundError, match="no ensemble 'nope'"):
        write_spdx(fresh.registry, "nope", tmp_path / "x.json", NOON)
    assert not list(tmp_path.glob("*.json"))


FACTS = {
    SubjectKind.ENSEMBLE: {
        "supplier": "Kestrel Studio",
        "manufacturer": "Kestrel Studio",
        "licence": "Apache-2.0 OR MIT",
        "released": "2026-03-14",
        "download": "https://kestrel.example/weights",
        "domain": "illustration",
        "use-cases": "icons",
        "limitations": "small pictures",
        "uses-sensitive-information": "no",
        "safety-risk": "low",
        "training-energy": "3.5",
        "metrics": "FID=12.1; precision=0.8",
    },
    SubjectKind.DATA_SET: {
        "creator": "Kestrel Studio",
        "published": "2026-03-01",
        "download": "https://kestrel.example/works",
        "sensitive-information": "none is shown",
        "has-sensitive-information": "no",
        "biases": "fruit is frequent",
        "confidentiality": "clear",
        "availability": "directDownload",
    },
}


def test_supplied_facts_fill_the_formats(trained: World, tmp_path: Path) -> None:
    """The standards' own tools take them, and nothing that was supplied is named as missing."""
    for kind, subject in ((SubjectKind.ENSEMBLE, ENSEMBLE), (SubjectKind.DATA_SET, "shapes")):
        supply(trained.registry, kind, subject, FACTS[kind], "its maker", NOON)
    model = _bill(trained, tmp_path)["metadata"]["component"]
    assert (model["supplier"], model["licenses"]) == (
        {"name": "Kestrel Studio"},
        [{"expression": "Apache-2.0 OR MIT"}],
    )
    assert model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"][0] == {"type": "FID", "value": "12.1"}
    assert model["modelCard"]["considerations"] == {"useCases": ["icons"], "technicalLimitations": ["small pictures"]}
    objects = _objects(trained, tmp_path)
    (ensemble,) = [each for each in objects.foreach_type("ai_AIPackage") if each.name == f"ensemble {ENSEMBLE}"]
    assert (ensemble.suppliedBy.name, ensemble.ai_domain, ensemble.software_downloadLocation) == (
        "Kestrel Studio",
        ["illustration"],
        "https://kestrel.example/weights",
    )
    (data,) = objects.foreach_type("dataset_DatasetPackage")
    assert ([each.name for each in data.originatedBy], list(data.dataset_knownBias)) == (
        ["Kestrel Studio"],
        ["fruit is frequent"],
    )
    for made in (
        write_cyclonedx(trained.registry, ENSEMBLE, tmp_path / "a.json", NOON),
        write_spdx(trained.registry, ENSEMBLE, tmp_path / "b.json", NOON),
    ):
        assert not [each for each in made.left_out if "of data set shapes" not in each or "licence" not in each]
