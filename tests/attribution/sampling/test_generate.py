"""Samples: functions of their seed, regenerated to the same pixels; alterations are found."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlmodel import select

from attribution.denoisers.interface import Prompt
from attribution.ensemble.serving import open_ensemble, serving_ensemble
from attribution.images import to_pixels
from attribution.sampling.generate import generate_samples
from attribution.sampling.predictions import load_predictions, renoise
from attribution.sampling.replay import verify_named, verify_samples
from attribution.sampling.requests import requests_for, sample_id_of
from attribution.training.finished import import_member
from registry.encodings.store import create_encoding, load_units
from registry.encodings.words import bits
from registry.errors import InputError, IntegrityError, NotFoundError, UsageError
from registry.home import Home
from registry.ingest.owners.table import OwnerTable
from registry.ingest.registration import register_folder
from registry.members.manifest import read_member_folder
from registry.schema.create import create_registry
from registry.storage import tables
from registry.storage.database import Registry
from tests.attribution.conftest import CPU, NOW, SAMPLER, World


def test_every_sample_verifies_as_identical(world: World) -> None:
    """Made in batches, regenerated one by one from the seed alone: the same pixels."""
    found = list(verify_samples(world.registry, world.ensemble, world.samples, CPU))
    assert [item.condition for item in found] == ["identical"] * len(world.samples)


def test_order_and_batch_do_not_matter(world: World, tmp_path: Path) -> None:
    """Seeds in another order and number give the same files, byte for byte."""
    other = Home(tmp_path / "other")
    shutil.copytree(world.registry.home.root, other.root)
    with Registry.open(other).connection() as connection:
        connection.execute("DELETE FROM sample")
    shutil.rmtree(other.root / "samples")
    made = list(generate_samples(Registry.open(other), world.ensemble, requests_for([5, 2]), SAMPLER, CPU))
    hashes = {row.seed: (row.image_sha256, row.tensors_sha256, row.noise_sha256) for row in world.samples}
    assert {row.seed: (row.image_sha256, row.tensors_sha256, row.noise_sha256) for row in made} == {
        seed: hashes[seed] for seed in (5, 2)
    }


def test_few_looks_leave_the_picture_and_do_not_depend_on_the_batch(world: World, tmp_path: Path) -> None:
    """The same pixels under another id; a sample made among others and alone has the same files."""
    few = replace(SAMPLER, looks=4)
    other = Home(tmp_path / "other")
    shutil.copytree(world.registry.home.root, other.root)
    made = list(generate_samples(world.registry, world.ensemble, requests_for([5, 2, 3]), few, CPU))
    pictures = {row.seed: (row.id, row.image_sha256) for row in world.samples}
    for row in made:
        assert pictures[row.seed] != (row.id, row.image_sha256)
        assert pictures[row.seed][1] == row.image_sha256
        assert row.sampler["looks"] == 4
    [alone] = generate_samples(Registry.open(other), world.ensemble, requests_for([2]), few, CPU)
    assert alone.tensors_sha256 == {row.seed: row.tensors_sha256 for row in made}[2]
    predictions, _ = load_predictions(world.registry.home.sample_tensors(alone.id))
    assert predictions.band_steps.sum() == pytest.approx(4)
    assert (predictions.member_loss > 0).all()
    assert [item.condition for item in verify_samples(world.registry, world.ensemble, made, CPU)] == ["identical"] * 3


def test_same_request_finds_the_samples(world: World) -> None:
    """Running the command again makes nothing new."""
    path = world.registry.home.sample_image(world.samples[0].id)
    before = path.stat().st_mtime_ns
    again = list(generate_samples(world.registry, world.ensemble, requests_for(range(6)), SAMPLER, CPU))
    assert {row.id for row in again} == {row.id for row in world.samples}
    assert path.stat().st_mtime_ns == before


def test_stored_predictions_are_those_of_the_members(world: World) -> None:
    """Noising a sample again gives its member losses; its output is its picture."""
    row = world.samples[0]
    predictions, further = load_predictions(world.registry.home.sample_tensors(row.id))
    output = np.asarray(further["output"])
    with Image.open(world.registry.home.sample_image(row.id)) as image:
        shown = np.asarray(image)
    import torch

    y = torch.from_numpy(output)
    np.testing.assert_array_equal(to_pixels(y[None])[0].numpy(), shown)
    ensemble = open_ensemble(world.registry.home, world.ensemble)
    again = renoise(ensemble, y.clamp(-1, 1), SAMPLER, row.seed, None)
    np.testing.assert_allclose(again.member_loss, predictions.member_loss, rtol=1e-4)
    np.testing.assert_allclose(again.clean_sum, predictions.clean_sum, atol=1e-3)
    # Of the eight steps, two are nearly all noise.
    assert predictions.band_steps.sum() == 6


@pytest.mark.parametrize("what", ["image", "tensors", "missing"])
def test_altered_sample_is_told_apart(world: World, what: str) -> None:
    """A changed or missing file is named, and the other samples still verify."""
    row = world.samples[1]
    path = world.registry.home.sample_image(row.id) if what == "image" else world.registry.home.sample_tensors(row.id)
    if what == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    found = {item.sample_id: item for item in verify_named(world.registry, None, CPU)}
    assert found[row.id].condition == "altered"
    assert path.name in found[row.id].detail
    assert {item.condition for key, item in found.items() if key != row.id} == {"identical"}


def test_altered_member_is_named(world: World) -> None:
    """Nothing is generated with an altered member; the error names its file."""
    weights = world.registry.home.member(world.ensemble.member_ids[3]) / "diffusion_pytorch_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(IntegrityError, match=world.ensemble.member_ids[3]):
        list(generate_samples(world.registry, world.ensemble, requests_for([100]), SAMPLER, CPU))
    found = list(verify_samples(world.registry, world.ensemble, world.samples, CPU))
    assert {item.condition for item in found} == {"altered"}
    assert world.ensemble.member_ids[3] in found[0].detail


def test_lost_files_are_made_again(world: World) -> None:
    """The same request restores lost or altered files; the row stays."""
    row = world.samples[2]
    world.registry.home.sample_image(row.id).unlink()
    world.registry.home.sample_tensors(row.id).write_bytes(b"x")
    again = list(generate_samples(world.registry, world.ensemble, requests_for([row.seed]), SAMPLER, CPU))
    assert [found.created_at for found in again] == [row.created_at]
    assert next(verify_samples(world.registry, world.ensemble, [row], CPU)).condition == "identical"


def test_label_of_an_unconditional_ensemble_is_refused(world: World) -> None:
    """Before anything is generated."""
    with pytest.raises(UsageError, match="has no classes"):
        list(generate_samples(world.registry, world.ensemble, requests_for([1], Prompt("cat")), SAMPLER, CPU))


def test_incomplete_ensemble_says_what_to_do(world: World) -> None:
    """An ensemble that lacks a member generates nothing."""
    with world.registry.connection() as connection:
        connection.execute("DELETE FROM member WHERE index = 2")
    with pytest.raises(UsageError, match="5 of 6 members; run `creditline train`"):
        serving_ensemble(world.registry, world.ensemble.id)
    with pytest.raises(NotFoundError):
        serving_ensemble(world.registry, "0" * 12)


def test_sample_ids_tell_requests_apart(world: World) -> None:
    """Another seed or label is another sample."""
    ids = {sample_id_of(world.ensemble, seed, SAMPLER, label) for seed in (0, 1) for label in (None, Prompt("a"))}
    assert len(ids) == 4


def test_manifests_equal_the_codes(world: World) -> None:
    """Each manifest lists the works that the codes imply, so an ablation erases its unit."""
    units = load_units(world.registry, world.ensemble.encoding.id)
    with world.registry.connection() as connection:
        rows = connection.execute("SELECT id, sha256 FROM asset").fetchall()
    sha256 = {int(asset): str(value) for asset, value in rows}
    for index, member_id in enumerate(world.ensemble.member_ids):
        listed = read_member_folder(world.registry.home.member(member_id)).works
        seen = bits(units.asset_codes, units.encoding.n)[:, index]
        assert sorted(listed) == sorted(sha256[int(asset)] for asset in units.asset_ids[seen])


def test_ablation_erases_a_unit_and_no_other(world: World) -> None:
    """By the manifests: no survivor saw the unit, and some survivor saw every other unit."""
    units = load_units(world.registry, world.ensemble.encoding.id)
    works = {row.id: row.sha256 for row in _assets(world)}
    seen = [set(read_member_folder(world.registry.home.member(key)).works) for key in world.ensemble.member_ids]
    hashes = [works[int(asset)] for asset in units.asset_ids]
    for removed, saw in zip(hashes, units.membership, strict=True):
        survivors = [listed for listed, member_saw in zip(seen, saw, strict=True) if not member_saw]
        assert survivors
        assert not any(removed in listed for listed in survivors)
        assert set().union(*survivors) == set(hashes) - {removed}


def _assets(world: World) -> list[tables.Asset]:
    with world.registry.session() as session:
        return list(session.exec(select(tables.Asset)))


@pytest.mark.slow
def test_members_trained_elsewhere_are_imported(world: World, tmp_path: Path) -> None:
    """Into another registry of the same works; ensemble and samples are the same."""
    registry = create_registry(Home(tmp_path / "elsewhere"))
    owners = world.works / "owners.csv"
    register_folder(registry, world.works, OwnerTable(owners), now=NOW, excluded=[owners])
    create_encoding(registry, "asset", None, 6, 3, 0, NOW, code_format=1)
    for member_id in world.ensemble.member_ids:
        row = import_member(registry, world.registry.home.member(member_id))
        assert row.origin == "imported"
    reference = serving_ensemble(registry, world.ensemble.id)
    assert reference.members_sha256 == world.ensemble.members_sha256
    made = list(generate_samples(registry, reference, requests_for([0]), SAMPLER, CPU))
    assert made[0].image_sha256 == world.samples[0].image_sha256


def test_lost_member_is_imported_again(world: World, tmp_path: Path) -> None:
    """A copy of a member heals its folder; an incomplete folder is refused without trace."""
    member_id = world.ensemble.member_ids[1]
    place, copy = world.registry.home.member(member_id), tmp_path / "copy"
    shutil.copytree(place, copy)
    (place / "diffusion_pytorch_model.safetensors").write_bytes(b"x")
    import_member(world.registry, copy)
    assert {item.condition for item in verify_samples(world.registry, world.ensemble, world.samples, CPU)} == {
        "identical"
    }
    with pytest.raises(InputError, match=r"manifest\.json"):
        import_member(world.registry, tmp_path / "nothing")


def test_import_of_other_works_leaves_nothing(world: World, tmp_path: Path) -> None:
    """A member of an unregistered encoding is refused; nothing is copied or registered."""
    registry = create_registry(Home(tmp_path / "elsewhere"))
    with pytest.raises(NotFoundError, match="creditline encode"):
        import_member(registry, world.registry.home.member(world.ensemble.member_ids[0]))
    assert not (registry.home.root / "members").exists()
    with registry.session() as session:
        assert list(session.exec(select(tables.Ensemble))) == []


def test_altered_import_is_refused(world: World, tmp_path: Path) -> None:
    """Weights with another hash than the manifest's are refused."""
    folder = tmp_path / "member"
    shutil.copytree(world.registry.home.member(world.ensemble.member_ids[0]), folder)
    weights = folder / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError, match="safetensors"):
        import_member(world.registry, folder)
