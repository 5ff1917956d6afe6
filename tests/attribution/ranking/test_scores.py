"""Supplied scores: read, checked, used as they are, or refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from attribution.ranking.encoded_works import EncodedWorks
from attribution.ranking.rankers.catalogue import RankerInputs, make_rankers
from attribution.ranking.rankers.interface import ArrayRows, Images, Works
from attribution.ranking.rankers.scan import UnitIndex, scan
from attribution.ranking.rankers.supplied import SuppliedScores, read_scores
from attribution.ranking.shortlist import shortlists_for
from attribution.sampling.schedule import SamplerSettings
from registry.encodings.codes import codes_of
from registry.encodings.words import bits
from registry.errors import CreditlineError, InputError, UsageError
from registry.ids import sha256_of_file

HASHES = [f"{number:064x}" for number in range(6)]


def works() -> Works:
    """Six works with the asset ids 10 to 15."""
    return Works(ArrayRows(np.random.default_rng(0).random((6, 12))), np.arange(6) + 10, HASHES)


def written(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def shown(*names: str) -> Images:
    """Images with these names."""
    return Images(np.zeros((len(names), 12), dtype=np.float32), (3, 2, 2), tuple(frozenset({name}) for name in names))


@pytest.mark.parametrize("by_hash", [False, True])
def test_scores_are_taken_as_they_are(tmp_path: Path, by_hash: bool) -> None:
    """By sample or image, asset id or hash, in any order; a missing score is the lowest."""
    rows = [("b", 3, 7.0), ("a", 5, -1.5), ("b", 0, -2.0), ("a", 1, 4.0)]
    images, numbers, scores = zip(*rows, strict=True)
    named: dict[str, Any] = (
        {"image_sha256": images, "asset_sha256": [HASHES[number] for number in numbers]}
        if by_hash
        else {"sample": images, "asset_id": [number + 10 for number in numbers]}
    )
    path = written(tmp_path / "scores.parquet", **named, score=scores)
    ranker = SuppliedScores(read_scores(path))
    query = ranker.prepare(shown("a", "b", "c"), works())
    expected = [[-1.5, 4.0, -1.5, -1.5, -1.5, -1.5], [-2.0, -2.0, -2.0, 7.0, -2.0, -2.0], [0.0] * 6]
    np.testing.assert_array_equal(query.log_scores(slice(0, 6))[:, 0], expected)
    np.testing.assert_array_equal(query.log_scores(np.array([3, 1]))[1, 0], [7.0, -2.0])
    assert ranker.covers(frozenset({"b", "x"}))
    assert not ranker.covers(frozenset({"c"}))
    assert ranker.settings() == {"scores_sha256": sha256_of_file(path)}


def test_supplied_scores_add_up_over_a_unit(tmp_path: Path) -> None:
    """Scores, not logarithms: negative ones count, and a unit has the sum over its works."""
    path = written(tmp_path / "s.parquet", sample=["a"] * 6, asset_id=np.arange(10, 16), score=[1.0, -2, 3, 5, -7, 0])
    held = works()
    query = SuppliedScores(read_scores(path)).prepare(shown("a"), held)
    found = scan(query, held.pixels, 1, 1, UnitIndex.of(np.array([0, 0, 1, 1, 2, 2]), 3), 3)
    assert found.order[0, 0].tolist() == [1, 0, 2]
    assert found.total[0, 0] == 0.0
    assert found.deviation()[0, 0] == pytest.approx(np.std([-1.0, 8.0, -7.0]))


def test_an_image_without_scores_is_ranked_by_the_others(tmp_path: Path) -> None:
    """A table without the image is left out; if no ranker has scores, that is an error."""
    path = written(tmp_path / "s.parquet", sample=["a"] * 2, asset_id=[15, 14], score=[2.0, 1.0])
    codes = codes_of(0, 6, 3, np.arange(6))
    encoded = EncodedWorks(works(), (3, 2, 2), UnitIndex.of(np.arange(6), 6), [], codes, 6, bits(codes, 6), {})
    rankers = make_rankers(["pixel-kernel"], RankerInputs(SamplerSettings(), scores=path))
    assert [ranker.name for ranker in rankers] == ["pixel-kernel", "supplied-scores"]
    both, alone = shortlists_for(rankers, encoded, shown("a", "b"), (), 2, 1)
    assert 5 in both.unit_numbers.tolist()
    assert [order.name for order in both.orders] == ["pixel-kernel", "supplied-scores"]
    assert [order.name for order in alone.orders] == ["pixel-kernel"]
    with pytest.raises(UsageError, match="none of the rankers"):
        shortlists_for(rankers[1:], encoded, shown("b"), (), 2, 1)


def test_a_work_that_is_not_registered_is_an_error(tmp_path: Path) -> None:
    """A table for another data set must not silently count as nothing."""
    path = written(tmp_path / "s.parquet", sample=["a", "a"], asset_id=[10, 99], score=[1.0, 2.0])
    with pytest.raises(UsageError, match="work 99"):
        SuppliedScores(read_scores(path)).prepare(shown("a"), works())


GOOD = {"sample": ["a", "a"], "asset_id": [10, 11], "score": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({**GOOD, "sample": None}, "sample and image_sha256"),
        ({**GOOD, "image_sha256": ["a", "b"]}, "just one of sample and image_sha256"),
        ({**GOOD, "asset_id": None}, "asset_id and asset_sha256"),
        ({**GOOD, "score": None}, "expected score"),
        ({**GOOD, "score": ["high", "low"]}, "expected numbers"),
        ({**GOOD, "score": [[1.0], [2.0]]}, "expected numbers"),
        ({**GOOD, "asset_id": ["10", "11"]}, "expected numbers"),
        ({**GOOD, "asset_id": [1.5, 2.5]}, "expected numbers"),
        ({**GOOD, "sample": [1, 2]}, "expected text"),
        ({**GOOD, "score": [1.0, float("nan")]}, "no finite numbers"),
        ({**GOOD, "score": [float("-inf"), 1.0]}, "no finite numbers"),
        ({**GOOD, "score": [1e300, 1.0]}, "no finite numbers"),
        ({**GOOD, "score": [1.0, None]}, "no score"),
        ({**GOOD, "sample": ["a", None]}, "no image"),
        ({**GOOD, "asset_id": [10, 10]}, "repeat"),
        (
            {
                "sample": pa.array([], pa.string()),
                "asset_id": pa.array([], pa.int64()),
                "score": pa.array([], pa.float64()),
            },
            "0 rows",
        ),
    ],
)
def test_tables_that_are_not_scores_are_refused(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    """In one line that names the file and the expected form."""
    path = written(tmp_path / "s.parquet", **{name: values for name, values in columns.items() if values is not None})
    with pytest.raises(InputError, match=message) as error:
        read_scores(path)
    assert "s.parquet" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "flipped", "folder", "missing"])
def test_damaged_files_are_refused(tmp_path: Path, damage: str) -> None:
    """Whatever the bytes are, the answer is an error of one line."""
    path = tmp_path / "s.parquet"
    data = written(
        tmp_path / "good.parquet", sample=["a"] * 500, asset_id=np.arange(500), score=np.arange(500.0)
    ).read_bytes()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        middle = len(data) // 3
        flipped = data[:middle] + bytes(byte ^ 0xFF for byte in data[middle : middle + 200]) + data[middle + 200 :]
        path.write_bytes({"empty": b"", "text": b"score\n1\n", "cut": data[:-50], "flipped": flipped}[damage])
    with pytest.raises(CreditlineError) as error:
        read_scores(path)
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2
