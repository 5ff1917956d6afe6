"""The columns of the answer in the table of candidates, and their cells."""

from __future__ import annotations

from typing import Any

from reports.facts import NotMeasured
from reports.rendering.columns import Column
from reports.seen.facts import Seen

_NOT_ASKED = "the models made the output, or the audit did not ask"

COLUMNS = (
    Column(
        "image_answer",
        "text",
        "Of an image from outside: `trained_on`, `leans_on` (on registered works), or `nothing_shown`",
        _NOT_ASKED,
    ),
    Column(
        "image_answer_ground",
        "text",
        "`record`: the file is a registered work that members saw; `test`: a comparison with probes",
        _NOT_ASKED,
    ),
    Column(
        "image_p",
        "number",
        "How often a work that no member saw gives as strong a sign of having been seen as the image",
        "not measured: the encoding has no probes",
        "probability",
    ),
    Column("image_probes", "whole number", "Works that no member saw by choice, compared with the image", _NOT_ASKED),
)


def cells(seen: Seen | NotMeasured | None) -> dict[str, Any]:
    """The values of the columns."""
    if not isinstance(seen, Seen):
        return dict.fromkeys((column.name for column in COLUMNS), None)
    return {
        "image_answer": seen.answer,
        "image_answer_ground": seen.ground,
        "image_p": None if isinstance(seen.p_value, NotMeasured) else seen.p_value,
        "image_probes": seen.probes,
    }
