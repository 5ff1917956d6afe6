"""Time, memory and file size of the registry's operations at many works, beside bare DuckDB SQL.

A list of works is generated; creditline registers it, gives codes, lists, exports, checks
permissions, finds exposed members and examines the whole record. Each operation runs in a process
of its own, and right after it the same operation as plain SQL over plain tables, with the same
limit on memory. The members are rows alone: none is trained here.

    python -m benchmarks.registry_size [WORKS] [--folder FOLDER] [--memory 3GB]

With FOLDER, an interrupted run goes on where it ended: what was measured is kept there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from math import log10
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.record import RESULTS, conclude
from benchmarks.registry_size import rival
from benchmarks.registry_size.measuring import creditline
from benchmarks.registry_size.measuring import rival as run_rival
from benchmarks.registry_size.works import owner_name, write_list
from registry.home import Home
from registry.storage.database import Registry
from registry.storage.memory import MEMORY_VARIABLE
from registry.storage.results import number_of

# ruff: noqa: S608 - statements of numbers and constants

Measured = dict[str, Any]
MAXIMUM_MEMORY = 8 * 2**30
MEMBERS = 4
"""Members that are recorded as trained."""
MEDIUM_OWNER = 100
"""The rank of an owner with a fair number of works."""
SEALED = ("asset", "asset_rights", "rightsholder", "licence", "unit", "unit_asset")


class Run:
    """The steps of one size, in a folder."""

    def __init__(self, folder: Path, works: int, memory: str) -> None:
        self.folder, self.works, self.memory = folder, works, memory
        self.list, self.bare = folder / "works.parquet", folder / "bare.duckdb"
        self.home = Home(folder / "home")
        self._kept = folder / "measured.json"
        self.measured: Measured = json.loads(self._kept.read_text()) if self._kept.exists() else {}

    def step(self, name: str, measure: Callable[[], Measured]) -> None:
        """Measure once; what an earlier run has measured stands."""
        if name in self.measured:
            return
        self.measured[name] = measure()
        self._kept.write_text(json.dumps(self.measured, indent=1))
        print(name, json.dumps(self.measured[name]), flush=True)

    def pair(
        self,
        name: str,
        arguments: list[str],
        statements: list[str],
        *,
        statuses: tuple[int, ...] = (0,),
        own: bool = False,
    ) -> None:
        """An operation and its rival; ``own``: the rival reads the registry's own file."""

        def measure() -> Measured:
            ours = creditline(arguments, self.home.root, statuses=statuses)
            theirs = run_rival(statements, self.home.database if own else self.bare, self.memory)
            return {
                "command": " ".join(each.replace(f"{self.folder}/", "") for each in arguments),
                "creditline": ours,
                "sql": theirs,
                "ratio": _ratio(ours, theirs, "seconds"),
                "processor_ratio": _ratio(ours, theirs, "processor_seconds"),
                "memory_ratio": _ratio(ours, theirs, "peak_bytes"),
                "registry_bytes": self.home.database.stat().st_size,
                "sql_bytes": self.bare.stat().st_size,
            }

        self.step(name, measure)

    def everything(self) -> None:
        """All steps in order."""
        self.step("list", self._write_list)
        if "intake" not in self.measured:
            shutil.rmtree(self.home.root, ignore_errors=True)
            self.bare.unlink(missing_ok=True)
            creditline(["init"], self.home.root)
        mapping = ["--map", "rightsholder=creator", "--map", "licence=license"]
        self.pair("intake", ["register", str(self.list), *mapping], rival.intake(self.list))
        self.pair("encode", ["encode", "--within", "none"], rival.encode())
        self._listings()
        export = self.folder / "export.parquet"
        self.pair("export", ["works", "--out", str(export)], rival.export(self.folder / "bare.parquet"))
        export.unlink(missing_ok=True)
        (self.folder / "bare.parquet").unlink(missing_ok=True)
        self.pair("permission", ["check", self._encoding()], rival.permission())
        self.pair("doctor", ["doctor"], rival.doctor(SEALED), own=True)
        self._exposure()

    def _write_list(self) -> Measured:
        write_list(self.list, self.works, self.memory)
        return {"bytes": self.list.stat().st_size}

    def _listings(self) -> None:
        named, holder = _medium_owner()
        deep = self.works // 10 * 9
        for name, options, condition, offset in (
            ("first page", [], "true", 0),
            ("deep page", ["--offset", str(deep)], "true", deep),
            ("works of one owner", ["--rightsholder", named], holder, 0),
            ("works of one licence", ["--licence", "CC0-1.0"], "license IN ('CC0-1.0', 'CC0')", 0),
        ):
            self.pair(f"listing: {name}", ["works", *options], rival.listing(condition, offset))

    def _exposure(self) -> None:
        """Last, because the members are rows that no event added."""
        if "exposure" not in self.measured:
            self._add_members()
        named, holder = _medium_owner()
        # Status 1: the members' folders are not there, which is a finding.
        self.pair(
            "exposure", ["exposure", "--rightsholder", named], rival.exposure(holder, range(MEMBERS)), statuses=(1,)
        )

    def _encoding(self) -> str:
        with Registry.open(self.home).connection() as connection:
            return str(connection.execute("SELECT id FROM encoding ORDER BY rowid LIMIT 1").fetchall()[0][0])

    def _add_members(self) -> None:
        encoding = self._encoding()
        with Registry.open(self.home).connection() as connection:
            if connection.execute("FROM member").fetchone():
                return
            connection.execute("INSERT INTO ensemble VALUES ('e', ?, '{}', TIMESTAMPTZ '2026-03-14')", [encoding])
            connection.execute(
                "INSERT INTO member SELECT 'm' || range, 'e', range, 1, 'trained', '{\"withdrawn_through\": null}', "
                "sha256('a' || range), sha256('b' || range), sha256('c' || range), TIMESTAMPTZ '2026-03-14' FROM range(?)",
                [MEMBERS],
            )

    def counts(self) -> dict[str, int]:
        """Rows of the main tables, and units of the plain ones, which should be as many."""
        with Registry.open(self.home).connection() as connection:
            found = {table: number_of(connection, f"SELECT count(*) FROM {table}") for table in SEALED}
        with duckdb.connect(str(self.bare), read_only=True) as connection:
            return {**found, "units of plain SQL": number_of(connection, "SELECT count(*) FROM unit")}

    def largest(self) -> int:
        """Bytes of the process of creditline that took the most memory."""
        ours = [step.get("creditline", step) for step in self.measured.values()]
        return max(int(each.get("peak_bytes", 0)) for each in ours)


def growth(measured: Measured, works: int) -> Measured:
    """Exponents of processor time since a tenth of the works, if that was measured before.

    1 is in proportion to the works. Starting a program, which takes a second or two, hides the
    growth of short operations.
    """
    before = RESULTS / "registry_size" / f"{works // 10}.json"
    if works % 10 or not before.exists():
        return {}
    former = json.loads(before.read_text())["results"]["steps"]
    return {
        name: {
            side: round(log10(step[side]["processor_seconds"] / former[name][side]["processor_seconds"]), 2)
            for side in ("creditline", "sql")
        }
        for name, step in measured.items()
        if "creditline" in step and name in former
    }


def _ratio(ours: Measured, theirs: Measured, name: str) -> float:
    return round(float(ours[name]) / float(theirs[name]), 2)


def _medium_owner() -> tuple[str, str]:
    """The name of an owner with a fair number of works, and SQL for the rows of the list."""
    name = owner_name(str(MEDIUM_OWNER))
    with duckdb.connect() as connection:
        return str(connection.execute(f"SELECT {name}").fetchall()[0][0]), f"creator = {name}"


def main() -> int:
    """Measure, write the result, and return 1 if the claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("works", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--memory", default="3GB")
    arguments = parser.parse_args()
    os.environ[MEMORY_VARIABLE] = arguments.memory
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        run = Run(folder, arguments.works, arguments.memory)
        run.everything()
        rows = run.counts()
        held = run.largest() < MAXIMUM_MEMORY and rows["unit"] == rows["units of plain SQL"]
        results = {
            "works": arguments.works,
            "memory": arguments.memory,
            "rows": rows,
            "steps": run.measured,
            "growth": growth(run.measured, arguments.works),
        }
    claim = (
        f"no command takes {MAXIMUM_MEMORY // 2**30} GiB of memory, and as many works get codes as plain SQL selects"
    )
    command = f"python -m benchmarks.registry_size {arguments.works} --memory {arguments.memory}"
    packages = ("creditline", "duckdb", "pyarrow", "numpy")
    return conclude(f"registry_size/{arguments.works}", claim, held, results, packages, command)


if __name__ == "__main__":
    sys.exit(main())
