"""Writes exports in the formats of standards: the file, its stamp beside it, and the log's event.

    made = write_croissant(registry, "museum", Path("museum.croissant.json"), now)

Two exports of the same facts differ only in the time and the log's end. Each reads in one
transaction, and the works of a data set once, in batches.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from registry.basis.check import checked_head
from registry.basis.rows import Basis
from registry.errors import UsageError
from registry.export.files import write_listing
from registry.home import scratch_folder
from registry.ids import sha256_of_file
from registry.storage.database import Registry
from reports.content.ensembles import read_ensemble
from reports.content.outputs import read_output
from reports.content.texts import plain
from reports.issuing.issue import File, Issued, record_issue, signed, write_file, write_table
from reports.issuing.stamp import Stamp, stamp_of
from reports.signatures.signing import Signing
from reports.standards import croissant, cyclonedx, prov, spdx

LISTING_SUFFIX = ".works.parquet"
LARGEST_DOCUMENT = 2**22
"""Most bytes of an earlier export to read: real ones have some thousands."""


@dataclass(frozen=True)
class Exported:
    """The files of an export, and the format's facts that the registry does not know."""

    path: Path
    files: tuple[Issued, ...]
    """The document first."""
    stamp: Stamp
    left_out: tuple[str, ...]


def write_croissant(registry: Registry, data_set: str, path: Path, now: datetime.datetime) -> Exported:
    """A data set in Croissant, with its works in ``<name>.works.parquet`` beside it.

    Raises:
        NotFoundError: no data set of this name.
        UsageError: the folder does not exist, or the listing's place holds another file.
        InputError: a file cannot be written.
    """
    registry.check_writable()
    _check_place(path)
    listing = _place_of_listing(path)
    signing = Signing.of(registry)
    with scratch_folder(path.parent, ".tables-") as scratch:
        # The stamp needs the works' hash, the file needs the stamp: keep the works between the two.
        kept, made = scratch / "works.parquet", scratch / listing.name
        with registry.connection() as connection:
            works = connection.execute(
                "SELECT id FROM asset WHERE data_set_id IN (SELECT id FROM data_set WHERE name = ?)", [data_set]
            ).to_arrow_table()["id"]
            head = checked_head(connection, registry.home, Basis(works=works.to_numpy()))
            found = croissant.read_facts(connection, data_set, kept)
            stamp = stamp_of(croissant.KIND, croissant.subject_of(found), plain(found), now, head, signing)
        write_listing(croissant.stamped(kept, stamp), made)
        described = croissant.Listing(listing.name, sha256_of_file(made), made.stat().st_size)
        file = _file(path, croissant.document(found, described, stamp), stamp, signing)
        of_works = write_table(made, listing, stamp, signing.proofs_of(made))
        issued = write_file(path.parent, file)
    record_issue(registry, [issued, of_works], now)
    return Exported(path, (issued, of_works), stamp, tuple(croissant.left_out(found)))


def _place_of_listing(path: Path) -> Path:
    """The place for a document's works: not another document's, and never over a foreign file."""
    name = path.name.removesuffix(".json").removesuffix(".croissant")
    stem = croissant.file_stem(name)
    if stem != name:
        stem += f"-{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"
    listing = path.with_name(stem + LISTING_SUFFIX)
    if (listing.exists() or listing.is_symlink()) and listing.name not in _listings_of(path):
        raise UsageError(
            f"cannot write {listing}: it is there already and no listing of {path.name}; remove it or choose another name"
        )
    return listing


def _listings_of(path: Path) -> list[str]:
    """The listings named by the document in this place; empty if it is no Croissant document."""
    try:
        if not path.is_file():
            return []
        with path.open("rb") as file:
            content = json.loads(file.read(LARGEST_DOCUMENT))
        return [str(each["contentUrl"]) for each in content["distribution"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def write_cyclonedx(registry: Registry, ensemble_id: str, path: Path, now: datetime.datetime) -> Exported:
    """An ensemble as a CycloneDX ML-BOM; the errors are those of :func:`write_croissant`."""
    form = StandardFormat(cyclonedx.KIND, read_ensemble, cyclonedx.document, cyclonedx.left_out, _of_ensemble)
    return _write_form(registry, form, ensemble_id, path, now)


def write_spdx(registry: Registry, ensemble_id: str, path: Path, now: datetime.datetime) -> Exported:
    """An ensemble in SPDX 3; the errors are those of :func:`write_croissant`."""
    return _write_form(
        registry,
        StandardFormat(spdx.KIND, read_ensemble, spdx.document, spdx.left_out, _of_ensemble),
        ensemble_id,
        path,
        now,
    )


def write_prov(registry: Registry, output: str, path: Path, now: datetime.datetime) -> Exported:
    """The lineage of one output in PROV-JSON; ``output``: a subject from :func:`find_output`."""
    return _write_form(
        registry, StandardFormat(prov.KIND, read_output, prov.document, prov.left_out, _of_output), output, path, now
    )


@dataclass(frozen=True)
class StandardFormat:
    """The making of one standard's document."""

    kind: str
    read: Callable[[duckdb.DuckDBPyConnection, str], Any]
    document: Callable[[Any, Stamp], dict[str, Any]]
    left_out: Callable[[Any], list[str]]
    basis: Callable[[str], Basis]


def _of_ensemble(subject: str) -> Basis:
    return Basis(ensembles=[subject], whole_encodings=True)


def _of_output(subject: str) -> Basis:
    kind, _, name = subject.partition(" ")
    return Basis(audits=[name]) if kind == "audit" else Basis(samples=[name])


def ensemble_facts(registry: Registry, subject: str) -> object:
    """The facts of an export of the ensemble ``subject``, for its stamp."""
    with registry.connection() as connection:
        return plain(read_ensemble(connection, subject))


def output_facts(registry: Registry, subject: str) -> object:
    """The facts of an export of an output, for its stamp."""
    with registry.connection() as connection:
        return plain(read_output(connection, subject))


def _write_form(registry: Registry, form: StandardFormat, subject: str, path: Path, now: datetime.datetime) -> Exported:
    registry.check_writable()
    _check_place(path)
    signing = Signing.of(registry)
    with registry.connection() as connection:
        head = checked_head(connection, registry.home, form.basis(subject))
        found = form.read(connection, subject)
        stamp = stamp_of(form.kind, subject, plain(found), now, head, signing)
    issued = write_file(path.parent, _file(path, form.document(found, stamp), stamp, signing))
    record_issue(registry, [issued], now)
    return Exported(path, (issued,), stamp, tuple(form.left_out(found)))


def _file(path: Path, content: dict[str, Any], stamp: Stamp, signing: Signing) -> File:
    data = (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    return signed(signing, [File(path.name, data, stamp, carries_stamp=False)])[0]


def _check_place(path: Path) -> None:
    if not path.parent.is_dir():
        raise UsageError(
            f"cannot write {path}: there is no folder {path.parent}; make it first, or correct the path (nothing was written)"
        )
    if path.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder; expected a file's name (nothing was written)")
    if path.suffix != ".json":
        raise UsageError(f"cannot write {path}: expected a file whose name ends in .json (nothing was written)")
