"""Layer 3 against retraining: the output without a work, by ablation and by training without it.

For some outputs under a work's caption, the noise stays, and:

- *ablated*: the ensemble without the members that saw the work;
- *retrained ensemble*: the members that saw the work are trained again without it, under the same
  seed, and under another;
- *retrained adapter*: one adapter trained on all works but this, under two seeds, beside one
  adapter of all works.

Distances are root mean squares over pixels in [0, 1]. An effect is the change of the output; the
cosine of two effects says whether they change it alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from attribution.denoisers.ensemble import Ensemble
from attribution.ranking.rankers.feature_kernel import Embedding
from benchmarks.papers.measures import interval
from benchmarks.text_to_image.adapters import Bench
from benchmarks.text_to_image.features import views_of
from benchmarks.text_to_image.outputs import Output, Queries

SEEDS = (0, 1)


def measure(bench: Bench, embeddings: list[Embedding]) -> dict[str, Any]:
    """All facts of one set."""
    queries = Queries(bench)
    chosen = [(row, one) for row, one in enumerate(queries.outputs) if one.work is not None][: bench.sizes.ablated]
    found = [pictures_without(bench, output, queries.pictures[row]) for row, output in chosen]
    pictures = {name: torch.stack([one[name] for one in found]) for name in found[0]}
    return {
        "outputs": len(chosen),
        "by": {
            name: compared({key: view(value) for key, value in pictures.items()})
            for name, view in views_of(embeddings).items()
        },
    }


def pictures_without(bench: Bench, output: Output, made: Tensor) -> dict[str, Tensor]:
    """The output, and what comes without its work in every way."""
    work = output.work
    if work is None:
        raise ValueError("an output without a work")
    kept = np.arange(len(bench.works.works)) != work
    seen = bench.membership[work]
    weights = torch.from_numpy(~seen / (~seen).sum())[None]

    def picture(name: str, ensemble: Ensemble, own: Tensor | None = None) -> Tensor:
        return bench.sampled(f"without-{work}-{name}", ensemble, [output.prompt], [output.seed], own)[0]

    found = {"made": made, "ablated": picture("ablated", bench.ensemble, weights)}
    members = bench.trained("members", bench.membership.T)
    again = (bench.membership & kept[:, None]).T[seen]
    for seed in SEEDS:
        others = iter(bench.trained(f"members-without-{work}", again, seed))
        mixed = [next(others) if saw else folder for saw, folder in zip(seen, members, strict=True)]
        found[f"ensemble, seed {seed}"] = picture(f"ensemble-{seed}", bench.kind.open_members(mixed, "cpu"))
        without = bench.opened(f"all-without-{work}", kept[None], seed)
        whole = bench.kind.open_members([bench.reference(seed)], "cpu")
        found[f"adapter, seed {seed}"] = picture(f"adapter-{seed}", without)
        found[f"whole, seed {seed}"] = picture(f"whole-{seed}", whole)
    return found


def compared(values: dict[str, Float64[np.ndarray, "output value"]]) -> dict[str, Any]:
    """Distances between the ways, and cosines of their effects, with intervals over outputs."""

    def distance(one: str, other: str) -> dict[str, Any]:
        return _stated(np.sqrt(((values[one] - values[other]) ** 2).mean(axis=1)))

    def alike(one: tuple[str, str], other: tuple[str, str]) -> dict[str, Any]:
        left, right = (values[after] - values[before] for before, after in (one, other))
        scale = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        return _stated((left * right).sum(axis=1) / np.maximum(scale, 1e-12))

    again, apart = ("made", "ensemble, seed 0"), ("made", "ensemble, seed 1")
    alone = [(f"whole, seed {seed}", f"adapter, seed {seed}") for seed in SEEDS]
    return {
        "distance": {
            "output and ablation": distance("made", "ablated"),
            "output and retrained ensemble": distance(*again),
            "ablation and retrained ensemble": distance("ablated", "ensemble, seed 0"),
            "ablation and retrained ensemble, other seed": distance("ablated", "ensemble, seed 1"),
            "two retrained ensembles": distance("ensemble, seed 0", "ensemble, seed 1"),
            "ablation and retrained adapter": distance("ablated", "adapter, seed 0"),
            "two retrained adapters": distance("adapter, seed 0", "adapter, seed 1"),
            "adapter of all works and retrained adapter": distance(*alone[0]),
        },
        "cosine_of_effects": {
            "ablation and retrained ensemble": alike(("made", "ablated"), again),
            "ablation and retrained ensemble, other seed": alike(("made", "ablated"), apart),
            "ablation and retrained adapter": alike(("made", "ablated"), alone[0]),
            "retrained adapters of two seeds": alike(*alone),
        },
    }


def _stated(values: Float64[np.ndarray, " output"]) -> dict[str, Any]:
    """Mean and interval over outputs."""
    return {"mean": round(float(values.mean()), 4), "interval": interval(values)}


def held(facts: Mapping[str, Any]) -> bool:
    """Whether the ablation is nearer to retraining than the output is, in pixels."""
    distance = facts["by"]["pixels"]["distance"]
    return bool(distance["ablation and retrained ensemble"]["mean"] < distance["output and retrained ensemble"]["mean"])
