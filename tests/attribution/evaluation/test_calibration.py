"""The worth of an ensemble's evidence: figures against audits, ablations, counts by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from attribution.ablation.exact import counterfactuals
from attribution.audit.auditor import Auditor
from attribution.audit.record import AuditSettings
from attribution.ensemble.serving import open_ensemble
from attribution.evaluation.calibration import kept_samples, null_calibration, planted_power
from attribution.evaluation.false_attribution import FalseAttribution, false_attribution_rate, nearest_units
from attribution.images import to_pixels
from attribution.sampling.noise import exogenous_noise
from attribution.sampling.predictions import load_predictions
from attribution.sampling.schedule import SamplerSettings
from registry.basis.p_values import exact_p_values
from registry.errors import UsageError
from registry.outputs.queries import candidates_of
from tests.attribution.conftest import CPU, World


@pytest.fixture
def auditor(world: World) -> Auditor:
    return Auditor.prepare(world.registry, world.ensemble, AuditSettings(shortlist=4), CPU)


@pytest.mark.slow
def test_planted_works_are_audited_like_images_from_outside(world: World, auditor: Auditor) -> None:
    """P-values are those of audits of the works' own files, without measuring again."""
    steps: list[int] = []
    planted = planted_power(auditor, 100, on_progress=lambda done, _: steps.append(done))
    assert len(steps) == 18
    audits = list(auditor.audit_images(sorted(world.works.glob("*.png")), None, lambda done, _: steps.append(done)))
    assert len(steps) == 18
    p_values, first = [], 0
    for number, audit in enumerate(audits):
        with world.registry.session() as session:
            found = [row for row, _ in candidates_of(session, audit)]
        own = [row for row in found if row.unit_number == number]
        p_values += [row.p_value for row in own]
        first += bool(own and own[0].rank == 1)
    assert planted.p_values == tuple(sorted(p_values))
    facts = planted.to_json()
    assert facts["chosen"] == "all of them"
    assert facts["shown"] == facts["works"] == 18
    assert facts["ranked_first"]["count"] == first
    assert facts["found"]["count"] == 0  # two decoys cannot give a small q
    assert facts["found"]["low"] == 0.0 < facts["found"]["high"] < 0.25


def test_some_of_the_works_at_random(auditor: Auditor) -> None:
    """Fewer than all are drawn by the seed; zero is refused."""
    facts = planted_power(auditor, 3, seed=1).to_json()
    assert (facts["shown"], facts["chosen"]) == (3, "3 of them at random")
    with pytest.raises(UsageError, match="at least one"):
        planted_power(auditor, 0)


@pytest.mark.slow
def test_null_is_uniform_over_the_places_that_decoys_allow(auditor: Auditor) -> None:
    """Two decoys leave p-values of 1/3, 2/3 and 1, equally probable under meaningless codes."""
    facts = null_calibration(auditor, 400).to_json()
    assert (facts["redraws"], facts["decoys"], facts["images"]) == (400, 2, 6)
    assert facts["kolmogorov_smirnov_p"] > 0.01
    names = ("discovery", "unit_that_matters", "main_source")
    assert [facts[f"audits_with_a_{name}"]["count"] for name in names] == [0, 0, 0]
    assert facts["more_discoveries_than_allowed_p"] == 1.0


@pytest.mark.slow
def test_null_discovers_no_more_than_the_rate_allows(auditor: Auditor) -> None:
    """At a rate that two decoys can reach, wrong codes lead to discoveries about as often."""
    settings = replace(auditor.context.settings, shortlist=1, false_discovery_rate=0.34)
    generous = replace(auditor, context=replace(auditor.context, settings=settings))
    calibration = null_calibration(generous, 600, seed=3)
    assert calibration.discoveries.count / 600 == pytest.approx(1 / 3, abs=0.08)
    assert calibration.more_than_allowed_p > 0.01
    with pytest.raises(UsageError, match="at least 100"):
        null_calibration(auditor, 5)


@pytest.mark.slow
def test_a_test_that_favours_units_does_not_pass(auditor: Auditor, monkeypatch: pytest.MonkeyPatch) -> None:
    """If decoys were weaker than units, by a bug, the calibration would show it."""
    import attribution.evidence

    def unfair(statistic: np.ndarray, decoy_statistic: np.ndarray) -> np.ndarray:
        return exact_p_values(statistic, 0.01 * decoy_statistic)

    monkeypatch.setattr(attribution.evidence.randomisation, "exact_p_values", unfair)
    assert null_calibration(auditor, 400).uniformity_p < 0.01


def test_false_attribution_is_by_real_ablation(world: World, auditor: Auditor) -> None:
    """Regenerating by hand leaves the same nearest units."""
    found = false_attribution_rate(auditor, 2, seed=5)
    encoded = auditor.context.encoded
    everyone = open_ensemble(world.registry.home, world.ensemble)
    stays = []
    for sample in kept_samples(auditor)[:2]:
        sampler = SamplerSettings.from_json(sample.sampler)
        output = load_predictions(world.registry.home.sample_tensors(sample.id))[1]["output"]
        nearest = int(np.square(encoded.works - (np.clip(output, -1, 1).reshape(1, -1) + 1) / 2).sum(axis=1).argmin())
        noise = exogenous_noise(sample.seed, sampler.draws, (3, 8, 8))
        again = counterfactuals(everyone, noise, sampler, encoded.membership[[nearest]])
        picture = np.moveaxis(to_pixels(again).numpy(), -1, 1).reshape(1, -1) / 255.0
        stays.append(int(np.square(encoded.works - picture).sum(axis=1).argmin()) == nearest)
    assert found.stays.tolist() == stays
    assert found.to_json()["samples"] == 2


def test_rate_is_a_quotient_with_an_interval() -> None:
    """The quotient of the two shares that stay; not measured where nothing stays."""
    found = FalseAttribution(np.arange(40) % 4 == 0, np.arange(40) % 2 == 0)
    facts = found.to_json()["rate"]
    assert facts["value"] == 0.5
    assert facts["low"] < 0.5 < facts["high"]
    assert "not_measured" in FalseAttribution(np.zeros(9, bool), np.zeros(9, bool)).to_json()["rate"]


def test_nearest_unit_is_brute_force(auditor: Auditor) -> None:
    """By squared differences over all works, whatever the blocks."""
    encoded = auditor.context.encoded
    images = np.random.default_rng(0).random((5, encoded.works.shape[1]))
    expected = [int(encoded.unit_of_work[np.square(encoded.works - image).sum(axis=1).argmin()]) for image in images]
    assert nearest_units(encoded, images).tolist() == expected
