"""Scores from a Parquet file: how any other attribution method is ranked, graded and fused.

Columns: ``sample`` (a sample's id) or ``image_sha256`` (of an image file); ``asset_id`` or
``asset_sha256``; and ``score``, larger for likelier sources. One row per image and work. A work
without a row for an image counts as that image's lowest score. As for every ranker, the method must
not have used the codes, the manifests or differences between members. Creditline cannot see that
from the numbers: the supplier of the file is responsible.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Float64, Int64

from attribution.ranking.rankers.interface import Images, Query, Ranker, RowIndex, Works
from registry.errors import InputError, UsageError
from registry.ids import sha256_of_file
from registry.ingest.lists.connection import listed, literal, one_line, reader, translated_errors
from registry.ingest.lists.parquet import describe

IMAGE_COLUMNS = ("sample", "image_sha256")
WORK_COLUMNS = ("asset_id", "asset_sha256")
SCORE_COLUMN = "score"
MOST_ROWS = 100_000_000
LARGEST_SCORE = 1e100
"""Absolute value, at most: squares of larger scores overflow."""
INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
NUMBERS = ("DOUBLE", "FLOAT", *INTEGERS)


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """The content of a file of scores."""

    sha256: str
    """SHA-256 of the file."""
    by_asset_id: bool
    """Whether works are named by asset id (else by SHA-256)."""
    images: dict[str, slice] = field(repr=False)
    """The slice of each image's scores."""
    works: pa.ChunkedArray = field(repr=False)
    scores: Float64[np.ndarray, " score"] = field(repr=False)


def read_scores(path: Path) -> ScoreTable:
    """Read and check a file of scores.

    Raises:
        InputError: the file cannot be read, lacks a column, repeats an image and work, or has a
            score that is not finite.
    """
    path = path.absolute()
    with reader((path,)) as connection:
        (part,) = describe(connection, [path])
        image, work = _one_of(path, part.types, IMAGE_COLUMNS), _one_of(path, part.types, WORK_COLUMNS)
        _check_types(path, part.types, image, work)
        if not 0 < part.rows <= MOST_ROWS:
            raise InputError(f"{path} has {part.rows:,} rows, expected 1 to {MOST_ROWS:,}: one per image and work")
        kind = "BIGINT" if work == "asset_id" else "VARCHAR"
        source = f"read_parquet([{literal(str(path))}], hive_partitioning = false)"
        with translated_errors(str(path)):
            rows = connection.execute(
                f"SELECT {image} AS image, {work}::{kind} AS work, {SCORE_COLUMN}::DOUBLE AS score "  # noqa: S608 - our names
                f"FROM {source} ORDER BY ALL"
            ).to_arrow_table()
    _check_values(path, rows)
    # Rows are sorted by image: each image is one run of rows.
    names = rows["image"].combine_chunks().dictionary_encode()
    starts = np.flatnonzero(np.diff(names.indices.to_numpy(), prepend=-1))
    ends = np.append(starts[1:], len(rows))
    values = names.dictionary.to_pylist()
    return ScoreTable(
        sha256=sha256_of_file(path),
        by_asset_id=work == "asset_id",
        images={str(name): slice(int(a), int(b)) for name, a, b in zip(values, starts, ends, strict=True)},
        works=rows["work"],
        scores=rows["score"].to_numpy(),
    )


def _one_of(path: Path, types: Any, columns: tuple[str, str]) -> str:  # noqa: ANN401 - a mapping of names
    found = [name for name in columns if name in types]
    if len(found) != 1:
        raise InputError(
            f"{path} has the columns {listed(list(types))}; expected just one of {columns[0]} and {columns[1]}"
        )
    return found[0]


def _check_types(path: Path, types: Any, image: str, work: str) -> None:  # noqa: ANN401 - a mapping of names
    if SCORE_COLUMN not in types:
        raise InputError(f"{path} has the columns {listed(list(types))}; expected {SCORE_COLUMN} among them")
    expected = {image: ("VARCHAR",), work: INTEGERS if work == "asset_id" else ("VARCHAR",), SCORE_COLUMN: NUMBERS}
    for column, kinds in expected.items():
        if types[column] not in kinds:
            kind = "text" if kinds == ("VARCHAR",) else "numbers"
            raise InputError(f"{path}: column {column} is {one_line(types[column])}, expected {kind}")


def _check_values(path: Path, rows: pa.Table) -> None:
    for column in ("image", "work", "score"):
        if rows[column].null_count:
            raise InputError(
                f"{path}: {rows[column].null_count:,} rows have no {column}; fill them in or leave them out"
            )
    scores = rows["score"].to_numpy()
    wrong = ~(np.abs(scores) <= LARGEST_SCORE)
    if wrong.any():
        raise InputError(f"{path}: {int(wrong.sum()):,} scores are no finite numbers, the first is {scores[wrong][0]}")
    images, works = rows["image"].combine_chunks(), rows["work"].combine_chunks()
    same = np.zeros(len(rows), dtype=np.bool_)
    same[1:] = np.diff(images.dictionary_encode().indices.to_numpy()) == 0
    same[1:] &= np.diff(works.dictionary_encode().indices.to_numpy()) == 0
    if same.any():
        row = int(np.flatnonzero(same)[0])
        raise InputError(
            f"{path}: {int(same.sum()):,} rows repeat an image and work that an earlier one has, the first "
            f"{one_line(str(images[row]))} and {one_line(str(works[row]))}; keep one score for each"
        )


class SuppliedScores(Ranker):
    """The scores of a table, unchanged."""

    name = "supplied-scores"
    scales = (1.0,)

    def __init__(self, table: ScoreTable) -> None:
        self.table = table

    def settings(self) -> dict[str, Any]:
        return {"scores_sha256": self.table.sha256}

    def covers(self, names: frozenset[str], text: str | None = None) -> bool:  # noqa: ARG002 - scores have no prompts
        return any(name in self.table.images for name in names)

    def prepare(self, images: Images, works: Works) -> Query:
        """The query for these images; an image without scores has 0 for every work.

        Raises:
            UsageError: a score is for a work outside the encoding.
        """
        return _SuppliedQuery(
            [self._scores_of(names, works) for names in images.names or ((),) * len(images)], len(works)
        )

    def _scores_of(
        self, names: frozenset[str] | tuple[()], works: Works
    ) -> tuple[Int64[np.ndarray, " row"], Float64[np.ndarray, " row"]]:
        place = next((self.table.images[name] for name in sorted(names) if name in self.table.images), None)
        if place is None:
            return np.empty(0, dtype=np.int64), np.empty(0)
        named = self.table.works[place.start : place.stop].to_pylist()
        known: dict[Any, int] = works.row_of_asset if self.table.by_asset_id else works.row_of_hash
        unknown = [work for work in named if work not in known]
        if unknown:
            raise UsageError(
                f"the supplied scores name work {one_line(str(unknown[0]))}, which this encoding does not have "
                f"({len(unknown):,} such for one image): score the works that `creditline works` lists"
            )
        rows = np.array([known[work] for work in named], dtype=np.int64)
        order = np.argsort(rows)
        return rows[order], self.table.scores[place][order]


class _SuppliedQuery(Query):
    additive: ClassVar[bool] = True

    def __init__(self, scores: list[tuple[Int64[np.ndarray, " row"], Float64[np.ndarray, " row"]]], count: int) -> None:
        self.scores, self.count = scores, count

    def log_scores(self, rows: RowIndex) -> Float32[np.ndarray, "image scale row"]:
        asked = np.arange(*rows.indices(self.count)) if isinstance(rows, slice) else rows
        found = np.empty((len(self.scores), 1, len(asked)), dtype=np.float64)
        for image, (known, scores) in enumerate(self.scores):
            found[image, 0] = scores.min(initial=np.inf) if len(scores) else 0.0
            places = np.searchsorted(known, asked)
            there = places < len(known)
            there[there] = known[places[there]] == asked[there]
            found[image, 0, there] = scores[places[there]]
        return found
