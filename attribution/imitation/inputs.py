"""The images of an audit: a folder with a sub-folder per artist, or own samples by their prompts.

What cannot be used is a finding that names it, as in ``creditline register``: a file that is no
image, a link, a file outside the sub-folders, a sample without a prompt or of two artists.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from attribution.images import ImageSettings, pixels_of, read_image
from attribution.sampling.generate import altered_file
from registry.errors import InputError, IntegrityError, UsageError
from registry.home import Home
from registry.imitations.artists import find_artists
from registry.ingest.owners.table_files import read_table
from registry.ingest.reading.scan import scan_folder
from registry.storage import tables
from registry.text import tidy

MOST_IMAGES = 20_000
MOST_FINDINGS = 200
"""Findings of one audit that are kept; a last one counts the others."""


@dataclass(frozen=True)
class AuditedImage:
    """An image that is meant to imitate an artist."""

    artist: str
    name: str
    sha256: str
    path: Path
    side: int
    """The longer side, in pixels."""
    sample: tables.Sample | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Audited:
    """All usable images, and findings about the others."""

    images: tuple[AuditedImage, ...]
    findings: tuple[str, ...]
    named: str
    """Name of the folder, or id of the ensemble."""


def read_aliases(path: Path | None) -> dict[str, str]:
    """The table of ``--artists``: columns name (of a sub-folder, or a prompt) and artist.

    Raises:
        InputError: the file cannot be read, a column is missing, or a name comes twice.
    """
    if path is None:
        return {}
    table = read_table(path, "table of artists")
    columns = [name.strip().lower() for name in table.columns]
    if sorted(columns) != ["artist", "name"]:
        raise InputError(f"{path} has the columns {', '.join(table.columns)}; expected name and artist")
    found: dict[str, str] = {}
    for row in table.rows:
        values = dict(zip(columns, row.values, strict=False))
        name, artist = tidy(values.get("name")), tidy(values.get("artist"))
        if name is None or artist is None:
            raise InputError(f"{path}, line {row.number}: expected a name and an artist")
        if name in found:
            raise InputError(f"{path}, line {row.number}: {name!r} comes twice")
        found[name] = artist
    return found


def images_of_folder(
    folder: Path,
    known: Mapping[str, int],
    aliases: Mapping[str, str],
    advance: Callable[[int, int], object] = lambda _done, _total: None,
) -> Audited:
    """The images of a folder with one sub-folder per artist.

    ``advance`` gets (files read now, files in all).

    Raises:
        InputError: the folder cannot be read.
        NotFoundError: sub-folders are named after no artist.
        UsageError: there are no images, or too many.
    """
    scan = scan_folder(folder)
    findings = [f"{each.path}: {each.reason}" for each in scan.findings]
    within: list[tuple[str, str]] = []
    for path in scan.files:
        first, slash, _ = path.partition("/")
        if slash:
            within.append((first, path))
        else:
            findings.append(f"{path}: not in a sub-folder named after an artist")
    if not within:
        raise UsageError(f"{folder} has no files in sub-folders; expected one sub-folder per artist, with images")
    _check_number(len(within))
    artists = find_artists(list(dict.fromkeys(first for first, _ in within)), known, aliases)
    images = []
    for first, path in within:
        try:
            image, sha256 = read_image(scan.root / path)
            images.append(AuditedImage(artists[first], path, sha256, scan.root / path, max(image.size)))
        except InputError as error:
            findings.append(str(error).replace(f"{scan.root}/", ""))
        advance(1, len(within))
    if not images:
        raise UsageError(f"{folder} has no readable image; the first finding: {findings[0]}")
    return Audited(tuple(images), _kept(findings), scan.root.name)


def images_of_samples(
    home: Home,
    ensemble_id: str,
    rows: Sequence[tables.Sample],
    known: Mapping[str, int],
    aliases: Mapping[str, str],
) -> Audited:
    """Samples whose prompt names one artist, by an artist's name or a name of the table.

    Raises:
        IntegrityError: a sample's files were altered.
        UsageError: no prompt names an artist, or there are too many samples.
        NotFoundError: the table names an artist that has no works.
    """
    _check_number(len(rows))
    named = {**{name: name for name in known}, **find_artists(list(aliases), known, aliases)}
    images, without, ambiguous = [], 0, []
    artist_of: dict[str, list[str]] = {}
    for row in rows:
        if row.label is None:
            without += 1
            continue
        if row.label not in artist_of:
            artist_of[row.label] = _artists_in(row.label, named)
        found = artist_of[row.label]
        if len(found) != 1:
            without += not found
            ambiguous += [f"sample {row.id}: its prompt names {', '.join(sorted(found))}"] if found else []
            continue
        if reason := altered_file(home, row):
            raise IntegrityError(f"sample {row.id}: {reason}")
        path = home.sample_image(row.id)
        image, _ = read_image(path)
        images.append(AuditedImage(found[0], row.id, row.image_sha256, path, max(image.size), row))
    if not images:
        raise UsageError(
            f"no prompt of the {len(rows)} samples of ensemble {ensemble_id} names an artist with works; `--artists FILE` takes "
            "a CSV with the columns name (a prompt) and artist"
        )
    unnamed = [f"{without} samples: their prompts name no artist"] if without else []
    return Audited(tuple(images), _kept([*ambiguous, *unnamed]), ensemble_id)


def _artists_in(prompt: str, named: Mapping[str, str]) -> list[str]:
    """The artists that a prompt names, as a whole or within it; of overlapping names, the longest.

    ``named``: by name, the artist.
    """
    if prompt in named:
        return [named[prompt]]
    text = prompt.casefold()
    found = {name.casefold(): artist for name, artist in named.items() if name.casefold() in text}
    found = {name: artist for name, artist in found.items() if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)}
    longest = {
        name: artist for name, artist in found.items() if not any(name != each and name in each for each in found)
    }
    return sorted(set(longest.values()))


def pixels_at(images: Iterable[AuditedImage], size: int) -> UInt8[np.ndarray, "image height width channel"]:
    """The images at this size.

    Raises:
        InputError: a file changed since it was listed.
    """
    settings = ImageSettings(size=size)
    found = []
    for each in images:
        image, sha256 = read_image(each.path)
        if sha256 != each.sha256:
            raise InputError(f"{each.name} changed while it was audited; run the command again")
        found.append(pixels_of(image, settings))
    return np.stack(found) if found else np.empty((0, size, size, 3), np.uint8)


def _check_number(count: int) -> None:
    if count > MOST_IMAGES:
        raise UsageError(f"got {count:,} images, at most {MOST_IMAGES:,} are audited at once")


def _kept(findings: list[str]) -> tuple[str, ...]:
    more = len(findings) - MOST_FINDINGS
    kept = [finding[:300] for finding in findings[:MOST_FINDINGS]]
    return (*kept, f"and {more:,} more") if more > 0 else tuple(kept)
