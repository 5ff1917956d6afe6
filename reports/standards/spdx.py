"""An ensemble in SPDX 3.0.1, as JSON-LD, with the profiles for AI and for data sets.

Packages are the ensemble, its members and the data sets of its encoding; relationships state the
ensemble's contents, each member's training data, and the licences of the data. A data set of many
licences has an expression that binds to all of them, since each work is under one. An unknown or
unrecorded licence is a LicenseRef with its text. Facts that only people know come from
:mod:`registry.supplied_facts`; missing ones are left out, and named in a comment of the document.

Specification: https://spdx.github.io/spdx-spec/v3.0.1/
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from typing import Any

from registry.supplied_facts import pairs
from reports.content.data_sets import DataSetContent
from reports.content.ensembles import EnsembleContent, MemberContent
from reports.content.selection import LicenceCount
from reports.issuing.stamp import Stamp
from reports.rendering.wording import count
from reports.standards.croissant import is_identifier
from reports.standards.cyclonedx import flat_settings, missing_facts, unknown_of_ensemble

KIND = "SPDX document"

_NO_ASSERTION = "expandedlicensing_NoAssertionLicense"
_PROFILES = ["core", "software", "ai", "dataset", "simpleLicensing", "expandedLicensing"]
_OF_ENSEMBLE = {
    "supplier": "suppliedBy of the ensemble",
    "released": "releaseTime of the ensemble",
    "download": "downloadLocation of the ensemble",
    "licence": "licence of the ensemble and its members (no assertion)",
    "uses-sensitive-information": "sensitive personal information in models (no assertion)",
    "metrics": "ai_metric",
    "training-energy": "ai_energyConsumption",
    "safety-risk": "ai_safetyRiskAssessment",
    "domain": "ai_domain",
}
_OF_DATA_SET = {
    "creator": "originatedBy",
    "published": "releaseTime",
    "download": "downloadLocation",
    "has-sensitive-information": "sensitive personal information (no assertion)",
    "biases": "dataset_knownBias",
    "confidentiality": "dataset_confidentialityLevel",
    "availability": "dataset_datasetAvailability",
}

Element = dict[str, Any]


def left_out(found: EnsembleContent) -> list[str]:
    """Facts that the profiles ask for and the registry does not know."""
    return [*missing_facts(found, _OF_ENSEMBLE, _OF_DATA_SET), *unknown_of_ensemble(found)]


def document(found: EnsembleContent, stamp: Stamp) -> dict[str, Any]:
    """The JSON-LD."""
    return _Graph(found, stamp).document()


class _Graph:
    """The elements of one document, and their addresses."""

    def __init__(self, found: EnsembleContent, stamp: Stamp) -> None:
        """An empty one."""
        self.found = found
        self.stamp = stamp
        self.made_at = stamp.made_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        made = hashlib.sha256(stamp.to_json().encode()).hexdigest()[:32]
        self.space = f"https://spdx.org/spdxdocs/creditline-ensemble-{found.id}-{made}"
        self.elements: list[Element] = []
        self._model_licence = _NO_ASSERTION

    def document(self) -> dict[str, Any]:
        """The JSON-LD of all elements."""
        facts = self.found.supplied
        self._model_licence = self._licence_of_models(facts.get("licence"))
        agent = self._add("SoftwareAgent", "agent-creditline", name="creditline")
        tool = self._add("Tool", "tool-creditline", name=f"creditline {version('creditline')}")
        for data in self.found.data_sets:
            self._add_data_set(data)
        for member in self.found.members:
            self._add_member(member)
        ensemble = self._add_ensemble()
        inside = [each["spdxId"] for each in self.elements]
        bom = self._add(
            "Bom",
            "bom",
            name=f"ensemble {self.found.id}",
            profileConformance=_PROFILES,
            rootElement=[ensemble],
            element=inside,
        )
        self._add(
            "SpdxDocument",
            "document",
            name=f"creditline-ensemble-{self.found.id}",
            comment=f"{self.stamp.sentence()}. Not known to the registry: {'; '.join(left_out(self.found))}.",
            profileConformance=_PROFILES,
            rootElement=[bom],
            element=[each["spdxId"] for each in self.elements],
        )
        creation = {
            "type": "CreationInfo",
            "@id": "_:creation",
            "specVersion": "3.0.1",
            "created": self.made_at,
            "createdBy": [agent],
            "createdUsing": [tool],
        }
        return {"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": [creation, *self.elements]}

    def _add(self, kind: str, place: str, **fields: Any) -> str:
        """Add an element; returns its address. Fields without a value are left out."""
        address = f"{self.space}#{place}"
        told = {field: value for field, value in fields.items() if value not in (None, [], "")}
        self.elements.append({"type": kind, "spdxId": address, "creationInfo": "_:creation", **told})
        return address

    def _relate(self, kind: str, source: str, targets: list[str], **fields: Any) -> None:
        if targets:
            name = f"{kind}-{source.rpartition('#')[2]}"
            self._add("Relationship", name, relationshipType=kind, **{"from": source}, to=targets, **fields)

    def _add_ensemble(self) -> str:
        found, encoding, facts = self.found, self.found.encoding, self.found.supplied
        serving = [member for member in found.members if member.serves]
        units = f"{encoding.unit_kind} ({encoding.unit_column})" if encoding.unit_column else encoding.unit_kind
        package = self._add(
            "ai_AIPackage",
            f"ensemble-{found.id}",
            name=f"ensemble {found.id}",
            summary=f"Encoded ensemble of {encoding.n} diffusion models that generates images",
            description=(
                f"Each of {encoding.units:,} units of training data (unit: {units}) was seen by {encoding.h} of "
                f"{encoding.n} members; {len(serving)} members serve. Encoding {encoding.id}, seed {encoding.seed}."
            ),
            builtTime=max((member.trained_at for member in found.members if member.trained_at), default=None),
            software_packageVersion=found.version,
            software_primaryPurpose="model",
            ai_typeOfModel=["denoising diffusion model", "encoded ensemble"],
            ai_hyperparameter=[
                {"type": "DictionaryEntry", "key": name, "value": value}
                for name, value in flat_settings(found.settings).items()
                if value
            ],
            ai_informationAboutTraining=(
                "Every member was trained alone, on the works that its code gives it less those withdrawn before; its manifest "
                "commits to each of them by a Merkle root."
            ),
            suppliedBy=self._agent(facts.get("supplier")),
            releaseTime=_midnight(facts.get("released")),
            software_downloadLocation=facts.get("download"),
            ai_domain=[facts["domain"]] if "domain" in facts else None,
            ai_safetyRiskAssessment=facts.get("safety-risk"),
            ai_metric=[
                {"type": "DictionaryEntry", "key": name, "value": value}
                for name, value in pairs(facts.get("metrics", "")).items()
            ],
            ai_energyConsumption=_energy(facts.get("training-energy")),
            ai_useSensitivePersonalInformation=facts.get("uses-sensitive-information", "noAssertion"),
        )
        self._relate("contains", package, [self._member_address(member) for member in found.members])
        self._relate("trainedOn", package, [self._data_address(data) for data in found.data_sets])
        self._license_models(package)
        return package

    def _add_member(self, member: MemberContent) -> None:
        works = "a number of works" if member.works is None else count(member.works, "work")
        since = count(member.withdrawn_seen, "work")
        state = "" if member.serves else f" Out of service: of what it saw, {since} withdrawn since."
        package = self._add(
            "ai_AIPackage",
            f"member-{member.id}",
            name=f"member {member.id}",
            comment=(
                f"Origin: {member.origin}; generation {member.generation}; manifest SHA-256 {member.manifest_sha256}; "
                f"{works}, Merkle root {member.merkle_root}.{state}"
            ),
            verifiedUsing=[_sha256(member.weights_sha256, "of the weights (safetensors)")],
            builtTime=member.trained_at,
            software_packageVersion=member.weights_sha256[:12],
            software_primaryPurpose="model",
            ai_typeOfModel=["denoising diffusion model"],
            ai_informationAboutTraining="; ".join(f"{name} {text}" for name, text in sorted(member.versions.items()))
            or None,
            ai_useSensitivePersonalInformation=self.found.supplied.get("uses-sensitive-information", "noAssertion"),
        )
        seen = self.found.data_sets_of(member)
        told = ", ".join(f"{member.works_by_data_set[str(data.id)]:,} works of {data.name}" for data in seen)
        self._relate(
            "trainedOn", package, [self._data_address(data) for data in seen], comment=told, completeness="complete"
        )
        self._license_models(package)

    def _add_data_set(self, data: DataSetContent) -> None:
        counts = ", ".join(f"{count:,} {permission}" for permission, count in data.permissions.items())
        facts = data.supplied
        package = self._add(
            "dataset_DatasetPackage",
            f"data-set-{data.key}",
            name=data.name,
            description=f"{data.works:,} works of a {data.kind} are in the encoding; permission to train on them: {counts}.",
            comment="builtTime is when the newest of its works was registered.",
            verifiedUsing=[
                _sha256(data.works_sha256, "over the SHA-256 of its works in hexadecimal, sorted, one per line")
            ],
            builtTime=data.last_registered,
            software_packageVersion=data.works_sha256[:12],
            software_primaryPurpose="data",
            software_copyrightText=_rights(data),
            dataset_datasetType=["image"],
            dataset_datasetSize=None if data.described_only else data.bytes,
            dataset_intendedUse=f"training of ensemble {self.found.id}",
            dataset_dataCollectionProcess=(
                f"Registered from a {data.kind} between {data.first_registered} and {data.last_registered}; "
                f"{data.described_only:,} works are known by their metadata alone."
            ),
            originatedBy=[self._agent(facts["creator"])] if "creator" in facts else None,
            releaseTime=_midnight(facts.get("published")),
            software_downloadLocation=facts.get("download"),
            dataset_knownBias=[facts["biases"]] if "biases" in facts else None,
            dataset_confidentialityLevel=facts.get("confidentiality"),
            dataset_datasetAvailability=facts.get("availability"),
            dataset_hasSensitivePersonalInformation=facts.get("has-sensitive-information", "noAssertion"),
        )
        declared = [terms for terms in data.licences if terms.declared]
        unnamed = data.licences_in_all > len(data.licences)
        self._license("hasDeclaredLicense", package, data, declared, missing=data.without_licence, unnamed=unnamed)
        # A concluded licence covers the whole data set only if every work was verified.
        concluded = not declared and not data.without_licence and not unnamed
        terms = list(data.licences) if concluded else []
        self._license("hasConcludedLicense", package, data, terms, missing=0, unnamed=False)

    def _license(
        self, kind: str, package: str, data: DataSetContent, terms: list[LicenceCount], *, missing: int, unnamed: bool
    ) -> None:
        parts, texts = [], {}
        for each in terms:
            if each.spdx and not each.spdx.startswith("LicenseRef-"):
                parts.append(each.spdx if is_identifier(each.spdx) else f"({each.spdx})")
            else:
                name = _reference(each.reference)
                parts.append(name)
                texts[name] = each.reference
        if missing and parts:
            parts.append(_reference("none"))
            texts[_reference("none")] = f"{missing:,} works have no licence on record."
        if unnamed and parts:
            parts.append(_reference("others"))
            texts[_reference("others")] = (
                f"{data.licences_in_all - len(data.licences):,} further licences are not named here."
            )
        if not parts:
            self._relate(kind, package, [_NO_ASSERTION])
            return
        entries = [
            {
                "type": "DictionaryEntry",
                "key": name,
                "value": self._add(
                    "simplelicensing_SimpleLicensingText",
                    f"{kind}-{data.key}-{name}",
                    name=name,
                    simplelicensing_licenseText=text,
                ),
            }
            for name, text in texts.items()
        ]
        expression = self._add(
            "simplelicensing_LicenseExpression",
            f"{kind}-{data.key}-expression",
            simplelicensing_licenseExpression=" AND ".join(dict.fromkeys(parts)),
            simplelicensing_customIdToUri=entries,
            comment="Each work is under one of these; the listing of the works says which.",
        )
        self._relate(kind, package, [expression])

    def _license_models(self, package: str) -> None:
        self._relate("hasDeclaredLicense", package, [self._model_licence])
        self._relate("hasConcludedLicense", package, [_NO_ASSERTION])

    def _licence_of_models(self, expression: str | None) -> str:
        if expression is None:
            return _NO_ASSERTION
        return self._add(
            "simplelicensing_LicenseExpression", "licence-of-models", simplelicensing_licenseExpression=expression
        )

    def _agent(self, name: str | None) -> str | None:
        """The address of a person or organisation of this name; each is one element."""
        if name is None:
            return None
        place = f"agent-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
        address = f"{self.space}#{place}"
        known = any(each["spdxId"] == address for each in self.elements)
        return address if known else self._add("Agent", place, name=name)

    def _member_address(self, member: MemberContent) -> str:
        return f"{self.space}#member-{member.id}"

    def _data_address(self, data: DataSetContent) -> str:
        return f"{self.space}#data-set-{data.key}"


def _midnight(day: str | None) -> str | None:
    return None if day is None else f"{day}T00:00:00Z"


def _energy(kilowatt_hours: str | None) -> Element | None:
    if kilowatt_hours is None:
        return None
    amount = {"ai_energyQuantity": float(kilowatt_hours), "ai_energyUnit": "kilowattHour"}
    return {
        "type": "ai_EnergyConsumption",
        "ai_trainingEnergyConsumption": [{"type": "ai_EnergyConsumptionDescription", **amount}],
    }


def _sha256(value: str, comment: str) -> Element:
    return {"type": "Hash", "algorithm": "sha256", "hashValue": value, "comment": comment}


def _reference(text: str) -> str:
    return f"LicenseRef-creditline-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _rights(data: DataSetContent) -> str | None:
    """The works' rightsholders, as far as known."""
    named = [f"{owner.name} ({owner.works:,} works)" for owner in data.owners]
    if len(named) < data.owners_in_all:
        named.append(f"{data.owners_in_all - len(named):,} further rightsholders")
    if data.without_owner:
        named.append(f"not on record ({data.without_owner:,} works)")
    return f"Rightsholders: {'; '.join(named)}" if named else None
