"""Giving documents out: each file appears whole, and the log says which files, by hash, left the
house.

    issued = [write_file(folder, file) for file in files]
    record_issue(registry, issued, now)

The event comes after the files: killed in between, files are there that the log does not name, and
`creditline report verify` says so; making them again mends it.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb
from pydantic import BaseModel

from registry.errors import InputError, IntegrityError
from registry.event_log.events import changing
from registry.home import write_bytes_atomically
from registry.ids import canonical_json, sha256_of_file
from registry.storage.database import Registry
from reports.issuing.stamp import Stamp, beside, stamp_file

EVENT = "documents issued"
MOST_OF_EVENT = 1_000
"""Documents that one event names."""
VERSION_MARK = " version "
"""Between what a document in versions is about and its number, in its subject."""


@dataclass(frozen=True)
class File:
    """A file that is ready to be written."""

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


def write_file(folder: Path, file: File) -> Issued:
    """Write one file, and its stamp beside it where its format has no place for one.

    Raises:
        InputError: the folder cannot be written to.
    """
    sha256 = hashlib.sha256(file.data).hexdigest()
    path, stamp = folder / file.name, file.stamp
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes_atomically(path, file.data)
        if not file.carries_stamp:
            write_bytes_atomically(beside(path), stamp_file(stamp, sha256))
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write {path} ({reason}); choose another folder or make room") from error
    return Issued(file.name, sha256, stamp.kind, stamp.subject, stamp.facts_sha256)


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
    """A document of facts for machines, as UTF-8: what it is, the version of its form, its stamp,
    then the facts.
    """
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


def find_issued(
    connection: duckdb.DuckDBPyConnection, sha256: str, stamp: Stamp | None = None
) -> tuple[int, Issued] | None:
    """The newest event that names a file with these bytes, and what it says of it; None if there is
    none.

    The same bytes may have been given out more than once, of different facts: then the newest that
    the ``stamp`` is of counts.

    Raises:
        IntegrityError: the event is not one that was written here.
    """
    rows = connection.execute(
        "SELECT sequence, after FROM event WHERE kind = ? AND contains(after, ?) ORDER BY sequence DESC",
        [EVENT, sha256],
    ).fetchall()
    named = [
        (int(sequence), each)
        for sequence, after in rows
        for each in _documents(int(sequence), after)
        if each.sha256 == sha256
    ]
    said = None if stamp is None else (stamp.kind, stamp.subject, stamp.facts_sha256)
    of_stamp = [found for found in named if (found[1].kind, found[1].subject, found[1].facts_sha256) == said]
    return next(iter(of_stamp or named), None)


def find_later(
    connection: duckdb.DuckDBPyConnection, event: int, issued: Issued, *, versioned: bool
) -> tuple[int, Issued] | None:
    """The newest document that took the place of one; None if none did.

    It is of the same kind and subject, was given out after ``event``, and says something else. Of a
    kind in versions each has a subject of its own, which ends in its number: a higher one takes the
    place of a lower one, whatever it says.

    Raises:
        IntegrityError: an event is not one that was written here.
    """
    about, number = _version_in(issued.subject) if versioned else (issued.subject, 0)
    written = canonical_json(about)[: -1 if versioned else None]
    found = connection.execute(
        "SELECT sequence, after FROM event WHERE kind = ? AND sequence > ? AND contains(after, ?) ORDER BY sequence DESC",
        [EVENT, event, f'"subject":{written}'],
    )
    suffix = Path(issued.name).suffix
    while row := found.fetchone():
        named = [each for each in _documents(int(row[0]), row[1]) if each.kind == issued.kind]
        # Beside each other lie the same facts in several formats.
        for each in sorted(named, key=lambda document: Path(document.name).suffix != suffix):
            if versioned and _version_in(each.subject)[0] == about and _version_in(each.subject)[1] > number:
                return int(row[0]), each
            if not versioned and each.subject == about:
                return None if each.facts_sha256 == issued.facts_sha256 else (int(row[0]), each)
    return None


def _version_in(subject: str) -> tuple[str, int]:
    """What a document is a version about, and its number."""
    about, _, number = subject.rpartition(VERSION_MARK)
    return (about, int(number)) if about and number.isdecimal() and len(number) < 10 else (subject, 0)


def _documents(sequence: int, after: str) -> list[Issued]:
    try:
        return [Issued(**each) for each in json.loads(after)["documents"]]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise IntegrityError(f"event {sequence:,} of the log cannot be read: run `creditline log verify`") from error
