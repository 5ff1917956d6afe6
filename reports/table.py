"""One table for all audits, one row per candidate: CSV (RFC 4180 in UTF-8, safe to open in a spreadsheet) and Parquet.

Text that a spreadsheet would run as a formula gets an apostrophe in front; numbers are written as numbers and stay
numbers. Control characters cannot be in a cell, nor more text than a spreadsheet's cell can hold.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq

from registry.export import spreadsheet_text
from reports.facts import AuditFacts, Candidate, Effect, NotMeasured
from reports.stamps import PARQUET_KEY, Stamp

CELL_LIMIT = 32_000
"""Characters; spreadsheets cut or spill a cell at 32,767."""

COLUMNS = (
    "output_id",
    "output_kind",
    "image_name",
    "image_sha256",
    "audit_id",
    "audited_at",
    "ensemble_id",
    "encoding_id",
    "unit_kind",
    "attributable",
    "false_discovery_rate",
    "rank",
    "unit_number",
    "unit_key",
    "unit_label",
    "passes",
    "p_value",
    "q_value",
    "statistic",
    "score",
    "effect",
    "effect_low",
    "effect_high",
    "effect_not_measured",
    "influence_exact",
    "influence_estimate",
    "influence_not_measured",
    "influence_exact_lpips",
    "influence_estimate_lpips",
    "lpips_not_measured",
    "decoys",
    "works_in_unit",
    "work_sha256",
    "work_data_set",
    "work_path",
    "work_title",
    "work_distance",
    "rightsholder",
    "rightsholder_basis",
    "licence",
    "licence_basis",
    "licence_url",
    "creator",
    "source_url",
    "artefact_state",
    "licence_duties",
    "permission",
    "permission_when_trained",
)

Cell = str | int | float | None
_WHOLE = ("rank", "unit_number", "decoys", "works_in_unit")
_NUMBERS = (
    "false_discovery_rate",
    "p_value",
    "q_value",
    "statistic",
    "score",
    "effect",
    "effect_low",
    "effect_high",
    "influence_exact",
    "influence_estimate",
    "influence_exact_lpips",
    "influence_estimate_lpips",
    "work_distance",
)
_TYPES = {**dict.fromkeys(_WHOLE, pa.int64()), **dict.fromkeys(_NUMBERS, pa.float64())}
"""Of the columns of the Parquet file that are no text."""


def candidates_csv(audits: Iterable[AuditFacts]) -> bytes:
    """All candidates of ``audits``, in their order and by rank. The work columns tell the unit's closest work."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for audit in audits:
        for candidate in audit.candidates:
            writer.writerow([_written(cell) for cell in _row(audit, candidate).values()])
    return buffer.getvalue().encode("utf-8", "replace")


def candidates_parquet(audits: Iterable[AuditFacts], stamp: Stamp) -> bytes:
    """The same, typed, with texts as the registry has them; its metadata has the stamp."""
    rows = [_row(audit, candidate) for audit in audits for candidate in audit.candidates]
    columns = {name: pa.array([row[name] for row in rows], _TYPES.get(name, pa.string())) for name in COLUMNS}
    table = pa.table(columns).replace_schema_metadata({PARQUET_KEY: stamp.to_json()})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _row(audit: AuditFacts, candidate: Candidate) -> dict[str, Cell]:
    work = candidate.works[0] if candidate.works else None
    holder, licence = (work.rightsholder, work.licence) if work else (None, None)
    row: dict[str, Cell] = {
        "output_id": audit.subject.id,
        "output_kind": audit.subject.kind,
        "image_name": audit.subject.image_name,
        "image_sha256": audit.subject.image_sha256,
        "audit_id": audit.id,
        "audited_at": audit.created_at.isoformat(),
        "ensemble_id": audit.ensemble.id,
        "encoding_id": audit.ensemble.encoding_id,
        "unit_kind": audit.ensemble.unit_kind,
        "attributable": _truth(audit.attributable),
        "false_discovery_rate": audit.test.false_discovery_rate,
        "rank": candidate.rank,
        "unit_number": candidate.unit_number,
        "unit_key": candidate.unit_key,
        "unit_label": candidate.label,
        "passes": _truth(candidate.passes),
        "p_value": candidate.p_value,
        "q_value": candidate.q_value,
        "statistic": candidate.statistic,
        "score": candidate.score,
        **_effect(candidate.effect),
        "influence_exact": _measured(candidate.influence_exact),
        "influence_estimate": _measured(candidate.influence_estimate),
        "influence_not_measured": _reasons(candidate.influence_exact, candidate.influence_estimate),
        "influence_exact_lpips": _measured(candidate.influence_exact_lpips),
        "influence_estimate_lpips": _measured(candidate.influence_estimate_lpips),
        "lpips_not_measured": _reasons(candidate.influence_exact_lpips, candidate.influence_estimate_lpips),
        "decoys": audit.test.decoys,
        "works_in_unit": candidate.work_count,
        "work_sha256": work.sha256 if work else None,
        "work_data_set": work.data_set if work else None,
        "work_path": work.path if work else None,
        "work_title": work.title if work else None,
        "work_distance": work.distance if work else None,
        "rightsholder": holder.text if holder else None,
        "rightsholder_basis": holder.basis if holder else None,
        "licence": licence.text if licence else None,
        "licence_basis": licence.basis if licence else None,
        "licence_url": work.terms.url if work and work.terms else None,
        "licence_duties": "; ".join(work.terms.duties) if work and work.terms else None,
        "permission": work.permission if work else None,
        "permission_when_trained": _known(work.permission_then) if work else None,
        "creator": work.creator.text if work and work.creator else None,
        "source_url": work.source_url.text if work and work.source_url else None,
        "artefact_state": audit.artefact_state,
    }
    return {column: row[column] for column in COLUMNS}


def _effect(effect: Effect | NotMeasured) -> dict[str, Cell]:
    if isinstance(effect, NotMeasured):
        return {"effect": None, "effect_low": None, "effect_high": None, "effect_not_measured": effect.reason}
    return {
        "effect": effect.value,
        "effect_low": effect.low,
        "effect_high": effect.high,
        "effect_not_measured": None,
    }


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _reasons(*values: float | NotMeasured) -> str:
    return "; ".join(dict.fromkeys(value.reason for value in values if isinstance(value, NotMeasured)))


def _measured(value: float | NotMeasured) -> float | None:
    return None if isinstance(value, NotMeasured) else value


def _known(value: str | NotMeasured) -> str | None:
    return None if isinstance(value, NotMeasured) else value


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    if not isinstance(cell, str):
        return repr(cell)
    text = spreadsheet_text(cell[: CELL_LIMIT + 1])
    return text[:CELL_LIMIT] + "…" if len(cell) > CELL_LIMIT else text
