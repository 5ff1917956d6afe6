"""How fast `creditline register` is: beside reading and hashing the same files, by one process and by one per core.

Two folders are written first: many small pictures, where opening files is what costs, and fewer photographs, where hashing
is. The claim is about photographs: registering them takes at most twice what reading and hashing them takes with as many
processes. Times are wall seconds, the least of the rounds; the files are in the system's cache for all alike.

    python -m benchmarks.registration
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.hashing import hash_file
from benchmarks.record import write_result
from registry.database import Registry
from registry.home import Home
from registry.ingest.inspection import Task
from registry.ingest.owners import OneOwner
from registry.ingest.pool import inspect_files
from registry.ingest.registration import register_folder

ROUNDS = 3
MAXIMUM_RATIO = 2.0
FOLDERS = {"small pictures": (4_000, 72, "PNG"), "photographs": (600, 1_600, "JPEG")}


def main() -> int:
    """Measure, write the result, and return 1 if the claim does not hold."""
    with tempfile.TemporaryDirectory() as folder:
        cases = [measure(name, Path(folder) / name, *what) for name, what in FOLDERS.items()]
    held = all(case["ratio"] <= MAXIMUM_RATIO for case in cases if case["folder"] == "photographs")
    claim = f"registering photographs takes at most {MAXIMUM_RATIO} x reading and hashing them"
    path = write_result("registration", claim, {"rounds": ROUNDS, "cases": cases, "held": held}, ("duckdb", "pillow"))
    for case in cases:
        print(
            f"{case['folder']}, {case['processes']} processes: {case['files_per_second']:,.0f} files/s, "
            f"{case['megabytes_per_second']:,.0f} MB/s, {case['ratio']:.2f} x reading and hashing"
        )
    print(f"claim {'held' if held else 'NOT held'}; written to {path}")
    return 0 if held else 1


def measure(name: str, folder: Path, count: int, side: int, file_format: str) -> dict[str, Any]:
    """Time one folder; ratio and speeds are those of one process per core."""
    megabytes = write_works(folder, count, side, file_format) / 1e6
    processes = os.cpu_count() or 1
    hashed = least(partial(read_and_hash, folder, processes))
    alone = least(partial(register, folder, 1))
    together = least(partial(register, folder, processes))
    return {
        "folder": name,
        "files": count,
        "megabytes": round(megabytes, 1),
        "processes": processes,
        "read_and_hash_seconds": round(hashed, 3),
        "register_seconds": round(together, 3),
        "register_seconds_one_process": round(alone, 3),
        "ratio": round(together / hashed, 2),
        "files_per_second": round(count / together),
        "megabytes_per_second": round(megabytes / together, 1),
    }


def write_works(folder: Path, count: int, side: int, file_format: str) -> int:
    """Write different pictures, and return their size in bytes."""
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (side // 6, side // 6, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC)
    for number in range(count):
        bits = [[number >> bit & 1 for bit in range(12)]] * 8
        mark = np.array(bits, dtype=np.uint8).repeat(3, axis=0).repeat(3, axis=1) * 255
        picture.paste(Image.fromarray(mark))
        picture.save(folder / f"{number:05d}.{file_format.lower()}", file_format)
    return sum(path.stat().st_size for path in folder.iterdir())


def least(job: Callable[[], object]) -> float:
    """Wall seconds of the fastest round."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        job()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def read_and_hash(folder: Path, processes: int) -> None:
    """What cannot be saved: every byte of every file read and hashed, by the same pool."""
    tasks = [Task(path.name) for path in sorted(folder.iterdir())]
    for _ in inspect_files(folder, tasks, workers=processes, inspect=hash_file):
        pass


def register(folder: Path, processes: int) -> None:
    """Register the folder in an empty registry."""
    with tempfile.TemporaryDirectory() as home:
        registry = Registry.create(Home(Path(home)))
        owner = OneOwner("Ada Example", "CC-BY-4.0")
        report = register_folder(registry, folder, owner, now=datetime.now(UTC), workers=processes)
        if report.findings or report.registered != report.files:
            raise SystemExit(f"{len(report.findings)} of the benchmark's own files were refused")


if __name__ == "__main__":
    sys.exit(main())
