"""Registering works from a folder, an archive or shards: inspect, match with owners, store; then what moved and what is gone.

    report = register_folder(registry, Path("works"), OwnerTable(Path("owners.csv")), now=datetime.now(UTC))
    report = register_archive(registry, Path("works.zip"), OneOwner("Ada Example", "CC-BY-4.0"), now=datetime.now(UTC))
    report = register_shards(registry, Path("shards"), OneOwner(None, None), now=datetime.now(UTC))

Running it again on the same source changes nothing. A changed declaration is recorded beside the earlier one; changed
content is a new work, and the former one, which no longer is where it was, stays on record but joins no new encoding.
Archives that lie in a folder are read where they are; their members' paths are ``<archive>!/<member>``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from registry.database import Registry
from registry.errors import InputError
from registry.ingest.archives import is_archive
from registry.ingest.containers import Container, Passed, looks_like_archive
from registry.ingest.content import MARK
from registry.ingest.findings import Finding, Kind
from registry.ingest.inspection import Result, Task
from registry.ingest.intake import Intake
from registry.ingest.likenesses import Likenesses, find_likenesses
from registry.ingest.owners import OwnerSource
from registry.ingest.pool import inspect_containers, inspect_files
from registry.ingest.scan import scan_folder
from registry.ingest.store import WorkStore
from registry.withdrawals import cover_later_works

BATCH = 16_384
"""Files per transaction, at most."""
_SECONDS_PER_FILE = 0.0003
_BYTES_PER_SECOND = 300e6

Progress = Callable[[int, int], object]
"""Gets (done, in all); in all is 0 where nobody knows yet how many there are."""


def _no_progress(_done: int, _total: int) -> None:
    pass


@dataclass(frozen=True)
class RegistrationReport:
    """What a registration did and what it could not take."""

    data_set: str
    kind: str
    """``folder``, ``archive`` or ``shards``."""
    root: str
    files: int
    """Files and members of archives that were looked at."""
    archives: int
    registered: int
    unchanged: int
    moved: int
    found_again: int
    superseded: int
    """Works that were known by their metadata alone, of which the file has turned up."""
    missing: int
    duplicates: int
    refused: int
    declarations: int
    declarations_changed: int
    embedded: int
    """New works whose file says something about them."""
    signals: int
    """Rights signals in these."""
    conflicts: int
    hidden: int
    fingerprints: int
    """Works that were fingerprinted."""
    not_comparable: int
    """Those of them with too little detail to tell them from others."""
    near_duplicate_pairs: int
    """New pairs of works that look alike."""
    near_duplicates_across: int
    """Groups of works that look alike, with a new work in them, that belong to several rightsholders."""
    seconds: dict[str, float]
    """``registration`` and ``fingerprints``."""
    counts: dict[str, int]
    """Findings by kind, also those that are not listed."""
    findings: tuple[Finding, ...]
    """Sorted by path; of each kind at most :data:`registry.ingest.findings.KEPT`."""

    @property
    def works(self) -> int:
        """How many files of the source are in the registry now."""
        return self.registered + self.unchanged + self.moved

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)


def register_folder(
    registry: Registry,
    folder: Path,
    owners: OwnerSource,
    *,
    now: datetime,
    data_set: str | None = None,
    workers: int = 1,
    decode: bool = False,
    excluded: Iterable[Path] = (),
    near_duplicates: bool = True,
    on_progress: Progress = _no_progress,
    on_fingerprints: Progress = _no_progress,
) -> RegistrationReport:
    """Register the images of a folder, and those in its archives.

    Args:
        registry: where the works go.
        folder: searched with everything below it.
        owners: says whose each file is.
        now: the time to record.
        data_set: a name for the folder; its own unless given.
        workers: processes that read and hash.
        decode: decode every image completely.
        excluded: files and folders to leave out, beside the registry's home.
        near_duplicates: whether works that look alike are looked for afterwards.
        on_progress: gets (files done, files in all); an archive's members count when the archive is read.
        on_fingerprints: the same for the works that are fingerprinted.

    Raises:
        InputError: the folder cannot be read.
        UsageError: the data set's name belongs to another folder.
    """
    started = time.monotonic()
    scan = scan_folder(folder, {path.resolve() for path in (registry.home.root, *excluded)})
    archives = [path for path in scan.files if looks_like_archive(path) and is_archive(scan.root / path)]
    intake = _intake(registry, data_set or scan.root.name or "/", scan.root, "folder", owners, now)
    known, left_out = intake.known, frozenset(archives)
    tasks = (
        Task(path, known.get(path), size=size)
        for path, size in zip(scan.files, scan.sizes, strict=True)
        if path not in left_out
    )
    results = inspect_files(
        scan.root,
        tasks,
        decode=decode,
        workers=workers,
        seconds_expected=len(scan.files) * _SECONDS_PER_FILE + sum(scan.sizes) / _BYTES_PER_SECOND,
    )
    containers = [Container(str(scan.root / path), f"{path}{MARK}") for path in archives]
    passed = Passed(scan.hidden)
    total = len(scan.files) - len(archives)

    def everything() -> Iterator[Result]:
        yield from results
        if containers:
            yield from inspect_containers(containers, passed, decode=decode, workers=workers)

    intake.findings.extend(scan.findings)
    done = intake.take_all(everything(), lambda number: on_progress(number, max(number, total)), BATCH)
    return _finish(intake, done, len(archives), passed, started, near_duplicates, workers, on_fingerprints)


def register_archive(
    registry: Registry,
    path: Path,
    owners: OwnerSource,
    *,
    now: datetime,
    data_set: str | None = None,
    workers: int = 1,
    decode: bool = False,
    near_duplicates: bool = True,
    on_progress: Progress = _no_progress,
    on_fingerprints: Progress = _no_progress,
) -> RegistrationReport:
    """Register the images in a ZIP or TAR archive, which is read as it is: nothing is unpacked to disk.

    The arguments are those of :func:`register_folder`.

    Raises:
        InputError: it is no archive, or nothing of it can be read.
        UsageError: the data set's name belongs to another source.
    """
    started = time.monotonic()
    root = _resolved(path)
    if not is_archive(root):
        raise InputError(f"{path} is no archive that can be read; expected a ZIP, or a TAR (plain or compressed)")
    intake = _intake(registry, data_set or _stem(root), root, "archive", owners, now)
    passed = Passed()
    results = inspect_containers([Container(str(root))], passed, decode=decode, workers=1)
    done = intake.take_all(results, lambda number: on_progress(number, 0), BATCH)
    return _finish(intake, done, 1, passed, started, near_duplicates, workers, on_fingerprints)


def register_shards(
    registry: Registry,
    source: Path,
    owners: OwnerSource,
    *,
    now: datetime,
    data_set: str | None = None,
    workers: int = 1,
    decode: bool = False,
    near_duplicates: bool = True,
    on_progress: Progress = _no_progress,
    on_fingerprints: Progress = _no_progress,
) -> RegistrationReport:
    """Register the shards that img2dataset wrote: one ``.tar``, or a folder of them.

    What the ``.json`` of an image says (address, caption, licence, creator, further columns) counts as declared where the
    owners say nothing else. The arguments are those of :func:`register_folder`.

    Raises:
        InputError: there is no shard.
        UsageError: the data set's name belongs to another source.
    """
    started = time.monotonic()
    place = _resolved(source)
    root = place if place.is_dir() else place.parent
    shards = sorted(found for found in root.iterdir() if _is_shard(found)) if place.is_dir() else [place]
    shards = [shard for shard in shards if is_archive(shard)]
    if not shards:
        raise InputError(f"no shard in {source}; expected .tar files as img2dataset writes them")
    name = data_set or (root.name or "/" if place.is_dir() else _stem(place))
    intake = _intake(registry, name, root, "shards", owners, now)
    passed = Passed()
    containers = [Container(str(shard), f"{shard.name}{MARK}") for shard in shards]
    results = inspect_containers(containers, passed, decode=decode, workers=workers)
    done = intake.take_all(results, lambda number: on_progress(number, 0), BATCH)
    return _finish(intake, done, len(shards), passed, started, near_duplicates, workers, on_fingerprints)


def _intake(registry: Registry, name: str, root: Path, kind: str, owners: OwnerSource, now: datetime) -> Intake:
    # Other owners may be declared now: what those before had withdrawn stays withdrawn.
    cover_later_works(registry, now)
    return Intake(WorkStore(registry, name, root, now, kind), owners)


def _resolved(path: Path) -> Path:
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def _stem(path: Path) -> str:
    """An archive's name without what says that it is one."""
    return re.sub(r"\.(?:zip|t[a-z]+|tar\.[a-z0-9]+)$", "", path.name, flags=re.IGNORECASE) or path.name


def _is_shard(path: Path) -> bool:
    return path.suffix.lower() == ".tar" and not path.name.startswith(".") and path.is_file()


def _finish(
    intake: Intake,
    files: int,
    archives: int,
    passed: Passed,
    started: float,
    near_duplicates: bool,
    workers: int,
    on_fingerprints: Progress,
) -> RegistrationReport:
    total = intake.finish()
    seconds = {"registration": time.monotonic() - started}
    likenesses = Likenesses()
    if near_duplicates:
        started = time.monotonic()
        store = intake.store
        likenesses = find_likenesses(
            store.registry, store.data_set_id, now=store.now, workers=workers, on_progress=on_fingerprints
        )
        intake.findings.extend(likenesses.findings)
        seconds["fingerprints"] = time.monotonic() - started
    counts = intake.findings.counts
    return RegistrationReport(
        data_set=intake.store.name,
        kind=intake.store.kind,
        root=str(intake.store.root),
        files=files,
        archives=archives,
        registered=total.registered,
        unchanged=total.unchanged,
        moved=total.moved,
        found_again=total.found_again,
        superseded=total.superseded,
        missing=counts[Kind.MISSING],
        duplicates=counts[Kind.DUPLICATE],
        refused=counts[Kind.REFUSED],
        declarations=total.declarations,
        declarations_changed=total.declarations_changed,
        embedded=total.embedded,
        signals=total.signals,
        conflicts=counts[Kind.CONFLICT],
        hidden=passed.hidden,
        fingerprints=likenesses.fingerprints,
        not_comparable=likenesses.not_comparable,
        near_duplicate_pairs=likenesses.pairs,
        near_duplicates_across=likenesses.across,
        seconds={name: round(value, 3) for name, value in seconds.items()},
        counts={str(kind): number for kind, number in sorted(counts.items())},
        findings=intake.findings.kept,
    )
