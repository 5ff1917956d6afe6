"""Finished homes: the auditor of their newest ensemble, and the findings on its outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attribution.audit.auditor import Auditor
from attribution.audit.record import AuditSettings, Findings, Subject
from attribution.engines.device import Device
from attribution.ensemble.serving import serving_ensemble
from attribution.sampling.predictions import MemberPredictions, load_sample
from registry.home import Home
from registry.outputs.grades import Thresholds
from registry.storage import tables
from registry.storage.database import Registry
from registry.works.queries import latest_ensemble

DEFAULTS = AuditSettings()
THRESHOLDS = Thresholds(DEFAULTS.main_source, DEFAULTS.contributes)
"""Those of today: grades of earlier audits are given anew."""


def auditor_of(home: Path, settings: AuditSettings, device: Device | None = None) -> Auditor:
    """The auditor of the newest ensemble of a home; by default on one process of the CPU."""
    registry = Registry.open(Home(home))
    with registry.session() as session:
        ensemble = serving_ensemble(registry, latest_ensemble(session).id)
    return Auditor.prepare(registry, ensemble, settings, device or Device("cpu", 1))


def model_facts(auditor: Auditor) -> dict[str, Any]:
    """The facts of the audited models in a result."""
    context = auditor.context
    return {
        "works": len(context.encoded.codes),
        "n": context.ensemble.encoding.n,
        "members": "adapters" if context.ensemble.settings.network.latent else "networks on pixels",
    }


def examined(auditor: Auditor, row: tables.Sample) -> tuple[MemberPredictions, Findings]:
    """The members' predictions of one output, and layers 1 and 2 of it."""
    predictions, image = load_sample(auditor.context.registry.home.sample_tensors(row.id))
    return predictions, auditor.examine(Subject.of_sample(row), predictions, image)
