"""Time of one page of a listing at ten million works, as a process from start to exit.

Pages with filters and deep pages, over a registry whose rows are scattered (see
:mod:`benchmarks.register.corpus`). The claim is about a machine without other load; processor
seconds, which other load disturbs less, are given, too.

    python -m benchmarks.register.listings [WORKS] [HOME]

If HOME has such a registry it is used, else one is made there.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.record import children_seconds, conclude
from benchmarks.register.corpus import build
from registry.home import Home

WORKS = 10_000_000
ROUNDS = 3
LONGEST_SECONDS = 1.0

COMMANDS = (
    "works",
    "works --offset 9000000",
    "works --rightsholder #17",
    "works --licence CC0-1.0 --offset 1000000",
    "works --data-set museum",
    "works --permission prohibited --offset 1000000",
    "works --data-set museum --licence CC0-1.0 --permission permitted --offset 200000",
    "works --permission unclear --count",
    "rightsholders",
    "rightsholders --offset 49000",
    "rightsholders --matching ff00",
    "licences",
    "data-sets",
    "status",
)


def main() -> int:
    """Measure, write the result, and return 1 if the claim does not hold."""
    works = int(sys.argv[1]) if len(sys.argv) > 1 else WORKS
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(sys.argv[2]) if len(sys.argv) > 2 else Path(folder))
        if not home.database.exists():
            build(home, works)
        cases = [measure(home, command) for command in COMMANDS]
        size = home.database.stat().st_size
    held = all(case["seconds"] <= LONGEST_SECONDS for case in cases)
    results = {"works": works, "megabytes": round(size / 1e6), "rounds": ROUNDS, "cases": cases}
    claim = f"every page of a listing takes at most {LONGEST_SECONDS} s"
    return conclude("register/listings", claim, held, results, ("duckdb",))


def measure(home: Home, command: str) -> dict[str, Any]:
    """Wall and processor seconds of the fastest of several runs."""
    program = [sys.executable, "-c", "from cli.main import main; main()", *command.split(), "--home", str(home.root)]
    wall, processor = [], []
    for _ in range(ROUNDS):
        before, start = children_seconds(), time.perf_counter()
        subprocess.run(program, check=True, capture_output=True)
        wall.append(time.perf_counter() - start)
        processor.append(children_seconds() - before)
    return {"command": command, "seconds": round(min(wall), 3), "processor_seconds": round(min(processor), 3)}


if __name__ == "__main__":
    sys.exit(main())
