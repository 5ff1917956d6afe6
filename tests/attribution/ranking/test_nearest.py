"""Very many works are searched through an index of measured recall, or compared one and all."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Float32

from attribution.ranking.encoded_works import EncodedWorks
from attribution.ranking.rankers.feature_kernel import FeatureKernel
from attribution.ranking.rankers.interface import ArrayRows, Images, PixelRows, Works
from attribution.ranking.rankers.kernel import of_length_one
from attribution.ranking.rankers.nearest import index, library
from attribution.ranking.rankers.nearest.index import distances_of_nearest, index_of, measured_recall
from attribution.ranking.rankers.nearest.search import FeatureSearch
from attribution.ranking.rankers.scan import UnitIndex
from attribution.ranking.shortlist import Shortlisted, shortlists_for
from registry.encodings.codes import codes_of
from registry.encodings.words import bits
from registry.ids import sha256_of_file
from registry.outputs.searches import searched_works
from tests.attribution.ranking.test_rankers import Projection

WORKS, WIDTH, N = 600, 24, 12
needs_library = pytest.mark.skipif(find_spec(library.NAME) is None, reason=f"{library.NAME} is not installed")


@pytest.fixture(autouse=True)
def _few_are_very_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes at which a few hundred works are searched as millions are."""
    for name, value in (("FEWEST_WORKS", 500), ("CANDIDATES", 60), ("QUERIES", 40)):
        monkeypatch.setattr(index, name, value)
    monkeypatch.setattr(index, "PROBES", (2, 4, 16))
    monkeypatch.setattr(index, "ROWS_AT_ONCE", 128)


def features(count: int = WORKS) -> Float32[np.ndarray, "work value"]:
    """Works in clusters, of length 1."""
    draw = np.random.default_rng(3)
    centres = draw.normal(size=(12, WIDTH))
    return of_length_one(centres[draw.integers(0, 12, count)] + draw.normal(scale=0.4, size=(count, WIDTH)))


def kept(folder: Path, values: np.ndarray, name: str = "features-a.npy") -> tuple[Path, ArrayRows]:
    """Features in a file."""
    np.save(folder / name, values.astype(np.float16))
    return folder / name, ArrayRows(np.load(folder / name, mmap_mode="r"))


def test_the_nearest_are_those_of_all_distances() -> None:
    """In blocks, without a work itself, and for images that are no works."""
    values = features(300)
    squared = ((values[:, None].astype(np.float64) - values[None]) ** 2).sum(axis=2)
    np.fill_diagonal(squared, np.inf)
    own = np.array([0, 5, 299, 130])
    found = distances_of_nearest(ArrayRows(values), values[own], own, 4)
    np.testing.assert_allclose(found, np.sort(squared[own], axis=1)[:, :4], atol=1e-5)
    nobody = distances_of_nearest(ArrayRows(values), values[own], np.full(4, -1), 4)
    np.testing.assert_allclose(nobody[:, 0], 0.0, atol=1e-5)
    np.testing.assert_allclose(nobody[:, 1:], found[:, :3], atol=1e-5)


@needs_library
def test_an_index_is_built_once_and_measured_on_its_own_works(tmp_path: Path) -> None:
    """It names the works that are near; its recall is the share of true neighbours, of works that
    did not choose how much is read.
    """
    path, rows = kept(tmp_path, features())
    steps: list[int] = []
    made = index_of(path, "one", rows, lambda done, _all: steps.append(done))
    assert (sum(steps), made.recall.queries, made.facts["works"]) == (WORKS, 20, WORKS)
    assert index.ENOUGH <= made.recall.value <= 1.0
    assert made.recall.low <= made.recall.value <= made.recall.high
    queries = rows.take(np.arange(5))
    for place, near in enumerate(made.near(queries)):
        assert place in near
        assert len(near) <= index.CANDIDATES
        assert (np.diff(near) > 0).all()
    again = index_of(path, "one", rows, lambda done, _all: steps.append(done))
    assert sum(steps) == WORKS
    assert again.facts == made.facts
    assert [one.tolist() for one in again.near(queries)] == [one.tolist() for one in made.near(queries)]


@needs_library
def test_as_many_works_are_named_for_every_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for one whose nearest lists hold few works: else images would depend on their batch."""
    monkeypatch.setattr(index, "PROBES", (1,))
    values = features()
    values[:5] = of_length_one(-values[5:6] + np.linspace(0.0, 0.01, 5)[:, None])
    path, rows = kept(tmp_path, values)
    made = index_of(path, "one", rows)
    queries = rows.take(np.array([0, 7, 9]))
    found = made.near(queries)
    assert [len(near) for near in found] == [index.CANDIDATES] * 3
    assert set(range(5)) <= set(found[0].tolist())
    for place, near in enumerate(found):
        assert made.near(queries[place : place + 1])[0].tolist() == near.tolist()


@needs_library
def test_features_that_are_no_numbers_have_no_index(tmp_path: Path) -> None:
    """The library refuses them; all works are compared, and the reason is told."""
    values = features()
    values[3] = np.nan
    path, rows = kept(tmp_path, values)
    search = FeatureSearch(rows, path, "one", wanted=True)
    assert search.candidates(rows.take(np.arange(2))) is None
    assert "no finite numbers" in search.facts(used=False)["sentence"]
    assert not list(tmp_path.glob("*nearest-*"))


@pytest.mark.slow
@needs_library
def test_an_index_is_built_again_when_it_is_damaged_or_the_works_have_changed(tmp_path: Path) -> None:
    """The library never reads an altered file; the index of earlier works goes, others stay."""
    path, rows = kept(tmp_path, features())
    made = index_of(path, "one", rows)
    (file,) = tmp_path.glob("nearest-*.faiss")
    altered = bytearray(file.read_bytes())
    altered[len(altered) // 2] ^= 1
    file.write_bytes(bytes(altered))
    again = index_of(path, "one", rows)
    assert again.facts["index_sha256"] == sha256_of_file(file)
    assert [one.tolist() for one in again.near(rows.take(np.arange(3)))] == [
        one.tolist() for one in made.near(rows.take(np.arange(3)))
    ]
    file.with_suffix(".json").write_text("{}")
    index_of(path, "one", rows)
    other, other_rows = kept(tmp_path, features()[::-1], "features-b.npy")
    index_of(other, "another embedding", other_rows)
    assert len(list(tmp_path.glob("nearest-*.faiss"))) == 2
    changed, changed_rows = kept(tmp_path, features(WORKS - 1), "features-c.npy")
    index_of(changed, "one", changed_rows)
    assert not file.exists()
    assert len(list(tmp_path.glob("nearest-*.json"))) == len(list(tmp_path.glob("nearest-*.faiss"))) == 2


@needs_library
def test_a_recall_is_of_the_file_that_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process puts its own index into the place: no recall of this one is said of that."""
    path, rows = kept(tmp_path, features())

    def replaced(opened: library.Opened, works: ArrayRows) -> tuple[int, index.Recall]:
        (file,) = tmp_path.glob("nearest-*.faiss")
        (tmp_path / "other").write_bytes(file.read_bytes() + b"of another process")
        (tmp_path / "other").replace(file)
        return measured_recall(opened, works)

    with monkeypatch.context() as patch:
        patch.setattr(index, "measured_recall", replaced)
        index_of(path, "one", rows)
    steps: list[int] = []
    again = index_of(path, "one", rows, lambda done, _all: steps.append(done))
    assert sum(steps) == WORKS
    (file,) = tmp_path.glob("nearest-*.faiss")
    assert again.facts["index_sha256"] == sha256_of_file(file)


@needs_library
def test_recall_tells_a_bad_index_from_a_good_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Works without structure, of which one list in sixteen is read, are not found."""
    noise = of_length_one(np.random.default_rng(0).normal(size=(WORKS, WIDTH)))
    path, rows = kept(tmp_path, noise)
    monkeypatch.setattr(index, "PROBES", (1,))
    bad = index_of(path, "one", rows)
    assert not bad.good
    assert bad.recall.high < 0.9


def encoded_works(folder: Path | None, count: int = WORKS, units: int | None = None) -> EncodedWorks:
    """Works in a training set, with codes."""
    draw = np.random.default_rng(5)
    kinds = draw.integers(0, 256, (8, 4, 4, 3))
    pixels = np.clip(kinds[draw.integers(0, 8, count)] + draw.normal(scale=25.0, size=(count, 4, 4, 3)), 0, 255)
    units = units or count
    codes = codes_of(0, N, 6, np.arange(units))
    hashes = [f"{number:064x}" for number in range(count)]
    source = Works(PixelRows(pixels.astype(np.uint8)), np.arange(count), hashes, folder)
    return EncodedWorks(
        source, (3, 4, 4), UnitIndex.of(np.arange(count) % units, units), [], codes, N, bits(codes, N), {}
    )


def listed(encoded: EncodedWorks, *, indexed: bool = True, count: int = 3) -> list[Shortlisted]:
    """Shortlists of some images near works."""
    images = encoded.pictures(np.arange(7, 7 + count))
    shown = Images(np.clip(images + np.float32(0.02), 0, 1), encoded.shape)
    return shortlists_for([FeatureKernel(Projection(), indexed=indexed)], encoded, shown, (), 10, 1)


@needs_library
def test_a_shortlist_through_the_index_is_that_of_all_works(tmp_path: Path) -> None:
    """Where it finds all near works, and its record says how much it finds."""
    encoded = encoded_works(tmp_path)
    by_index, by_all = listed(encoded), listed(encoded, indexed=False)
    for one, other in zip(by_index, by_all, strict=True):
        assert one.unit_numbers.tolist() == other.unit_numbers.tolist()
        assert one.works == other.works
    how = by_index[0].searched["projection"]
    assert how["search"] == "index"
    (facts,) = (json.loads(file.read_bytes()) for file in tmp_path.glob("nearest-*.json"))
    assert how["recall"] == facts["recall"]
    (sentence,) = searched_works({"searched": by_index[0].searched})
    assert f"finds {100 * facts['recall']['value']:.1f} % of the 20 nearest works" in sentence
    assert "measured on 20 of these works" in sentence
    assert by_all[0].searched["projection"]["search"] == "exact"
    (alone,) = listed(encoded, count=1)
    assert alone.unit_numbers.tolist() == by_index[0].unit_numbers.tolist()


@needs_library
def test_a_shortlist_through_the_index_does_not_know_the_codes(tmp_path: Path) -> None:
    """Other codes, other units that cannot be tested: the same order."""
    encoded = encoded_works(tmp_path)
    codes = codes_of(9, N, 6, np.arange(WORKS))
    other = replace(encoded, codes=codes, membership=bits(codes, N), not_testable={int(encoded.unit_of_work[7]): "all"})
    for one, two in zip(listed(encoded), listed(other), strict=True):
        assert one.blind_order(30).tolist() == two.blind_order(30).tolist()


def test_all_works_are_compared_where_an_index_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few works, no library, no folder, a unit of many works: the same shortlist, and the reason
    where there are very many works.
    """
    wanted = [one.unit_numbers.tolist() for one in listed(encoded_works(None), indexed=False)]
    assert not listed(encoded_works(None, 400))[0].searched
    assert FeatureKernel(Projection()).searches(400) == {}
    with monkeypatch.context() as patch:
        patch.setattr(library, "installed", lambda: False)
        found = listed(encoded_works(tmp_path))
        assert "pip install 'creditline[index]'" in found[0].searched["projection"]["sentence"]
        assert FeatureKernel(Projection()).searches(WORKS) == {}
        assert [one.unit_numbers.tolist() for one in found] == wanted
    monkeypatch.setattr(library, "installed", lambda: True)
    assert "folder" in listed(encoded_works(None))[0].searched["projection"]["sentence"]
    assert "told to" in listed(encoded_works(tmp_path), indexed=False)[0].searched["projection"]["sentence"]
    assert FeatureKernel(Projection()).searches(WORKS)["library"] == library.NAME
    assert FeatureKernel(Projection(), indexed=False).searches(WORKS) == {}
    many = listed(encoded_works(tmp_path, units=200))[0].searched["projection"]
    assert (many["search"], many["works"]) == ("exact", WORKS)
    assert "several works" in many["sentence"]
    assert not list(tmp_path.glob("nearest-*"))


def test_a_record_that_says_nothing_of_a_search_is_told_as_nothing() -> None:
    """Whatever its form."""
    said: list[object] = [None, [], {}, {"searched": None}, {"searched": {"a": 3}}, {"searched": {"a": {}}}]
    assert all(searched_works(ranker) == [] for ranker in said)
