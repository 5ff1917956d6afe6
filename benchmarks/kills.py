"""`kill -9` at random moments of every command that writes: nothing may be lost.

Every round starts a command as its own process group, kills the whole group after a random time (at
most the command's undisturbed time), and runs `creditline doctor`, which must find nothing wrong.
At the end every command runs to its end, and the registry must hold the same works as an
undisturbed one: none lost, none twice. Each other command also runs undisturbed in a copy of the
home: no table may hold fewer rows than there.

    python -m benchmarks.kills            # 50 kills
    python -m benchmarks.kills 5 intake   # a few of intake alone
    python -m benchmarks.kills 3 others   # each of the other commands, three times
"""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.record import conclude
from registry.ids import sha256_of_file

KILLS = 50
OTHERS = 2
"""Kills of each of the other commands."""
PICTURES = 1_500
LISTED = 150_000
TRAINED = 40
"""Works of the smaller registry for withdrawals and retraining."""


@dataclass(frozen=True)
class Case:
    """A command that is killed repeatedly in one home."""

    name: str
    home: Path
    command: tuple[str, ...]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(creditline(*arguments), env=self.environment, capture_output=True, text=True, check=False)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "CREDITLINE_HOME": str(self.home)}


def creditline(*arguments: str) -> list[str]:
    """The command line, with this interpreter."""
    return [sys.executable, "-c", "from cli.main import main; main()", *arguments]


def main() -> int:
    """Kill, examine, record; return 1 if a registry was ever damaged."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else KILLS
    only = sys.argv[2] if len(sys.argv) > 2 else None
    generator = random.Random(0)  # noqa: S311 - moments, not secrets
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        if only in (None, "others"):
            rounds += run_others(Path(folder), kills if only else OTHERS, generator)
        for name, share in (("intake", 0.4), ("list", 0.2), ("withdrawal", 0.2), ("retraining", 0.2)):
            if only in (None, name):
                rounds += run_case(name, Path(folder), kills if only else max(1, round(kills * share)), generator)
    held = all(each["healthy"] for each in rounds)
    results = {"kills": len(rounds), "struck": sum(each["struck"] for each in rounds), "rounds": rounds}
    print(f"{results['struck']} of {results['kills']} kills struck a running command")
    if only is None:
        return conclude("kills", "the record is whole after kill -9 at any moment", held, results, ("duckdb",))
    return 0 if held else 1


def run_case(name: str, folder: Path, kills: int, generator: random.Random) -> list[dict[str, Any]]:
    """All rounds of one case, and a last one without a kill."""
    case = prepare(name, folder / name)
    rounds = []
    longest = 0.0
    for number in range(kills):
        command = withdrawal(number) if name == "withdrawal" else case.command
        # The first round measures the command's duration; later rounds kill within that time.
        limit = generator.uniform(0.2, max(longest, 3.0))
        struck, seconds = kill_after(case, command, limit)
        longest = max(longest, seconds)
        rounds.append(told({"case": name, "after_seconds": round(limit, 2), "struck": struck, **examine(case)}))
        if not struck and name in ("intake", "list"):
            grow(name, folder / name, number + 1)
    done = case.run(*(withdrawal(kills) if name == "withdrawal" else case.command))
    last = examine(case)
    rounds.append({"case": name, "after_seconds": None, "struck": False, "status": done.returncode, **last})
    rounds[-1]["healthy"] = last["healthy"] and done.returncode == 0 and whole(case)
    if not rounds[-1]["healthy"]:
        rounds[-1]["stderr"] = done.stderr[-1000:]
    return rounds


def run_others(folder: Path, kills: int, generator: random.Random) -> list[dict[str, Any]]:
    """Each other writing command: killed some times, then run to its end, on one home."""
    case = prepare("others", folder / "others")
    rounds = []
    for command in other_commands(case):
        name = " ".join(command[: 2 if command[0] in ("members", "export", "keys", "facts", "rightsholder") else 1])
        copy = undisturbed(case, command)
        for _ in range(kills):
            limit = generator.uniform(0.3, max(copy.seconds, 1.0))
            struck, _ = kill_after(case, command, limit)
            rounds.append(told({"case": name, "after_seconds": round(limit, 2), "struck": struck, **examine(case)}))
        done = case.run(*command)
        last = examine(case)
        lost = [table for table, count in copy.rows.items() if row_counts(case.home).get(table, 0) < count]
        # A merge and a decision that were recorded before the kill are refused the second time.
        repeated = done.returncode == 2 and command[0] in ("rightsholder", "decide")
        last["healthy"] = last["healthy"] and not lost and (done.returncode == 0 or repeated)
        last |= {"undisturbed_status": copy.status, "undisturbed_seconds": round(copy.seconds, 2)}
        rounds.append({"case": name, "after_seconds": None, "struck": False, "status": done.returncode, **last})
        if not last["healthy"]:
            rounds[-1] |= {"stderr": done.stderr[-1000:], "tables_with_fewer_rows": lost}
        told(rounds[-1])
    return rounds


def other_commands(case: Case) -> Iterator[tuple[str, ...]]:
    """The other writing commands, in an order in which each has something to write."""
    folder = case.home.parent
    (sample,) = json.loads(case.run("sample", "--seed", "1", "--steps", "4", "--json").stdout)["samples"]
    place = folder / "out"
    place.mkdir()
    elsewhere = shutil.copytree(case.home / "members", folder / "elsewhere")
    works = sorted((folder / "works").iterdir())
    headers = folder / "headers.jsonl"
    headers.write_text(
        "".join(json.dumps({"sha256": sha256_of_file(path), "X-Robots-Tag": "noai"}) + "\n" for path in works[-3:]),
        encoding="utf-8",
    )
    robots = folder / "robots.txt"
    robots.write_text("User-agent: *\nDisallow: /\n", encoding="utf-8")
    yield from (
        ("keys", "create"),
        ("keys", "export", "--out", str(place / "key.pem")),
        ("headers", str(headers)),
        ("facts", "data-set", "works", "--set", "creator=Harbour Museum", "--from", "its curator"),
        ("policy", str(robots), "--domain", "example.org"),
        ("sample", "--seed", "2", "--count", "3", "--steps", "4"),
        ("audit", "--all", "--shortlist", "3"),
        ("rankers", "--keep"),
        ("ablate", sample["id"], "--without", "3", "--out", str(place / "without.png")),
        ("members", "reference"),
        ("members", "import", *map(str, sorted(elsewhere.iterdir()))),
        ("evaluate", "--planted", "2", "--redraws", "100", "--regenerated", "1", "--compared", "1"),
        ("report", "--all"),
        ("report", "--data-set", "works", "--out", str(place)),
        ("statement", "Holder 1", "--out", str(place)),
        ("export", "works", "--out", str(place / "works.csv")),
        ("export", "prov", sample["id"], "--out", str(place / "prov.json")),
        withdrawal(5),
        ("certificate", "5", "--out", str(place / "certificate.json")),
        ("retrain",),
        ("review", "11", "--permission", "constrained", "--reason", "contract"),
        ("confirm", "12", "--licence", "CC0-1.0", "--from", "letter"),
        ("claim", "Ada Example", "--work", "7", "--statement", "mine"),
        ("decide", "0", "accepted", "--reason", "contract"),
        ("rightsholder", "merge", "Holder 1", "--into", "Holder 2", "--reason", "one studio", "--yes"),
        ("duplicates", "--search"),
        ("encode", "--within", "none", "--members", "10", "--seed", "9"),
        ("encode", "--within", "rightsholder", "--members", "12", "--support", "9", "--weight", "4"),
        ("train", "--steps", "2", "--size", "16", "--widths", "8"),
        ("withdraw", "--rightsholder", "Holder 3", "--reason", "they leave", "--yes"),
        ("retrain",),
        ("migrate",),
    )


@dataclass(frozen=True)
class Undisturbed:
    """A command that ran to its end in a copy of the home."""

    status: int
    seconds: float
    rows: dict[str, int]
    """Rows by table, except events: a killed attempt may have none, or one more."""


def undisturbed(case: Case, command: Sequence[str]) -> Undisturbed:
    """Run ``command`` in a copy of the home, which is deleted afterwards."""
    copy = Case(case.name, case.home.parent / "copy", case.command)
    shutil.copytree(case.home, copy.home)
    start = time.monotonic()
    done = copy.run(*command)
    seconds = time.monotonic() - start
    rows = row_counts(copy.home)
    shutil.rmtree(copy.home)
    return Undisturbed(done.returncode, seconds, rows)


def row_counts(home: Path) -> dict[str, int]:
    """Number of rows of every table of a home, except of its log."""
    (database,) = home.glob("*.duckdb")
    with duckdb.connect(str(database), read_only=True) as connection:
        names = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        return {
            name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchall()[0][0]  # noqa: S608 - its own names
            for name in names
            if name != "event"
        }


def told(result: dict[str, Any]) -> dict[str, Any]:
    """``result``, printed: a run takes an hour."""
    print(json.dumps(result), flush=True)
    return result


def kill_after(case: Case, command: Sequence[str], limit: float) -> tuple[bool, float]:
    """Start a command and kill its group after ``limit`` seconds; returns (still ran, seconds)."""
    start = time.monotonic()
    process = subprocess.Popen(
        creditline(*command),
        env=case.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(limit)
        struck = False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        struck = True
    return struck, time.monotonic() - start


def examine(case: Case) -> dict[str, Any]:
    """The findings of `creditline doctor`."""
    told = case.run("doctor", "--json")
    try:
        document = json.loads(told.stdout)
    except ValueError:
        return {"healthy": False, "status": told.returncode, "findings": [told.stdout[-500:], told.stderr[-500:]]}
    wrong = [each["what"] for each in document["findings"] if each["severity"] != "note"]
    return {
        "healthy": told.returncode == 0 and not wrong,
        "findings": wrong,
        "works": document["checked"].get("current"),
    }


def whole(case: Case) -> bool:
    """Whether the registry has every work of the case once."""
    told = case.run("status", "--json")
    if told.returncode:
        return False
    works = json.loads(told.stdout)["counts"]["asset"]
    expected = {"intake": len(list((case.home.parent / "works").glob("*.png")))}
    expected["list"] = sum(pq.read_metadata(path).num_rows for path in case.home.parent.glob("list.parquet"))
    return bool(works == expected.get(case.name, TRAINED))


def prepare(name: str, folder: Path) -> Case:
    """Prepare the home and the files of a case."""
    folder.mkdir(parents=True)
    home, works = folder / "home", folder / "works"
    commands = {
        "intake": ("register", str(works), "--owners", str(folder / "owners.csv")),
        "list": ("register", str(folder / "list.parquet"), "--rightsholder", "Ada Example"),
        "withdrawal": withdrawal(0),
        "retraining": ("retrain",),
        "others": ("status",),
    }
    case = Case(name, home, commands[name])
    must(case.run("init"))
    if name == "list":
        grow(name, folder, 0)
        return case
    write_pictures(folder, 0, PICTURES if name == "intake" else TRAINED)
    if name != "intake":
        must(case.run(*commands["intake"]))
        must(case.run("encode", "--within", "none", "--members", "12"))
        training = ("--steps", "30" if name == "retraining" else "2", "--size", "16", "--widths", "8")
        must(case.run("train", *training))
    if name == "retraining":
        must(case.run(*withdrawal(0)))
    return case


def withdrawal(number: int) -> tuple[str, ...]:
    """The command that withdraws one work, another for each number."""
    return ("withdraw", str(number), "--reason", f"request {number}", "--yes")


def grow(name: str, folder: Path, generation: int) -> None:
    """Add works, so that intake has something to do after a round without a kill."""
    if name == "intake":
        write_pictures(folder, PICTURES * generation, PICTURES)
        return
    count = LISTED * (generation + 1)
    numbers = np.arange(count)
    columns = {
        "url": [f"https://example.com/{number}.jpg" for number in numbers],
        "sha256": [f"{number:064x}" for number in numbers],
        "title": [f"Work {number}" for number in numbers],
    }
    pq.write_table(pa.table(columns), folder / "list.parquet")


def write_pictures(folder: Path, first: int, count: int) -> None:
    """Different small pictures, and the table of their rightsholders."""
    works = folder / "works"
    works.mkdir(exist_ok=True)
    for number in range(first, first + count):
        values = np.random.default_rng(number).integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(values).save(works / f"{number:06d}.png")
    with (folder / "owners.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "rightsholder", "licence"])
        rows.writerows(
            [path.name, f"Holder {index % 7}", "CC-BY-4.0"] for index, path in enumerate(sorted(works.iterdir()))
        )


def must(done: subprocess.CompletedProcess[str]) -> None:
    """End the benchmark if the preparation fails."""
    if done.returncode:
        raise SystemExit(f"cannot prepare: {' '.join(done.args)}: {done.stderr[-1000:]}")


if __name__ == "__main__":
    sys.exit(main())
