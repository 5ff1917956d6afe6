"""``creditline demo``: the whole job on real works of two rightsholders.

Members are adapters on the small base that comes with creditline, or, with ``--pixels``, small
networks that are trained from noise.
"""

from __future__ import annotations

import shlex
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.groups import load
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


def _option(name: str, text: object, pixels: object, meaning: str, **further: Any) -> Any:  # noqa: ANN401  # as of typer.Option
    """An option with two defaults: for text to image, and with ``--pixels``."""
    return typer.Option(name, help=meaning, show_default=f"{text}; with --pixels {pixels}", **further)


def demo(
    pixels: Annotated[
        bool,
        typer.Option("--pixels", help="Train small networks from noise, on 16x16 pixels: no base model, no prompts."),
    ] = False,
    steps: Annotated[
        int | None, _option("--steps", TEXT_STEPS, PIXELS_STEPS, "Optimisation steps of each member.", min=1)
    ] = None,
    count: Annotated[
        int | None, _option("--count", TEXT_COUNT, PIXELS_COUNT, "Number of images to generate and audit.", min=1)
    ] = None,
    home: Annotated[
        Path | None, _option("--home", TEXT_HOME, PIXELS_HOME, "Home folder of the registry.", envvar=HOME_VARIABLE)
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
    owners, out = write_demonstration_works(home / "works"), home / REPORTS
    if pixels:
        commands = _pixels(steps or PIXELS_STEPS, count or PIXELS_COUNT)
    else:
        commands = _text_to_image(home, steps or TEXT_STEPS, count or TEXT_COUNT)
    for command in (
        "init",
        f"register {_typed(owners.parent)} --owners {_typed(owners)}",
        *commands,
        f"report --all --out {_typed(out)}",
    ):
        _run(f"{command} --home {_typed(home)}")
    minutes, seconds = divmod(round(time.monotonic() - begun), 60)
    narrate("")
    narrate(f"Done in {minutes} min {seconds} s. Open the index in a browser:")
    echo((out / "index.html").resolve())
    for line in (_YOUR_OWN_PIXELS if pixels else _YOUR_OWN).splitlines():
        narrate(line)


def _text_to_image(home: Path, steps: int, count: int) -> list[str]:
    """Adapters on the small base; prompts that name works."""
    from cli.demo.base_and_prompts import write_base, write_prompts

    base, prompts = home / "small-base", home / "prompts.csv"
    write_base(base)
    narrate(f"A small text-to-image model as the base. Its card says what it was trained on: {base / 'README.md'}")
    write_prompts(prompts, count)
    return [
        f"base add {_typed(base)}",
        f"encode --within rightsholder --members {MEMBERS} --support {SUPPORT} --weight {WEIGHT}",
        f"train --base {base.name} --rank {RANK} --target attention+conv --batch-size {BATCH} --learning-rate {RATE} "
        f"--steps {steps}",
        f"sample --prompts {_typed(prompts)} --guidance {GUIDANCE} --sampler dpm++ --steps {SAMPLING_STEPS}",
        # The Jacobian would cost more than all else in the audit.
        f"audit --all --shortlist {SHORTLIST} --no-jacobian",
    ]


def _pixels(steps: int, count: int) -> list[str]:
    """Whole networks, trained from noise; samples without a prompt."""
    return [
        f"encode --within rightsholder --members {PIXELS_MEMBERS}",
        f"train --steps {steps}",
        f"sample --count {count} --seed 1",
        f"audit --all --shortlist {SHORTLIST}",
    ]


def _typed(path: Path) -> str:
    return shlex.quote(str(path))


def _run(command: str) -> None:
    """Show a command and run it as it is shown."""
    narrate("")
    narrate(f"$ creditline {command}")
    name, *arguments = shlex.split(command)
    loaded = load(name)
    with redirect_stdout(sys.stderr), loaded.make_context(name, arguments) as context:
        loaded.invoke(context)


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
