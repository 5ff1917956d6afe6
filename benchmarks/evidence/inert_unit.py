"""The size of the test with common draws: ensembles retrained with a unit that teaches nothing.

The randomisation test is exact if a unit makes no difference to any member. With common draws no
unit makes quite none: it takes places in the batch that other works would have had. Here every
ensemble is trained with one *inert* unit more. Its works take their places in the batch by their
lots, and their loss is multiplied by zero: the members that saw the unit learn nothing of it, and
see the other works less often. So each p-value of the inert unit is a false alarm if it is small.

Each ensemble has other works, codes and draws: scikit-learn's 8x8 digits, n = 12, h = 6, a network
of three layers that predicts the clean image, the product's draws of works
(:func:`attribution.training.draws.draw_works`), noised views, statistic and adjustment. The inert
unit is tested under its own code for generated images, for digits that no member saw, and for its
own works as images from outside; then for all images together, as a statement tests a rightsholder.
Beside it stand, from the same ensembles, the same pictures under a decoy's code (the ordinary null,
uniform by construction) and the unit nearest to each image that did teach something (the power).

    python -m benchmarks.evidence.inert_unit [--folder inert] [--ensembles 220]

Takes about an hour of one core. The folder keeps each finished ensemble. Needs scikit-learn.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int, Int64
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn

from attribution.denoisers.ensemble import Ensemble, by_row
from attribution.denoisers.schedule import alpha_bars
from attribution.denoisers.space import Condition
from attribution.ensemble.recipe import TrainingSettings
from attribution.evidence.adjustment import Neighbours, member_alignment
from attribution.evidence.group_test import WORK_BANDWIDTH
from attribution.evidence.randomisation import contrast_weights, mean_predictions
from attribution.metrics.statistics import bootstrap_interval, share_of
from attribution.sampling.noise import noise_batch
from attribution.sampling.predictions import renoise
from attribution.sampling.sampler import sample
from attribution.sampling.schedule import SamplerSettings
from attribution.training.draws import draw_works
from attribution.training.loop import learning_rate, loss_weight
from benchmarks.record import conclude
from registry.basis.p_values import exact_p_values
from registry.encodings.codes import codes_of, decoys
from registry.encodings.words import bits
from registry.home import write_atomically

SIDE, N, H = 8, 12, 6
HIDDEN, FREQUENCIES = 96, 8
STEPS, BATCH, RATE = 1_500, 8, 4e-3
SAMPLER = SamplerSettings(method="ddim", steps=25)
GENERATED, UNSEEN, OWN = 8, 8, 2
LEVELS = (0.05, 0.01)


@dataclass(frozen=True)
class Arm:
    """A kind of inert unit."""

    name: str
    key: int
    """Of its random numbers."""
    units: int
    """Active units."""
    works: int
    """Works of each active unit."""
    inert_works: int

    @property
    def displaced(self) -> float:
        """Expected share of the batch that the inert unit takes in members that saw it."""
        return self.inert_works / (self.inert_works + self.units * self.works * H / N)


ARMS = (
    Arm("one work beside 48", key=0, units=48, works=1, inert_works=1),
    Arm("a rightsholder with 24 works beside 12 with 4 each", key=2, units=12, works=4, inert_works=24),
)


class Members(nn.Module):
    """The members' networks, evaluated together: three layers that predict the clean image."""

    def __init__(self, n: int, seed: int, signal: Float[Tensor, " t"]) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        sizes = [SIDE**2 + 2 * FREQUENCIES, HIDDEN, HIDDEN, SIDE**2]
        self.layers = nn.ParameterList()
        for fan_in, fan_out in pairwise(sizes):
            # Common draws: every member starts from the same weights.
            weight = torch.randn(fan_in, fan_out, generator=generator) * (2.0 / fan_in) ** 0.5
            self.layers.append(nn.Parameter(weight.repeat(n, 1, 1)))
            self.layers.append(nn.Parameter(torch.zeros(n, 1, fan_out)))
        self.signal = signal

    def clean(self, x_t: Float[Tensor, "member row value"], t: Int[Tensor, "#member row"]) -> Tensor:
        """The clean images that the members predict."""
        angle = t[..., None] / len(self.signal) * torch.pi * 2.0 ** torch.arange(FREQUENCIES)
        time = torch.cat([angle.sin(), angle.cos()], dim=-1).expand(*x_t.shape[:2], -1)
        value = torch.cat([x_t, time], dim=-1)
        for place in range(0, len(self.layers), 2):
            value = torch.baddbmm(self.layers[place + 1], value, self.layers[place])
            if place + 2 < len(self.layers):
                value = torch.nn.functional.silu(value)
        return value


@dataclass(frozen=True)
class TogetherEnsemble(Ensemble):
    """An ensemble whose members run in one product."""

    together: Members = field(kw_only=True)

    def predict(
        self,
        x: Float[Tensor, "batch channel height width"],
        timestep: int | Int[Tensor, " batch"],
        condition: Condition | None = None,
        weights: Float[Tensor, "batch member"] | None = None,
    ) -> Float[Tensor, "member batch channel height width"]:
        """F(x, t), from the predicted clean images; nothing here has a condition or weights."""
        del condition, weights
        t = by_row(timestep, x)
        clean = self.together.clean(x.flatten(1).expand(self.n, -1, -1), t[None]).view(self.n, *x.shape)
        signal = self.together.signal[t].view(-1, 1, 1, 1)
        return (x - signal.sqrt() * clean) / (1.0 - signal).sqrt()


def train(
    works: Float[Tensor, "work value"], seen: Bool[Tensor, "work member"], inert: Bool[Tensor, " work"], seed: int
) -> TogetherEnsemble:
    """Train the members together, each on the works that it saw; inert works have no loss."""
    training = TrainingSettings(steps=STEPS, batch_size=len(works), learning_rate=RATE, seed=seed)
    signal = torch.from_numpy(alpha_bars(training)).float()
    n = seen.shape[1]
    members = Members(n, seed, signal)
    optimiser = torch.optim.AdamW(members.parameters(), lr=RATE, betas=(0.9, 0.99), weight_decay=0.0, foreach=True)
    keys = np.random.default_rng(seed).integers(0, 2**64, len(works), dtype=np.uint64)
    for step in range(STEPS):
        # A batch of all works is all lots in order. A member's batch is the first among its works.
        drawn = draw_works(training, step, keys, (1, SIDE, SIDE))
        mine = seen[drawn.rows].T
        first = torch.argsort(mine.logical_not().to(torch.int8), dim=1, stable=True)[:, :BATCH]
        in_batch = mine.gather(1, first)
        alpha = signal[drawn.t]
        x_t = alpha.sqrt()[:, None] * works[drawn.rows] + (1.0 - alpha).sqrt()[:, None] * drawn.noise.flatten(1)
        clean = members.clean(x_t[first], drawn.t[first])
        error = (clean - works[drawn.rows][first]).square().mean(dim=2)
        # The noise error is the error of the clean image times the ratio of signal and noise.
        weight = loss_weight(alpha, training.snr_cap) * alpha / (1.0 - alpha)
        teaches = in_batch & inert[drawn.rows][first].logical_not()
        loss = (error * weight[first] * teaches).sum() / BATCH
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(training, step)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # as torch declares it
        optimiser.step()
    return TogetherEnsemble([nn.Identity()] * n, together=members.requires_grad_(False))


def ensemble_results(arm: Arm, number: int) -> dict[str, np.ndarray]:
    """Train one ensemble and test its inert unit, and the nearest other one, for every image."""
    generator = np.random.default_rng((arm.key, number))
    digits = torch.from_numpy(_digits()[generator.permutation(len(_digits()))])
    active = arm.units * arm.works
    works, unseen = digits[: active + arm.inert_works], digits[-UNSEEN:]
    unit_of = np.concatenate([np.repeat(np.arange(arm.units), arm.works), np.full(arm.inert_works, arm.units)])
    seed = int(generator.integers(2**62))
    codes = codes_of(seed, N, H, np.arange(arm.units + 1))
    others = bits(decoys(seed, N, H, arm.units + 1, 20_000, draw_seed=0), N)
    seen = bits(codes, N)
    ensemble = train(works, torch.from_numpy(seen[unit_of]), torch.from_numpy(unit_of == arm.units), seed)
    noise = noise_batch([seed + place for place in range(GENERATED)], SAMPLER.draws, (1, SIDE, SIDE))
    made = sample(ensemble, noise, SAMPLER).flatten(1).clamp(-1.0, 1.0)
    images = torch.cat([made, unseen, works[active : active + min(OWN, arm.inert_works)]])
    tested = [
        _test(ensemble, image, works.numpy(), unit_of, seen, others, seed + place) for place, image in enumerate(images)
    ]
    return {name: np.stack([each[name] for each in tested]) for name in tested[0]}


def _test(
    ensemble: Ensemble,
    image: Float[Tensor, " value"],
    works: Float32[np.ndarray, "work value"],
    unit_of: Int[np.ndarray, " work"],
    seen: Bool[np.ndarray, "unit member"],
    others: Bool[np.ndarray, "decoy member"],
    seed: int,
) -> dict[str, np.ndarray]:
    """Statistics under own code and decoys, of the inert unit (the last) and the nearest other."""
    predictions = mean_predictions(renoise(ensemble, image.view(1, SIDE, SIDE), SAMPLER, seed, spacing=1))
    distance = ((works - image.numpy()) ** 2).mean(axis=1) / 4.0
    inert = len(seen) - 1
    pictures = np.stack([_picture(works[unit_of == unit], distance[unit_of == unit]) for unit in range(inert + 1)])
    nearest = int(unit_of[: int(np.count_nonzero(unit_of != inert))][distance[unit_of != inert].argmin()])
    around = Neighbours(np.arange(inert + 1), pictures, seen)
    units = np.array([inert, nearest])
    aligned = member_alignment(predictions, pictures[units], around, [units[:1], units[1:]])
    own, pool = contrast_weights(seen[units]), contrast_weights(others)
    return {
        "statistic": np.einsum("un,un->u", aligned.alignment, own),
        "decoy_statistic": aligned.alignment @ pool.T,
    }


def _picture(
    works: Float32[np.ndarray, "work value"], distance: Float[np.ndarray, " work"]
) -> Float64[np.ndarray, " value"]:
    """The mean of a unit's works, weighted by closeness to the image."""
    weight = np.exp(-(distance - distance.min()) / WORK_BANDWIDTH)
    return np.asarray(weight @ works / weight.sum(), dtype=np.float64)


def _digits() -> Float32[np.ndarray, "work value"]:
    from sklearn.datasets import load_digits  # type: ignore[import-not-found, unused-ignore]

    return np.asarray(load_digits().data / 8.0 - 1.0, dtype=np.float32)


def kept(folder: Path, arm: Arm, number: int) -> dict[str, np.ndarray]:
    """An ensemble's results, computed unless the folder has them."""
    path = folder / f"{arm.key}-{number:04d}.safetensors"
    if not path.exists():
        tensors = ensemble_results(arm, number)
        write_atomically(path, partial(save_file, {name: np.ascontiguousarray(v) for name, v in tensors.items()}))
    return load_file(path)


def sizes_of(tensors: Sequence[dict[str, np.ndarray]], number: int) -> dict[str, Any]:
    """How often a unit has a small p: ``number`` 0 the inert one, 1 the nearest other one.

    For one image of each ensemble, for all images, and for all images of a kind together.
    """
    own = np.stack([each["statistic"][:, number] for each in tensors])
    others = np.stack([each["decoy_statistic"][:, number] for each in tensors])
    places = {"generated": range(GENERATED), "unseen": range(GENERATED, GENERATED + UNSEEN)}
    places["own works"] = range(GENERATED + UNSEEN, own.shape[1])
    found = {}
    for kind, images in places.items():
        p_value = np.stack([exact_p_values(own[:, image], others[:, image]) for image in images], axis=1)
        found[f"{kind}, first image"] = _levels(p_value[:, :1])
        found[f"{kind}, all images"] = _levels(p_value)
        found[f"{kind}, images together"] = _levels(_together(own[:, list(images)], others[:, list(images)])[:, None])
    return found


def ordinary_null(tensors: Sequence[dict[str, np.ndarray]], seed: int = 0) -> dict[str, Any]:
    """The same with a random decoy's code in the place of the inert unit's, once per ensemble."""
    chosen = np.random.default_rng(seed).integers(0, tensors[0]["decoy_statistic"].shape[2], len(tensors))
    swapped = []
    for each, decoy in zip(tensors, chosen, strict=True):
        others = each["decoy_statistic"]
        swapped.append({"statistic": others[:, :, decoy], "decoy_statistic": np.delete(others, decoy, axis=2)})
    return sizes_of(swapped, 0)


def _together(
    own: Float64[np.ndarray, "ensemble image"], others: Float64[np.ndarray, "ensemble image decoy"]
) -> Float64[np.ndarray, " ensemble"]:
    """The p of the sum over images, each divided by its spread over all codes."""
    every = np.concatenate([own[:, :, None], others], axis=2)
    scaled = (every / every.std(axis=2, keepdims=True)).sum(axis=1)
    return exact_p_values(scaled[:, 0], scaled[:, 1:])


def _levels(p_value: Float64[np.ndarray, "ensemble image"]) -> dict[str, Any]:
    """Shares of small p-values; intervals over ensembles, since images of one share its members."""
    found = {}
    for level in LEVELS:
        small = p_value <= level
        if small.shape[1] == 1:
            found[f"p_at_most_{level}"] = share_of(small).to_json()
            continue
        by_ensemble = small.mean(axis=1)
        low, high = bootstrap_interval(len(small), partial(_means, by_ensemble))
        found[f"p_at_most_{level}"] = {"share": float(small.mean()), "low": low, "high": high, "total": small.size}
    return found


def _means(
    values: Float64[np.ndarray, " ensemble"], drawn: Int64[np.ndarray, "draw ensemble"]
) -> Float64[np.ndarray, " draw"]:
    return np.asarray(values[drawn].mean(axis=1), dtype=np.float64)


def main() -> int:
    """Measure, write the result, and return 1 if the test is shown to be larger than stated."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path("inert"))
    parser.add_argument("--ensembles", type=int, default=220)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[Arm, list[dict[str, np.ndarray]]] = {arm: [] for arm in ARMS}
    for number in range(options.ensembles):
        for arm in ARMS:
            tensors[arm].append(kept(options.folder, arm, number))
        if number % 10 == 9:
            print(f"{number + 1} of {options.ensembles} ensembles of each kind", flush=True)
    results: dict[str, Any] = {
        "ensembles_of_each_kind": options.ensembles,
        "n": N,
        "h": H,
        "steps": STEPS,
        "batch": BATCH,
        "images_of_each_kind": {"generated": GENERATED, "unseen": UNSEEN, "own works": f"1 or {OWN}"},
    }
    for arm in ARMS:
        results[arm.name] = {
            "share_of_the_batch_displaced": round(arm.displaced, 3),
            "decoys": tensors[arm][0]["decoy_statistic"].shape[2],
            "inert_unit": sizes_of(tensors[arm], 0),
            "ordinary_null": ordinary_null(tensors[arm]),
            "nearest_other_unit": sizes_of(tensors[arm], 1),
        }
    sizes = [size for arm in ARMS for size in results[arm.name]["inert_unit"].values()]
    held = all(each[f"p_at_most_{level}"]["low"] <= level + 0.01 for each in sizes for level in LEVELS)
    claim = (
        "with common draws, the test of a unit that teaches nothing is not shown to exceed its level by over 1 point"
    )
    return conclude("evidence/inert_unit", claim, held, results, ("torch", "numpy", "scipy"))


if __name__ == "__main__":
    sys.exit(main())
