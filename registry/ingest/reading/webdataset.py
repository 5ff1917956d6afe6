"""Works in shards of img2dataset: TARs with the files of a sample in sequence, under one name.

    000000017.jpg     the image
    000000017.json    url, caption, hash, size, and the columns of the list it came from
    000000017.txt     the caption; without it, 000000017.caption

The layout is WebDataset's: a sample's key is its path up to the first dot of the file name. Files
of other kinds (class numbers, embeddings) are not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registry.captions.beside import SUFFIXES, texts_by_stem, why_no_caption
from registry.captions.texts import ReadCaption, from_bytes
from registry.ingest.archives import ArchiveMember, Limits, first_names, read_archive
from registry.ingest.findings import Finding, Kind
from registry.ingest.reading.json_facts import parse_facts
from registry.messages import plain_reason

_TEXTS = frozenset(suffix.removeprefix(".") for suffix in SUFFIXES)
_IMAGES = frozenset(
    ["jpg", "jpeg", "png", "webp", "gif", "tif", "tiff", "bmp", "avif", "jp2", "j2k", "ppm", "pgm", "pbm", "pnm"]
)
_FIRST = 24
"""Members that decide whether a TAR is a shard."""


@dataclass(frozen=True)
class ShardSample:
    """One image of a shard with the shard's facts about it."""

    key: str
    image: ArchiveMember
    facts: Mapping[str, Any]
    """The .json, checked for size and depth only; empty if it is missing or cannot be read."""
    text: ReadCaption
    """The caption in the .txt, else the .caption; none if it is missing or empty."""


@dataclass
class _Pending:
    """The files of the sample that is being read."""

    key: str = ""
    image: ArchiveMember | None = None
    facts: dict[str, Any] | None = None
    texts: dict[str, ReadCaption] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def is_webdataset(path: Path) -> bool:
    """Whether a TAR is a shard: its first members include an image with its .json or .txt."""
    kinds: dict[str, set[str]] = {}
    for name in first_names(path, _FIRST):
        key, kind = _split(name)
        kinds.setdefault(key, set()).add("image" if kind in _IMAGES else kind)
    return any("image" in found and found & {"json", "txt"} for found in kinds.values())


def read_shard(path: Path, *, limits: Limits | None = None) -> Iterator[ShardSample | Finding]:
    """The samples of a shard, in its order; memory holds one at a time.

    A .json that cannot be read is a finding; its image is taken without it.

    Raises:
        InputError: it is not an archive, or nothing of it can be read.
    """
    pending = _Pending()
    archive = path.name.encode(errors="replace").decode()
    with read_archive(path, include=_is_part, limits=limits or Limits()) as members:
        for member in members:
            if isinstance(member, Finding):
                yield member
                continue
            key, kind = _split(member.path)
            if key != pending.key:
                yield from _finish(archive, pending)
                pending = _Pending(key)
            reason = _take(pending, member, kind)
            if reason:
                yield Finding(f"{archive}!/{member.path}", Kind.REFUSED, reason)
    yield from _finish(archive, pending)


def _is_part(path: str) -> bool:
    kind = _split(path)[1]
    return kind in _IMAGES or kind == "json" or kind in _TEXTS


def _split(path: str) -> tuple[str, str]:
    folder, slash, name = path.rpartition("/")
    key, _, kind = name.partition(".")
    return folder + slash + key, kind.lower()


def _take(pending: _Pending, member: ArchiveMember, kind: str) -> str | None:
    """Add a file to its sample; returns the reason if that fails."""
    if kind in _IMAGES:
        if pending.image is not None:
            return f"a second image of the sample {pending.key}; only the first is taken"
        pending.image = member
        return None
    if kind in _TEXTS:
        pending.texts[member.path] = from_bytes(member.data)
        return None
    try:
        pending.facts = parse_facts(member.data)
    except ValueError as error:
        return f"cannot be read: {plain_reason(error)}; the image is taken without it"
    return None


def _finish(archive: str, pending: _Pending) -> Iterator[ShardSample | Finding]:
    if pending.image is None:
        if pending.facts is not None or pending.texts:
            yield Finding(f"{archive}!/{pending.key}", Kind.REFUSED, "a sample without an image")
        return
    by_stem = texts_by_stem(pending.texts)
    first = by_stem.get(pending.key)
    for path in pending.texts:
        if path != first:
            yield Finding(f"{archive}!/{path}", Kind.CAPTION, why_no_caption(path, by_stem))
    text = ReadCaption(None) if first is None else pending.texts[first]
    yield ShardSample(pending.key, pending.image, pending.facts or {}, text)
