"""The arms: ensembles on the same works that differ in members, steps, and in where they begin.

Cost is processor time of one thread, never a count of steps: a step that changes few weights is
cheaper. Steps of all kinds are timed in turns; what each training took is kept beside. Members
train as stacks (:mod:`benchmarks.lds.models`), all arms alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from attribution.denoisers.space import Condition
from attribution.ensemble.recipe import TrainingSettings
from attribution.images import from_pixels
from benchmarks.lds.data import HELD_OUT, WORKS, Material, material
from benchmarks.lds.ground_truth import models_of, random_halves
from benchmarks.lds.models import PLAIN, TOGETHER, Stack, Variation, train_stack
from benchmarks.record import interleaved_medians
from benchmarks.shares.truth import Stacked
from registry.encodings.assignment import Assignment
from registry.encodings.codes import codes_of
from registry.encodings.keys import CODE_FORMAT
from registry.encodings.words import bits
from registry.home import write_atomically

UNREGISTERED = WORKS
"""Works of the trunk: as many as are registered."""
CODE_SEED, TRAINING_SEED = 7, 20
"""Of the first repetition; the next ones follow."""
HEAD = tuple(f"inner.network.{part}" for part in ("up_blocks", "conv_norm_out", "conv_out"))
"""The way up and the output: of the other weights no gradient is needed."""
RANK = 4
TRUNK = "the trunk"
TIMED_STEPS, TIMED_ROUNDS = 10, 5


@dataclass(frozen=True)
class Arm:
    """One way to make an ensemble."""

    name: str
    n: int
    share: float
    """Of the steps of the recipe."""
    trunk: bool = False
    """Whether members begin from a network of works that are not registered."""
    moving: tuple[str, ...] = PLAIN.moving
    rank: int = 0
    cycles: int = 1
    snapshots: int = 1
    """How many snapshots of a run, at the ends of its last cycles, are averaged into one member."""

    @property
    def training_name(self) -> str:
        """Arms that differ in their snapshots alone are one training."""
        parts = (self.n, f"{self.share:g}", self.trunk and "trunk", *self.moving, self.rank, self.cycles)
        return "-".join(str(part) for part in parts).replace("inner.network.", "")

    @property
    def kind(self) -> str:
        """What trains, which decides on the cost of a step."""
        return "adapters" if self.rank else "head" if self.moving == HEAD else "all weights"

    def steps(self, training: TrainingSettings) -> TrainingSettings:
        """The recipe with this arm's steps; the warm-up keeps its share of them."""
        steps = round(self.share * training.steps)
        return replace(training, steps=steps, warmup_steps=round(self.share / self.cycles * training.warmup_steps))

    def variation(self, trunk: Mapping[str, Tensor]) -> Variation:
        return Variation(trunk if self.trunk else None, self.moving, self.rank, self.cycles)


REFERENCE = Arm("16, all steps", 16, 1)
QUICK = Arm("64, a quarter", 64, 1 / 4)
FROM_TRUNK = Arm("64, trunk, a quarter", 64, 1 / 4, trunk=True)
HEADS = Arm("64, trunk, head, a quarter", 64, 1 / 4, trunk=True, moving=HEAD)
DECISIVE = (REFERENCE, QUICK, FROM_TRUNK, HEADS)
"""Arms of about the same cost or less: repeated most often."""
ARMS = (
    Arm("12, all steps", 12, 1),
    REFERENCE,
    Arm("32, half", 32, 1 / 2),
    QUICK,
    Arm("64, a sixteenth", 64, 1 / 16),
    Arm("64, all steps", 64, 1),
    Arm("16, trunk, all steps", 16, 1, trunk=True),
    FROM_TRUNK,
    Arm("64, trunk, a sixteenth", 64, 1 / 16, trunk=True),
    HEADS,
    Arm("64, trunk, adapters, a quarter", 64, 1 / 4, trunk=True, rank=RANK),
    Arm("16, cycles, last snapshot", 16, 1, cycles=4),
    Arm("16, cycles, four snapshots", 16, 1, cycles=4, snapshots=4),
)
"""An arm whose training another arm has already done stands after it."""


@dataclass(frozen=True)
class Averaged(Stacked):
    """An ensemble whose members are runs, each the mean of its snapshots.

    Snapshots of a run saw the same works, so they share its code, and the test counts them once.
    """

    snapshots: int = 1

    def predict(
        self,
        x: Tensor,
        timestep: int | Tensor,
        condition: Condition | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        predicted = super().predict(x, timestep, condition, weights)
        return predicted.view(-1, self.snapshots, *predicted.shape[1:]).mean(dim=1)


@dataclass(frozen=True)
class Trained:
    """An arm's ensemble, and what its training took."""

    ensemble: Averaged
    seconds: float
    """Processor seconds of one thread, with the arm's part of the trunk."""


@dataclass(frozen=True)
class Studied:
    """A set of works, the pictures that no member saw, and the models that were trained on them."""

    found: Material
    unregistered: UInt8[np.ndarray, "picture height width channel"]
    """Works of the trunk, and of nothing else."""
    folder: Path

    @classmethod
    def of(cls, name: str, source: Path | None, cache: Path) -> Studied:
        """Divide the pictures that are not works into held-out ones and those of the trunk."""
        found = material(name, source, HELD_OUT + UNREGISTERED)
        order = np.random.default_rng(0).permutation(len(found.held_out))
        held_out, rest = np.split(found.held_out[order], [HELD_OUT])
        return cls(replace(found, held_out=held_out), rest, cache / name)

    def assignment(self, n: int, repetition: int) -> Assignment:
        """Codes of weight n/2, so that members of all arms see equally many works."""
        seed = CODE_SEED + repetition
        codes = codes_of(seed, n, n // 2, np.arange(len(self.found.works)), CODE_FORMAT)
        return Assignment(n, n // 2, seed, CODE_FORMAT, codes)

    def membership(self, n: int, repetition: int) -> Bool[np.ndarray, "work member"]:
        return bits(self.assignment(n, repetition).codes, n)

    def training(self, repetition: int) -> TrainingSettings:
        return replace(self.found.training, seed=TRAINING_SEED + repetition)

    def trained(self, arm: Arm, repetition: int) -> Trained:
        """An arm's ensemble, from the folder or trained now, a stack at a time."""
        trunk, trunk_seconds = self.trunk(repetition) if arm.trunk else ({}, 0.0)
        rows, seconds = self.membership(arm.n, repetition).T, trunk_seconds
        parts = []
        for start in range(0, len(rows), TOGETHER):
            path = self.folder / f"arm-{arm.training_name}-{repetition}-{start:02d}.safetensors"
            weights, took = self._stack(
                path,
                self.found.images(),
                rows[start : start + TOGETHER],
                arm.steps(self.training(repetition)),
                arm.variation(trunk),
            )
            parts.append(weights)
            seconds += took
        every = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        last = {name: value[:, -arm.snapshots :].flatten(0, 1) for name, value in every.items()}
        stack = Stack(last, self.found.network)
        runs = [stack.model(row) for row in range(0, len(stack), arm.snapshots)]
        return Trained(Averaged(runs, weights=last, snapshots=arm.snapshots), seconds)

    def trunk(self, repetition: int) -> tuple[dict[str, Tensor], float]:
        """A network of the unregistered works at all steps, and what it took."""
        path = self.folder / f"trunk-{repetition}.safetensors"
        everything = np.ones((1, len(self.unregistered)), dtype=np.bool_)
        training = self.training(repetition)
        weights, seconds = self._stack(path, from_pixels(self.unregistered), everything, training, PLAIN)
        return {name: value[0, -1] for name, value in weights.items()}, seconds

    def step_seconds(self) -> dict[str, float]:
        """Processor seconds of a step, by kind: of a stack of members, or of the trunk alone.

        Measured in turns, since other load on a machine changes processor time, too.
        """
        images, training = self.found.images(), replace(self.training(0), steps=TIMED_STEPS)
        codes = self.membership(TOGETHER, 0).T
        works = [images[torch.from_numpy(np.flatnonzero(row))] for row in codes]
        trunk, network = self.trunk(0)[0], self.found.network
        kinds = {arm.kind: arm.variation(trunk) for arm in ARMS}
        jobs: dict[str, Callable[[], object]] = {
            kind: partial(train_stack, works, network, training, variation=replace(variation, cycles=1))
            for kind, variation in kinds.items()
        }
        jobs[TRUNK] = partial(train_stack, [from_pixels(self.unregistered)], network, training)
        return {kind: seconds / TIMED_STEPS for kind, seconds in interleaved_medians(jobs, TIMED_ROUNDS).items()}

    def cost(self, arm: Arm, step_seconds: Mapping[str, float]) -> float:
        """Processor seconds of an arm's training, with its trunk, from those of a step."""
        members = arm.n / TOGETHER * arm.steps(self.found.training).steps * step_seconds[arm.kind]
        return members + (self.found.training.steps * step_seconds[TRUNK] if arm.trunk else 0.0)

    def models_of_halves(self, name: str, count: int, subsets: int, seed: int) -> Stack:
        """Models of random halves, trained by the plain recipe, and in no arm."""
        return models_of(self.found, self.folder, name, random_halves(len(self.found.works), count, subsets), seed)

    def _stack(
        self,
        path: Path,
        images: Tensor,
        rows: Bool[np.ndarray, "model work"],
        training: TrainingSettings,
        variation: Variation,
    ) -> tuple[dict[str, Tensor], float]:
        """Weights with the axes model and snapshot, and the processor seconds of their training.

        A run of several cycles has a snapshot at the end of each.
        """
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            works = [images[torch.from_numpy(np.flatnonzero(row))] for row in rows]
            ends: list[dict[str, Tensor]] = []

            def keep(step: int, weights: dict[str, Tensor]) -> None:
                if step % (training.steps // variation.cycles) == 0 and step < training.steps:
                    ends.append({name: value.detach().clone() for name, value in weights.items()})

            began = time.process_time()
            weights = train_stack(works, self.found.network, training, keep, variation)
            seconds = time.process_time() - began
            every = {name: torch.stack([*(end[name] for end in ends), last], 1) for name, last in weights.items()}
            facts = {"processor_seconds": f"{seconds:.3f}"}
            write_atomically(path, lambda part: save_file(every, part, facts))
            print(f"{path.name}: {len(rows)} models, {training.steps} steps, {seconds:.1f} s", flush=True)
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
            return tensors, float(file.metadata()["processor_seconds"])
