"""Time stamps by an authority (RFC 3161): proof that a signature existed at a moment.

The authority is named by :data:`AUTHORITY`. It sees the SHA-256 of a signature, never a document.
Its answer must be about that hash and repeat the request's nonce; who the authority is, and whether
its certificate is trusted, its reader checks (`openssl ts -verify`).
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from hashlib import sha256
from urllib.parse import urlsplit

from registry.errors import InputError, MissingPartError, UsageError
from reports.signatures import MISSING

AUTHORITY = "CREDITLINE_TIMESTAMP_AUTHORITY"
PATIENCE = 20.0
"""Seconds to wait for the authority."""
LARGEST = 2**20
_ASKED, _ANSWERED = "application/timestamp-query", "application/timestamp-reply"


def authority() -> str | None:
    """The authority's address from the environment; None: no time stamps.

    Raises:
        UsageError: it is no address of the web.
    """
    url = os.environ.get(AUTHORITY, "").strip()
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{AUTHORITY} is {url[:200]!r}, expected an address with http:// or https://")
    return url


def time_stamp(url: str, data: bytes) -> bytes:
    """The authority's time stamp of ``data``, as `openssl ts -verify -data` reads it.

    Raises:
        MissingPartError: the extra ``signatures`` is not installed.
        InputError: the authority does not answer, refuses, or answers about something else.
    """
    try:
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, decode_timestamp_response
    except ImportError as error:
        raise MissingPartError(MISSING) from error
    request = (
        TimestampRequestBuilder()
        .data(data)
        .hash_algorithm(HashAlgorithm.SHA256)
        .nonce(nonce=True)
        .cert_request(cert_request=True)
        .build()
    )
    answer = _ask(url, request.as_bytes())
    try:
        found = decode_timestamp_response(answer)
        if found.status not in (0, 1):
            raise InputError(
                f"the time stamp authority {url} refused: {'; '.join(found.status_string) or found.status}"
            )
        token = found.tst_info
        fits = token.message_imprint.message == sha256(data).digest() and token.nonce == request.nonce
    except ValueError as error:
        raise InputError(f"the answer of the time stamp authority {url} is no time stamp (RFC 3161)") from error
    if not fits:
        raise InputError(f"the time stamp of {url} is about something else, or the answer to an earlier request")
    return answer


def _ask(url: str, query: bytes) -> bytes:
    request = urllib.request.Request(url, query, {"Content-Type": _ASKED, "Accept": _ANSWERED})  # noqa: S310 - http(s)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:  # noqa: S310 - see `authority`
            answer: bytes = response.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(
            f"the time stamp authority {url} does not answer ({reason}); nothing was issued: try again, or unset {AUTHORITY}"
        ) from error
    if len(answer) > LARGEST:
        raise InputError(f"the time stamp authority {url} answers with more than {LARGEST:,} bytes")
    return answer
