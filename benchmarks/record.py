"""Fair timing, and result files with command, date, machine and versions."""

from __future__ import annotations

import datetime
import json
import os
import platform
import resource
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def interleaved_medians(jobs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Processor seconds of each job in this process: the median over rounds of every job.

    Interleaved rounds of processor time: other load on the machine affects all jobs alike.
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


def children_seconds() -> float:
    """Processor seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def conclude(
    name: str,
    claim: str,
    held: bool,
    results: Mapping[str, Any],
    packages: tuple[str, ...],
    command: str | None = None,
) -> int:
    """Write ``benchmarks/results/<name>.json``, print whether the claim held; returns the status.

    ``name`` is the place of the module in ``benchmarks``, such as ``register/listings``; ``claim``
    is one sentence; ``packages`` are recorded with their versions; ``command`` replaces the real
    one, if that names local folders.
    """
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "claim": claim,
        "command": command or f"{command_of(name)} {shlex.join(map(_without_folder, sys.argv[1:]))}".strip(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "system": platform.system()},
        "versions": {"python": platform.python_version(), **{package: version(package) for package in packages}},
        "results": {**results, "held": held},
    }
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(f"{'held' if held else 'NOT HELD'}: {claim}\n{path}", flush=True)
    return 0 if held else 1


def command_of(name: str) -> str:
    """The command that runs the benchmark of a result, without arguments."""
    return f"python -m benchmarks.{name.replace('/', '.')}"


def _without_folder(argument: str) -> str:
    """The last part of an absolute path: local folders are not recorded."""
    return Path(argument).name if Path(argument).is_absolute() else argument


def _processor() -> str:
    """Name of the processor if the system gives it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
