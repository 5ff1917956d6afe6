"""Keys and certificates for signing: what is taken, what is refused and how, and the ones made for
practice.
"""

from __future__ import annotations

import datetime
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

pytest.importorskip("cryptography", reason="needs the extra c2pa")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from registry.errors import InputError, UsageError
from reports.credentials.keys import load_anchors, load_chain, load_signing_key, name_of
from reports.credentials.trial_certificates import Algorithm, make_practice_certificates
from tests.support.credentials import Chain, make_chain, now


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    """A signer, to be spoilt."""
    return make_chain(tmp_path / "chain")


def refused(chain: Chain, message: str, moment: datetime.datetime | None = None) -> str:
    """The refusal of a pair: one line that says this, and nothing of the key."""
    with pytest.raises(InputError, match=message) as caught:
        load_signing_key(chain.certificate, chain.key, moment or now())
    text = str(caught.value)
    assert "\n" not in text
    assert "BEGIN" not in text
    return text


@pytest.mark.parametrize("algorithm", get_args(Algorithm))
def test_the_algorithm_is_the_keys(tmp_path: Path, algorithm: Algorithm) -> None:
    """It need not be said; and the key is in no text that the value makes of itself."""
    loaded = make_chain(tmp_path, algorithm).load()
    assert loaded.algorithm == algorithm
    assert loaded.is_test
    assert "PRIVATE" not in repr(loaded)
    assert loaded.private.decode().split("\n")[1] not in repr(loaded)


def test_older_forms_of_a_key_are_taken(chain: Chain) -> None:
    """As openssl writes an elliptic key by default."""
    private = serialization.load_pem_private_key(chain.key.read_bytes(), None)
    chain.key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    assert b"EC PRIVATE KEY" in chain.key.read_bytes()
    assert b"BEGIN PRIVATE KEY" in chain.load().private


def test_a_key_of_another_certificate(chain: Chain, tmp_path: Path) -> None:
    """Names both files."""
    other = make_chain(tmp_path / "other")
    text = refused(Chain(chain.certificate, other.key, chain.root), "is not the one of the first certificate in")
    assert str(other.key) in text
    assert str(chain.certificate) in text


def test_dates(chain: Chain) -> None:
    """Expired, and not valid yet."""
    text = refused(chain, "expired on", now() + datetime.timedelta(days=31))
    assert str(chain.certificate) in text
    refused(chain, "is not valid before", now() - datetime.timedelta(days=1))


def test_an_encrypted_key(chain: Chain) -> None:
    """No pass phrase is asked for."""
    private = serialization.load_pem_private_key(chain.key.read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        chain.key.write_bytes(private.private_bytes(Encoding.PEM, form, locked))
        assert str(chain.key) in refused(chain, "is encrypted")


def _garbage(path: Path) -> None:
    path.write_bytes(b"-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5\n-----END PRIVATE KEY-----\n\xff\0")


def _missing(path: Path) -> None:
    path.unlink()


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _link(path: Path) -> None:
    path.rename(path.with_name("real"))
    path.symlink_to(path.with_name("real"))


def _huge(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(2**40)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_garbage, "cannot be read; expected .* in PEM"),
        (_missing, "No such file"),
        (_empty, "is empty"),
        (_link, "is a symbolic link"),
        (_huge, "more than the 1,048,576 bytes"),
        (_folder, "is no plain file"),
        (_pipe, "is no plain file"),
    ],
)
@pytest.mark.parametrize("which", ["certificate", "key"])
def test_files_that_cannot_be_used(chain: Chain, which: str, spoil: Callable[[Path], None], message: str) -> None:
    """Each refused in one line that names the file; a pipe that nobody writes to keeps nobody
    waiting.
    """
    path: Path = getattr(chain, which)
    spoil(path)
    assert str(path) in refused(chain, message)


def test_two_files_exchanged(chain: Chain) -> None:
    """A key where certificates should be, and the other way round."""
    refused(Chain(chain.key, chain.certificate, chain.root), "expected certificates in PEM")
    refused(Chain(chain.certificate, chain.certificate, chain.root), "expected a private key in PEM")


def test_a_chain_in_the_wrong_order(chain: Chain, tmp_path: Path) -> None:
    """The signer's certificate comes first and each one's issuer next."""
    leaf, middle = (each.public_bytes(Encoding.PEM) for each in load_chain(chain.certificate))
    chain.certificate.write_bytes(middle + leaf)
    refused(chain, "is not the one of the first certificate")
    stranger = load_chain(make_chain(tmp_path / "other").certificate)[1].public_bytes(Encoding.PEM)
    chain.certificate.write_bytes(leaf + stranger)
    refused(chain, "was not issued by")
    chain.certificate.write_bytes(leaf + middle + chain.root.read_bytes())
    assert chain.load().algorithm == "es256"
    chain.certificate.write_bytes(leaf * 17)
    refused(chain, "has 17 certificates, at most 16")


@pytest.mark.parametrize(
    ("private", "message"),
    [
        (rsa.generate_private_key(65_537, 1_024), "has 1024 bits, expected at least 2,048"),  # noqa: S505 - weak on purpose
        (ec.generate_private_key(ec.SECP256K1()), "is on the curve secp256k1"),
    ],
)
def test_keys_that_are_too_weak_or_unusual(
    chain: Chain, private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, message: str
) -> None:
    """C2PA does not take them."""
    chain.key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    refused(chain, message)


def _self_made(private: ec.EllipticCurvePrivateKey, issuer: str, *extensions: x509.ExtensionType) -> bytes:
    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    builder = x509.CertificateBuilder(
        name(issuer),
        name("signer"),
        private.public_key(),
        1,
        now() - datetime.timedelta(days=1),
        now() + datetime.timedelta(days=1),
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(private, hashes.SHA256()).public_bytes(Encoding.PEM)


def _usage(*, signing: bool) -> x509.KeyUsage:
    return x509.KeyUsage(signing, False, not signing, False, False, False, False, False, False)


SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
MAIL = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])


@pytest.mark.parametrize(
    ("issuer", "extensions", "message"),
    [
        ("signer", (_usage(signing=True), MAIL), "is signed by itself"),
        ("authority", (), "does not say what its key is for"),
        ("authority", (_usage(signing=True), SERVER), "is not for signing content"),
        ("authority", (_usage(signing=False), MAIL), "is not for signing content"),
    ],
)
def test_certificates_that_are_not_for_signing_content(
    chain: Chain, issuer: str, extensions: tuple[x509.ExtensionType, ...], message: str
) -> None:
    """Signed by itself, for nothing, for a web server, for encryption."""
    private = serialization.load_pem_private_key(chain.key.read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    chain.certificate.write_bytes(_self_made(private, issuer, *extensions))
    assert str(chain.certificate) in refused(chain, message)


def test_anchors(chain: Chain) -> None:
    """Any number of certificates; anything else is refused by name."""
    assert load_anchors(chain.root).count(b"BEGIN CERTIFICATE") == 1
    with pytest.raises(InputError, match=r"trust anchors .*test-key.pem cannot be read"):
        load_anchors(chain.key)


def test_practice_certificates_say_what_they_are(chain: Chain) -> None:
    """TEST in every name, a key for its owner alone, and no key of an authority left."""
    for certificate in (*load_chain(chain.certificate), *load_chain(chain.root)):
        assert "TEST" in name_of(certificate)
        assert "trusted by nobody" in name_of(certificate)
    assert stat.S_IMODE(chain.key.stat().st_mode) == 0o600
    assert sorted(path.name for path in chain.key.parent.iterdir()) == [
        "test-chain.pem",
        "test-key.pem",
        "test-root.pem",
    ]
    leaf, middle = load_chain(chain.certificate)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert middle.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    (root,) = load_chain(chain.root)
    leaf.verify_directly_issued_by(middle)
    middle.verify_directly_issued_by(root)


def test_practice_certificates_replace_nothing(chain: Chain) -> None:
    """A key that is there is somebody's; so is a link."""
    key = chain.key.read_bytes()
    with pytest.raises(UsageError, match="is there already"):
        make_practice_certificates(chain.key.parent, now())
    assert chain.key.read_bytes() == key
    with pytest.raises(UsageError, match="expected 1 to 366"):
        make_practice_certificates(chain.key.parent / "new", now(), days=4_000)


def test_others_may_read_the_key(chain: Chain) -> None:
    """It is told, and not refused."""
    assert not chain.load().others_may_read
    chain.key.chmod(0o644)
    assert chain.load().others_may_read
