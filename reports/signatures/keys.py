"""Ed25519 keys: the private half in the home, the public half in the log.

    keys/<id>.pem       PKCS #8, readable by its owner alone, encrypted if there is a passphrase

An id is the SHA-256 of the public key in DER, so ``openssl pkey -pubin -outform DER | sha256sum``
gives it. The newest key signs. Without its private half, documents say that they are not signed.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.errors import InputError, MissingPartError, NotFoundError, UsageError
from registry.event_log.events import changing
from registry.event_log.published_keys import KEY_CREATED, published_keys
from registry.home import write_private, writing
from registry.storage.database import Registry
from reports.signatures import MISSING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PASSPHRASE = "CREDITLINE_KEY_PASSPHRASE"  # noqa: S105 - the variable's name
SHOWN = 12
"""Digits of an id that are shown."""


@dataclass(frozen=True)
class Key:
    """A key of the registry."""

    id: str
    public: bytes
    """32 bytes."""
    private: Path
    """Where its private half is, or was."""

    @property
    def can_sign(self) -> bool:
        """Whether the private half is here."""
        return self.private.is_file()

    def pem(self) -> bytes:
        """The public half for other tools: SubjectPublicKeyInfo in PEM."""
        return _public_pem(self.public)


@dataclass(frozen=True)
class Signer:
    """A key that can sign."""

    key_id: str
    _private: Ed25519PrivateKey = field(repr=False)

    def sign(self, data: Any) -> bytes:  # noqa: ANN401 - bytes, or a file mapped into memory
        """The 64 bytes of the signature."""
        return self._private.sign(data)


def create_key(registry: Registry, now: datetime, passphrase: str | None = None) -> Key:
    """Make a key and publish its public half in the log; it signs from now on.

    Raises:
        MissingPartError: the extra ``signatures`` is not installed.
        InputError: the home cannot be written.
    """
    ed25519, serialization = _cryptography()
    private = ed25519.Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    key_id = id_of(public)
    encryption = (
        serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    )
    data = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    path = registry.home.signing_key(key_id)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path, data)
    with changing(registry, now) as change:
        facts = {"key_id": key_id, "public_key": base64.b64encode(public).decode(), "algorithm": "Ed25519"}
        change.record(KEY_CREATED, f"key {key_id[:SHOWN]}", after=facts)
    return Key(key_id, public, path)


def keys_of(registry: Registry) -> list[Key]:
    """The keys in the log, oldest first."""
    with registry.connection() as connection:
        published = published_keys(connection)
    found = []
    for key_id, encoded in published.items():
        try:
            public = base64.b64decode(encoded, validate=True)
        except ValueError:
            continue
        # An id that is not the key's own hash names no key.
        if len(public) == 32 and id_of(public) == key_id:
            found.append(Key(key_id, public, registry.home.signing_key(key_id)))
    return found


def key_named(registry: Registry, prefix: str | None) -> Key:
    """The key whose id starts with ``prefix``, or the newest.

    Raises:
        NotFoundError: there is none.
        UsageError: the prefix fits several.
    """
    keys = keys_of(registry)
    fitting = [key for key in keys if key.id.startswith(prefix.lower())] if prefix else keys[-1:]
    if not fitting:
        what = f"no key {prefix[:80]!r}" if prefix else "the registry has no key"
        raise NotFoundError(f"{what}; `creditline keys list` lists the keys, `creditline keys create` makes one")
    if len(fitting) > 1:
        raise UsageError(f"{prefix!r} is the beginning of {len(fitting)} keys; give more digits")
    return fitting[0]


def signer_of(registry: Registry) -> Signer | None:
    """The newest key, ready to sign; None: no key was made, or its private half is not here.

    Raises:
        MissingPartError: the extra ``signatures`` is not installed.
        InputError: the key's file may be read by others, or does not open.
    """
    keys = keys_of(registry)
    if not keys or not keys[-1].can_sign:
        return None
    key = keys[-1]
    try:
        mode = key.private.stat().st_mode
        data = key.private.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {key.private}: {error.strerror or error}") from error
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InputError(f"{key.private} may be read by others than its owner: run `chmod 600 {key.private}`")
    ed25519, serialization = _cryptography()
    try:
        private = serialization.load_pem_private_key(data, password=_passphrase(data))
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{key.private} does not open: {PASSPHRASE} has no or a wrong passphrase, or the file was altered"
        ) from error
    if not isinstance(private, ed25519.Ed25519PrivateKey) or id_of(private.public_key().public_bytes_raw()) != key.id:
        raise InputError(f"{key.private} is not the private half of key {key.id[:SHOWN]}: restore it from a copy")
    return Signer(key.id, private)


def signature_fits(public: bytes, signature: bytes, data: Any) -> bool:  # noqa: ANN401 - bytes, or a mapped file
    """Whether this is the key's signature of these bytes."""
    ed25519, _ = _cryptography()
    from cryptography.exceptions import InvalidSignature

    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def id_of(public: bytes) -> str:
    """The id of a public key: SHA-256 of its DER."""
    ed25519, serialization = _cryptography()
    key = ed25519.Ed25519PublicKey.from_public_bytes(public)
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def _public_pem(public: bytes) -> bytes:
    ed25519, serialization = _cryptography()
    key = ed25519.Ed25519PublicKey.from_public_bytes(public)
    pem: bytes = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem


def _passphrase(data: bytes) -> bytes | None:
    given = os.environ.get(PASSPHRASE)
    return given.encode() if given and b"ENCRYPTED" in data[:100] else None


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise MissingPartError(MISSING) from error
    return ed25519, serialization
