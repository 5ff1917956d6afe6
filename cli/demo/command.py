"""``creditline demo``: the main job, end to end, on real works by two real houses."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.attribution import audits
from cli.commands.ensembles import encode, samples, train
from cli.commands.home import init
from cli.commands.publish import reports
from cli.commands.works import register
from cli.common import HomeOption, narrate

DEMO_HOME = Path("creditline-demo")
MEMBERS, WEIGHT = 10, 5
TRAINING_STEPS = 800
SAMPLES = 12
SHORTLIST = 5


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("demo")(demo)


def demo(
    steps: Annotated[int, typer.Option("--steps", min=1, help="Training steps of each member.")] = TRAINING_STEPS,
    count: Annotated[int, typer.Option("--count", min=1, help="Images to generate and audit.")] = SAMPLES,
    home: HomeOption = DEMO_HOME,
) -> None:
    """See the whole of it in minutes: register real works, train, generate, audit, report.

    The works are emoji by two houses under two licences (Twemoji, CC-BY-4.0; OpenMoji,
    CC-BY-SA-4.0). Every step is a command that is shown, and can be run again. Interrupt it at any
    time: the same command goes on.

    Examples:
        creditline demo
    """
    from cli.demo.houses import OWNERS_FILE, write_demonstration_works

    begun = time.monotonic()
    folder = home / "works"
    narrate("Real works: emoji by two houses, under two licences.")
    write_demonstration_works(folder)
    owners = folder / OWNERS_FILE
    _step(home, "init", lambda: init.init(home=home))
    _step(home, f"register {folder} --owners {owners}", lambda: register.register(folder, owners=owners, home=home))
    _step(
        home,
        f"encode --unit asset --members {MEMBERS} --weight {WEIGHT}",
        lambda: encode.encode(members=MEMBERS, weight=WEIGHT, home=home),
    )
    _step(home, f"train --steps {steps}", lambda: train.train(steps=steps, home=home))
    _step(home, f"sample --count {count} --seed 1", lambda: samples.sample(count=count, seed=1, home=home))
    _step(
        home, f"audit --all --shortlist {SHORTLIST}", lambda: audits.audit(every=True, shortlist=SHORTLIST, home=home)
    )
    out = home / "reports"
    _step(home, f"report --all --out {out}", lambda: reports.outputs(every=True, out=out, home=home))
    minutes, seconds = divmod(round(time.monotonic() - begun), 60)
    narrate(f"\nDone in {minutes} min {seconds} s. Open the index in a browser:")
    typer.echo(str((out / "index.html").resolve()))
    narrate(
        "\nThe same on your own folder of images, with a table of owners (path, rightsholder, licence, title):\n"
        "  creditline init && creditline register FOLDER --owners OWNERS.csv && creditline encode --members 12\n"
        "  creditline train && creditline sample --count 8\n"
        "  creditline audit --all && creditline report --all --out reports"
    )


def _step(home: Path, command: str, run: Callable[[], object]) -> None:
    narrate(f"\n$ creditline {command} --home {shlex.quote(str(home))}")
    with redirect_stdout(sys.stderr):
        run()
