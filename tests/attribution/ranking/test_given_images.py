"""Works that stand for given images: each graded by members that did not see it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from attribution.audit.auditor import Auditor
from attribution.audit.record import AuditSettings
from attribution.ranking import given_images as module
from attribution.ranking.given_images import given_images
from attribution.ranking.grading import NO_GIVEN, GradedImages, grade_rankers, graded_samples
from attribution.ranking.rankers.kernel import PixelKernel
from attribution.ranking.rankers.responsibilities import Responsibilities
from attribution.training.dataset import build_training_set
from registry.ingest.owners.table import OwnerTable
from registry.ingest.registration import register_folder
from registry.works.queries import works_kept_out
from tests.attribution.conftest import CPU, NOW, World, write_works

SETTINGS = AuditSettings(shortlist=4, jacobian=False)


def shown_to(world: World, *, measure: bool = True) -> GradedImages:
    """Of the ensemble's works."""
    auditor = Auditor.prepare(world.registry, world.ensemble, SETTINGS, CPU)
    ensemble = world.ensemble
    stored = build_training_set(world.registry, ensemble.id, ensemble.encoding.id, ensemble.settings)
    return given_images(world.registry, ensemble, auditor.context.encoded, stored, CPU, measure=measure)


@pytest.mark.slow
def test_a_work_is_graded_by_the_members_that_did_not_see_it(world: World) -> None:
    """Three of six; nothing is measured unless asked for, and nothing twice."""
    folder = world.registry.home.root / "contrasts"
    assert len(shown_to(world, measure=False).images) == 0
    found = shown_to(world)
    assert len(found.images) == 18
    assert found.left_out is not None
    assert sorted(found.left_out.tolist()) == list(range(18))
    encoded = Auditor.prepare(world.registry, world.ensemble, SETTINGS, CPU).context.encoded
    np.testing.assert_array_equal(np.isnan(found.member_loss), encoded.membership[found.left_out])
    np.testing.assert_allclose(
        found.images.values, encoded.works[encoded.index.unit_of_work.argsort()][found.left_out], atol=1e-6
    )
    measured = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(measured) == 18
    again = shown_to(world, measure=False)
    np.testing.assert_array_equal(again.member_loss, found.member_loss)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == measured


@pytest.mark.slow
def test_permitted_works_in_no_unit_are_images_that_no_member_saw(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come first, graded by all members; a work that is not permitted is not used, and the
    number of images stays within its bound.
    """
    later = world.registry.home.root.parent / "later"
    write_works(later, 24)
    for path in sorted(later.glob("*.png"))[:18]:
        path.unlink()
    owners = later / "owners.csv"
    register_folder(world.registry, later, OwnerTable(owners), now=NOW, excluded=[owners])
    assert len(works_kept_out(world.registry, world.ensemble.encoding.id, 50)) == 6
    monkeypatch.setattr(module, "GIVEN_IMAGES", 10)
    monkeypatch.setattr(module, "KEPT_OUT", 4)
    found = shown_to(world)
    assert found.left_out is not None
    assert (found.left_out[:4] == -1).all()
    assert (found.left_out[4:] >= 0).all()
    assert len(found.images) == 10
    assert not np.isnan(found.member_loss[:4]).any()


def test_no_work_that_enough_members_did_not_see_is_no_image(world: World) -> None:
    """Where every work was seen by four of six, there is no grade, and a reason."""
    auditor = Auditor.prepare(world.registry, world.ensemble, SETTINGS, CPU)
    encoded, ensemble = auditor.context.encoded, world.ensemble
    few = replace(encoded, membership=np.tile(np.arange(6) < 4, (len(encoded.codes), 1)))
    stored = build_training_set(world.registry, ensemble.id, ensemble.encoding.id, ensemble.settings)
    found = given_images(world.registry, ensemble, few, stored, CPU)
    assert found.images.values.shape == (0, 192)
    grades = grade_rankers((PixelKernel(),), few, graded_samples(world.registry, ensemble), found)
    assert "fewer than 3 works" in grades.choices.given.not_graded


@pytest.mark.slow
def test_given_images_have_grades_and_a_choice_of_their_own(world: World) -> None:
    """Works are no part of the choice for samples; without works the simplest ranker is used for
    given images, and the reason says so.
    """
    encoded = Auditor.prepare(world.registry, world.ensemble, SETTINGS, CPU).context.encoded
    rankers = (PixelKernel(), Responsibilities())
    samples, given = graded_samples(world.registry, world.ensemble), shown_to(world)
    grades = grade_rankers(rankers, encoded, samples, given)
    for one in grades.rankers:
        assert one.generated is not None
        assert one.given is not None
        assert one.given.grade is not None
        assert one.given.grade.samples == 18
    assert grades.choices.of("image") is grades.choices.given
    alone = grade_rankers(rankers, encoded, samples)
    assert alone.choices.generated == grades.choices.generated
    assert alone.choices.given.grade is None
    assert alone.choices.given.not_graded == NO_GIVEN
    assert [part.name for part in alone.choices.given.parts] == ["pixel-kernel"]
    few = grade_rankers(rankers, encoded, samples, replace(given, images=given.images.part(slice(0, 2))))
    assert "fewer than 3 works" in few.choices.given.not_graded
