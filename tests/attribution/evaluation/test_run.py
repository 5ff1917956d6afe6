"""Evaluations: sections against their functions, losses against a loop, gaps with reasons."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attribution.audit.auditor import Auditor
from attribution.audit.record import AuditSettings
from attribution.ensemble.serving import open_ensemble
from attribution.evaluation.calibration import null_calibration, planted_power
from attribution.evaluation.losses import STEPS, STREAM, losses_on
from attribution.evaluation.run import EvaluationSettings, evaluate
from attribution.sampling.image_predictions import seed_of_image
from attribution.sampling.noise import standard_normal
from attribution.sampling.predictions import is_middle
from attribution.sampling.requests import default_sampler
from attribution.sampling.schedule import steps_of
from registry.errors import UsageError
from registry.event_log.verify import verify
from registry.outputs.evaluations import newest_evaluation
from tests.attribution.conftest import CPU, NOW, World

SMALL = EvaluationSettings(planted=3, redraws=100, regenerated=2, compared=1, units=4, works=5)


@pytest.fixture
def auditor(world: World) -> Auditor:
    return Auditor.prepare(world.registry, world.ensemble, AuditSettings(shortlist=4), CPU)


@pytest.mark.slow
def test_an_evaluation_is_measured_and_kept(world: World, auditor: Auditor) -> None:
    """Sections are those of their functions; the log has the newest; the registry is intact."""
    told: set[str] = set()
    facts = evaluate(auditor, SMALL, NOW, lambda what, _done, _total: told.add(what))
    assert facts["null"] == null_calibration(auditor, 100).to_json()
    assert facts["power"] == planted_power(auditor, 3).to_json()
    assert facts["similarity"]["samples"] == 2
    assert len(facts["jacobian"]["samples"]) == 1
    assert facts["jacobian"]["samples"][0]["units"] == 4
    assert [one["name"] for one in facts["rankers"]["alone"]] == [ranker.name for ranker in auditor.context.rankers]
    assert {"rankers", "null", "Jacobian", "losses"} <= told
    with world.registry.session() as session:
        kept = newest_evaluation(session, world.ensemble.id)
        assert newest_evaluation(session, "another") is None
    assert kept is not None
    assert kept.facts["power"] == facts["power"]
    assert (kept.made_at, kept.made_by) == (NOW, world.registry.actor)
    assert verify(world.registry).faults == []


def test_losses_are_those_of_a_plain_loop(world: World, auditor: Auditor) -> None:
    """One work, step and member at a time; the ensemble has the mean prediction's loss."""
    encoded = auditor.context.encoded
    found = losses_on(auditor, 100, 0)
    assert len(found.ensemble) == len(encoded.unit_of_work)
    ensemble = open_ensemble(world.registry.home, world.ensemble)
    middle = [step for step in steps_of(default_sampler(world.ensemble.settings)) if is_middle(step)]
    steps = [middle[place] for place in np.unique(np.linspace(0, len(middle) - 1, STEPS).round().astype(int))]
    row = 7
    image = torch.from_numpy(2.0 * encoded.pictures(np.array([row])).reshape(encoded.shape) - 1.0).float()
    seen: list[float] = []
    unseen: list[float] = []
    together = []
    for place, step in enumerate(steps):
        noise = standard_normal(seed_of_image(encoded.hashes[row]), STREAM + place, image.numel())
        z = torch.from_numpy(noise.reshape(encoded.shape)).float()
        shown = (step.sqrt_alpha_bar * image + step.sqrt_noise * z)[None]
        with torch.no_grad():
            predictions = [m(shown, torch.tensor([step.timestep]), None)[0].double() for m in ensemble.members]
        for member, prediction in enumerate(predictions):
            loss = float((prediction - z).square().mean())
            (seen if encoded.membership[encoded.unit_of_work[row], member] else unseen).append(loss)
        together.append(float((sum(predictions) / len(predictions) - z).square().mean()))
    assert found.ensemble[row] == pytest.approx(np.mean(together), rel=1e-4)
    assert found.seen[row] == pytest.approx(np.mean(seen), rel=1e-4)
    assert found.unseen[row] == pytest.approx(np.mean(unseen), rel=1e-4)
    assert (found.ensemble < (found.seen + found.unseen) / 2).all()  # squares are convex


@pytest.mark.parametrize("wrong", [{"planted": 0}, {"redraws": 99}, {"compared": 0}, {"units": 2}])
def test_too_little_to_be_of_use_is_refused(wrong: dict[str, int]) -> None:
    """Names the number and the expectation."""
    with pytest.raises(UsageError, match="expected at least"):
        EvaluationSettings(**wrong)
