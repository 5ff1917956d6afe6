"""One training run: noise prediction on some works, step by step, so that it can be broken off and
gone on with.

Every random number of step s is a function of (seed, s) and, unless the draws are common, the
member's index: no random state has to be saved, so a run that resumes from a checkpoint ends with
the same weights, bit for bit on the same machine, as one that was never interrupted. A checkpoint
holds the weights, the optimiser's moments and the step, as safetensors.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt64
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from attribution.ensemble.denoiser import new_denoiser
from attribution.ensemble.recipe import EnsembleSettings, TrainingSettings
from attribution.sampling.schedule import alpha_bars, schedule_of
from attribution.training.dataset import TrainingSet
from registry.errors import UsageError
from registry.home import write_atomically
from registry.members.manifest import works_listing

LOSS_CHECK_STEPS = 50
CHECKPOINT_SECONDS = 20.0
"""What a kill costs at most, besides the time to start again."""


class TrainingRun:
    """The state of one training run: network, optimiser, and the number of steps done."""

    def __init__(
        self, settings: EnsembleSettings, works: TrainingSet, rows: np.ndarray, index: int | None, device: str
    ) -> None:
        """Get ready for the first step.

        Args:
            settings: the ensemble's recipe.
            works: its works.
            rows: those to train on.
            index: of the member; None: of no member, with the start and the draws that are common
                to all.
            device: where torch computes.
        """
        self.training = settings.training
        self.index = index
        self.device = device
        self.rows = rows
        self.works_sha256 = hashlib.sha256(works_listing(works.hashes[row] for row in rows)).hexdigest()
        self.keys = np.array([int(works.hashes[row][-16:], 16) for row in rows], dtype=np.uint64)
        self.step = 0
        self.images = to_training_range(works.pixels[rows]).to(device)
        self.labels = torch.from_numpy(works.labels[rows]).to(device) if settings.classes else None
        start = self.training.seed if self.training.common_draws else step_seed(self.training, 0, index)
        self.denoiser = new_denoiser(settings.network, start).to(device).train()
        self.optimiser = torch.optim.AdamW(
            self.denoiser.parameters(), lr=self.training.learning_rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True
        )
        self.alpha_bar = torch.from_numpy(alpha_bars(schedule_of(self.training))).float().to(device)

    def complete(self, checkpoint: Path, report: Callable[[int], None], checkpoint_seconds: float) -> None:
        """Go on from the checkpoint, if there is one, to the last step; ``report`` gets the number
        of steps just done.
        """
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
            chosen, t, noise = draw_works(self.training, self.step, self.keys, self.images)
        else:
            index = None if self.training.common_draws else self.index
            chosen, t, noise = draw(self.training, self.step, index, self.images)
        clean = self.images[chosen]
        signal = self.alpha_bar[t].view(-1, 1, 1, 1)
        noisy = signal.sqrt() * clean + (1.0 - signal).sqrt() * noise
        labels = None if self.labels is None else self.labels[chosen]
        error = (self.denoiser(noisy, t, labels) - noise).square().mean(dim=(1, 2, 3))
        loss = (error * loss_weight(signal.flatten(), self.training.snr_cap)).mean()
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.training, self.step)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.step += 1
        if self.step % LOSS_CHECK_STEPS == 0 or self.step == self.training.steps:
            self._check(loss.detach())

    def _check(self, loss: Tensor) -> None:
        if not bool(torch.isfinite(loss)):
            who = "the reference model" if self.index is None else f"member {self.index}"
            raise UsageError(
                f"{who} diverged at step {self.step}: its loss is {float(loss)}; "
                f"train with a --learning-rate below {self.training.learning_rate}"
            )

    def save(self, path: Path) -> None:
        """Write a checkpoint; a reader meets the last complete one."""
        tensors = {f"network.{name}": value for name, value in self.denoiser.network.state_dict().items()}
        for number, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{name}": value for name, value in state.items()}
        metadata = {"format": "creditline-checkpoint-1", "step": str(self.step), "works": self.works_sha256}
        write_atomically(path, lambda part: save_file(tensors, part, metadata))

    def resume(self, path: Path) -> None:
        """Take up a checkpoint where there is one.

        One that cannot be read is passed over, and so is one of other works: a work that was
        withdrawn in the meantime must leave nothing behind.
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
        self.denoiser.network.load_state_dict(network)
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": moments})
        self.step = step


def to_training_range(pixels: np.ndarray) -> Float[Tensor, "work channel height width"]:
    """Bytes to [-1, 1], channels first: the range that members are trained in."""
    return (torch.from_numpy(np.ascontiguousarray(pixels)).float() / 127.5 - 1.0).movedim(-1, 1).contiguous()


def step_seed(training: TrainingSettings, step: int, index: int | None) -> int:
    """A 63-bit seed for one step of one member, or of all members where ``index`` is None."""
    digest = hashlib.sha256(f"creditline-training/{training.seed}/{step}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def draw(
    training: TrainingSettings, step: int, index: int | None, images: Float[Tensor, "work channel height width"]
) -> tuple[Tensor, Tensor, Tensor]:
    """The works, timesteps and noise of one step. Timesteps are stratified: one from each of
    ``batch_size`` equal ranges.
    """
    generator = torch.Generator().manual_seed(step_seed(training, step, index))
    batch = training.batch_size
    chosen = (torch.rand(batch, generator=generator, dtype=torch.float64) * len(images)).long()
    stratum = torch.arange(batch) + torch.rand(batch, generator=generator, dtype=torch.float64)
    t = (stratum / batch * training.train_steps).long()
    noise = torch.randn(batch, *images.shape[1:], generator=generator)
    return chosen.to(images.device), t.to(images.device), noise.to(images.device)


def draw_works(
    training: TrainingSettings,
    step: int,
    keys: UInt64[np.ndarray, " work"],
    images: Float[Tensor, "work channel height width"],
) -> tuple[Tensor, Tensor, Tensor]:
    """The works, timesteps and noise of one step, such that members which saw the same work train
    on it together.

    Every work has a lot of its own at every step, a function of (seed, step, work), and a member
    trains on the lowest lots among the works that it saw (coordinated sampling). Two members share
    as large a part of their batches as of their works, each still trains on a uniform draw of what
    it saw, and works that it did not see do not enter. Timestep and noise come from the lot as
    well. A member of fewer works than a batch holds has several lots for each.

    Args:
        training: the settings.
        step: number of the step.
        keys: a number for each work that is its own, whichever member asks.
        images: the same works.
    """
    batch = training.batch_size
    rounds = np.arange(math.ceil(batch / len(keys)), dtype=np.uint64)
    step_keys = _mixed(rounds + np.uint64(step_seed(training, step, None)))
    lots = _mixed(keys[None, :] ^ step_keys[:, None]).ravel()
    # Of many works only the lowest are put in order.
    lowest = np.argpartition(lots, batch - 1)[:batch]
    lowest = lowest[np.argsort(lots[lowest], kind="stable")]
    uniform = (_mixed(lots[lowest] ^ np.uint64(1)) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    t = torch.from_numpy((uniform * training.train_steps).astype(np.int64))
    seeds = (_mixed(lots[lowest] ^ np.uint64(2)) >> np.uint64(1)).tolist()
    noise = torch.stack([torch.randn(images.shape[1:], generator=torch.Generator().manual_seed(s)) for s in seeds])
    chosen = torch.from_numpy(lowest % len(keys))
    return chosen.to(images.device), t.to(images.device), noise.to(images.device)


def _mixed(values: UInt64[np.ndarray, "*shape"]) -> UInt64[np.ndarray, "*shape"]:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014): numbers that are close become numbers
    that are not.
    """
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)


def loss_weight(alpha_bar: Float[Tensor, " batch"], snr_cap: float) -> Float[Tensor, " batch"]:
    """min(SNR, gamma) / SNR for noise prediction (Hang et al. 2023, "Efficient Diffusion Training
    via Min-SNR Weighting").
    """
    if not snr_cap:
        return torch.ones_like(alpha_bar)
    snr = alpha_bar / (1.0 - alpha_bar)
    return snr.clamp(max=snr_cap) / snr


def learning_rate(training: TrainingSettings, step: int) -> float:
    """Linear warm-up, then linear to zero at the end."""
    warm = min(1.0, (step + 1) / (training.warmup_steps + 1))
    return training.learning_rate * warm * (1.0 - step / training.steps)
