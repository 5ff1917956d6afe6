"""An ensemble as a machine-learning bill of materials: CycloneDX 1.6, in JSON.

The ensemble is the subject; its members and the data sets of its encoding are components, and the
dependencies say which member was trained on which data set. Data sets are counted and hashed, never
listed work by work. A licence is "declared" if a supplier stated it and "concluded" if every work
with it was verified. The model's own licence and supplier are facts that people supply
(:mod:`registry.supplied_facts`).

Schema: https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

from registry.outputs.base_claim import called
from registry.supplied_facts import pairs
from reports.content.data_sets import DataSetContent
from reports.content.ensembles import EnsembleContent, MemberContent
from reports.content.selection import LicenceCount
from reports.content.texts import one_line
from reports.issuing.stamp import Stamp
from reports.standards.croissant import is_identifier

KIND = "CycloneDX bill of materials"

_OF_ENSEMBLE = {
    "supplier": "supplier of the model",
    "manufacturer": "manufacturer of the model",
    "licence": "licence of the model",
    "metrics": "quantitative analysis of the model card (see the evaluation and the output reports)",
    "use-cases": "use cases of the model card",
    "limitations": "technical limitations of the model card",
}
_OF_DATA_SET = {"sensitive-information": "sensitive data", "confidentiality": "classification"}


def left_out(found: EnsembleContent) -> list[str]:
    """Facts that CycloneDX has a place for and the registry does not know."""
    return [*missing_facts(found, _OF_ENSEMBLE, _OF_DATA_SET), *unknown_of_ensemble(found)]


def missing_facts(
    found: EnsembleContent, of_ensemble: Mapping[str, str], of_data_set: Mapping[str, str]
) -> Iterator[str]:
    """The words of the facts that nobody supplied, about the ensemble and its data sets."""
    yield from (words for fact, words in of_ensemble.items() if fact not in found.supplied)
    for fact, words in of_data_set.items():
        lacking = [data.name for data in found.data_sets if fact not in data.supplied]
        if lacking:
            yield f"{words} of data set {', '.join(lacking[:5])}" + (", …" if len(lacking) > 5 else "")


def unknown_of_ensemble(found: EnsembleContent) -> list[str]:
    """Missing facts on an ensemble's members and works, in words."""
    unknown = []
    if len(found.members) < found.encoding.n:
        unknown.append(f"{found.encoding.n - len(found.members)} of {found.encoding.n} members (not trained yet)")
    if found.base_id is not None:
        unknown.append(f"what {called(found.base_id, None)} was trained on: the data sets are those of the fine-tuning")
    for data in found.data_sets:
        if data.without_licence:
            unknown.append(f"licence of {data.without_licence:,} works of data set {data.name}")
        if data.without_owner:
            unknown.append(f"rightsholder of {data.without_owner:,} works of data set {data.name}")
        if len(data.licences) < data.licences_in_all or len(data.owners) < data.owners_in_all:
            unknown.append(f"licences and rightsholders of data set {data.name} beyond those of the most works")
    return unknown


def document(found: EnsembleContent, stamp: Stamp) -> dict[str, Any]:
    """The bill of materials."""
    ensemble = f"ensemble-{found.id}"
    data_sets = [_ref(data) for data in found.data_sets]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, stamp.to_json())}",
        "version": 1,
        "metadata": {
            "timestamp": stamp.made_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {"components": [{"type": "application", "name": "creditline", "version": version("creditline")}]},
            "component": _ensemble(found, ensemble, data_sets),
            "properties": [
                _property("stamp", stamp.sentence()),
                _property("facts_sha256", stamp.facts_sha256),
                _property("log_sequence", stamp.log_sequence),
                _property("log_sha256", stamp.log_sha256),
            ],
        },
        "components": [
            *(_member(found, member) for member in found.members),
            *(_data(data) for data in found.data_sets),
        ],
        "dependencies": [
            {"ref": ensemble, "dependsOn": [_member_ref(member) for member in found.members if member.serves]},
            *(
                {"ref": _member_ref(member), "dependsOn": [_ref(data) for data in found.data_sets_of(member)]}
                for member in found.members
            ),
            *({"ref": name} for name in data_sets),
        ],
    }


def _ensemble(found: EnsembleContent, ref: str, data_sets: list[str]) -> dict[str, Any]:
    encoding = found.encoding
    serving = [member.index for member in found.members if member.serves]
    return {
        "type": "machine-learning-model",
        "bom-ref": ref,
        "name": f"ensemble {found.id}",
        "version": found.version,
        "description": (
            f"Encoded ensemble of {encoding.n} diffusion models for images; each of {encoding.units:,} units of training data "
            f"was seen by {encoding.h} of them. {len(serving)} members serve."
        ),
        **_pedigree(found),
        **_supplied(found.supplied),
        "modelCard": {
            **_card(found, data_sets),
            **_considerations(found.supplied),
            "properties": [_property(name, value) for name, value in flat_settings(found.settings).items()],
        },
        "properties": [
            _property("encoding", encoding.id),
            _property(
                "encoding.unit", encoding.unit_kind + (f": {encoding.unit_column}" if encoding.unit_column else "")
            ),
            _property("encoding.members", encoding.n),
            _property("encoding.members_per_unit", encoding.h),
            _property("encoding.seed", encoding.seed),
            _property("members_serving", ", ".join(map(str, serving)) or "none"),
        ],
    }


def _pedigree(found: EnsembleContent) -> dict[str, Any]:
    """The base model, if the members are adapters on one."""
    if found.base_id is None:
        return {}
    base: dict[str, Any] = {"type": "machine-learning-model", "name": one_line(called(found.base_id, None))}
    if re.fullmatch("[0-9a-f]{64}", found.base_id):
        base["hashes"] = [{"alg": "SHA-256", "content": found.base_id}]
    return {"pedigree": {"ancestors": [base]}}


def _supplied(facts: Mapping[str, str]) -> dict[str, Any]:
    """The supplier, manufacturer and licence of the model, as far as supplied."""
    told: dict[str, Any] = {role: {"name": facts[role]} for role in ("supplier", "manufacturer") if role in facts}
    if "licence" in facts:
        told["licenses"] = [{"expression": facts["licence"]}]
    return told


def _considerations(facts: Mapping[str, str]) -> dict[str, Any]:
    """The parts of the model card that were supplied."""
    told: dict[str, Any] = {}
    if "metrics" in facts:
        metrics = [{"type": name, "value": value} for name, value in pairs(facts["metrics"]).items()]
        told["quantitativeAnalysis"] = {"performanceMetrics": metrics}
    lists = {"useCases": "use-cases", "technicalLimitations": "limitations"}
    considered = {name: [facts[fact]] for name, fact in lists.items() if fact in facts}
    return told | ({"considerations": considered} if considered else {})


def _member(found: EnsembleContent, member: MemberContent) -> dict[str, Any]:
    told = {
        "index": member.index,
        "generation": member.generation,
        "origin": member.origin,
        "serves": "yes" if member.serves else f"no: it was trained on {member.withdrawn_seen:,} works withdrawn since",
        "works": member.works,
        "works_sha256": member.works_sha256,
        "works_merkle_root": member.merkle_root,
        "manifest_sha256": member.manifest_sha256,
        "config_sha256": member.config_sha256,
        "training_seed": member.seed,
        "trained_at": member.trained_at,
        "withdrawals_applied_through": member.withdrawn_through,
        **{f"works_of.{_ref(data)}": member.works_by_data_set[str(data.id)] for data in found.data_sets_of(member)},
        **{f"version.{name}": text for name, text in member.versions.items()},
    }
    return {
        "type": "machine-learning-model",
        "bom-ref": _member_ref(member),
        "name": f"member {member.id}",
        "version": member.weights_sha256[:12],
        "description": "A diffusion model for images; it saw the works of its manifest, a part of the data sets it refers to.",
        "scope": "required" if member.serves else "excluded",
        "hashes": [{"alg": "SHA-256", "content": member.weights_sha256}],
        "modelCard": _card(found, [_ref(data) for data in found.data_sets_of(member)]),
        "properties": [_property(name, value) for name, value in told.items() if value is not None],
    }


def _card(found: EnsembleContent, data_sets: list[str]) -> dict[str, Any]:
    return {
        "modelParameters": {
            "approach": {"type": "supervised" if found.settings.get("label_column") else "self-supervised"},
            "task": "image generation",
            "architectureFamily": "denoising diffusion model",
            "datasets": [{"ref": name} for name in data_sets],
            "outputs": [{"format": "image/png"}],
        }
    }


def flat_settings(settings: dict[str, Any], prefix: str = "settings") -> dict[str, str]:
    """An ensemble's recipe as names and texts: ``settings.training.steps`` and so on."""
    found: dict[str, str] = {}
    for name, value in sorted(settings.items()):
        key = f"{prefix}.{one_line(str(name))}"
        if isinstance(value, dict):
            found |= flat_settings(value, key)
        elif value not in (None, []):
            found[key] = one_line(", ".join(map(str, value)) if isinstance(value, list) else str(value))
    return found


def _data(data: DataSetContent) -> dict[str, Any]:
    told = {
        "works": data.works,
        "bytes": data.bytes,
        "works_known_by_metadata_alone": data.described_only,
        "works_missing": data.missing,
        "works_hashed": data.works_hashed,
        "hash": "SHA-256 over the SHA-256 of the works in hexadecimal, sorted, one per line",
        "first_registered": data.first_registered,
        "last_registered": data.last_registered,
        **{f"permission.{name}": count for name, count in data.permissions.items()},
        **{f"media_type.{name}": count for name, count in data.media_types.items()},
        **{f"rightsholder_works.{owner.id}": f"{owner.works} works: {owner.name}" for owner in data.owners},
        "rightsholders": data.owners_in_all,
        "licences": data.licences_in_all,
        "works_without_licence": data.without_licence,
        "works_without_rightsholder": data.without_owner,
    }
    described: dict[str, Any] = {
        "type": "dataset",
        "name": data.name,
        "description": f"{data.works:,} works of the data set are in the encoding.",
        "contents": {"properties": [_property(name, value) for name, value in told.items() if value is not None]},
    }
    if "sensitive-information" in data.supplied:
        described["sensitiveData"] = [data.supplied["sensitive-information"]]
    if "confidentiality" in data.supplied:
        described["classification"] = data.supplied["confidentiality"]
    if data.owners:
        described["governance"] = {
            "owners": [
                {"contact" if owner.kind == "person" else "organization": {"name": owner.name}} for owner in data.owners
            ]
        }
    component: dict[str, Any] = {
        "type": "data",
        "bom-ref": _ref(data),
        "name": data.name,
        "version": data.works_sha256[:12],
        "description": f"Training works, registered from a {data.kind}.",
        "hashes": [{"alg": "SHA-256", "content": data.works_sha256}],
        "data": [described],
    }
    if data.licences:
        component["licenses"] = [{"license": _licence(terms)} for terms in data.licences]
    return component


def _licence(terms: LicenceCount) -> dict[str, Any]:
    spdx = terms.spdx or ""
    found: dict[str, Any] = {"id": spdx} if is_identifier(spdx) else {"name": one_line(spdx or terms.reference)}
    found["acknowledgement"] = "declared" if terms.declared else "concluded"
    if terms.url and re.fullmatch(r"https?://[\w.:/%?&=~+,;@!$'()*#-]{1,2000}", terms.url, re.ASCII):
        found["url"] = terms.url
    found["properties"] = [
        _property("works_declared", terms.declared),
        _property("works_verified", terms.verified),
        _property("training", terms.training),
    ]
    return found


def _ref(data: DataSetContent) -> str:
    return f"data-set-{data.key}"


def _member_ref(member: MemberContent) -> str:
    return f"member-{member.id}"


def _property(name: str, value: object) -> dict[str, str]:
    return {"name": f"creditline:{name}", "value": str(value)}
