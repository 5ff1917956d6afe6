"""The table of candidates: one row per tested unit, with its evidence and its closest work."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa
from sqlmodel import Session

from registry.errors import CreditlineError, LockedRegistryError
from registry.export.files import write_rows
from registry.home import Home
from registry.storage.tables import Audit
from reports.facts import NotMeasured
from reports.issuing.stamp import PARQUET_KEY, Stamp
from reports.outputs.facts import Candidate, Effect, OutputShare, ReportFacts
from reports.outputs.read import read_audit, subject_id
from reports.outputs.rows import fetch_rows
from reports.rendering.columns import NOT_SYNTHETIC, Column, Table, batch_of, fitted
from reports.seen.columns import COLUMNS as ABOUT_THE_IMAGE
from reports.seen.columns import cells as about_the_image

CELL_LIMIT = 32_000
"""Characters; spreadsheets cut or spill a cell at 32,767."""
AT_ONCE = 8
"""Audits read together."""

_DIVIDED = "the output is not divided: it comes from outside, or an earlier version audited it"
_NO_WORK = "the unit has no work on record"
_NO_RIGHTS = "not stated"
_UNMEASURED = "not measured; `{}` says why"


def _influence(name: str, method: str, reason: str, what: str) -> Column:
    return Column(name, "number", f"{what}, by {method}", _UNMEASURED.format(reason))


TABLE = Table(
    "candidates",
    "One candidate of one audit: a unit of works that was tested for influence on an output",
    (
        Column("output_id", "text", "Id of the sample, or the SHA-256 of an audited image"),
        Column("output_kind", "text", "`sample`: made by the registry's models; `image`: from outside"),
        Column("image_name", "text", "File name of an audited image, as it was given", "a sample"),
        Column("image_sha256", "text", "SHA-256 of the output's file"),
        Column("audit_id", "text", "Id of the audit"),
        Column("audited_at", "time", "When the audit was recorded", unit="UTC"),
        Column("ensemble_id", "text", "Id of the ensemble whose members were asked"),
        Column("encoding_id", "text", "Id of the encoding that divides the works among the members"),
        Column(
            "unit_kind",
            "text",
            "What a unit is: `asset` (one work), `rightsholder`, or `column` (works with one value in a column)",
        ),
        Column("attributable", "truth", "Whether any candidate of this audit passed"),
        Column(
            "false_discovery_rate",
            "number",
            "Rate of the audit: a candidate passes with q at or under it",
            unit="share",
        ),
        Column("rank", "whole number", "Place in the list of similar units, 1 first; it is no evidence"),
        Column("unit_number", "whole number", "Number of the unit in its encoding"),
        Column("unit_key", "text", "What the encoding knows the unit by"),
        Column("unit_label", "text", "Name of the unit for people"),
        Column("passes", "truth", "Whether q is at or under the rate: the only finding of influence"),
        Column(
            "p_value", "number", "Share of codes, its own included, that pull at least as strongly", unit="probability"
        ),
        Column(
            "q_value", "number", "p corrected for all candidates of the audit (Benjamini and Hochberg)", unit="share"
        ),
        Column("statistic", "number", "How far the members that saw the unit pull the output towards it"),
        Column("score", "number", "Similarity by the fusion of rankers, standardised over all units"),
        Column(
            "effect",
            "number",
            "How far they move the output towards the unit",
            _UNMEASURED.format("effect_not_measured"),
            "share of the way",
        ),
        Column(
            "effect_low",
            "number",
            "Lower end of the 95 % interval of the effect",
            _UNMEASURED.format("effect_not_measured"),
            "share of the way",
        ),
        Column(
            "effect_high", "number", "Upper end of it", _UNMEASURED.format("effect_not_measured"), "share of the way"
        ),
        Column("effect_not_measured", "text", "Why there is no effect", "it was measured"),
        _influence(
            "influence_exact",
            "exact ablation",
            "influence_not_measured",
            "How far the output moves without the members that saw the unit, as a scaled Euclidean distance",
        ),
        _influence("influence_estimate", "first-order estimate", "influence_not_measured", "The same"),
        Column(
            "influence_not_measured",
            "text",
            "Why an influence is missing; reasons are joined by `; `",
            "both were measured",
        ),
        _influence("influence_exact_lpips", "exact ablation", "lpips_not_measured", "The same as LPIPS distance"),
        _influence(
            "influence_estimate_lpips", "first-order estimate", "lpips_not_measured", "The same as LPIPS distance"
        ),
        Column("lpips_not_measured", "text", "Why an LPIPS influence is missing", "both were measured"),
        Column("decoys", "whole number", "Decoy codes that the unit was compared with"),
        Column("works_in_unit", "whole number", "Works that the unit has"),
        Column("work_sha256", "text", "SHA-256 of the file of the unit's closest work", _NO_WORK),
        Column("work_data_set", "text", "Data set of that work", _NO_WORK),
        Column("work_path", "text", "Its path in the data set", f"{_NO_WORK}, or the work is known by its address"),
        Column("work_title", "text", "Its title", "none is stated"),
        Column(
            "work_distance",
            "number",
            "Euclidean distance from the output to it; it is no evidence",
            "the audit did not list it",
        ),
        Column("rightsholder", "text", "Who holds the rights in it now", _NO_RIGHTS),
        Column("rightsholder_basis", "text", "`verified` or `declared`", _NO_RIGHTS),
        Column(
            "rightsholder_stated",
            "text",
            "Who was stated, where another counts: the record was merged, or another was verified",
            "the same was stated",
        ),
        Column("licence", "text", "Licence of the work now, as it was stated", _NO_RIGHTS),
        Column("licence_basis", "text", "`verified` or `declared`", _NO_RIGHTS),
        Column("licence_url", "text", "Address of the licence", "none is known"),
        Column("creator", "text", "Who made the work", _NO_RIGHTS),
        Column("source_url", "text", "Where the work comes from", _NO_RIGHTS),
        Column("artefact_state", "text", "Of the audit's file: `intact`, `altered`, `missing` or `unreadable`"),
        Column("licence_duties", "text", "What the licence asks for, joined by `; `", "no licence is known"),
        Column(
            "permission",
            "text",
            "Whether the work may be trained on now: `permitted`, `unclear`, `constrained`, `prohibited`, `withdrawn`",
            _NO_WORK,
        ),
        Column("permission_grounds", "text", "What decides the permission now, joined by `; `", _NO_WORK),
        Column(
            "permission_when_trained",
            "text",
            "The same when the members that saw it were registered, each that differs once",
            "the log does not tell",
        ),
        Column(
            "base_model",
            "text",
            "Id of the base model that the members are adapters on; findings are then about the fine-tuning alone",
            "the members share no base",
        ),
        Column(
            "base_alone_distance",
            "number",
            "How far the output is from what the base alone makes of the same noise, as a scaled Euclidean distance",
            "the members share no base, or the audit did not measure it",
        ),
        Column("base_alone_lpips", "number", "The same as LPIPS distance", "it was not measured"),
        Column("work_caption", "text", "Its caption: what it shows, in words", "it has none"),
        Column("work_caption_source", "text", "Where the caption came from, as in `creditline show`", "it has none"),
        Column(
            "work_synthetic",
            "text",
            "What the work's file says about an AI model that made it",
            f"{_NO_WORK}, or {NOT_SYNTHETIC}",
        ),
        Column(
            "grade",
            "text",
            "How much the unit matters, by q and `effect_low`: `main source`, `contributes`, `detectable but slight`, "
            "`not shown`",
            "the audit had no thresholds",
        ),
        Column(
            "group_number",
            "whole number",
            "Number of its group of look-alikes in the audit, which were tested as one and share p, q and effect",
            "it looks like no other candidate",
        ),
        *ABOUT_THE_IMAGE,
        Column(
            "share", "number", "Of the output; with all candidates' and `unattributed` it sums to 1", _DIVIDED, "share"
        ),
        Column("share_low", "number", "Lower end of its 95 % interval", _DIVIDED, "share"),
        Column("share_high", "number", "Upper end of it", _DIVIDED, "share"),
        Column("unattributed", "number", "Part of the output that no candidate has", _DIVIDED, "share"),
        Column("unattributed_low", "number", "Lower end of its 95 % interval", _DIVIDED, "share"),
        Column("unattributed_high", "number", "Upper end of it", _DIVIDED, "share"),
    ),
)
COLUMNS = TABLE.names


def candidates_csv(reports: Iterable[ReportFacts]) -> bytes:
    """All candidates of ``reports`` as CSV, by report and rank; work columns: the closest work."""
    buffer = io.BytesIO()
    write_rows(candidate_rows(reports), buffer, ".csv", cell_limit=CELL_LIMIT)
    return buffer.getvalue()


def candidates_parquet(reports: Iterable[ReportFacts], stamp: Stamp) -> bytes:
    """:func:`candidates_csv` as typed Parquet: unaltered texts, the stamp in its metadata."""
    buffer = io.BytesIO()
    rows = candidate_rows(reports)
    schema = rows.schema.with_metadata({PARQUET_KEY: stamp.to_json()})
    write_rows(pa.RecordBatchReader.from_batches(schema, (batch.cast(schema) for batch in rows)), buffer, ".parquet")
    return buffer.getvalue()


def candidate_rows(reports: Iterable[ReportFacts]) -> pa.RecordBatchReader:
    """The rows of ``reports`` in batches; few reports are in memory at a time."""

    def batches() -> Iterator[pa.RecordBatch]:
        left = iter(reports)
        while part := list(islice(left, AT_ONCE)):
            yield batch_of(TABLE, [_row(report, candidate) for report in part for candidate in report.candidates])

    return fitted(TABLE, batches())


def read_in_parts(session: Session, home: Home, audits: Sequence[Audit], unread: list[str]) -> Iterator[ReportFacts]:
    """The facts of ``audits``, a few at a time; ``unread`` gets the reason of each failure."""
    for start in range(0, len(audits), AT_ONCE):
        part = audits[start : start + AT_ONCE]
        rows = fetch_rows(session, part)
        for audit in part:
            try:
                facts = read_audit(session, home, audit, rows).facts
            except LockedRegistryError:
                raise
            except CreditlineError as error:
                unread.append(f"{subject_id(audit)}: {error}")
                continue
            yield facts


def _row(report: ReportFacts, candidate: Candidate) -> dict[str, Any]:
    work = candidate.works[0] if candidate.works else None
    holder, licence = (work.holder, work.stated("licence")) if work else (None, None)
    creator, source = (work.stated("creator"), work.stated("source_url")) if work else (None, None)
    return {
        "output_id": report.output.id,
        "output_kind": report.output.kind,
        "image_name": report.output.image_name,
        "image_sha256": report.output.image_sha256,
        "audit_id": report.audit_id,
        "audited_at": report.audited_at,
        "ensemble_id": report.ensemble.id,
        "encoding_id": report.ensemble.encoding_id,
        "unit_kind": report.ensemble.unit_kind,
        "attributable": report.verdict.attributable,
        "false_discovery_rate": report.method.false_discovery_rate,
        **candidate.model_dump(include=_AS_IN_JSON),
        "unit_label": candidate.label,
        **_effect(candidate.effect),
        **_share("share", candidate.share),
        **_share(
            "unattributed", report.shares if isinstance(report.shares, NotMeasured) else report.shares.unattributed
        ),
        "influence_exact": _measured(candidate.influence_exact),
        "influence_estimate": _measured(candidate.influence_estimate),
        "influence_not_measured": _reasons(candidate.influence_exact, candidate.influence_estimate),
        "influence_exact_lpips": _measured(candidate.influence_exact_lpips),
        "influence_estimate_lpips": _measured(candidate.influence_estimate_lpips),
        "lpips_not_measured": _reasons(candidate.influence_exact_lpips, candidate.influence_estimate_lpips),
        "decoys": report.method.decoys,
        "works_in_unit": candidate.work_count,
        "work_sha256": work.sha256 if work else None,
        "work_data_set": work.data_set if work else None,
        "work_path": work.path if work else None,
        "work_title": work.title if work else None,
        "work_caption": work.caption if work else None,
        "work_caption_source": work.caption_source if work else None,
        "work_distance": work.distance if work else None,
        "rightsholder": "; ".join(work.rightsholders)
        if work and work.rightsholders
        else work.rightsholder
        if work
        else None,
        "rightsholder_basis": holder.basis if holder else None,
        "rightsholder_stated": holder.declared_instead if holder else None,
        "licence": licence.text if licence else None,
        "licence_basis": licence.basis if licence else None,
        "licence_url": work.licence_url if work else None,
        "licence_duties": "; ".join(work.licence_duties or ()) if work and work.licence else None,
        "permission": work.permission if work else None,
        "permission_grounds": "; ".join(ground.reason for ground in work.permission_grounds) if work else None,
        "permission_when_trained": _known(work.permissions_when_trained) if work else None,
        "work_synthetic": work.synthetic if work else None,
        "creator": creator.text if creator else None,
        "source_url": source.text if source else None,
        "artefact_state": report.artefact_state,
        **_base(report),
        **about_the_image(report.seen),
    }


def _base(report: ReportFacts) -> dict[str, Any]:
    base, alone = report.ensemble.base, report.base_alone
    measured = None if alone is None or isinstance(alone, NotMeasured) else alone
    return {
        "base_model": base and base.id,
        "base_alone_distance": measured and measured.distance,
        "base_alone_lpips": measured and _measured(measured.distance_lpips),
    }


_AS_IN_JSON = {
    "rank",
    "unit_number",
    "unit_key",
    "passes",
    "grade",
    "group_number",
    "p_value",
    "q_value",
    "statistic",
    "score",
}


def _effect(effect: Effect | NotMeasured) -> dict[str, Any]:
    if isinstance(effect, NotMeasured):
        return {"effect": None, "effect_low": None, "effect_high": None, "effect_not_measured": effect.not_measured}
    return {
        "effect": effect.value,
        "effect_low": effect.low,
        "effect_high": effect.high,
        "effect_not_measured": None,
    }


def _share(name: str, share: OutputShare | NotMeasured) -> dict[str, Any]:
    if isinstance(share, NotMeasured):
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: share.value, f"{name}_low": share.low, f"{name}_high": share.high}


def _reasons(*values: float | NotMeasured) -> str | None:
    return "; ".join(dict.fromkeys(value.not_measured for value in values if isinstance(value, NotMeasured))) or None


def _measured(value: float | NotMeasured) -> float | None:
    return None if isinstance(value, NotMeasured) else value


def _known(value: list[str] | NotMeasured) -> str | None:
    return None if isinstance(value, NotMeasured) else "; ".join(value)
