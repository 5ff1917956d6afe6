"""Registering a folder: scan, inspect, match with owners, store; then what was moved and what is gone.

    report = register_folder(registry, Path("works"), OwnerTable(Path("owners.csv")), now=datetime.now(UTC))

Running it again on the same folder changes nothing. A changed declaration is recorded beside the earlier one; changed
content is a new work, and the former one, which no longer is where it was, stays on record but joins no new encoding.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from registry.database import Registry
from registry.ingest.findings import Finding, Kind
from registry.ingest.inspection import KnownWork, Refusal, Task, Work
from registry.ingest.owners import Declaration, NoDeclaration, OwnerSource
from registry.ingest.pool import inspect_files
from registry.ingest.scan import scan_folder
from registry.ingest.store import Changes, Item, WorkStore

BATCH = 4_096
"""Files per transaction; one takes a tenth of a second, whatever its size."""
BATCH_SECONDS = 10.0
"""A batch is stored after this time even if it is small, so that a killed run has lost little."""


@dataclass(frozen=True)
class RegistrationReport:
    """What a registration did and what it could not take."""

    data_set: str
    root: str
    files: int
    registered: int
    unchanged: int
    moved: int
    found_again: int
    missing: int
    duplicates: int
    refused: int
    declarations: int
    declarations_changed: int
    hidden: int
    findings: tuple[Finding, ...]
    """Sorted by path."""

    @property
    def works(self) -> int:
        """How many files of the folder are in the registry now."""
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
    on_progress: Callable[[int, int], object] = lambda _done, _total: None,
) -> RegistrationReport:
    """Register the images of a folder.

    Args:
        registry: where the works go.
        folder: searched with everything below it.
        owners: says whose each file is.
        now: the time to record.
        data_set: a name for the folder; its own unless given.
        workers: processes that read and hash.
        decode: decode every image completely.
        excluded: files and folders to leave out, beside the registry's home.
        on_progress: gets (files done, files in all).

    Raises:
        InputError: the folder cannot be read.
        UsageError: the data set's name belongs to another folder.
    """
    scan = scan_folder(folder, {path.resolve() for path in (registry.home.root, *excluded)})
    store = WorkStore(registry, data_set or scan.root.name or "/", scan.root, now)
    run = _Run(store, owners)
    known = store.known_hashes()
    tasks = [Task(path, known.get(path)) for path in scan.files]
    results = inspect_files(scan.root, tasks, decode=decode, workers=workers)
    for done, result in enumerate(results, start=1):
        run.take(result)
        on_progress(done, len(tasks))
    run.finish()
    findings = sorted((*scan.findings, *owners.findings, *owners.unused(), *run.findings))
    kinds = [finding.kind for finding in findings]
    return RegistrationReport(
        data_set=store.name,
        root=str(scan.root),
        files=len(tasks),
        registered=run.total.registered,
        unchanged=run.total.unchanged,
        moved=run.total.moved,
        found_again=run.total.found_again,
        missing=kinds.count(Kind.MISSING),
        duplicates=kinds.count(Kind.DUPLICATE),
        refused=kinds.count(Kind.REFUSED),
        declarations=run.total.declarations,
        declarations_changed=run.total.declarations_changed,
        hidden=scan.hidden,
        findings=tuple(findings),
    )


class _Run:
    """One registration while it goes on."""

    def __init__(self, store: WorkStore, owners: OwnerSource) -> None:
        self.store = store
        self.owners = owners
        self.total = Changes()
        self.findings: list[Finding] = []
        self.present: set[int] = set()
        self.kept: set[str] = set()  # paths of works that keep their place although nobody states their owner now
        self.batch: list[Item] = []
        self.stored_at = time.monotonic()

    def take(self, result: Work | KnownWork | Refusal) -> None:
        if isinstance(result, Refusal):
            self.findings.append(Finding(result.path, Kind.REFUSED, result.reason))
            return
        declaration = self.owners.declare(result.path, result.sha256)
        if isinstance(declaration, NoDeclaration):
            self.findings.append(Finding(result.path, Kind.REFUSED, declaration.reason))
            if isinstance(result, KnownWork):
                self.kept.add(result.path)
            return
        self.batch.append((result, declaration))
        if len(self.batch) >= BATCH or time.monotonic() - self.stored_at > BATCH_SECONDS:
            self._store()

    def finish(self) -> None:
        """Store the rest; then see which works moved within the folder, and which are gone."""
        self._store()
        candidates: dict[int, list[tuple[str, Declaration]]] = {}
        for found, declaration, place in self.total.elsewhere:
            candidates.setdefault(place.asset_id, []).append((found.path, declaration))
        absent = [place for place in self.store.absent(self.present) if place.path not in self.kept]
        moved = {place.asset_id: candidates[place.asset_id][0] for place in absent if place.asset_id in candidates}
        self.total.add(self.store.move([(asset_id, path, stated) for asset_id, (path, stated) in moved.items()]))
        gone = [place for place in absent if place.asset_id not in moved]
        self.store.mark_missing([place.asset_id for place in gone])
        self.findings += [
            Finding(place.path, Kind.MISSING, "registered earlier, not found with that content") for place in gone
        ]
        self._list_duplicates(moved)

    def _list_duplicates(self, moved: dict[int, tuple[str, Declaration]]) -> None:
        rightsholders = self.store.rightsholders_of([place.asset_id for _, _, place in self.total.elsewhere])
        for found, declaration, place in self.total.elsewhere:
            path, _ = moved.get(place.asset_id, (place.path, None))
            if (place.data_set, path) == (self.store.name, found.path):
                continue
            where = path if place.data_set == self.store.name else f"{path} of the data set {place.data_set!r}"
            reason = f"the same bytes as {where}, which is registered"
            stated, registered = declaration.rightsholder, rightsholders[place.asset_id]
            if stated is not None and stated != registered:
                reason += f" for {registered or 'nobody'}, not for {stated}"
            self.findings.append(Finding(found.path, Kind.DUPLICATE, reason))

    def _store(self) -> None:
        if self.batch:
            changes, present = self.store.add(self.batch)
            self.present |= present
            self.total.add(changes)
        self.batch = []
        self.stored_at = time.monotonic()
