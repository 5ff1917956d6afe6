"""The terms of a licence, and the scale from permitted to prohibited."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class LicencePermission(StrEnum):
    """Training under a licence's own terms, from most to least permissive."""

    PERMITTED = "permitted"
    CONSTRAINED = "constrained"
    UNCLEAR = "unclear"
    PROHIBITED = "prohibited"


STRICTNESS = {permission: rank for rank, permission in enumerate(LicencePermission)}


@dataclass(frozen=True)
class LicenceTerms:
    """The meaning of one licence reference."""

    reference: str
    """As it was declared."""
    spdx: str | None
    """The SPDX expression in normal form; None without an identifier, or if not understood."""
    recognised: bool
    training: LicencePermission
    duties: tuple[str, ...]
    """Duties of the user of the work, sorted."""
    url: str | None
    note: str


def terms_of(
    training: LicencePermission,
    duties: Iterable[str] = (),
    *,
    note: str,
    spdx: str | None = None,
    url: str | None = None,
) -> LicenceTerms:
    """Terms of an understood licence; the reader fills in the reference."""
    return LicenceTerms("", spdx, True, training, tuple(sorted(set(duties))), url, note)


_ADDRESS = re.compile(r"https?://(?:www\.)?")
_LOCAL_FORM = re.compile(r"/(?:deed|legalcode|rdf)(?:\.[a-z_-]{2,12})?$")
_IDENTIFIER_ADDRESS = re.compile(r"(?:spdx\.org/licenses|opensource\.org/licenses?)/([a-z0-9.+-]+?)(?:\.html|\.php)?$")


def without_address(words: str) -> str:
    """An address without the parts that all licences share, or the identifier in it."""
    words = _LOCAL_FORM.sub("", _ADDRESS.sub("", words, count=1).split("?")[0].split("#")[0].rstrip("/"))
    catalogue = _IDENTIFIER_ADDRESS.fullmatch(words)
    return catalogue[1] if catalogue else words
