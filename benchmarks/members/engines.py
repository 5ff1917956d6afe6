"""Training, sampling and auditing by Ray beside local processes, on the same cores.

A cluster of one node runs before the first command, so its start is not counted. Each round runs
every command with both engines on copies of one home. Wall time counts, since a cluster's workers
are no children of the command: run it on quiet cores. All files that a command leaves must have the
same hashes.

    python -m benchmarks.members.engines [--rounds 3] [--steps 600]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.numpy import load_file

from benchmarks.record import conclude

WORKS, MEMBERS, SAMPLES = 48, 8, 16
MOST = 1.5
"""Largest ratio of the wall times of a round, all commands together."""
OURS = [sys.executable, "-c", "from cli.main import main; main()"]
KEPT = ("*.safetensors", "*.png")
"""Weights, tensors and pictures; manifests have times."""


def main() -> int:
    """Measure, write the result, and return 1 if the claim does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.members.engines")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=600)
    chosen = parser.parse_args()
    commands = {
        "train": ["train", "--steps", str(chosen.steps)],
        "sample": ["sample", "--count", str(SAMPLES), "--seed", "1"],
        "audit": ["audit", "--all"],
    }
    with tempfile.TemporaryDirectory() as name, cluster(Path(name)) as address:
        found = measure(Path(name), commands, address, chosen.rounds)
    claim = f"by Ray on the same cores all commands take at most {MOST:g} times as long, and leave the same files"
    held = found["ratio"] <= MOST and found["same_files"]
    facts = {"works": WORKS, "members": MEMBERS, "samples": SAMPLES, "steps": chosen.steps, "rounds": chosen.rounds}
    return conclude("members/engines", claim, held, facts | found, ("torch", "ray"))


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """The address of a cluster of this machine, which ends with the block."""
    import ray

    ray.init(num_cpus=os.cpu_count(), include_dashboard=False, _temp_dir=str(folder / "ray"))
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


def measure(folder: Path, commands: dict[str, list[str]], address: str, rounds: int) -> dict[str, Any]:
    """Seconds of every command by engine, and whether both left the same files."""
    engines = {"local": [], "ray": ["--engine", "ray", "--address", address]}
    seconds: dict[str, dict[str, list[float]]] = {name: {engine: [] for engine in engines} for name in commands}
    same = True
    start = prepared(folder)
    for _ in range(rounds):
        left = []
        for engine, options in engines.items():
            home = folder / f"home-{engine}"
            shutil.copytree(start, home)
            for name, arguments in commands.items():
                begun = time.monotonic()
                creditline(*arguments, *options, home=home)
                seconds[name][engine].append(time.monotonic() - begun)
            left.append(files_of(home))
            shutil.rmtree(home)
        same = same and left[0] == left[1]
    medians = {
        name: {engine: round(statistics.median(values), 2) for engine, values in by_engine.items()}
        for name, by_engine in seconds.items()
    }
    totals = {engine: np.sum([by_engine[engine] for by_engine in seconds.values()], axis=0) for engine in engines}
    return {
        "seconds": medians,
        "ratio": round(float(np.median(totals["ray"] / totals["local"])), 3),
        "same_files": same,
        "load_average": round(os.getloadavg()[0], 2),
    }


def prepared(folder: Path) -> Path:
    """A home with an encoding of random works."""
    art, home = folder / "art", folder / "start"
    art.mkdir()
    for number in range(WORKS):
        pixels = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((32, 32), Image.Resampling.BICUBIC).save(art / f"{number:02d}.png")
    creditline("init", home=home)
    creditline("register", str(art), "--rightsholder", "Ada Example", home=home)
    creditline("encode", "--within", "none", "--members", str(MEMBERS), home=home)
    return home


def creditline(*arguments: str, home: Path) -> None:
    """Run a command in a process of its own."""
    subprocess.run([*OURS, *arguments, "--home", str(home)], check=True, stdout=subprocess.DEVNULL)


def files_of(home: Path) -> dict[str, str]:
    """Hashes of the files that the commands left; of tensors, since a header's order is random."""
    found = sorted(path for kept in KEPT for path in home.rglob(kept))
    return {str(path.relative_to(home)): hashlib.sha256(content(path)).hexdigest() for path in found}


def content(path: Path) -> bytes:
    """The bytes of a picture, or of all tensors by name."""
    if path.suffix != ".safetensors":
        return path.read_bytes()
    return b"".join(name.encode() + values.tobytes() for name, values in sorted(load_file(path).items()))


if __name__ == "__main__":
    sys.exit(main())
