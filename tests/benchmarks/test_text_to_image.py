"""The stages of the text-to-image benchmark, on a tiny base and a few made-up drawings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attribution.ranking.rankers.captions import Captions
from attribution.ranking.rankers.feature_kernel import Embedding
from benchmarks.lds.rankers import scored
from benchmarks.record import RESULTS
from benchmarks.text_to_image import __main__ as command
from benchmarks.text_to_image.adapters import Bench, Sizes
from benchmarks.text_to_image.counterfactuals import compared
from benchmarks.text_to_image.exemplars import recalls
from benchmarks.text_to_image.moves import RECIPE, Moved, Seen, asked_of, differences, variants
from benchmarks.text_to_image.outputs import ARTIST, CROSSED, OWN, Queries, outputs_of
from benchmarks.text_to_image.page import PAGE, table_of, with_tables
from benchmarks.text_to_image.ranking import scored_once
from benchmarks.text_to_image.works import Drawing, WorkSet, work_set
from benchmarks.tiny_base import TinyBase, save_tiny_base

SIZES = Sizes(
    rank=2,
    target="attention",
    steps=2,
    batch=3,
    members=6,
    ones=3,
    halves=4,
    trainings=2,
    generated=3,
    given=2,
    sampling_steps=6,
    ablated=1,
    redraws=3,
)


class Corners(Embedding):
    """A picture's four quarters, each by its mean colour."""

    name = "corners"
    width = 12

    @property
    def sha256(self) -> str:
        return "0" * 64

    def embed(self, images: np.ndarray) -> np.ndarray:
        quarters = images.reshape(len(images), 3, 2, images.shape[2] // 2, 2, images.shape[3] // 2)
        return np.asarray(quarters.mean(axis=(3, 5)).reshape(len(images), -1), dtype=np.float32)


def drawings(count: int, rightsholder: str, seed: int) -> list[Drawing]:
    """Plain pictures with a bright rectangle each."""
    generator = np.random.default_rng(seed)
    found = []
    for number in range(count):
        pixels = np.full((32, 32, 3), 255, dtype=np.uint8)
        top, left = generator.integers(0, 20, 2)
        pixels[top : top + 12, left : left + 12] = generator.integers(0, 255, 3)
        found.append(Drawing(pixels, f"{rightsholder[0]} {number}", rightsholder, f"{rightsholder} things"))
    return found


def few_works() -> WorkSet:
    """Two houses of three works each, and an artist of two."""
    works = [*drawings(3, "red", 1), *drawings(3, "blue", 2), *drawings(2, "artist", 3)]
    return WorkSet("few", tuple(works), tuple(drawings(2, "red", 4)), "artist things", ("cat",))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The few works on a tiny base."""
    base = save_tiny_base(tmp_path_factory.mktemp("base") / "tiny", TinyBase(autoencoder="tiny"))
    return Bench(few_works(), base, tmp_path_factory.mktemp("cache"), SIZES)


QUICK = ("power", "serving")
OF_SETS = [stage for stage in command.STAGES if stage != command.MOVES]


@pytest.mark.parametrize(
    "stage", [pytest.param(stage, marks=() if stage in QUICK else pytest.mark.slow) for stage in OF_SETS]
)
def test_a_stage_measures_and_its_result_is_plain_json(
    bench: Bench, stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second call reads the facts from the cache, and the file names the base."""
    facts = command.kept(stage, bench, [Corners()])
    assert command.kept(stage, bench, []) == facts
    monkeypatch.setattr("benchmarks.record.RESULTS", tmp_path)
    command.write(stage, {"few": facts})
    document: dict[str, Any] = json.loads((tmp_path / "text_to_image" / f"{stage}.json").read_bytes())
    assert document["results"]["few"]["base"] == bench.kind.base
    assert document["results"]["held"] is facts["held"]
    assert "NaN" not in json.dumps(facts)
    lines = table_of(stage, tmp_path).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1
    assert len(rows) > 3


@pytest.mark.slow
def test_a_variant_is_measured_beside_the_recipe(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its outputs are the recipe's, its differences are paired, and each has a row of the table.

    Six members leave no decoys: nothing can pass, and there is no effect. Eight leave 46.
    """
    eight = Moved(bench.works, bench.base, bench.cache, replace(bench.sizes, members=8, ones=3), recipe=bench)
    found = {RECIPE: command.kept("moves", bench, []), "8 members": command.kept("moves", eight, [])}
    recipe, variant = found.values()
    assert (recipe["decoys"], variant["decoys"]) == (0, 46)
    assert recipe["captioned_work"]["p_at_most_0.05"]["count"] == 0
    assert "not_measured" in recipe["effect"]
    assert variant["effect"]["interval"][0] <= variant["effect"]["median"] <= variant["effect"]["interval"][1]
    assert [one["kind"] for one in variant["by_output"]] == [one["kind"] for one in recipe["by_output"]]
    passed = variant["captioned_work"]["p_at_most_0.05"]["share"]
    assert variant["minus_the_recipe"]["p_at_most_0.05"]["mean"] == pytest.approx(passed, abs=1e-4)
    assert "minus_the_recipe" not in recipe
    assert sum(variant["grades"].values()) == variant["captioned_work"]["p_at_most_0.05"]["total"]
    assert variant["processor_seconds_of_a_member"] > 0
    monkeypatch.setattr("benchmarks.record.RESULTS", tmp_path)
    command.write("moves", found)
    rows = table_of("moves", tmp_path).splitlines()[2:5]
    assert [row.split(" | ")[0] for row in rows] == [f"| {RECIPE}", "| 8 members", "| minus the recipe"]
    assert "NaN" not in json.dumps(found)


def test_another_draw_has_other_codes_and_a_cache_of_its_own(bench: Bench) -> None:
    """All else is the recipe's."""
    other = replace(bench, draw=1)
    assert other.folder != bench.folder
    assert other.assignment.codes.tolist() != bench.assignment.codes.tolist()
    assert other.settings == bench.settings


def test_members_in_service_are_those_of_the_recipe(bench: Bench) -> None:
    """Of its codes count the bits of these members, and none is trained again."""
    some = replace(bench, serving=(1, 4, 5, 2))
    assert some.members() == bench.members()
    np.testing.assert_array_equal(some.membership, bench.membership[:, [1, 4, 5, 2]])
    assert some.folder.parent == bench.folder
    assert some.ensemble.n == 4


def test_members_of_an_older_cache_are_timed_by_one_more_training(bench: Bench) -> None:
    """Times lie beside the members; without any, the first is trained once more."""
    found = bench.trained("members", bench.membership.T)
    assert all(float(folder.with_suffix(".seconds").read_bytes()) > 0 for folder in found)
    for folder in found:
        folder.with_suffix(".seconds").unlink()
    assert bench.seconds_of_a_member() > 0
    assert [path.name for path in (bench.folder / "timed-0").iterdir() if path.is_dir()] == ["00"]


def test_differences_are_paired_by_output() -> None:
    """Closed form: of two outputs one passes now; an effect that lacks a partner does not count."""

    def seen(p: float, effect: float | None, place: int) -> Seen:
        return Seen("caption", p <= 0.05, p, effect, None, None, None, place)

    found = differences(
        [seen(0.01, 0.3, 1), seen(0.04, None, 1)],
        [seen(0.04, 0.1, 1), seen(0.2, 0.2, 2)],
    )
    assert {key: one["mean"] for key, one in found.items()} == {
        "p_at_most_0.05": 0.5,
        "p_at_most_0.01": 0.5,
        "effect": 0.2,
        "outputs_with_a_finding": 0.5,
        "first_by_distance": 0.5,
    }
    assert found["effect"]["outputs"] == 1


def test_variants_are_asked_for_the_captions_of_works(bench: Bench) -> None:
    """A prompt's work is found by its caption, in whichever row it lies."""
    other = replace(bench, works=bench.works.of_rows(np.arange(7, -1, -1)))
    wanted = [one for one in outputs_of(bench) if one.work is not None]
    asked = list(asked_of(other, outputs_of(bench)))
    assert [(one.prompt, one.seed) for one in asked] == [(one.prompt, one.seed) for one in wanted]
    assert [one.work for one in asked] == [7 - one.work for one in wanted if one.work is not None]


def test_the_pages_tables_are_those_of_the_results() -> None:
    """After a run, ``python -m benchmarks.text_to_image.page`` writes them anew."""
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page, RESULTS) == page, "run python -m benchmarks.text_to_image.page"


def test_outputs_are_of_all_kinds_of_prompts(bench: Bench) -> None:
    """A crossed prompt has the motif of one house in the style of the other."""
    found = outputs_of(bench)
    assert [one.kind for one in found[:5]] == [OWN, OWN, CROSSED, ARTIST, ARTIST]
    assert all(one.work is None or bench.works.works[one.work].caption == one.prompt for one in found)
    assert found[2].prompt not in {work.caption for work in bench.works.works}
    assert len({one.seed for one in found}) == len(found)


def test_an_interrupted_run_trains_no_adapter_twice(bench: Bench) -> None:
    """Adapters at hand are read, and a longer list starts with the same ones."""
    first = bench.trained("members", bench.membership.T)
    times = [path.stat().st_mtime_ns for path in first]
    assert bench.trained("members", bench.membership.T[:2]) == first[:2]
    assert [path.stat().st_mtime_ns for path in bench.trained("members", bench.membership.T)] == times


def test_unseen_drawings_are_trained_on_by_nobody(bench: Bench) -> None:
    """Their codes are dealt with those of the works, and belong to none of them."""
    codes = bench.assignment.codes
    assert len(codes) == len(bench.works.works) + len(bench.works.unseen)
    assert len(set(codes.tolist())) == len(codes)
    assert bench.training_set.codes.tolist() == codes[: len(bench.works.works)].tolist()


def test_queries_are_outputs_and_unseen_drawings_under_their_texts(bench: Bench) -> None:
    """Rankers get the texts and the works' latents."""
    queries = Queries(bench)
    assert len(queries.images) == len(queries.texts) == len(queries.generated)
    assert queries.images_to_rank().prompts == tuple(queries.texts)
    works = queries.works_to_rank(None)
    assert works.latents is not None
    np.testing.assert_allclose(works.latents.take(slice(0, 8)), bench.latents, atol=1e-6)


def test_kept_scores_are_those_that_were_computed(bench: Bench) -> None:
    """At every scale, for every query and work; a prompt that is a caption has its work first."""
    queries = Queries(bench)
    ranker = Captions(bench.kind.text_features)
    (bench.folder / "scores-captions.safetensors").unlink(missing_ok=True)
    wanted = scored(ranker, queries, bench.folder).scores
    for _ in range(2):
        found, _ = scored_once("captions", ranker, queries)
        np.testing.assert_array_equal(found.scores, wanted)
    first = {row: int(wanted[0, row].argmax()) for row, one in enumerate(queries.outputs) if one.work is not None}
    assert all(bench.works.works[work].caption == queries.texts[row] for row, work in first.items())


def test_recall_counts_the_artists_works_among_the_first() -> None:
    """Closed form: of two works one is first and one sixth."""
    scores = -np.arange(12.0)[None].repeat(3, axis=0)
    found = recalls(scores, np.array([0, 5]))
    assert [found[k]["recall"] for k in ("1", "5", "10")] == [100.0, 50.0, 100.0]


def test_distances_and_cosines_of_effects() -> None:
    """An ablation that is the retraining itself has distance 0 and cosine 1."""
    generator = np.random.default_rng(0)
    made, without, other = (generator.random((4, 6)) for _ in range(3))
    values = {
        "made": made,
        "ablated": without,
        "ensemble, seed 0": without,
        "ensemble, seed 1": other,
        "adapter, seed 0": other,
        "adapter, seed 1": made,
        "whole, seed 0": made,
        "whole, seed 1": other,
    }
    found = compared(values)
    assert found["distance"]["ablation and retrained ensemble"]["mean"] == 0.0
    assert found["cosine_of_effects"]["ablation and retrained ensemble"]["mean"] == 1.0
    assert found["cosine_of_effects"]["retrained adapters of two seeds"]["mean"] == -1.0


def test_a_set_is_made_of_unpacked_packages(tmp_path: Path) -> None:
    """Every rightsholder has its works, all motifs differ, and hands and signs are left out."""
    categories = {"Animals & Nature": "cat", "Food & Drink": "pie", "Objects": "box", "Travel & Places": "hut"}
    for house in ("twemoji", "openmoji", "fluent-emoji-high-contrast"):
        names = {category: [f"{word}-{number}" for number in range(30)] for category, word in categories.items()}
        body = '<rect width="{}" height="9" fill="#123"/>'
        listed = [name for row in names.values() for name in row]
        icons = {name: {"body": body.format(1 + row)} for row, name in enumerate(listed)}
        names["Objects"].append("red-hand")
        icons["red-hand"] = {"body": body.format(3)}
        (tmp_path / house).mkdir()
        (tmp_path / house / "icons.json").write_text(json.dumps({"width": 32, "height": 32, "icons": icons}))
        (tmp_path / house / "metadata.json").write_text(json.dumps({"categories": names}))
    found = work_set("twemoji-openmoji", tmp_path)
    assert len(found.works) == 2 * 4 * 4 + 4
    assert len(found.unseen) == 2 * 4 * 2
    motifs = [one.motif for one in (*found.works, *found.unseen)]
    assert len({*motifs, *found.further_motifs}) == len(motifs) + len(found.further_motifs)
    assert not any("hand" in motif for motif in motifs)
    assert len(found.rows_of("twemoji food")) == 4
    assert len(found.rows_of(found.artist)) == 4
    more = work_set("twemoji-openmoji", tmp_path, 2)
    assert [one.caption for one in more.works[:36]] == [one.caption for one in found.works]
    assert len({one.motif for one in (*more.works, *more.unseen)}) == 36 + 2 * 4 * 2 + 16
    bench = Bench(found, tmp_path, tmp_path, Sizes(generated=8))
    recipe, *others = variants(bench, "twemoji-openmoji", tmp_path)
    assert recipe == (RECIPE, bench)
    assert [len(other.works.works) for _, other in others if other.works is not found] == [68, 16, 68]
    assert len({str((other.sizes, other.draw, other.serving, other.works.name)) for _, other in others}) == len(others)
    assert found.works[0].caption == f"a {found.works[0].motif} in the style of twemoji"
