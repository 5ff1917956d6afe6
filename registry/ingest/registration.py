"""Registering works from a folder, an archive or shards.

    register_folder(registry, Path("works"), OwnerTable(Path("owners.csv")), now=now)
    register_archive(registry, Path("works.zip"), OneOwner("Ada Example", "CC-BY-4.0"), now=now)
    register_shards(registry, Path("shards"), OneOwner(None, None), now=now)

A second run on the same source changes nothing. A changed declaration is recorded beside the
earlier one. Changed content is a new work; the former work stays on record as missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict, Unpack

from registry.captions.template import Template
from registry.ingest.findings import Finding, Kind, names_alike
from registry.ingest.intake import Intake
from registry.ingest.near_duplicates import NearDuplicates, find_near_duplicates
from registry.ingest.open_sources import FileSource, open_archive, open_folder, open_shards
from registry.ingest.owners.declarations import OwnerSource
from registry.ingest.store.data_set import SourceDataSet, name_of_archive
from registry.ingest.store.file_captions import CaptionRule
from registry.ingest.store.files import FileStore
from registry.ingest.store.unread_licences import unread_licences
from registry.rightsholders.alike_names import next_rightsholder_id
from registry.storage.database import Registry
from registry.withdrawals.record import cover_later_works
from registry.works.captions import works_by_caption_source

BATCH = 16_384
"""Files per transaction, at most."""

Progress = Callable[[int, int], object]
"""Gets (done, total); total is 0 while it is unknown."""


@dataclass(frozen=True)
class RegistrationReport:
    """Result of a registration."""

    data_set: str
    kind: str
    """``folder``, ``archive`` or ``shards``."""
    root: str
    files: int
    """Files and members of archives that were read."""
    archives: int
    registered: int
    unchanged: int
    moved: int
    found_again: int
    captions: int
    """Captions that were recorded."""
    captions_changed: int
    """Of these, captions in place of another one."""
    captioned: dict[str, int]
    """Works of the data set by the source of their captions; ``none``: works without a caption."""
    superseded: int
    """Works that a list had registered without a file, now replaced by their file."""
    missing: int
    duplicates: int
    refused: int
    declarations: int
    declarations_changed: int
    further: int
    """Declarations of files whose bytes lie elsewhere as a work that is declared otherwise."""
    embedded: int
    """New works with embedded metadata."""
    signals: int
    """Rights signals in that metadata."""
    conflicts: int
    hidden: int
    fingerprints: int
    not_comparable: int
    """Fingerprinted works with too little detail to be compared."""
    near_duplicate_pairs: int
    """New pairs of works that look alike."""
    near_duplicates_across: int
    """Groups of near duplicates with a new work and several rightsholders."""
    seconds: dict[str, float]
    """``registration`` and ``fingerprints``."""
    counts: dict[str, int]
    """Findings by kind, including those that are not listed."""
    findings: tuple[Finding, ...]
    """Sorted by path; of each kind at most :data:`registry.ingest.findings.KEPT`."""

    @property
    def works(self) -> int:
        """Files of the source that are registered works now."""
        return self.registered + self.unchanged + self.moved

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def _no_progress(_done: int, _total: int) -> None:
    pass


class Options(TypedDict, total=False):
    """How to register.

    ``captions``: a template of captions, instead of the captions as they are. ``data_set``: a name
    for the source; default: its own. ``workers``: processes that read and hash. ``decode``: decode
    every image completely. ``near_duplicates``: look for works that look alike afterwards.
    ``on_progress``: gets (files done, total); members of an archive count once it is read.
    ``on_fingerprints``: the same for works that are fingerprinted.
    """

    captions: Template | None
    data_set: str | None
    workers: int
    decode: bool
    near_duplicates: bool
    on_progress: Progress
    on_fingerprints: Progress


def register_folder(
    registry: Registry,
    folder: Path,
    owners: OwnerSource,
    *,
    now: datetime,
    excluded: Iterable[Path] = (),
    **options: Unpack[Options],
) -> RegistrationReport:
    """Register the images of a folder, and those in its archives.

    Everything below the folder is searched, except ``excluded`` and the registry's home.

    Raises:
        InputError: the folder cannot be read.
        UsageError: the data set's name belongs to another source, or the template of captions has a
            field that is no column.
    """
    without = (registry.home.root, *excluded)
    return _register(
        registry,
        lambda workers, decode: open_folder(folder, workers=workers, decode=decode, excluded=without),
        owners,
        now,
        **options,
    )


def register_archive(
    registry: Registry, path: Path, owners: OwnerSource, *, now: datetime, **options: Unpack[Options]
) -> RegistrationReport:
    """Register the images in a ZIP or TAR archive; arguments as for :func:`register_folder`.

    Raises:
        InputError: it is not an archive, or nothing of it can be read.
        UsageError: the data set's name belongs to another source.
    """
    return _register(
        registry, lambda workers, decode: open_archive(path, workers=workers, decode=decode), owners, now, **options
    )


def register_shards(
    registry: Registry, source: Path, owners: OwnerSource, *, now: datetime, **options: Unpack[Options]
) -> RegistrationReport:
    """Register shards of img2dataset; arguments as for :func:`register_folder`.

    The ``.json`` of an image (address, caption, licence, creator, further columns) counts as its
    declaration where ``owners`` states nothing.

    Raises:
        InputError: there is no shard.
        UsageError: the data set's name belongs to another source.
    """
    return _register(
        registry, lambda workers, decode: open_shards(source, workers=workers, decode=decode), owners, now, **options
    )


def _register(
    registry: Registry,
    opened: Callable[[int, bool], FileSource],
    owners: OwnerSource,
    now: datetime,
    *,
    captions: Template | None = None,
    data_set: str | None = None,
    workers: int = 1,
    decode: bool = False,
    near_duplicates: bool = True,
    on_progress: Progress = _no_progress,
    on_fingerprints: Progress = _no_progress,
) -> RegistrationReport:
    started = time.monotonic()
    source = opened(workers, decode)
    rule = CaptionRule(captions)
    rule.check(owners.attribute_names, open_columns=source.kind == "shards")
    # The source may declare other owners: works withdrawn by the former owners stay withdrawn.
    cover_later_works(registry, now)
    name = data_set or (name_of_archive(registry, source.root) if source.kind == "archive" else source.name)
    into = SourceDataSet(registry, name, source.kind, source.root, now)
    with registry.connection() as connection:
        since = next_rightsholder_id(connection)
    intake = Intake(FileStore(registry, into, now, rule), owners, source.texts)
    intake.findings.extend(source.findings)
    done = intake.take_all(
        source.inspect(intake.known),
        lambda number: on_progress(number, source.total and max(number, source.total)),
        BATCH,
    )
    total = intake.finish()
    with registry.connection() as connection:
        intake.findings.extend(names_alike(connection, since))
    seconds = {"registration": time.monotonic() - started}
    near = NearDuplicates()
    if near_duplicates:
        started = time.monotonic()
        near = find_near_duplicates(registry.patient(), into.id, now=now, workers=workers, on_progress=on_fingerprints)
        intake.findings.extend(near.findings)
        seconds["fingerprints"] = time.monotonic() - started
    intake.findings.extend(unread_licences(registry.patient(), into.id))
    counts = intake.findings.counts
    with registry.patient().connection() as connection:
        captioned = works_by_caption_source(connection, into.id)
    return RegistrationReport(
        data_set=into.name,
        kind=into.kind,
        root=str(into.root),
        files=done,
        archives=source.archives,
        registered=total.registered,
        unchanged=total.unchanged,
        moved=total.moved,
        found_again=total.found_again,
        captions=total.captions,
        captions_changed=total.captions_changed,
        captioned=captioned,
        superseded=total.superseded,
        missing=counts[Kind.MISSING],
        duplicates=counts[Kind.DUPLICATE],
        refused=counts[Kind.REFUSED],
        declarations=total.declarations,
        declarations_changed=total.declarations_changed,
        further=total.further,
        embedded=total.embedded,
        signals=total.signals,
        conflicts=counts[Kind.CONFLICT],
        hidden=source.skipped.hidden,
        fingerprints=near.fingerprints,
        not_comparable=near.not_comparable,
        near_duplicate_pairs=near.pairs,
        near_duplicates_across=near.across,
        seconds={name: round(value, 3) for name, value in seconds.items()},
        counts={str(kind): number for kind, number in sorted(counts.items())},
        findings=intake.findings.kept,
    )
