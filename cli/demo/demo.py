"""``creditline demo``: the whole job on real works of two rightsholders.

Members are adapters on the small base that comes with creditline, or, with ``--pixels``, small
networks that are trained from noise.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.attribution.audit import audit
from cli.commands.ensembles.base import add as add_base
from cli.commands.ensembles.encode import encode
from cli.commands.ensembles.sample import sample
from cli.commands.ensembles.train import train
from cli.commands.home.init import init
from cli.commands.publish.report import outputs
from cli.commands.works.register import register
from cli.output import echo, narrate
from registry.home import HOME_VARIABLE

TEXT_HOME, PIXELS_HOME = Path("creditline-demo"), Path("creditline-demo-pixels")
REPORTS = "reports"
SHORTLIST = 5

# Few works, so a rate far above that of `creditline train` and few steps. About half of the members
# see a work, which is enough for its picture to show in their mean.
TEXT_STEPS, TEXT_COUNT = 280, 10
MEMBERS, SUPPORT, WEIGHT = 12, 11, 6
RANK, BATCH, RATE = 16, 8, 0.004
GUIDANCE, SAMPLING_STEPS = 3.0, 15

PIXELS_STEPS, PIXELS_COUNT, PIXELS_MEMBERS = 800, 12, 13

Commands = Mapping[str, Callable[[], object]]
"""Commands as one types them, without ``--home``, and what runs each."""


def demo(
    pixels: Annotated[
        bool,
        typer.Option("--pixels", help="Train small networks from noise, on 16x16 pixels: no base model, no prompts."),
    ] = False,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps",
            min=1,
            help="Optimisation steps of each member.",
            show_default=f"{TEXT_STEPS}; with --pixels {PIXELS_STEPS}",
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            "--count",
            min=1,
            help="Number of images to generate and audit.",
            show_default=f"{TEXT_COUNT}; with --pixels {PIXELS_COUNT}",
        ),
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option(
            "--home",
            envvar=HOME_VARIABLE,
            help="Home folder of the registry.",
            show_default=f"{TEXT_HOME}; with --pixels {PIXELS_HOME}",
        ),
    ] = None,
) -> None:
    """Run the whole job in minutes on real works: register, train, generate, audit, report.

    The works are emoji of two rightsholders under two licences: Twemoji (CC-BY-4.0) and OpenMoji
    (CC-BY-SA-4.0). Members are adapters on a small text-to-image base that comes with creditline;
    the base never saw a work of the two. Each step is a command, which is shown. After an
    interruption, the same command continues.

    Examples:
        creditline demo
        creditline demo --pixels
    """
    from cli.demo.houses import write_demonstration_works

    begun = time.monotonic()
    home = home or (PIXELS_HOME if pixels else TEXT_HOME)
    narrate("Real works: emoji of two rightsholders, under two licences.")
    owners = write_demonstration_works(home / "works")
    if pixels:
        commands = _pixels(home, owners, steps or PIXELS_STEPS, count or PIXELS_COUNT)
    else:
        commands = _text_to_image(home, owners, steps or TEXT_STEPS, count or TEXT_COUNT)
    for command, run in commands.items():
        narrate("")
        narrate(f"$ creditline {command} --home {shlex.quote(str(home))}")
        with redirect_stdout(sys.stderr):
            run()
    minutes, seconds = divmod(round(time.monotonic() - begun), 60)
    narrate("")
    narrate(f"Done in {minutes} min {seconds} s. Open the index in a browser:")
    echo((home / REPORTS / "index.html").resolve())
    for line in (_YOUR_OWN_PIXELS if pixels else _YOUR_OWN).splitlines():
        narrate(line)


def _text_to_image(home: Path, owners: Path, steps: int, count: int) -> Commands:
    """Adapters on the small base; prompts that name works."""
    from cli.demo.base_and_prompts import write_base, write_prompts

    base, prompts = home / "small-base", home / "prompts.csv"
    write_base(base)
    narrate(f"A small text-to-image model as the base. Its card says what it was trained on: {base / 'README.md'}")
    write_prompts(prompts, count)
    training = f"--rank {RANK} --target attention+conv --batch-size {BATCH} --learning-rate {RATE} --steps {steps}"
    sampling = f"--guidance {GUIDANCE} --sampler dpm++ --steps {SAMPLING_STEPS}"
    return {
        **_registration(home, owners),
        f"base add {_typed(base)}": lambda: add_base(str(base), home=home),
        f"encode --within rightsholder --members {MEMBERS} --support {SUPPORT} --weight {WEIGHT}": lambda: encode(
            members=MEMBERS, within="rightsholder", support=SUPPORT, weight=WEIGHT, home=home
        ),
        f"train --base {base.name} {training}": lambda: train(
            base=base.name,
            rank=RANK,
            target="attention+conv",
            batch_size=BATCH,
            learning_rate=RATE,
            steps=steps,
            home=home,
        ),
        f"sample --prompts {_typed(prompts)} {sampling}": lambda: sample(
            prompts=prompts, guidance=GUIDANCE, method="dpm++", steps=SAMPLING_STEPS, home=home
        ),
        # The Jacobian would cost more than all else in the audit.
        f"audit --all --shortlist {SHORTLIST} --no-jacobian": lambda: audit(
            every=True, shortlist=SHORTLIST, jacobian=False, home=home
        ),
        **_reports(home),
    }


def _pixels(home: Path, owners: Path, steps: int, count: int) -> Commands:
    """Whole networks, trained from noise; samples without a prompt."""
    return {
        **_registration(home, owners),
        f"encode --within rightsholder --members {PIXELS_MEMBERS}": lambda: encode(
            members=PIXELS_MEMBERS, within="rightsholder", home=home
        ),
        f"train --steps {steps}": lambda: train(steps=steps, home=home),
        f"sample --count {count} --seed 1": lambda: sample(count=count, seed=1, home=home),
        f"audit --all --shortlist {SHORTLIST}": lambda: audit(every=True, shortlist=SHORTLIST, home=home),
        **_reports(home),
    }


def _registration(home: Path, owners: Path) -> Commands:
    return {
        "init": lambda: init(home=home),
        f"register {_typed(owners.parent)} --owners {_typed(owners)}": lambda: register(
            owners.parent, owners=owners, home=home
        ),
    }


def _reports(home: Path) -> Commands:
    out = home / REPORTS
    return {f"report --all --out {_typed(out)}": lambda: outputs(every=True, out=out, home=home)}


def _typed(path: Path) -> str:
    return shlex.quote(str(path))


_YOUR_OWN = """
To do the same with your own base model, images and a table of owners (path, rightsholder, licence, caption):
  creditline init && creditline base add BASE && creditline register FOLDER --owners OWNERS.csv
  creditline encode && creditline train --base BASE && creditline sample --prompt TEXT --count 4
  creditline audit --all && creditline report --all --out reports
"""
_YOUR_OWN_PIXELS = """
To do the same with your own images and a table of owners (path, rightsholder, licence, title):
  creditline init && creditline register FOLDER --owners OWNERS.csv && creditline encode
  creditline train && creditline sample --count 8
  creditline audit --all && creditline report --all --out reports
"""
