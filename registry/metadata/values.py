"""The values of embedded metadata: frozen, plain and bounded.

Text from a file appears in listings, reports and spreadsheets, where a control character or a
bidirectional override can disguise a name: both are removed here. Letters never are: control
characters 80 to 9F are letters of Windows-1252, and half of a surrogate pair leaves a mark.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

from registry.errors import InputError
from registry.messages import plain_reason
from registry.metadata.byte_text import from_windows
from registry.metadata.synthetic import C2PA_SOURCE
from registry.signals import Category, Protocol, RightsSignal, Use

LONGEST_VALUE = 4_096
LARGEST_PACKET = 2**20
LARGEST_REPORT = 2**16
MOST_PROBLEMS = 20
LONGEST_PROBLEM = 300
MOST_SIGNALS = 64

_LINE_BREAK = re.compile(r"\r\n?|[\u2028\u2029]")
_UNWANTED = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Controls but the line feed, and marks of writing direction."""
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_WINDOWS = re.compile(r"[\x80-\x9f]")
AROUND = "\0 \t\r\n\ufeff"
"""Filling, at the ends of a text: nothing is lost with it."""

SOURCES: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "creator": (
            ("xmp", "dc:creator"),
            ("iptc", "By-line"),
            ("exif", "Artist"),
            ("exif", "Photographer"),
            ("exif", "XPAuthor"),
            ("png", "Author"),
        ),
        "copyright_notice": (
            ("xmp", "dc:rights"),
            ("iptc", "CopyrightNotice"),
            ("exif", "Copyright"),
            ("png", "Copyright"),
            ("comment", "Comment"),
        ),
        "credit_line": (("xmp", "photoshop:Credit"), ("iptc", "Credit")),
        "rights_url": (("xmp", "xmpRights:WebStatement"),),
        "usage_terms": (("xmp", "xmpRights:UsageTerms"), ("png", "Disclaimer")),
        "title": (
            ("xmp", "dc:title"),
            ("iptc", "ObjectName"),
            ("exif", "XPTitle"),
            ("exif", "ImageTitle"),
            ("png", "Title"),
        ),
        "description": (
            ("xmp", "dc:description"),
            ("iptc", "Caption-Abstract"),
            ("exif", "ImageDescription"),
            ("exif", "XPComment"),
            ("png", "Description"),
            ("png", "Comment"),
        ),
        "digital_source_type": (("xmp", "Iptc4xmpExt:DigitalSourceType"), ("c2pa", C2PA_SOURCE)),
    }
)
"""Places of each field, best first: XMP, then IPTC-IIM, then EXIF, then a PNG's own keywords. XMP
holds any text, and today's programs edit it; the older blocks are often stale copies of it."""


class Problems:
    """Reasons for unread metadata: one line each, none twice, no more than people would read."""

    def __init__(self) -> None:
        self._lines: dict[str, None] = {}

    def add(self, line: str) -> None:
        line = " ".join(clean(line).split())[:LONGEST_PROBLEM]
        if len(self._lines) == MOST_PROBLEMS - 1 and line not in self._lines:
            line = "there are further problems, which are not listed"
        if len(self._lines) < MOST_PROBLEMS:
            self._lines[line] = None

    def add_doubt(self, place: str, name: str, doubt: str | None) -> None:
        """A doubt about the reading of a field, if there is one."""
        if doubt:
            self.add(f"{place} {name} {doubt}")

    def add_error(self, what: str, error: BaseException) -> None:
        self.add(f"{what}: {plain_reason(error)}")

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(self._lines)


def clean(text: str) -> str:
    """The text without control characters and direction overrides; line breaks as LF.

    Control characters 80 to 9F become the letters of Windows-1252, surrogates U+FFFD.
    """
    text = _UNWANTED.sub("", _LINE_BREAK.sub("\n", text.replace("\t", " "))).strip()
    return _SURROGATE.sub("\ufffd", from_windows(text)) if not text.isascii() else text


def put(fields: dict[str, str], name: str, text: str, problems: Problems, place: str) -> None:
    """Keep a cleaned value under ``name``, behind other values that it already has."""
    # Twice the limit leaves room for what cleaning takes out, and bounds the cost of a huge value.
    value = clean(text[: 2 * LONGEST_VALUE])
    for loss in losses_of(text[: 2 * LONGEST_VALUE].strip(AROUND)):
        problems.add(f"{place} {name} {loss}")
    if len(value) > LONGEST_VALUE or len(text) > 2 * LONGEST_VALUE:
        problems.add(f"{place} {name} has {len(text):,} characters; the first {LONGEST_VALUE:,} are kept")
    value = value[:LONGEST_VALUE].rstrip()
    former = fields.get(name, "")
    if value not in former:
        joined = f"{former}; {value}" if former else value
        if len(joined) > LONGEST_VALUE:
            problems.add(f"{place} {name} has several values; the first {LONGEST_VALUE:,} characters are kept")
        fields[name] = joined[:LONGEST_VALUE].rstrip()


def losses_of(text: str) -> Iterator[str]:
    """What :func:`clean` takes out of a text or guesses in it, as predicates."""
    if left_out := len(_UNWANTED.findall(text.replace("\t", " ").replace("\r", ""))):
        yield f"has {left_out:,} control characters or marks of direction; they are left out"
    if text.isascii():
        return
    if _WINDOWS.search(text):
        yield "has control characters 80 to 9F; read as letters of Windows-1252"
    if "\ufffd" in text or _SURROGATE.search(text):
        yield "has characters that were lost (U+FFFD) before it was read"


@dataclass(frozen=True)
class ContentCredentials:
    """A C2PA manifest store, as its validator reports it."""

    issuer: str | None
    """Organisation in the certificate that signed the active manifest."""
    common_name: str | None
    signed_at: str | None
    """Time of the signature in ISO 8601, if a time stamp confirms it."""
    validation_state: str
    """``Trusted``, ``Valid`` (intact, but the signer is not on a trust list) or ``Invalid``."""
    validation_codes: tuple[str, ...]
    """The validator's codes for faults of the manifest."""
    active_manifest: str | None
    claim_generator: str | None
    report: str
    """The validator's report as JSON, at most :data:`LARGEST_REPORT` characters."""


@dataclass(frozen=True)
class EmbeddedMetadata:
    """The metadata of a work's file. A field's value is chosen in the order of :data:`SOURCES`."""

    creator: str | None = None
    copyright_notice: str | None = None
    credit_line: str | None = None
    rights_url: str | None = None
    """Web statement of rights."""
    usage_terms: str | None = None
    title: str | None = None
    description: str | None = None
    digital_source_type: str | None = None
    fields: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Every value by its place: ``{"xmp": {"dc:creator": …}, "exif": {"Artist": …}}``."""
    xmp: bytes | None = None
    """The raw XMP packet, unless it is larger than :data:`LARGEST_PACKET`."""
    signals: tuple[RightsSignal, ...] = ()
    c2pa: ContentCredentials | None = None
    problems: tuple[str, ...] = ()
    """Metadata that could not be read, and why: one line each."""

    @classmethod
    def gathered(
        cls,
        fields: Mapping[str, Mapping[str, str]],
        *,
        xmp: bytes | None,
        signals: Iterable[RightsSignal],
        c2pa: ContentCredentials | None,
        problems: tuple[str, ...],
    ) -> EmbeddedMetadata:
        """Choose each field's value from all places."""
        seen = {place: dict(values) for place, values in sorted(fields.items()) if values}
        chosen = {
            name: next((seen[place][key] for place, key in sources if key in seen.get(place, {})), None)
            for name, sources in SOURCES.items()
        }
        return cls(
            **chosen,
            fields=seen,
            xmp=xmp,
            signals=tuple(sorted(set(signals), key=_signal_order)[:MOST_SIGNALS]),
            c2pa=c2pa,
            problems=problems,
        )

    @property
    def is_empty(self) -> bool:
        """Whether there is no metadata at all, not even unreadable ones."""
        return self == _EMPTY

    def said_in(self, name: str) -> dict[tuple[str, str], str]:
        """By place, best first, the values of a field: ``{("xmp", "dc:creator"): …, …}``."""
        return {
            (place, key): self.fields[place][key] for place, key in SOURCES[name] if key in self.fields.get(place, {})
        }

    def to_json(self) -> dict[str, Any]:
        """Plain values that JSON has, the packet as base64."""
        plain = asdict(self)
        plain["xmp"] = None if self.xmp is None else base64.b64encode(self.xmp).decode("ascii")
        plain["signals"] = [asdict(signal) for signal in self.signals]
        plain["problems"] = list(self.problems)
        if self.c2pa:
            plain["c2pa"]["validation_codes"] = list(self.c2pa.validation_codes)
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> EmbeddedMetadata:
        """The metadata that :meth:`to_json` made plain.

        Raises:
            InputError: if these are other values.
        """
        try:
            values = dict(plain)
            if values["xmp"] is not None:
                values["xmp"] = base64.b64decode(values["xmp"], validate=True)
            values["signals"] = tuple(_signal(each) for each in values["signals"])
            values["problems"] = tuple(values["problems"])
            if credentials := values["c2pa"]:
                codes = tuple(credentials["validation_codes"])
                values["c2pa"] = ContentCredentials(**{**credentials, "validation_codes": codes})
            return cls(**values)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"these are no embedded metadata: {error!r}; expected what to_json() made") from error


def _signal(plain: Mapping[str, Any]) -> RightsSignal:
    return RightsSignal(
        protocol=Protocol(plain["protocol"]),
        category=Category(plain["category"]),
        use=Use(plain["use"]),
        constraint=plain["constraint"],
        raw=plain["raw"],
        found_in=plain["found_in"],
    )


# Reservations come first, so that no number of other signals pushes one over the limit.
_STRICTNESS = {Use.PROHIBITED: 0, Use.CONSTRAINED: 1, Use.UNCLEAR: 2, Use.UNSPECIFIED: 3, Use.ALLOWED: 4}


def _signal_order(signal: RightsSignal) -> tuple[int, str, str, str, str, str]:
    return (
        _STRICTNESS[signal.use],
        signal.protocol,
        signal.category,
        signal.constraint or "",
        signal.raw,
        signal.found_in,
    )


_EMPTY = EmbeddedMetadata()
