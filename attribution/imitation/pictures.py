"""Small pictures of an audit that the home keeps, so that its page can show them later.

Of each artist: the first works, the first images, and these images without training on the artist.
A picture is kept under the hash of the file that it is of; one that was made again, under the hash
of its own file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from attribution.images import keep_picture, read_image, read_work
from attribution.imitation.ablation import WithoutArtist
from attribution.imitation.inputs import AuditedImage
from attribution.sampling.generate import png_bytes
from registry.errors import CreditlineError
from registry.home import Home, write_bytes_atomically
from registry.imitations.artists import ArtistWorks

SHOWN = 4
"""Works, and images, of each artist."""


def first_of_each(images: Sequence[AuditedImage]) -> list[AuditedImage]:
    """The images that pages show: the first of each artist."""
    seen: dict[str, int] = {}
    found = []
    for each in images:
        seen[each.artist] = seen.get(each.artist, 0) + 1
        if seen[each.artist] <= SHOWN:
            found.append(each)
    return found


def made_again(images: Sequence[AuditedImage], again: Mapping[str, WithoutArtist]) -> dict[str, bytes]:
    """PNG files of the shown images without training on their artist, by the image's name."""
    return {
        each.name: png_bytes(again[each.artist].without[each.name])
        for each in first_of_each(images)
        if each.artist in again and each.name in again[each.artist].without
    }


def keep_pictures(
    home: Home, works: Sequence[ArtistWorks], images: Sequence[AuditedImage], made: Mapping[str, bytes]
) -> None:
    """Write the pictures that the home does not have yet.

    A file that went away since it was measured leaves a gap on the page, which says so.

    Raises:
        InputError: the home cannot be written.
    """
    for artist in works:
        for path, sha256 in list(zip(artist.paths, artist.sha256, strict=True))[:SHOWN]:
            _keep(home.picture(sha256), path, sha256)
    for each in first_of_each(images):
        if each.sample is None:
            _keep(home.picture(each.sha256), each.path, None)
    for data in made.values():
        write_bytes_atomically(home.picture(hashlib.sha256(data).hexdigest()), data)


def _keep(place: Path, path: Path, sha256: str | None) -> None:
    if place.exists():
        return
    try:
        image: Image.Image = read_image(path)[0] if sha256 is None else read_work(path, sha256)
    except CreditlineError:
        return
    keep_picture(place, image)
