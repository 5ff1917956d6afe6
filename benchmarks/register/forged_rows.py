"""Cost of the check before a document is issued, at a thousand works and at a million.

The check reads the rows that the document rests on, their events, and the parts of their seals
(:mod:`registry.basis.check`). The works of the document are spread over the whole table.

    python -m benchmarks.register.forged_rows [FOLDER]

Registries in FOLDER are used again.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.record import conclude
from benchmarks.register.corpus import build
from registry.basis.check import checked_head
from registry.basis.rows import Basis
from registry.home import Home
from registry.storage.database import Registry

SIZES = (1_000, 1_000_000)
WORKS = 10
"""Works of the document."""
ROUNDS = 15
MOST_TIMES = 3.0
"""Cost at the larger size over that at the smaller one: the sealed parts of a small registry are of
few rows, those of a large one of up to 2,048."""


def main() -> int:
    """Measure, write the result, and return 1 if the claim does not hold."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(made)
        cases = [measure(folder, works) for works in SIZES]
    ratio = cases[-1]["processor_seconds"] / cases[0]["processor_seconds"]
    results = {"works_of_the_document": WORKS, "rounds": ROUNDS, "ratio": round(ratio, 2), "cases": cases}
    claim = f"the check before a document costs at most {MOST_TIMES:g} times as much at a thousand times the works"
    return conclude("register/forged_rows", claim, ratio <= MOST_TIMES, results, ("duckdb", "blake3"))


def measure(folder: Path, works: int) -> dict[str, Any]:
    """Median seconds of a check over works that are spread evenly."""
    home = Home(folder / str(works))
    registry = Registry.open(home) if home.database.exists() else build(home, works)
    basis = Basis(works=[place * works // WORKS for place in range(WORKS)])
    wall, processor = [], []
    with registry.connection() as connection:
        checked_head(connection, home, basis)
        for _ in range(ROUNDS):
            start, started = time.process_time(), time.perf_counter()
            checked_head(connection, home, basis)
            processor.append(time.process_time() - start)
            wall.append(time.perf_counter() - started)
    return {
        "works": works,
        "megabytes": round(home.database.stat().st_size / 1e6),
        "processor_seconds": round(statistics.median(processor), 4),
        "seconds": round(statistics.median(wall), 4),
    }


if __name__ == "__main__":
    sys.exit(main())
