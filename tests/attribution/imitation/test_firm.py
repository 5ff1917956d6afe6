"""How firm identifications are: the classifiers' own answers decide whether a change turns one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from attribution.firmness.flips import smallest_l2, smallest_linf
from attribution.images import to_unit_range
from attribution.imitation.classifiers import Classifiers
from attribution.imitation.firm import MOST_IMAGES, attacked_images
from attribution.metrics.euclidean import NotMeasured
from registry.imitations.facts import Firm, FirmChange
from registry.imitations.record import named_imitation, record_imitation
from tests.attribution.conftest import CPU
from tests.attribution.imitation.conftest import NOW, SETTINGS, Studio, colour_encoder, picture
from tests.attribution.imitation.test_run import audit_of

NEAR = ((130, 110, 110), (110, 130, 110), (110, 110, 130))
"""Colours of artists that an attack of a few grey levels confuses."""


@pytest.mark.parametrize("texts", [False, True])
def test_attacked_classifiers_are_those_of_the_audit(texts: bool) -> None:
    """Every classifier has the verdict that the audit records, and each change turns that."""
    encoder = colour_encoder()
    if texts:
        rng = np.random.default_rng(3)
        encoder = dataclasses.replace(encoder, texts=lambda known: rng.random((len(known), 12)).astype(np.float32))
    artist = np.repeat(np.arange(3), 6)
    drawn = [np.asarray(picture(colour, 31 * n + k)) for n, colour in enumerate(NEAR) for k in range(9)]
    pixels = np.stack(drawn).reshape(3, 9, *drawn[0].shape)

    def features(shown: np.ndarray) -> np.ndarray:
        return encoder.features(np.moveaxis(to_unit_range(shown), -1, 1))

    classifiers = Classifiers.learn(features(pixels[:, :6].reshape(18, 12, 12, 3)), artist, 2, encoder, ["a", "b", "c"])
    images = np.clip(pixels[:, 6:].reshape(9, 12, 12, 3).astype(int) + 3, 0, 255).astype(np.uint8)
    look = classifiers.common_look(features(images))
    answers = classifiers.answers(features(images), look)
    assert set(classifiers.methods) == set(answers.identified)
    for method in classifiers.methods:
        similarity = classifiers.similarity(method, encoder.embedding.features, look)
        assert [similarity.nearest(image) for image in images] == answers.identified[method].tolist()
        for found in (smallest_l2(similarity, images[0]), smallest_linf(similarity, images[0])):
            assert not isinstance(found, NotMeasured)
            after = classifiers.answers(features(found.image[None]), look).identified[method][0]
            assert after == found.unit != answers.identified[method][0]


def test_an_audit_attacks_some_images_of_each_artist(studio: Studio) -> None:
    """As many as were asked for, with every classifier; the id is another, and the record reads
    it back.
    """
    plain = audit_of(studio)
    audit = audit_of(studio, settings=SETTINGS.model_copy(update={"firm": 1}))
    assert audit.id != plain.id
    facts = audit.measure(CPU)
    firm = facts.firmness
    assert isinstance(firm, Firm)
    attacked = {each.image for each in firm.verdicts}
    assert sorted(facts.images[image].artist for image in attacked) == [0, 1]
    assert len(firm.verdicts) == len(attacked) * len(facts.methods)
    for each in firm.verdicts:
        assert each.taken_for == facts.images[each.image].identified[each.method]
        for found in (each.smallest_l2, each.smallest_linf):
            if isinstance(found, FirmChange):
                assert found.into != each.taken_for
            else:
                assert found.not_measured.startswith("no change")
        assert each.benign == 8
    assert firm.order_l2 == pytest.approx(255 * 12**0.5)
    record_imitation(studio.registry, facts, NOW)
    with studio.registry.connection() as connection:
        assert named_imitation(connection, facts.id).facts == facts


def test_images_are_drawn_in_turns() -> None:
    """One of each artist before a second one of any; never more than the limit."""
    artist = np.repeat(np.arange(20), 3)
    one = attacked_images(artist, 1, 0)
    assert artist[one].tolist() == list(range(20))
    two = attacked_images(artist, 2, 0)
    assert len(two) == MOST_IMAGES
    assert set(one) < set(two)
    assert attacked_images(artist[:4], 5, 0).tolist() == [0, 1, 2, 3]
