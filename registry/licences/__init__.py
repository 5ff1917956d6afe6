"""Licences and other words about rights: their meaning, and their terms for training a model.

    read_licence("http://creativecommons.org/licenses/by-nc/2.0/deed.de").training    # constrained
    read_words("© Ada Example. All rights reserved.", TextKind.NOTICE).training       # prohibited

One reader takes licence cells, copyright notices, terms of use and addresses. It understands SPDX
expressions, the addresses of licences, their names and phrases about rights in several languages.
It keeps every text verbatim. Words that it does not understand are quoted and flagged: a text with
such words permits nothing.

The table is conservative and covers licences, not the law: an exception for text and data mining is
not a term of a licence. Training copies a work and may adapt it. So a licence that permits both
permits training, under its duties; a licence without commercial use or adaptation permits it under
that condition, which people must check. All other terms need review. ``A OR B`` is a choice: the
more permissive one counts. ``A AND B`` applies both, as does every other way to name two licences:
the stricter one counts.

What may enter: readers of words about rights, and nothing that knows a work.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from registry.errors import InputError
from registry.licences.reading import TextKind, read_words
from registry.licences.terms import LicencePermission, LicenceTerms
from registry.signals import Use

__all__ = [
    "LONGEST_REFERENCE",
    "USES",
    "LicencePermission",
    "LicenceTerms",
    "TextKind",
    "read_licence",
    "read_words",
    "use_under",
]

LONGEST_REFERENCE = 4_096

USES: Mapping[LicencePermission, Use] = MappingProxyType(
    {
        LicencePermission.PERMITTED: Use.ALLOWED,
        LicencePermission.UNCLEAR: Use.UNCLEAR,
        LicencePermission.CONSTRAINED: Use.CONSTRAINED,
        LicencePermission.PROHIBITED: Use.PROHIBITED,
    }
)
"""The use that a rights signal states with words of these terms."""


def read_licence(reference: str) -> LicenceTerms:
    """The meaning of a licence cell, whatever its case and spacing.

    Raises:
        InputError: the reference is longer than :data:`LONGEST_REFERENCE`.
    """
    if len(reference) > LONGEST_REFERENCE:
        raise InputError(
            f"got a licence reference of {len(reference):,} characters, expected at most {LONGEST_REFERENCE:,}"
        )
    return _terms(reference)


def use_under(reference: str) -> tuple[Use, bool]:
    """The use under a licence that a site or a list refers to, and whether it is understood.

    Terms that must be read first constrain the use, and so does a reference too long to be read: a
    part of it alone could permit what the rest forbids.
    """
    if len(reference) > LONGEST_REFERENCE:
        return Use.CONSTRAINED, False
    terms = read_licence(reference)
    use = USES[terms.training]
    return (Use.CONSTRAINED if use is Use.UNCLEAR else use), terms.recognised


@lru_cache(maxsize=65_536)
def _terms(reference: str) -> LicenceTerms:
    terms = read_words(reference, TextKind.LICENCE)
    assert terms is not None  # noqa: S101 - only a notice or terms of use can be about nothing
    return terms
