"""Certificates to try signing with: a root, an intermediate and a signer, each named a TEST.

They must not be trusted: this program makes the same names for any user. The keys of root and
intermediate are discarded at once, so a root added to trust anchors for a trial cannot issue
anything else.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from registry.errors import InputError, MissingPartError, UsageError
from registry.home import write_bytes_atomically, write_private
from reports.credentials import MISSING

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError as error:
    raise MissingPartError(MISSING) from error

ORGANISATION = "creditline TEST, trusted by nobody"
Algorithm = Literal["es256", "es384", "es512", "ps256", "ed25519"]
CHAIN, KEY, ROOT = "test-chain.pem", "test-key.pem", "test-root.pem"
LONGEST_DAYS = 366
_Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class PracticeCertificates:
    """The three files."""

    chain: Path
    key: Path
    root: Path
    valid_until: datetime.datetime


def make_practice_certificates(
    folder: Path, now: datetime.datetime, *, algorithm: Algorithm = "es256", days: int = 30
) -> PracticeCertificates:
    """Write a chain (signer, intermediate), the signer's key (mode 0600) and the root.

    Raises:
        UsageError: one of the files exists already, or ``days`` is out of range.
        InputError: the folder cannot be written to.
    """
    if not 1 <= days <= LONGEST_DAYS:
        raise UsageError(f"got {days} days, expected 1 to {LONGEST_DAYS}: these certificates are for trying things")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"cannot write certificates to {folder}: got a file, expected a folder")
    paths = {name: folder / name for name in (CHAIN, KEY, ROOT)}
    for path in paths.values():
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} is there already; choose another folder, or remove it")
    end = now + datetime.timedelta(days=days)
    root, middle, signer = _elliptic(), _elliptic(), _new_key(algorithm)
    span = (now - datetime.timedelta(minutes=5), end)
    certificates = (
        _certificate("TEST signer", signer, "TEST intermediate", middle, span, depth=None),
        _certificate("TEST intermediate", middle, "TEST root", root, span, depth=0),
        _certificate("TEST root", root, "TEST root", root, span, depth=1),
    )
    pem = [each.public_bytes(serialization.Encoding.PEM) for each in certificates]
    private = signer.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(paths[KEY], private)
    write_bytes_atomically(paths[CHAIN], pem[0] + pem[1])
    write_bytes_atomically(paths[ROOT], pem[2])
    return PracticeCertificates(paths[CHAIN], paths[KEY], paths[ROOT], end)


def _elliptic(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())


def _new_key(algorithm: Algorithm) -> _Key:
    if algorithm == "ps256":
        return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    if algorithm == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return _elliptic({"es256": ec.SECP256R1(), "es384": ec.SECP384R1(), "es512": ec.SECP521R1()}[algorithm])


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _certificate(
    subject: str,
    key: _Key,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    span: tuple[datetime.datetime, datetime.datetime],
    *,
    depth: int | None,
) -> x509.Certificate:
    """One certificate. ``depth``: levels of authorities allowed below; None: the signer's."""
    authority = depth is not None
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(span[0])
        .not_valid_after(span[1])
        .add_extension(x509.BasicConstraints(authority, depth), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not authority,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=authority,
                crl_sign=authority,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
