"""Checks an image's Content Credentials: are they intact, who signed, and what does ours state?

Four answers: *valid* (nothing was altered, and the signer's chain leads to one of the given trust
anchors), *untrusted* (nothing was altered, but no trust anchor vouches for the signer), *tampered*
(image or manifest are not as signed) and *none*. Nothing is fetched, whatever a file names: no
manifest, no revocation list.

Anyone can sign any assertion, creditline's included, with a certificate of their own making. So an
assertion is worth as much as its signer, and only a valid file has a known signer.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from registry.errors import InputError
from registry.ids import sha256_of
from registry.messages import plain_reason
from registry.metadata.content_credentials import OFFLINE
from reports.credentials import load_c2pa
from reports.credentials.assertion import LABEL, VERSION, Assertion
from reports.credentials.files import LARGEST_IMAGE, read_plain_file
from reports.rendering.wording import plain

State = Literal["valid", "untrusted", "tampered", "none"]
SIDECAR_SUFFIX = ".c2pa"
LARGEST_MANIFEST = 32 * 2**20
MOST_CODES = 32
PURPOSES = "\n".join(
    ("1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36", "1.3.6.1.4.1.62558.2.1", "1.3.6.1.5.5.7.3.8", "1.3.6.1.5.5.7.3.9")
)
"""Accepted purposes of a certificate: mail, signing documents, C2PA claims; for authorities, time
stamps and revocation."""
_ABOUT_THE_SIGNER = "signingCredential."
"""Start of the validation codes about the signer; other codes are about the content."""
_SIGNER_REASONS = {
    "signingCredential.expired": "the certificate has expired, and no time stamp shows that it was valid when it signed",
    "signingCredential.revoked": "the certificate was revoked",
    "signingCredential.invalid": "the certificate is not one that C2PA accepts",
}
_NO_MANIFEST = "the image has no Content Credentials; they may have been removed"
_UNREADABLE = "its Content Credentials cannot be read"


class _UnreadableImageError(InputError):
    """Separate from other input errors because its message does not name the file yet."""


@dataclass(frozen=True)
class Checked:
    """The result for a file's active manifest. Texts are the signer's, each as one plain line."""

    state: State
    reason: str
    codes: tuple[str, ...] = ()
    """C2PA's codes of the failures."""
    issuer: str | None = None
    common_name: str | None = None
    algorithm: str | None = None
    timestamp: str | None = None
    """When a time stamp authority saw the image; None: no time stamp."""
    claim_generator: str | None = None
    digital_source_type: str | None = None
    ingredients: int = 0
    assertion: Assertion | None = None
    """creditline's own assertion."""
    assertion_problem: str | None = None
    """Why creditline's assertion cannot be read, or the contradiction in it."""


def check_credentials(data: bytes, *, sidecar: bytes | None = None, anchors: bytes | None = None) -> Checked:
    """Check an image.

    ``sidecar``: the manifest from a file beside the image; None: the one in the image.
    ``anchors``: certificates in PEM of trusted chains; None: no trust.

    Raises:
        InputError: no image of a format that can have Content Credentials.
        MissingPartError: the extra is not installed.
    """
    c2pa = load_c2pa()
    trust = {"trust_config": PURPOSES, **({"user_anchors": anchors.decode("ascii", "replace")} if anchors else {})}
    try:
        with (
            c2pa.Context.from_dict({**OFFLINE, "trust": trust}) as context,
            c2pa.Reader(None, io.BytesIO(data), sidecar, context=context) as reader,
        ):
            store = json.loads(reader.json())
    except c2pa.C2paError.ManifestNotFound:
        return Checked("none", _NO_MANIFEST)
    except c2pa.C2paError.RemoteManifest:
        return Checked("none", "the image names a manifest on the network, which is not fetched")
    except c2pa.C2paError.NotSupported as error:
        raise _UnreadableImageError("it is no image of a format that can have Content Credentials") from error
    except (c2pa.C2paError, ValueError, RecursionError) as error:
        # The type of a manifest's box; a damaged image without it never had credentials to lose.
        if sidecar is None and b"jumb" not in data and b"c2pa" not in data:
            raise _UnreadableImageError(f"the image cannot be read: {plain_reason(error)}") from error
        return Checked("tampered", f"{_UNREADABLE}: {plain_reason(error)}")
    return _checked(store, trusting=anchors is not None)


def check_file(path: Path, *, manifest: Path | None = None, trust: Path | None = None) -> tuple[Checked, Path | None]:
    """Check an image file; also returns the file beside it with the manifest, if one was used.

    ``manifest`` None: the manifest in the image or, if it has none, the file beside it with the
    image's name and :data:`SIDECAR_SUFFIX`. ``trust``: certificates in PEM of trusted chains; None:
    no trust.

    Raises:
        InputError: a file cannot be read, or has the wrong content.
        MissingPartError: the extra is not installed.
    """
    load_c2pa()
    anchors = None
    if trust:
        from reports.credentials.keys import load_anchors

        anchors = load_anchors(trust)
    data = read_plain_file(path, "image", LARGEST_IMAGE)
    beside = manifest or path.with_suffix(SIDECAR_SUFFIX)
    try:
        if manifest is None:
            checked = check_credentials(data, anchors=anchors)
            if checked.state != "none" or not beside.exists():
                return checked, None
        sidecar = read_plain_file(beside, "manifest", LARGEST_MANIFEST)
        return check_credentials(data, sidecar=sidecar, anchors=anchors), beside
    except _UnreadableImageError as error:
        raise InputError(f"{path}: {error}") from error


def _checked(store: Mapping[str, Any], *, trusting: bool) -> Checked:
    active = _mapping(_mapping(store.get("manifests")).get(str(store.get("active_manifest"))))
    signature = _mapping(active.get("signature_info"))
    codes = _codes(store)
    state, reason = _judged(str(store.get("validation_state")), codes, trusting=trusting)
    ingredients = active.get("ingredients")
    checked = Checked(
        state=state,
        reason=reason,
        codes=codes,
        issuer=_line(signature.get("issuer")),
        common_name=_line(signature.get("common_name")),
        algorithm=_line(signature.get("alg")),
        timestamp=_line(signature.get("time")),
        claim_generator=_generator(active),
        digital_source_type=_source_type(active),
        ingredients=len(ingredients) if isinstance(ingredients, list) else 0,
    )
    return _with_assertion(checked, active)


def _codes(store: Mapping[str, Any]) -> tuple[str, ...]:
    statuses = store.get("validation_status")
    found = {str(_mapping(each).get("code")) for each in statuses} if isinstance(statuses, list) else set()
    return tuple(sorted(plain(code, 200) for code in found))[:MOST_CODES]


def _judged(validation: str, codes: tuple[str, ...], *, trusting: bool) -> tuple[State, str]:
    altered = [code for code in codes if not code.startswith(_ABOUT_THE_SIGNER)]
    if validation == "Trusted" and trusting:
        return "valid", "nothing was altered, and the signer's chain leads to a trust anchor"
    if validation not in ("Trusted", "Valid") and (altered or not codes):
        return "tampered", f"image or manifest are not what was signed ({', '.join(altered) or 'no reason was given'})"
    for code in codes:
        if code in _SIGNER_REASONS:
            return "untrusted", f"nothing was altered, but {_SIGNER_REASONS[code]}"
    if not trusting:
        return "untrusted", "nothing was altered; name trust anchors to know whether the signer is one you trust"
    return "untrusted", "nothing was altered, but the signer's chain leads to none of the trust anchors"


def _with_assertion(checked: Checked, active: Mapping[str, Any]) -> Checked:
    found = _assertions(active, LABEL)
    if not found:
        return checked
    if len(found) > 1:
        return replace(checked, assertion_problem=f"there are {len(found)} assertions {LABEL}, expected one")
    version = found[0].get("version")
    if version != VERSION:
        problem = f"the assertion {LABEL} has version {plain(str(version), 20)}; this creditline reads {VERSION}"
        return replace(checked, assertion_problem=problem)
    try:
        assertion = Assertion.model_validate(found[0])
    except (ValidationError, ValueError, RecursionError) as error:
        problem = f"the assertion {LABEL} is not laid out as creditline writes it"
        if isinstance(error, ValidationError):
            place = ".".join(str(part) for part in error.errors(include_url=False)[0]["loc"])
            problem += f": {plain(place, 100)}"
        return replace(checked, assertion_problem=problem)
    raw = {name: value for name, value in found[0].items() if name != "stamp"}
    agrees = _hash(raw) == assertion.stamp.facts_sha256
    return replace(
        checked,
        assertion=assertion,
        assertion_problem=None if agrees else "its facts are not those that its stamp is of",
    )


def _hash(facts: Mapping[str, Any]) -> str | None:
    try:
        return sha256_of(facts)
    except (ValueError, RecursionError):  # no number, or half of a surrogate pair
        return None


def _assertions(active: Mapping[str, Any], label: str) -> list[Mapping[str, Any]]:
    listed = active.get("assertions")
    return [
        _mapping(_mapping(each).get("data"))
        for each in (listed if isinstance(listed, list) else ())
        # Several of one label are numbered: label__1.
        if str(_mapping(each).get("label")).split("__", 1)[0] == label
    ]


def _source_type(active: Mapping[str, Any]) -> str | None:
    for label in ("c2pa.actions.v2", "c2pa.actions"):
        for data in _assertions(active, label):
            actions = data.get("actions")
            for action in actions if isinstance(actions, list) else ():
                if _mapping(action).get("action") == "c2pa.created":
                    return _line(_mapping(action).get("digitalSourceType"))
    return None


def _generator(active: Mapping[str, Any]) -> str | None:
    listed = active.get("claim_generator_info")
    for each in listed if isinstance(listed, list) else ():
        known = _mapping(each)
        if known.get("name"):
            return _line(f"{known['name']} {known.get('version') or ''}")
    return _line(active.get("claim_generator"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _line(value: object) -> str | None:
    return plain(value, 300) if isinstance(value, str) and value else None
