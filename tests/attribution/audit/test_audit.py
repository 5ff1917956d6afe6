"""Audits of a small real ensemble: registered, found again, or refused."""

from __future__ import annotations

import gc
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from attribution.audit.auditor import Auditor
from attribution.audit.record import NO_COUNTERFACTUAL, AuditSettings, Findings
from attribution.evidence.effect_interval import TOO_FEW_DECOYS
from attribution.evidence.shares import NOT_OURS
from attribution.images import check_images, to_pixels
from attribution.metrics.euclidean import euclidean_scale
from attribution.sampling.image_predictions import PredictionTask
from registry.encodings.store import load_units
from registry.errors import InputError, IntegrityError, UsageError
from registry.ids import sha256_of_file
from registry.outputs.queries import candidates_of
from registry.outputs.shares import shares_of, unattributed_of
from registry.storage import tables
from registry.storage.database import Registry
from tests.attribution.conftest import CPU, World, build_world

SETTINGS = AuditSettings(shortlist=4)


def auditor_of(world: World, settings: AuditSettings = SETTINGS) -> Auditor:
    return Auditor.prepare(world.registry, world.ensemble, settings, CPU)


def candidates(registry: Registry, audit: tables.Audit) -> list[tables.Candidate]:
    with registry.session() as session:
        return [candidate for candidate, _ in candidates_of(session, audit)]


@pytest.fixture(scope="session")
def audited_world(built_world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[World, list[tables.Audit]]:
    """The world with its samples audited exactly; read only."""
    home = tmp_path_factory.mktemp("audited") / "home"
    shutil.copytree(built_world.registry.home.root, home)
    registry = Registry.open(type(built_world.registry.home)(home))
    world = World(registry, built_world.works, built_world.ensemble, built_world.samples)
    audits = list(auditor_of(world, AuditSettings(shortlist=4, exact=True)).audit_samples(world.samples[:3]))
    return world, audits


def test_audit_is_registered_with_all_it_took(audited_world: tuple[World, list[tables.Audit]]) -> None:
    """Candidates by rank, p and q consistent, artefact under its hash, grade with interval."""
    world, audits = audited_world
    assert len(audits) == 3
    for audit in audits:
        rows = candidates(world.registry, audit)
        assert [row.rank for row in rows] == [1, 2, 3, 4]
        scores = [row.score for row in rows]
        assert scores == sorted(scores, reverse=True)
        assert all(0 < row.p_value <= row.q_value <= 1 for row in rows)
        assert audit.attributable == any(row.q_value <= 0.05 for row in rows)
        assert audit.artefact_sha256 == sha256_of_file(world.registry.home.audit(audit.id))
        assert audit.test["decoys"] == 2  # C(6, 3) - 18
        assert audit.test["smallest_p"] == pytest.approx(1 / 3)
        assert -1 <= audit.ranker["member_lds"]["low"] <= audit.ranker["member_lds"]["high"] <= 1
        assert audit.versions["torch"]


def test_audit_keeps_effects_and_tests_of_rightsholders(audited_world: tuple[World, list[tables.Audit]]) -> None:
    """Two decoys reject no effect, with a reason; each house of three has p and q."""
    world, audits = audited_world
    for audit in audits:
        for row in candidates(world.registry, audit):
            assert (row.effect, row.effect_low, row.effect_high) == (None, None, None)
            assert row.effect_not_measured == TOO_FEW_DECOYS
        assert audit.test["decoys_chosen"] == "all"
        assert audit.test["neighbours"]["units"] == 18
        found = audit.test["rightsholders"]
        assert {test["name"] for test in found["tested"]} == {"House 0", "House 1", "House 2"}
        assert sum(test["works"] for test in found["tested"]) == found["works"] == 18
        assert all(1 / (found["draws"] + 1) <= test["p"] <= test["q"] <= 1 for test in found["tested"])


def test_audit_divides_the_output(audited_world: tuple[World, list[tables.Audit]]) -> None:
    """The shares of all candidates, by rank, and the unattributed part sum to 1."""
    world, audits = audited_world
    for audit in audits:
        shares = shares_of(audit.test)
        unattributed = unattributed_of(audit.test)
        assert isinstance(shares, dict)
        assert unattributed is not None
        assert sorted(shares) == [row.rank for row in candidates(world.registry, audit)]
        every = [*shares.values(), unattributed]
        assert sum(share.value for share in every) == pytest.approx(1.0)
        assert all(0.0 <= share.low <= share.value <= share.high <= 1.0 for share in every)


def test_artefact_agrees_with_the_rows(audited_world: tuple[World, list[tables.Audit]]) -> None:
    """P-values follow from the stored statistics, influences from the landscape."""
    world, audits = audited_world
    for audit in audits:
        tensors = load_file(world.registry.home.audit(audit.id))
        rows = candidates(world.registry, audit)
        for row, decoy_statistic in zip(rows, tensors["decoy_statistic"], strict=True):
            assert row.p_value == (1 + (decoy_statistic >= row.statistic).sum()) / (1 + len(decoy_statistic))
            exact = tensors["unit_influence_exact"][row.unit_number]
            assert row.influence_exact == pytest.approx(exact, rel=1e-4)
            assert row.influence_estimate == pytest.approx(tensors["unit_influence_estimate"][row.unit_number])
        assert audit.landscape is not None
        assert audit.landscape["exact"]["radius"] == tensors["unit_influence_exact"].max()
        assert tensors["counterfactual"].shape == (4, 8, 8, 3)


def test_estimates_follow_exact_influences(audited_world: tuple[World, list[tables.Audit]]) -> None:
    """Over all units, the Jacobian's estimate and real ablation rank alike."""
    world, audits = audited_world
    correlations = []
    for audit in audits:
        tensors = load_file(world.registry.home.audit(audit.id))
        correlations.append(np.corrcoef(tensors["unit_influence_estimate"], tensors["unit_influence_exact"])[0, 1])
    assert np.mean(correlations) > 0.5


def test_counterfactual_is_a_real_ablation(audited_world: tuple[World, list[tables.Audit]]) -> None:
    """Sampling from the members that did not see the unit gives the stored picture."""
    from attribution.denoisers.ensemble import Ensemble
    from attribution.ensemble.serving import open_ensemble
    from attribution.sampling.noise import exogenous_noise
    from attribution.sampling.sampler import sample
    from attribution.sampling.schedule import SamplerSettings

    world, audits = audited_world
    row, audit = world.samples[0], audits[0]
    assert audit.sample_id == row.id
    candidate = candidates(world.registry, audit)[0]
    members = load_units(world.registry, world.ensemble.encoding.id).membership[candidate.unit_number]
    everyone = open_ensemble(world.registry.home, world.ensemble)
    survivors = Ensemble([member for member, saw in zip(everyone.members, members, strict=True) if not saw])
    sampler = SamplerSettings.from_json(row.sampler)
    noise = exogenous_noise(row.seed, sampler.draws, (3, 8, 8))[None]
    again = sample(survivors, noise, sampler)
    stored = load_file(world.registry.home.audit(audit.id))["counterfactual"][0]
    assert np.abs(to_pixels(again)[0].numpy().astype(int) - stored).max() <= 1
    output = load_file(world.registry.home.sample_tensors(row.id))["output"]
    distance = float(np.linalg.norm(again[0].numpy() - output)) * euclidean_scale(output.size)
    assert candidate.influence_exact == pytest.approx(distance, rel=1e-4)


def test_same_audit_is_found_again(world: World) -> None:
    """A second run evaluates no network and makes no row; other settings are another audit."""
    first = list(auditor_of(world).audit_samples(world.samples[:1]))
    worked: list[int] = []
    again = list(auditor_of(world).audit_samples(world.samples[:1], lambda done, _: worked.append(done)))
    assert [audit.id for audit in again] == [audit.id for audit in first]
    assert not worked
    other = list(auditor_of(world, AuditSettings(shortlist=5)).audit_samples(world.samples[:1]))
    assert other[0].id != first[0].id


def test_samples_of_another_ensemble_are_refused(world: World) -> None:
    """Their predictions say nothing about this ensemble's codes."""
    foreign = world.samples[0].model_copy(update={"ensemble_id": "f" * 12})
    with pytest.raises(UsageError, match="one ensemble at a time"):
        list(auditor_of(world).audit_samples([foreign]))


def test_lost_artefact_is_made_again(world: World) -> None:
    """An audit whose artefact was altered gets it back; rows stay as they were."""
    first = next(iter(auditor_of(world).audit_samples(world.samples[:1])))
    path = world.registry.home.audit(first.id)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    again = next(iter(auditor_of(world).audit_samples(world.samples[:1])))
    assert again.created_at == first.created_at
    assert sha256_of_file(path) == first.artefact_sha256


def test_kept_jacobian_is_not_computed_again(world: World) -> None:
    """An audit under other settings reads the Jacobian of the first audit."""
    list(auditor_of(world).audit_samples(world.samples[:1]))
    path = world.registry.home.jacobian(world.samples[0].id)
    before = path.stat().st_mtime_ns
    list(auditor_of(world, AuditSettings(shortlist=2)).audit_samples(world.samples[:1]))
    assert path.stat().st_mtime_ns == before


def test_image_from_outside(world: World) -> None:
    """Any image is ranked and tested, without counterfactual, and says so; a work is first."""
    path = world.works / "05.png"
    audit = next(iter(auditor_of(world).audit_images([path], None)))
    assert (audit.subject_kind, audit.image_name, audit.sample_id) == ("image", "05.png", None)
    assert audit.landscape is None
    assert shares_of(audit.test) == NOT_OURS
    rows = candidates(world.registry, audit)
    assert {row.not_measured for row in rows} == {NO_COUNTERFACTUAL}
    assert {row.influence_exact for row in rows} == {None}
    with world.registry.session() as session:
        assert candidates_of(session, audit)[0][1] == "Work 5"
    again = next(iter(auditor_of(world).audit_images([path], None)))
    assert again.id == audit.id


@pytest.mark.slow
def test_many_images_are_held_part_by_part(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one image is audited, only the images and findings of its part are in memory."""
    monkeypatch.setattr("attribution.audit.auditor.EXAMINED_AT_ONCE", 2)
    paths = sorted(world.works.glob("*.png"))[:7]
    reported: list[tuple[int, int]] = []
    held: list[tuple[int, int]] = []
    auditor = auditor_of(world, AuditSettings(shortlist=2, jacobian=False))
    for _ in auditor.audit_images(paths, None, lambda done, total: reported.append((done, total))):
        there = [each for each in gc.get_objects() if type(each) in (PredictionTask, Findings)]
        held.append(
            (sum(type(each) is PredictionTask for each in there), sum(type(each) is Findings for each in there))
        )
        del there
    assert len(held) == len(paths)
    # One part, and its task that a local name may still hold.
    assert max(tasks for tasks, _ in held) <= 3
    assert max(findings for _, findings in held) <= 2
    assert sum(done for done, _ in reported) == len(paths)
    assert {total for _, total in reported} == {len(paths)}


def test_file_that_is_no_image_is_refused(world: World, tmp_path: Path) -> None:
    """By name, whether it was checked before or became one since."""
    path = tmp_path / "notes.png"
    path.write_text("no image")
    with pytest.raises(InputError, match=r"notes\.png"):
        check_images([world.works / "05.png", path])
    with pytest.raises(InputError, match=r"notes\.png"):
        list(auditor_of(world).audit_images([path], None))


def test_altered_sample_is_refused(world: World) -> None:
    """Only the registered sample can be audited."""
    auditor = auditor_of(world)
    Image.new("RGB", (8, 8)).save(world.registry.home.sample_image(world.samples[0].id))
    with pytest.raises(IntegrityError, match=world.samples[0].id):
        list(auditor.audit_samples(world.samples[:1]))


def test_pictures_of_listed_works_are_kept(world: World) -> None:
    """So a report needs neither the works' folder nor the models."""
    audit = next(iter(auditor_of(world).audit_samples(world.samples[:1])))
    with world.registry.connection() as connection:
        listed = connection.execute(
            "SELECT sha256 FROM candidate_work JOIN asset ON asset.id = asset_id WHERE audit_id = ?", [audit.id]
        ).fetchall()
    assert listed
    for (sha256,) in listed:
        with Image.open(world.registry.home.picture(sha256)) as picture:
            assert picture.size == (24, 24)


@pytest.mark.slow
def test_units_of_many_works(tmp_path: Path) -> None:
    """Units that are rightsholders: tested by a weighted mean, listed with closest works."""
    world = build_world(tmp_path, "rightsholder", None, n=5, h=2)
    audits = list(auditor_of(world).audit_samples(world.samples[:2]))
    for audit in audits:
        rows = candidates(world.registry, audit)
        assert len(rows) == 3
        with world.registry.connection() as connection:
            works = connection.execute(
                "SELECT unit_number, position, distance, weight FROM candidate_work WHERE audit_id = ? ORDER BY ALL",
                [audit.id],
            ).fetchall()
        assert len(works) == 9
        for unit in range(3):
            distances = [distance for number, _, distance, _ in works if number == unit]
            assert distances == sorted(distances)
            assert 0 < sum(weight for number, _, _, weight in works if number == unit) <= 1 + 1e-9


@pytest.mark.slow
def test_encoding_without_decoys_cannot_be_audited(tmp_path: Path) -> None:
    """Units that use up all codes leave no comparison; the error says what to do."""
    world = build_world(tmp_path, "rightsholder", None, n=3, h=1)
    with pytest.raises(UsageError, match="encode with more members"):
        auditor_of(world)


@pytest.mark.slow
def test_many_samples_are_audited_part_by_part(
    world: World, audited_world: tuple[World, list[tables.Audit]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One at a time equals three at a time, and the reported work adds up."""
    monkeypatch.setattr("attribution.audit.auditor.EXAMINED_AT_ONCE", 1)
    reported: list[tuple[int, int]] = []
    auditor = auditor_of(world, AuditSettings(shortlist=4, exact=True))
    audits = list(auditor.audit_samples(world.samples[:3], lambda done, total: reported.append((done, total))))
    together, many = audited_world
    assert {audit.id for audit in audits} == {audit.id for audit in many}
    assert sum(done for done, _ in reported) == reported[-1][1]
    for audit in audits:
        [same] = [found for found in many if found.id == audit.id]
        apart, at_once = candidates(world.registry, audit), candidates(together.registry, same)
        assert [row.unit_number for row in apart] == [row.unit_number for row in at_once]
        assert [row.influence_exact for row in apart] == pytest.approx(
            [row.influence_exact for row in at_once], rel=1e-3
        )
