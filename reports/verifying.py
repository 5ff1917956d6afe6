"""Was this document altered, and would the registry still say the same?

A document is known by the hash of its bytes, which the registry's log has. Its stamp, inside it or beside it, says what it was
made from. Whoever alters a document can make its stamp fit again, but not the log.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow.parquet as pq
from pyarrow import ArrowException
from pydantic import ValidationError

from registry.database import Registry
from registry.errors import CreditlineError, InputError, LockedRegistryError
from registry.ids import sha256_of
from reports.issuing import EVENT, Issued, find_issued
from reports.kinds import KINDS
from reports.stamps import META, PARQUET_KEY, Stamp, beside

LARGEST = 256 * 2**20
LARGEST_STAMP = 2**20
State = Literal["unaltered", "altered", "foreign", "unknown"]
_META = re.compile(rb'<meta name="' + META.encode() + rb'" content="([^"]{1,400000})">')
MEANING: dict[State, str] = {
    "unaltered": "these are the bytes that the registry's log says were given out",
    "altered": "its stamp is of this registry, but the log names no file with these bytes: it was altered, or never given out",
    "foreign": "its stamp names an end of a log that this registry's log never had: it was made from another registry, or forged",
    "unknown": "it carries no stamp, and the log names no file with these bytes: it was not made here, or altered beyond that",
}


@dataclass(frozen=True)
class Checked:
    """What is found of one file."""

    sha256: str
    state: State
    stamp: Stamp | None
    event: int | None
    """The event of the log that names it."""
    issued: Issued | None
    events_since: int | None
    """Events that the log has after those that the document was made from; its own issue does not count."""
    facts: Literal["same", "changed", "not compared"]
    """Whether the registry would say the same of its subject now."""
    reason: str
    """Why facts were not compared; empty if they were."""

    @property
    def whole(self) -> bool:
        """Whether nothing speaks against the document."""
        return self.state == "unaltered"


def check_document(registry: Registry, path: Path) -> Checked:
    """Hold a file against the registry's log, and its facts against what the registry says now.

    Raises:
        InputError: the file cannot be read, or is larger than any document.
        LockedRegistryError: another process holds the registry.
    """
    data = _read(path, LARGEST)
    sha256 = hashlib.sha256(data).hexdigest()
    stamp = stamp_in(path, data)
    with registry.connection() as connection:
        found = find_issued(connection, sha256)
        known = stamp is not None and _had_end(connection, stamp)
        since = None if stamp is None or not known else _events_since(connection, stamp.log_sequence)
    if found is None:
        state: State = "unknown" if stamp is None else "altered" if known else "foreign"
        return Checked(sha256, state, stamp, None, None, since, "not compared", MEANING[state])
    event, issued = found
    facts, reason = _compare(registry, issued)
    return Checked(sha256, "unaltered", stamp, event, issued, since, facts, reason)


def stamp_in(path: Path, data: bytes) -> Stamp | None:
    """The stamp that a document carries, or that lies beside it; None if there is none that can be read."""
    try:
        if data.startswith(b"PAR1"):
            metadata = pq.read_schema(path).metadata or {}
            return Stamp.model_validate_json(metadata[PARQUET_KEY])
        embedded = _META.search(data)
        if embedded:
            return Stamp.model_validate_json(html.unescape(embedded.group(1).decode()))
        if data.lstrip()[:1] == b"{":
            document = json.loads(data)
            if "stamp" in document:
                return Stamp.model_validate(document["stamp"])
        if beside(path).is_file():
            return Stamp.model_validate(json.loads(_read(beside(path), LARGEST_STAMP))["stamp"])
    except (ValidationError, ValueError, KeyError, TypeError, RecursionError, InputError, ArrowException, OSError):
        return None
    return None


def _compare(registry: Registry, issued: Issued) -> tuple[Literal["same", "changed", "not compared"], str]:
    read = KINDS.get(issued.kind)
    if read is None:
        return "not compared", f"no documents of the kind {issued.kind!r} are made any more"
    try:
        now = sha256_of(read(registry, issued.subject))
    except LockedRegistryError:
        raise
    except CreditlineError as error:
        return "changed", str(error)
    return ("same", "") if now == issued.facts_sha256 else ("changed", "")


def _had_end(connection: duckdb.DuckDBPyConnection, stamp: Stamp) -> bool:
    row = connection.execute("SELECT sha256 FROM event WHERE sequence = ?", [stamp.log_sequence]).fetchone()
    return row is not None and row[0] == stamp.log_sha256 if stamp.log_sequence else True


def _events_since(connection: duckdb.DuckDBPyConnection, sequence: int) -> int:
    """Giving documents out changes nothing that one could say."""
    row = connection.execute(
        "SELECT count(*) FROM event WHERE sequence > ? AND kind <> ?", [sequence, EVENT]
    ).fetchone()
    return int(row[0]) if row else 0


def _read(path: Path, largest: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if len(data) > largest:
        raise InputError(f"{path} is larger than {largest // 2**20} MiB, expected a report or an export")
    return data
