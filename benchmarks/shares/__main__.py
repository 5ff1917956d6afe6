"""``python -m benchmarks.shares --mnist MNIST --emoji EMOJI --packages PACKAGES --cache CACHE``.

Trains about 250 small networks a set: about ten minutes of one core. The cache keeps what is done;
the adapters are read from the cache of :mod:`benchmarks.text_to_image`, or trained.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.record import conclude
from benchmarks.shares import adapters, coverage
from benchmarks.shares.grades import told
from benchmarks.shares.measuring import held, measure
from benchmarks.shares.sets import set_of
from benchmarks.text_to_image.__main__ import SIZES
from benchmarks.text_to_image.adapters import Bench
from benchmarks.text_to_image.works import work_set
from cli.demo.base_and_prompts import SMALL_BASE

CLAIM = (
    "on every set the kept rule follows retraining more closely than equal, similarity and cosine shares and than "
    "undirected influence do"
)
COMMAND = "python -m benchmarks.shares --mnist MNIST --emoji EMOJI --packages PACKAGES --cache CACHE"
ADAPTERS = "twemoji-openmoji"


def main() -> int:
    """Measure all sets and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shares", description=__doc__)
    parser.add_argument("--mnist", type=Path, required=True, help="folder of MNIST's idx files")
    parser.add_argument("--emoji", type=Path, required=True, help="folder of emoji with works.csv")
    parser.add_argument("--packages", type=Path, required=True, help="as for benchmarks.text_to_image")
    parser.add_argument("--cache", type=Path, required=True, help="where trainings and measurements are kept")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sources = {"digits": options.mnist, "emoji": options.emoji}
    sets: dict[str, Any] = {
        name: measure(set_of(name, source), options.cache / name) for name, source in sources.items()
    }
    bench = Bench(work_set(ADAPTERS, options.packages), SMALL_BASE, options.cache, SIZES[ADAPTERS])
    sets["adapters"] = adapters.measure(bench)
    for facts in sets.values():
        facts["rules"] = told(facts["rules"], "kept")
    results = {"sets": sets, "interval": coverage.measure()}
    return conclude("shares", CLAIM, held(sets), results, ("torch", "numpy", "scipy"), COMMAND)


if __name__ == "__main__":
    sys.exit(main())
