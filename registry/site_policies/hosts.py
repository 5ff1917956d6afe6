"""Host names in one form, from a URL or as given, and the path that a policy is matched against.

The form is lower case, without a final dot, and in punycode if not ASCII. A policy is for one host:
RFC 9309 and TDMRep both take the file from the origin that serves the work.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

LONGEST_HOST = 253
"""Bytes of a host name (RFC 1035)."""
LONGEST_URL = 65_536

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?").fullmatch
_PLAIN_URL = re.compile(r"https?://([A-Za-z0-9._-]+)(?::[0-9]{1,5})?(?=[/?#]|\Z)").match
_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")


@lru_cache(maxsize=65_536)
def normal_host(name: str) -> str | None:
    """The host name in the compared form; None if it is no host name."""
    if not 0 < len(name) <= LONGEST_HOST:
        return None
    if ":" in name:
        try:
            return str(ip_address(name.strip("[]")))
        except ValueError:
            return None
    labels = [_normal_label(label) for label in name.translate(_DOTS).removesuffix(".").split(".")]
    if not all(_LABEL(label) for label in labels):
        return None
    host = ".".join(labels)
    return host if len(host) <= LONGEST_HOST else None


def _normal_label(label: str) -> str:
    if label.isascii():
        return label.lower()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).lower())
    # A sharp s stays itself, as in IDNA 2008: the older standard's "ss" is another site.
    return folded if folded.isascii() else "xn--" + folded.encode("punycode", "replace").decode("ascii")


def domain_of(url: str) -> str | None:
    """The host of an http or https URL in the compared form; None for anything else."""
    if len(url) > LONGEST_URL:
        return None
    plain = _PLAIN_URL(url)
    if plain:
        return normal_host(plain[1])
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    return normal_host(host) if host and parts.scheme in ("http", "https") else None


def path_of(url: str) -> str | None:
    """Path and query of an http or https URL, for a policy's rules; None for anything else."""
    if domain_of(url) is None:
        return None
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
