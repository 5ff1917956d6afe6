"""Cost of ranking millions of works: memory, and time relative to a plain matrix product.

Synthetic works of 16x16x3 bytes in a mapped file are ranked in blocks as in an audit (best 200
units, all scales), for one image and for 16 together. The plain pass, the least work of any search,
reads the same blocks, converts them to float32, multiplies them by the images and takes the
row-wise maximum. Three claims:

- a pass of the pixel kernel takes at most 2.5 times the processor time of the plain pass, for one
  image and for 16;
- arrays take at most 256 MB at any time, beside one index of the works' units, for all rankers;
- twice the works need no more memory: it is bounded by the blocks.

    python -m benchmarks.auditing.ranking_scale [--works 1000000]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from attribution.ranking.rankers.interface import Images, PixelRows, Ranker, Works, blocks, pixel_by_pixel
from attribution.ranking.rankers.kernel import PixelKernel
from attribution.ranking.rankers.responsibilities import Responsibilities
from attribution.ranking.rankers.scan import UnitIndex, scan
from benchmarks.record import conclude, interleaved_medians

SHAPE = (16, 16, 3)
KEEP = 200
ROUNDS = 2
BATCHES = (1, 16)
MEMBERS = 16
MAXIMUM_RATIO = 2.5
MAXIMUM_BYTES = 256 * 2**20


def main() -> int:
    """Measure, write the result, and return 1 if a claim does not hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--works", type=int, default=1_000_000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pixels.npy"
        fill(path, options.works)
        pixels = np.load(path, mmap_mode="r")
        passes = [measure(pixels, images) for images in BATCHES]
        memory = {
            ranker.name: {
                str(count): peak_bytes(lambda one=ranker, part=count: ranked(one, pixels[:part], 16))  # type: ignore[misc]  # mypy cannot infer defaults
                for count in (options.works // 2, options.works)
            }
            for ranker in (PixelKernel(), Responsibilities())
        }
    largest = max(value for by_count in memory.values() for value in by_count.values())
    kernel = PixelKernel.name
    held = all(one["seconds"][kernel] <= MAXIMUM_RATIO * one["seconds"]["plain"] for one in passes)
    held = held and largest <= MAXIMUM_BYTES
    results = {
        "works": options.works,
        "bytes_of_pixels": options.works * int(np.prod(SHAPE)),
        "kept_units": KEEP,
        "threads": "those of the BLAS; set OMP_NUM_THREADS=1 for one",
        "passes": passes,
        "peak_bytes_of_arrays_16_images": memory,
    }
    claim = f"at most {MAXIMUM_RATIO} x a plain product over the same bytes, and {MAXIMUM_BYTES // 2**20} MB, however many works"
    return conclude("auditing/ranking_scale", claim, held, results, ("numpy", "torch"))


def fill(path: Path, works: int) -> None:
    """Random works, in a file as in a training set."""
    pixels = np.lib.format.open_memmap(path, "w+", np.uint8, (works, *SHAPE))
    generator = np.random.default_rng(0)
    for start in range(0, works, 65_536):
        count = min(65_536, works - start)
        # Smooth pictures in a few colours: their distances spread like those of real works.
        base = generator.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
        pixels[start : start + count] = base.repeat(4, axis=1).repeat(4, axis=2)
    pixels.flush()


def images_near(pixels: np.ndarray, count: int) -> Images:
    """Noisy copies of some works."""
    rows = np.linspace(0, len(pixels) - 1, count).astype(int)
    values = np.moveaxis(pixels[rows], -1, 1).reshape(count, -1) / 255.0
    noise = np.random.default_rng(1).normal(scale=0.05, size=values.shape)
    return Images(np.clip(values + noise, 0, 1).astype(np.float32), (3, 16, 16))


def ranked(ranker: Ranker, pixels: np.ndarray, images: int, membership: np.ndarray | None = None) -> np.ndarray:
    """One pass of a ranker, as in an audit, or with ``membership`` as in grading."""
    works = Works(PixelRows(pixels), np.arange(len(pixels)), [])
    index = UnitIndex(np.arange(len(pixels)), len(pixels), single=True, present=np.arange(len(pixels)))
    query = ranker.prepare(images_near(pixels, images), works)
    return scan(query, works.pixels, images, len(ranker.scales), index, KEEP, membership).order


def plain(pixels: np.ndarray, images: int) -> np.ndarray:
    """The least work of a pass over all works."""
    shown, rows = pixel_by_pixel(images_near(pixels, images)), PixelRows(pixels)
    best = np.full(images, -np.inf, dtype=np.float32)
    for block in blocks(len(rows), rows.width):
        best = np.maximum(best, (shown @ rows.take(block).T).max(axis=1))
    return best


def measure(pixels: np.ndarray, images: int) -> dict[str, Any]:
    """Processor seconds of each pass, and works per second."""
    membership = np.random.default_rng(2).random((len(pixels), MEMBERS)) < 0.5
    jobs: dict[str, Callable[[], object]] = {
        "plain": lambda: plain(pixels, images),
        PixelKernel.name: lambda: ranked(PixelKernel(), pixels, images),
        f"{PixelKernel.name}, graded": lambda: ranked(PixelKernel(), pixels, images, membership),
        Responsibilities.name: lambda: ranked(Responsibilities(), pixels, images),
    }
    seconds = interleaved_medians(jobs, ROUNDS)
    return {
        "images": images,
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "works_per_second": {name: round(len(pixels) / value) for name, value in seconds.items()},
        "ratio_to_plain": {name: round(value / seconds["plain"], 2) for name, value in seconds.items()},
    }


def peak_bytes(job: Callable[[], object]) -> int:
    """Peak memory of arrays during the job, without the index of units, which grows with works."""
    tracemalloc.start()
    try:
        job()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    sys.exit(main())
