"""Stamps: every report and export carries one, so that its reader can tell whether it was altered.

A stamp has the hash of the document's facts, and the end of the registry's log when they were read.
The log has the hash of the file itself (:mod:`reports.issuing.issue`). A forger can compute a new
stamp for an altered file, but cannot add the file to the log: other documents carry the log's end.

HTML pages print the stamp and carry it in a ``meta`` element, creditline's JSON in the field
``stamp``, Parquet as metadata. Other formats (CSV, the standards) have the stamp in a file beside
them, with :data:`SUFFIX` added to the name.
"""

from __future__ import annotations

import base64
import datetime
import json
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from registry.basis.check import CheckedHead
from registry.ids import canonical_json, sha256_of
from reports.signatures.signing import Signing

SUFFIX = ".stamp.json"
PARQUET_KEY = b"creditline_stamp"


UNRECORDED = (
    "Not issued: this document was made from a copy of the registry that can only be read, so no log names it and "
    "`creditline report verify` cannot confirm it."
)
"""The warning in a document that is not on record."""


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
    recorded: bool = Field(
        default=True, description="False: made from a copy of the registry that can only be read; no log names it."
    )

    key_id: str | None = Field(
        default=None, pattern="^[0-9a-f]{64}$", description="Of the key that signed it. Missing: not signed."
    )
    signature: str | None = Field(
        default=None, max_length=88, description="Ed25519 in base64, over the canonical JSON of the other fields."
    )

    @model_serializer(mode="wrap")
    def _without_the_usual(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = plain(self)
        if self.recorded:
            del values["recorded"]
        return {name: value for name, value in values.items() if value is not None}

    def signed_bytes(self) -> bytes:
        """What the signature is over."""
        return self.model_copy(update={"signature": None}).to_json().encode()

    def to_json(self) -> str:
        """On one line."""
        return canonical_json(self.model_dump(mode="json"))

    def sentence(self) -> str:
        """For people, and for formats with comments."""
        return ("" if self.recorded else f"{UNRECORDED} ") + (
            f"creditline {self.kind}; facts SHA-256 {self.facts_sha256}; "
            f"event log at {self.log_sequence}, SHA-256 {self.log_sha256}; made {self.made_at:%Y-%m-%d %H:%M:%S} UTC; "
            + (f"signed by key {self.key_id}" if self.key_id else "not signed")
        )


UNSTAMPED = Stamp(
    kind="draft",
    subject="",
    facts_sha256="0" * 64,
    log_sequence=0,
    log_sha256="0" * 64,
    made_at=datetime.datetime.fromtimestamp(0, datetime.UTC),
)
"""For pages rendered without being issued."""


def stamp_of(
    kind: str,
    subject: str,
    facts: object,
    now: datetime.datetime,
    end: CheckedHead,
    signing: Signing,
    *,
    recorded: bool = True,
) -> Stamp:
    """The stamp of a document.

    Args:
        kind: one of :data:`reports.checking.document_types.KINDS`.
        subject: in the form of the kind.
        facts: plain JSON values without the moment of rendering: the same facts have the same hash.
        now: the moment of the stamp, with a zone.
        end: the log's newest event when the facts were read, from
            :func:`registry.basis.check.checked_head`: the rows below the facts are as sealed.
        signing: by which key, if any.
        recorded: whether the document will be recorded in the log.
    """
    sequence, sha256 = end
    stamp = Stamp(
        kind=kind,
        subject=subject,
        facts_sha256=sha256_of(facts),
        log_sequence=sequence,
        log_sha256=sha256,
        made_at=now.astimezone(datetime.UTC),
        recorded=recorded,
        key_id=None if signing.signer is None else signing.signer.key_id,
    )
    if signing.signer is None:
        return stamp
    signature = signing.signer.sign(stamp.signed_bytes())
    return stamp.model_copy(update={"signature": base64.b64encode(signature).decode()})


def beside(path: Path) -> Path:
    """The file for the stamp of a document whose format has no place for one."""
    return path.with_name(path.name + SUFFIX)


def stamp_file(stamp: Stamp, file_sha256: str) -> bytes:
    """The contents of the file beside a document: the stamp, and the document's hash."""
    document: dict[str, Any] = {
        "creditline": "stamp",
        "version": 1,
        "file_sha256": file_sha256,
        "stamp": stamp.model_dump(mode="json"),
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
