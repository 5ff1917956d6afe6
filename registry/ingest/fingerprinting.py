"""Fingerprints for the works of a data set that have none yet.

They are stored batch by batch, so a killed run continues where it stopped. A work that is damaged
or has too little detail gets a row of quality 0, which is never compared.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from registry.errors import InputError
from registry.event_log.events import changing
from registry.ingest.reading.content import MARK, read_members, read_work, split_path
from registry.ingest.reading.file_inspection import apply_in_processes
from registry.ingest.store.rows import insert_rows
from registry.storage.database import Registry

CHUNK = 64
MEMBERS_AT_ONCE = 4_096
"""Works of one archive that are fingerprinted in one pass through it."""
BATCH = 4_096
BATCH_SECONDS = 10.0


@dataclass
class Fingerprints:
    """Numbers of works."""

    made: int = 0
    not_comparable: int = 0


@dataclass(frozen=True)
class _Fingerprinted:
    asset_id: int
    words: tuple[int, int, int, int]
    quality: int


def fingerprint_items(root: str, items: Sequence[Sequence[str]]) -> list[tuple[str, int] | None]:
    """The fingerprint (hex) and quality of each (path, SHA-256); None if it cannot be read now.

    A reading process runs this. Items of one archive should come together: it is read once for all.
    """
    found: dict[int, tuple[str, int] | None] = {}
    archives: dict[Path, dict[str, int]] = {}
    for number, (path, sha256) in enumerate(items):
        file, member = split_path(Path(root, path))
        if member is not None:
            archives.setdefault(file, {})[member] = number
            continue
        try:
            found[number] = _fingerprint_of(read_work(Path(root), path), sha256)
        except InputError:
            found[number] = None
    for archive, members in archives.items():
        try:
            for member, data in read_members(archive, members):
                number = members[member]
                found[number] = _fingerprint_of(data, items[number][1]) if isinstance(data, bytes) else None
        except InputError:
            continue
    return [found.get(number) for number in range(len(items))]


def _fingerprint_of(data: bytes, sha256: str) -> tuple[str, int] | None:
    from registry.similarity.pdq import Fingerprint, fingerprint_bytes

    if hashlib.sha256(data).hexdigest() != sha256:
        return None  # the file was changed since it was registered
    fingerprint = fingerprint_bytes(data)
    return (fingerprint.bits.hex(), fingerprint.quality) if isinstance(fingerprint, Fingerprint) else ("", 0)


def fingerprint_works(
    registry: Registry,
    data_set_id: int,
    *,
    now: datetime,
    workers: int = 1,
    on_progress: Callable[[int, int], object] = lambda _done, _total: None,
) -> Fingerprints:
    """Fingerprint the works of a data set that have none."""
    found = Fingerprints()
    with registry.connection() as connection:
        works = connection.execute(
            "SELECT asset.id, path, sha256, root FROM asset JOIN data_set ON data_set.id = data_set_id "
            "ANTI JOIN fingerprint ON asset_id = asset.id "
            "WHERE data_set_id = ? AND byte_size IS NOT NULL AND missing_since IS NULL ORDER BY asset.id",
            [data_set_id],
        ).to_arrow_table()
    if not works.num_rows:
        return found
    root = works["root"][0].as_py()
    paths, hashes = works["path"].to_pylist(), works["sha256"].to_pylist()
    ids = works["id"].to_pylist()
    chunks = _chunks(paths, in_archive=Path(root).is_file())
    results = apply_in_processes(
        root,
        f"{__name__}:{fingerprint_items.__name__}",
        ([(paths[number], hashes[number]) for number in chunk] for chunk in chunks),
        workers=workers if len(ids) > CHUNK else 1,
        failed=lambda _item: ("", 0),
    )
    batch: list[_Fingerprinted] = []
    stored_at, done = time.monotonic(), 0
    for answers in results:
        for answer in answers:
            if answer is not None:
                batch.append(_fingerprinted(ids[done], *answer))
            done += 1
        on_progress(done, len(ids))
        if len(batch) >= BATCH or time.monotonic() - stored_at > BATCH_SECONDS:
            _store(registry, now, batch, found)
            batch, stored_at = [], time.monotonic()
    _store(registry, now, batch, found)
    return found


def _chunks(paths: Sequence[str], *, in_archive: bool) -> Iterator[range]:
    start = 0
    archive: str | None = None
    for number, path in enumerate(paths):
        here = "" if in_archive else path.partition(MARK)[0] if MARK in path else None
        most = CHUNK if archive is None else MEMBERS_AT_ONCE
        if number > start and (here != archive or number - start >= most):
            yield range(start, number)
            start = number
        archive = here
    yield range(start, len(paths))


def _fingerprinted(asset_id: int, bits: str, quality: int) -> _Fingerprinted:
    words = tuple(int(bits[place : place + 16] or "0", 16) for place in (0, 16, 32, 48))
    return _Fingerprinted(asset_id, (words[0], words[1], words[2], words[3]), quality)


def _store(registry: Registry, now: datetime, batch: Sequence[_Fingerprinted], found: Fingerprints) -> None:
    if not batch:
        return
    with changing(registry, now) as change:
        # Another process may have been at the same works.
        change.connection.register(
            "asked", pa.table({"asked_id": pa.array([each.asset_id for each in batch], pa.int64())})
        )
        rows = change.connection.execute(
            "SELECT asset_id FROM fingerprint JOIN asked ON asset_id = asked_id"
        ).fetchall()
        there = {asset_id for (asset_id,) in rows}
        new = [each for each in batch if each.asset_id not in there]
        if not new:
            return
        columns = {
            "asset_id": pa.array([each.asset_id for each in new], pa.int64()),
            **{f"word{place}": pa.array([each.words[place] for each in new], pa.uint64()) for place in range(4)},
            "quality": pa.array([each.quality for each in new], pa.int64()),
        }
        insert_rows(change, "fingerprint", columns)
        without = sum(1 for each in new if not each.quality)
        change.record("works fingerprinted", "fingerprints", after={"works": len(new), "not comparable": without})
    found.made += len(new)
    found.not_comparable += without
