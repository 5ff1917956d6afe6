"""Memory and time of a training step among a million works, beside a thousand.

The training set lies in files as ``creditline train`` builds them; its pixels are a file without
content on the disk, which takes as much address space as a full one. A process of its own opens it,
trains a member that saw half of the works, and tells its peak memory.

    python -m benchmarks.members.training_memory [--works 1000000]
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from attribution.denoisers.pixels import PixelUNet
from attribution.ensemble.recipe import EnsembleSettings, TrainingSettings
from attribution.images import ImageSettings
from attribution.training.dataset import open_training_set
from attribution.training.loop import TrainingData, TrainingRun
from benchmarks.record import conclude
from registry.encodings.codes import codes_of

SIDE, FEW, N, H, STEPS = 64, 1_000, 16, 8, 10
MOST_BYTES = 4 * 2**30
MOST_TIMES = 1.25
KIND = PixelUNet(size=SIDE, widths=(32, 64, 96), patch=4)


def main() -> int:
    """Measure, write the result, and return 1 if the claim does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.members.training_memory")
    parser.add_argument("--works", type=int, default=1_000_000)
    parser.add_argument("--trained", type=Path, help="train on the set in this folder, and print what it took")
    chosen = parser.parse_args()
    if chosen.trained:
        print(json.dumps(trained(chosen.trained)))
        return 0
    cases = [measured(count) for count in (FEW, chosen.works)]
    few, many = cases
    held = (
        many["peak_bytes"] < MOST_BYTES
        and many["processor_seconds_a_step"] <= MOST_TIMES * few["processor_seconds_a_step"]
    )
    claim = (
        f"{chosen.works:,} works of {SIDE}x{SIDE} pixels train in under {MOST_BYTES // 2**30} GiB, "
        f"at most {MOST_TIMES} times as long a step as {FEW:,} works"
    )
    return conclude(
        "training_memory", claim, held, {"batch": TrainingSettings().batch_size, "cases": cases}, ("torch", "numpy")
    )


def measured(works: int) -> dict[str, Any]:
    """A training in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), works)
        command = [sys.executable, "-m", "benchmarks.members.training_memory", "--trained", folder]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
    return {"works": works, **json.loads(found.stdout)}


def fill(folder: Path, works: int) -> None:
    """The files of a training set."""
    with (folder / "pixels.npy").open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (works, SIDE, SIDE, 3)}
        np.lib.format.write_array_header_2_0(file, header)
        file.truncate(file.tell() + works * SIDE * SIDE * 3)
    np.save(folder / "codes.npy", codes_of(0, N, H, np.arange(works) % math.comb(N, H)))
    np.save(folder / "labels.npy", np.zeros(works, dtype=np.int64))
    (folder / "works.txt").write_text("".join(f"{work:064x}\n" for work in range(works)), encoding="ascii")


def trained(folder: Path) -> dict[str, Any]:
    """Some steps of one member; runs in a process of its own."""
    torch.set_num_threads(1)
    start = time.process_time()
    works = open_training_set(folder)
    settings = EnsembleSettings(ImageSettings(size=SIDE), KIND, TrainingSettings(steps=10**6, learning_rate=1e-3))
    rows = np.flatnonzero(works.seen_by(0, N))
    run = TrainingRun(settings, works, rows, 0, "cpu", TrainingData.of(settings, works, rows, "cpu"))
    run.advance()
    first = time.process_time() - start
    start = time.process_time()
    for _ in range(STEPS):
        run.advance()
    return {
        "processor_seconds_until_the_first_step": round(first, 2),
        "processor_seconds_a_step": round((time.process_time() - start) / STEPS, 4),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


if __name__ == "__main__":
    sys.exit(main())
