"""A small world that is real throughout: works on disk, a registry, trained members, samples."""

from __future__ import annotations

import csv
import datetime
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlmodel import col, select

from attribution.denoisers.pixels import PixelUNet
from attribution.engines.device import Device
from attribution.ensemble.recipe import EnsembleSettings, TrainingSettings
from attribution.ensemble.serving import ServingEnsemble, serving_ensemble
from attribution.images import ImageSettings
from attribution.sampling.generate import generate_samples
from attribution.sampling.requests import requests_for
from attribution.sampling.schedule import SamplerSettings
from attribution.training.dataset import build_training_set
from attribution.training.lifecycle import create_ensemble, train_ensemble
from registry.encodings.store import create_encoding
from registry.home import Home
from registry.ingest.owners.table import OwnerTable
from registry.ingest.registration import register_folder
from registry.schema.create import create_registry
from registry.storage import tables
from registry.storage.database import Registry
from tests.support.made_once import made_once

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
CPU = Device("cpu", 1)
SAMPLER = SamplerSettings(steps=8)
COLOURS = [(220, 30, 30), (30, 160, 60), (40, 60, 220), (240, 200, 40), (150, 50, 180), (20, 20, 20)]


@dataclass(frozen=True)
class World:
    """A registry with one complete ensemble and a few samples of it."""

    registry: Registry
    works: Path
    ensemble: ServingEnsemble
    samples: tuple[tables.Sample, ...]


def write_works(folder: Path, count: int = 18) -> None:
    """Discs and squares of two rightsholders, with their owner table."""
    folder.mkdir(parents=True)
    y, x = np.mgrid[0:24, 0:24]
    rows = []
    for k in range(count):
        array = np.full((24, 24, 3), 255, dtype=np.uint8)
        centre = 7 + 3 * (k % 4), 7 + 3 * (k // 6)
        if k % 2:
            inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= 36
        else:
            inside = (abs(y - centre[0]) <= 5) & (abs(x - centre[1]) <= 5)
        array[inside] = COLOURS[k % len(COLOURS)]
        Image.fromarray(array).save(folder / f"{k:02d}.png")
        rows.append((f"{k:02d}.png", f"House {k % 3}", "CC-BY-4.0", f"Work {k}", "disc" if k % 2 else "square"))
    with (folder / "owners.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "rightsholder", "licence", "title", "kind"))
        writer.writerows(rows)


def small_settings() -> EnsembleSettings:
    """A recipe that trains in seconds."""
    return EnsembleSettings(
        image=ImageSettings(size=8),
        network=PixelUNet(size=8, widths=(8,), groups=4),
        training=TrainingSettings(steps=60, batch_size=8),
    )


def encode_written_works(
    root: Path, count: int = 18, unit_kind: str = "asset", column: str | None = None, n: int = 6, h: int = 3
) -> tuple[Registry, str]:
    """Write works, register and encode them; returns the registry and the encoding's id."""
    works = root / "works"
    write_works(works, count)
    registry = create_registry(Home(root / "home"))
    register_folder(registry, works, OwnerTable(works / "owners.csv"), now=NOW, excluded=[works / "owners.csv"])
    # Format 1 has all 20 words of (6, 3): 18 works leave two decoys.
    return registry, create_encoding(registry, unit_kind, column, n, h, 0, NOW, code_format=1).id


def prepare_ensemble(registry: Registry, encoding_id: str, settings: EnsembleSettings) -> str:
    """Create an ensemble with its training set, ready to be trained; returns its id."""
    ensemble = create_ensemble(registry, encoding_id, settings)
    build_training_set(registry, ensemble.id, encoding_id, settings)
    return ensemble.id


def train_all(registry: Registry, ensemble_id: str, n: int) -> ServingEnsemble:
    """Train the ``n`` members of an ensemble, which then serve."""
    assert len(list(train_ensemble(registry, ensemble_id, CPU))) == n
    return serving_ensemble(registry, ensemble_id)


def build_world(root: Path, unit_kind: str = "asset", column: str | None = None, n: int = 6, h: int = 3) -> World:
    """Register, encode, train and sample, as the command line does, but without it."""
    registry, encoding_id = encode_written_works(root, unit_kind=unit_kind, column=column, n=n, h=h)
    reference = train_all(registry, prepare_ensemble(registry, encoding_id, small_settings()), n)
    samples = sorted(
        generate_samples(registry, reference, requests_for(range(6)), SAMPLER, CPU), key=lambda row: row.seed
    )
    return World(registry, root / "works", reference, tuple(samples))


def open_world(factory: pytest.TempPathFactory) -> World:
    """The world of units that are works, in this process's own home."""
    made, copy = made_once(factory, "trained-world", build_world)
    registry = Registry.open(Home(copy / "home"))
    with registry.session() as session:
        ensemble = session.exec(select(tables.Ensemble)).one()
        samples = session.exec(select(tables.Sample).order_by(col(tables.Sample.seed))).all()
    return World(registry, made / "works", serving_ensemble(registry, ensemble.id), tuple(samples))


@pytest.fixture(scope="session")
def built_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The world of units that are works, trained once for all test processes; read only."""
    return open_world(tmp_path_factory)


@pytest.fixture
def world(built_world: World, tmp_path: Path) -> World:
    """A copy of the world, free to change; works stay where they are registered."""
    home = Home(tmp_path / "home")
    shutil.copytree(built_world.registry.home.root, home.root)
    return World(Registry.open(home), built_world.works, built_world.ensemble, built_world.samples)
