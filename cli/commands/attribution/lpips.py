"""The LPIPS options of `audit` and `ablate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import narrate

if TYPE_CHECKING:
    from rich.progress import Progress

    from attribution.metrics.euclidean import NotMeasured
    from attribution.metrics.lpips_weights import LpipsWeights

LpipsOption = Annotated[
    str | None,
    typer.Option(
        "--lpips",
        metavar="NETWORK",
        help="Also measure LPIPS, with alex, vgg or squeeze. Its weights are downloaded on first use and checked.",
    ),
]
LpipsFileOption = Annotated[
    Path | None,
    typer.Option(
        "--lpips-weights",
        metavar="FILE",
        envvar="CREDITLINE_LPIPS_WEIGHTS",
        help="torchvision's weights of the LPIPS network.",
    ),
]


def load_lpips(progress: Progress, network: str | None, path: Path | None) -> LpipsWeights | NotMeasured:
    """The weights of LPIPS, downloaded if a network is named."""
    from attribution.metrics.lpips_weights import lpips_weights
    from attribution.metrics.perceptual import openable

    task = progress.add_task("weights of LPIPS", total=None)
    try:
        return openable(lpips_weights(network, path, advanced=lambda count: progress.advance(task, count)))
    finally:
        progress.remove_task(task)


def narrate_not_measured(network: str | None, measured: object) -> None:
    """Say why a requested LPIPS measurement is missing."""
    from attribution.metrics.euclidean import NotMeasured

    if network and isinstance(measured, NotMeasured):
        narrate(f"LPIPS was not measured: {measured.reason}")
