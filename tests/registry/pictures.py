"""Pictures with detail and changed copies of them, and their fingerprints in a registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
from PIL import Image, ImageOps

from registry.database import Registry
from registry.events import changing
from registry.fingerprints import Fingerprint, fingerprint_bytes, words_of
from tests.registry.works import NOW, encoded, write


def scene(seed: int, width: int = 320, height: int = 240) -> Image.Image:
    """A picture with detail at every scale, as photographs have; every seed gives another."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for cells in (3, 6, 12, 24, 48):
        noise = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float64) / cells**0.5
    total -= total.min()
    return Image.fromarray((total * (255 / total.max())).astype(np.uint8))


COPIES: Mapping[str, Callable[[Image.Image], bytes]] = MappingProxyType(
    {
        "saved again": lambda image: encoded(image, "JPEG", quality=50),
        "halved": lambda image: encoded(image.resize((image.width // 2, image.height // 2))),
        "mirrored": lambda image: encoded(ImageOps.mirror(image), "JPEG", quality=85),
        "cropped a little": lambda image: encoded(image.crop((2, 2, image.width - 2, image.height - 2))),
    }
)
"""Copies that are found."""


def cropped(image: Image.Image) -> bytes:
    """A copy without a fifth of each side, which is not found."""
    return encoded(image.crop((image.width // 5, image.height // 5, image.width, image.height)))


def write_scenes(folder: Path, names: list[str], first: int = 0) -> Path:
    """A different picture under each name, below ``folder``."""
    for seed, name in enumerate(names, start=first):
        write(folder / name, encoded(scene(seed)))
    return folder


def add_fingerprints(registry: Registry) -> None:
    """Fingerprint the registered files that have none yet."""
    with changing(registry, NOW) as change:
        rows = change.connection.execute(
            "SELECT asset.id, root, path FROM asset JOIN data_set ON data_set.id = data_set_id WHERE asset.path IS NOT NULL "
            "AND asset.id NOT IN (SELECT asset_id FROM fingerprint) ORDER BY asset.id"
        ).fetchall()
        found = [(number, fingerprint_bytes(Path(root, path).read_bytes())) for number, root, path in rows]
        kept = [(number, each) for number, each in found if isinstance(each, Fingerprint)]
        if not kept:
            return
        words = words_of([each for _, each in kept])
        table = pa.table(
            {
                "asset_id": pa.array([number for number, _ in kept], pa.int64()),
                **{f"word{place}": words[:, place] for place in range(4)},
                "quality": pa.array([each.quality for _, each in kept], pa.int32()),
            }
        )
        change.connection.register("fingerprints_found", table)
        change.connection.execute(
            "INSERT INTO fingerprint (id, asset_id, word0, word1, word2, word3, quality) "
            "SELECT ? + row_number() OVER (ORDER BY asset_id) - 1, * FROM fingerprints_found ORDER BY asset_id",
            [change.next_id("fingerprint")],
        )
        change.record("works fingerprinted", "registry", after={"works": len(kept)})
