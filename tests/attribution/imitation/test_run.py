"""Whole imitation audits of small registries: a folder of images, and own samples with a drop."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from attribution.imitation.inputs import images_of_folder, images_of_samples, read_aliases
from attribution.imitation.run import ImitationAudit
from registry.errors import InputError, NotFoundError, UsageError
from registry.home import Home
from registry.imitations.artists import works_of_artists
from registry.imitations.facts import Counted, ImitationFacts, Interval, Missing, Settings
from registry.imitations.record import named_imitation, record_imitation, recorded_imitation
from registry.outputs.queries import named_ensemble, samples_of
from registry.storage.database import Registry
from tests.attribution.conftest import CPU
from tests.attribution.imitation.conftest import ARTISTS, NOW, SETTINGS, Studio, colour_encoder, write_works
from tests.support.running import Creditline


def audit_of(studio: Studio, aliases: dict[str, str] | None = None, settings: Settings = SETTINGS) -> ImitationAudit:
    with studio.registry.connection() as connection:
        known = works_of_artists(connection, settings.by)
    audited = images_of_folder(studio.images, known, aliases or {})
    return ImitationAudit.prepare(studio.registry, audited, known, settings, colour_encoder())


def test_a_folder_of_images_is_audited_and_found_again(studio: Studio) -> None:
    """All images are told; real works too; no cause is claimed; the record has it."""
    audit = audit_of(studio)
    facts = audit.measure(CPU)
    assert [artist.name for artist in facts.artists] == ["Ada Example", "Ben Example"]
    assert [each.name for each in facts.distractors] == ["Cleo Example"]
    assert facts.settings.size == 12
    for method in facts.methods:
        assert method.classes == 3
        assert method.chance == pytest.approx(1 / 3)
        assert isinstance(method.images, Counted)
        assert (method.images.count, method.images.total) == (10, 10)
        assert isinstance(method.works, Counted)
        assert (method.works.count, method.works.total) == (4, 4)
    for matched in facts.matching:
        assert isinstance(matched.auc, Interval)
        assert matched.auc.value == 1.0
        assert matched.passes
        assert isinstance(matched.nearer, Interval)
        assert matched.nearer.value > 0.95
    assert isinstance(facts.ablation, Missing)
    learned, held = set(facts.artists[0].works), set(facts.artists[0].works_held_out)
    assert not learned & held
    assert len(learned | held) == 8
    record_imitation(studio.registry, facts, NOW)
    with studio.registry.connection() as connection:
        kept = recorded_imitation(connection, audit_of(studio).id)
        assert kept is not None
        assert kept.facts == facts
        assert named_imitation(connection, facts.id[:5]).facts == facts
        with pytest.raises(NotFoundError):
            named_imitation(connection, "zz")
    again = audit_of(studio, settings=SETTINGS.model_copy(update={"seed": 1}))
    assert again.id != facts.id


def test_bad_files_are_named_and_the_rest_is_audited(studio: Studio) -> None:
    """Text under an image's name, a link, a file outside the sub-folders."""
    ada = studio.images / "Ada Example"
    (ada / "broken.png").write_bytes(b"not an image")
    (ada / "link.png").symlink_to(ada / "0.png")
    (studio.images / "stray.png").write_bytes(b"")
    facts = audit_of(studio).measure(CPU)
    assert len(facts.images) == 10
    for name in ("Ada Example/broken.png", "Ada Example/link.png", "stray.png"):
        assert any(name in finding for finding in facts.findings)
    assert str(studio.images) not in " ".join(facts.findings)


def test_names_that_match_nobody_are_listed_and_can_be_given(studio: Studio, tmp_path: Path) -> None:
    """With a suggestion; the table of aliases names the artist; capitals do not count."""
    (studio.images / "Ada Example").rename(studio.images / "ADA EXAMPLE")
    (studio.images / "Ben Example").rename(studio.images / "Benn Example")
    with pytest.raises(NotFoundError, match=r"'Benn Example'; did you mean 'Ben Example'.*--artists"):
        audit_of(studio)
    table = tmp_path / "names.csv"
    table.write_text("name,artist\nBenn Example,Ben Example\n")
    assert audit_of(studio, read_aliases(table)).names[:2] == ["Ada Example", "Ben Example"]
    for bad in ("name\nx\n", "name,artist\nx,\n", "name,artist\nx,y\nx,z\n"):
        table.write_text(bad)
        with pytest.raises(InputError):
            read_aliases(table)


def test_too_few_artists_works_or_images_are_refused(studio: Studio, tmp_path: Path) -> None:
    """Each with what is needed."""
    shutil.rmtree(studio.images / "Ben Example")
    with pytest.raises(UsageError, match="at least 2 artists"):
        audit_of(studio)
    empty = tmp_path / "empty"
    (empty / "Ada Example").mkdir(parents=True)
    with pytest.raises(UsageError, match="one sub-folder per artist"):
        images_of_folder(empty, {"Ada Example": 3}, {})
    few = write_works(tmp_path / "few", each=2)
    creditline = Creditline(tmp_path / "few-home")
    assert creditline("init").status == 0
    assert creditline("register", few, "--owners", few / "owners.csv").status == 0
    studio = Studio(Registry.open(Home(creditline.home)), studio.images)
    (studio.images / "Ben Example").mkdir()
    shutil.copy(studio.images / "Ada Example" / "0.png", studio.images / "Ben Example")
    with pytest.raises(UsageError, match=r"'Ada Example' \(2\).*at least 3"):
        audit_of(studio)


def test_a_copy_of_a_work_is_said_to_be_one(studio: Studio, tmp_path: Path) -> None:
    """By its fingerprint, which needs some detail; the very file of a work without any detail."""
    creditline = Creditline(tmp_path / "copied-home")
    works = write_works(tmp_path / "detailed")
    y, x = np.mgrid[0:64, 0:64]
    for number in range(3):
        checks = ((x // (4 + number) + y // (5 + number)) % 2 * 255).astype(np.uint8)
        Image.fromarray(np.stack([checks] * 3, axis=2)).save(works / f"0-{number}.png")
    assert creditline("init").status == 0
    assert creditline("register", works, "--owners", works / "owners.csv").status == 0
    with Image.open(works / "0-1.png") as image:
        image.save(studio.images / "Ada Example" / "copy.png", compress_level=0)
    shutil.copy(works / "1-0.png", studio.images / "Ada Example" / "file.png")
    found = audit_of(
        Studio(Registry.open(Home(creditline.home)), studio.images), settings=SETTINGS.model_copy(update={"size": 64})
    ).measure(CPU)
    copies = {image.name: image.near_copy_of for image in found.images if image.near_copy_of is not None}
    assert list(copies) == ["Ada Example/copy.png", "Ada Example/file.png"]


@pytest.mark.slow
def test_the_drop_is_measured_on_the_pictures_of_ablate(tmp_path: Path) -> None:
    """Samples by class of an ensemble encoded by rightsholder; without each, as `ablate` makes
    them.
    """
    creditline = Creditline(tmp_path / "home")
    works = write_works(tmp_path / "works")
    for command in (
        ("init",),
        ("register", works, "--owners", works / "owners.csv"),
        ("encode", "--unit", "rightsholder", "--members", 3, "--weight", 2),
        ("train", "--label", "rightsholder", "--size", 8, "--widths", "16", "--steps", 60, "--workers", 1),
        *(("sample", "--prompt", name, "--count", 3, "--steps", 10, "--workers", 1) for name in list(ARTISTS)[:2]),
    ):
        assert creditline(*command).status == 0
    registry = Registry.open(Home(creditline.home))
    with registry.session() as session:
        ensemble = named_ensemble(session, None).id
        rows = samples_of(session, ensemble)
    with registry.connection() as connection:
        known = works_of_artists(connection, "rightsholder")
    audited = images_of_samples(registry.home, ensemble, rows, known, {})
    facts: ImitationFacts = ImitationAudit.prepare(
        registry, audited, known, SETTINGS, colour_encoder(), ensemble
    ).measure(CPU)
    assert not isinstance(facts.ablation, Missing)
    assert [each.members_left for each in facts.ablation.artists] == [1, 1]
    drop = {each.method: each for each in facts.ablation.methods}["relative"]
    assert isinstance(drop.with_training, Counted)
    assert isinstance(drop.without_training, Counted)
    assert isinstance(drop.others_left_out, Counted)
    assert isinstance(drop.drop, Interval)
    assert drop.with_training.total == drop.without_training.total == drop.others_left_out.total == 6
    assert drop.drop.value == pytest.approx(drop.with_training.share - drop.without_training.share)
    for image in facts.images:
        name, file = facts.artists[image.artist].name, tmp_path / "without.png"
        assert creditline("ablate", image.name, "--rightsholder", name, "--out", file).status == 0
        with Image.open(file) as ablated, Image.open(registry.home.picture(str(image.without))) as kept:
            assert np.array_equal(np.asarray(ablated), np.asarray(kept))
