"""Training runs: noise prediction on some works, step by step, with checkpoints.

A run takes no random numbers but those of :mod:`attribution.training.draws`, so a resumed run ends
with the same weights as an uninterrupted one, bit for bit on the same machine if the run is alone.
Several runs may take their steps together (:func:`advance`). A checkpoint holds the weights, the
optimiser's moments and the step, as safetensors.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, Int64
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from attribution.denoisers.interface import DenoiserKind
from attribution.denoisers.schedule import alpha_bars
from attribution.denoisers.space import Condition
from attribution.ensemble.recipe import EnsembleSettings, TrainingSettings
from attribution.training.adamw import AdamW
from attribution.training.dataset import TrainingSet
from attribution.training.draws import Draw, draw, draw_works, step_seed
from attribution.training.encoded import training_condition
from registry.errors import UsageError
from registry.home import write_atomically
from registry.members.manifest import works_listing

LOSS_CHECK_STEPS = 50
CHECKPOINT_SECONDS = 20.0
"""Time between checkpoints: the training that a kill loses at most."""


@dataclass(frozen=True)
class TrainingData:
    """Works with their labels and conditions, for all runs that train together.

    A batch of works is read from their files when it is drawn, so memory does not grow with works.
    """

    rows: Int64[np.ndarray, " work"]
    """Rows of the training set, rising."""
    works: TrainingSet
    kind: DenoiserKind
    labels: Int64[Tensor, " work"]
    conditions: Condition | None
    """On the device: the condition of every label; last, the empty one if the kind drops them."""
    device: str

    @classmethod
    def of(
        cls, settings: EnsembleSettings, works: TrainingSet, rows: Int64[np.ndarray, " work"], device: str
    ) -> TrainingData:
        """Read some works and all conditions."""
        labels = works.label_names or settings.classes
        conditions = training_condition(works.folder, settings.network, labels, settings.classes)
        return cls(
            rows=rows,
            works=works,
            kind=settings.network,
            labels=torch.from_numpy(works.labels[rows]),
            conditions=None if conditions is None else conditions.to(device),
            device=device,
        )

    def clean(self, places: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch channel height width"]:
        """Works by their places in ``rows``, in the members' space, on the device."""
        chosen, each = np.unique(places.numpy(), return_inverse=True)
        read = self.works.clean(self.rows[chosen], self.kind)
        return read[torch.from_numpy(each.reshape(places.shape))].to(self.device, non_blocking=True)

    def condition(self, places: Int[Tensor, " row"], drop: Float[Tensor, " row"]) -> Condition | None:
        """The conditions of some works; the empty one where ``drop`` is below the kind's rate."""
        if self.conditions is None:
            return None
        labels = self.labels[places].to(drop.device, non_blocking=True)
        return self.conditions[labels.masked_fill(drop < self.kind.dropout, len(self.conditions) - 1)]


class TrainingRun:
    """The state of one training run: network, optimiser, and the number of steps done."""

    def __init__(
        self,
        settings: EnsembleSettings,
        works: TrainingSet,
        rows: Int64[np.ndarray, " work"],
        index: int | None,
        device: str,
        data: TrainingData | None = None,
    ) -> None:
        """Prepare the first step of training on some rows of the works.

        ``index``: the member's; None: the reference model, with the start and draws of members with
        common draws. ``data``: these rows among others, which other runs share; None: read them.
        """
        self.kind = settings.network
        self.training = settings.training
        self.index = index
        self.works_sha256 = hashlib.sha256(works_listing(works.hashes[row] for row in rows)).hexdigest()
        self.keys = np.array([int(works.hashes[row][-16:], 16) for row in rows], dtype=np.uint64)
        self.step = 0
        self.data = data or TrainingData.of(settings, works, rows, device)
        places = np.arange(len(rows)) if data is None else np.searchsorted(data.rows, rows)
        self.places = torch.from_numpy(places)
        start = self.training.seed if self.training.common_draws else step_seed(self.training, 0, index)
        self.member = settings.network.new_member(start).to(device).train()
        self.optimiser = AdamW(value for value in self.member.parameters() if value.requires_grad)
        self.alpha_bar = torch.from_numpy(alpha_bars(self.training)).float().to(device)

    def complete(self, checkpoint: Path, report: Callable[[int], None], checkpoint_seconds: float) -> None:
        """Train this run alone to its last step, see :func:`complete`."""
        complete({checkpoint: self}, report, checkpoint_seconds)

    def advance(self) -> None:
        """One optimisation step of this run alone."""
        advance([self])

    def begin(self) -> Draw:
        """Prepare one step; returns its draw, with works by their place in ``data``, on the CPU."""
        shape = self.kind.shape
        if self.training.common_works:
            drawn = draw_works(self.training, self.step, self.keys, shape)
        else:
            index = None if self.training.common_draws else self.index
            drawn = draw(self.training, self.step, index, len(self.places), shape)
        self.optimiser.zero_grad()
        return drawn.to(self.data.device)._replace(rows=self.places[drawn.rows])

    def finish(self, loss: Float[Tensor, ""]) -> None:
        """Change the weights by the gradients of the whole batch.

        Raises:
            UsageError: the loss is no number; looked at every :data:`LOSS_CHECK_STEPS` steps.
        """
        self.optimiser.step(learning_rate(self.training, self.step))
        self.step += 1
        if self.step % LOSS_CHECK_STEPS == 0 or self.step == self.training.steps:
            self._check(loss)

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
        for number, state in self.optimiser.state.items():
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
        self.optimiser.restore(moments)
        self.step = step


def steps_done(checkpoint: Path) -> int | None:
    """The step of a checkpoint; None without one that can be read."""
    try:
        with safe_open(checkpoint, framework="pt", device="cpu") as file:
            return int(file.metadata()["step"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        return None


def complete(
    runs: Mapping[Path, TrainingRun], report: Callable[[int], None], checkpoint_seconds: float = CHECKPOINT_SECONDS
) -> None:
    """Train to the last step, each run from its checkpoint (the key) if there is one.

    Runs of one recipe take their steps together. A kill between two checkpoints leaves runs at
    different steps: those behind go first. ``report`` gets the steps that all runs did since.
    """
    for checkpoint, run in runs.items():
        run.resume(checkpoint)
    last = max(run.training.steps for run in runs.values())
    done = min(run.step for run in runs.values())
    report(done)
    saved = time.monotonic()
    while done < last:
        advance([run for run in runs.values() if run.step == done])
        done += 1
        report(1)
        if time.monotonic() - saved >= checkpoint_seconds and done < last:
            for checkpoint, run in runs.items():
                run.save(checkpoint)
            saved = time.monotonic()


def advance(runs: Sequence[TrainingRun]) -> Float[Tensor, " run"]:
    """One optimisation step of each run; runs of one recipe, on the same data.

    The members predict in one batch. Each has its own draw, loss, gradients and moments, so members
    become what they become alone, but for rounding. Returns each run's loss before the step.
    """
    training, device = runs[0].training, runs[0].data.device
    drawn = [run.begin() for run in runs]
    losses = torch.zeros(len(runs), device=device)
    for rows in torch.arange(training.batch_size).tensor_split(training.accumulation):
        losses += _add_gradients(runs, [each.part(rows) for each in drawn], len(rows) / training.batch_size)
    for run, loss in zip(runs, losses, strict=True):
        run.finish(loss)
    return losses


def _add_gradients(runs: Sequence[TrainingRun], drawn: Sequence[Draw], share: float) -> Float[Tensor, " run"]:
    """Add the gradients of a part of each run's batch; returns its share of each run's loss."""
    first = runs[0]
    rows, t, noise, drop = (torch.stack(parts) for parts in zip(*drawn, strict=True))
    signal = first.alpha_bar[t].view(*t.shape, 1, 1, 1)
    x_t = signal.sqrt() * first.data.clean(rows) + (1.0 - signal).sqrt() * noise
    condition = first.data.condition(rows.flatten(), drop.flatten())
    with torch.autocast(noise.device.type, torch.bfloat16, enabled=first.training.precision == "bfloat16"):
        predicted = first.kind.predict_each([run.member for run in runs], x_t, t, condition)
    errors = (predicted.float() - noise).square().mean(dim=(2, 3, 4))
    weights = loss_weight(signal.view(t.shape), first.training.snr_cap)
    losses = (errors * weights).mean(dim=1) * share
    torch.autograd.backward(losses.sum())
    return losses.detach()


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
