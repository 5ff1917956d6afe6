"""Source columns to canonical columns: known layouts by column names, and the user's mapping.

laion         LAION metadata, old (SAMPLE_ID, URL, TEXT) and new (url, caption or text, punsafe)
pd12m         PD12M, PD3M and other lists of Source.Plus (id, url, caption, hash)
img2dataset   the Parquet beside img2dataset's shards; hashes, width and height are those of the
              files before they were resized; further columns come from the list it was made from
owner-table   any list whose columns have the canonical names or common other words for them
croissant     the columns that a Croissant description names
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from registry.captions.sources import CAPTION_COLUMNS
from registry.errors import InputError
from registry.ingest.lists.columns import IDENTITY, LONGEST_TEXT, MAPPABLE, Constant
from registry.ingest.lists.connection import listed, one_line
from registry.site_policies.headers import header_columns

_Names = Mapping[str, tuple[str, ...]]

_GENERAL: _Names = MappingProxyType(
    {
        "path": ("path", "file_name", "filename", "file_path", "file"),
        "url": ("url", "image_url", "content_url", "contenturl"),
        "sha256": ("sha256", "sha_256", "sha256_hash"),
        "other_hash": ("other_hash", "md5", "md5_hash", "sha1", "sha512", "hash"),
        "byte_size": ("byte_size", "bytes", "file_size", "filesize", "size"),
        "media_type": ("media_type", "mime_type", "mimetype", "encoding_format"),
        "width": ("width", "image_width"),
        "height": ("height", "image_height"),
        "rightsholder": ("rightsholder", "rights_holder", "owner", "copyright_holder"),
        "licence": ("licence", "license", "license_type", "license_url"),
        "title": ("title",),
        "caption": CAPTION_COLUMNS,
        "creator": ("creator", "author", "artist", "photographer"),
        "source_url": ("source_url", "page_url", "landing_url"),
    }
)
_PRESETS: Mapping[str, _Names] = MappingProxyType(
    {
        "laion": {
            "url": ("url",),
            "title": ("title",),
            "caption": CAPTION_COLUMNS,
            "width": ("width",),
            "height": ("height",),
            "licence": ("license",),
        },
        "pd12m": {
            "url": ("url",),
            "title": ("title",),
            "caption": CAPTION_COLUMNS,
            "width": ("width",),
            "height": ("height",),
            "media_type": ("mime_type",),
            "other_hash": ("hash", "md5_hash"),
            "licence": ("license", "license_type"),
        },
        "img2dataset": {
            "url": ("url",),
            "sha256": ("sha256",),
            "other_hash": ("md5", "sha512"),
            "title": ("title",),
            "caption": CAPTION_COLUMNS,
            "width": ("original_width", "width"),
            "height": ("original_height", "height"),
            "rightsholder": ("rightsholder", "rights_holder", "copyright_holder"),
            "licence": ("licence", "license", "license_url", "licence_url"),
            "creator": ("creator", "author", "artist", "photographer"),
            "source_url": ("source_url", "page_url", "landing_page"),
        },
        "owner-table": _GENERAL,
        "croissant": _GENERAL,
    }
)
_LAION_SIGNS = {"sample_id", "similarity", "nsfw", "punsafe", "pwatermark", "aesthetic"}
_RESERVED = ("file_row_number", "file_index")


@dataclass(frozen=True)
class Layout:
    """The columns of a list, assigned."""

    preset: str
    mapping: Mapping[str, str | Constant]
    attributes: tuple[str, ...]
    not_taken: tuple[str, ...]
    outcome: str | None


@dataclass(frozen=True)
class ColumnRequest:
    """Columns stated by the user, and by a description (``described``: canonical to column)."""

    preset: str | None = None
    mapping: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    constants: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    attributes: Sequence[str] = ()
    described: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def check_request(request: ColumnRequest) -> None:
    """Check presets, canonical columns and constants, before any long reading.

    Raises:
        InputError: one does not exist, or a constant is not one line of text.
    """
    if request.preset is not None and request.preset not in _PRESETS:
        raise InputError(f"no preset {one_line(request.preset)!r}; expected one of {', '.join(sorted(_PRESETS))}")
    for canonical in (*request.mapping, *request.constants):
        if canonical not in MAPPABLE:
            raise InputError(f"no canonical column {one_line(canonical)!r} to map to; there are {', '.join(MAPPABLE)}")
    both = sorted(set(request.mapping) & set(request.constants))
    if both:
        raise InputError(f"{both[0]!r} is mapped to a column and to a constant; give one")
    for canonical, value in request.constants.items():
        if not value.strip() or not value.isprintable() or len(value) > LONGEST_TEXT:
            raise InputError(f"the constant for {canonical!r} is {one_line(value)!r}, expected one line of text")


def lay_out(name: str, columns: Sequence[str], request: ColumnRequest) -> Layout:
    """Assign the columns of the list.

    Raises:
        InputError: a requested column is missing, two have one name, or none identifies works.
    """
    known = _by_lower_name(name, columns)
    preset = request.preset or ("croissant" if request.described else _detect(set(known)))
    mapping: dict[str, str | Constant] = {}
    for canonical, candidates in _PRESETS[preset].items():
        found = next((known[candidate] for candidate in candidates if candidate in known), None)
        if found is not None:
            mapping[canonical] = found
    if preset == "owner-table" and "path" in mapping and str(mapping.get("url", "")).lower() == "url":
        # Beside a path, the `url` of an owner table is the work's source.
        mapping["source_url"] = mapping.pop("url")
    for stated in (request.described, request.mapping):
        for canonical, column in stated.items():
            mapping[canonical] = _find(name, columns, known, column)
    for identity in IDENTITY:
        # A column that the user maps is not taken for a second identity as well.
        if identity not in request.mapping and mapping.get(identity) in {mapping[one] for one in request.mapping}:
            del mapping[identity]
    mapping.update({canonical: Constant(value.strip()) for canonical, value in request.constants.items()})
    if not any(isinstance(mapping.get(identity), str) for identity in IDENTITY):
        raise InputError(
            f"no column of {one_line(name)} identifies the works (columns: {listed(columns)}); "
            "map one of path, url, sha256, other_hash, as in `url=COLUMN`"
        )
    asked = [_find(name, columns, known, column) for column in request.attributes]
    mapped = {column for column in mapping.values() if isinstance(column, str)}
    # Response headers may reserve rights, so they are kept unasked.
    attributes = tuple(dict.fromkeys([*asked, *(each for each in header_columns(columns) if each not in mapped)]))
    outcome = known.get("status") if preset == "img2dataset" else None
    taken = {column for column in mapping.values() if isinstance(column, str)} | {*attributes, outcome}
    ordered = {canonical: mapping[canonical] for canonical in MAPPABLE if canonical in mapping}
    not_taken = tuple(column for column in columns if column not in taken)
    return Layout(preset, MappingProxyType(ordered), attributes, not_taken, outcome)


def _detect(names: set[str]) -> str:
    if {"url", "key", "status"} <= names:
        return "img2dataset"
    if {"id", "url", "mime_type"} <= names and names & {"hash", "md5_hash"}:
        return "pd12m"
    if "url" in names and names & {"text", "caption"} and names & _LAION_SIGNS:
        return "laion"
    return "owner-table"


def _by_lower_name(name: str, columns: Sequence[str]) -> dict[str, str]:
    known: dict[str, str] = {}
    for column in columns:
        lower = column.strip().lower()
        if not lower or not column.isprintable():
            raise InputError(f"{one_line(name)} has a column named {one_line(column)!r}; name it with letters")
        if lower in known:
            raise InputError(f"{one_line(name)} has the column {one_line(column)!r} twice; rename one")
        if lower in _RESERVED:
            raise InputError(f"{one_line(name)} has a column {column!r}, a reserved name; rename it")
        known[lower] = column
    return known


def _find(name: str, columns: Sequence[str], known: Mapping[str, str], asked: str) -> str:
    column = asked if asked in columns else known.get(asked.strip().lower())
    if column is None:
        raise InputError(f"{one_line(name)} has no column {one_line(asked)!r}; it has {listed(columns)}")
    return column


def canonical_of(name: str) -> str | None:
    """The canonical column that a common column name means."""
    lower = name.strip().lower()
    return next((canonical for canonical, names in _GENERAL.items() if lower in names), None)
