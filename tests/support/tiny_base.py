"""Tiny pipelines of every kind that tests of bases read, and the layout of the hub's cache."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from benchmarks.tiny_base import TinyBase, save_tiny_base
from tests.support.made_once import made_once

KINDS = {
    "sd": TinyBase(),
    "v": TinyBase(prediction="v_prediction", autoencoder="tiny", tokens=24, schedule="linear"),
    "sdxl": TinyBase(sdxl=True),
    "fp16": TinyBase(variant="fp16"),
    "shards": TinyBase(shard_size="200KB"),
    "sample": TinyBase(prediction="sample"),
}
"""Pipelines of every kind that tests of bases read, by name of their folders."""


def tiny_bases(factory: pytest.TempPathFactory) -> Path:
    """A folder with a pipeline of each of :data:`KINDS`, made once, for reading."""

    def make(folder: Path) -> None:
        for name, base in KINDS.items():
            save_tiny_base(folder / name, base)

    return made_once(factory, "tiny-bases", make)[0]


def in_hub_cache(folder: Path, cache: Path, name: str, commit: str) -> Path:
    """Lay a folder out as the hub's cache does; returns the snapshot."""
    repository = cache / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / commit
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            blob = repository / "blobs" / hashlib.sha256(path.read_bytes()).hexdigest()
            blob.parent.mkdir(parents=True, exist_ok=True)
            blob.write_bytes(path.read_bytes())
            link = snapshot / path.relative_to(folder)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(blob, link.parent))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit, encoding="utf-8")
    return snapshot
