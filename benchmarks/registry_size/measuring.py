"""A command in a process of its own: wall and processor seconds, peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_RIVAL = """
import duckdb, sys
path, memory, scratch, *statements = sys.argv[1:]
with duckdb.connect(path, config={"memory_limit": memory, "temp_directory": scratch}) as connection:
    connection.execute("SET enable_progress_bar = false")
    for statement in statements:
        result = connection.execute(statement)
        while result.fetchmany(100_000):
            pass
"""
# A work joins an encoding where its file is here. A hundred million files do not fit here, so the
# sizes that the list states count as those of files: the one rule of the intake that is set aside.
_CREDITLINE = """
import registry.ingest.bulk.store as store
store._LEFT_OUT = ()
from cli.main import main
main()
"""


def creditline(arguments: Sequence[str], home: Path, *, statuses: Sequence[int] = (0,)) -> dict[str, Any]:
    """Run a command of creditline; ``statuses``: the exit statuses that are fine."""
    command = [sys.executable, "-c", _CREDITLINE, *arguments, "--home", str(home)]
    return _timed(command, statuses)


def rival(statements: Sequence[str], database: Path, memory: str) -> dict[str, Any]:
    """Run statements over a DuckDB file."""
    scratch = database.with_suffix(".scratch")
    return _timed([sys.executable, "-c", _RIVAL, str(database), memory, str(scratch), *statements], (0,))


def _timed(command: Sequence[str], statuses: Sequence[int]) -> dict[str, Any]:
    start = time.monotonic()
    with tempfile.TemporaryFile() as said:
        environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in statuses:
            said.seek(0)
            raise RuntimeError(f"{command[3:6]} ended with {process.returncode}: {said.read().decode()[-2000:]}")
    return {
        "seconds": round(time.monotonic() - start, 2),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_bytes": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "load_average": round(os.getloadavg()[0], 1),
    }
