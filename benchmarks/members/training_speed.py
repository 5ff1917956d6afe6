"""How fast members train on a CPU, beside a plain loop with diffusers and other ways to use torch.

Each case trains one kind of network on random works with all cores for some seconds, in processes
that have started and warmed up before. Cases take turns, so that other load on the machine affects
all of them; the result has the median over rounds of images per second, and of the ratio to the
product within a round.

The plain loop is the one of diffusers' own training example without its launcher: one process with
torch's default threads, a ``DataLoader``, ``DDPMScheduler.add_noise``, AdamW as it is by default,
and a cosine schedule. The other cases are the product's loop with one change each.

    python -m benchmarks.members.training_speed [--seconds 5] [--rounds 5]
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch.nn import functional

from attribution.denoisers.libraries import diffusers
from attribution.denoisers.pixels import PixelUNet
from attribution.ensemble.recipe import EnsembleSettings, Precision, TrainingSettings
from attribution.images import ImageSettings
from attribution.training.adamw import BETAS
from attribution.training.dataset import TrainingSet
from attribution.training.draws import Draw
from attribution.training.loop import TrainingRun
from benchmarks.record import conclude

WORKS, BATCH, WARM_UP = 1_000, 16, 10
NETWORKS = {
    "16 px, the default": PixelUNet(),
    "32 px": PixelUNet(size=32, widths=(32, 64, 64)),
    "64 px": PixelUNet(size=64, widths=(32, 64, 96), patch=4),
}
PRODUCT, RIVAL = "creditline", "plain diffusers loop"
RATIO_TO_RIVAL, SHARE_OF_BEST = 1.5, 0.9


@dataclass(frozen=True)
class Case:
    """A way to train with all cores."""

    threads: int | None = 1
    """Of each process; None: torch's default, in one process."""
    change: str = ""
    """To the product's loop: channels last, compiled, not fused, bfloat16, one batch. Or diffusers:
    the plain loop."""
    batch: int = BATCH

    @property
    def processes(self) -> int:
        return (os.cpu_count() or 1) if self.threads else 1


CASES = {
    PRODUCT: Case(),
    RIVAL: Case(threads=None, change="diffusers"),
    "one process, default threads": Case(threads=None),
    "channels last": Case(change="channels last"),
    "optimiser not fused": Case(change="not fused"),
    "compiled": Case(change="compiled"),
    "in bfloat16": Case(change="bfloat16"),
    "batches of 64": Case(batch=4 * BATCH),
    "one batch, drawn and read once": Case(change="one batch"),
}
"""The last one is no training, but a bound: no way to draw and read works can be faster."""
OTHER_JOBS = ("in bfloat16", "batches of 64", "one batch, drawn and read once")
"""Cases that do not train the same member: they are shown, and no claim compares them."""


def main() -> int:
    """Measure, write the result, and return 1 if the claim does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.members.training_speed")
    parser.add_argument("--seconds", type=float, default=5.0, help="of a case in a round (default: 5)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of all cases (default: 5)")
    chosen = parser.parse_args()
    networks = {name: measured(name, chosen.seconds, chosen.rounds) for name in NETWORKS}
    held = all(
        network["ratio_to_the_rival"] >= RATIO_TO_RIVAL and network["share_of_the_best"] >= SHARE_OF_BEST
        for network in networks.values()
    )
    claim = (
        f"training takes {RATIO_TO_RIVAL} times the images per second of a plain diffusers loop, "
        f"and {SHARE_OF_BEST:.0%} of the fastest case"
    )
    results = {"batch": BATCH, "seconds": chosen.seconds, "rounds": chosen.rounds, "networks": networks}
    return conclude("members/training_speed", claim, held, results, ("torch", "diffusers"))


def measured(network: str, seconds: float, rounds: int) -> dict[str, Any]:
    """Images per second of every case on one network."""
    with running(network) as processes:
        found: dict[str, list[float]] = {name: [] for name in CASES}
        for _ in range(rounds):
            for name, pipes in processes.items():
                for pipe in pipes:
                    pipe.send(seconds)
                found[name].append(sum(pipe.recv() for pipe in pipes))
    ratios = {
        name: statistics.median(mine / other for mine, other in zip(found[PRODUCT], rates, strict=True))
        for name, rates in found.items()
    }
    result = {
        "images_per_second": {name: round(statistics.median(rates), 1) for name, rates in found.items()},
        "product_to_case": {name: round(ratio, 3) for name, ratio in ratios.items()},
        "ratio_to_the_rival": round(ratios[RIVAL], 3),
        "share_of_the_best": round(min(ratio for name, ratio in ratios.items() if name not in OTHER_JOBS), 3),
    }
    print(network, result, flush=True)
    return result


@contextmanager
def running(network: str) -> Iterator[Mapping[str, list[Connection]]]:
    """The processes of every case, ready to train: each gets seconds, and answers with a rate."""
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, list[Connection]] = {name: [] for name in CASES}
    started = []
    for name, case in CASES.items():
        for number in range(case.processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(theirs, network, case, number), daemon=True)
            process.start()
            started.append(process)
            pipes[name].append(ours)
    for ours in itertools.chain(*pipes.values()):
        ours.recv()
    yield pipes
    for process in started:
        process.terminate()
        process.join()


def serve(pipe: Connection, network: str, case: Case, number: int) -> None:
    """Train when asked, in a process of its own."""
    if case.threads:
        torch.set_num_threads(case.threads)
    torch.set_flush_denormal(True)
    kind = NETWORKS[network]
    step = plain_step(kind) if case.change == "diffusers" else product_step(kind, case, number)
    for _ in range(WARM_UP):
        step()
    pipe.send("ready")
    while True:
        seconds = pipe.recv()
        start, steps = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            step()
            steps += 1
        pipe.send(steps * case.batch / (time.perf_counter() - start))


def pictures(kind: PixelUNet, count: int) -> np.ndarray:
    """Random works."""
    shape = (count, kind.size, kind.size, kind.channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def product_run(
    kind: PixelUNet, member: int, count: int, batch: int = BATCH, precision: Precision = "float32"
) -> TrainingRun:
    """The product's training of a member that sees all of so many random works."""
    training = TrainingSettings(steps=10**9, batch_size=batch, learning_rate=1e-3, precision=precision)
    return run_on(pictures(kind, count), np.arange(count), kind, training, member)


def run_on(
    pixels: UInt8[np.ndarray, "work height width channel"],
    rows: Int64[np.ndarray, " work"],
    kind: PixelUNet,
    training: TrainingSettings,
    member: int,
) -> TrainingRun:
    """The product's training of a member that sees some of the works."""
    works = TrainingSet(
        pixels=pixels,
        codes=np.full(len(pixels), 2**16 - 1, dtype=np.uint64),
        labels=np.zeros(len(pixels), dtype=np.int64),
        hashes=[f"{work:064x}" for work in range(len(pixels))],
    )
    image = ImageSettings(size=kind.size, channels=kind.channels)
    return TrainingRun(EnsembleSettings(image=image, network=kind, training=training), works, rows, member, "cpu")


def product_step(kind: PixelUNet, case: Case, number: int) -> Callable[[], object]:
    """A step of the product's training, with a change."""
    run = product_run(kind, number, WORKS, case.batch, "bfloat16" if case.change == "bfloat16" else "float32")
    if case.change == "channels last":
        run.member.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs leave it out
    if case.change == "compiled":
        run.member.compile(dynamic=False)
    if case.change == "not fused":
        plain = torch.optim.AdamW(run.member.parameters(), lr=1e-3, betas=BETAS, weight_decay=0.0)
        run.optimiser.step = lambda rate: _step(plain, rate)  # type: ignore[method-assign]  # the change of this case
    if case.change == "one batch":
        drawn = run.begin()
        clean = run.data.clean(drawn.rows)
        run.begin = partial(_same_again, run, drawn)  # type: ignore[method-assign]  # as above
        run.data = replace(run.data, works=Kept(clean))  # type: ignore[arg-type]  # as above
    return run.advance


def _step(optimiser: torch.optim.Optimizer, rate: float) -> None:
    optimiser.param_groups[0]["lr"] = rate
    optimiser.step()


def _same_again(run: TrainingRun, drawn: Draw) -> Draw:
    run.optimiser.zero_grad()
    return drawn


@dataclass(frozen=True)
class Kept:
    """A training set that gives the same works at once, whatever it is asked for."""

    pictures: torch.Tensor

    def clean(self, rows: np.ndarray, _kind: object) -> torch.Tensor:
        return self.pictures[: len(rows)]


def plain_step(kind: PixelUNet) -> Callable[[], object]:
    """A step of diffusers' training example."""
    library = diffusers()
    model = library.UNet2DModel(**kind.config()).train()
    schedule = library.DDPMScheduler()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 10**9)
    clean = torch.from_numpy(pictures(kind, WORKS)).permute(0, 3, 1, 2).float() / 127.5 - 1.0
    patches = functional.pixel_unshuffle(clean, kind.patch)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(patches), BATCH, shuffle=True, drop_last=True)
    batches = itertools.chain.from_iterable(itertools.repeat(loader))

    def step() -> None:
        (works,) = next(batches)
        noise = torch.randn(works.shape)
        t = torch.randint(0, schedule.config.num_train_timesteps, (len(works),))
        predicted = model(schedule.add_noise(works, noise, t), t, return_dict=False)[0]
        torch.autograd.backward(functional.mse_loss(predicted, noise))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        rate.step()
        optimiser.zero_grad()

    return step


if __name__ == "__main__":
    sys.exit(main())
