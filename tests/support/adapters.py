"""Adapters on tiny bases, as if they were trained."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import torch

from attribution.denoisers.schedule import schedule_fields
from attribution.denoisers.text_to_image.kind import Adapters
from attribution.denoisers.text_to_image.lora import Target
from attribution.denoisers.text_to_image.members import AdapterMember
from attribution.ensemble.recipe import EnsembleSettings, TrainingSettings
from attribution.images import ImageSettings
from attribution.training.lifecycle import labels_of
from benchmarks.tiny_base import TinyBase, save_tiny_base
from registry.bases.reading import read_base
from registry.bases.recording import Stated, add_base
from registry.storage.database import Registry

REGISTERED = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


def tiny_kind(
    folder: Path, base: TinyBase | None = None, *, rank: int = 4, alpha: float = 6.0, target: Target = "attention"
) -> Adapters:
    """Adapters on a tiny base, which is written into the folder unless it is there."""
    if not folder.exists():
        save_tiny_base(folder, base)
    return Adapters.on(read_base(folder).facts, folder, rank=rank, alpha=alpha, target=target)


def recipe_on_tiny_base(
    registry: Registry, encoding_id: str, folder: Path, training: TrainingSettings, base: TinyBase | None = None
) -> EnsembleSettings:
    """Adapters of rank 2 on a tiny base, which is written into the folder and registered.

    The works' values in the column ``kind`` are their texts.
    """
    reading = read_base(save_tiny_base(folder, base))
    add_base(registry, reading, Stated(), REGISTERED, name="tiny", source=None)
    kind = Adapters.on(reading.facts, folder, rank=2)
    return EnsembleSettings(
        image=ImageSettings(size=kind.size),
        network=kind,
        training=replace(training, **schedule_fields(kind)),
        label_column="kind",
        labels_sha256=labels_of(registry, encoding_id, "kind").sha256,
    )


def moved_member(kind: Adapters, seed: int, size: float = 0.3) -> AdapterMember:
    """A member with B other than zero, as after training."""
    member, draw = kind.new_member(seed), torch.Generator().manual_seed(1000 + seed)
    with torch.no_grad():
        for up in member.up:
            up.copy_(size * torch.randn(up.shape, generator=draw))
    return member.eval().requires_grad_(False)


def save_members(kind: Adapters, folder: Path, count: int) -> list[Path]:
    """Folders of ``count`` such members."""
    folders = [folder / f"member-{seed}" for seed in range(count)]
    for seed, place in enumerate(folders):
        place.mkdir(parents=True)
        kind.save_member(moved_member(kind, seed), place)
    return folders
