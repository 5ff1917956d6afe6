"""The test of an image from outside, repeated on changed copies of it.

The members' predictions are measured on each changed picture anew, as for any image, and the
shortlist is chosen anew. The question is whether the strongest finding stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from attribution.audit.auditor import Auditor
from attribution.audit.record import AuditSettings, Findings, Subject
from attribution.firmness.changes import Picture
from attribution.images import to_unit_range
from attribution.sampling.image_predictions import predictions_of
from registry.storage.tables import Audit


@dataclass(frozen=True)
class Strongest:
    """The strongest candidate of an audit."""

    unit: int
    p_value: float
    q_value: float


def settings_of(audit: Audit) -> AuditSettings:
    """The settings that the test of an audit had; nothing is ablated again."""
    known = {field.name for field in fields(AuditSettings)} - {"jacobian", "exact", "jacobian_members", "lpips"}
    return AuditSettings(**{name: value for name, value in audit.settings.items() if name in known}, jacobian=False)


def retested(
    auditor: Auditor,
    changed: Mapping[str, Picture],
    strongest: Strongest,
    label: str | None,
    on_progress: Callable[[int, int], object] = lambda _done, _total: None,
) -> list[dict[str, Any]]:
    """The strongest candidate's test on each changed picture, by the name of the change."""
    subjects, tasks, images = [], [], []
    for name, picture in changed.items():
        pixels = to_unit_range(np.moveaxis(picture, -1, 0))
        sha256 = hashlib.sha256(f"{picture.shape}".encode() + picture.tobytes()).hexdigest()
        subjects.append(Subject.of_image(name, sha256, label))
        tasks.append(auditor.prediction_task(sha256, pixels, label))
        images.append(pixels)
    auditor.measure_predictions(tasks, on_progress)
    found = auditor.examine_together(
        [
            (*each, image)
            for each, image in zip(zip(subjects, map(predictions_of, tasks), strict=True), images, strict=True)
        ]
    )
    rate = auditor.context.settings.false_discovery_rate
    return [_result(name, result, strongest.unit, rate) for name, result in zip(changed, found, strict=True)]


def _result(name: str, found: Findings, unit: int, rate: float) -> dict[str, Any]:
    places = np.flatnonzero(found.shortlisted.unit_numbers == unit)
    if not len(places):
        return {"change": name, "tested": False, "p": None, "q": None, "passes": False}
    place = int(places[0])
    p_value, q_value = float(found.evidence.p_value[place]), float(found.evidence.q_value[place])
    return {"change": name, "tested": True, "p": p_value, "q": q_value, "passes": q_value <= rate}


def evidence_sentence(results: Sequence[Mapping[str, Any]], label: str) -> str:
    """What the repeated tests say."""
    stays = sum(bool(each["passes"]) for each in results)
    said = f"The test was repeated on {len(results)} changed pictures: {label!r} passes it in {stays}."
    lost = [str(each["change"]) for each in results if not each["passes"]]
    return f"{said} It does not after: {', '.join(lost)}." if lost else said
