"""Reads what an audit measured beside its test: the influences of all units, by method and
distance, which are also written to a file; and what the base model alone made of the noise.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
from sqlmodel import Session, col, select

from registry.storage.tables import Audit, Ensemble, Unit
from reports.facts import NotMeasured
from reports.outputs.artefacts import Artefact
from reports.outputs.facts import BaseAlone, EstimateError, Landscape, Lpips
from reports.outputs.facts import LandscapeKind as Kind
from reports.outputs.illustrations import Report, Shown, Vector
from reports.outputs.method import NOT_ASKED
from reports.outputs.plots import influence_plot_of
from reports.rendering.svg import standalone

KINDS: tuple[Kind, ...] = get_args(Kind)
NO_UNIT = "a unit that the registry lacks"
LABELS_AT_ONCE = 10_000
"""Units that one question to the database names."""
NO_NOISE = "an image that was not generated here has no noise to regenerate it with"


def read_landscape(session: Session, audit: Audit, encoding_id: str, kind: Kind) -> Landscape | NotMeasured:
    """The influences of one kind, or why they are missing."""
    found = (audit.landscape or {}).get(kind)
    if not isinstance(found, Mapping) or "radius" not in found:
        return NotMeasured(reason_of(audit, kind))
    unit = session.get(Unit, (encoding_id, found.get("unit_number")))
    return Landscape(
        method=str(found.get("method", "not recorded")),
        radius=float(found["radius"]),
        unit_number=int(found.get("unit_number", -1)),
        label=unit.label if unit else NO_UNIT,
        members_per_step=found.get("members_per_step"),
        error=_error(found.get("against_exact")),
    )


def read_influences(audit: Audit, artefact: Artefact, kind: Kind) -> Vector | NotMeasured:
    """The influence of every unit, NaN if not measured; or why all are missing."""
    found = (audit.landscape or {}).get(kind)
    if not isinstance(found, Mapping) or "radius" not in found:
        return NotMeasured(reason_of(audit, kind))
    return artefact.vector(f"unit_influence_{kind}", gaps=True)


def reason_of(audit: Audit, kind: Kind) -> str:
    """Why the audit measured no influence of this kind."""
    found = (audit.landscape or {}).get(kind)
    if audit.sample_id is None:
        return NO_NOISE
    return str(found["not_measured"]) if isinstance(found, Mapping) and "not_measured" in found else NOT_ASKED


def read_lpips(audit: Audit) -> Lpips | NotMeasured:
    """LPIPS network, version and weights of the audit."""
    found = (audit.landscape or {}).get("lpips")
    if not isinstance(found, Mapping) or "net" not in found:
        return NotMeasured(reason_of(audit, "exact_lpips"))
    return Lpips(
        net=str(found["net"]),
        version=str(found.get("version")),
        weights_sha256=str(found.get("weights_sha256")),
        enlarged_to=found.get("enlarged_to"),
    )


def _error(found: Any) -> EstimateError | None:  # noqa: ANN401  # JSON
    if not isinstance(found, Mapping):
        return None

    def value(name: str) -> float | NotMeasured:
        kept = found.get(name)
        if isinstance(kept, (int, float)):
            return float(kept)
        return NotMeasured(str(kept.get("not_measured", NOT_ASKED)) if isinstance(kept, Mapping) else NOT_ASKED)

    return EstimateError(
        rank_correlation=value("rank_correlation"),
        relative_error=value("relative_error"),
        median_relative_error=value("median_relative_error"),
        units=int(found.get("units", 0)),
    )


def landscape_rows(
    session: Session, encoding_id: str, influences: Mapping[Kind, Vector | NotMeasured]
) -> list[dict[str, Any]]:
    """Every unit with its influences, by number; None for an unmeasured unit or kind."""
    measured = {kind: found for kind, found in influences.items() if not isinstance(found, NotMeasured)}
    units = session.exec(
        select(Unit.number, Unit.label).where(Unit.encoding_id == encoding_id).order_by(col(Unit.number))
    ).all()

    def value(kind: Kind, number: int) -> float | None:
        values = measured.get(kind)
        return None if values is None or not np.isfinite(values[number]) else float(values[number])

    return [
        {"unit": number, "label": label, **{kind: value(kind, number) for kind in KINDS}} for number, label in units
    ]


def labels_of(session: Session, ensemble_id: str, numbers: Sequence[int]) -> list[str]:
    """The labels of some units of an ensemble's encoding, in order."""
    found: dict[int, str] = {}
    for start in range(0, len(numbers), LABELS_AT_ONCE):
        rows = session.exec(
            select(Unit.number, Unit.label)
            .join(Ensemble, col(Ensemble.encoding_id) == col(Unit.encoding_id))
            .where(Ensemble.id == ensemble_id, col(Unit.number).in_(numbers[start : start + LABELS_AT_ONCE]))
        ).all()
        found |= dict(rows)
    return [found.get(number, NO_UNIT) for number in numbers]


def landscape_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """One line per unit; an unmeasured cell is empty; labels cannot run as formulas."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(("unit", "label", *KINDS))
    for row in rows:
        label = str(row["label"])
        harmless = f"'{label}" if label[:1] in "=+-@\t\r" else label
        writer.writerow((row["unit"], harmless, *(row[kind] for kind in KINDS)))
    return buffer.getvalue().encode("utf-8", "replace")


def landscape_json(facts: Mapping[str, Any]) -> bytes:
    """The influences as JSON, with ``facts`` on their measurement."""
    return (json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "replace")


def landscape_svg(report: Report, kind: Kind) -> bytes | NotMeasured:
    """A self-contained plot, or why it is missing."""
    plot = influence_plot_of(report, kind)
    return plot if isinstance(plot, NotMeasured) else standalone(plot).encode()


def read_base_alone(audit: Audit, artefact: Artefact) -> tuple[BaseAlone | NotMeasured, Shown]:
    """The facts of an audit of models with a base, and the picture; or why they are missing."""
    found = (audit.landscape or {}).get("base_alone")
    distance = _number(found.get("distance")) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping) or distance is None:
        missing = NotMeasured(NO_NOISE if audit.sample_id is None else NOT_ASKED)
        return missing, missing
    picture, lpips = artefact.picture("base_alone"), found.get("lpips")
    measured = _number(lpips)
    if measured is None:
        reason = lpips.get("not_measured", NOT_ASKED) if isinstance(lpips, Mapping) else NOT_ASKED
    return (
        BaseAlone(
            distance=distance,
            distance_lpips=NotMeasured(str(reason)) if measured is None else measured,
            picture_shown=picture if isinstance(picture, NotMeasured) else True,
        ),
        picture,
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
