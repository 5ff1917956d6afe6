"""What the base model alone made of an output's noise, as the audit recorded it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from registry.storage.tables import Audit
from reports.facts import NotMeasured
from reports.outputs.artefacts import Artefact
from reports.outputs.facts import BaseAlone
from reports.outputs.illustrations import Shown
from reports.outputs.method import NOT_ASKED

NO_NOISE = "an image that was not generated here has no noise to regenerate it with"


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
