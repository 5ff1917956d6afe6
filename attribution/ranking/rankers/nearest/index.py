"""The index of an embedding's features: built once, kept beside them, its recall measured.

Recall is the share of the true nearest works that a search through the index finds. It depends on
the works, so it is measured on them when the index is built: some works are drawn, their nearest
others are found by comparing all works, and the index is asked for the same. Half of the drawn
works choose how many lists a search reads; the other half measure what that finds. The recall of
outputs can be another one: it is measured on works alone.

An index that finds too little is not used.

The name of the index holds a hash of the features' name, which hashes the embedding and the works,
and of all that decides the index: other works have another index. A file that is damaged is built
again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64

from attribution.ranking.rankers.interface import Rows
from attribution.ranking.rankers.nearest import library
from registry.errors import IntegrityError
from registry.home import write_atomically, write_bytes_atomically
from registry.ids import full_id, sha256_of_file

FEWEST_WORKS = 5_000_000
"""Works from which an index is used; fewer are compared in seconds (``docs/scale.md``)."""
CANDIDATES = 1000
"""Works that the index names for an image; the ranker scores them exactly."""
SAMPLE = 1 << 16
"""Works drawn for the mean and the deviation of scores over all works."""
NEAREST = 20
"""Recall is over this many works."""
QUERIES = 256
"""Works drawn to measure recall: one half chooses the number of lists, the other is measured."""
PROBES = (8, 16, 32, 64, 128, 256)
"""Lists that a search may read."""
ENOUGH, TOO_LITTLE = 0.98, 0.9
"""Recall from which no more lists are read; recall below which the index is not used."""
SAME = 1e-6
"""Squared distances of vectors of length 1 that differ by less are equal."""
DRAWS = 2000
"""Draws of the bootstrap."""
ROWS_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class Recall:
    """The share of the nearest works that the index finds, over works that were drawn."""

    value: float
    low: float
    """Lower end of a 95 % interval over the drawn works (bootstrap)."""
    high: float
    queries: int
    nearest: int = NEAREST

    @property
    def sentence(self) -> str:
        """How good the index is, for people."""
        return (
            f"the index finds {100 * self.value:.1f} % of the {self.nearest} nearest works (95 % interval "
            f"{100 * self.low:.1f} to {100 * self.high:.1f} %), measured on {self.queries} of these works"
        )

    def to_json(self) -> dict[str, Any]:
        """The entry in a record."""
        return {
            "value": round(self.value, 4),
            "low": round(self.low, 4),
            "high": round(self.high, 4),
            "queries": self.queries,
            "nearest": self.nearest,
            "of": "works, each without itself",
        }


@dataclass(frozen=True, eq=False)
class WorkIndex:
    """An index on disk with its facts."""

    opened: library.Opened
    rows: Rows
    """The features that it was built from, of length 1 each."""
    probes: int
    recall: Recall
    facts: Mapping[str, Any]

    @property
    def good(self) -> bool:
        """Whether it finds enough to be used."""
        return self.recall.value >= TOO_LITTLE

    def near(self, queries: Float32[np.ndarray, "query value"]) -> list[Int64[np.ndarray, " row"]]:
        """Per query of length 1, the works that may be near, ascending.

        As many for every query, so that none depends on the others: where lists hold too few works,
        twice as many lists are read.
        """
        found, probes = self.opened.near(queries, CANDIDATES, self.probes), self.probes
        while probes < self.facts["lists"] and len(short := np.flatnonzero(found[:, -1] < 0)):
            probes *= 2
            found[short] = self.opened.near(queries[short], CANDIDATES, probes)
        return [np.sort(row[row >= 0]) for row in found]

    @property
    def drawn(self) -> Int64[np.ndarray, " row"]:
        """Works drawn at random, ascending: the same whenever they are asked for."""
        return drawn_rows(len(self.rows), SAMPLE, 0)


def settings() -> dict[str, Any]:
    """All that decides an index and its use, beside the features."""
    return {
        "library": library.NAME,
        "version": library.version_in_use(),
        "dimensions": library.DIMENSIONS,
        "bytes": library.BYTES,
        "candidates": CANDIDATES,
        "sample": SAMPLE,
        "probes": list(PROBES),
        "enough": [ENOUGH, TOO_LITTLE],
        "queries": QUERIES,
    }


def index_of(
    features: Path, kind: str, rows: Rows, on_progress: Callable[[int, int], object] = lambda _done, _all: None
) -> WorkIndex:
    """The index of some features, from its file, or built, measured and kept.

    Args:
        features: the file of the features; its name hashes embedding and works.
        kind: the embedding, with all that decides its features: older indexes of the same are
            removed.
        rows: the features.
        on_progress: gets (works added now, works in all).

    Raises:
        InputError: the folder cannot be written.
    """
    name = full_id("nearest", {"features": features.name, **settings()})
    path = features.with_name(f"nearest-{name}.faiss")
    found = _opened(path, rows)
    if found is not None:
        return found
    sizes = library.Sizes.of(len(rows), rows.width)
    sample = rows.take(drawn_rows(len(rows), sizes.trained_on, 1))

    def parts() -> Iterator[Float32[np.ndarray, "work value"]]:
        for start in range(0, len(rows), ROWS_AT_ONCE):
            yield rows.take(slice(start, min(len(rows), start + ROWS_AT_ONCE)))

    def added(count: int) -> None:
        on_progress(count, len(rows))

    built = ""

    def build(place: Path) -> None:
        nonlocal built
        library.build(place, sizes, sample, parts(), added)
        # Of this file: another process may put its own into the place before recall is measured.
        built = sha256_of_file(place)

    write_atomically(path, build)
    opened = library.open_file(path)
    probes, recall = measured_recall(opened, rows)
    facts = {
        "library": f"{library.NAME} {library.version_in_use()}",
        "works": len(rows),
        "width": rows.width,
        "dimensions": sizes.dimensions,
        "lists": sizes.lists,
        "bytes": sizes.bytes,
        "probes": probes,
        "candidates": CANDIDATES,
        "recall": recall.to_json(),
        "index_sha256": built,
        "kind": kind,
    }
    write_bytes_atomically(path.with_suffix(".json"), json.dumps(facts, indent=2).encode())
    _remove_older(path, kind)
    return WorkIndex(opened, rows, probes, recall, facts)


def _opened(path: Path, rows: Rows) -> WorkIndex | None:
    """The kept index; None: there is none, or it is damaged and must be built again."""
    try:
        facts = json.loads(path.with_suffix(".json").read_bytes())
        # The library trusts what it reads, so nothing else may reach it.
        if facts["index_sha256"] != sha256_of_file(path) or facts["works"] != len(rows):
            return None
        found = facts["recall"]
        value, low, high = (float(found[name]) for name in ("value", "low", "high"))
        recall = Recall(value, low, high, int(found["queries"]))
        return WorkIndex(library.open_file(path), rows, int(facts["probes"]), recall, facts)
    except (OSError, ValueError, KeyError, TypeError, IntegrityError):
        return None


def _remove_older(path: Path, kind: str) -> None:
    """Remove the indexes of the same embedding over works as they were before."""
    for other in path.parent.glob("nearest-*.json"):
        try:
            same = json.loads(other.read_bytes())["kind"] == kind
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if same and other != path.with_suffix(".json"):
            other.with_suffix(".faiss").unlink(missing_ok=True)
            other.unlink(missing_ok=True)


def drawn_rows(works: int, count: int, seed: int) -> Int64[np.ndarray, " row"]:
    """Rows drawn without replacement, ascending; all if they are fewer.

    >>> drawn_rows(3, 5, 0).tolist()
    [0, 1, 2]
    """
    if count >= works:
        return np.arange(works)
    return np.sort(np.random.default_rng((seed, works)).choice(works, count, replace=False)).astype(np.int64)


def measured_recall(opened: library.Opened, rows: Rows) -> tuple[int, Recall]:
    """How many lists to read, and the recall that this gives, on works that did not choose it."""
    asked = np.random.default_rng(2).permutation(drawn_rows(len(rows), QUERIES, 2))
    queries = rows.take(asked)
    furthest = distances_of_nearest(rows, queries, asked, NEAREST)[:, -1]
    choosing, measured = slice(0, len(asked) // 2), slice(len(asked) // 2, len(asked))
    found = np.zeros(0)
    for probes in PROBES:
        chosen = probes
        found = _found(opened, rows, queries[choosing], asked[choosing], furthest[choosing], probes)
        if found.mean() >= ENOUGH:
            break
    found = _found(opened, rows, queries[measured], asked[measured], furthest[measured], chosen)
    draws = np.random.default_rng(3).integers(0, len(found), (DRAWS, len(found)))
    low, high = np.quantile(found[draws].mean(axis=1), (0.025, 0.975))
    return chosen, Recall(float(found.mean()), float(low), float(high), len(found))


def _found(
    opened: library.Opened,
    rows: Rows,
    queries: Float32[np.ndarray, "query value"],
    own: Int64[np.ndarray, " query"],
    furthest: Float64[np.ndarray, " query"],
    probes: int,
) -> Float64[np.ndarray, " query"]:
    """Per query, the share of its nearest works that are among those that the index names."""
    shares = np.empty(len(queries))
    near = opened.near(queries, CANDIDATES, probes)
    for place, found in enumerate(near):
        others = found[(found >= 0) & (found != own[place])]
        squared = ((rows.take(others) - queries[place]) ** 2).sum(axis=1, dtype=np.float64)
        shares[place] = min(NEAREST, int((squared <= furthest[place] + SAME).sum())) / NEAREST
    return shares


@torch.no_grad()
def distances_of_nearest(
    rows: Rows, queries: Float32[np.ndarray, "query value"], own: Int64[np.ndarray, " query"], count: int
) -> Float64[np.ndarray, "query place"]:
    """Squared distances to the nearest other works, by comparing all; vectors of length 1.

    ``own``: the row of each query, which is left out; -1: it is no work.
    """
    best = torch.full((len(queries), count), torch.inf)
    asked = torch.from_numpy(np.ascontiguousarray(queries))
    norms = (asked**2).sum(dim=1, keepdim=True)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        stop = min(len(rows), start + ROWS_AT_ONCE)
        part = torch.from_numpy(rows.take(slice(start, stop)))
        squared = torch.addmm((part**2).sum(dim=1)[None] + norms, asked, part.T, alpha=-2.0)
        inside = np.flatnonzero((own >= start) & (own < stop))
        squared[torch.from_numpy(inside), torch.from_numpy(own[inside] - start)] = torch.inf
        nearest = torch.topk(squared, min(count, stop - start), largest=False).values
        best = torch.topk(torch.cat([best, nearest], dim=1), count, largest=False).values
    return np.maximum(best.numpy().astype(np.float64), 0.0)
