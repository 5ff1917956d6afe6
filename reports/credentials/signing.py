"""Signs a generated image: made by a trained model, with which program, and the newest audit.

    image = find_image(registry, "3fa2b1c09d11")
    key = load_signing_key(Path("chain.pem"), Path("key.pem"), now)
    signed = sign_image(registry, image, key, Path("signed.png"), now)

The network is used only for a named time stamp authority; no thumbnail is added. The registry's own
file is never touched: the signed file is a copy, and the log names each copy.
"""

from __future__ import annotations

import datetime
import io
import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from registry.basis.check import checked_head
from registry.basis.rows import Basis
from registry.errors import InputError, IntegrityError, UsageError
from registry.messages import plain_reason
from registry.storage.database import Registry, driver_of
from registry.storage.tables import Sample
from reports.credentials import load_c2pa
from reports.credentials.assertion import KIND, LABEL, Assertion
from reports.credentials.checking import SIDECAR_SUFFIX, check_credentials
from reports.credentials.findings import newest_audit_of, read_facts, subject_of, time_text
from reports.credentials.images import GeneratedImage
from reports.credentials.keys import SigningKey
from reports.issuing.issue import File, Issued, record_issue, write_file
from reports.issuing.stamp import stamp_of
from reports.outputs.artefacts import read_artefact
from reports.outputs.read import read_audit
from reports.outputs.selection import basis_of
from reports.signatures.signing import Signing

TRAINED_ALGORITHMIC_MEDIA = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


@dataclass(frozen=True)
class SignedImage:
    """The written files."""

    image: Path
    sidecar: Path | None
    """The manifest's file, if the manifest is not in the image."""
    assertion: Assertion
    issued: tuple[Issued, ...]


def sign_image(
    registry: Registry,
    image: GeneratedImage,
    key: SigningKey,
    out: Path,
    now: datetime.datetime,
    *,
    sidecar: bool = False,
    with_audit: bool = True,
    timestamp_url: str | None = None,
) -> SignedImage:
    """Write a signed copy of an image, and record it in the log.

    ``sidecar`` leaves the image unaltered: the manifest goes beside ``out``, in a file with
    :data:`SIDECAR_SUFFIX`. ``with_audit`` states the newest audit. ``timestamp_url`` is a time
    stamp authority; None: no time stamp. ``now`` has a zone.

    Raises:
        UsageError: ``out`` cannot be this image's name, the sample was not audited, or it has
            credentials already.
        InputError: the library does not take the certificate, or the file cannot be written.
        IntegrityError: the audit's files differ from the registry's record.
    """
    registry.check_writable()
    if check_credentials(image.data).state != "none":
        raise UsageError(f"{image.file} has Content Credentials already; sign the sample itself: {image.sample.id}")
    assertion = _read_assertion(registry, image.sample, now, with_audit=with_audit)
    signed, manifest = _sign(image, key, assertion, timestamp_url, sidecar=sidecar)
    seen = check_credentials(signed, sidecar=manifest if sidecar else None)
    if seen.state != "untrusted" or seen.assertion != assertion or seen.assertion_problem:
        raise InputError(
            f"the image signed with {key.certificate} does not verify ({seen.reason}); nothing was written"
        )
    beside = out.with_suffix(SIDECAR_SUFFIX) if sidecar else None
    documents = [File(out.name, signed, assertion.stamp)]
    if beside:
        documents.append(File(beside.name, manifest, assertion.stamp))
    issued = tuple(write_file(out.parent, document) for document in documents)
    record_issue(registry, issued, now)
    return SignedImage(out, beside, assertion, issued)


def check_out(registry: Registry, image: GeneratedImage, out: Path, *, sidecar: bool, inputs: tuple[Path, ...]) -> None:
    """Refuse a place for the signed copy that would overwrite another file, or mislead.

    Raises:
        UsageError: the name does not fit the image's format, is that of an input file, or is in the
            home.
    """
    if out.suffix.lower() not in image.suffixes:
        raise UsageError(
            f"{out} is no name for this image; expected one that ends in {image.suffixes[0]}, as it is not converted"
        )
    home, kept = registry.home.root.resolve(), registry.home.reports.resolve()
    for path in (out, out.with_suffix(SIDECAR_SUFFIX)) if sidecar else (out,):
        place = path.resolve()
        if path.is_dir():
            raise UsageError(f"{path} is a folder; name a file for the signed copy")
        if place.is_relative_to(home) and not place.is_relative_to(kept):
            raise UsageError(
                f"{path} is one of the registry's own places; write the signed copy outside {registry.home.root}"
            )
        if any(place == each.resolve() for each in inputs):
            raise UsageError(f"{path} is a file that is read for signing; name another for the signed copy")


def _read_assertion(registry: Registry, sample: Sample, now: datetime.datetime, *, with_audit: bool) -> Assertion:
    with registry.session() as session:
        newest = newest_audit_of(session, sample) if with_audit else None
        if with_audit and newest is None:
            raise UsageError(
                f"sample {sample.id} was not audited yet; run `creditline audit {sample.id}` first, or sign with --no-audit"
            )
        if newest is not None:
            state = read_artefact(registry.home.audit(newest.id), newest.artefact_sha256).state
            if state != "intact":
                raise IntegrityError(
                    f"the file of audit {newest.id} is {state}, so its findings are not signed; restore it, audit {sample.id} "
                    "again, or sign with --no-audit"
                )
        basis = Basis(samples=[sample.id]) if newest is None else basis_of([newest.id])
        head = checked_head(driver_of(session), registry.home, basis)
        audit = None if newest is None else read_audit(session, registry.home, newest).facts
        facts = read_facts(session, registry.home, sample, audit)
        subject = subject_of(sample.id, with_audit=with_audit)
        stamp = stamp_of(KIND, subject, facts.model_dump(mode="json"), now, head, Signing.of(registry))
    return Assertion(**facts.model_dump(), stamp=stamp)


def _sign(
    image: GeneratedImage, key: SigningKey, assertion: Assertion, timestamp_url: str | None, *, sidecar: bool
) -> tuple[bytes, bytes]:
    """The image and its manifest, which is in the image unless ``sidecar``."""
    c2pa = load_c2pa()
    target = io.BytesIO()
    address = timestamp_url.encode() if timestamp_url else None
    try:
        with (
            c2pa.Context.from_dict(_settings(timestamp_url)) as context,
            c2pa.Signer.from_info(
                c2pa.C2paSignerInfo(key.algorithm.encode(), key.chain, key.private, address)
            ) as signer,
            c2pa.Builder(json.dumps(_manifest(image, assertion)), context=context) as builder,
        ):
            if sidecar:
                builder.set_no_embed()
            manifest = builder.sign(signer, image.media_type, io.BytesIO(image.data), target)
    except c2pa.C2paError as error:
        where = f" and the time stamps of {timestamp_url}" if timestamp_url else ""
        raise InputError(f"cannot sign with {key.certificate}{where}: {plain_reason(error)}") from error
    return (image.data if sidecar else target.getvalue()), bytes(manifest)


def _settings(timestamp_url: str | None) -> dict[str, Any]:
    hosts = []
    if timestamp_url:
        parts = urlsplit(timestamp_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{timestamp_url!r} is no address of a time stamp authority; expected http:// or https://")
        if parts.username or parts.password:
            raise UsageError(
                "the address of the time stamp authority has a password in it, which others may see; leave it out"
            )
        hosts = [parts.netloc]
    return {
        "verify": {"verify_after_sign": False, "remote_manifest_fetch": False, "ocsp_fetch": False},
        "core": {"allowed_network_hosts": hosts},
        "builder": {"thumbnail": {"enabled": False}},
    }


def _manifest(image: GeneratedImage, assertion: Assertion) -> dict[str, Any]:
    agent = {"name": "creditline", "version": version("creditline")}
    created = {
        "action": "c2pa.created",
        "when": time_text(image.sample.created_at),
        "digitalSourceType": TRAINED_ALGORITHMIC_MEDIA,
        "softwareAgent": agent,
    }
    # "created": the signer's own statement, not gathered from elsewhere.
    return {
        "claim_generator_info": [agent],
        "title": f"creditline sample {image.sample.id}",
        "format": image.media_type,
        "assertions": [
            {"label": "c2pa.actions.v2", "created": True, "data": {"actions": [created]}},
            {"label": LABEL, "created": True, "data": assertion.model_dump(mode="json")},
        ],
    }
