"""Rightsholders tested once over all audited images: what is used, left out and recorded."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from attribution.audit.auditor import Auditor
from attribution.audit.joint_tests import BEFORE_PULLS, NO_FILE, record_joint_tests
from attribution.audit.record import AuditSettings
from registry.outputs.joint_tests import EVENT, JointRun, newest_joint_runs
from registry.storage import tables
from tests.attribution.conftest import CPU, World, build_world

NOW = datetime.datetime(2026, 1, 3, tzinfo=datetime.UTC)
SETTINGS = AuditSettings(shortlist=4, jacobian=False)


def audited(world: World, count: int, settings: AuditSettings = SETTINGS) -> list[tables.Audit]:
    return list(Auditor.prepare(world.registry, world.ensemble, settings, CPU).audit_samples(world.samples[:count]))


def run_of(world: World) -> JointRun:
    with world.registry.connection() as connection:
        (run,) = newest_joint_runs(connection)
    return run


def events(world: World) -> int:
    with world.registry.connection() as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM event WHERE kind = ?", [EVENT]).fetchall()
    return int(count)


def test_each_rightsholder_is_tested_once_over_all_images(world: World) -> None:
    """One p for each house over three images; the same request records nothing new."""
    encoding = world.ensemble.encoding.id
    assert record_joint_tests(world.registry, encoding, NOW) is None
    audits = audited(world, 3)
    facts = record_joint_tests(world.registry, encoding, NOW)
    assert facts is not None
    assert (facts["images"], facts["left_out"]) == (3, {})
    run = run_of(world)
    assert {each.name for each in run.tested} == {"House 0", "House 1", "House 2"}
    assert {(each.images, each.units) for each in run.tested} == {(3, 6)}
    assert all(0 < each.p_value <= each.q_value <= 1 for each in run.tested)
    assert (run.images, run.images_left_out, run.images_since) == (3, 0, 0)
    record_joint_tests(world.registry, encoding, NOW)
    assert events(world) == 1
    # The file keeps the pulls of all works that were searched.
    tensors = load_file(world.registry.home.audit(audits[0].id))
    assert sorted(tensors["pull_units"].tolist()) == list(range(18))
    assert tensors["pull_alignment"].shape == (18, 6)
    # A further image waits for the next run.
    audited(world, 4)
    assert run_of(world).images_since == 1
    record_joint_tests(world.registry, encoding, NOW)
    assert (run_of(world).images, events(world)) == (4, 2)


def test_the_first_audit_of_an_image_counts(world: World) -> None:
    """A later audit of the same image, with other settings, changes nothing."""
    encoding = world.ensemble.encoding.id
    audited(world, 2)
    first = record_joint_tests(world.registry, encoding, NOW)
    audited(world, 2, AuditSettings(shortlist=1, jacobian=False))
    assert record_joint_tests(world.registry, encoding, NOW) == first
    assert events(world) == 1


@pytest.mark.slow
def test_images_that_cannot_be_used_are_counted_by_reason(world: World) -> None:
    """A lost file, and one of an older version; a second audit of the image takes its place."""
    first, second, _ = audited(world, 3)
    home = world.registry.home
    home.audit(first.id).unlink()
    with world.registry.connection() as connection:
        tensors = {name: array for name, array in load_file(home.audit(second.id)).items() if "pull" not in name}
        _replace(home.audit(second.id), tensors)
        from registry.ids import sha256_of_file

        digest = sha256_of_file(home.audit(second.id))
        connection.execute("UPDATE audit SET artefact_sha256 = ? WHERE id = ?", [digest, second.id])
    facts = record_joint_tests(world.registry, world.ensemble.encoding.id, NOW)
    assert facts is not None
    assert (facts["images"], facts["left_out"]) == (1, {BEFORE_PULLS: 1, NO_FILE: 1})
    assert run_of(world).images_left_out == 2
    audited(world, 3, AuditSettings(shortlist=3, jacobian=False))
    again = record_joint_tests(world.registry, world.ensemble.encoding.id, NOW)
    assert again is not None
    assert (again["images"], again["left_out"]) == (3, {})


def _replace(path: Path, tensors: dict[str, np.ndarray]) -> None:
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, path)


@pytest.mark.slow
def test_units_that_are_rightsholders_are_tested_by_their_own_codes(tmp_path: Path) -> None:
    """One unit each, against all decoys: 6 words of 4 members, 3 houses."""
    world = build_world(tmp_path, "rightsholder", n=4, h=2)
    audits = audited(world, 3)
    facts = record_joint_tests(world.registry, world.ensemble.encoding.id, NOW)
    assert facts is not None
    assert audits[0].test["decoys"] == 3
    run = run_of(world)
    assert {each.name for each in run.tested} == {"House 0", "House 1", "House 2"}
    assert {(each.images, each.units, each.smallest_p) for each in run.tested} == {(3, 1, 0.25)}


@pytest.mark.slow
def test_groups_of_works_are_not_tested_over_all_images(tmp_path: Path) -> None:
    """A group may have works of several rightsholders."""
    world = build_world(tmp_path, "column", "kind", n=4, h=2)
    audited(world, 2)
    assert record_joint_tests(world.registry, world.ensemble.encoding.id, NOW) is None
