"""The document of an evaluation: the facts of the log's event, as page and as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from registry.basis.check import checked_head
from registry.basis.rows import Basis
from registry.errors import NotFoundError
from registry.outputs.evaluations import EVENT, KeptEvaluation, newest_evaluation
from registry.storage.database import Registry, driver_of
from reports.evaluations.page import evaluation
from reports.facts import NotMeasured
from reports.issuing.document import Document, Reading

VERSION: Literal[1] = 1


class EvaluationFacts(BaseModel):
    """How good the evidence on an ensemble is. What each measurement has depends on its method:
    they are open objects.
    """

    model_config = ConfigDict(extra="allow")

    ensemble: str
    power: NotMeasured | dict[str, Any]
    null: NotMeasured | dict[str, Any]
    rankers: NotMeasured | dict[str, Any]
    similarity: NotMeasured | dict[str, Any]
    jacobian: NotMeasured | dict[str, Any]
    members_beside: NotMeasured | dict[str, Any]
    seen: NotMeasured | dict[str, Any] | None = Field(
        default=None, description="Training works told from probes; null: an earlier evaluation."
    )
    event: int = Field(description="Of the log, which has these facts.")
    event_sha256: str = Field(pattern="^[0-9a-f]{64}$")


def evaluation_facts(kept: KeptEvaluation) -> dict[str, Any]:
    """The facts of an evaluation, and their event."""
    return {**kept.facts, "event": kept.event, "event_sha256": kept.event_sha256}


def _read(registry: Registry, ensemble_id: str, _scratch: Path) -> Reading[KeptEvaluation]:
    with registry.session() as session:
        basis = Basis(ensembles=[ensemble_id], events=[EVENT])
        head = checked_head(driver_of(session), registry.home, basis)
        kept = newest_evaluation(session, ensemble_id)
    if kept is None:
        raise NotFoundError(f"the log has no evaluation of ensemble {ensemble_id}; `creditline evaluate` makes one")
    return Reading(ensemble_id, kept, head, "evaluation")


EVALUATION = Document(
    kind="evaluation",
    name="evaluation",
    version=VERSION,
    model=EvaluationFacts,
    template="evaluation.html.j2",
    read=_read,
    page_values=lambda kept: {"page": evaluation(kept)},
    plain=evaluation_facts,
)
