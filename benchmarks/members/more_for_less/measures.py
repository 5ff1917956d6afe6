"""What is measured on every arm: the evidence, the influence, and the quality.

Evidence is the product's own test, on 34 looks. Influence is exact ablation: a work's score on an
image is by how much the members' mean loss rises when those that saw the work are left out. Models
of random halves of the works, trained at all steps, say whether that is what retraining does (LDS).
Everything is kept in files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from safetensors.numpy import load_file, save_file
from torch import Tensor

from attribution.ablation.exact import ablation_weights
from attribution.denoisers.ensemble import Ensemble
from attribution.evidence.randomisation import mean_predictions
from attribution.images import from_pixels, to_pixels
from attribution.ranking.rankers.interface import Images, PixelRows, Works, dense_scores
from attribution.ranking.rankers.kernel import PixelKernel
from attribution.ranking.rankers.member_lds import TwoWayDraws, interval_over_images
from attribution.sampling.noise import noise_batch
from attribution.sampling.predictions import is_middle, noised_views, renoise
from attribution.sampling.sampler import sample
from benchmarks.grades.held_out_sizes import Bench, kept_json, wrong_codes
from benchmarks.lds.grades import per_query
from benchmarks.lds.ground_truth import HALF_SEEDS, HALVES, SAMPLER, random_halves
from benchmarks.lds.models import denoising_losses
from benchmarks.members.more_for_less.arms import Arm, Studied
from benchmarks.shares.truth import stacked
from registry.encodings.assignment import Assignment
from registry.home import write_atomically

OUTPUTS, OWN = 64, 32
"""Outputs that all arms share, and outputs of each arm's own."""
SEEN = 64
"""Works on which the loss is measured, spread over all."""
SEED_OF_VIEWS = 1000
LOOKS_AT_ONCE = 34
DECOYS = 2000
"""At most, in every arm: a tenth of an audit's, for time; the test is as exact."""
LEVELS = (0.05, 0.01, 0.001)
RATE = 0.05
"""False discovery rate of a shortlist."""
HALF_SUBSETS, GENERATOR_SUBSETS, GENERATOR_SEED = 11, 12, 3
"""Which random halves: those of the truth, and those of the models that make the outputs."""
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Interval:
    """A mean over images and repetitions, with its 95 % interval."""

    value: float
    low: float
    high: float
    by_repetition: tuple[float, ...]
    over: str
    """What is drawn: of fewer than three repetitions images alone, which is too narrow."""

    @classmethod
    def of(cls, values: Float64[np.ndarray, "image repetition"]) -> Interval:
        """Images and repetitions are drawn together, as images and members are for member-LDS."""
        value, found = float(values.mean()), tuple(float(one) for one in values.mean(axis=0))
        draws = TwoWayDraws.of(*values.shape)
        if draws is None:
            return cls(value, *interval_over_images(values.mean(axis=1)), found, "images")
        means = ((draws.images @ values) * draws.members).sum(axis=1) / values.size
        margin = draws.multiplier() * float(means.std(ddof=1))
        return cls(value, value - margin, value + margin, found, "images and repetitions")

    def to_json(self) -> dict[str, Any]:
        """Rounded."""
        value, low, high = (_rounded(one) for one in (self.value, self.low, self.high))
        found = [_rounded(one) for one in self.by_repetition]
        return {"value": value, "low": low, "high": high, "over": self.over, "by_repetition": found}


@dataclass(frozen=True)
class Common:
    """What is shared by all arms: images, and the truth of retraining."""

    images: Float[Tensor, "image channel height width"]
    """In [-1, 1]: outputs of models of random halves that are in no arm, then held-out pictures."""
    halves: Bool[np.ndarray, "model work"]
    half_loss: Float64[np.ndarray, "seed image model"]
    pixel_kernel: Float64[np.ndarray, "scale image work"]
    """Scores of a ranker that knows no model."""

    @classmethod
    def of(cls, study: Studied) -> Common:
        """Train and measure what is not kept."""
        generator = stacked(study.models_of_halves("generator", 16, GENERATOR_SUBSETS, GENERATOR_SEED))
        made = _kept(study.folder / "outputs.safetensors", lambda: {"pixels": generated(study, generator, OUTPUTS)[0]})
        images = torch.cat([from_pixels(made["pixels"]), from_pixels(study.found.held_out)])
        seeds = range(SEED_OF_VIEWS, SEED_OF_VIEWS + len(images))
        losses = []
        for seed in HALF_SEEDS:
            models = study.models_of_halves("halves", HALVES, HALF_SUBSETS, seed)
            path = study.folder / f"losses-halves-{seed}.safetensors"
            found = _kept(path, lambda models=models: {"loss": denoising_losses(models, images, seeds, SAMPLER)})  # type: ignore[misc]  # the default binds the loop's value
            losses.append(found["loss"])
        network = study.found.network
        shown = Images(flat_pixels(images), (network.channels, network.size, network.size))
        works = Works(PixelRows(study.found.works), np.arange(len(study.found.works)), [], None)
        scores = dense_scores(PixelKernel().prepare(shown, works), len(study.found.works))
        halves = random_halves(len(study.found.works), HALVES, HALF_SUBSETS)
        return cls(images, halves, np.stack(losses), scores)


@dataclass(frozen=True)
class Measured:
    """One arm in one repetition; arrays by name, with an axis of images.

    An arm's own outputs are tested in the first repetition alone, for time.
    """

    training_seconds: float
    sampling_seconds: float
    """An output with its looks: processor seconds of one thread."""
    values: Arrays
    wrong_codes: dict[str, Any]
    """Shares under wrong codes, of the first repetition alone."""


def measured(study: Studied, common: Common, arm: Arm, repetition: int, redraws: int) -> Measured:
    """Train the arm and measure it, or read what is kept."""
    trained = study.trained(arm, repetition)
    assignment = study.assignment(arm.n, repetition)
    stem = f"{arm.training_name}-{arm.snapshots}-{repetition}"
    ensemble, folder = trained.ensemble, study.folder
    looks = _kept(folder / f"looks-{stem}.safetensors", lambda: looked(ensemble, common.images))
    own = _kept(folder / f"own-{stem}.safetensors", lambda: own_outputs(study, ensemble))
    on_common = bench_of(study, ensemble, assignment, common.images[:OUTPUTS], looks)
    evidence = _kept(folder / f"evidence-{stem}.safetensors", lambda: tested(on_common, assignment))
    losses = _kept(folder / f"quality-{stem}.safetensors", lambda: quality(study, ensemble))
    of_own: dict[str, np.ndarray] = {}
    wrong: dict[str, Any] = {}
    if repetition == 0:
        on_own = bench_of(study, ensemble, assignment, from_pixels(own["pixels"]), own)
        of_own = powers(_kept(folder / f"own-evidence-{stem}.safetensors", lambda: tested(on_own, assignment)))
        wrong = kept_json(folder / f"wrong-{stem}.json", lambda: wrong_codes(on_common, redraws))
    membership = study.membership(arm.n, repetition)
    seen = membership[seen_works(study)]
    scores = influence(looks["loss"], membership)
    transferred = per_query(scores, common.half_loss.mean(axis=0), common.halves)
    grade, truth = pixel_grade(common, looks["loss"], membership)
    values = {
        **powers(evidence),
        **{f"own_{name}": found for name, found in of_own.items()},
        "lds_outputs": transferred[:OUTPUTS],
        "lds_held_out": transferred[OUTPUTS:],
        "member_lds_of_pixel_kernel": grade[:OUTPUTS],
        "lds_of_pixel_kernel": truth[:OUTPUTS],
        "loss_held_out_ensemble": losses["held_out_ensemble"],
        "loss_held_out_members": losses["held_out"].mean(axis=1),
        "loss_works_ensemble": losses["works_ensemble"],
        "loss_works_seen": (losses["works"] * seen).sum(axis=1) / seen.sum(axis=1),
        "loss_works_not_seen": (losses["works"] * ~seen).sum(axis=1) / (~seen).sum(axis=1),
    }
    return Measured(trained.seconds, float(own["seconds"][0]), values, wrong)


def generated(study: Studied, ensemble: Ensemble, count: int) -> tuple[np.ndarray, float]:
    """Outputs of an ensemble from the noise of the seeds 1, 2, ..., as bytes; processor seconds."""
    noise = noise_batch(list(range(1, count + 1)), SAMPLER.draws, study.found.network.shape)
    began = time.process_time()
    return to_pixels(sample(ensemble, noise, SAMPLER)).numpy(), time.process_time() - began


def looked(ensemble: Ensemble, images: Float[Tensor, "image channel height width"]) -> dict[str, np.ndarray]:
    """The members' mean predictions and losses on images, noised again as 34 looks."""
    found = [
        renoise(ensemble, image, SAMPLER, SEED_OF_VIEWS + number, rows_at_once=LOOKS_AT_ONCE)
        for number, image in enumerate(images)
    ]
    return {
        "predictions": np.stack([mean_predictions(one) for one in found]).astype(np.float32),
        "loss": np.stack([one.member_loss for one in found]),
    }


def own_outputs(study: Studied, ensemble: Ensemble) -> dict[str, np.ndarray]:
    """An ensemble's own outputs, looked at, and the processor seconds of one."""
    pixels, seconds = generated(study, ensemble, OWN)
    began = time.process_time()
    looks = looked(ensemble, from_pixels(pixels))
    seconds += time.process_time() - began
    return {**looks, "pixels": pixels, "seconds": np.array([seconds / len(pixels)])}


def bench_of(
    study: Studied, ensemble: Ensemble, assignment: Assignment, outputs: Float[Tensor, "output ..."], looks: Arrays
) -> Bench:
    """The bench of the product's test; its noise is that of no run, since nothing is run again."""
    predictions = list(looks["predictions"][: len(outputs)].astype(np.float64))
    return Bench(study.found, ensemble, assignment, predictions, flat_pixels(outputs), torch.empty(0), DECOYS)


def tested(bench: Bench, assignment: Assignment) -> dict[str, np.ndarray]:
    """P, q and the effect of every work of every shortlist."""
    found = [bench.evidence(output, assignment) for output in range(len(bench.pixels))]
    return {
        "p": np.stack([one.p_value for one in found]),
        "q": np.stack([one.q_value for one in found]),
        "low": np.stack([one.effects.low for one in found]),
        "high": np.stack([one.effects.high for one in found]),
        "effect": np.stack([one.effects.estimate for one in found]),
    }


def powers(evidence: Arrays) -> dict[str, np.ndarray]:
    """By output: the test of the first work of the ranking, and the findings of the shortlist."""
    first = evidence["p"][:, 0]
    return {
        "p": first,
        **{f"p_at_most_{level}": (first <= level).astype(np.float64) for level in LEVELS},
        "outputs_with_a_finding": (evidence["q"] <= RATE).any(axis=1).astype(np.float64),
        "findings": (evidence["q"] <= RATE).sum(axis=1).astype(np.float64),
        "effect": evidence["effect"][:, 0],
        "width": evidence["high"][:, 0] - evidence["low"][:, 0],
    }


def influence(
    loss: Float64[np.ndarray, "image member"], membership: Bool[np.ndarray, "work member"]
) -> Float64[np.ndarray, "image work"]:
    """By how much the mean loss rises when the members that saw a work are left out."""
    without = loss @ ablation_weights(membership).numpy().T
    return np.asarray(without - loss.mean(axis=1, keepdims=True))


def pixel_grade(
    common: Common, loss: Float64[np.ndarray, "image member"], membership: Bool[np.ndarray, "work member"]
) -> tuple[Float64[np.ndarray, " image"], Float64[np.ndarray, " image"]]:
    """Member-LDS of the pixel kernel at the scale that outputs choose, and its LDS."""
    scores = common.pixel_kernel
    grades = np.stack([per_query(one, loss, membership.T) for one in scores])
    best = int(grades[:, :OUTPUTS].mean(axis=1).argmax())
    return grades[best], per_query(scores[best], common.half_loss.mean(axis=0), common.halves)


def seen_works(study: Studied) -> np.ndarray:
    """Works on which losses are measured."""
    return np.linspace(0, len(study.found.works) - 1, SEEN).round().astype(np.int64)


def quality(study: Studied, ensemble: Ensemble) -> dict[str, np.ndarray]:
    """Denoising losses on held-out pictures and on works, of members and of their mean."""
    found: dict[str, np.ndarray] = {}
    for name, pixels in (("held_out", study.found.held_out), ("works", study.found.works[seen_works(study)])):
        found[name], found[f"{name}_ensemble"] = denoising(ensemble, from_pixels(pixels))
    return found


@torch.no_grad()
def denoising(
    ensemble: Ensemble, images: Float[Tensor, "image channel height width"]
) -> tuple[Float64[np.ndarray, "image member"], Float64[np.ndarray, " image"]]:
    """The loss that an audit measures on each image, of members and of their mean prediction."""
    looks = [look for look in noised_views(SAMPLER) if is_middle(look.step)]
    t = torch.tensor([look.step.timestep for look in looks])
    apart, together = [], []
    for number, image in enumerate(images):
        noise = torch.stack([look.noise(SEED_OF_VIEWS + number, image) for look in looks])
        x_t = torch.stack([look.noised(image, z) for look, z in zip(looks, noise, strict=True)])
        eps = ensemble.predict(x_t, t).double()
        apart.append((eps - noise).square().flatten(1).mean(dim=1).numpy())
        together.append(float((eps.mean(dim=0) - noise).square().mean()))
    return np.stack(apart), np.array(together)


def flat_pixels(images: Float[Tensor, "image channel height width"]) -> np.ndarray:
    """Images in [0, 1], flattened channel by channel."""
    return ((images.clamp(-1.0, 1.0) + 1.0) / 2.0).flatten(1).numpy().astype(np.float32)


def _kept(path: Path, measure: Callable[[], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays from a file, or measured now."""
    if not path.exists():
        found = {name: np.ascontiguousarray(value) for name, value in measure().items()}
        write_atomically(path, lambda part: save_file(found, part))
    return dict(load_file(path))


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
