"""The recorded choice of an ensemble: audits use it, the log has it, no file replaces it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from attribution.audit.auditor import Auditor
from attribution.audit.record import AuditSettings
from attribution.ranking.grading import NO_GIVEN, Choices, RankerChoice, grade_rankers, graded_samples, identity_of
from attribution.ranking.rankers.catalogue import RankerInputs, make_rankers
from attribution.ranking.rankers.fusion import Comparison, WeightedRanker
from attribution.ranking.rankers.interface import Ranker
from attribution.ranking.rankers.kernel import PixelKernel
from attribution.ranking.rankers.member_lds import Gain, MemberLds
from attribution.ranking.recorded_choice import (
    EVENT,
    rankers_of_audit,
    rankers_to_use,
    record_choice,
    recorded_choice,
    scores_path,
)
from attribution.sampling.requests import default_sampler
from registry.errors import CreditlineError, IntegrityError, MissingPartError, UsageError
from registry.event_log.events import changing
from registry.event_log.verify import verify
from registry.storage.tables import Audit
from tests.attribution.conftest import CPU, NOW, World

SETTINGS = AuditSettings(shortlist=4, jacobian=False)


def ranker_inputs(world: World) -> RankerInputs:
    return RankerInputs(default_sampler(world.ensemble.settings))


def scores_for(world: World, path: Path) -> Path:
    """A score for every sample and work: the later the work, the larger."""
    rows = [(sample.id, asset, float(asset)) for sample in world.samples for asset in range(18)]
    samples, assets, scores = zip(*rows, strict=True)
    pq.write_table(pa.table({"sample": samples, "asset_id": assets, "score": scores}), path)
    return path


def test_a_kept_choice_comes_back_as_it_was(world: World) -> None:
    """The newest one counts, grade and parts included; the log stays whole."""
    rankers = make_rankers(["pixel-kernel", "responsibilities"], ranker_inputs(world))
    grade = MemberLds(0.5, 0.25, 0.75, 6, (0.4, 0.6), (0.1, 0.9))
    parts = (WeightedRanker("pixel-kernel", 0.02, 0.75), WeightedRanker("responsibilities", 16.0, 0.25))
    assert recorded_choice(world.registry, world.ensemble.id) is None
    ungraded = RankerChoice(parts[:1], None, "why")
    record_choice(world.registry, world.ensemble.id, rankers[:1], Choices(ungraded, ungraded), None, None, NOW)
    first = recorded_choice(world.registry, world.ensemble.id)
    assert first is not None
    assert (first.choices.generated.grade, first.choices.given.not_graded) == (None, "why")
    steps = (Comparison(parts[:1], parts, 7, Gain(0.2, 0.1, 0.3)),)
    by_scale = {one.name: () for one in rankers}
    chosen = Choices(
        RankerChoice(parts, grade, "", by_scale, steps), RankerChoice(parts[1:], grade, "", by_scale, steps)
    )
    record_choice(world.registry, world.ensemble.id, rankers, chosen, None, None, NOW)
    newest = recorded_choice(world.registry, world.ensemble.id)
    assert newest is not None
    assert newest.choices == chosen
    used = rankers_to_use(world.registry, world.ensemble.id, (), ranker_inputs(world))
    assert [one.name for one in used.rankers] == ["pixel-kernel", "responsibilities"]
    assert used.choices == newest.choices
    assert recorded_choice(world.registry, "f" * 12) is None
    assert not verify(world.registry).faults


def test_a_choice_of_an_earlier_release_is_read(world: World) -> None:
    """One choice, graded on samples alone: it orders given images too, which nothing graded."""
    rankers = make_rankers(["pixel-kernel"], ranker_inputs(world))
    parts = (WeightedRanker("pixel-kernel", 0.05, 1.0),)
    choice = RankerChoice(parts, MemberLds(0.5, 0.25, 0.75, 6)).to_json(rankers)
    document = {name: choice[name] for name in ("name", "bandwidth", "parts", "rankers")}
    document |= {"member_lds": {"value": 0.5, "low": 0.25, "high": 0.75, "samples": 6}, "weights_file": None}
    with changing(world.registry, NOW) as change:
        change.record(EVENT, f"ensemble {world.ensemble.id}", after=document)
    found = recorded_choice(world.registry, world.ensemble.id)
    assert found is not None
    assert found.choices.generated.grade == MemberLds(0.5, 0.25, 0.75, 6, interval="bootstrap over samples")
    assert (found.choices.given.parts, found.choices.given.grade) == (parts, None)
    assert found.choices.given.not_graded == NO_GIVEN


def test_each_kind_of_image_has_its_own_choice(world: World, tmp_path: Path) -> None:
    """A sample's audit states the choice for generated images, an image's that for given ones."""
    rankers = make_rankers(["pixel-kernel", "responsibilities"], ranker_inputs(world))
    generated = RankerChoice((WeightedRanker("responsibilities", 16.0, 1.0),), None, "for samples")
    given = RankerChoice((WeightedRanker("pixel-kernel", 0.05, 1.0),), None, "for images")
    record_choice(world.registry, world.ensemble.id, rankers, Choices(generated, given), None, None, NOW)
    auditor = Auditor.prepare(world.registry, world.ensemble, SETTINGS, CPU)
    of_sample = next(iter(auditor.audit_samples(world.samples[:1])))
    path = tmp_path / "given.png"
    Image.new("RGB", (8, 8), (200, 30, 30)).save(path)
    of_image = next(iter(auditor.audit_images([path], None)))
    assert (of_sample.ranker["name"], of_image.ranker["name"]) == ("responsibilities", "pixel-kernel")
    assert of_image.ranker["member_lds"] == {"not_measured": "for images"}


def test_audits_use_what_is_kept_unless_told_otherwise(world: World) -> None:
    """Another choice is another audit; named rankers override the record."""
    sample = world.samples[0]
    default = next(iter(Auditor.prepare(world.registry, world.ensemble, SETTINGS, CPU).audit_samples([sample])))
    assert [one["name"] for one in default.ranker["rankers"]] == ["pixel-kernel", "responsibilities"]
    rankers = make_rankers(["pixel-kernel"], ranker_inputs(world))
    choice = RankerChoice((WeightedRanker("pixel-kernel", 0.05, 1.0),), MemberLds(0.5, 0.25, 0.75, 6))
    record_choice(world.registry, world.ensemble.id, rankers, Choices(choice, choice), None, None, NOW)
    kept = next(iter(Auditor.prepare(world.registry, world.ensemble, SETTINGS, CPU).audit_samples([sample])))
    assert kept.id != default.id
    assert (kept.ranker["name"], kept.ranker["bandwidth"]) == ("pixel-kernel", 0.05)
    assert kept.ranker["member_lds"]["value"] == 0.5
    named = rankers_to_use(world.registry, world.ensemble.id, ["responsibilities"], ranker_inputs(world))
    assert [one.name for one in named.rankers] == ["responsibilities"]
    assert named.choices is None


def test_supplied_scores_are_kept_in_the_home(world: World, tmp_path: Path) -> None:
    """The file may go: a copy is kept under its hash, and another copy is refused."""
    path = scores_for(world, tmp_path / "scores.parquet")
    rankers = make_rankers(["pixel-kernel"], replace(ranker_inputs(world), scores=path))
    auditor = Auditor.prepare(world.registry, world.ensemble, SETTINGS, CPU)
    samples = graded_samples(world.registry, world.ensemble)
    grades = grade_rankers(rankers, auditor.context.encoded, samples)
    assert [one.name for one in grades.rankers] == ["pixel-kernel", "supplied-scores"]
    record_choice(world.registry, world.ensemble.id, rankers, grades.choices, None, path, NOW)
    path.unlink()
    audit = next(iter(Auditor.prepare(world.registry, world.ensemble, SETTINGS, CPU).audit_samples(world.samples[:1])))
    assert [one["name"] for one in audit.ranker["rankers"]] == ["pixel-kernel", "supplied-scores"]
    copy = scores_path(world.registry.home, str(rankers[1].settings()["scores_sha256"]))
    assert copy.is_file()
    pq.write_table(pa.table({"sample": ["a"], "asset_id": [1], "score": [1.0]}), copy)
    with pytest.raises(UsageError, match="no longer what was kept"):
        rankers_to_use(world.registry, world.ensemble.id, (), ranker_inputs(world))
    copy.unlink()
    with pytest.raises(CreditlineError):
        rankers_to_use(world.registry, world.ensemble.id, (), ranker_inputs(world))


def test_kept_ranker_whose_weights_are_gone_is_an_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never another ranking in its place."""
    monkeypatch.delenv("CREDITLINE_MOBILENET", raising=False)
    (known,) = make_rankers(["pixel-kernel"], ranker_inputs(world))
    known.name = "mobilenet"
    choice = RankerChoice((WeightedRanker("mobilenet", 0.05, 1.0),), None)
    record_choice(world.registry, world.ensemble.id, [known], Choices(choice, choice), Path("gone.pth"), None, NOW)
    with pytest.raises(MissingPartError, match=r"gone\.pth"):
        rankers_to_use(world.registry, world.ensemble.id, (), ranker_inputs(world))


def test_edited_choice_is_an_integrity_error(world: World) -> None:
    """The log is not read as if nothing had happened."""
    (ranker,) = make_rankers(["pixel-kernel"], ranker_inputs(world))
    choice = RankerChoice((WeightedRanker("pixel-kernel", 0.05, 1.0),), None)
    record_choice(world.registry, world.ensemble.id, [ranker], Choices(choice, choice), None, None, NOW)
    with world.registry.connection() as connection:
        connection.execute("UPDATE event SET after = '{\"parts\": 1}' WHERE kind = 'ranker chosen'")
    with pytest.raises(IntegrityError, match="log verify"):
        recorded_choice(world.registry, world.ensemble.id)


@pytest.mark.parametrize(
    ("searched", "indexed"),
    [
        ({}, False),
        ({"searched": {"kernel": {"search": "exact"}}}, False),
        ({"searched": {"kernel": {"search": "index"}}}, True),
    ],
)
def test_the_rankers_of_an_audit_search_as_it_did(
    world: World, monkeypatch: pytest.MonkeyPatch, searched: dict[str, object], indexed: bool
) -> None:
    """An audit that compared all works is not measured through an index, nor the reverse."""
    asked: list[bool] = []

    def opened(_name: str, inputs: RankerInputs) -> Ranker:
        asked.append(inputs.indexed)
        return PixelKernel()

    monkeypatch.setattr("attribution.ranking.recorded_choice.make_ranker", opened)
    audit = Audit.model_construct(id="a", ranker={"rankers": [identity_of(PixelKernel())], "parts": [], **searched})
    rankers_of_audit(world.registry, audit, ranker_inputs(world))
    assert asked == [indexed]
