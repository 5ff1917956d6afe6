"""Stamps: what every report and export carries, so that its reader can tell whether it was altered.

A stamp has the hash of the facts that the document was made from, and the end of the registry's log
when they were read. The registry's log has the hash of the file itself
(:mod:`reports.issuing.issue`). A forger can compute a new stamp for an altered file, but cannot
add the file to the log: other documents carry the log's end.

HTML pages carry the stamp in a ``meta`` element and print it, our own JSON as the field ``stamp``,
Parquet as metadata. A format that has no place for it (CSV, the formats of standards) has it in a
file beside it, named after it with :data:`SUFFIX`.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from registry.ids import canonical_json, sha256_of

SUFFIX = ".stamp.json"
PARQUET_KEY = b"creditline_stamp"


class Stamp(BaseModel):
    """What a document was made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    meta_name: ClassVar = "creditline-stamp"
    """Name of the HTML ``meta`` element that holds a stamp."""

    kind: str = Field(max_length=60, description="Of document, e.g. output report.")
    subject: str = Field(max_length=2_000_000, description="What it is about: ids or names, as its kind reads them.")
    facts_sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Over the canonical JSON of its facts.")
    log_sequence: int = Field(ge=0, lt=2**63, description="Events in the registry's log when the facts were read.")
    log_sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Hash of the newest of them.")
    made_at: Annotated[AwareDatetime, Field(description="When the document was made.")]

    def to_json(self) -> str:
        """On one line."""
        return canonical_json(self.model_dump(mode="json"))

    def sentence(self) -> str:
        """For people, and for formats that have a comment."""
        return (
            f"creditline {self.kind}; facts SHA-256 {self.facts_sha256}; "
            f"event log at {self.log_sequence}, SHA-256 {self.log_sha256}; made {self.made_at:%Y-%m-%d %H:%M:%S} UTC"
        )


UNSTAMPED = Stamp(
    kind="draft",
    subject="",
    facts_sha256="0" * 64,
    log_sequence=0,
    log_sha256="0" * 64,
    made_at=datetime.datetime.fromtimestamp(0, datetime.UTC),
)
"""For pages that are rendered without being issued."""


def stamp_of(kind: str, subject: str, facts: object, now: datetime.datetime, end: tuple[int, str]) -> Stamp:
    """The stamp of a document.

    Args:
        kind: of document, one of :data:`reports.checking.document_types.KINDS`.
        subject: what it is about, as the kind reads it.
        facts: plain JSON values without the moment of rendering: the same facts have the same hash.
        now: when it is made, with a zone.
        end: sequence and hash of the log's newest event before the facts were read, or of the
            transaction that read them.
    """
    sequence, sha256 = end
    return Stamp(
        kind=kind,
        subject=subject,
        facts_sha256=sha256_of(facts),
        log_sequence=sequence,
        log_sha256=sha256,
        made_at=now.astimezone(datetime.UTC),
    )


def beside(path: Path) -> Path:
    """The file that has the stamp of one whose format has no place for it."""
    return path.with_name(path.name + SUFFIX)


def stamp_file(stamp: Stamp, file_sha256: str) -> bytes:
    """The contents of such a file: the stamp, and which bytes it is of."""
    document: dict[str, Any] = {
        "creditline": "stamp",
        "version": 1,
        "file_sha256": file_sha256,
        "stamp": stamp.model_dump(mode="json"),
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
