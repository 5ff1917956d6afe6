"""The document of an imitation audit: the facts of the log's event; page, JSON and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pydantic import Field

from registry.basis.check import checked_head
from registry.basis.rows import Basis
from registry.export.files import write_listing
from registry.home import Home
from registry.imitations.facts import SHA256, ImitationFacts
from registry.imitations.record import EVENT, KeptImitation, named_imitation
from registry.storage.database import Registry, driver_of
from reports.imitations.page import CARDS, SHOWN, Shown, artist_rows, firm_rows, image_rows, page_values
from reports.issuing.document import Document, Reading
from reports.rendering.pictures import read_picture

VERSION: Literal[1] = 1
ARTISTS, IMAGES, FIRMNESS = "artists.csv", "images.csv", "firmness.csv"
"""Names of the tables in the scratch folder."""
SIDE = 176
"""Pixels of a thumbnail's longer side."""


class RecordedImitationFacts(ImitationFacts):
    """How well images that were made to imitate artists are told to be theirs. Likeness is no
    cause; the ablation is about causes.
    """

    event: int = Field(description="Of the log, which has these facts.")
    event_sha256: str = Field(pattern=SHA256)


@dataclass(frozen=True)
class Imitation:
    """An audit with the pictures of its page. Pictures are no facts."""

    kept: KeptImitation
    works: dict[int, list[Shown]]
    """By place of the artist."""
    images: dict[int, list[tuple[Shown, Shown | None]]]
    """By place of the artist: images, each with the picture without training on the artist."""


def imitation_facts(kept: KeptImitation) -> dict[str, Any]:
    """The facts of an audit, and their event."""
    return {**kept.facts.model_dump(mode="json"), "event": kept.event, "event_sha256": kept.event_sha256}


def _read(registry: Registry, imitation_id: str, scratch: Path) -> Reading[Imitation]:
    with registry.session() as session:
        connection = driver_of(session)
        kept = named_imitation(connection, imitation_id)
        facts = kept.facts
        works = [asset for artist in facts.artists for asset in (*artist.works, *artist.works_held_out)]
        works += [asset for distractor in facts.distractors for asset in distractor.works]
        basis = Basis(
            works=works,
            samples=[image.name for image in facts.images] if facts.source == "samples" else [],
            ensembles=[facts.ensemble] if facts.ensemble is not None else [],
            events=[EVENT],
        )
        head = checked_head(connection, registry.home, basis)
        shown = [work for artist in facts.artists[:CARDS] for work in artist.works]
        hashes = dict(connection.execute("SELECT id, sha256 FROM asset WHERE list_contains(?, id)", [shown]).fetchall())
    write_listing(pa.Table.from_pylist(artist_rows(facts)[0]), scratch / ARTISTS)
    write_listing(pa.Table.from_pylist(image_rows(facts)), scratch / IMAGES)
    tables = {"artists": scratch / ARTISTS, "images": scratch / IMAGES}
    if attacked := firm_rows(facts):
        write_listing(pa.Table.from_pylist(attacked), scratch / FIRMNESS)
        tables["firmness"] = scratch / FIRMNESS
    return Reading(
        facts.id,
        _with_pictures(registry.home, kept, hashes),
        head,
        f"imitation-{facts.id}",
        tables,
    )


def _with_pictures(home: Home, kept: KeptImitation, hashes: Mapping[int, str]) -> Imitation:
    facts = kept.facts
    works: dict[int, list[Shown]] = {}
    images: dict[int, list[tuple[Shown, Shown | None]]] = {}
    for place, artist in enumerate(facts.artists[:CARDS]):
        there = [home.picture(hashes[asset]) for asset in artist.works if asset in hashes]
        works[place] = [read_picture(path, side=SIDE) for path in there if path.exists()][:SHOWN]
        own = [image for image in facts.images if image.artist == place][:SHOWN]
        images[place] = [
            (
                read_picture(home.sample_image(image.name), sha256=image.sha256, side=SIDE)
                if facts.source == "samples"
                else read_picture(home.picture(image.sha256), side=SIDE),
                None
                if image.without is None
                else read_picture(home.picture(image.without), sha256=image.without, side=SIDE),
            )
            for image in own
        ]
    return Imitation(kept, works, images)


IMITATION = Document(
    kind="imitation audit",
    name="imitation",
    version=VERSION,
    model=RecordedImitationFacts,
    template="imitation.html.j2",
    read=_read,
    page_values=lambda imitation: page_values(imitation.kept, imitation.works, imitation.images),
    plain=lambda imitation: imitation_facts(imitation.kept),
)
