"""The works of the base: emoji of permissive houses that the demonstration does not use.

A house is an npm package of Iconify, unpacked: ``icons.json`` has its SVG, ``info.json`` its author
and licence, ``package.json`` its version.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from registry.ids import sha256_of_file

SIDE = 64
MARGIN = 2
RENDERED = 240
"""Pixels a side of the rendered SVG, four times its side on the page."""
HOUSES = {
    "noto": "noto",
    "noto-v1": "noto classic",
    "fluent-emoji-flat": "fluent flat",
    "fluent-emoji": "fluent",
    "fxemoji": "firefox",
}
"""Packages and the words that captions call their styles by."""
KEPT_IN = 2
"""An icon is used if at least this many houses draw it, one of them with plain names."""
PLAIN_NAMES = ("noto", "noto-v1", "fluent-emoji-flat")
LEFT_OUT = re.compile(
    r"skin-tone|tone-?\d|-(light|medium|dark|medium-light|medium-dark)$|^flag|keycap|^regional|button$|^[0-9]"
)
"""Variants of one drawing, flags, and letters on a button."""


@dataclass(frozen=True)
class House:
    """One package, as the card states it."""

    package: str
    style: str
    author: str
    licence: str
    sha256: str
    """Of ``icons.json``."""


def house(packages: Path, name: str) -> House:
    """What a package says of itself."""
    folder = packages / name
    info, package = (json.loads((folder / file).read_text()) for file in ("info.json", "package.json"))
    return House(
        package=f"npm:{package['name']}@{package['version']}",
        style=HOUSES[name],
        author=info["author"]["name"],
        licence=info["license"]["spdx"],
        sha256=sha256_of_file(folder / "icons.json"),
    )


def render_works(packages: Path, kept: Path) -> None:
    """Write ``works.npz`` (images [work, 64, 64, 3] uint8, house, name) and ``houses.json``."""
    drawings = {name: dict(drawings_of(packages, name)) for name in HOUSES}
    drawn_by = Counter(icon for icons in drawings.values() for icon in icons)
    plain = {icon for name in PLAIN_NAMES for icon in drawings[name]}
    jobs = [
        (name, icon, svg)
        for name, icons in drawings.items()
        for icon, svg in sorted(icons.items())
        if drawn_by[icon] >= KEPT_IN and icon in plain
    ]
    with ProcessPoolExecutor() as pool:
        images = list(pool.map(rendered, (svg for _, _, svg in jobs), chunksize=32))
    drawn = [(job, image) for job, image in zip(jobs, images, strict=True) if image.std() > 4]
    np.savez_compressed(
        kept / "works.npz",
        images=np.stack([image for _, image in drawn]),
        house=np.array([name for (name, _, _), _ in drawn]),
        name=np.array([icon for (_, icon, _), _ in drawn]),
    )
    (kept / "houses.json").write_text(json.dumps([asdict(house(packages, name)) for name in HOUSES], indent=2) + "\n")
    print(
        f"{len(drawn)} works of {len({icon for (_, icon, _), _ in drawn})} motifs; {len(jobs) - len(drawn)} were blank"
    )


def drawings_of(packages: Path, name: str) -> Iterator[tuple[str, str]]:
    """Name and SVG of every icon, on a square."""
    icons = json.loads((packages / name / "icons.json").read_text())
    for icon, drawing in icons["icons"].items():
        if LEFT_OUT.search(icon) or drawing.get("hidden"):
            continue
        width, height, left, top = (
            drawing.get(key, icons.get(key, otherwise))
            for key, otherwise in (("width", 16), ("height", 16), ("left", 0), ("top", 0))
        )
        side = max(width, height)
        box = f"{left - (side - width) / 2} {top - (side - height) / 2} {side} {side}"
        yield (
            icon,
            f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'width="128" height="128" viewBox="{box}">{drawing["body"]}</svg>',
        )


def rendered(svg: str) -> np.ndarray:
    """The drawing on a white page, [64, 64, 3] uint8."""
    import resvg_py

    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=RENDERED, height=RENDERED))
    inner = SIDE - 2 * MARGIN
    drawing = Image.open(io.BytesIO(png)).convert("RGBA").resize((inner, inner), Image.Resampling.BOX)
    page = Image.new("RGBA", (SIDE, SIDE), "white")
    page.alpha_composite(drawing, (MARGIN, MARGIN))
    return np.asarray(page.convert("RGB"))
