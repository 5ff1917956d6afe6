"""Runs ratios and laws, compares them with the last committed results, and prints one table."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import record
from benchmarks.speed import laws, ratios

RESULTS = record.RESULTS / "speed"
PACKAGES = ("torch", "diffusers", "duckdb", "numpy", "pyarrow", "matplotlib")


def main() -> int:
    """Measure, write the results, and return 1 if a ratio misses its bar or a law its exponent."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed")
    parser.add_argument("part", nargs="?", choices=("all", "ratios", "laws"), default="all")
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks or laws (default: all of the part)")
    chosen = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    statuses = []
    if chosen.part != "laws":
        statuses.append(run_ratios(chosen.names))
    if chosen.part != "ratios":
        statuses.append(run_laws(chosen.names))
    return max(statuses)


def run_ratios(names: list[str]) -> int:
    """The small runs of benchmarks with a rival."""
    wanted = [timed for timed in ratios.TIMED if not names or timed.module in names]
    before = committed("ratios")
    rows = dict(current("ratios")) if names else {}
    with tempfile.TemporaryDirectory() as folder:
        for timed in wanted:
            print(f"==> {timed.module}", flush=True)
            start = time.monotonic()
            results = ratios.run(timed, Path(folder))
            seconds = time.monotonic() - start
            for what, ratio in timed.ratios.items():
                value = round(float(ratio.of(results)), 3)
                rows[what] = {
                    "value": value,
                    "bar": ratio.bar,
                    "better": ratio.better,
                    "meets": ratio.meets(value),
                    "benchmark": " ".join([timed.module, *timed.arguments]),
                    "benchmark_seconds": round(seconds, 1),
                }
    table = Table("job / rival", "measured", "bar", "last committed", "", title="Ratios")
    for timed in ratios.TIMED:
        for what, ratio in timed.ratios.items():
            if what in rows:
                value, old = rows[what]["value"], before.get(what, {}).get("value")
                worse = old is not None and ratio.is_worse(value, old)
                remarks = ["misses its bar"] * (not rows[what]["meets"]) + ["WORSE than before"] * worse
                bar = f"{'at least' if ratio.better == 'higher' else 'at most'} {ratio.bar:g}"
                table.add_row(what, f"{value:g}", bar, "" if old is None else f"{old:g}", ", ".join(remarks))
    Console().print(table)
    held = all(row["meets"] for row in rows.values())
    return conclude("ratios", "every ratio meets its bar at the small size", held, rows)


def run_laws(names: list[str]) -> int:
    """The cost of jobs at several sizes."""
    before = committed("laws")
    rows = dict(current("laws")) if names else {}
    for name, law in laws.LAWS.items():
        if not names or name in names:
            print(f"==> {name}", flush=True)
            rows[name] = law.measured()
            laws.plot(name, rows[name], RESULTS / f"{name.replace(' ', '_').lower()}.svg")
    table = Table("job", "sizes", "exponent", "theory", "last committed", "", title="Scaling laws")
    for name, row in rows.items():
        sizes = f"{row['sizes'][0]:,} to {row['sizes'][-1]:,}"
        old = before.get(name, {}).get("exponent")
        remark = "" if row["agrees"] else "grows faster than theory"
        table.add_row(name, sizes, str(row["exponent"]), str(row["theory"]), "" if old is None else str(old), remark)
    Console().print(table)
    held = all(row["agrees"] for row in rows.values())
    return conclude("laws", "no cost grows faster than theory has it", held, rows)


def conclude(part: str, claim: str, held: bool, rows: Mapping[str, Any]) -> int:
    """Write the result of a part; returns its status."""
    command = f"python -m benchmarks.speed {part}"
    results = {"load_average": round(os.getloadavg()[0], 2), "rows": rows}
    return record.conclude(f"speed/{part}", claim, held, results, PACKAGES, command)


def current(part: str) -> dict[str, Any]:
    """The rows of the result that is there."""
    path = RESULTS / f"{part}.json"
    return rows_of(path.read_bytes()) if path.exists() else {}


def committed(part: str) -> dict[str, Any]:
    """The rows of the last committed result; none outside of a repository."""
    command = ["git", "show", f"HEAD:./{part}.json"]
    found = subprocess.run(command, cwd=RESULTS, capture_output=True, check=False)
    return {} if found.returncode else rows_of(found.stdout)


def rows_of(document: bytes) -> dict[str, Any]:
    """The rows of a result file."""
    rows: dict[str, Any] = json.loads(document)["results"]["rows"]
    return rows


if __name__ == "__main__":
    sys.exit(main())
