"""All measurements of `creditline evaluate` on one ensemble.

- rankers: member-LDS of each ranker, on generated images and on works that stand for given ones
  (:mod:`attribution.ranking.grading`);
- null and power of the test (:mod:`attribution.evaluation.calibration`);
- similarity: false attribution by nearest work (:mod:`attribution.evaluation.false_attribution`);
- Jacobian: estimated influence beside real ablation, for random units;
- losses of the ensemble beside its members' losses (:mod:`attribution.evaluation.losses`);
- seen: works told from probes, where there are probes (:mod:`attribution.evaluation.seen_works`).

A measurement that is not possible gives its reason. The result is an event of the log; reports
quote the newest.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from attribution.ablation.influence import gram, influences
from attribution.audit.auditor import Auditor
from attribution.audit.landscape import estimate_error
from attribution.audit.record import AuditSettings
from attribution.audit.worker import load_jacobian, run_audit_task
from attribution.engines.device import run_tasks
from attribution.ensemble.recipe import versions_of
from attribution.evaluation.calibration import kept_samples, null_calibration, planted_power
from attribution.evaluation.false_attribution import false_attribution_rate
from attribution.evaluation.losses import losses_on
from attribution.evaluation.seen_works import seen_works
from attribution.evidence.randomisation import has_contrast
from attribution.metrics.statistics import bootstrap_interval
from attribution.ranking.given_images import given_images
from attribution.ranking.grading import grade_facts, grade_rankers, graded_samples, identity_of
from attribution.ranking.rankers.member_lds import TWO_WAY
from attribution.training.dataset import open_training_set
from registry.errors import UsageError
from registry.event_log.events import changing
from registry.outputs.evaluations import EVENT

Report = Callable[[str, int, int], object]
"""Gets (name of the measurement, work just done, work in all)."""


@dataclass(frozen=True)
class EvaluationSettings:
    """How much to measure.

    Raises:
        UsageError: a number is below its least useful value.
    """

    planted: int = 64
    """Training works to audit as outside images, at most."""
    redraws: int = 1000
    """Redrawn assignments of codes for the null."""
    regenerated: int = 32
    """Samples to regenerate without their nearest unit, at most."""
    compared: int = 4
    """Samples on which the Jacobian is compared with real ablation."""
    units: int = 32
    """Random units per compared sample."""
    works: int = 64
    """Works on which the losses of the ensemble and its members are compared."""
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"planted": 1, "redraws": 100, "regenerated": 1, "compared": 1, "units": 3, "works": 3}
        for name, fewest in least.items():
            if getattr(self, name) < fewest:
                raise UsageError(f"{name} {getattr(self, name)}: expected at least {fewest}")


def evaluate(
    auditor: Auditor,
    settings: EvaluationSettings,
    now: datetime.datetime,
    report: Report = lambda _what, _done, _total: None,
) -> dict[str, Any]:
    """Measure everything and record it in the log. An interrupted run continues where it stopped.

    Returns:
        A section of facts per measurement, or ``{"not_measured": reason}``.
    """
    context = auditor.context
    context.registry.check_writable()
    sections: dict[str, Callable[[], dict[str, Any]]] = {
        "rankers": lambda: _rankers(auditor, report),
        "null": lambda: null_calibration(
            auditor, settings.redraws, settings.seed, lambda done, total: report("null", done, total)
        ).to_json(),
        "power": lambda: planted_power(
            auditor, settings.planted, settings.seed, lambda done, total: report("planted works", done, total)
        ).to_json(),
        "similarity": lambda: false_attribution_rate(
            auditor, settings.regenerated, settings.seed, lambda done, total: report("similarity", done, total)
        ).to_json(),
        "jacobian": lambda: _jacobian(auditor, settings, report),
        "members_beside": lambda: _members(auditor, settings, report),
        "seen": lambda: seen_works(
            auditor, settings.planted, settings.seed, lambda done, total: report("works and probes", done, total)
        ),
    }
    measured: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    for name, measure in sections.items():
        begun = time.monotonic()
        try:
            measured[name] = measure()
        except UsageError as error:
            measured[name] = {"not_measured": str(error)}
        seconds[name] = time.monotonic() - begun
    encoding, training = context.ensemble.encoding, context.ensemble.settings.training
    facts = {
        "ensemble": context.ensemble.id,
        "members": list(context.ensemble.indices),
        "members_sha256": context.ensemble.members_sha256,
        "encoding": {"unit": encoding.unit_kind, "units": len(context.encoded.codes), "n": encoding.n, "h": encoding.h},
        "works": len(context.encoded.unit_of_work),
        "training_steps": training.steps,
        "audit": asdict(context.settings),
        "settings": asdict(settings),
        **measured,
        "versions": versions_of(context.device),
        "seconds": seconds,
    }
    with changing(context.registry, now) as change:
        change.record(EVENT, f"ensemble {context.ensemble.id}", after=facts)
    return facts


def _rankers(auditor: Auditor, report: Report) -> dict[str, Any]:
    context = auditor.context
    ensemble, encoded = context.ensemble, context.encoded
    stored = open_training_set(context.registry.home.training(ensemble.id))
    given = given_images(
        context.registry,
        ensemble,
        encoded,
        stored,
        auditor.device,
        on_progress=lambda done, total: report("re-noised works", done, total),
    )
    grades = grade_rankers(
        context.rankers,
        encoded,
        graded_samples(context.registry, ensemble),
        given,
        lambda done, total: report("rankers", done, total),
    )
    alone = []
    for ranker, graded in zip(context.rankers, grades.rankers, strict=True):
        alone.append(
            {
                **identity_of(ranker),
                "member_lds": grade_facts(graded.generated, grades.choices.generated),
                "given_images": grade_facts(graded.given, grades.choices.given),
            }
        )
    return {
        "method": "rank correlation over members of the scores of what each saw with minus its loss, cross-fitted over "
        f"halves of the images; intervals by {TWO_WAY}",
        "graded_on": {
            "generated": "this ensemble's samples",
            "given": "works noised again, by the members that did not see them, and permitted works in no unit",
            "works": int((given.left_out >= 0).sum()) if given.left_out is not None else 0,
            "works_in_no_unit": int((given.left_out < 0).sum()) if given.left_out is not None else 0,
        },
        "used": context.choices.generated.to_json(context.rankers),
        "used_for_given_images": context.choices.given.to_json(context.rankers),
        "alone": alone,
    }


def _jacobian(auditor: Auditor, settings: EvaluationSettings, report: Report) -> dict[str, Any]:
    """Estimates and real ablation for the same units and samples."""
    context = auditor.context
    membership = context.encoded.membership
    removable = np.flatnonzero(has_contrast(membership))
    samples = kept_samples(auditor)[: settings.compared]
    if not samples or len(removable) < 3:
        raise UsageError("there are no samples, or too few units that can be left out")
    units = np.sort(np.random.default_rng(settings.seed).permutation(removable)[: settings.units])
    tasks = auditor.ablation_tasks(
        samples, {sample.id: units for sample in samples}, rows=1, settings=AuditSettings(jacobian=True)
    )
    total = sum(task.work for task in tasks)
    errors = []
    for _, results in run_tasks(run_audit_task, tasks, auditor.device, lambda _, done: report("Jacobian", done, total)):
        for result in results:
            columns = load_jacobian(context.registry.home.jacobian(result.sample_id))
            estimate = influences(gram(columns[None])[0], membership[units], columns[0].numel())
            errors.append({"sample": result.sample_id, **estimate_error(estimate, result.influence).to_json()})
    measured = [error["rank_correlation"] for error in errors if isinstance(error["rank_correlation"], float)]
    return {
        "method": "influence on the output, first order from the Jacobian and by real ablation, over units drawn at random",
        "units": len(units),
        "median_rank_correlation": float(np.median(measured))
        if measured
        else {"not_measured": "all influences are equal"},
        "samples": errors,
    }


def _members(auditor: Auditor, settings: EvaluationSettings, report: Report) -> dict[str, Any]:
    """The loss of the ensemble on works, and of members that saw or did not see them."""
    found = losses_on(auditor, settings.works, settings.seed, lambda done, total: report("losses", done, total))
    return {
        "method": "mean squared error of the predicted noise over the middle of the schedule, on works drawn at random; ratios "
        "of means with 95 % bootstrap intervals over works",
        "works": len(found.ensemble),
        "ensemble": float(found.ensemble.mean()),
        "members_that_saw_it": float(found.seen.mean()),
        "members_that_did_not": float(found.unseen.mean()),
        "ensemble_by_members_that_did_not": _ratio(found.ensemble, found.unseen, settings.seed),
        "ensemble_by_members_that_saw_it": _ratio(found.ensemble, found.seen, settings.seed),
    }


def _ratio(above: Float64[np.ndarray, " work"], below: Float64[np.ndarray, " work"], seed: int) -> dict[str, float]:
    low, high = bootstrap_interval(len(above), lambda at: above[at].mean(axis=1) / below[at].mean(axis=1), seed)
    return {"value": float(above.mean() / below.mean()), "low": low, "high": high}
