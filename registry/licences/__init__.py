"""Licences: the meaning of a declared reference, and its terms for training a generative model.

    read_licence("http://creativecommons.org/licenses/by-nc/2.0/deed.de").training    # constrained

References are SPDX expressions, addresses of Creative Commons or rightsstatements.org, or common
words. A reference that is not understood is kept verbatim and flagged, never guessed.

The table is conservative and covers licences, not the law: an exception for text and data mining is
not a term of a licence. Training copies a work and may adapt it. So a licence that permits both
permits training, under its duties; a licence without commercial use or adaptation permits it under
that condition, which people must check. All other terms need review. ``A OR B`` is a choice: the
more permissive one counts. ``A AND B`` applies both: the stricter one counts.

What may enter: readers of licence references, and nothing that knows a work.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType

from registry.errors import InputError
from registry.licences.creative_commons import creative_commons
from registry.licences.spdx import expression
from registry.licences.statements import statement
from registry.licences.terms import LicencePermission, LicenceTerms, terms_of, without_address

__all__ = ["LONGEST_REFERENCE", "LicencePermission", "LicenceTerms", "read_licence"]

LONGEST_REFERENCE = 4_096


def read_licence(reference: str) -> LicenceTerms:
    """The meaning of a licence reference, whatever its case and spacing.

    Raises:
        InputError: the reference is longer than :data:`LONGEST_REFERENCE`.
    """
    if len(reference) > LONGEST_REFERENCE:
        raise InputError(
            f"got a licence reference of {len(reference):,} characters, expected at most {LONGEST_REFERENCE:,}"
        )
    return replace(_terms(" ".join(reference.split()).casefold()), reference=reference)


@lru_cache(maxsize=65_536)
def _terms(key: str) -> LicenceTerms:
    words = key.strip(" .")
    found = _named(words) or statement(words) or creative_commons(words) or expression(without_address(words))
    if found is not None:
        return found
    if _NO_TRAINING.search(words):
        note = "not understood as a whole, but it says that training is not allowed"
        return replace(terms_of(LicencePermission.PROHIBITED, note=note), recognised=False)
    if "all rights reserved" in words:
        return terms_of(LicencePermission.PROHIBITED, note="all rights are reserved, so no licence is granted")
    return replace(terms_of(LicencePermission.UNCLEAR, note="not understood; kept as declared"), recognised=False)


_NO_TRAINING = re.compile(
    r"\b(?:no|not|without|except|excluding|prohibit\w*|forbid\w*)\b[^.;]{0,40}"
    r"\b(?:ai|a\.i|artificial intelligence|machine[ -]learning|ml|text and data mining|data[ -]mining|tdm)\b|\bnoai\b"
)
"""Words against training in terms of no known licence."""

_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "mit license": "mit",
        "mit licence": "mit",
        "the mit license": "mit",
        "apache": "apache-2.0",
        "apache 2": "apache-2.0",
        "apache 2.0": "apache-2.0",
        "apache license 2.0": "apache-2.0",
        "apache license, version 2.0": "apache-2.0",
        "www.apache.org/licenses/license-2.0": "apache-2.0",
        "the unlicense": "unlicense",
        "gpl v2": "gpl-2.0-only",
        "gplv2": "gpl-2.0-only",
        "gpl v3": "gpl-3.0-only",
        "gplv3": "gpl-3.0-only",
        "lgplv3": "lgpl-3.0-only",
        "agplv3": "agpl-3.0-only",
        "odbl": "odbl-1.0",
        "opendatacommons.org/licenses/odbl/1-0": "odbl-1.0",
        "opendatacommons.org/licenses/by/1-0": "odc-by-1.0",
        "opendatacommons.org/licenses/pddl/1-0": "pddl-1.0",
        "pddl": "pddl-1.0",
        "cc0": "cc0-1.0",
        "cc zero": "cc0-1.0",
        "creative commons zero": "cc0-1.0",
        "pdm": "cc-pdm-1.0",
        "public domain mark": "cc-pdm-1.0",
        "public domain mark 1.0": "cc-pdm-1.0",
        "creativecommons.org/publicdomain/zero/1.0": "cc0-1.0",
        "creativecommons.org/publicdomain/mark/1.0": "cc-pdm-1.0",
        "creativecommons.org/licenses/publicdomain": "cc-pddc",
    }
)
_PUBLIC_DOMAIN = frozenset({"public domain", "publicdomain", "public-domain", "pd", "in the public domain"})


def _named(words: str) -> LicenceTerms | None:
    if words in _PUBLIC_DOMAIN:
        return terms_of(LicencePermission.PERMITTED, note="declared to be in the public domain, without a reason")
    plain = re.sub(r"^(cc0|cc zero|creative commons zero)[ -]v?1\.0( universal)?$", "cc0", words)
    identifier = _ALIASES.get(without_address(plain).removesuffix(".txt"))
    return None if identifier is None else expression(identifier)
