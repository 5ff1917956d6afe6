"""Is a document signed, and by a key of this registry?

The stamp's signature is over the stamp, the file's signature, beside it, over all its bytes.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from registry.errors import MissingPartError
from registry.storage.database import Registry
from reports.issuing.stamp import Stamp
from reports.signatures.keys import SHOWN, Key, keys_of, signature_fits
from reports.signatures.signing import SIGNATURE, beside

LONGEST = 64
"""Bytes of a signature."""
State = Literal["known key", "unknown key", "not signed", "bad signature", "not checked"]


@dataclass(frozen=True)
class SignatureVerdict:
    """What is known about the signatures of one document."""

    state: State
    key_id: str | None = None

    def sentence(self) -> str:
        """For people."""
        key = (self.key_id or "")[:SHOWN]
        return {
            "known key": f"signed by key {key}, a key of this registry",
            "unknown key": f"signed by key {key}, which this registry does not know: the signature was not checked",
            "not signed": "not signed",
            "bad signature": f"bad signature: it is not one of key {key} over these bytes",
            "not checked": f"signed by key {key}; the signature was not checked: pip install 'creditline[signatures]'",
        }[self.state]


def check_signature(registry: Registry, path: Path, stamp: Stamp | None) -> SignatureVerdict:
    """The verdict on a file with this stamp, and on the signature beside it."""
    lying = _read(beside(path, SIGNATURE))
    if stamp is None or stamp.key_id is None:
        # A signature without a stamp names no key; a stripped key is another stamp.
        stripped = stamp is not None and stamp.signature is not None
        return SignatureVerdict("bad signature" if stripped or lying is not None else "not signed")
    try:
        keys = {key.id: key for key in keys_of(registry)}
    except MissingPartError:
        return SignatureVerdict("not checked", stamp.key_id)
    key = keys.get(stamp.key_id)
    if key is None:
        return SignatureVerdict("unknown key", stamp.key_id)
    fits = _stamp_fits(key, stamp) and (lying is None or signature_fits(key.public, lying, path.read_bytes()))
    return SignatureVerdict("known key" if fits else "bad signature", stamp.key_id)


def _stamp_fits(key: Key, stamp: Stamp) -> bool:
    try:
        signature = base64.b64decode(stamp.signature or "", validate=True)
    except ValueError:
        return False
    return signature_fits(key.public, signature, stamp.signed_bytes())


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(LONGEST + 1)
    except OSError:
        return None


NOT_SIGNED = SignatureVerdict("not signed")
