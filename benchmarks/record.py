"""What every benchmark shares: fair timing, and a result file that says how, when and on what it
was measured.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def interleaved_medians(jobs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Processor seconds of each job: the median over rounds that run every job once.

    Processor time, and every job in each round, so that whatever else a machine is doing hits all
    jobs alike. For jobs on the CPU in this process.
    """
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for job in jobs.values():
        job()
    for _ in range(rounds):
        for name, job in jobs.items():
            start = time.process_time()
            job()
            seconds[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def write_result(
    name: str, claim: str, results: Mapping[str, Any], packages: tuple[str, ...], command: str | None = None
) -> Path:
    """Write ``benchmarks/results/<name>.json`` and return its path.

    ``command`` stands in for the one that was given, where that names folders of whoever ran it.
    """
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "claim": claim,
        "command": command or f"python -m benchmarks.{name} {' '.join(map(_without_folder, sys.argv[1:]))}".strip(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "system": platform.system()},
        "versions": {"python": platform.python_version(), **{package: version(package) for package in packages}},
        "results": results,
    }
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return path


def _without_folder(argument: str) -> str:
    """A file or folder by its own name: where it lay on the machine says nothing to others."""
    return Path(argument).name if Path(argument).is_absolute() else argument


def _processor() -> str:
    """Name of the processor where the system tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
