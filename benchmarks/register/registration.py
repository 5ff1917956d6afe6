"""Speed of `creditline register` on folders, relative to hashing and opening the same files.

The baseline is ``sha256sum`` on all cores (``xargs -P``) followed by Pillow's header read
(``Image.open``) of every file on all cores. Two folders are written first: photographs of 1 to 4
MB, and small pictures of 8 to 50 kB, many enough that the start of processes does not matter.
Claim: registering either takes at most 1.3 times as long. Rounds run both in turn, so that other
load affects both; times are the least wall seconds of the rounds, with processor seconds beside
them. The files are in the system's cache for both. Creating the registry and the search for near
duplicates are not timed.

    python -m benchmarks.register.registration
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.record import conclude
from registry.home import Home
from registry.ingest.owners.declarations import OneOwner
from registry.ingest.registration import register_folder
from registry.schema.create import create_registry
from registry.storage.database import Registry

ROUNDS = 3
MAXIMUM_RATIO = 1.3
HEADERS = "import sys\nfrom PIL import Image\nfor path in sys.argv[1:]:\n    with Image.open(path) as image:\n        image.size"


@dataclass(frozen=True)
class Pictures:
    """A folder of JPEG files."""

    name: str
    count: int
    smallest: int
    largest: int
    """Sides in pixels."""


FOLDERS = (Pictures("photographs", 400, 1_500, 2_900), Pictures("small pictures", 30_000, 130, 370))


@dataclass(frozen=True)
class Seconds:
    """Duration of a job."""

    wall: float
    processor: float
    """Processor seconds of this process and its children."""


def main() -> int:
    """Measure, write the result, and return 1 if the claim does not hold."""
    with tempfile.TemporaryDirectory() as folder:
        cases = [measure(Path(folder) / pictures.name, pictures) for pictures in FOLDERS]
    held = all(case["ratio"] <= MAXIMUM_RATIO for case in cases)
    claim = f"registering takes at most {MAXIMUM_RATIO} x sha256sum and Pillow's header read of the same files, on all cores"
    return conclude("register/registration", claim, held, {"rounds": ROUNDS, "cases": cases}, ("duckdb", "pillow"))


def measure(folder: Path, pictures: Pictures) -> dict[str, Any]:
    """Time one folder."""
    megabytes = write_works(folder, pictures) / 1e6
    processes = len(os.sched_getaffinity(0))
    rival: list[Seconds] = []
    ours: list[Seconds] = []
    for _ in range(ROUNDS):
        rival.append(timed(lambda: hash_and_open(folder, processes)))
        with tempfile.TemporaryDirectory() as home:
            registry = create_registry(Home(Path(home)))
            ours.append(timed(partial(register, registry, folder, processes)))
    wall = min(each.wall for each in ours)
    return {
        "folder": pictures.name,
        "files": pictures.count,
        "megabytes": round(megabytes, 1),
        "processes": processes,
        "rival_seconds": round(min(each.wall for each in rival), 3),
        "register_seconds": round(wall, 3),
        "ratio": round(wall / min(each.wall for each in rival), 2),
        "rival_processor_seconds": round(min(each.processor for each in rival), 3),
        "register_processor_seconds": round(min(each.processor for each in ours), 3),
        "processor_ratio": round(min(each.processor for each in ours) / min(each.processor for each in rival), 2),
        "files_per_second": round(pictures.count / wall),
        "megabytes_per_second": round(megabytes / wall, 1),
    }


def write_works(folder: Path, pictures: Pictures) -> int:
    """Write different pictures with sides spread over the range; returns their size in bytes."""
    folder.mkdir()
    random = np.random.default_rng(0)
    base = random.integers(0, 255, (pictures.largest // 4, pictures.largest // 4, 3), dtype=np.uint8)
    whole = np.asarray(Image.fromarray(base).resize((pictures.largest, pictures.largest), Image.Resampling.BICUBIC))
    for number in range(pictures.count):
        side = int(random.integers(pictures.smallest, pictures.largest + 1))
        picture = np.roll(whole, number * 7, axis=1)[:side, :side].copy()
        picture[:8, :32], picture[8:16, :32] = number % 251, number // 251
        Image.fromarray(picture).save(folder / f"{number:05d}.jpg", quality=88)
    return sum(path.stat().st_size for path in folder.iterdir())


def timed(job: Callable[[], object]) -> Seconds:
    """Run a job once."""
    before, start = os.times(), time.perf_counter()
    job()
    wall, after = time.perf_counter() - start, os.times()
    return Seconds(wall, sum(after[:4]) - sum(before[:4]))


def hash_and_open(folder: Path, processes: int) -> None:
    """The baseline: hash every file, then read every header."""
    names = b"\0".join(os.fsencode(path) for path in sorted(folder.iterdir()))
    share = -(-names.count(b"\0") // (4 * processes)) or 1
    for each, command in ((min(share, 512), ["sha256sum"]), (4 * share, [sys.executable, "-c", HEADERS])):
        subprocess.run(
            ["xargs", "-0", "-P", str(processes), "-n", str(each), *command],
            input=names,
            stdout=subprocess.DEVNULL,
            check=True,
        )


def register(registry: Registry, folder: Path, processes: int) -> None:
    """Register the folder in an empty registry."""
    report = register_folder(
        registry,
        folder,
        OneOwner("Ada Example", "CC-BY-4.0"),
        now=datetime.now(UTC),
        workers=processes,
        near_duplicates=False,
    )
    if report.registered != report.files or report.refused:
        raise SystemExit(f"{report.refused} of the benchmark's own files were refused")


if __name__ == "__main__":
    sys.exit(main())
