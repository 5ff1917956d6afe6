"""Was this document altered, and would the registry still say the same?

The registry's log has the hash of each document's bytes. The stamp, in the document or beside it,
says what the document was made from. A forger can make the stamp fit again, but not the log.
"""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Literal

import duckdb
import pyarrow.parquet as pq
from pyarrow import ArrowException
from pydantic import ValidationError

from registry.errors import CreditlineError, InputError, LockedRegistryError, NotFoundError
from registry.event_log.events import GENESIS
from registry.ids import sha256_of
from registry.storage.database import Registry
from registry.works.lookup import resolve_rightsholder
from reports.checking.document_types import KINDS, VERSIONED
from reports.checking.signature_check import NOT_SIGNED, SignatureVerdict, check_signature
from reports.issuing.issue import EVENT, Issued, find_issued, find_later
from reports.issuing.stamp import PARQUET_KEY, SUFFIX, UNRECORDED, Stamp, beside
from reports.statements.document import STATEMENT

LARGEST_STAMP = 2**22
SEARCHED = 16 * 2**20
"""Bytes at each end of a document to search for its stamp; a table may have far more in between."""
MOST_TRIED = 32
"""Places of a JSON file to try for a stamp: creditline writes it once, near an end."""
State = Literal["unaltered", "altered", "foreign", "unknown"]
_META = re.compile(rb'<meta name="' + Stamp.meta_name.encode() + rb'" content="([^"]{1,4000000})">')
_FIELD = re.compile(rb'"stamp"\s{0,8}:\s{0,8}(?=\{)')
_CREDENTIALS = "it has Content Credentials: `creditline credentials FILE` says whether what was signed was altered"
MEANING: dict[State, str] = {
    "unaltered": "these are the bytes that the registry's log names as issued",
    "altered": "its stamp is of this registry, but the log names no file with these bytes: it was altered, or never issued",
    "foreign": "its stamp names an end of a log that this registry's log never had: it was made from another registry, which "
    "must check it, or its stamp is forged",
    "unknown": "it carries no stamp, and the log names no file with these bytes: it was not issued here, "
    "or an edit removed its stamp",
}


@dataclass(frozen=True)
class Checked:
    """The findings on one file."""

    sha256: str
    state: State
    stamp: Stamp | None
    event: int | None
    """The event of the log that names the document."""
    issued: Issued | None
    events_since: dict[str, int] | None
    """Events by kind since the document's facts were read; without a stamp, since its own event."""
    facts: Literal["same", "changed", "not compared"]
    """Whether the registry would say the same of its subject now."""
    reason: str
    """Why facts were not compared, or the error of the comparison; else empty."""
    later: tuple[int, Issued] | None = None
    """A newer document of the same kind and subject with other facts, and its event."""
    stamp_fits: bool = True
    """Whether stamp and log agree, for a document that the log names."""
    signature: SignatureVerdict = NOT_SIGNED

    @property
    def whole(self) -> bool:
        """Whether the document is as it was issued, and its signature, if any, is not bad."""
        return self.state == "unaltered" and self.signature.state != "bad signature"


def check_document(registry: Registry, path: Path) -> Checked:
    """Compare a file with the registry's log, and its facts with the registry's facts now.

    Raises:
        InputError: the file cannot be read, or is the stamp of another document.
        IntegrityError: the log is not as it was written.
        LockedRegistryError: another process holds the registry.
    """
    if path.name.endswith(SUFFIX) and path.name != SUFFIX:
        raise InputError(f"{path} is the stamp of a document; give the document, {path.name.removesuffix(SUFFIX)}")
    with _plain_file(path) as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        stamp = stamp_in(path, file)
        file.seek(0)
        credentials = _CREDENTIALS if stamp is None and b"jumb" in file.read(SEARCHED) else ""
    signature = check_signature(registry, path, stamp)
    with registry.connection() as connection:
        found = find_issued(connection, sha256, stamp)
        known = stamp is not None and _had_end(connection, stamp)
        fits = found is not None and stamp is not None and known and _says(stamp) == _says(found[1])
        start = stamp.log_sequence if stamp and known and (fits or not found) else found[0] if found else None
        since = None if start is None else _events_since(connection, start)
        later = _later(connection, *found) if found else None
    if found is None:
        state: State = "unknown" if stamp is None else "altered" if known else "foreign"
        reason = credentials or (UNRECORDED if stamp is not None and not stamp.recorded else MEANING[state])
        return Checked(sha256, state, stamp, None, None, since, "not compared", reason, signature=signature)
    event, issued = found
    facts, reason = _compare(registry, issued)
    if facts == "changed" and not reason and not since:
        reason = (
            "no event tells why: files that it was read from have changed, or another version of creditline made it"
        )
    return Checked(sha256, "unaltered", stamp, event, issued, since, facts, reason, later, fits, signature)


def stamp_in(path: Path, file: BinaryIO) -> Stamp | None:
    """The stamp in a document or beside it; None if no stamp can be read."""
    try:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        data = file.read(SEARCHED)
        if data.startswith(b"PAR1"):
            file.seek(-8, os.SEEK_END)
            if int.from_bytes(file.read(4), "little") > SEARCHED:
                return None
            metadata = pq.read_schema(file).metadata or {}
            return Stamp.model_validate_json(metadata[PARQUET_KEY])
        embedded = _META.search(data)
        if embedded:
            return Stamp.model_validate_json(html.unescape(embedded.group(1).decode()))
        if data[:64].lstrip()[:1] == b"{":
            if size > SEARCHED:
                tail = max(SEARCHED, size - SEARCHED)
                file.seek(tail)
                data += (b"\n" if tail > SEARCHED else b"") + file.read(SEARCHED)
            for stamp in _stamps_in(data):
                return stamp
        if beside(path).is_file():
            with _plain_file(beside(path)) as lying:
                return Stamp.model_validate(json.loads(lying.read(LARGEST_STAMP))["stamp"])
    except (ValidationError, ValueError, KeyError, TypeError, RecursionError, InputError, ArrowException, OSError):
        return None
    return None


def _stamps_in(data: bytes) -> Iterator[Stamp]:
    """Stamps in a JSON document, read without parsing the rest, which could fill the memory."""
    decoder = json.JSONDecoder()
    for place, match in enumerate(_FIELD.finditer(data)):
        if place == MOST_TRIED:
            return
        text = data[match.end() : match.end() + LARGEST_STAMP].decode(errors="replace")
        try:
            yield Stamp.model_validate(decoder.raw_decode(text)[0])
        except (ValidationError, ValueError, RecursionError):
            continue


def _later(connection: duckdb.DuckDBPyConnection, event: int, issued: Issued) -> tuple[int, Issued] | None:
    found = find_later(connection, event, issued, versioned=issued.kind in VERSIONED)
    if found is not None or issued.kind != STATEMENT.kind:
        return found
    # A merged record: read the statement of the record it was merged into.
    try:
        counting = f"#{resolve_rightsholder(connection, issued.subject)}"
    except CreditlineError:
        return None
    return find_later(connection, event, replace(issued, subject=counting), versioned=False)


def _says(named: Stamp | Issued) -> tuple[str, str, str]:
    return named.kind, named.subject, named.facts_sha256


def _compare(registry: Registry, issued: Issued) -> tuple[Literal["same", "changed", "not compared"], str]:
    read = KINDS.get(issued.kind)
    if read is None:
        return "not compared", f"no documents of the kind {issued.kind!r} are made any more"
    try:
        now = sha256_of(read(registry, issued.subject))
    except LockedRegistryError:
        raise
    except NotFoundError as error:
        return "changed", str(error)
    except CreditlineError as error:
        return "not compared", str(error)
    return ("same", "") if now == issued.facts_sha256 else ("changed", "")


def _had_end(connection: duckdb.DuckDBPyConnection, stamp: Stamp) -> bool:
    if not stamp.log_sequence:
        return stamp.log_sha256 == GENESIS
    row = connection.execute("SELECT sha256 FROM event WHERE sequence = ?", [stamp.log_sequence]).fetchone()
    return row is not None and row[0] == stamp.log_sha256


def _events_since(connection: duckdb.DuckDBPyConnection, sequence: int) -> dict[str, int]:
    """Counts by kind, largest first, without documents issued, which change no facts."""
    rows = connection.execute(
        "SELECT kind, count(*) FROM event WHERE sequence > ? AND kind <> ? GROUP BY kind ORDER BY 2 DESC, 1",
        [sequence, EVENT],
    ).fetchall()
    return {str(kind): int(amount) for kind, amount in rows}


@contextmanager
def _plain_file(path: Path) -> Iterator[BufferedReader]:
    try:
        # Opening a pipe would block until another process writes to it.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise InputError(f"cannot read {path}: got a folder or a device, expected a file")
            yield file
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
