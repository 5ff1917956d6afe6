"""A file's own words about rights, read by the one reader of :mod:`registry.licences`.

Words only restrict: a licence in a file permits nothing by itself, because anybody can write one
there. What forbids training, reserves all rights, sets a condition or is not understood becomes a
rights signal. The registration compares all of them with the declared licence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from registry.licences import USES, LicencePermission, LicenceTerms, TextKind, read_words
from registry.metadata.values import Problems, clean
from registry.signals import LONGEST_RAW, Category, Protocol, RightsSignal, Use

TEXTS: Mapping[tuple[str, str], tuple[TextKind, str]] = MappingProxyType(
    {
        ("xmp", "xmpRights:UsageTerms"): (TextKind.TERMS, "usage terms"),
        ("xmp", "dc:rights"): (TextKind.NOTICE, "copyright notice"),
        ("xmp", "dcterms:rights"): (TextKind.NOTICE, "rights"),
        ("xmp", "cc:license"): (TextKind.ADDRESS, "licence"),
        ("xmp", "dcterms:license"): (TextKind.ADDRESS, "licence"),
        ("xmp", "cc:prohibits"): (TextKind.ADDRESS, "prohibited uses"),
        ("xmp", "xmpRights:WebStatement"): (TextKind.ADDRESS, "web statement of rights"),
        ("xmp", "plus:OtherConstraints"): (TextKind.TERMS, "constraints"),
        ("xmp", "photoshop:Instructions"): (TextKind.NOTICE, "instructions"),
        ("iptc", "CopyrightNotice"): (TextKind.NOTICE, "copyright notice"),
        ("iptc", "SpecialInstructions"): (TextKind.NOTICE, "instructions"),
        ("exif", "Copyright"): (TextKind.NOTICE, "copyright notice"),
        ("png", "Copyright"): (TextKind.NOTICE, "copyright notice"),
        ("png", "Disclaimer"): (TextKind.NOTICE, "disclaimer"),
        ("png", "License"): (TextKind.TERMS, "licence"),
        ("png", "Rights"): (TextKind.NOTICE, "rights"),
        ("png", "Usage Terms"): (TextKind.TERMS, "usage terms"),
        ("xmp", "dc:description"): (TextKind.CAPTION, "description"),
        ("iptc", "Caption-Abstract"): (TextKind.CAPTION, "caption"),
        ("exif", "ImageDescription"): (TextKind.CAPTION, "description"),
        ("exif", "XPComment"): (TextKind.CAPTION, "comment"),
        ("exif", "XPKeywords"): (TextKind.CAPTION, "keywords"),
        ("exif", "XPSubject"): (TextKind.CAPTION, "subject"),
        ("png", "Description"): (TextKind.CAPTION, "description"),
        ("png", "Comment"): (TextKind.CAPTION, "comment"),
        ("comment", "Comment"): (TextKind.NOTICE, "comment"),
    }
)
"""Places of words about rights, the kind of text in each, and its name."""

Fields = Mapping[str, Mapping[str, str]]
"""Every value by its place, as in :class:`registry.metadata.EmbeddedMetadata`."""


def rights_words(fields: Fields) -> Iterator[tuple[str, str, LicenceTerms]]:
    """The file's words about rights: their name and place, the words, and their meaning."""
    for (place, key), (kind, name) in TEXTS.items():
        text = fields.get(place, {}).get(key)
        terms = read_words(text, kind) if text else None
        if text and terms is not None:
            yield f"{name} in {place}", text, terms


_RIGHTS_PROPERTY = re.compile(
    r"[<\s](?:xmprights:(?:usageterms|webstatement)|dc:rights|dcterms:(?:rights|license)|cc:(?:license|prohibits)"
    r"|plus:otherconstraints|tdm:reservation)\b",
    re.IGNORECASE,
)


def words_of_damaged_xmp(packet: bytes, found_in: str, problems: Problems) -> Iterator[RightsSignal]:
    """A signal where a packet that cannot be parsed says something about rights."""
    text = packet.replace(b"\0", b"").decode("utf-8", "replace")
    if not _RIGHTS_PROPERTY.search(text):
        return
    said = clean(re.sub(r"<[^<>]*>|[<>]", "\n", text))  # values stand on lines of their own
    terms = read_words(said, TextKind.CAPTION)
    use = Use.PROHIBITED if terms is not None and terms.training is LicencePermission.PROHIBITED else Use.UNCLEAR
    problems.add("XMP that cannot be read has statements about rights, so the work is unclear")
    yield RightsSignal(Protocol.WORDS, Category.ALL, use, None, " ".join(said.split())[:LONGEST_RAW], found_in)


def unreadable_words(name: str, place: str) -> RightsSignal:
    """The signal of a text about rights that is damaged."""
    return RightsSignal(Protocol.WORDS, Category.ALL, Use.UNCLEAR, None, "(damaged)", f"{name[:80]} in {place}")


def read_rights_words(fields: Fields, problems: Problems) -> Iterator[RightsSignal]:
    """The signals in a file's words about rights. Words that are not understood are problems."""
    for name, text, terms in rights_words(fields):
        for rest in terms.unread:
            problems.add(f"{name}: not understood, so the work is unclear: {rest!r}")
        if terms.training is not LicencePermission.PERMITTED:
            yield RightsSignal(
                protocol=Protocol.WORDS,
                category=Category.ALL,
                use=USES[terms.training],
                constraint=", ".join(terms.duties) or None,
                raw=text[:LONGEST_RAW],
                found_in=name,
            )
