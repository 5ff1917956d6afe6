"""Issues documents: writes each file whole, and records in the log the name and hash of each.

    issued = [write_file(folder, file) for file in files]
    record_issue(registry, issued, now)

The event comes after the files. If the process is killed in between, the log does not name the
files, and `creditline report verify` says so; issue them again.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import duckdb

from registry.errors import IntegrityError
from registry.event_log.events import changing
from registry.home import write_bytes_atomically, writing
from registry.ids import canonical_json, sha256_of_file
from registry.storage.database import Registry
from reports.issuing.stamp import Stamp, beside, stamp_file
from reports.signatures.signing import Signing, write_proofs

EVENT = "documents issued"
MOST_OF_EVENT = 1_000
"""Most documents that one event names."""
VERSION_MARK = " version "
"""Between subject and version number in a stamp's subject, for documents with versions."""


@dataclass(frozen=True)
class File:
    """A file ready to be written."""

    name: str
    data: bytes
    stamp: Stamp
    carries_stamp: bool = True
    """Whether the stamp is in the data; otherwise it is written to a file beside it."""
    proofs: Mapping[str, bytes] = field(default_factory=dict)
    """Signature and time stamp of the data, see :func:`signed`."""


def signed(signing: Signing, files: Sequence[File]) -> list[File]:
    """The files with their signatures, all made before the first is written.

    Raises:
        InputError: the time stamp authority does not answer as it should.
    """
    return [replace(file, proofs=signing.proofs(file.data)) for file in files]


@dataclass(frozen=True)
class Issued:
    """The log's record of a file."""

    name: str
    sha256: str
    kind: str
    subject: str
    facts_sha256: str


def write_file(folder: Path, file: File) -> Issued:
    """Write one file, and its stamp beside it if its format has no place for a stamp.

    Raises:
        InputError: the folder cannot be written to.
    """
    sha256 = hashlib.sha256(file.data).hexdigest()
    path, stamp = folder / file.name, file.stamp
    with writing(path):
        write_bytes_atomically(path, file.data)
        write_proofs(path, file.proofs)
        if not file.carries_stamp:
            write_bytes_atomically(beside(path), stamp_file(stamp, sha256))
    return Issued(file.name, sha256, stamp.kind, stamp.subject, stamp.facts_sha256)


def write_table(made: Path, place: Path, stamp: Stamp, proofs: Mapping[str, bytes]) -> Issued:
    """Move a table that may be larger than memory into its place, with its stamp beside it.

    ``proofs``: of its bytes, as :meth:`reports.signatures.signing.Signing.proofs_of` makes them.

    Raises:
        InputError: the folder cannot be written.
    """
    sha256 = sha256_of_file(made)
    with writing(place):
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.replace(place)
        write_bytes_atomically(beside(place), stamp_file(stamp, sha256))
        write_proofs(place, proofs)
    return Issued(place.name, sha256, stamp.kind, stamp.subject, stamp.facts_sha256)


def record_issue(registry: Registry, issued: Sequence[Issued], now: datetime.datetime) -> None:
    """Record issued files in the log.

    Raises:
        IntegrityError: the log is not whole.
        LockedRegistryError: another process holds the registry.
    """
    # The files are written already: wait for another command rather than leave them unrecorded.
    with changing(registry.patient(), now) as change:
        for start in range(0, len(issued), MOST_OF_EVENT):
            part = issued[start : start + MOST_OF_EVENT]
            change.record(EVENT, f"{len(part)} documents", after={"documents": [asdict(each) for each in part]})


def find_issued(
    connection: duckdb.DuckDBPyConnection, sha256: str, stamp: Stamp | None = None
) -> tuple[int, Issued] | None:
    """The newest event that names a file with these bytes, and its entry; None if there is none.

    The same bytes may have been issued more than once, from different facts. Then the newest entry
    that agrees with the ``stamp`` counts.

    Raises:
        IntegrityError: the event is not in creditline's form.
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
    stamped = None if stamp is None else (stamp.kind, stamp.subject, stamp.facts_sha256)
    of_stamp = [found for found in named if (found[1].kind, found[1].subject, found[1].facts_sha256) == stamped]
    return next(iter(of_stamp or named), None)


def find_later(
    connection: duckdb.DuckDBPyConnection, event: int, issued: Issued, *, versioned: bool
) -> tuple[int, Issued] | None:
    """The newest document that replaces one; None if none does.

    It has the same kind and subject, was issued after ``event``, and has other facts. Subjects with
    versions end in a number: a higher number replaces a lower one, whatever its facts.

    Raises:
        IntegrityError: an event is not in creditline's form.
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
        # Several formats of the same facts may lie beside each other.
        for each in sorted(named, key=lambda document: Path(document.name).suffix != suffix):
            if versioned and _version_in(each.subject)[0] == about and _version_in(each.subject)[1] > number:
                return int(row[0]), each
            if not versioned and each.subject == about:
                return None if each.facts_sha256 == issued.facts_sha256 else (int(row[0]), each)
    return None


def _version_in(subject: str) -> tuple[str, int]:
    """Subject without its version number, and the number."""
    about, _, number = subject.rpartition(VERSION_MARK)
    return (about, int(number)) if about and number.isdecimal() and len(number) < 10 else (subject, 0)


def _documents(sequence: int, after: str) -> list[Issued]:
    try:
        return [Issued(**each) for each in json.loads(after)["documents"]]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise IntegrityError(f"event {sequence:,} of the log cannot be read: run `creditline log verify`") from error
