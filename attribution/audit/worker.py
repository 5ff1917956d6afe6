"""Parts of an audit that need networks: Jacobians and real ablations.

Runs in worker processes. Jacobians do not depend on an audit's settings: they are kept as files and
never computed twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import Tensor

from attribution.ablation.exact import counterfactual_batches
from attribution.ablation.jacobian import NO_JACOBIAN_OF_MERGED, random_members, sample_with_jacobian
from attribution.denoisers.ensemble import Ensemble
from attribution.denoisers.interface import Prompt
from attribution.ensemble.serving import ServingEnsemble, open_ensemble
from attribution.evidence.randomisation import has_contrast
from attribution.images import to_pixels
from attribution.metrics.euclidean import euclidean
from attribution.metrics.lpips_weights import LpipsWeights
from attribution.metrics.perceptual import PerceptualDistance, open_lpips
from attribution.sampling.generate import batch_noise
from attribution.sampling.noise import exogenous_noise
from attribution.sampling.sampler import Observation, sample
from attribution.sampling.schedule import SamplerSettings
from registry.errors import IntegrityError
from registry.home import Home, write_atomically

Batches = Iterator[tuple[Int[np.ndarray, " part"], Float[Tensor, "part channel height width"]]]
SAME_OUTPUT = 1e-2
"""Largest difference, of a range of 2, between the outputs of two runs of one sample."""


@dataclass(frozen=True, eq=False)
class SampleAudit:
    """One sample of a task, and its units to ablate."""

    sample_id: str
    seed: int
    candidates: Bool[np.ndarray, "candidate member"]
    """Which members that serve saw which candidate."""


@dataclass(frozen=True)
class AuditTask:
    """Samples under one prompt and one sampler."""

    home: Home
    ensemble: ServingEnsemble
    sampler: SamplerSettings
    prompt: Prompt
    samples: tuple[SampleAudit, ...]
    everyone: Bool[np.ndarray, "unit member"]
    """Which members saw which unit, for an exact landscape; without rows otherwise."""
    with_jacobian: bool
    device: str
    jacobian_members: int | None = None
    """Members that carry tangents at each step, drawn at random; None: all members."""
    lpips: LpipsWeights | None = None
    """The network that measures LPIPS; None: not measured."""

    @property
    def work(self) -> int:
        """Total that this task reports: Jacobian steps and ablations, times the cost."""
        ablations = sum(len(item.candidates) + len(self.everyone) for item in self.samples)
        return self.cost * (ablations + (self.sampler.steps if self.with_jacobian else 0))

    @property
    def cost(self) -> int:
        """Network evaluations of one prediction under the prompt."""
        return self.ensemble.settings.network.evaluations(self.prompt)


@dataclass(frozen=True)
class Counterfactuals:
    """The real ablations of one sample."""

    sample_id: str
    pictures: np.ndarray
    """u8[candidate, height, width, channel]"""
    influence: Float64[np.ndarray, " candidate"]
    """Scaled Euclidean distance from the output, both before clipping."""
    landscape: Float64[np.ndarray, " unit"] | None
    """The same distance for every unit, in an exact audit; 0: no member saw it, NaN: all did."""
    timings: dict[str, float]
    """Seconds: ``ablation``, and this sample's share of ``jacobian``."""
    lpips: Float64[np.ndarray, " candidate"] | None = None
    """LPIPS between output and counterfactual, both before clipping; None: not measured."""
    lpips_landscape: Float64[np.ndarray, " unit"] | None = None
    no_jacobian: str | None = None
    """Why this sample has no Jacobian, whatever the audit's settings are."""
    lpips_gram: Float64[Tensor, "member member"] | None = None
    """G_phi over the members' weights, see :mod:`attribution.metrics.perceptual`."""
    base: BaseAlone | None = None
    """What the members' shared base makes alone; None: they share no base."""


@dataclass(frozen=True)
class BaseAlone:
    """The sample again, from the same noise and prompt, by the base without any trained part.

    No work of the encoding has any effect on this picture, whatever members saw the work.
    """

    picture: np.ndarray
    """u8[height, width, channel]"""
    distance: float
    """Scaled Euclidean distance from the output, both before clipping."""
    lpips: float | None
    """LPIPS between the two, both before clipping; None: not measured."""


def run_audit_task(task: AuditTask, report: Callable[[int], None]) -> list[Counterfactuals]:
    """Jacobians (kept as files) and ablations of the samples of one task."""

    def spent(work: int) -> None:
        report(work * task.cost)

    ensemble = open_ensemble(task.home, task.ensemble, task.device)
    begun = time.monotonic()
    if task.with_jacobian:
        write_jacobians(task, ensemble, spent)
    share = (time.monotonic() - begun) / len(task.samples)
    return [_ablate(task, ensemble, item, share, spent) for item in task.samples]


def write_jacobians(task: AuditTask, ensemble: Ensemble, report: Callable[[int], None]) -> None:
    """One Jacobian run for all samples of the task that have none yet."""
    missing = [item for item in task.samples if not _has_jacobian(task, item.sample_id)]
    if not missing:
        report(task.sampler.steps)
        return
    noise = batch_noise(task.ensemble, [item.seed for item in missing], task.sampler, task.device)[: len(missing)]
    condition = task.ensemble.settings.condition(task.prompt, len(noise), task.device)

    def observe(_: Observation) -> None:
        report(1)

    carrying = None if task.jacobian_members is None else random_members(ensemble.n, task.jacobian_members)
    result = sample_with_jacobian(
        ensemble, noise, task.sampler, condition=condition, observe=observe, carrying=carrying
    )
    for row, item in enumerate(missing):
        tensors = {
            "output": result.y[row].float().cpu().numpy(),
            "jacobian": result.jacobian[row].float().cpu().numpy(),
        }
        metadata = {"format": "creditline-jacobian-1", "members_sha256": task.ensemble.members_sha256}
        path = jacobian_file(task.home, item.sample_id, task.jacobian_members)
        write_atomically(path, partial(save_file, tensors, metadata=metadata))


def jacobian_file(home: Home, sample_id: str, members: int | None) -> Path:
    """The file of a sample's Jacobian; ``members``: members that carried tangents, None: all."""
    return home.jacobian(sample_id if members is None else f"{sample_id}-{members}-members")


def _has_jacobian(task: AuditTask, sample_id: str) -> bool:
    """Whether a finite Jacobian is kept, from a run with the sample's output up to rounding."""
    try:
        kept = load_file(jacobian_file(task.home, sample_id, task.jacobian_members))
        output = load_file(task.home.sample_tensors(sample_id))["output"]
        return np.isfinite(kept["jacobian"]).all() and np.allclose(kept["output"], output, atol=SAME_OUTPUT)
    except (OSError, SafetensorError, KeyError, ValueError):
        return False


def load_jacobian(path: Path) -> Float[Tensor, "member channel height width"]:
    """A kept Jacobian.

    Raises:
        IntegrityError: missing or unreadable.
    """
    try:
        return torch.from_numpy(load_file(path)["jacobian"])
    except (OSError, SafetensorError, KeyError) as error:
        raise IntegrityError(f"{path} cannot be read ({error}): delete it and audit again") from error


def _ablate(
    task: AuditTask, ensemble: Ensemble, item: SampleAudit, jacobian_seconds: float, report: Callable[[int], None]
) -> Counterfactuals:
    begun = time.monotonic()
    settings = task.ensemble.settings
    noise = exogenous_noise(item.seed, task.sampler.draws, settings.network.shape).to(task.device)
    condition = settings.condition(task.prompt, device=task.device)
    output = torch.from_numpy(load_file(task.home.sample_tensors(item.sample_id))["output"])

    def regenerate(membership: Bool[np.ndarray, "unit member"]) -> Batches:
        return counterfactual_batches(ensemble, noise, task.sampler, membership, condition=condition, advanced=report)

    metric = None if task.lpips is None else _opened(task.lpips, task.device)
    candidates = torch.zeros((len(item.candidates), *output.shape))
    for units, outputs in regenerate(item.candidates):
        candidates[torch.from_numpy(units)] = outputs.float().cpu()
    landscape, lpips_landscape = None, None
    if len(task.everyone):
        landscape, lpips_landscape = _landscape(output, task.everyone, regenerate, metric)
        report(len(task.everyone) - int(has_contrast(task.everyone).sum()))
    base = task.ensemble.settings.network.open_base(task.device)
    plain = replace(task.sampler, serve="mean")
    alone = None if base is None else sample(base, noise[None], plain, condition=condition).float().cpu()
    ablated = time.monotonic()
    lpips = lpips_gram = None
    if metric is not None:
        lpips = metric.distances(output.to(task.device), candidates.to(task.device)).cpu().numpy()
        if task.with_jacobian:
            jacobian = load_jacobian(jacobian_file(task.home, item.sample_id, task.jacobian_members))
            lpips_gram = metric.gram(output.to(task.device), jacobian.to(task.device)).cpu()
    return Counterfactuals(
        sample_id=item.sample_id,
        pictures=to_pixels(candidates).numpy(),
        influence=euclidean(output, candidates).numpy(),
        landscape=landscape,
        timings={
            "jacobian": jacobian_seconds,
            "ablation": ablated - begun,
            **({} if metric is None else {"lpips": time.monotonic() - ablated}),
        },
        lpips=lpips,
        lpips_landscape=lpips_landscape,
        lpips_gram=lpips_gram,
        no_jacobian=NO_JACOBIAN_OF_MERGED if task.sampler.serve == "merged" else None,
        base=None if alone is None else _base_alone(output, alone, metric, task.device),
    )


def _base_alone(
    output: Float[Tensor, "channel height width"],
    alone: Float[Tensor, "1 channel height width"],
    metric: PerceptualDistance | None,
    device: str,
) -> BaseAlone:
    return BaseAlone(
        picture=to_pixels(alone)[0].numpy(),
        distance=float(euclidean(output, alone)[0]),
        lpips=None if metric is None else float(metric.distances(output.to(device), alone.to(device))[0]),
    )


def _landscape(
    output: Float[Tensor, "channel height width"],
    everyone: Bool[np.ndarray, "unit member"],
    regenerate: Callable[[Bool[np.ndarray, "unit member"]], Batches],
    metric: PerceptualDistance | None,
) -> tuple[Float64[np.ndarray, " unit"], Float64[np.ndarray, " unit"] | None]:
    """Exact influences by both distances: 0 if no member saw the unit, NaN if all did."""
    euclidean_ones = np.where(everyone.all(axis=1), np.nan, 0.0)
    lpips_ones = None if metric is None else euclidean_ones.copy()
    contrast = np.flatnonzero(has_contrast(everyone))
    for units, outputs in regenerate(everyone[contrast]):
        euclidean_ones[contrast[units]] = euclidean(output.to(outputs.device), outputs).cpu().numpy()
        if metric is not None and lpips_ones is not None:
            lpips_ones[contrast[units]] = metric.distances(output.to(outputs.device), outputs.float()).cpu().numpy()
    return euclidean_ones, lpips_ones


@lru_cache(maxsize=1)
def _opened(weights: LpipsWeights, device: str) -> PerceptualDistance:
    """The opened network, kept for the tasks of this process."""
    return open_lpips(weights, device)
