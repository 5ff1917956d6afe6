"""Giving documents out: each file appears whole, and the log says which files, by hash, left the house.

    issued = [write_document(folder, document) for document in documents]
    record_issue(registry, issued, now)

The event comes after the files: killed in between, files are there that the log does not name, and `creditline report verify`
says so; making them again mends it.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb
from pydantic import BaseModel

from registry.database import Registry
from registry.errors import InputError, IntegrityError
from registry.events import changing
from registry.home import write_bytes_atomically
from registry.ids import canonical_json, sha256_of_file
from reports.stamps import Stamp, beside, stamp_file

EVENT = "documents issued"
MOST_OF_EVENT = 1_000
"""Documents that one event names."""
_VERSION = re.compile(r" version [0-9]{1,9}$")


@dataclass(frozen=True)
class Document:
    """A file that is ready to be given out."""

    name: str
    data: bytes
    stamp: Stamp
    carries_stamp: bool = True
    """Whether the stamp is in the data; otherwise it goes into a file beside it."""


@dataclass(frozen=True)
class Issued:
    """What the log says about a file."""

    name: str
    sha256: str
    kind: str
    subject: str
    facts_sha256: str


def write_document(folder: Path, document: Document) -> Issued:
    """Write one file, and its stamp beside it where its format has no place for one.

    Raises:
        InputError: the folder cannot be written to.
    """
    sha256 = hashlib.sha256(document.data).hexdigest()
    path, stamp = folder / document.name, document.stamp
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes_atomically(path, document.data)
        if not document.carries_stamp:
            write_bytes_atomically(beside(path), stamp_file(stamp, sha256))
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write {path} ({reason}); choose another folder or make room") from error
    return Issued(document.name, sha256, stamp.kind, stamp.subject, stamp.facts_sha256)


def scratch_in(out: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder of the same disk in which tables are made; gone afterwards.

    Raises:
        InputError: the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=".tables-", dir=out)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write to {out} ({reason}); choose another --out") from error


def write_table(made: Path, place: Path, stamp: Stamp) -> Issued:
    """Move a table that may be larger than memory into its place, with its stamp beside it.

    Raises:
        InputError: the folder cannot be written.
    """
    sha256 = sha256_of_file(made)
    try:
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.replace(place)
        write_bytes_atomically(beside(place), stamp_file(stamp, sha256))
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write {place} ({reason}); choose another folder or make room") from error
    return Issued(place.name, sha256, stamp.kind, stamp.subject, stamp.facts_sha256)


def stamped_json(kind: str, version: int, facts: BaseModel, stamp: Stamp) -> bytes:
    """A document of facts for machines, as UTF-8: what it is, the version of its form, its stamp, then the facts."""
    document = {
        "creditline": kind,
        "version": version,
        "stamp": stamp.model_dump(mode="json"),
        **facts.model_dump(mode="json"),
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def record_issue(registry: Registry, issued: Sequence[Issued], now: datetime.datetime) -> None:
    """Have the log name files that were given out.

    Raises:
        IntegrityError: the log is not whole.
        LockedRegistryError: another process holds the registry.
    """
    # The files are out: another command is waited for, rather than leave them without their entry.
    with changing(registry.patient(), now) as change:
        for start in range(0, len(issued), MOST_OF_EVENT):
            part = issued[start : start + MOST_OF_EVENT]
            change.record(EVENT, f"{len(part)} documents", after={"documents": [asdict(each) for each in part]})


def find_issued(connection: duckdb.DuckDBPyConnection, sha256: str) -> tuple[int, Issued] | None:
    """The newest event that names a file with these bytes, and what it says of it; None if there is none.

    Raises:
        IntegrityError: the event is not one that was written here.
    """
    rows = connection.execute(
        "SELECT sequence, after FROM event WHERE kind = ? AND contains(after, ?) ORDER BY sequence DESC",
        [EVENT, sha256],
    ).fetchall()
    for sequence, after in rows:
        for each in _documents(int(sequence), after):
            if each.sha256 == sha256:
                return int(sequence), each
    return None


def find_later(connection: duckdb.DuckDBPyConnection, event: int, issued: Issued) -> tuple[int, Issued] | None:
    """The newest document of this kind and subject that was given out after an event, of other facts; None if there is none.

    Versions of a filing have subjects of their own, and are about the same.

    Raises:
        IntegrityError: an event is not one that was written here.
    """
    about = _VERSION.sub("", issued.subject)
    rows = connection.execute(
        "SELECT sequence, after FROM event WHERE kind = ? AND sequence > ? AND contains(after, ?) ORDER BY sequence DESC",
        [EVENT, event, canonical_json(about)[1:-1]],
    ).fetchall()
    for sequence, after in rows:
        for each in _documents(int(sequence), after):
            if each.kind == issued.kind and _VERSION.sub("", each.subject) == about:
                return None if each.facts_sha256 == issued.facts_sha256 else (int(sequence), each)
    return None


def _documents(sequence: int, after: str) -> list[Issued]:
    try:
        return [Issued(**each) for each in json.loads(after)["documents"]]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise IntegrityError(f"event {sequence:,} of the log cannot be read: run `creditline log verify`") from error
