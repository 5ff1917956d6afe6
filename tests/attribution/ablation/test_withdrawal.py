"""After a withdrawal: members in service, samples, audits, and retraining to exact members."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from attribution.ablation.influence import gram
from attribution.ablation.joint import ablate_sample
from attribution.ablation.scan.form import QuadraticForm
from attribution.audit.auditor import NO_LPIPS, Auditor
from attribution.audit.largest import largest_influences, of_stored
from attribution.audit.record import AuditSettings
from attribution.audit.worker import load_jacobian
from attribution.ensemble.serving import ensembles_that_served, serving_ensemble
from attribution.evidence.adjustment import Neighbours, member_alignment
from attribution.evidence.randomisation import assess_shortlist, has_contrast, mean_predictions
from attribution.metrics.euclidean import euclidean_scale
from attribution.ranking.encoded_works import SEEN_BY_NONE, reasons_not_to_test
from attribution.sampling.generate import generate_samples
from attribution.sampling.predictions import load_predictions
from attribution.sampling.replay import verify_named
from attribution.sampling.requests import requests_for
from attribution.training.dataset import build_training_set
from attribution.training.lifecycle import plan_retraining, retrain_ensemble, train_ensemble
from registry.encodings.codes import codes_of, decoys
from registry.encodings.store import load_units
from registry.encodings.words import bits
from registry.errors import CapacityError
from registry.home import Home
from registry.members.manifest import read_member_folder
from registry.members.serving import service_status
from registry.outputs.queries import candidates_of
from registry.storage.database import Registry
from registry.withdrawals.record import withdraw
from tests.attribution.conftest import CPU, NOW, SAMPLER, World, build_world, small_settings
from tests.attribution.evidence.test_randomisation import predictions_of
from tests.support.killing import killed_after

WORK = 4


def withdraw_works(registry: Registry, *asset_ids: int) -> None:
    withdraw(registry, asset_ids=asset_ids, reason="letter", now=NOW)


def saw(world: World, asset_id: int) -> list[int]:
    units = load_units(world.registry, world.ensemble.encoding.id)
    row = int(np.flatnonzero(units.asset_ids == asset_id)[0])
    return [int(index) for index in np.flatnonzero(bits(units.asset_codes[[row]], units.encoding.n)[0])]


def weights_of(registry: Registry, member_id: str) -> dict[str, torch.Tensor]:
    return load_file(registry.home.member(member_id) / "diffusion_pytorch_model.safetensors")


def same_weights(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def check_ablations_of_the_withdrawn_work(world: World) -> None:
    """An early sample loses the work's members; a sample after retraining loses none."""
    retrained = serving_ensemble(world.registry, world.ensemble.id)
    [sample] = generate_samples(world.registry, retrained, requests_for([11]), SAMPLER, CPU)
    after = ablate_sample(world.registry, sample.id, [str(WORK)], CPU, NO_LPIPS)
    assert after.survivors == tuple(range(6))
    assert after.influence == pytest.approx(0, abs=1e-3)
    before = ablate_sample(world.registry, world.samples[0].id, [str(WORK)], CPU, NO_LPIPS)
    assert before.survivors == tuple(index for index in range(6) if index not in saw(world, WORK))


@pytest.fixture(scope="module")
def withdrawn_world(built_world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The world with one work withdrawn, and samples by the other members; read only."""
    home = Home(tmp_path_factory.mktemp("withdrawn") / "home")
    shutil.copytree(built_world.registry.home.root, home.root)
    registry = Registry.open(home)
    withdraw_works(registry, WORK)
    reference = serving_ensemble(registry, built_world.ensemble.id)
    samples = sorted(
        generate_samples(registry, reference, requests_for(range(3)), SAMPLER, CPU), key=lambda row: row.seed
    )
    return World(registry, built_world.works, reference, tuple(samples))


def test_only_members_that_never_saw_the_work_serve(withdrawn_world: World, built_world: World) -> None:
    """By their own lists of works; samples name the members, and differ from earlier samples."""
    units = load_units(withdrawn_world.registry, withdrawn_world.ensemble.encoding.id)
    with withdrawn_world.registry.connection() as connection:
        sha256 = connection.execute("SELECT sha256 FROM asset WHERE id = ?", [WORK]).fetchall()[0][0]
    for index, member_id in zip(withdrawn_world.ensemble.indices, withdrawn_world.ensemble.member_ids, strict=True):
        assert index not in saw(withdrawn_world, WORK)
        assert sha256 not in read_member_folder(withdrawn_world.registry.home.member(member_id)).works
    assert len(withdrawn_world.ensemble.indices) == units.encoding.n - units.encoding.h
    assert {tuple(row.members) for row in withdrawn_world.samples} == {withdrawn_world.ensemble.indices}
    assert {row.id for row in withdrawn_world.samples}.isdisjoint(row.id for row in built_world.samples)
    assert not withdrawn_world.ensemble.complete


def test_the_largest_estimates_are_those_of_the_members_that_served(withdrawn_world: World) -> None:
    """By number, with members out of service, and from stored codes: the same units and p."""
    registry, ensemble = withdrawn_world.registry, withdrawn_world.ensemble
    auditor = Auditor.prepare(registry, ensemble, AuditSettings(shortlist=5), CPU)
    [audit] = auditor.audit_samples(withdrawn_world.samples[1:2])
    found = largest_influences(registry, audit, 30)
    estimate = load_file(registry.home.audit(audit.id))["unit_influence_estimate"].numpy()
    there = np.flatnonzero(np.isfinite(estimate))
    assert sorted(found.numbers.tolist()) == there.tolist()
    assert found.influence == pytest.approx(estimate[found.numbers], rel=1e-9, abs=1e-9)
    assert (np.diff(found.influence) <= 0).all()
    columns = load_jacobian(registry.home.jacobian(str(audit.sample_id)))
    form = QuadraticForm.of_gram(gram(columns[None])[0].numpy())
    stored, p_value, compared, exhaustive = of_stored(registry, ensemble, form, 30)
    assert stored.values == pytest.approx((found.influence / euclidean_scale(columns[0].numel())) ** 2, rel=1e-9)
    assert found.p_value is not None
    assert dict(zip(stored.numbers.tolist(), p_value.tolist(), strict=True)) == pytest.approx(
        dict(zip(found.numbers.tolist(), found.p_value.tolist(), strict=True))
    )
    assert (compared, exhaustive) == (found.compared, found.exhaustive)


def test_all_samples_verify_by_the_members_that_made_them(withdrawn_world: World) -> None:
    """Samples from before the withdrawal by all members, later ones by the rest."""
    found = list(verify_named(withdrawn_world.registry, None, CPU))
    assert len(found) == 9
    assert {item.condition for item in found} == {"identical"}
    groups = ensembles_that_served(withdrawn_world.registry, list(withdrawn_world.samples))
    assert [reference for reference, _ in groups] == [withdrawn_world.ensemble]


def test_an_audit_is_of_the_members_that_served(withdrawn_world: World) -> None:
    """Statistics, decoys and influences over them alone; the withdrawn unit is no candidate."""
    auditor = Auditor.prepare(
        withdrawn_world.registry, withdrawn_world.ensemble, AuditSettings(shortlist=5, exact=True), CPU
    )
    assert auditor.context.encoded.not_testable[WORK] == SEEN_BY_NONE
    assert WORK not in auditor.context.encoded.asset_ids
    [audit] = auditor.audit_samples(withdrawn_world.samples[:1])
    with withdrawn_world.registry.session() as session:
        candidates = [candidate for candidate, _ in candidates_of(session, audit)]
    assert WORK not in {candidate.unit_number for candidate in candidates}
    assert audit.test["members"] == list(withdrawn_world.ensemble.indices)
    predictions, _ = load_predictions(withdrawn_world.registry.home.sample_tensors(withdrawn_world.samples[0].id))
    units = load_units(withdrawn_world.registry, withdrawn_world.ensemble.encoding.id)
    serving = list(withdrawn_world.ensemble.indices)
    clean, encoded = mean_predictions(predictions), auditor.context.encoded
    present = np.unique(encoded.unit_of_work)
    around = Neighbours(
        present, 2.0 * encoded.works[np.searchsorted(encoded.unit_of_work, present)] - 1.0, encoded.membership[present]
    )
    assert audit.test is not None
    alike = {rank for group in audit.test["look_alikes"] for rank in group}
    alone = [candidate for candidate in candidates if candidate.rank not in alike]
    assert alone
    for candidate in alone:
        row = bits(units.codes[[candidate.unit_number]], 6)[0, serving]
        assert 0 < row.sum() < len(serving)
        image = (
            2.0 * auditor.context.encoded.works[auditor.context.encoded.unit_of_work == candidate.unit_number][0] - 1.0
        )
        found = member_alignment(clean, image[None], around, [np.array([candidate.unit_number])])
        code = row - row.mean()
        expected = code @ found.alignment[0] / np.sqrt(code @ found.growth[0] @ code)
        assert candidate.statistic == pytest.approx(expected, rel=1e-4)
        assert candidate.influence_exact is not None
        assert candidate.influence_estimate is not None
    assert audit.test["decoys"] == audit.test["decoys_available"]


def test_decoys_with_contrast_are_counted(withdrawn_world: World) -> None:
    """The formula agrees with a count over every word."""
    units = load_units(withdrawn_world.registry, withdrawn_world.ensemble.encoding.id)
    spare = withdrawn_world.ensemble.membership_of(codes_of(0, 6, 3, np.arange(18, 20)))
    found = units.assignment.decoys(np.arange(1), 100, 0, withdrawn_world.ensemble.indices)
    assert found.available == found.count == int(has_contrast(spare).sum())


def test_a_run_does_not_outlast_a_withdrawal(world: World) -> None:
    """Samples of members that went out of service during the run are not registered."""

    def on_progress(done: int) -> None:
        if done:
            withdraw_works(world.registry, WORK)

    made = generate_samples(world.registry, world.ensemble, requests_for([50]), SAMPLER, CPU, on_progress)
    with pytest.raises(CapacityError, match="in the meantime"):
        list(made)
    with world.registry.connection() as connection:
        assert connection.execute("SELECT count(*) FROM sample WHERE seed = 50").fetchall() == [(0,)]


def test_none_left_says_what_to_do(world: World) -> None:
    """Every member saw a withdrawn work."""
    withdraw_works(world.registry, *range(18))
    with pytest.raises(CapacityError, match="creditline retrain"):
        serving_ensemble(world.registry, world.ensemble.id)
    planned = plan_retraining(world.registry, world.ensemble.id)
    assert (planned.generations, planned.without_works) == ({}, (0, 1, 2, 3, 4, 5))
    assert list(retrain_ensemble(world.registry, world.ensemble.id, CPU)) == []


@pytest.mark.slow
def test_retrained_members_are_those_that_would_have_been(world: World, tmp_path: Path) -> None:
    """Bit for bit members that never had the work; the others are untouched; all serve again."""
    withdraw_works(world.registry, WORK)
    made = list(retrain_ensemble(world.registry, world.ensemble.id, CPU))
    assert [member.index for member in made] == saw(world, WORK)
    reference = serving_ensemble(world.registry, world.ensemble.id)
    assert reference.complete
    check_ablations_of_the_withdrawn_work(world)
    untouched = [place for place in range(6) if place not in saw(world, WORK)]
    assert [reference.member_ids[place] for place in untouched] == [
        world.ensemble.member_ids[place] for place in untouched
    ]
    other = Home(tmp_path / "never")
    other.root.mkdir()
    shutil.copyfile(world.registry.home.database, other.database)
    shutil.copyfile(world.registry.home.log_head, other.log_head)
    with Registry.open(other).connection() as connection:
        connection.execute("DELETE FROM member")
        connection.execute("DELETE FROM sample")
        works = shutil.copytree(world.works, tmp_path / "works")
        (works / "04.png").unlink()
        connection.execute("UPDATE data_set SET root = ?", [str(works)])
    never = Registry.open(other)
    build_training_set(never, world.ensemble.id, world.ensemble.encoding.id, small_settings())
    for member in train_ensemble(never, world.ensemble.id, CPU):
        key = reference.member_ids[member.index]
        assert same_weights(weights_of(never, member.id), weights_of(world.registry, key))
    assert service_status(world.registry, world.ensemble.id).out_of_service == []
    [audit] = Auditor.prepare(world.registry, reference, AuditSettings(shortlist=3), CPU).audit_samples(
        list(generate_samples(world.registry, reference, requests_for([0]), SAMPLER, CPU))
    )
    assert audit.test["members"] == [0, 1, 2, 3, 4, 5]
    assert {item.condition for item in verify_named(world.registry, None, CPU)} == {"identical"}


@pytest.mark.slow
def test_units_of_many_works_stay_candidates_for_the_rest(tmp_path: Path) -> None:
    """One of a rightsholder's works withdrawn: no test until retraining, then without it."""
    world = build_world(tmp_path, "rightsholder", None, n=5, h=2)
    withdraw_works(world.registry, 0)
    reference = serving_ensemble(world.registry, world.ensemble.id)
    encoded = Auditor.prepare(world.registry, reference, AuditSettings(), CPU).context.encoded
    assert list(encoded.not_testable) == [0]
    list(retrain_ensemble(world.registry, world.ensemble.id, CPU))
    reference = serving_ensemble(world.registry, world.ensemble.id)
    encoded = Auditor.prepare(world.registry, reference, AuditSettings(), CPU).context.encoded
    assert encoded.not_testable == {}
    assert 0 not in encoded.asset_ids
    assert (encoded.unit_of_work == 0).sum() == 5
    np.testing.assert_array_equal(encoded.membership, bits(encoded.codes, 5))


def test_every_unit_that_cannot_be_tested_has_a_reason() -> None:
    """Units seen by all members, seen by none, or withdrawn in part."""
    reasons = reasons_not_to_test(np.array([[True, True], [False, False], [True, False]]), {2}, {0, 1, 2})
    assert sorted(reasons) == [0, 1, 2]


def test_p_values_hold_among_the_members_that_are_left() -> None:
    """Under the null, over redrawn codes and withdrawals: p <= level at most at that rate."""
    n, h, units, values = 10, 4, 30, 8
    rng = np.random.default_rng(7)
    p_values = []
    for seed in range(600):
        words = codes_of(seed, n, h, np.arange(units))
        membership = bits(words, n)
        withdrawn = rng.choice(np.arange(1, units), size=int(rng.integers(1, 3)), replace=False)
        serving = np.flatnonzero(~membership[withdrawn].any(axis=0))
        drawn = decoys(seed, n, h, units, 300, draw_seed=1)
        drawn = drawn[has_contrast(bits(drawn, n)[:, serving])]
        if not has_contrast(membership[:1, serving])[0]:
            continue
        clean = rng.normal(size=(len(serving), values)) * rng.gamma(1.0, size=(len(serving), 1))
        evidence = assess_shortlist(
            predictions_of(clean), rng.normal(size=(1, values)), words[:1], drawn, n, serving.tolist()
        )
        p_values.append(evidence.p_value[0])
    assert len(p_values) > 400
    for level in (0.05, 0.1, 0.25, 0.5):
        share = np.mean(np.array(p_values) <= level)
        assert share <= level + 3 * np.sqrt(level * (1 - level) / len(p_values))


CHILD = """
import pathlib, sys
from attribution.training.lifecycle import retrain_ensemble
from registry.storage.database import Registry
from registry.home import Home
from tests.attribution.conftest import CPU
def progress(index, steps):
    print(index, steps, flush=True)
for member in retrain_ensemble(Registry.open(Home(pathlib.Path(sys.argv[1]))), sys.argv[2], CPU, progress, 0.0):
    print("registered", member.index, flush=True)
"""


@pytest.mark.slow
def test_killed_retraining_goes_on(world: World, tmp_path: Path) -> None:
    """Kill -9 three times, at different places: no half rows, the same end."""
    withdraw_works(world.registry, WORK)
    whole = Home(tmp_path / "whole")
    shutil.copytree(world.registry.home.root, whole.root)
    list(retrain_ensemble(Registry.open(whole), world.ensemble.id, CPU))
    for lines in (7, 60, 75):
        killed_after(lines, CHILD, world.registry.home.root, world.ensemble.id)
        service = service_status(world.registry, world.ensemble.id)
        for member in [*service.serving, *service.out_of_service]:
            read_member_folder(world.registry.home.member(member.id))
    list(retrain_ensemble(world.registry, world.ensemble.id, CPU))
    reference = serving_ensemble(world.registry, world.ensemble.id)
    assert reference.complete
    assert reference.weights_sha256 == serving_ensemble(Registry.open(whole), world.ensemble.id).weights_sha256
    left = [path.name for path in (world.registry.home.root / "members").iterdir() if path.name.startswith(".")]
    assert [name for name in left if name.endswith(".part")] == []
