"""Creative Commons licences by their addresses and by people's names for them."""

from __future__ import annotations

import re

from registry.licences.spdx import ELEMENTS, creative_commons_terms
from registry.licences.terms import LicenceTerms, without_address

_SPELLED_OUT = (
    (r"non[ -]?commercial", "nc"),
    (r"no[ -]?deriv(?:atives|ative|s)?(?: works)?", "nd"),
    (r"share[ -]?alike", "sa"),
    (r"attribution", "by"),
    (r"creative[ -]?commons", "cc"),
)
_FILLER = frozenset({"licence", "license", "public", "international", "unported", "generic", "intl", "int", "the", "v"})
_CC_ADDRESS = re.compile(
    r"creativecommons\.org/licenses/([a-z+-]{2,20})(?:/([0-9]\.[0-9]))?(?:/([a-z]{2,10}))?(?:/.*)?"
)
_CC_LIKE = re.compile(r"cc|creative|attribution|by").match
_CC_WORDS = re.compile(r"[a-z]+|[0-9](?:\.[0-9])?(?![0-9.])|[^ ,()_/-]+")
_LONG_PORTS = ("igo", "scotland")
_VERSIONS = (None, "1.0", "2.0", "2.1", "2.5", "3.0", "4.0")


def creative_commons(words: str) -> LicenceTerms | None:
    """The terms of a Creative Commons licence, or None where the words name none."""
    address = _CC_ADDRESS.fullmatch(without_address(words))
    if address:
        elements, version, port = set(address[1].split("-")), address[2], address[3]
    elif not _CC_LIKE(words):
        return None
    else:
        spoken = words
        for pattern, element in _SPELLED_OUT:
            spoken = re.sub(pattern, f" {element} ", spoken)
        parts = [part for part in _CC_WORDS.findall(spoken) if part not in _FILLER]
        if not parts or parts[0] not in ("cc", "by"):
            return None
        versions = [part for part in parts if part[0].isdigit()]
        elements = {part for part in parts if part in ELEMENTS}
        rest = [part for part in parts if part not in ELEMENTS and part not in ("cc", *versions)]
        if len(set(versions)) > 1 or len(rest) > 1 or not (parts[0] == "cc" or versions):
            return None
        version = (versions[0] if "." in versions[0] else f"{versions[0]}.0") if versions else None
        port = rest[0] if rest else None
        if port is not None and not (port.isalpha() and port != "or" and (len(port) == 2 or port in _LONG_PORTS)):
            return None
    if not elements or not elements <= set(ELEMENTS) or version not in _VERSIONS:
        return None
    return creative_commons_terms([element for element in ELEMENTS if element in elements], version, port)
