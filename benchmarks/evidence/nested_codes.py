"""Nested codes beside plain codes: power, LDS, quality, withdrawal and cost on the same works.

Two sets of works: MNIST's digits at 8x8, where a class is a group, and emoji styles at 16x16, where
a house is one. Three ensembles of each set, trained alike:

- *nested*: supports and codes as ``creditline encode --within rightsholder`` chooses them;
- *plain*: codes by work, the same number of members, the default weight;
- *plain, same weight*: codes by work, the same number of members and the same weight.

Measured of each: p-values of the nearest work of generated images and of re-noised training works;
p-values of works far down the list, where nothing is to be found; the test of the nearest work's
group; the linear datamodeling score (LDS) of the ensemble-informed ranking on models retrained on
random halves of the works; the denoising loss on held-out pictures of the ensemble, and of what is
left of it after each group has left in turn.

    python -m benchmarks.evidence.nested_codes --data digits --source MNIST --cache CACHE
    python -m benchmarks.evidence.nested_codes --data emoji --source EMOJI --cache CACHE
    python -m benchmarks.evidence.nested_codes --data digits --source MNIST --cache CACHE --null
    python -m benchmarks.evidence.nested_codes --cache CACHE --conclude

``--null`` tests the nested ensemble under codes that are dealt anew after training, all wrong.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64, UInt64
from scipy import stats
from torch.func import functional_call, vmap

from attribution.denoisers.ensemble import Ensemble
from attribution.denoisers.pixels import PixelUNet
from attribution.ensemble.recipe import TrainingSettings
from attribution.evidence.adjustment import MOST, Neighbours, member_alignment
from attribution.evidence.randomisation import contrast_weights, mean_predictions
from attribution.images import from_pixels, to_pixels
from attribution.metrics.statistics import share_of
from attribution.ranking.rankers.kernel import mean_squared_differences
from attribution.sampling.noise import noise_batch
from attribution.sampling.predictions import is_middle, noised_views, renoise
from attribution.sampling.sampler import sample
from attribution.sampling.schedule import SamplerSettings
from benchmarks.lds.data import HELD_OUT, WORKS, Material, material
from benchmarks.lds.grades import per_query
from benchmarks.lds.ground_truth import losses_of, models_of, random_halves
from benchmarks.lds.models import CleanDenoiser, Stack, trained
from benchmarks.papers.digits import read_idx, shrink
from benchmarks.record import conclude
from registry.basis.p_values import exact_p_values
from registry.encodings.assignment import Assignment, Groups
from registry.encodings.codes import codes_of, default_weight
from registry.encodings.nested import draw_slots, room_for, sizes_that_do
from registry.encodings.words import bits
from registry.home import write_bytes_atomically

SAMPLER = SamplerSettings()
SEED = 5
GENERATED, PLANTED, HALVES = 48, 64, 32
HOUSES, REDRAWS = 4, 120
DECOYS, DRAWS = 999, 999
FAR = {"digits": 150, "emoji": 100}
"""Place in the ranking of a work that has nothing to do with the image."""
BANDWIDTH = 0.01
NESTED, PLAIN, SAME_WEIGHT = "nested", "plain", "plain, same weight"


@dataclass(frozen=True)
class Design:
    """One way to give the works their codes."""

    name: str
    assignment: Assignment
    group_of_work: np.ndarray

    @property
    def membership(self) -> Bool[np.ndarray, "work member"]:
        return bits(self.assignment.codes, self.assignment.n)


def designs(group_of_work: np.ndarray) -> list[Design]:
    """The three of the module's docstring."""
    works = len(group_of_work)
    slots = room_for(np.bincount(group_of_work))
    found = sizes_that_do(slots, 0)
    if found is None:
        raise ValueError("these works do not nest")
    n, m, h = found
    drawn = draw_slots(SEED, n, m, h, slots)
    place = np.empty(works, dtype=np.int64)
    for group, start in enumerate(drawn.starts):
        rows = np.flatnonzero(group_of_work == group)
        place[rows] = start + np.arange(len(rows))
    names = [str(group) for group in range(len(slots))]
    nested = Assignment(
        n,
        h,
        SEED,
        2,
        drawn.codes[place],
        Groups(m, "rightsholder", drawn, group_of_work, place - drawn.starts[group_of_work], list(names), names),
    )
    plain = [
        Assignment(n, weight, SEED, 2, codes_of(SEED, n, weight, np.arange(works), 2))
        for weight in (default_weight(n), h)
    ]
    return [
        Design(name, assignment, group_of_work)
        for name, assignment in zip((NESTED, PLAIN, SAME_WEIGHT), (nested, *plain), strict=True)
    ]


def main() -> int:
    """Measure one set of works, or write the result of all that were measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", choices=("digits", "emoji"))
    parser.add_argument("--source", type=Path, default=Path())
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--conclude", action="store_true")
    parser.add_argument("--null", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.conclude:
        results = {path.stem: json.loads(path.read_bytes()) for path in sorted(options.cache.glob("*.json"))}
        null = results.pop("null")
        stays = all(
            min(facts[NESTED]["members_left_after_a_group"]) > 0
            and max(facts[PLAIN]["members_left_after_a_group"]) == 0
            for facts in results.values()
        )
        claim = "after any one group has left, members serve on with nested codes, and none with plain codes"
        results["digits"][NESTED]["codes_dealt_anew"] = null
        command = "python -m benchmarks.evidence.nested_codes --cache CACHE --conclude"
        return conclude("evidence/nested_codes", claim, stays, results, ("torch", "numpy"), command)
    works = digits(options.source) if options.data == "digits" else emoji(options.source)
    if options.null:
        found = null_of(works, options.cache / works.name)
        write_bytes_atomically(options.cache / "null.json", json.dumps(found, indent=2).encode())
        return 0
    facts = measured(works, options.cache / works.name)
    write_bytes_atomically(options.cache / f"{works.name}.json", json.dumps(facts, indent=2).encode())
    return 0


def digits(source: Path) -> Material:
    """MNIST's digits at 8x8, with the network of the digits of :mod:`benchmarks.lds`."""
    images, classes = read_idx(source, "t10k")
    order = np.random.default_rng(0).permutation(len(images))
    chosen, rest = np.split(order[: WORKS + HELD_OUT], [WORKS])
    pixels = shrink(images, 8)[..., None]
    return Material(
        "digits",
        pixels[chosen],
        pixels[rest],
        tuple(str(int(label)) for label in classes[chosen]),
        PixelUNet(size=8, channels=1, widths=(16,), groups=8, patch=4),
        TrainingSettings(steps=600, batch_size=32, common_works=False),
    )


def emoji(source: Path) -> Material:
    """The first four houses of the emoji of :mod:`benchmarks.lds`, trained half as long."""
    whole = material("emoji", source)
    names = sorted(set(whole.group_of_work))[:HOUSES]
    rows = [row for row, name in enumerate(whole.group_of_work) if name in names]
    return replace(
        whole,
        works=whole.works[rows],
        held_out=whole.held_out[: len(whole.held_out) * HOUSES // len(set(whole.group_of_work))],
        group_of_work=tuple(whole.group_of_work[row] for row in rows),
        training=replace(whole.training, steps=400),
    )


def measured(works: Material, folder: Path) -> dict[str, Any]:
    """All facts of one set of works."""
    names = sorted(set(works.group_of_work))
    group_of_work = np.array([names.index(name) for name in works.group_of_work])
    subsets = random_halves(len(group_of_work), HALVES, 11)
    halves = models_of(works, folder, "halves", subsets, 1)
    facts: dict[str, Any] = {
        "works": len(group_of_work),
        "groups": dict(zip(names, np.bincount(group_of_work).tolist(), strict=True)),
    }
    for design in designs(group_of_work):
        path = folder / f"{design.name.replace(', ', '-').replace(' ', '-')}.json"
        if not path.exists():
            found = facts_of(works, folder / path.stem, design, subsets, halves)
            write_bytes_atomically(path, json.dumps(found).encode())
        facts[design.name] = json.loads(path.read_bytes())
        print(works.name, design.name, json.dumps(facts[design.name]), flush=True)
    return facts


def facts_of(works: Material, folder: Path, design: Design, subsets: np.ndarray, halves: Stack) -> dict[str, Any]:
    """Train one ensemble and measure it."""
    began = time.process_time()
    membership = design.membership
    stack = trained(folder, "members-0", works.images(), membership.T, works.network, replace(works.training, seed=0))
    seconds = time.process_time() - began
    ensemble = Ensemble([stack.model(index) for index in range(len(stack))])
    shape = (stack.settings.channels, stack.settings.size, stack.settings.size)
    made = to_pixels(sample(ensemble, noise_batch(list(range(1, GENERATED + 1)), SAMPLER.draws, shape), SAMPLER))
    generated = from_pixels(made.numpy())
    held_out = from_pixels(works.held_out)
    planted = works.images()[torch.from_numpy(np.random.default_rng(3).permutation(len(works.works))[:PLANTED])]
    n, counts = design.assignment.n, membership.sum(axis=0)
    weights, left = survivors(design)
    losses = ensemble_losses(stack, held_out, np.vstack([np.full(n, 1 / n), weights]))
    facts: dict[str, Any] = {
        "n": n,
        "h": design.assignment.h,
        "m": None if design.assignment.groups is None else design.assignment.groups.m,
        "cost": design.assignment.h,
        "training_processor_seconds": round(seconds),
        "works_per_member": [int(counts.min()), int(counts.max())],
        "members_left_after_a_group": left.tolist(),
        "held_out_loss": {
            "ensemble": float(losses[:, 0].mean()),
            "after_a_group_has_left": [float(value) for value in losses[:, 1:].mean(axis=0)],
        },
        "generated": tests_of(works, design, ensemble, generated),
        "planted": tests_of(works, design, ensemble, planted),
        "lds": lds_of(works, design, ensemble, torch.cat([generated, held_out]), subsets, halves, folder),
    }
    return facts


def null_of(works: Material, folder: Path) -> dict[str, Any]:
    """P-values of the nested ensemble's tests under codes that are dealt anew after training."""
    names = sorted(set(works.group_of_work))
    design, *_ = designs(np.array([names.index(name) for name in works.group_of_work]))
    training = replace(works.training, seed=0)
    stack = trained(folder / NESTED, "members-0", works.images(), design.membership.T, works.network, training)
    ensemble = Ensemble([stack.model(index) for index in range(len(stack))])
    p_values: dict[str, list[float]] = {"nearest": [], "far": [], "group": []}
    for redraw in range(REDRAWS):
        dealt = replace(design, assignment=design.assignment.dealt_anew(10_000 + redraw))
        image = works.images()[redraw % len(works.works)]
        for name, found in tests_of(works, dealt, ensemble, image[None]).items():
            p_values[name].append(found["median_p"])
    return {
        "redraws": REDRAWS,
        **{
            name: {**_levels(found), "kolmogorov_smirnov_p": float(stats.kstest(found, "uniform").pvalue)}
            for name, found in p_values.items()
        },
    }


def survivors(design: Design) -> tuple[Float64[np.ndarray, "group member"], np.ndarray]:
    """Weights without each group, where members are left, and how many members are."""
    rows, left = [], []
    for group in range(int(design.group_of_work.max()) + 1):
        unseen = ~design.membership[design.group_of_work == group].any(axis=0)
        left.append(int(unseen.sum()))
        if unseen.any():
            rows.append(unseen / unseen.sum())
    return np.array(rows).reshape(len(rows), design.assignment.n), np.array(left)


@torch.no_grad()
def ensemble_losses(
    stack: Stack, images: torch.Tensor, weights: Float64[np.ndarray, "choice member"]
) -> Float64[np.ndarray, "image choice"]:
    """Mean squared error of the weighted mean noise prediction, over the middle steps."""
    base = CleanDenoiser(stack.settings, 0).eval()
    views = [view for view in noised_views(SAMPLER) if is_middle(view.step)]
    t = torch.tensor([view.step.timestep for view in views])
    mixed = torch.from_numpy(weights).float()
    losses = np.empty((len(images), len(weights)))
    for row, image in enumerate(images):
        noise = torch.stack([view.noise(2000 + row, image) for view in views])
        x_t = torch.stack([view.noised(image, z) for view, z in zip(views, noise, strict=True)])
        eps = vmap(lambda p, x=x_t: functional_call(base, p, (x, t)))(stack.weights)
        errors = torch.einsum("km,m...->k...", mixed, eps) - noise
        losses[row] = errors.double().square().flatten(1).mean(dim=1).numpy()
    return losses


def tests_of(works: Material, design: Design, ensemble: Ensemble, images: torch.Tensor) -> dict[str, Any]:
    """P-values of the nearest work, of one far down the list, and of the nearest work's group."""
    pictures = works.images().flatten(1).double().numpy()
    membership, assignment = design.membership, design.assignment
    order = np.argsort(mean_squared_differences(images.flatten(1).numpy(), pictures), axis=1, kind="stable")
    nearest: list[float] = []
    far: list[float] = []
    group: list[float] = []
    for row, image in enumerate(images):
        predictions = mean_predictions(renoise(ensemble, image, SAMPLER, 7000 + row))
        around = order[row, :MOST]
        neighbours = Neighbours(around, pictures[around], membership[around])
        for place, found in ((0, nearest), (FAR[works.name], far)):
            unit = order[row, place : place + 1]
            aligned = member_alignment(predictions, pictures[unit], neighbours, [unit]).alignment
            decoys = assignment.decoys(unit, DECOYS, row).words.reshape(-1)
            found.append(_p(aligned, assignment.codes[unit][None], decoys[:, None], assignment.n))
        owner = design.group_of_work[order[row, 0]]
        own = np.flatnonzero(design.group_of_work == owner)
        own = order[row][np.isin(order[row], own)][:32]
        outside = neighbours.without(np.flatnonzero(design.group_of_work == owner))
        aligned = member_alignment(predictions, pictures[own], outside, [own] * len(own)).alignment
        distance = ((pictures[own] - image.flatten().numpy()) ** 2).mean(axis=1) / 4
        weighted = aligned * np.exp(-(distance - distance.min()) / BANDWIDTH)[:, None]
        drawn = assignment.joint_draws(own, DRAWS, np.random.default_rng((row, 1)), new_supports=[owner])
        group.append(_p(weighted, assignment.codes[own][None], drawn, assignment.n))
    return {name: _levels(found) for name, found in (("nearest", nearest), ("far", far), ("group", group))}


def _p(
    alignment: Float64[np.ndarray, "unit member"],
    own: UInt64[np.ndarray, "1 unit"],
    drawn: UInt64[np.ndarray, "draw unit"],
    n: int,
) -> float:
    rows = np.concatenate([own, drawn])
    weights = contrast_weights(bits(rows.ravel(), n)).reshape(*rows.shape, n)
    statistic = np.einsum("dun,un->d", weights, alignment)
    return float(exact_p_values(statistic[:1], statistic[None, 1:])[0])


def _levels(p_values: list[float]) -> dict[str, Any]:
    found = np.array(p_values)
    return {
        "p_at_most_0.05": share_of(found <= 0.05).to_json(),
        "p_at_most_0.01": share_of(found <= 0.01).to_json(),
        "median_p": float(np.median(found)),
    }


def lds_of(
    works: Material,
    design: Design,
    ensemble: Ensemble,
    queries: torch.Tensor,
    subsets: Bool[np.ndarray, "model work"],
    halves: Stack,
    folder: Path,
) -> dict[str, Any]:
    """LDS, in hundredths, of the kernel alone and of kernel times the ensemble's pull."""
    pictures = works.images().flatten(1).double().numpy()
    flat = queries.flatten(1).double().numpy()
    squared = mean_squared_differences(flat, pictures) / 4
    kernel = np.exp(-(squared - squared.min(axis=1, keepdims=True)) / BANDWIDTH)
    pull = np.empty_like(kernel)
    weights = contrast_weights(design.membership)
    for row, image in enumerate(queries):
        predictions = mean_predictions(renoise(ensemble, image, SAMPLER, 9000 + row))
        around = np.argsort(squared[row], kind="stable")[:1]
        aligned = member_alignment(
            predictions,
            pictures,
            Neighbours(around[:0], pictures[:0], design.membership[:0]),
            [around[:0]] * len(pictures),
        ).alignment
        pull[row] = np.einsum("un,un->u", aligned, weights)
    loss = losses_of(folder, "halves-1", halves, queries)
    facts = {}
    for name, scores in (("kernel", kernel), ("kernel times pull", kernel * pull)):
        found = per_query(scores, loss, subsets)
        facts[name] = {
            "generated": round(100 * float(found[:GENERATED].mean()), 1),
            "held_out": round(100 * float(found[GENERATED:].mean()), 1),
        }
    return facts


if __name__ == "__main__":
    raise SystemExit(main())
