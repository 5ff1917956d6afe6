"""The terms of a licence, and the scale from permitted to prohibited."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class LicencePermission(StrEnum):
    """Training under the words of a licence, from loosest to strictest."""

    PERMITTED = "permitted"
    UNCLEAR = "unclear"
    CONSTRAINED = "constrained"
    PROHIBITED = "prohibited"


STRICTNESS = {permission: rank for rank, permission in enumerate(LicencePermission)}
_OF_A_CHOICE = (
    LicencePermission.PERMITTED,
    LicencePermission.CONSTRAINED,
    LicencePermission.UNCLEAR,
    LicencePermission.PROHIBITED,
)
"""A known condition is the better choice, beside terms that nobody has read."""


@dataclass(frozen=True)
class LicenceTerms:
    """The meaning of one licence reference, or of other words about rights."""

    reference: str
    """As it was declared."""
    spdx: str | None
    """The SPDX expression in normal form; None without an identifier, with words beside it, or if
    not understood."""
    recognised: bool
    """Every word of the reference was understood."""
    training: LicencePermission
    duties: tuple[str, ...]
    """Duties of the user of the work, sorted."""
    url: str | None
    note: str
    unread: tuple[str, ...] = ()
    """The parts that were not understood, as written."""


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


def choice_of(terms: Sequence[LicenceTerms]) -> LicenceTerms:
    """The terms where one licence of several may be chosen: the most permissive one's."""
    best = min(terms, key=lambda each: (_OF_A_CHOICE.index(each.training), *_order(each)))
    return replace(best, spdx=None, url=None, note=f"a choice: {best.note}")


def all_of(terms: Sequence[LicenceTerms]) -> LicenceTerms:
    """The terms where several licences apply together: the strictest, with the duties of all."""
    strictest = max(terms, key=lambda each: (STRICTNESS[each.training], *_order(each)))
    duties = {duty for each in terms for duty in each.duties}
    note = f"all apply: {strictest.note}"
    return replace(strictest, duties=tuple(sorted(duties)), spdx=None, url=None, note=note)


def _order(terms: LicenceTerms) -> tuple[int, tuple[str, ...], str]:
    return len(terms.duties), terms.duties, terms.note
