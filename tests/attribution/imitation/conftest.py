"""A registry of artists with plain pictures, and images that imitate them."""

from __future__ import annotations

import csv
import datetime
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import Tensor, nn

from attribution.imitation.encoders import OpenEncoder
from attribution.ranking.rankers.embeddings import NetworkEmbedding
from registry.home import Home
from registry.imitations.facts import Encoder, Settings
from registry.ingest.owners.table import OwnerTable
from registry.ingest.registration import register_folder
from registry.schema.create import create_registry
from registry.storage.database import Registry

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
ARTISTS = {"Ada Example": (200, 40, 40), "Ben Example": (40, 160, 60), "Cleo Example": (40, 60, 200)}
SIDE = 12
SETTINGS = Settings(by="rightsholder", size=0, works_each=50, held_out=0.3, distractors=5, text="", rate=0.05, seed=0)


@dataclass(frozen=True)
class Studio:
    """A registry with works of three artists, and a folder of imitations of two."""

    registry: Registry
    images: Path


def picture(colour: tuple[int, int, int], seed: int) -> Image.Image:
    """A noisy picture in the artist's colour."""
    generator = np.random.default_rng(seed)
    values = np.array(colour) + generator.normal(0, 25, (SIDE, SIDE, 3))
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def write_works(folder: Path, each: int = 8) -> Path:
    """Works of the artists, with their owner table."""
    folder.mkdir(parents=True)
    with (folder / "owners.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "rightsholder", "licence", "title", "school"))
        for number, (name, colour) in enumerate(ARTISTS.items()):
            for work in range(each):
                path = f"{number}-{work}.png"
                picture(colour, 100 * number + work).save(folder / path)
                writer.writerow((path, name, "CC-BY-4.0", f"Work {work}", f"school {number}"))
    return folder


def write_imitations(folder: Path, each: int = 5) -> Path:
    """Images that imitate the first two artists, in folders of their names."""
    for number, (name, colour) in enumerate(list(ARTISTS.items())[:2]):
        (folder / name).mkdir(parents=True)
        for image in range(each):
            picture(colour, 10_000 + 100 * number + image).save(folder / name / f"{image}.png")
    return folder


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Registered works, and imitations that are easy to tell."""
    works = write_works(tmp_path / "works")
    registry = create_registry(Home(tmp_path / "home"), now=NOW)
    register_folder(registry, works, OwnerTable(works / "owners.csv"), now=NOW, excluded=[works / "owners.csv"])
    return Studio(registry, write_imitations(tmp_path / "images"))


class _Pooled(nn.Module):
    """The mean of each colour in each quarter of a picture."""

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(images, 2).flatten(1)


def colour_encoder() -> OpenEncoder:
    """An encoder that needs no weights: pooled colours."""
    embedding = NetworkEmbedding(
        name="colours",
        width=12,
        network=_Pooled(),
        weights_sha256="0" * 64,
        side=16,
        mean=(0.0, 0.0, 0.0),
        deviation=(1.0, 1.0, 1.0),
    )
    return OpenEncoder(embedding, Encoder(name="colours", description="mean colours", sha256="0" * 64), None)
