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

from functools import lru_cache

from registry.errors import InputError
from registry.licences.reading import TextKind, read_words
from registry.licences.terms import LicencePermission, LicenceTerms

__all__ = ["LONGEST_REFERENCE", "LicencePermission", "LicenceTerms", "TextKind", "read_licence", "read_words"]

LONGEST_REFERENCE = 4_096


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


@lru_cache(maxsize=65_536)
def _terms(reference: str) -> LicenceTerms:
    terms = read_words(reference, TextKind.LICENCE)
    assert terms is not None  # noqa: S101 - only a notice or terms of use can be about nothing
    return terms
