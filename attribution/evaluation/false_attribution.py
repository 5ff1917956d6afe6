"""How often similarity alone names a work that made no difference (ABC, "false attribution rate").

An output is attributed to the unit of its nearest work, then regenerated, with the same noise, by
the members that never saw this unit. If the nearest work of the result is still of the same unit,
the attribution did not name a cause. Any change of members changes the output somewhat, so the
removal of a random other unit is the comparison:

    rate = share that stays without the nearest unit / share that stays without another one

Near 0 the nearest work is the cause; near 1 it matters no more than any other work.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int64

from attribution.audit.auditor import Auditor
from attribution.audit.record import AuditSettings
from attribution.audit.worker import run_audit_task
from attribution.engines.device import run_tasks
from attribution.evaluation.calibration import Progress, kept_samples
from attribution.evidence.randomisation import has_contrast
from attribution.metrics.statistics import bootstrap_interval, share_of
from attribution.ranking.encoded_works import EncodedWorks
from attribution.sampling.predictions import load_sample
from registry.errors import UsageError
from registry.storage import tables

WORKS_AT_ONCE = 4096
"""Works compared at once: bounds memory and does not change the result."""


@dataclass(frozen=True)
class FalseAttribution:
    """Outcome of regenerating outputs without their nearest unit, or without another one."""

    stays: Bool[np.ndarray, " sample"]
    """Whether the nearest unit is the same after its removal."""
    stays_without_another: Bool[np.ndarray, " sample"]
    """Whether the nearest unit is the same after the removal of a random other unit."""

    @property
    def rate(self) -> float | None:
        """The quotient of the two shares; None if the second is 0."""
        other = float(self.stays_without_another.mean())
        return float(self.stays.mean()) / other if other else None

    def interval(self, seed: int = 0) -> tuple[float, float] | None:
        """95 % interval by bootstrap over samples; None if a draw has no quotient."""
        above, below = self.stays, self.stays_without_another
        with np.errstate(divide="ignore", invalid="ignore"):
            low, high = bootstrap_interval(len(above), lambda at: above[at].mean(axis=1) / below[at].mean(axis=1), seed)
        return (low, high) if math.isfinite(low) and math.isfinite(high) else None

    def to_json(self) -> dict[str, Any]:
        """Facts for a report."""
        interval = self.interval()
        reason = {"not_measured": "too few samples keep their nearest unit even without a random other one"}
        return {
            "method": "nearest work in pixels before and after real ablation; interval by bootstrap over samples",
            "samples": len(self.stays),
            "nearest_unit_stays": share_of(self.stays).to_json(),
            "nearest_unit_stays_without_another": share_of(self.stays_without_another).to_json(),
            "rate": reason
            if self.rate is None or interval is None
            else {"value": self.rate, "low": interval[0], "high": interval[1]},
        }


def false_attribution_rate(
    auditor: Auditor, count: int, seed: int = 0, on_progress: Progress = lambda _done, _total: None
) -> FalseAttribution:
    """Regenerate up to ``count`` samples without their nearest unit and without a random other one.

    Samples are skipped if every member, or no member, saw their nearest unit: it cannot be removed.

    Raises:
        UsageError: no sample can be used.
    """
    context, encoded = auditor.context, auditor.context.encoded
    removable = np.flatnonzero(has_contrast(encoded.membership))
    generator = np.random.default_rng(seed)
    chosen: dict[str, tuple[tables.Sample, int, int]] = {}
    for sample in kept_samples(auditor):
        image = load_sample(context.registry.home.sample_tensors(sample.id))[1]
        nearest = int(nearest_units(encoded, image.reshape(1, -1))[0])
        others = removable[removable != nearest]
        if len(chosen) < count and nearest in removable and len(others):
            chosen[sample.id] = (sample, nearest, int(generator.choice(others)))
    if not chosen:
        raise UsageError(f"ensemble {context.ensemble.id} has no samples to regenerate: run `creditline sample` first")
    tasks = auditor.ablation_tasks(
        [sample for sample, _, _ in chosen.values()],
        {key: np.array([nearest, other]) for key, (_, nearest, other) in chosen.items()},
        settings=AuditSettings(jacobian=False),
    )
    total = sum(task.work for task in tasks)
    after: dict[str, Int64[np.ndarray, " removed"]] = {}
    for _, results in run_tasks(run_audit_task, tasks, auditor.device, lambda _, done: on_progress(done, total)):
        for result in results:
            planes = np.moveaxis(result.pictures, -1, 1).reshape(len(result.pictures), -1) / 255.0
            after[result.sample_id] = nearest_units(encoded, planes)
    stays = np.array([after[key] == nearest for key, (_, nearest, _) in chosen.items()])
    return FalseAttribution(stays[:, 0], stays[:, 1])


def nearest_units(encoded: EncodedWorks, images: Float[np.ndarray, "image value"]) -> Int64[np.ndarray, " image"]:
    """The unit of each image's nearest work, by squared differences of values in [0, 1]."""
    best, found = np.full(len(images), np.inf), np.zeros(len(images), dtype=np.int64)
    for start in range(0, len(encoded.unit_of_work), WORKS_AT_ONCE):
        works = encoded.pictures(slice(start, min(start + WORKS_AT_ONCE, len(encoded.unit_of_work)))).astype(np.float64)
        # The image's own squared norm is left out: a constant for all works.
        distance = (works**2).sum(axis=1)[None, :] - 2.0 * images.astype(np.float64) @ works.T
        place = distance.argmin(axis=1)
        least = distance[np.arange(len(images)), place]
        found = np.asarray(np.where(least < best, encoded.unit_of_work[start + place], found), dtype=np.int64)
        best = np.minimum(least, best)
    return found
