"""Two sets of captioned emoji that the small base never saw, each with one artist of few works.

A house is an npm package of Iconify, unpacked, as for :mod:`benchmarks.base_model`, and drawings
are rendered as the base's were. A house's works are divided among four rightsholders, by subject.
All works of a set show different motifs. The artist is a third house, in a style of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from benchmarks.base_model.denoiser import LEFT_LATER
from benchmarks.base_model.works import drawings_of, rendered

STYLES = {
    "twemoji": "twemoji",
    "openmoji": "openmoji",
    "emojione": "emoji one",
    "streamline-emojis": "streamline",
    "fluent-emoji-high-contrast": "high contrast",
}
"""Packages and the words that captions call their styles by."""
SETS = {
    "twemoji-openmoji": ("twemoji", "openmoji", "fluent-emoji-high-contrast"),
    "emojione-streamline": ("emojione", "streamline-emojis", "openmoji"),
}
"""Two houses, and the artist."""
SUBJECTS = {"animals": ("Animals", "Nature"), "food": ("Food",), "objects": ("Objects",), "travel": ("Travel",)}
"""How the packages' categories begin."""
WORKS, UNSEEN, ARTIST = 4, 2, 4
"""Works and unseen drawings of each rightsholder; works and further motifs of the artist."""


@dataclass(frozen=True)
class Drawing:
    """One picture with its caption."""

    pixels: UInt8[np.ndarray, "height width 3"]
    motif: str
    style: str
    rightsholder: str

    @property
    def caption(self) -> str:
        return caption(self.motif, self.style)


@dataclass(frozen=True)
class WorkSet:
    """The works to train on, and what is kept back."""

    name: str
    works: tuple[Drawing, ...]
    unseen: tuple[Drawing, ...]
    """Drawings of the houses that no adapter trains on."""
    artist: str
    """The rightsholder with few works."""
    further_motifs: tuple[str, ...]
    """Motifs of which the set has no work, for prompts in the artist's style."""

    def rows_of(self, rightsholder: str) -> np.ndarray:
        """The rightsholder's works."""
        return np.array([row for row, work in enumerate(self.works) if work.rightsholder == rightsholder])

    def of_rows(self, rows: np.ndarray) -> WorkSet:
        """The set with some of its works alone."""
        return replace(self, name=f"{self.name}-{len(rows)}-works", works=tuple(self.works[row] for row in rows))

    def pixels(self, drawings: tuple[Drawing, ...]) -> UInt8[np.ndarray, "drawing height width 3"]:
        """Some drawings as one array."""
        return np.stack([drawing.pixels for drawing in drawings])


def caption(motif: str, style: str) -> str:
    """The caption of a drawing, in the words of the base's own captions."""
    return f"a {motif} in the style of {style}"


def work_set(name: str, packages: Path, further: int = 0) -> WorkSet:
    """The set of this name from a folder with one unpacked package a house.

    ``further``: so many more works of every rightsholder but the artist, after those of the set.

    Raises:
        OSError: a package is missing.
    """
    *houses, artist = SETS[name]
    generator = np.random.default_rng(0)
    taken: set[str] = set()
    works: list[Drawing] = []
    unseen: list[Drawing] = []
    for house in houses:
        drawings = dict(drawings_of(packages, house))
        for subject in SUBJECTS:
            found = _drawn(packages, house, drawings, subject, taken, generator, WORKS + UNSEEN)
            works += found[:WORKS]
            unseen += found[WORKS:]
    drawings = dict(drawings_of(packages, artist))
    of_artist: list[Drawing] = []
    for subject in SUBJECTS:
        of_artist += _drawn(packages, artist, drawings, subject, taken, generator, ARTIST)
    order = generator.permutation(len(of_artist))
    own = [of_artist[place] for place in order[:ARTIST]]
    works += [Drawing(one.pixels, one.motif, one.style, artist) for one in own]
    motifs = tuple(of_artist[place].motif for place in order[ARTIST : 2 * ARTIST])
    if further:
        for house in houses:
            drawings = dict(drawings_of(packages, house))
            for subject in SUBJECTS:
                works += _drawn(packages, house, drawings, subject, taken, generator, further)
        name = f"{name}-{len(works)}-works"
    return WorkSet(name, tuple(works), tuple(unseen), artist, motifs)


def _drawn(
    packages: Path,
    house: str,
    drawings: dict[str, str],
    subject: str,
    taken: set[str],
    generator: np.random.Generator,
    count: int,
) -> list[Drawing]:
    """Drawings of one subject at random, of motifs that are not taken yet; takes their motifs."""
    left = [icon for icon in _icons_about(packages, house, subject) if icon in drawings and icon not in taken]
    found: list[Drawing] = []
    for place in generator.permutation(len(left)).tolist():
        icon = left[place]
        pixels = rendered(drawings[icon])
        if pixels.std() > 4 and len(found) < count:
            taken.add(icon)
            motif = icon.replace("-", " ")
            found.append(Drawing(pixels, motif, STYLES[house], f"{house} {subject}"))
        if len(found) == count:
            break
    return found


def _icons_about(packages: Path, house: str, subject: str) -> Iterator[str]:
    """Names of a house's icons of one subject, without people, hands, clocks, letters and signs."""
    categories = json.loads((packages / house / "metadata.json").read_text())["categories"]
    for category, icons in sorted(categories.items()):
        if category.startswith(SUBJECTS[subject]):
            yield from (icon for icon in sorted(set(icons)) if LEFT_LATER.isdisjoint(icon.split("-")))
