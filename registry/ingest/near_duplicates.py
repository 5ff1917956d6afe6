"""Near duplicates: new works are compared with all works, once; the log records up to which one.

Comparing 250,000 new works with each other takes about half a minute on two busy cores; comparing
10,000 with two million takes 90 seconds (:mod:`registry.similarity.hamming_join`). A search that
takes longer than :data:`SEARCH_SECONDS`, and longer than the fingerprints took, ends with a finding
that says how far it came; the next one goes on from there.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.event_log.events import changing
from registry.event_log.verify import newest_statement
from registry.ingest.findings import KEPT, Finding, Kind
from registry.ingest.fingerprinting import fingerprint_works
from registry.ingest.store.rows import insert_rows
from registry.storage.database import Registry
from registry.storage.results import number_of

SLICE = 250_000
"""New works per search; bounds its memory."""
SEARCH_SECONDS = 900.0
_SECONDS_PER_NEW = 1.4e-4
_SECONDS_PER_SLICE_AND_WORK = 4e-5
_SEARCHED = "near duplicates searched"
_SHOWN = 5


@dataclass
class NearDuplicates:
    """Result of a search."""

    fingerprints: int = 0
    not_comparable: int = 0
    pairs: int = 0
    across: int = 0
    """Groups with a new pair that belong to several rightsholders."""
    findings: list[Finding] = field(default_factory=list)


def find_near_duplicates(
    registry: Registry,
    data_set_id: int | None,
    *,
    now: datetime,
    workers: int = 1,
    on_progress: Callable[[int, int], object] = lambda _done, _total: None,
) -> NearDuplicates:
    """Fingerprint a data set's works that have none; search all works for their duplicates."""
    found = NearDuplicates()
    started = time.monotonic()
    if data_set_id is not None:
        made = fingerprint_works(registry, data_set_id, now=now, workers=workers, on_progress=on_progress)
        found.fingerprints, found.not_comparable = made.made, made.not_comparable
    _search(registry, now, found, max(SEARCH_SECONDS, time.monotonic() - started))
    return found


def _searched_through(connection: duckdb.DuckDBPyConnection) -> int:
    """The newest fingerprint that was searched; -1 for none."""
    stated = newest_statement(connection, _SEARCHED)
    return -1 if stated is None else int(json.loads(stated)["through"])


def works_to_compare(connection: duckdb.DuckDBPyConnection) -> int:
    """Works with a fingerprint that were not compared with all others yet."""
    from registry.similarity.pdq import LEAST_QUALITY

    return number_of(
        connection,
        "SELECT count(*) FROM fingerprint WHERE id > ? AND quality >= ?",
        [_searched_through(connection), LEAST_QUALITY],
    )


def compare_the_rest(
    registry: Registry, now: datetime, on_progress: Callable[[int, int], object] = lambda _done, _total: None
) -> NearDuplicates:
    """Compare all works that were not compared yet, however long it takes.

    ``on_progress`` gets (works compared, works to compare). A killed run loses one slice at most.
    """
    found = NearDuplicates()
    _search(registry, now, found, math.inf, on_progress)
    return found


def _search(
    registry: Registry,
    now: datetime,
    found: NearDuplicates,
    budget: float,
    on_progress: Callable[[int, int], object] = lambda _done, _total: None,
) -> None:
    """Search all fingerprints for neighbours of those added since the last search, by slices.

    At least one slice is searched, whatever the ``budget`` in seconds, so that every call gets
    further; the next call goes on from there.
    """
    from registry.similarity.hamming_join import NearPairs, near_pairs
    from registry.similarity.pdq import LEAST_QUALITY, MATCH_DISTANCE

    started = time.monotonic()
    with registry.connection() as connection:
        through = _searched_through(connection)
        newest = connection.execute("SELECT max(id) FROM fingerprint").fetchall()[0][0]
        if newest is None or newest <= through:
            return
        table = connection.execute(
            "SELECT id, asset_id, word0, word1, word2, word3 FROM fingerprint WHERE quality >= ? ORDER BY id",
            [LEAST_QUALITY],
        ).to_arrow_table()
    words = np.column_stack([table[f"word{place}"].to_numpy().astype(np.uint64) for place in range(4)])
    ids, numbers = table["asset_id"].to_numpy(), table["id"].to_numpy()
    first_new = int(np.searchsorted(numbers, through, side="right"))
    new_pairs, skipped, start = [np.empty((0, 2), np.int64)], 0, first_new
    none = NearPairs(np.empty((0, 3), np.int64), 0)
    while True:
        end = min(start + SLICE, len(ids))
        part = near_pairs(words[:end], start, MATCH_DISTANCE) if start < end else none
        skipped += part.skipped
        ends = np.sort(ids[part.pairs[:, :2]], axis=1)
        reached = int(newest) if end == len(ids) else int(numbers[end - 1])
        if not _store_pairs(registry, now, ends, part.pairs[:, 2], (through, reached)):
            _search(registry, now, found, budget, on_progress)  # another process was faster; search the rest
            break
        new_pairs.append(ends)
        start, through = end, reached
        on_progress(end - first_new, len(ids) - first_new)
        following = min(SLICE, len(ids) - end)
        seconds = following * _SECONDS_PER_NEW + len(ids) * _SECONDS_PER_SLICE_AND_WORK
        if not following or time.monotonic() - started + seconds > budget:
            break
    if skipped:
        reason = f"{skipped:,} comparisons were left out, because too many works are nearly the same"
        found.findings.append(Finding("", Kind.NEAR_DUPLICATE, reason))
    if start < len(ids):
        reason = (
            f"{start - first_new:,} of {len(ids) - first_new:,} new works were compared in the {budget / 60:,.0f} minutes "
            "allowed: the next registration goes on, or run `creditline duplicates --search`"
        )
        found.findings.append(Finding("", Kind.NEAR_DUPLICATE, reason))
    ends = np.concatenate(new_pairs)
    found.pairs += len(ends)
    if len(ends):
        _list_across(registry, ends, found)


def _store_pairs(
    registry: Registry,
    now: datetime,
    ends: NDArray[np.int64],
    distances: NDArray[np.int64],
    searched: tuple[int, int],
) -> bool:
    """Append pairs; ``searched``: fingerprints (after, through). False if another process has."""
    with changing(registry, now) as change:
        if _searched_through(change.connection) != searched[0]:
            return False
        columns = {
            "asset_id": pa.array(ends[:, 0]),
            "other_asset_id": pa.array(ends[:, 1]),
            "distance": pa.array(distances),
        }
        insert_rows(change, "near_duplicate", columns, {"found_at": change.now})
        change.record(_SEARCHED, "fingerprints", after={"pairs": len(ends), "through": searched[1]})
    return True


def _list_across(registry: Registry, new: NDArray[np.int64], found: NearDuplicates) -> None:
    """Count the groups with a new pair and several rightsholders; the first become findings."""
    from registry.similarity.hamming_join import groups

    with registry.connection() as connection:
        rows = connection.execute("SELECT asset_id, other_asset_id FROM near_duplicate").fetchnumpy()
        every = np.column_stack([rows["asset_id"], rows["other_asset_id"]]).astype(np.int64)
        connection.register("involved", pa.table({"involved_id": np.unique(every)}))
        owners = connection.execute(
            "SELECT id, coalesce(rightsholder_id, -1) AS owner FROM asset JOIN involved ON id = involved_id ORDER BY id"
        ).fetchnumpy()
    touched = np.unique(new)
    for group in groups(every):
        if not len(np.intersect1d(group, touched, assume_unique=True)):
            continue
        of_group = np.unique(owners["owner"][np.searchsorted(owners["id"], group)])
        if len(of_group[of_group >= 0]) > 1:
            found.across += 1
            if found.across <= KEPT:
                found.findings.append(_finding(registry, group, len(of_group[of_group >= 0])))


def _finding(registry: Registry, group: NDArray[np.int64], owners: int) -> Finding:
    from registry.works.queries import asset_rights_table

    with registry.connection() as connection:
        shown: list[dict[str, Any]] = asset_rights_table(connection, group[:_SHOWN].tolist()).to_pylist()
    listed = ", ".join(f"{row['path'] or row['url']} ({row['rightsholder'] or 'nobody'})" for row in shown)
    more = f" and {len(group) - _SHOWN} more" if len(group) > _SHOWN else ""
    return Finding(
        shown[0]["path"] or "", Kind.NEAR_DUPLICATE, f"look alike but belong to {owners} rightsholders: {listed}{more}"
    )
