"""Signs documents and the files that hold them: the newest key, and the authority for time stamps.

    signing = Signing.of(registry)
    signing.proofs(page)              # {".sig": 64 bytes, ".tsr": a time stamp}

A file's signature is over its bytes and lies beside it, so ``openssl pkeyutl -verify`` checks it.
The time stamp is of the signature, so ``openssl ts -verify`` checks it.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.errors import UsageError
from registry.home import write_bytes_atomically
from registry.storage.database import Registry
from reports.signatures.keys import Signer, signer_of
from reports.signatures.timestamps import AUTHORITY, authority, time_stamp

SIGNATURE, TIME_STAMP = ".sig", ".tsr"
"""Added to the name of the signed file."""


@dataclass(frozen=True)
class Signing:
    """How the documents of a registry are signed, if they are."""

    signer: Signer | None = None
    time_stamps: str | None = None
    """The authority's address."""

    @classmethod
    def of(cls, registry: Registry) -> Signing:
        """By the registry's newest key, and the authority that the environment names.

        Raises:
            MissingPartError: the extra ``signatures`` is not installed.
            InputError: the key cannot be used.
            UsageError: an authority is named, but there is no key.
        """
        signer, address = signer_of(registry), authority()
        if address is not None and signer is None:
            raise UsageError(
                f"{AUTHORITY} names {address}, but no key signs: run `creditline keys create`, or unset it"
            )
        return cls(signer, address)

    def proofs(self, data: Any) -> dict[str, bytes]:  # noqa: ANN401 - bytes, or a mapped file
        """The files beside a file with these bytes, by suffix; none without a key.

        Raises:
            InputError: the authority does not answer as it should.
        """
        if self.signer is None:
            return {}
        signature = self.signer.sign(data)
        stamp = {} if self.time_stamps is None else {TIME_STAMP: time_stamp(self.time_stamps, signature)}
        return {SIGNATURE: signature, **stamp}

    def proofs_of(self, path: Path) -> dict[str, bytes]:
        """The same for a file that may be larger than memory."""
        if self.signer is None or not path.stat().st_size:
            return self.proofs(b"")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return self.proofs(data)


def beside(path: Path, suffix: str) -> Path:
    """The file with a proof of ``path``."""
    return path.with_name(path.name + suffix)


def write_proofs(path: Path, proofs: Mapping[str, bytes]) -> None:
    """Write the files beside ``path``, and remove those of an earlier file of its name."""
    for suffix in (SIGNATURE, TIME_STAMP):
        if suffix in proofs:
            write_bytes_atomically(beside(path, suffix), proofs[suffix])
        else:
            beside(path, suffix).unlink(missing_ok=True)


def proofs_beside(path: Path) -> dict[str, bytes]:
    """The proofs that lie beside a file, by suffix."""
    found = {suffix: beside(path, suffix) for suffix in (SIGNATURE, TIME_STAMP)}
    return {suffix: place.read_bytes() for suffix, place in found.items() if place.is_file()}
