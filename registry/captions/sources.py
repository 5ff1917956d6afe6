"""Where captions come from, and which of several counts.

    chosen({Source.TITLE: "Harbour", Source.COLUMN: "a harbour at dusk"})  # the column's

A registration states at most one caption for a work: that of the first source below that has one.
The order is from deliberate to incidental: what the person who registers asks for, what they list,
what lies beside the file, and last what is inside the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from registry.captions.texts import in_order
from registry.metadata import EmbeddedMetadata


class Source(StrEnum):
    """Sources of captions; the first one that has a caption counts."""

    TEMPLATE = "template"
    """``--caption``: made of other columns. It counts for the works that have all of its fields."""
    COLUMN = "column"
    """The caption column of an owner table or of a list."""
    TEXT_FILE = "text file"
    """A ``.txt`` with the name of the image, beside it: in a folder, an archive or a shard."""
    JSON_FILE = "JSON file"
    """The caption in the ``.json`` of the image, in its shard or beside it."""
    XMP_DESCRIPTION = "XMP description"
    """``dc:description`` in the file, in its default language."""
    IPTC_CAPTION = "IPTC caption"
    """Caption/Abstract (2:120) in the file."""
    XMP_TITLE = "XMP title"
    """``dc:title`` in the file, in its default language."""


CAPTION_COLUMNS = ("caption", "text", "prompt")
"""Names of a caption column, in upper or lower case; the first of these that there is counts."""

_EMBEDDED = {
    Source.XMP_DESCRIPTION: ("xmp", "dc:description"),
    Source.IPTC_CAPTION: ("iptc", "Caption-Abstract"),
    Source.XMP_TITLE: ("xmp", "dc:title"),
}
"""Places of captions inside a file. EXIF's ImageDescription is none: cameras write their own name
there."""


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption and its source."""

    text: str
    source: Source


def chosen(stated: Mapping[Source, str | None]) -> Caption | None:
    """The caption that counts, whatever the order of the mapping; None if no source has one."""
    return next((Caption(text, source) for source in Source if (text := stated.get(source))), None)


EMBEDDED = frozenset(_EMBEDDED)
"""Sources inside the file. They replace no caption that was stated for it."""


def caption_column(names: Iterable[str]) -> str | None:
    """The caption column among lower-case names, whatever their order."""
    known = frozenset(names)
    return next((name for name in CAPTION_COLUMNS if name in known), None)


def embedded_captions(embedded: EmbeddedMetadata | None) -> dict[Source, str | None]:
    """The captions inside a file, by source."""
    fields = {} if embedded is None else embedded.fields
    found = {source: fields.get(place, {}).get(name) for source, (place, name) in _EMBEDDED.items()}
    return {source: in_order(text).text for source, text in found.items() if text}


def embedded_columns() -> dict[Source, str]:
    """SQL for the texts of :func:`embedded_captions` over rows of ``embedded_metadata``."""
    return {source: f"fields ->> '$.{place}.\"{name}\"'" for source, (place, name) in _EMBEDDED.items()}
