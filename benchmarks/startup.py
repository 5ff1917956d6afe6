"""How fast the command line answers, beside a bare typer program of twelve commands.

Our help is compared with its help, and the help of our commands with the help of its commands.
Rounds start every program once, in turn, so that other load on the machine hits all alike. Both the
processor time and the wall time of the processes are measured. A command that runs is measured
until it imports the database: what follows is the database's own time.

``creditline train`` is measured from the end of torch's import to the end of its first step, with
one worker: processor seconds, against a bar in seconds.

    python -m benchmarks.startup --rounds 15
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.record import children_seconds, conclude
from registry.home import Home
from registry.schema.create import create_registry

BAR = 1.6
"""Largest ratio to the bare program."""

TRAINING_BAR = 3.0
"""Most processor seconds between torch's import and the end of the first training step."""

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

UNTIL_THE_FIRST_STEP = """
import json, os, sys, time
import torch
imported = time.process_time()
from attribution.training import loop
advance = loop.advance
def first_step(runs):
    advance(runs)
    loaded = sorted({name.partition(".")[0] for name in sys.modules})
    print(json.dumps({"processor_s": time.process_time() - imported, "torch_s": imported, "loaded": loaded,
                      "compiler": "torch._dynamo" in sys.modules}), flush=True)
    os._exit(0)
loop.advance = first_step
from cli.main import main
main()
"""

COMMANDS = ("works", "rights", "status", "rightsholders", "claims")
WORKS = 8
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


def encoded_home(folder: Path) -> Path:
    """A home with an encoding of eight works."""
    works = folder / "works"
    works.mkdir()
    generator = np.random.default_rng(0)
    for number in range(WORKS):
        pixels = generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(works / f"{number}.png")
    home = folder / "encoded"
    for command in (
        ["init"],
        ["register", str(works), "--rightsholder", "Ada"],
        ["encode", "--members", "6", "--within", "none"],
    ):
        run = [sys.executable, "-c", OURS, *command, "--home", str(home)]
        subprocess.run(run, capture_output=True, check=True)
    return home


def first_step(home: Path) -> dict[str, Any]:
    """Start a training in a copy of a home, and end it after its first step.

    Returns ``processor_s`` from torch's import on, ``torch_s`` before that, the packages ``loaded``
    by then, and whether torch's ``compiler`` was.

    Raises:
        CalledProcessError: the command failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        copied = shutil.copytree(home, Path(folder) / "home")
        command = ["train", "--workers", "1", "--steps", "2", "--home", str(copied)]
        run = [sys.executable, "-c", UNTIL_THE_FIRST_STEP, *command]
        found: dict[str, Any] = json.loads(subprocess.run(run, capture_output=True, check=True).stdout)
    return found


def training_start(folder: Path, rounds: int) -> dict[str, float]:
    """Median processor seconds of torch's import, and from there to the first step."""
    home = encoded_home(folder)
    starts = [first_step(home) for _ in range(rounds + 1)][1:]  # the first warms the files
    return {name: round(statistics.median(start[name] for start in starts), 3) for name in ("processor_s", "torch_s")}


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
        training = training_start(Path(folder), rounds)
    found = ratios(measured)
    largest = max(found.values())
    claim = (
        f"the help takes at most {BAR} times the processor time of the help of a bare typer program with twelve commands; so "
        "does the help of a command, and a command until it imports the database, beside the help of a bare command; from "
        f"torch's import to its first step `creditline train` takes at most {TRAINING_BAR:.0f} s of processor time"
    )
    held = largest <= BAR and training["processor_s"] <= TRAINING_BAR
    results = {
        "rounds": rounds,
        "bar": BAR,
        "seconds": measured,
        "ratio": found,
        "largest": largest,
        "train_to_the_first_step": {"bar_s": TRAINING_BAR, **training},
    }
    return conclude("startup", claim, held, results, ("typer", "rich", "duckdb", "torch"))


if __name__ == "__main__":
    sys.exit(main())
