"""The facts in the ``.json`` of an image, under the registry's names.

img2dataset copies the columns of its list; the names below are those of well-known lists. A fact is
text from outside: it is bounded, cleaned, and kept only if it is a single value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from registry.captions.sources import CAPTION_COLUMNS, Source
from registry.captions.texts import ReadCaption, in_order
from registry.ingest.owners.declarations import Declaration
from registry.licences import USES, LicencePermission, read_licence
from registry.metadata.values import clean
from registry.rightsholders.no_names import names_nobody
from registry.signals import LONGEST_RAW, Category, Protocol, RightsSignal
from registry.text import tidy

LONGEST = 4_096
MOST_ATTRIBUTES = 64
_LONGEST_HASH = 128

_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "url": ("url", "image_url", "src"),
        "rightsholder": ("rightsholder", "rights_holder", "copyright_holder"),
        "licence": ("licence", "license", "license_url", "licence_url"),
        "creator": ("creator", "author", "artist", "photographer"),
        "source_url": ("source_url", "page_url", "landing_page", "source"),
        "title": ("title",),
    }
)
_LEFT_OUT = frozenset(
    {"exif", "sha256", "status", "error_message", *(name for names in _NAMES.values() for name in names)}
)


def facts_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts under the registry's names: :class:`Declaration`'s fields, ``url``, ``attributes``.

    Also ``sha256``, if that should be the hash of these bytes; ``captions`` by source, and
    ``caption_note`` where one was not taken as it stands.
    """
    lower = {str(name).lower(): value for name, value in facts.items()}
    found: dict[str, Any] = {}
    for name, sources in _NAMES.items():
        value = next((said for source in sources if (said := _text(lower.get(source)))), None)
        if value:
            found[name] = " ".join(value.split()) if name != "title" else value
    if (stated := _text(lower.get("sha256"))) and not _was_resized(lower):
        found["sha256"] = stated[:_LONGEST_HASH].lower()
    column = next((name for name in CAPTION_COLUMNS if isinstance(lower.get(name), str)), None)
    attributes = {
        clean(name)[:200]: said
        for name, value in lower.items()
        if name not in _LEFT_OUT and name != column and (said := _text(value))
    }
    found["attributes"] = dict(list(attributes.items())[:MOST_ATTRIBUTES])
    return with_caption(found, Source.JSON_FILE, in_order(lower[column])) if column else found


def with_caption(facts: Mapping[str, Any], source: Source, caption: ReadCaption) -> dict[str, Any]:
    """The facts with one more caption, and with the note about it."""
    found = dict(facts)
    if caption.text:
        found["captions"] = {**facts.get("captions", {}), str(source): caption.text}
    if caption.note:
        found["caption_note"] = "; ".join(filter(None, (facts.get("caption_note"), f"its {source}: {caption.note}")))
    return found


def with_facts(declaration: Declaration, facts: Mapping[str, Any], default_licence: str | None) -> Declaration:
    """The declaration with a shard's facts; their licence replaces only ``default_licence``.

    A rightsholder that names nobody is left out.
    """
    changes = {
        name: facts[name]
        for name in ("rightsholder", "creator", "title", "source_url")
        if getattr(declaration, name) is None and name in facts
    }
    if "rightsholder" in changes and names_nobody(changes["rightsholder"]):
        del changes["rightsholder"]
    if "captions" in facts:
        changes["captions"] = {Source(name): text for name, text in facts["captions"].items()} | dict(
            declaration.captions
        )
    if "licence" in facts and declaration.licence in (None, default_licence):
        changes["licence"] = facts["licence"]
    if "attributes" in facts:
        changes["attributes"] = {**facts["attributes"], **(declaration.attributes or {})}
    return replace(declaration, **changes)


def contradicting_licence(
    declaration: Declaration, facts: Mapping[str, Any], default_licence: str | None
) -> tuple[RightsSignal, ...]:
    """A rights signal if the .json states another licence than the one that is declared.

    The declared licence stays, and the stricter of the two counts.
    """
    said, stated = facts.get("licence"), declaration.licence
    if not said or stated in (None, default_licence):
        return ()
    found, declared = read_licence(said), read_licence(stated)
    if (found.spdx or said) == (declared.spdx or stated) or found.training is LicencePermission.PERMITTED:
        return ()
    use = USES[found.training]
    return (RightsSignal(Protocol.WORDS, Category.ALL, use, None, said[:LONGEST_RAW], "the licence in its .json"),)


def hash_conflict(facts: Mapping[str, Any], sha256: str) -> str | None:
    """The reason for a finding if a shard states another hash than that of the bytes; else None.

    img2dataset hashes an image as it is downloaded. If it then resized the image, the hash is of
    other bytes by design, and nothing is compared.
    """
    stated = facts.get("sha256")
    if stated is None or stated == sha256:
        return None
    return (
        f"its .json states the sha256 {stated}, but its bytes have {sha256}: they were replaced, damaged or written again "
        "after they were hashed; the work is registered under the hash of its bytes"
    )


def _was_resized(facts: Mapping[str, Any]) -> bool:
    sizes = [(facts.get(f"original_{side}"), facts.get(side)) for side in ("width", "height")]
    return all(isinstance(size, int) for pair in sizes for size in pair) and any(before != now for before, now in sizes)


def _text(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return tidy(clean(str(value)[: 2 * LONGEST])[:LONGEST])
