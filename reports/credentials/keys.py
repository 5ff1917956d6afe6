"""Reads and checks the signer's chain of certificates and the private key of its first one.

C2PA's library refuses a wrong pair too, but in its own terms and, for an expired certificate, not
at all. The key stays in memory for one signature: it enters no message, log or file.

Source: C2PA 2.4, 14.5 (the profile of certificates) and 13.2 (algorithms).
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from registry.errors import InputError, MissingPartError
from reports.credentials import MISSING
from reports.credentials.files import LARGEST_PEM, others_may_read, read_plain_file
from reports.credentials.trial_certificates import ORGANISATION
from reports.rendering.wording import plain

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError as error:
    raise MissingPartError(MISSING) from error

CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
SMALLEST_RSA = 2_048
MOST_CERTIFICATES = 16
DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")
CLAIM_SIGNING = x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
PURPOSES = frozenset({ExtendedKeyUsageOID.EMAIL_PROTECTION, DOCUMENT_SIGNING, CLAIM_SIGNING})
"""Purposes of a certificate; at least one of them is required."""


@dataclass(frozen=True)
class SigningKey:
    """A chain and its key, ready for a signature."""

    algorithm: str
    chain: bytes
    """PEM, the signer's certificate first."""
    private: bytes = field(repr=False)
    """PKCS #8 in PEM."""
    certificate: Path
    signer: str
    """The certificate's organisation and common name."""
    valid_until: datetime.datetime
    is_test: bool
    """Whether the certificate is one of :mod:`reports.credentials.trial_certificates`."""
    others_may_read: bool
    """Whether other users than its owner may read the key's file."""


def load_signing_key(certificate: Path, key: Path, now: datetime.datetime) -> SigningKey:
    """Read and check a chain and its key.

    Raises:
        InputError: a file cannot be read or has the wrong content; the certificate is not valid
            now, not for signing content, or not the key's.
    """
    chain = load_chain(certificate)
    leaf = chain[0]
    data = read_plain_file(key, "private key", LARGEST_PEM)
    private = _private_key(data, key)
    algorithm = _algorithm(private, key)
    if _public_bytes(private.public_key()) != _public_bytes(leaf.public_key()):
        raise InputError(
            f"the key {key} is not the one of the first certificate in {certificate} ({name_of(leaf)}); expected a pair, the "
            "signer's certificate first"
        )
    _check_leaf(leaf, certificate, now)
    for lower, upper in pairwise(chain):
        _check_issuer(lower, upper, certificate, now)
    return SigningKey(
        algorithm=algorithm,
        chain=_pem(chain),
        private=private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        certificate=certificate,
        signer=name_of(leaf),
        valid_until=leaf.not_valid_after_utc,
        is_test=ORGANISATION in name_of(leaf),
        others_may_read=others_may_read(key),
    )


def load_chain(path: Path) -> list[x509.Certificate]:
    """The certificates of a PEM file, in its order.

    Raises:
        InputError: the file cannot be read, or has no certificate, or more than a chain can have.
    """
    chain = _certificates(path, "certificate chain")
    if len(chain) > MOST_CERTIFICATES:
        raise InputError(
            f"the certificate chain {path} has {len(chain)} certificates, at most {MOST_CERTIFICATES} are taken"
        )
    return chain


def load_anchors(path: Path) -> bytes:
    """Trust anchors as PEM.

    Raises:
        InputError: the file cannot be read or has no certificate.
    """
    return _pem(_certificates(path, "list of trust anchors"))


def _certificates(path: Path, what: str) -> list[x509.Certificate]:
    data = read_plain_file(path, what, LARGEST_PEM)
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise InputError(f"the {what} {path} cannot be read; expected certificates in PEM") from error


def _pem(certificates: list[x509.Certificate]) -> bytes:
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)


def name_of(certificate: x509.Certificate) -> str:
    """The certificate's organisation and common name."""
    parts = [
        str(attribute.value)
        for kind in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
        for attribute in certificate.subject.get_attributes_for_oid(kind)[:1]
    ]
    return plain(", ".join(parts), 200)


_Private = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def _private_key(data: bytes, path: Path) -> _Private:
    try:
        private = serialization.load_pem_private_key(data, None)
    except TypeError as error:
        raise InputError(
            f"the key {path} is encrypted, and no pass phrase is asked for; decrypt it into a file that only you can read, "
            "with `openssl pkey`"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(f"the key {path} cannot be read; expected a private key in PEM") from error
    if not isinstance(private, _Private):
        raise InputError(f"the key {path} is of a kind that C2PA does not sign with; expected ECDSA, RSA or Ed25519")
    return private


def _algorithm(private: _Private, path: Path) -> str:
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(private, rsa.RSAPrivateKey):
        if private.key_size < SMALLEST_RSA:
            raise InputError(f"the key {path} has {private.key_size} bits, expected at least {SMALLEST_RSA:,}")
        return "ps256"
    if private.curve.name not in CURVES:
        raise InputError(f"the key {path} is on the curve {private.curve.name}; expected {', '.join(CURVES)}")
    return CURVES[private.curve.name]


def _public_bytes(public: object) -> bytes:
    data: bytes = public.public_bytes(  # type: ignore[attr-defined]  # every kind of public key has it
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return data


def _check_leaf(leaf: x509.Certificate, path: Path, now: datetime.datetime) -> None:
    _check_dates(leaf, path, now)
    if leaf.issuer == leaf.subject:
        raise InputError(
            f"the first certificate in {path} is signed by itself; C2PA takes only one that a CA has signed"
        )
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        purposes = set(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except (x509.ExtensionNotFound, ValueError) as error:
        raise InputError(
            f"the first certificate in {path} does not say what its key is for; C2PA asks for that"
        ) from error
    if not usage.digital_signature or usage.key_cert_sign or not purposes & PURPOSES:
        raise InputError(
            f"the first certificate in {path} is not for signing content; expected the key usage digitalSignature and the "
            "extended usage emailProtection, documentSigning or C2PA claim signing"
        )


def _check_issuer(lower: x509.Certificate, upper: x509.Certificate, path: Path, now: datetime.datetime) -> None:
    _check_dates(upper, path, now)
    try:
        lower.verify_directly_issued_by(upper)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise InputError(
            f"in {path}, {name_of(lower)} was not issued by {name_of(upper)}, which comes next; expected the signer's "
            "certificate first and then each one's issuer"
        ) from error


def _check_dates(certificate: x509.Certificate, path: Path, now: datetime.datetime) -> None:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > end:
        raise InputError(
            f"the certificate of {name_of(certificate)} in {path} expired on {end:%Y-%m-%d}; get a new one"
        )
    if now < begin:
        raise InputError(f"the certificate of {name_of(certificate)} in {path} is not valid before {begin:%Y-%m-%d}")
