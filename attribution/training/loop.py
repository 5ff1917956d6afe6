"""One training run: noise prediction on some works, step by step, with checkpoints.

Every random number of step s is a function of (seed, s) and, unless the draws are common, the
member's index: no random state has to be saved, and a resumed run ends with the same weights as an
uninterrupted one, bit for bit on the same machine. A checkpoint holds the weights, the optimiser's
moments and the step, as safetensors.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, UInt64
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from attribution.denoisers.schedule import alpha_bars
from attribution.denoisers.space import Condition
from attribution.ensemble.recipe import EnsembleSettings, TrainingSettings
from attribution.training.dataset import TrainingSet
from attribution.training.encoded import training_condition
from registry.errors import UsageError
from registry.home import write_atomically
from registry.members.manifest import works_listing

LOSS_CHECK_STEPS = 50
CHECKPOINT_SECONDS = 20.0
"""Time between checkpoints: the training that a kill loses at most."""


class TrainingRun:
    """The state of one training run: network, optimiser, and the number of steps done."""

    def __init__(
        self, settings: EnsembleSettings, works: TrainingSet, rows: np.ndarray, index: int | None, device: str
    ) -> None:
        """Prepare the first step of training on some rows of the works.

        ``index``: the member's; None: the reference model, with the start and draws of members with
        common draws.
        """
        self.training = settings.training
        self.index = index
        self.device = device
        self.rows = rows
        self.works_sha256 = hashlib.sha256(works_listing(works.hashes[row] for row in rows)).hexdigest()
        self.keys = np.array([int(works.hashes[row][-16:], 16) for row in rows], dtype=np.uint64)
        self.step = 0
        self.clean = works.clean(rows, settings.network).to(device)
        self.labels = torch.from_numpy(works.labels[rows]).to(device)
        self.dropout = settings.network.dropout
        labels = works.label_names or settings.classes
        conditions = training_condition(works.folder, settings.network, labels, settings.classes)
        self.conditions = None if conditions is None else conditions.to(device)
        start = self.training.seed if self.training.common_draws else step_seed(self.training, 0, index)
        self.member = settings.network.new_member(start).to(device).train()
        self.optimiser = torch.optim.AdamW(
            [value for value in self.member.parameters() if value.requires_grad],
            lr=self.training.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=0.0,
            fused=True,
        )
        self.alpha_bar = torch.from_numpy(alpha_bars(self.training)).float().to(device)

    def complete(self, checkpoint: Path, report: Callable[[int], None], checkpoint_seconds: float) -> None:
        """Train to the last step, from a checkpoint if any; ``report`` gets steps just done."""
        self.resume(checkpoint)
        report(self.step)
        saved = time.monotonic()
        while self.step < self.training.steps:
            self.advance()
            report(1)
            if time.monotonic() - saved >= checkpoint_seconds and self.step < self.training.steps:
                self.save(checkpoint)
                saved = time.monotonic()

    def advance(self) -> None:
        """One optimisation step."""
        if self.training.common_works:
            drawn = draw_works(self.training, self.step, self.keys, self.clean)
        else:
            index = None if self.training.common_draws else self.index
            drawn = draw(self.training, self.step, index, self.clean)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.training, self.step)
        self.optimiser.zero_grad()
        loss = torch.zeros((), device=self.device)
        for rows in torch.arange(len(drawn.rows)).tensor_split(self.training.accumulation):
            loss += self._add_gradients(drawn.part(rows), len(rows) / len(drawn.rows))
        self.optimiser.step()
        self.step += 1
        if self.step % LOSS_CHECK_STEPS == 0 or self.step == self.training.steps:
            self._check(loss)

    def _add_gradients(self, drawn: Draw, share: float) -> Tensor:
        """Add the gradients of a part of the batch; returns its share of the loss."""
        signal = self.alpha_bar[drawn.t].view(-1, 1, 1, 1)
        x_t = signal.sqrt() * self.clean[drawn.rows] + (1.0 - signal).sqrt() * drawn.noise
        predicted = self.member(x_t, drawn.t, self._condition(drawn))
        error = (predicted - drawn.noise).square().mean(dim=(1, 2, 3))
        loss = (error * loss_weight(signal.flatten(), self.training.snr_cap)).mean() * share
        loss.backward()
        value: Tensor = loss.detach()
        return value

    def _condition(self, drawn: Draw) -> Condition | None:
        """The drawn works' conditions; if dropped, the empty one, the table's last row."""
        if self.conditions is None:
            return None
        rows = self.labels[drawn.rows]
        return self.conditions[rows.masked_fill(drawn.drop < self.dropout, len(self.conditions) - 1)]

    def _check(self, loss: Tensor) -> None:
        if not bool(torch.isfinite(loss)):
            model = "the reference model" if self.index is None else f"member {self.index}"
            raise UsageError(
                f"{model} diverged at step {self.step}: its loss is {float(loss)}; "
                f"train with a --learning-rate below {self.training.learning_rate}"
            )

    def save(self, path: Path) -> None:
        """Write a checkpoint; it replaces the last one in one step."""
        tensors = {f"network.{name}": value for name, value in self.member.state().items()}
        for number, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{name}": value for name, value in state.items()}
        metadata = {"format": "creditline-checkpoint-1", "step": str(self.step), "works": self.works_sha256}
        write_atomically(path, lambda part: save_file(tensors, part, metadata))

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint, if there is one.

        An unreadable checkpoint is ignored, and so is a checkpoint of other works: a work withdrawn
        in the meantime must leave no trace.
        """
        if not path.exists():
            return
        try:
            with safe_open(path, framework="pt", device="cpu") as file:
                step = int(file.metadata()["step"])
                if file.metadata()["works"] != self.works_sha256:
                    return
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        except (SafetensorError, OSError, KeyError, TypeError, ValueError):
            return
        network = {
            name.removeprefix("network."): value for name, value in tensors.items() if name.startswith("network.")
        }
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimiser."):
                _, number, moment = name.split(".", 2)
                moments.setdefault(int(number), {})[moment] = value
        self.member.restore(network)
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": moments})
        self.step = step


class Draw(NamedTuple):
    """The random numbers of one step, one row each."""

    rows: Int[Tensor, " batch"]
    """Works, by their place among the training run's works."""
    t: Int[Tensor, " batch"]
    noise: Float[Tensor, "batch channel height width"]
    drop: Float[Tensor, " batch"]
    """Uniform in [0, 1): the condition is dropped below :attr:`DenoiserKind.dropout`."""

    def to(self, device: torch.device) -> Draw:
        return Draw(*(part.to(device) for part in self))

    def part(self, rows: Int[Tensor, " row"]) -> Draw:
        """Some rows of the batch."""
        return Draw(*(each[rows.to(each.device)] for each in self))


def step_seed(training: TrainingSettings, step: int, index: int | None) -> int:
    """A 63-bit seed for one step of one member, or of all members (``index`` None)."""
    digest = hashlib.sha256(f"creditline-training/{training.seed}/{step}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def draw(
    training: TrainingSettings, step: int, index: int | None, clean: Float[Tensor, "work channel height width"]
) -> Draw:
    """A member's draw (index None: all members'); timesteps from ``batch_size`` equal ranges."""
    generator = torch.Generator().manual_seed(step_seed(training, step, index))
    batch = training.batch_size
    chosen = (torch.rand(batch, generator=generator, dtype=torch.float64) * len(clean)).long()
    stratum = torch.arange(batch) + torch.rand(batch, generator=generator, dtype=torch.float64)
    t = (stratum / batch * training.train_steps).long()
    noise = torch.randn(batch, *clean.shape[1:], generator=generator)
    drop = torch.rand(batch, generator=generator, dtype=torch.float64)
    return Draw(chosen, t, noise, drop).to(clean.device)


def draw_works(
    training: TrainingSettings,
    step: int,
    keys: UInt64[np.ndarray, " work"],
    clean: Float[Tensor, "work channel height width"],
) -> Draw:
    """The draw of one step under which members that saw the same work train on it together.

    Every work has a random number at every step, its lot, a function of (seed, step, work). A
    member trains on the lowest lots among its works (coordinated sampling). Two members share as
    large a part of their batches as of their works, each still trains on a uniform draw of its
    works, and other works have no influence. Timestep, noise and dropout come from the lot as well.
    If a member has fewer works than a batch has rows, each work has several lots.

    ``keys``: a number for each work, the same for every member. ``clean``: the same works in the
    members' space.
    """
    batch = training.batch_size
    rounds = np.arange(math.ceil(batch / len(keys)), dtype=np.uint64)
    step_keys = _mixed(rounds + np.uint64(step_seed(training, step, None)))
    lots = _mixed(keys[None, :] ^ step_keys[:, None]).ravel()
    # Only the lowest lots are sorted.
    lowest = np.argpartition(lots, batch - 1)[:batch]
    lowest = lowest[np.argsort(lots[lowest], kind="stable")]
    t = torch.from_numpy((_uniform(lots[lowest] ^ np.uint64(1)) * training.train_steps).astype(np.int64))
    seeds = (_mixed(lots[lowest] ^ np.uint64(2)) >> np.uint64(1)).tolist()
    noise = torch.stack([torch.randn(clean.shape[1:], generator=torch.Generator().manual_seed(s)) for s in seeds])
    drop = torch.from_numpy(_uniform(lots[lowest] ^ np.uint64(3)))
    return Draw(torch.from_numpy(lowest % len(keys)), t, noise, drop).to(clean.device)


def _uniform(values: UInt64[np.ndarray, " value"]) -> Float64[np.ndarray, " value"]:
    """Numbers in [0, 1) from 53 mixed bits."""
    return np.asarray((_mixed(values) >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def _mixed(values: UInt64[np.ndarray, "*shape"]) -> UInt64[np.ndarray, "*shape"]:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014): spreads neighbouring numbers."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)


def loss_weight(alpha_bar: Float[Tensor, " batch"], snr_cap: float) -> Float[Tensor, " batch"]:
    """min(SNR, gamma) / SNR for noise prediction ("Min-SNR Weighting", Hang et al. 2023)."""
    if not snr_cap:
        return torch.ones_like(alpha_bar)
    snr = alpha_bar / (1.0 - alpha_bar)
    return snr.clamp(max=snr_cap) / snr


def learning_rate(training: TrainingSettings, step: int) -> float:
    """Linear warm-up, then linear decay to zero."""
    warm = min(1.0, (step + 1) / (training.warmup_steps + 1))
    return training.learning_rate * warm * (1.0 - step / training.steps)
