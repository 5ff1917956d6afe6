"""The reference model: its works, kills, withdrawals, and the ranker that uses it."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from attribution.audit.auditor import Auditor
from attribution.audit.record import AuditSettings
from attribution.denoisers.pixels import PixelUNet
from attribution.ranking.grading import grade_rankers, graded_samples
from attribution.ranking.rankers.catalogue import RANKERS, available_rankers, make_rankers
from attribution.ranking.rankers.gradients.whitened import Gradients
from attribution.ranking.rankers.interface import Images
from attribution.ranking.recorded_choice import ranker_inputs, rankers_to_use, record_choice
from attribution.sampling.requests import default_sampler
from attribution.training.dataset import open_training_set
from attribution.training.lifecycle import create_ensemble, labels_of
from attribution.training.loop import TrainingRun
from attribution.training.reference_model import open_reference_model, train_reference_model
from registry.doctor import examine
from registry.errors import CapacityError, IntegrityError, MissingPartError, UsageError
from registry.event_log.verify import verify
from registry.home import Home
from registry.members.exposure import exposure_of
from registry.members.manifest import read_reference_folder
from registry.members.reference_models import EVENT
from registry.storage.database import Registry
from registry.withdrawals.record import withdraw
from tests.attribution.conftest import CPU, NOW, World, small_settings
from tests.support.killing import killed_after

WEIGHTS = "diffusion_pytorch_model.safetensors"


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / WEIGHTS)


def same_weights(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def hashes_of(registry: Registry) -> list[str]:
    with registry.connection() as connection:
        return [str(row[0]) for row in connection.execute("SELECT sha256 FROM asset ORDER BY id").fetchall()]


def events_of(registry: Registry) -> int:
    with registry.connection() as connection:
        return int(connection.execute("SELECT count(*) FROM event WHERE kind = ?", [EVENT]).fetchall()[0][0])


def wrong_with(registry: Registry) -> list[tuple[str, str, str]]:
    return [(each.check, str(each.severity), each.what) for each in examine(registry).wrong]


@pytest.fixture(scope="module")
def built(built_world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The world with a reference model; read only."""
    home = Home(tmp_path_factory.mktemp("reference") / "home")
    shutil.copytree(built_world.registry.home.root, home.root)
    registry = Registry.open(home)
    train_reference_model(registry, built_world.ensemble.id, CPU)
    return replace(built_world, registry=registry)


@pytest.fixture
def referenced(built: World, tmp_path: Path) -> World:
    """A copy of it, free to change."""
    home = Home(tmp_path / "home")
    shutil.copytree(built.registry.home.root, home.root)
    return replace(built, registry=Registry.open(home))


def folder_in(world: World) -> Path:
    return world.registry.home.reference_model(world.ensemble.id)


def test_it_is_trained_on_all_works_by_the_members_recipe(world: World) -> None:
    """Every work, the ensemble's settings; the log names manifest and weights; doctor agrees."""
    reported: list[int] = []
    found = train_reference_model(world.registry, world.ensemble.id, CPU, on_progress=reported.append)
    assert found.trained
    assert sum(reported) == small_settings().training.steps
    folder = read_reference_folder(folder_in(world))
    assert list(folder.works) == sorted(hashes_of(world.registry))
    assert folder.manifest.settings == small_settings().to_json()
    assert sorted(path.name for path in folder_in(world).parent.iterdir()) == [world.ensemble.id]
    run = TrainingRun(
        small_settings(), open_training_set(world.registry.home.training(world.ensemble.id)), np.arange(18), None, "cpu"
    )
    torch.set_num_threads(1)
    for _ in range(small_settings().training.steps):
        run.advance()
    expected = run.member.state()
    for name, value in weights_of(folder_in(world)).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-4)
    assert wrong_with(world.registry) == []
    assert examine(world.registry).checked["reference models"] == 1
    assert not verify(world.registry).faults


def test_training_again_does_nothing(referenced: World) -> None:
    """The same files, no further event, no step."""
    before = (folder_in(referenced) / WEIGHTS).stat().st_mtime_ns
    reported: list[int] = []
    found = train_reference_model(referenced.registry, referenced.ensemble.id, CPU, on_progress=reported.append)
    assert not found.trained
    assert reported == []
    assert (folder_in(referenced) / WEIGHTS).stat().st_mtime_ns == before
    assert events_of(referenced.registry) == 1


CHILD = """
import sys, pathlib
from attribution.training.reference_model import train_reference_model
from registry.storage.database import Registry
from registry.home import Home
from tests.attribution.conftest import CPU
def tell(steps):
    print(steps, flush=True)
registry = Registry.open(Home(pathlib.Path(sys.argv[1])))
train_reference_model(registry, sys.argv[2], CPU, on_progress=tell, checkpoint_seconds=0.0)
"""


def checkpoint_of_killed(world: World, steps: int) -> Path:
    """Start training in a process of its own, kill it, and return its checkpoint."""
    killed_after(steps, CHILD, world.registry.home.root, world.ensemble.id)
    [checkpoint] = folder_in(world).parent.glob(".*checkpoint.safetensors")
    assert not folder_in(world).exists()
    return checkpoint


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_weights(world: World, built: World) -> None:
    """Kill -9, then the command again: bit for bit the uninterrupted run, no checkpoint left."""
    checkpoint = checkpoint_of_killed(world, 20)
    # Remains of a kill during the writing of a checkpoint or a folder.
    checkpoint.with_name(f".{checkpoint.name}.0a1b2c3d.part").write_bytes(b"half")
    (checkpoint.parent / f".{world.ensemble.id}.17.part").mkdir()
    assert str(checkpoint) in {each.where for each in examine(world.registry).findings}
    reported: list[int] = []
    train_reference_model(world.registry, world.ensemble.id, CPU, on_progress=reported.append)
    assert 0 < reported[0] < sum(reported) == small_settings().training.steps
    assert same_weights(weights_of(folder_in(world)), weights_of(folder_in(built)))
    assert examine(world.registry).findings == []


def test_a_kill_before_the_event_costs_no_training(world: World, built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without an event is not used; the command resumes the checkpoint and logs it."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("attribution.training.reference_model.record_reference", killed)
        with pytest.raises(KeyboardInterrupt):
            train_reference_model(world.registry, world.ensemble.id, CPU)
    assert folder_in(world).is_dir()
    with pytest.raises(MissingPartError, match="members reference"):
        open_reference_model(world.registry, world.ensemble.id)
    [(check, severity, what)] = wrong_with(world.registry)
    assert (check, severity) == ("reference models", "warning")
    assert "no event" in what
    reported: list[int] = []
    train_reference_model(world.registry, world.ensemble.id, CPU, on_progress=reported.append)
    assert reported == [small_settings().training.steps]
    assert same_weights(weights_of(folder_in(world)), weights_of(folder_in(built)))
    assert events_of(world.registry) == 1
    assert examine(world.registry).findings == []


@pytest.mark.slow
def test_a_withdrawal_puts_it_out_of_use_until_it_is_trained_without_the_work(referenced: World, built: World) -> None:
    """Refused at once, found by the doctor; once retrained without the work, old weights go."""
    registry, ensemble_id = referenced.registry, referenced.ensemble.id
    ranker = make_rankers(["gradients"], ranker_inputs(registry, referenced.ensemble))[0]
    encoded = Auditor.prepare(registry, referenced.ensemble, AuditSettings(jacobian=False), CPU).context.encoded
    ranker.prepare(Images(encoded.source.pixels.take(slice(0, 1)), encoded.shape), encoded.source)
    kept = registry.home.training(ensemble_id)
    assert len(list(kept.glob("features-gradients-*"))) == 1
    report = withdraw(registry, asset_ids=[4], reason="letter", now=NOW)
    assert [impact.reference_model for impact in report.impacts] == [True]
    with pytest.raises(MissingPartError, match=r"saw 1 works that are withdrawn now.*members reference"):
        open_reference_model(registry, ensemble_id)
    [(check, severity, what)] = wrong_with(registry)
    assert (check, severity) == ("reference models", "warning")
    assert "withdrawn now" in what
    assert train_reference_model(registry, ensemble_id, CPU).trained
    folder = read_reference_folder(folder_in(referenced))
    assert set(hashes_of(registry)) - set(folder.works) == {hashes_of(registry)[4]}
    assert folder.manifest.withdrawn_through == report.withdrawal_ids[0]
    assert not same_weights(weights_of(folder_in(referenced)), weights_of(folder_in(built)))
    assert list(kept.glob("features-gradients-*")) == []
    assert wrong_with(registry) == []
    again = make_rankers(["gradients"], ranker_inputs(registry, referenced.ensemble))[0]
    assert (
        again.settings()["reference_sha256"] == folder.manifest.weights_sha256 != ranker.settings()["reference_sha256"]
    )


@pytest.mark.slow
def test_a_checkpoint_of_a_withdrawn_work_is_not_gone_on_with(world: World) -> None:
    """The interrupted training's knowledge of the work is lost with it."""
    checkpoint_of_killed(world, 20)
    withdraw(world.registry, asset_ids=[4], reason="letter", now=NOW)
    reported: list[int] = []
    train_reference_model(world.registry, world.ensemble.id, CPU, on_progress=reported.append)
    assert reported[0] == 0
    assert sum(reported) == small_settings().training.steps


def test_nothing_is_left_to_train_on(world: World) -> None:
    """Every work was withdrawn."""
    withdraw(world.registry, asset_ids=range(18), reason="all", now=NOW)
    with pytest.raises(CapacityError, match="every work"):
        train_reference_model(world.registry, world.ensemble.id, CPU)


@pytest.mark.slow
@pytest.mark.parametrize("name", [WEIGHTS, "config.json", "works.txt", "manifest.json"])
def test_altered_files_are_refused_and_trained_anew(referenced: World, built: World, name: str) -> None:
    """Each file has a hash; the doctor reports the change, the command restores the model."""
    path = folder_in(referenced) / name
    data = path.read_bytes()
    path.write_bytes(
        data.replace(b'"seed":0', b'"seed":1') if name == "manifest.json" else data[:-9] + b"x" + data[-8:]
    )
    with pytest.raises(IntegrityError, match=re.escape(name)):
        open_reference_model(referenced.registry, referenced.ensemble.id)
    [(check, severity, what)] = wrong_with(referenced.registry)
    assert (check, severity) == ("reference models", "error")
    assert name.partition(".")[0] in what
    assert train_reference_model(referenced.registry, referenced.ensemble.id, CPU).trained
    assert same_weights(weights_of(folder_in(referenced)), weights_of(folder_in(built)))
    assert wrong_with(referenced.registry) == []


def test_another_models_folder_in_its_place_is_refused(referenced: World) -> None:
    """Files that agree with each other are not enough: the log names the manifest."""
    folder = folder_in(referenced)
    other = read_reference_folder(folder).manifest.model_copy(update={"created_at": NOW})
    (folder / "manifest.json").write_bytes(other.to_json())
    read_reference_folder(folder)
    with pytest.raises(IntegrityError, match="is not the manifest recorded"):
        open_reference_model(referenced.registry, referenced.ensemble.id)


def test_missing_says_which_command_makes_it(built_world: World, referenced: World) -> None:
    """Never trained, or deleted; the other rankers still work."""
    shutil.rmtree(folder_in(referenced))
    for one in (built_world, referenced):
        with pytest.raises(MissingPartError, match=f"members reference --ensemble {one.ensemble.id}"):
            open_reference_model(one.registry, one.ensemble.id)
        made, missing = available_rankers(ranker_inputs(one.registry, one.ensemble))
        assert [ranker.name for ranker in made] == ["pixel-kernel", "responsibilities", "patches"]
        assert set(missing) == set(RANKERS) - {"pixel-kernel", "responsibilities", "patches"}
        assert "members reference" in missing["gradients"]
    assert wrong_with(referenced.registry) == []


def test_a_conditional_ensemble_is_refused_before_anything_is_trained(world: World) -> None:
    """The ranker knows no classes, so the model would be useless."""
    labels = labels_of(world.registry, world.ensemble.encoding.id, "kind")
    plain = small_settings()
    settings = replace(
        plain,
        network=PixelUNet(size=8, widths=(8,), groups=4, class_count=2),
        label_column="kind",
        classes=labels.classes,
        labels_sha256=labels.sha256,
    )
    ensemble = create_ensemble(world.registry, world.ensemble.encoding.id, settings)
    with pytest.raises(UsageError, match=r"conditional on 'kind'"):
        train_reference_model(world.registry, ensemble.id, CPU)
    assert not world.registry.home.training(ensemble.id).exists()
    with pytest.raises(MissingPartError, match=r"conditional on 'kind'"):
        open_reference_model(world.registry, ensemble.id)


def test_the_ranker_differentiates_it_under_the_ensembles_schedule(referenced: World) -> None:
    """Weights, schedule and SNR cap are the training's; a copied work is ranked first."""
    [ranker] = make_rankers(["gradients"], ranker_inputs(referenced.registry, referenced.ensemble))
    assert isinstance(ranker, Gradients)
    assert ranker.gradients.model.schedule == default_sampler(referenced.ensemble.settings)
    assert ranker.gradients.model.snr_cap == referenced.ensemble.settings.training.snr_cap
    trained = referenced.ensemble.settings.network.load_member(folder_in(referenced))
    used = dict(ranker.gradients.network.named_parameters())
    assert all(torch.equal(value, used[name]) for name, value in trained.named_parameters())
    encoded = Auditor.prepare(
        referenced.registry, referenced.ensemble, AuditSettings(jacobian=False), CPU
    ).context.encoded
    pixels = encoded.source.pixels.take(slice(3, 6)).reshape(3, 8, 8, 3)
    images = Images(np.ascontiguousarray(np.moveaxis(pixels, -1, 1)).reshape(3, -1), encoded.shape)
    scores = ranker.prepare(images, encoded.source).log_scores(slice(0, len(encoded.source)))
    assert scores[:, 2].argmax(axis=1).tolist() == [3, 4, 5]


@pytest.mark.slow
def test_a_kept_choice_goes_with_its_reference_model(referenced: World) -> None:
    """Audits rank with it; after its retraining on fewer works the choice must be made anew."""
    registry, ensemble = referenced.registry, referenced.ensemble
    needs = ranker_inputs(registry, ensemble)
    rankers = make_rankers(["pixel-kernel", "gradients"], needs)
    encoded = Auditor.prepare(registry, ensemble, AuditSettings(jacobian=False), CPU).context.encoded
    grades = grade_rankers(rankers, encoded, graded_samples(registry, ensemble))
    assert [graded.generated is not None for graded in grades.rankers] == [True, True]
    record_choice(registry, ensemble.id, rankers, grades.choices, None, None, NOW)
    auditor = Auditor.prepare(registry, ensemble, AuditSettings(shortlist=3, jacobian=False), CPU)
    [audit] = auditor.audit_samples(referenced.samples[:1])
    assert [one["name"] for one in audit.ranker["rankers"]] == ["pixel-kernel", "gradients"]
    sha256 = read_reference_folder(folder_in(referenced)).manifest.weights_sha256
    assert audit.ranker["rankers"][1]["settings"]["reference_sha256"] == sha256
    withdraw(registry, asset_ids=[4], reason="letter", now=NOW)
    with pytest.raises(MissingPartError, match="withdrawn now"):
        rankers_to_use(registry, ensemble.id, (), needs)
    train_reference_model(registry, ensemble.id, CPU)
    with pytest.raises(UsageError, match="gradients is no longer what was kept"):
        rankers_to_use(registry, ensemble.id, (), needs)


def test_exposure_names_it(referenced: World, built_world: World) -> None:
    """It saw every work; a withdrawal makes it unusable; no model, no entry."""
    [found] = exposure_of(referenced.registry, [0, 3]).reference_models
    assert (found.ensemble, found.works, found.usable) == (referenced.ensemble.id, 2, True)
    withdraw(referenced.registry, asset_ids=[3], reason="letter", now=NOW)
    [after] = exposure_of(referenced.registry, [0, 3]).reference_models
    assert (after.works, after.usable) == (2, False)
    assert exposure_of(built_world.registry, [0]).reference_models == ()
