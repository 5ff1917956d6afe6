"""Influences of all units in an audit, Euclidean and LPIPS, and the error of the estimates.

LPIPS here uses an untrained network under a hash of its own, which only a test can pass.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from scipy.stats import spearmanr

from attribution.ablation.joint import ablate_sample
from attribution.audit.auditor import NO_LPIPS, Auditor
from attribution.audit.landscape import NO_JACOBIAN, Landscapes, estimate_error, landscape_facts, landscapes_of
from attribution.audit.largest import MOST, largest_influences
from attribution.audit.record import NO_COUNTERFACTUAL, AuditSettings
from attribution.audit.worker import Counterfactuals, jacobian_file
from attribution.metrics.euclidean import NotMeasured
from attribution.metrics.lpips_weights import BACKBONES, LpipsWeights
from attribution.metrics.perceptual import SIDE, open_lpips
from attribution.metrics.torchvision_models import torchvision_models
from cli.commands.attribution.landscape import MOST_LARGEST
from registry.basis.p_values import exact_p_values
from registry.errors import UsageError
from registry.ids import sha256_of_file
from registry.outputs.queries import candidates_of
from registry.storage import tables
from registry.storage.database import Registry
from tests.attribution.conftest import CPU, World
from tests.support.running import Creditline


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> LpipsWeights:
    """A file of random weights under its own hash."""
    path = tmp_path_factory.mktemp("weights") / "untrained.pth"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.save(torchvision_models().squeezenet1_1(weights=None).state_dict(), path)
    return LpipsWeights(replace(BACKBONES["squeeze"], sha256=sha256_of_file(path)), path)


@pytest.fixture(scope="session")
def measured(
    built_world: World, untrained: LpipsWeights, tmp_path_factory: pytest.TempPathFactory
) -> tuple[World, tables.Audit]:
    """A sample audited with every option; read only."""
    home = tmp_path_factory.mktemp("measured") / "home"
    shutil.copytree(built_world.registry.home.root, home)
    registry = Registry.open(type(built_world.registry.home)(home))
    world = World(registry, built_world.works, built_world.ensemble, built_world.samples)
    settings = AuditSettings(shortlist=4, exact=True)
    auditor = Auditor.prepare(registry, world.ensemble, settings, CPU, lpips=untrained)
    return world, next(iter(auditor.audit_samples(world.samples[:1])))


def rows_of(world: World, audit: tables.Audit) -> list[tables.Candidate]:
    with world.registry.session() as session:
        return [row for row, _ in candidates_of(session, audit)]


def test_candidates_and_landscapes_agree_by_both_distances(measured: tuple[World, tables.Audit]) -> None:
    """A candidate's figures are its unit's in the artefact; radius: the landscape's largest."""
    world, audit = measured
    tensors = load_file(world.registry.home.audit(audit.id))
    assert audit.landscape is not None
    for row in rows_of(world, audit):
        for kind in ("exact", "estimate", "exact_lpips", "estimate_lpips"):
            expected = tensors[f"unit_influence_{kind}"][row.unit_number]
            assert getattr(row, f"influence_{kind}") == pytest.approx(expected, rel=1e-3, abs=1e-7)
        assert row.lpips_not_measured is None
    for kind in ("exact", "estimate", "exact_lpips", "estimate_lpips"):
        assert audit.landscape[kind]["radius"] == tensors[f"unit_influence_{kind}"].max()


def test_lpips_is_between_the_output_and_the_real_counterfactual(
    measured: tuple[World, tables.Audit], untrained: LpipsWeights
) -> None:
    """Measured again from the stored picture, up to its rounding to bytes."""
    world, audit = measured
    output = load_file(world.registry.home.sample_tensors(world.samples[0].id))["output"]
    pictures = load_file(world.registry.home.audit(audit.id))["counterfactual"]
    shown = torch.from_numpy(np.moveaxis(pictures, -1, 1)).float() / 127.5 - 1.0
    again = open_lpips(untrained).distances(torch.from_numpy(output).clamp(-1, 1), shown)
    stored = [row.influence_exact_lpips for row in rows_of(world, audit)]
    assert np.corrcoef(again, np.array(stored, dtype=float))[0, 1] > 0.9


def test_ablating_one_unit_by_hand_gives_the_candidates_figures(
    measured: tuple[World, tables.Audit], untrained: LpipsWeights
) -> None:
    """`creditline ablate` and an audit measure the same; without weights there is a reason."""
    world, audit = measured
    row = rows_of(world, audit)[0]
    unit = [str(row.unit_number)]
    again = ablate_sample(world.registry, world.samples[0].id, unit, CPU, untrained)
    assert again.influence == pytest.approx(row.influence_exact, rel=1e-4)
    assert again.lpips == pytest.approx(row.influence_exact_lpips, rel=1e-3)
    assert ablate_sample(world.registry, world.samples[0].id, unit, CPU, NO_LPIPS).lpips == NO_LPIPS


def test_the_facts_say_what_was_measured_with_and_how_well_estimates_did(
    measured: tuple[World, tables.Audit], untrained: LpipsWeights
) -> None:
    """The network, its hash, the size of its images; the estimates' error can be recomputed."""
    world, audit = measured
    assert audit.landscape is not None
    assert audit.landscape["lpips"] == {
        "net": "squeeze",
        "version": "0.1",
        "weights_sha256": untrained.backbone.sha256,
        "enlarged_to": SIDE,
    }
    assert audit.settings["lpips"] == "squeeze"
    tensors = load_file(world.registry.home.audit(audit.id))
    for kind in ("", "_lpips"):
        found = audit.landscape[f"estimate{kind}"]["against_exact"]
        exact, estimate = (tensors[f"unit_influence_{name}{kind}"] for name in ("exact", "estimate"))
        assert found["rank_correlation"] == pytest.approx(spearmanr(exact, estimate)[0])
        assert found["relative_error"] == pytest.approx(np.linalg.norm(exact - estimate) / np.linalg.norm(exact))
        assert found["units"] == 18


def test_without_weights_lpips_is_a_reason_and_never_a_number(world: World) -> None:
    """In rows and landscape; an outside image has its own reason."""
    auditor = Auditor.prepare(world.registry, world.ensemble, AuditSettings(shortlist=2), CPU)
    audit = next(iter(auditor.audit_samples(world.samples[:1])))
    assert audit.landscape is not None
    for row in rows_of(world, audit):
        assert (row.influence_exact_lpips, row.influence_estimate_lpips) == (None, None)
        assert row.lpips_not_measured == NO_LPIPS.reason
    for kind in ("lpips", "exact_lpips", "estimate_lpips"):
        assert audit.landscape[kind] == {"not_measured": NO_LPIPS.reason}
    outside = next(iter(auditor.audit_images([world.works / "05.png"], None)))
    assert {row.lpips_not_measured for row in rows_of(world, outside)} == {NO_COUNTERFACTUAL}


def test_a_cheaper_jacobian_is_stated_and_kept_apart(world: World) -> None:
    """It is another audit, with another file than the exact Jacobian's."""
    made = {}
    for members in (None, 2):
        settings = AuditSettings(shortlist=2, jacobian_members=members)
        auditor = Auditor.prepare(world.registry, world.ensemble, settings, CPU)
        made[members] = next(iter(auditor.audit_samples(world.samples[:1])))
    full, cheap = (made[members].landscape for members in (None, 2))
    assert full is not None
    assert cheap is not None
    assert cheap["estimate"]["members_per_step"] == 2
    assert "members_per_step" not in full["estimate"]
    assert cheap["estimate"]["radius"] != full["estimate"]["radius"]
    path = jacobian_file(world.registry.home, world.samples[0].id, 2)
    assert cheap["estimate"]["jacobian_sha256"] == sha256_of_file(path) != full["estimate"]["jacobian_sha256"]


def test_the_error_of_estimates_is_over_units_that_both_have() -> None:
    """Ties share ranks, NaNs are left out; no movement is a reason, no division by zero."""
    exact = np.array([1.0, 2.0, 2.0, np.nan, 4.0, 0.0])
    estimate = np.array([1.5, 1.0, 2.0, 3.0, 4.0, 0.0])
    found = estimate_error(estimate, exact)
    both = np.isfinite(exact)
    assert found.rank_correlation == pytest.approx(spearmanr(exact[both], estimate[both])[0])
    assert found.relative_error == pytest.approx(np.sqrt(0.25 + 1) / 5)
    assert found.median_relative_error == pytest.approx(np.median([0.5, 0.5, 0, 0]))
    assert found.units == 5
    still = estimate_error(np.zeros(3), np.zeros(3))
    assert isinstance(still.rank_correlation, NotMeasured)
    assert still.to_json()["relative_error"] == {"not_measured": "no unit has any influence"}


def test_units_that_every_member_saw_have_no_influence_of_any_kind(tmp_path: Path) -> None:
    """Nothing is left to generate with; the facts count such units, and give the reason."""
    from safetensors.numpy import save_file

    generator = np.random.default_rng(0)
    path = tmp_path / "jacobian.safetensors"
    columns = generator.normal(size=(4, 3, 8, 8)).astype(np.float32)
    save_file({"jacobian": columns}, path)
    membership = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [0, 1, 0, 1]], dtype=np.bool_)
    gram = torch.from_numpy(columns.reshape(4, -1) @ columns.reshape(4, -1).T).double()
    shown = Counterfactuals("s", np.empty(0), np.empty(0), None, {}, lpips_gram=gram)
    decoys = np.array([[0, 0, 1, 1]], dtype=np.bool_)
    found = landscapes_of(membership, decoys, path, shown)
    assert found.decoy_estimate == pytest.approx(landscapes_of(decoys, decoys, path, shown).estimate)
    assert found.estimate is not None
    assert found.estimate_lpips is not None
    assert np.isnan(found.estimate).tolist() == np.isnan(found.estimate_lpips).tolist() == [False, True, False]
    ratio = found.estimate[[0, 2]] ** 2 / found.estimate_lpips[[0, 2]]
    assert ratio[0] == pytest.approx(ratio[1], rel=1e-4)
    shared = {"jacobian": path, "jacobian_members": None, "lpips": NO_LPIPS, "side": 8, "why_not": "all saw it"}
    shared["no_jacobian"] = "not asked for"
    facts = landscape_facts(found, **shared)  # type: ignore[arg-type]  # a table of its arguments
    assert (facts["estimate"]["units_not_measured"], facts["estimate"]["why_not"]) == (1, "all saw it")
    nobody = Landscapes(estimate=np.full(2, np.nan))
    assert landscape_facts(nobody, **shared)["estimate"]["not_measured"] == "all saw it"  # type: ignore[arg-type]  # as above
    assert landscapes_of(membership, decoys, path, None) == Landscapes()


@pytest.mark.slow
def test_the_largest_estimates_are_those_of_the_list_of_all(measured: tuple[World, tables.Audit]) -> None:
    """Without the list, by number alone; p counts codes of no unit with as large an estimate."""
    world, audit = measured
    tensors = load_file(world.registry.home.audit(audit.id))
    estimate, decoys = tensors["unit_influence_estimate"], tensors["decoy_influence_estimate"]
    for k in (1, 5, 50):
        found = largest_influences(world.registry, audit, k)
        order = np.lexsort((np.arange(len(estimate)), -estimate))[:k]
        assert found.numbers.tolist() == order.tolist()
        assert found.influence == pytest.approx(estimate[order], rel=1e-9)
        others = np.broadcast_to(decoys, (len(order), len(decoys)))
        assert found.p_value == pytest.approx(exact_p_values(estimate[order], others))
        assert (found.compared, found.exhaustive) == (2, True)


def test_the_command_shows_the_largest_estimates(measured: tuple[World, tables.Audit]) -> None:
    """As a table and as JSON; choices that do not fit are refused."""
    world, audit = measured
    creditline = Creditline(world.registry.home.root)
    found = largest_influences(world.registry, audit, 3)
    document = creditline("landscape", audit.id, "--largest", 3, "--json").document
    assert [row["unit"] for row in document["units"]] == found.numbers.tolist()
    assert (document["codes_compared"], document["all"]) == (2, True)
    printed = creditline("landscape", str(audit.sample_id), "--largest", 3)
    assert printed.status == 0
    assert document["units"][0]["label"] in printed.out.splitlines()[1]
    assert "2 codes that no unit has" in printed.err
    for refused in (
        creditline("landscape", audit.id, "--largest", 3, "--limit", 2),
        creditline("landscape", audit.id, "--largest", 0),
        creditline("landscape", audit.id, "--largest", MOST + 1),
    ):
        assert refused.status == 2
    assert f"{MOST}" in refused.err
    assert MOST_LARGEST == MOST
    assert len(creditline("landscape", audit.id, "--largest", MOST, "--json").document["units"]) > 3


def test_an_audit_without_estimates_has_no_largest(measured: tuple[World, tables.Audit]) -> None:
    """An outside image has no noise, and a Jacobian may not have been asked for."""
    world, audit = measured
    for changed in ({"sample_id": None}, {"landscape": {"estimate": {"not_measured": NO_JACOBIAN}}}):
        bare = tables.Audit(**{**audit.model_dump(), **changed})
        with pytest.raises(UsageError, match="no estimates of influence"):
            largest_influences(world.registry, bare, 3)
    for k in (0, MOST + 1):
        with pytest.raises(UsageError, match=f"1 to {MOST:,}"):
            largest_influences(world.registry, audit, k)
