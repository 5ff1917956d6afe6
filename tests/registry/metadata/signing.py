"""Images with real C2PA manifests, signed offline by a chain of certificates that is made for the
test.
"""

from __future__ import annotations

import datetime
import functools
import io
import json
from typing import Any

import pytest

c2pa = pytest.importorskip("c2pa", reason="needs the extra c2pa")
pytest.importorskip("cryptography", reason="makes the certificates of the test")

from cryptography import x509  # noqa: E402 - only when it is there
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: E402

ISSUER = "Example Picture Agency"


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ISSUER),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _certificate(
    subject: str, key: ec.EllipticCurvePrivateKey, root: ec.EllipticCurvePrivateKey, *, is_root: bool
) -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name("root"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(is_root, None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=not is_root, key_cert_sign=is_root, crl_sign=is_root, **usage),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), critical=False)
    )
    if not is_root:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return builder.sign(root, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@functools.cache
def _chain() -> tuple[bytes, bytes]:
    root, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    chain = _certificate("signer", key, root, is_root=False) + _certificate("root", root, root, is_root=True)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return chain, private


def signed(
    data: bytes,
    media_type: str,
    *assertions: tuple[str, dict[str, Any]],
    ingredient: bytes | None = None,
    remote: str | None = None,
) -> bytes:
    """The image with a manifest that has an action (every manifest must) and these assertions.

    Args:
        data: the image.
        media_type: its type.
        assertions: label and data of each.
        ingredient: a signed image of the same type that this one was made from.
        remote: leave the manifest out and name this address for it.
    """
    created = {
        "action": "c2pa.created",
        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture",
    }
    definition = {
        "claim_generator_info": [{"name": "camera", "version": "1.2"}],
        "format": media_type,
        "title": "a picture",
        "assertions": [
            {"label": "c2pa.actions", "data": {"actions": [created]}},
            *({"label": label, "data": content} for label, content in assertions),
        ],
    }
    chain, key = _chain()
    settings = {
        "verify": {"verify_after_sign": False, "remote_manifest_fetch": False},
        "builder": {"thumbnail": {"enabled": False}},
    }
    target = io.BytesIO()
    with (
        c2pa.Context.from_dict(settings) as context,
        c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", chain, key, None)) as signer,
        c2pa.Builder(json.dumps(definition), context=context) as builder,
    ):
        if ingredient:
            about = json.dumps({"title": "a part", "relationship": "componentOf"})
            builder.add_ingredient(about, media_type, io.BytesIO(ingredient))
        if remote:
            builder.set_no_embed()
            builder.set_remote_url(remote)
        builder.sign(signer, media_type, io.BytesIO(data), target)
    return target.getvalue()
