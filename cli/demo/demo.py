"""``creditline demo``: the whole job on real works of two rightsholders."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.attribution.audit import audit
from cli.commands.ensembles.encode import encode
from cli.commands.ensembles.sample import sample
from cli.commands.ensembles.train import train
from cli.commands.home.init import init
from cli.commands.publish.report import outputs
from cli.commands.works.register import register
from cli.options import HomeOption
from cli.output import echo, narrate

DEMO_HOME = Path("creditline-demo")
MEMBERS = 13
TRAINING_STEPS = 800
SAMPLES = 12
SHORTLIST = 5


def demo(
    steps: Annotated[int, typer.Option("--steps", min=1, help="Optimisation steps of each member.")] = TRAINING_STEPS,
    count: Annotated[int, typer.Option("--count", min=1, help="Number of images to generate and audit.")] = SAMPLES,
    home: HomeOption = DEMO_HOME,
) -> None:
    """Run the whole job in minutes on real works: register, train, generate, audit, report.

    The works are emoji of two rightsholders under two licences: Twemoji (CC-BY-4.0) and OpenMoji
    (CC-BY-SA-4.0). Each step is a command, which is shown. After an interruption, the same command
    continues.

    Examples:
        creditline demo
    """
    from cli.demo.houses import OWNERS_FILE, write_demonstration_works

    begun = time.monotonic()
    folder, out = home / "works", home / "reports"
    narrate("Real works: emoji of two rightsholders, under two licences.")
    write_demonstration_works(folder)
    owners = folder / OWNERS_FILE
    steps_to_run: dict[str, Callable[[], object]] = {
        "init": lambda: init(home=home),
        f"register {folder} --owners {owners}": lambda: register(folder, owners=owners, home=home),
        f"encode --within rightsholder --members {MEMBERS}": lambda: encode(
            members=MEMBERS, within="rightsholder", home=home
        ),
        f"train --steps {steps}": lambda: train(steps=steps, home=home),
        f"sample --count {count} --seed 1": lambda: sample(count=count, seed=1, home=home),
        f"audit --all --shortlist {SHORTLIST}": lambda: audit(every=True, shortlist=SHORTLIST, home=home),
        f"report --all --out {out}": lambda: outputs(every=True, out=out, home=home),
    }
    for command, run in steps_to_run.items():
        narrate("")
        narrate(f"$ creditline {command} --home {shlex.quote(str(home))}")
        with redirect_stdout(sys.stderr):
            run()
    minutes, seconds = divmod(round(time.monotonic() - begun), 60)
    narrate("")
    narrate(f"Done in {minutes} min {seconds} s. Open the index in a browser:")
    echo((out / "index.html").resolve())
    for line in _YOUR_OWN.splitlines():
        narrate(line)


_YOUR_OWN = """
To do the same with your own images and a table of owners (path, rightsholder, licence, title):
  creditline init && creditline register FOLDER --owners OWNERS.csv && creditline encode
  creditline train && creditline sample --count 8
  creditline audit --all && creditline report --all --out reports
"""
