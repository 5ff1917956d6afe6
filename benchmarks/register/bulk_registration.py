"""Speed of `creditline register` on a list of works, relative to DuckDB's own INSERT of the same
columns.

The list is Parquet with address, hash, caption, size, licence and creator of every work. The
baseline is INSERT INTO a bare table with a primary key SELECT the same columns, in its own process.
Creditline checks every row, looks for registered works, keeps rightsholders and licences in their
own tables, and seals the rows in its log. Claim: at most twice the time, with under 2 GiB of
memory. Pairs alternate and the best time of each counts, so that other load on the machine affects
both. Processor seconds are given, too.

    python -m benchmarks.register.bulk_registration [--rows 10000000] [--rounds 1]
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.record import conclude

MAXIMUM_RATIO = 2.0
MAXIMUM_MEMORY = 2 * 2**30
_COLUMNS = "url, sha256, caption, width, height, license, creator"
_BARE = f"""
import duckdb, sys
with duckdb.connect(sys.argv[2]) as connection:
    connection.execute("CREATE TABLE works (id BIGINT PRIMARY KEY, url VARCHAR, sha256 VARCHAR, caption VARCHAR, "
        "width INTEGER, height INTEGER, license VARCHAR, creator VARCHAR)")
    connection.execute("INSERT INTO works SELECT file_row_number, {_COLUMNS} FROM read_parquet(?)", [sys.argv[1]])
"""  # noqa: S608 - constants


def main() -> int:
    """Measure, write the result, and return 1 if the claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), arguments.rows, arguments.rounds)
    held = found["ratio"] <= MAXIMUM_RATIO and found["creditline"]["peak_bytes"] < MAXIMUM_MEMORY
    claim = f"at most {MAXIMUM_RATIO} times the time of a bare INSERT, with under 2 GiB of memory"
    return conclude("register/bulk_registration", claim, held, found, ("creditline", "duckdb", "pyarrow", "numpy"))


def measure(folder: Path, rows: int, rounds: int) -> dict[str, Any]:
    """Times, memory and database sizes of both, and of registering the same list again."""
    works = folder / "works.parquet"
    write_list(works, rows)
    runs: dict[str, list[dict[str, float]]] = {"bare": [], "creditline": [], "again": []}
    sizes = {}
    for _ in range(rounds):
        database = folder / "bare.duckdb"
        runs["bare"].append(timed([sys.executable, "-c", _BARE, str(works), str(database)], folder))
        sizes["bare"] = database.stat().st_size
        database.unlink()
        home = folder / "home"
        creditline = [sys.executable, "-c", "from cli.main import main; main()"]
        timed([*creditline, "init", "--home", str(home)], folder)
        register = [*creditline, "register", str(works), "--map", "rightsholder=creator", "--home", str(home)]
        runs["creditline"].append(timed(register, folder))
        sizes["creditline"] = (home / "registry.duckdb").stat().st_size
        runs["again"].append(timed(register, folder))
        shutil.rmtree(home)
    best = {name: min(found, key=lambda run: run["seconds"]) for name, found in runs.items()}
    return {
        "rows": rows,
        "rounds": rounds,
        **best,
        "ratio": best["creditline"]["seconds"] / best["bare"]["seconds"],
        "processor_ratio": best["creditline"]["processor_seconds"] / best["bare"]["processor_seconds"],
        "database_bytes": sizes,
        "load_average": os.getloadavg()[0],
    }


def write_list(path: Path, rows: int) -> None:
    """A list of works by fifty thousand creators; addresses, hashes and captions all differ."""
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(
            "COPY (SELECT 'https://images.example' || (i % 1000) || '.org/photos/' || md5(i::VARCHAR) || '.jpg' AS url, "  # noqa: S608
            "sha256(i::VARCHAR) AS sha256, 'A photograph of ' || md5((i * 7)::VARCHAR) || ' in the sun' AS caption, "
            "(200 + i % 1000)::INTEGER AS width, (300 + i % 900)::INTEGER AS height, 'CC-BY-4.0' AS license, "
            f"'Creator ' || (i % 50000) AS creator FROM range({rows}) AS numbers (i)) TO '{path}' "
            "(FORMAT parquet, ROW_GROUP_SIZE 122880)"
        )


def timed(command: list[str], folder: Path) -> dict[str, float]:
    """Run a command alone: wall and processor seconds, and its peak memory."""
    before = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[:4]} ended with {process.returncode}")
    return {
        "seconds": time.monotonic() - before,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": _peak(usage),
    }


def _peak(usage: resource.struct_rusage) -> int:
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    sys.exit(main())
