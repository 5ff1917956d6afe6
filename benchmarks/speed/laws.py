"""Scaling laws: the cost of a job at several sizes, beside the exponent that theory gives."""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure

from attribution.ablation.jacobian import sample_with_jacobian
from attribution.denoisers.ensemble import Ensemble
from attribution.denoisers.pixels import PixelUNet
from attribution.ranking.rankers.kernel import PixelKernel
from attribution.sampling.noise import noise_batch
from attribution.sampling.sampler import sample
from attribution.sampling.schedule import SamplerSettings
from benchmarks.auditing.ranking_scale import fill, ranked
from benchmarks.members.training_speed import product_run
from benchmarks.record import interleaved_medians
from benchmarks.register.bulk_registration import timed, write_list

Job = Callable[[], object]

MARGIN = 0.2
"""Largest difference of a measured exponent to that of theory."""
ROUNDS = 3
STEPS = 3
"""Of a sampling run: the cost of each is the same."""


@dataclass(frozen=True)
class Law:
    """How the cost of a job grows along one axis."""

    axis: str
    exponent: float
    """That of theory."""
    sizes: tuple[int, ...]
    """Along the axis, rising. The exponent is that between the last two: constants weigh least."""
    seconds: Callable[[Sequence[int]], list[float]]
    """Processor seconds of the job at each size."""
    reason: str
    """Why theory gives this exponent."""

    def measured(self) -> dict[str, Any]:
        seconds = self.seconds(self.sizes)
        (small, large), (first, second) = self.sizes[-2:], seconds[-2:]
        exponent = math.log(second / first) / math.log(large / small)
        return {
            "axis": self.axis,
            "sizes": list(self.sizes),
            "processor_seconds": [float(f"{value:.4g}") for value in seconds],
            "exponent": round(exponent, 2),
            "theory": self.exponent,
            "reason": self.reason,
            "agrees": exponent <= self.exponent + MARGIN,
        }


def interleaved(make: Callable[[int], Job]) -> Callable[[Sequence[int]], list[float]]:
    """Medians over rounds of the jobs of all sizes, which take turns."""

    def seconds(sizes: Sequence[int]) -> list[float]:
        torch.set_num_threads(1)
        medians = interleaved_medians({str(size): make(size) for size in sizes}, ROUNDS)
        return list(medians.values())

    return seconds


def ensemble(n: int, side: int = 16) -> tuple[Ensemble, PixelUNet]:
    """Untrained members, which cost what trained ones do."""
    kind = PixelUNet(size=side)
    return Ensemble([kind.new_member(seed).eval().requires_grad_(False) for seed in range(n)]), kind


def sampling(n: int, samples: int, side: int = 16) -> Job:
    """A sampling run of some steps."""
    members, kind = ensemble(n, side)
    noise = noise_batch(list(range(samples)), STEPS, kind.shape)
    return lambda: sample(members, noise, SamplerSettings(steps=STEPS))


def jacobian(n: int) -> Job:
    """The derivatives of one sample by all members' weights."""
    members, kind = ensemble(n)
    noise = noise_batch([0], STEPS, kind.shape)
    return lambda: sample_with_jacobian(members, noise, SamplerSettings(steps=STEPS))


def training(side: int = 16, works: int = 1_000) -> Job:
    """Some steps of a member's training."""
    run = product_run(PixelUNet(size=side), 0, works)

    def steps() -> None:
        for _ in range(5):
            run.advance()

    return steps


def ranking(sizes: Sequence[int]) -> list[float]:
    """One image's nearest works by pixels."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pixels.npy"
        fill(path, max(sizes))
        pixels = np.load(path, mmap_mode="r")
        jobs = {str(size): lambda part=pixels[:size]: ranked(PixelKernel(), part, 1) for size in sizes}
        return list(interleaved_medians(jobs, ROUNDS).values())


def registration(sizes: Sequence[int]) -> list[float]:
    """Registering a list, in a process of its own, without its start."""
    found: list[float] = []
    start = 0.0
    for rows in (1, *sizes):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_list(folder / "works.parquet", rows)
            creditline = [sys.executable, "-c", "from cli.main import main; main()"]
            timed([*creditline, "init", "--home", "home"], folder)
            run = [*creditline, "register", "works.parquet", "--map", "rightsholder=creator", "--home", "home"]
            seconds = timed(run, folder)["processor_seconds"]
        start = start or seconds
        found.append(seconds - start)
    return found[1:]


def side(pixels: int) -> int:
    """Of a square image."""
    return math.isqrt(pixels)


PIXELS = tuple(side**2 for side in (16, 32, 64))
LAWS = {
    "training by pixels": Law("pixels", 1, PIXELS, interleaved(lambda size: training(side(size))), "convolutions"),
    "training by works": Law(
        "works",
        0,
        (1_000, 10_000, 100_000, 1_000_000),
        interleaved(lambda size: training(works=size)),
        "a step sees one batch; it draws the lot of every work, which a million works hardly show",
    ),
    "sampling by members": Law(
        "members", 1, (2, 4, 8, 16), interleaved(lambda size: sampling(size, 4)), "each predicts once a step"
    ),
    "sampling by samples": Law(
        "samples", 1, (2, 8, 32, 128), interleaved(lambda size: sampling(4, size)), "a batch; small ones are cheap"
    ),
    "sampling by pixels": Law(
        "pixels", 1, (*PIXELS, 128**2), interleaved(lambda size: sampling(4, 2, side(size))), "convolutions"
    ),
    "Jacobian by members": Law(
        "members",
        2,
        (4, 8, 16, 32, 64),
        interleaved(jacobian),
        "each member carries a tangent for each member; a tangent costs a part of a prediction",
    ),
    "ranking by works": Law("works", 1, (25_000, 50_000, 100_000, 200_000), ranking, "each work is looked at once"),
    "registration by works": Law(
        "works", 1, (250_000, 500_000, 1_000_000), registration, "each row is read, checked and written once"
    ),
}


def plot(name: str, law: dict[str, Any], path: Path) -> None:
    """Seconds against size, with a line of theory's exponent through the largest."""
    figure = Figure(figsize=(4.4, 3.2), layout="constrained")
    axes = figure.subplots()
    sizes, seconds = np.array(law["sizes"], dtype=float), np.array(law["processor_seconds"])
    axes.loglog(sizes, seconds, "o-", color="#1f77b4", label=f"measured: exponent {law['exponent']:g}")
    theory = seconds[-1] * (sizes / sizes[-1]) ** law["theory"]
    axes.loglog(sizes, theory, ":", color="#555555", label=f"theory: {law['theory']:g}")
    axes.set(title=name, xlabel=law["axis"], ylabel="processor seconds")
    axes.legend(fontsize=8)
    with mpl.rc_context({"svg.hashsalt": "creditline", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})
