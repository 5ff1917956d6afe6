"""How fast the command line answers, beside a bare typer program of twelve commands.

Our help is compared with its help, and the help of our commands with the help of its commands.
Rounds start every program once, in turn, so that other load on the machine hits all alike. Both the
processor time and the wall time of the processes are measured. A command that runs is measured
until it imports the database: what follows is the database's own time.

    python -m benchmarks.startup --rounds 15
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.record import children_seconds, conclude
from registry.home import Home
from registry.schema.create import create_registry

BAR = 1.6
"""Largest ratio to the bare program."""

BARE = '''
from pathlib import Path
from typing import Annotated
import typer

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
NameOption = Annotated[str | None, typer.Option("--name", metavar="NAME", help="Only those with this name.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=1000, help="Number of rows.")]
OutOption = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the rows to FILE.")]
HomeOption = Annotated[Path, typer.Option("--home", envvar="BARE_HOME", help="Home folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

def command(name: Annotated[list[str] | None, typer.Argument(help="Names.")] = None, limit: LimitOption = 50,
            only: NameOption = None, out: OutOption = None, home: HomeOption = Path("home"), as_json: JsonOption = False) -> None:
    """List the things of this kind.

    Examples:
        bare command --limit 20
    """

for number in range(12):
    app.command(f"command-{number}")(command)
app()
'''

OURS = "from cli.main import main; main()"

UNTIL_THE_DATABASE = """
import os, sys
class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == "duckdb":
            os._exit(0)
sys.meta_path.insert(0, Stop())
from cli.main import main
main()
"""

COMMANDS = ("works", "rights", "status", "rightsholders", "claims")
PROGRAM_HELP, COMMAND_HELP = "bare --help", "bare command-1 --help"


def programs(home: Path) -> dict[str, list[str]]:
    """Arguments of the interpreter, by name of the measured program."""
    return {
        PROGRAM_HELP: ["-c", BARE, "--help"],
        COMMAND_HELP: ["-c", BARE, "command-1", "--help"],
        "creditline --help": ["-c", OURS, "--help"],
        **{f"creditline {name} --help": ["-c", OURS, name, "--help"] for name in COMMANDS},
        **{f"creditline {name}": ["-c", UNTIL_THE_DATABASE, name, "--home", str(home)] for name in COMMANDS},
    }


def measure(runs: Mapping[str, Sequence[str]], rounds: int) -> dict[str, dict[str, float]]:
    """Median processor and wall seconds of each program, over rounds that start each once.

    Raises:
        CalledProcessError: a program failed.
    """
    cpu: dict[str, list[float]] = {name: [] for name in runs}
    wall: dict[str, list[float]] = {name: [] for name in runs}
    for round_number in range(rounds + 1):
        for name, arguments in runs.items():
            before, begun = children_seconds(), time.perf_counter()
            subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
            after, ended = children_seconds(), time.perf_counter()
            if round_number:  # the first warms the files
                cpu[name].append(after - before)
                wall[name].append(ended - begun)
    return {
        name: {"processor_s": round(statistics.median(cpu[name]), 4), "wall_s": round(statistics.median(wall[name]), 4)}
        for name in runs
    }


def ratios(measured: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Processor time of each creditline program over that of its bare peer.

    The peer of a command's help, or of a command that runs, is the help of a bare command.
    """
    return {
        name: round(each["processor_s"] / measured[_peer(name)]["processor_s"], 3)
        for name, each in measured.items()
        if name.startswith("creditline")
    }


def _peer(name: str) -> str:
    return PROGRAM_HELP if name == "creditline --help" else COMMAND_HELP


def main() -> int:
    """Measure, write the result, and return 1 if the claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        home = create_registry(Home(Path(folder) / "home")).home.root
        measured = measure(programs(home), rounds)
    found = ratios(measured)
    largest = max(found.values())
    claim = (
        f"the help takes at most {BAR} times the processor time of the help of a bare typer program with twelve commands; so "
        "does the help of a command, and a command until it imports the database, beside the help of a bare command"
    )
    results = {"rounds": rounds, "bar": BAR, "seconds": measured, "ratio": found, "largest": largest}
    return conclude("startup", claim, largest <= BAR, results, ("typer", "rich", "duckdb"))


if __name__ == "__main__":
    sys.exit(main())
