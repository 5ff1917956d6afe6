"""A file's own words about rights, read by the one reader of :mod:`registry.licences`.

Words only restrict: a licence in a file permits nothing by itself, because anybody can write one
there. What forbids training, reserves all rights, sets a condition or is not understood becomes a
rights signal. The registration compares all of them with the declared licence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from registry.licences import LicencePermission, LicenceTerms, TextKind, read_words
from registry.metadata.values import Problems
from registry.signals import LONGEST_RAW, Category, Protocol, RightsSignal, Use

TEXTS: Mapping[tuple[str, str], tuple[TextKind, str]] = MappingProxyType(
    {
        ("xmp", "xmpRights:UsageTerms"): (TextKind.TERMS, "usage terms"),
        ("xmp", "dc:rights"): (TextKind.NOTICE, "copyright notice"),
        ("xmp", "dcterms:rights"): (TextKind.NOTICE, "rights"),
        ("xmp", "cc:license"): (TextKind.ADDRESS, "licence"),
        ("xmp", "dcterms:license"): (TextKind.ADDRESS, "licence"),
        ("xmp", "xmpRights:WebStatement"): (TextKind.ADDRESS, "web statement of rights"),
        ("xmp", "plus:OtherConstraints"): (TextKind.TERMS, "constraints"),
        ("xmp", "photoshop:Instructions"): (TextKind.NOTICE, "instructions"),
        ("iptc", "CopyrightNotice"): (TextKind.NOTICE, "copyright notice"),
        ("iptc", "SpecialInstructions"): (TextKind.NOTICE, "instructions"),
        ("exif", "Copyright"): (TextKind.NOTICE, "copyright notice"),
        ("png", "Copyright"): (TextKind.NOTICE, "copyright notice"),
        ("png", "Disclaimer"): (TextKind.NOTICE, "disclaimer"),
        ("comment", "Comment"): (TextKind.NOTICE, "comment"),
    }
)
"""Places of words about rights, the kind of text in each, and its name."""

_USES: Mapping[LicencePermission, Use] = MappingProxyType(
    {
        LicencePermission.UNCLEAR: Use.UNCLEAR,
        LicencePermission.CONSTRAINED: Use.CONSTRAINED,
        LicencePermission.PROHIBITED: Use.PROHIBITED,
    }
)

Fields = Mapping[str, Mapping[str, str]]
"""Every value by its place, as in :class:`registry.metadata.EmbeddedMetadata`."""


def rights_words(fields: Fields) -> Iterator[tuple[str, str, LicenceTerms]]:
    """The file's words about rights: their name and place, the words, and their meaning."""
    for (place, key), (kind, name) in TEXTS.items():
        text = fields.get(place, {}).get(key)
        terms = read_words(text, kind) if text else None
        if text and terms is not None:
            yield f"{name} in {place}", text, terms


def read_rights_words(fields: Fields, problems: Problems) -> Iterator[RightsSignal]:
    """The signals in a file's words about rights. Words that are not understood are problems."""
    for name, text, terms in rights_words(fields):
        for rest in terms.unread:
            problems.add(f"{name}: not understood, so the work is unclear: {rest!r}")
        if terms.training in _USES:
            yield RightsSignal(
                protocol=Protocol.WORDS,
                category=Category.ALL,
                use=_USES[terms.training],
                constraint=", ".join(terms.duties) or None,
                raw=text[:LONGEST_RAW],
                found_in=name,
            )
