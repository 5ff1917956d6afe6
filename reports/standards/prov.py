"""The lineage of one output in PROV-JSON: its models, their training, the influential works.

Facts and estimates are kept apart. Training on the works of a manifest is a fact: a member's
training ``used`` them, as one collection with its Merkle root and count. Influence of a work is the
finding of a test: only candidates that passed are related to the output, by ``wasInfluencedBy``
with p, q and the method, never by ``wasDerivedFrom`` or ``used``.

Specification: https://www.w3.org/submissions/prov-json/
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from typing import Any

from registry.ids import canonical_json
from reports.content.ensembles import MemberRecord
from reports.content.outputs import AuditRecord, OutputLineage, PassedUnit, SampleRecord, WorkRecord
from reports.content.texts import one_line
from reports.issuing.stamp import Stamp

KIND = "PROV lineage"
NAMESPACE = "urn:creditline:"

_STATISTIC = "randomisation test of the unit's code against decoys: {} statistic; Benjamini-Hochberg over the shortlist"

Attributes = dict[str, Any]


def left_out(found: OutputLineage) -> list[str]:
    """Facts that the lineage lacks."""
    missing = []
    if found.sample is None:
        missing.append("how the image was made: it was not generated here")
    elif not found.sample.members:
        missing.append("the members that made it: the registry cannot say of which generation they were")
    if found.audit is None:
        missing.append("works that influenced it: no audit has looked at it; run `creditline audit`")
    elif not found.audit.passed:
        missing.append("works that influenced it: none of those tested passed, so it is not attributable")
    return missing


def document(found: OutputLineage, stamp: Stamp) -> dict[str, Any]:
    """The PROV-JSON."""
    return _Lineage(found, stamp).document()


class _Lineage:
    """The statements of one document; a repeated statement appears once."""

    def __init__(self, found: OutputLineage, stamp: Stamp) -> None:
        """An empty one."""
        self.found = found
        self.stamp = stamp
        self.statements: dict[str, dict[str, Attributes]] = {}
        self.output = _name("output", found.image_sha256)
        self.encoding = _name("encoding", found.encoding.id)

    def document(self) -> dict[str, Any]:
        """The PROV-JSON of all statements."""
        found, encoding = self.found, self.found.encoding
        kind = "generated image" if found.sample else "audited image"
        self._entity(
            self.output, f"{kind} {found.image_name or found.image_sha256[:12]}", kind, sha256=found.image_sha256
        )
        self._entity(
            self.encoding,
            f"encoding {encoding.id}",
            _term("prov:Plan"),
            unit=encoding.unit_kind,
            unit_column=encoding.unit_column,
            units=encoding.units,
            members=encoding.n,
            members_per_unit=encoding.h,
            seed=encoding.seed,
        )
        if found.sample:
            self._sampling(found.sample)
        if found.audit:
            self._audit(found.audit)
        software = self._software({"creditline": version("creditline")})
        export = _name("document", self.stamp.facts_sha256)
        self._entity(
            export,
            self.stamp.sentence(),
            "provenance document",
            facts_sha256=self.stamp.facts_sha256,
            log_sequence=self.stamp.log_sequence,
            log_sha256=self.stamp.log_sha256,
            made_at=self.stamp.made_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        self._relate("wasAttributedTo", entity=export, agent=software)
        return {"prefix": {"creditline": NAMESPACE}, **self.statements}

    def _sampling(self, made: SampleRecord) -> None:
        sampling = _name("sampling", made.id)
        told = {
            f"sampler_{name}": value for name, value in made.sampler.items() if isinstance(value, str | int | float)
        }
        self._activity(
            sampling,
            f"sample {made.id}",
            made.created_at,
            seed=made.seed,
            prompt=made.label,
            noise_sha256=made.noise_sha256,
            ensemble=self.found.ensemble_id,
            **told,
            **_versions(made.versions),
        )
        self._relate("wasGeneratedBy", entity=self.output, activity=sampling, time=made.created_at)
        self._relate("wasAssociatedWith", activity=sampling, agent=self._software(made.versions))
        for member in made.members:
            self._relate("used", activity=sampling, entity=self._member(member))

    def _member(self, member: MemberRecord) -> str:
        """The model, its training, and the collection of works that it saw."""
        name, training = _name("member", member.id), _name("training", member.id)
        works = _name("works-of-member", member.id)
        self._entity(
            name,
            f"member {member.id}",
            "diffusion model",
            index=member.index,
            generation=member.generation,
            origin=member.origin,
            weights_sha256=member.weights_sha256,
            manifest_sha256=member.manifest_sha256,
        )
        self._entity(
            works,
            f"works that member {member.id} was trained on",
            _term("prov:Collection"),
            works=member.works,
            merkle_root=member.merkle_root,
            listing_sha256=member.works_sha256,
            manifest_sha256=member.manifest_sha256,
        )
        self._activity(
            training,
            f"training of member {member.id}",
            member.trained_at,
            seed=member.seed,
            withdrawals_applied_through=member.withdrawn_through,
            **_versions(member.versions),
        )
        self._relate("used", activity=training, entity=works)
        self._relate("wasGeneratedBy", entity=name, activity=training, time=member.trained_at)
        self._relate("wasAssociatedWith", activity=training, agent=self._software(member.versions), plan=self.encoding)
        return name

    def _audit(self, found: AuditRecord) -> None:
        audit, finding = _name("audit", found.id), _name("finding", found.id)
        self._activity(
            audit,
            f"audit {found.id}",
            found.created_at,
            ranker=found.ranker,
            method=_STATISTIC.format(found.statistic),
            decoys=found.decoys,
            smallest_p=found.smallest_p,
            false_discovery_rate=found.false_discovery_rate,
            **_versions(found.versions),
        )
        self._entity(
            finding,
            f"what audit {found.id} found",
            "audit finding",
            tested=found.tested,
            passed=len(found.passed),
            attributable=bool(found.passed),
        )
        self._relate("used", activity=audit, entity=self.output)
        for member in found.members:
            self._relate("used", activity=audit, entity=self._member(member))
        self._relate("wasGeneratedBy", entity=finding, activity=audit, time=found.created_at)
        self._relate("wasAssociatedWith", activity=audit, agent=self._software(found.versions))
        for candidate in found.passed:
            self._candidate(found, candidate)

    def _candidate(self, found: AuditRecord, candidate: PassedUnit) -> None:
        works = [self._work(work) for work in candidate.works]
        if candidate.works_in_unit == 1 and works:
            influencer = works[0]
        else:
            influencer = _name("unit", f"{self.found.encoding.id}-{candidate.unit_number}")
            self._entity(
                influencer,
                candidate.label,
                _term("prov:Collection"),
                works=candidate.works_in_unit,
                works_listed=len(works),
                unit=self.found.encoding.unit_kind,
            )
            for work in works:
                self._relate("hadMember", collection=influencer, entity=work)
        self._relate(
            "wasInfluencedBy",
            influencee=self.output,
            influencer=influencer,
            own={
                "estimate": True,
                "p": candidate.p_value,
                "q": candidate.q_value,
                "passes": True,
                "false_discovery_rate": found.false_discovery_rate,
                "statistic": candidate.statistic,
                "method": _STATISTIC.format(found.statistic),
                "rank": candidate.rank,
                "grade": candidate.grade,
                "effect": candidate.effect,
                "effect_low": candidate.effect_low,
                "effect_high": candidate.effect_high,
                "influence_exact": candidate.influence_exact,
                "influence_estimate": candidate.influence_estimate,
                "audit": _term(_name("audit", found.id)),
            },
        )

    def _work(self, work: WorkRecord) -> str:
        name = _name("work", work.sha256 or f"number-{work.asset_id}")
        self._entity(
            name,
            work.title or work.path or f"work {work.asset_id}",
            "work",
            number=work.asset_id,
            sha256=work.sha256,
            data_set=work.data_set,
            path=work.path,
            licence=work.licence,
            basis=work.basis,
            permission=work.permission,
        )
        for rightsholder in work.rightsholders:
            agent = _name("rightsholder", hashlib.sha256(rightsholder.encode()).hexdigest()[:16])
            self._put("agent", agent, {"prov:label": rightsholder, "prov:type": "rightsholder"})
            self._relate("wasAttributedTo", entity=name, agent=agent, own={"basis": work.basis})
        for member in work.seen_by:
            self._relate("hadMember", collection=_name("works-of-member", member), entity=name)
        return name

    def _software(self, versions: dict[str, str]) -> str:
        number = versions.get("creditline")
        agent = _name("software", f"creditline-{_slug(number)}" if number else "creditline")
        label = f"creditline {number}" if number else "creditline"
        self._put("agent", agent, {"prov:label": label, "prov:type": _term("prov:SoftwareAgent")})
        return agent

    def _entity(self, name: str, label: str, kind: Any, **own: Any) -> None:  # noqa: ANN401 - JSON
        self._put("entity", name, {"prov:label": one_line(label), "prov:type": kind, **_own(own)})

    def _activity(self, name: str, label: str, ended: str | None, **own: Any) -> None:
        times = {"prov:endTime": ended} if ended else {}
        self._put("activity", name, {**times, "prov:label": one_line(label), **_own(own)})

    def _relate(self, kind: str, *, own: dict[str, Any] | None = None, **ends: str | None) -> None:
        said = {**{f"prov:{end}": name for end, name in ends.items() if name}, **_own(own or {})}
        self._put(kind, _name(kind, hashlib.sha256(canonical_json(said).encode()).hexdigest()[:16], blank=True), said)

    def _put(self, kind: str, name: str, said: Attributes) -> None:
        self.statements.setdefault(kind, {})[name] = said


def _name(kind: str, name: str, *, blank: bool = False) -> str:
    return f"{'_' if blank else 'creditline'}:{kind}-{name}"


def _own(values: dict[str, Any]) -> Attributes:
    """Attributes of creditline's own; those without a value are left out."""
    return {f"creditline:{name}": value for name, value in values.items() if value is not None}


def _versions(versions: dict[str, str]) -> dict[str, str]:
    return {f"version_{_slug(name)}": text for name, text in versions.items()}


def _slug(text: str) -> str:
    return "".join(each if each.isascii() and (each.isalnum() or each in "._-") else "-" for each in text)[:60]


def _term(name: str) -> Attributes:
    return {"$": name, "type": "xsd:QName"}
