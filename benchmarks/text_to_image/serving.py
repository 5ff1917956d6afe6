"""E4 on adapters: the ensemble, served as a mean or merged, beside one adapter of all works.

The same prompts and noise give outputs of each way to serve. Measured are the denoising loss on
drawings that no adapter trained on, under their captions; the energy distance between outputs and
the works of both houses; how often an output under a work's caption is nearest to that work; the
power of the test on merged outputs; and processor seconds of an output.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from attribution.denoisers.ensemble import Ensemble, mix
from attribution.denoisers.interface import Prompt
from attribution.images import from_pixels
from attribution.metrics.statistics import share_of
from attribution.ranking.rankers.feature_kernel import Embedding
from attribution.sampling.predictions import is_middle, noised_views
from benchmarks.papers.measures import energy_distance, interval
from benchmarks.text_to_image.adapters import Bench
from benchmarks.text_to_image.features import views_of
from benchmarks.text_to_image.outputs import OWN, Queries
from benchmarks.text_to_image.power import in_latents, order_of, power_of

MEAN, MERGED, WHOLE, BASE = "mean of members", "merged", "one adapter of all works", "base alone"
SOME_MEMBERS = 3
RESAMPLES = 200


def measure(bench: Bench, embeddings: list[Embedding]) -> dict[str, Any]:
    """All facts of one set."""
    queries = Queries(bench)
    rows = [row for row, one in enumerate(queries.outputs) if one.kind == OWN]
    served = _ways(bench)
    pictures, seconds = _outputs(bench, queries, rows, served)
    drawings = from_pixels(bench.works.pixels(bench.works.works))
    views = views_of(embeddings)
    captioned = np.array([queries.outputs[row].work for row in rows])
    loss = losses(bench, served)
    facts: dict[str, Any] = {"outputs": len(rows), "ways": {}}
    for name, images in pictures.items():
        first = {view: order_of(see(images), see(drawings))[:, 0] == captioned for view, see in views.items()}
        facts["ways"][name] = {
            "loss_on_unseen": _stated(loss[name]),
            "loss_minus_that_of_the_mean": _stated(loss[name] - loss[MEAN]),
            "energy_distance_to_works": {view: _energy(see(images), see(drawings)) for view, see in views.items()},
            "nearest_to_the_captioned_work": {view: share_of(found).to_json() for view, found in first.items()},
            "processor_seconds_an_output": seconds[name],
        }
    return facts | {"merged_tested": _merged_tested(bench, queries, rows, pictures[MERGED])}


def _ways(bench: Bench) -> dict[str, Ensemble]:
    """The ways to serve; a merged ensemble is one member."""
    base = bench.kind.open_base("cpu")
    some = bench.trained("members", bench.membership.T)[:SOME_MEMBERS]
    return {
        MEAN: bench.ensemble,
        MERGED: bench.ensemble.merged(bench.ensemble.uniform_weights()),
        WHOLE: bench.kind.open_members([bench.reference()], "cpu"),
        BASE: base,
        **{f"member {number}": bench.kind.open_members([folder], "cpu") for number, folder in enumerate(some)},
    }


def _outputs(
    bench: Bench, queries: Queries, rows: list[int], served: dict[str, Ensemble]
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Outputs under captions of works by every way, and processor seconds of one."""
    prompts = [queries.outputs[row].prompt for row in rows]
    seeds = [queries.outputs[row].seed for row in rows]
    pictures: dict[str, Tensor] = {}
    seconds: dict[str, float] = {}
    for name, ensemble in served.items():
        pictures[name] = (
            queries.pictures[rows]
            if name == MEAN
            else bench.sampled(f"served-{name.replace(' ', '-')}-{len(rows)}", ensemble, prompts, seeds)
        )
        began = time.process_time()
        bench.drawn(ensemble, prompts[0], seeds[0])
        seconds[name] = round(time.process_time() - began, 2)
    return pictures, seconds


@torch.no_grad()
def losses(bench: Bench, served: dict[str, Ensemble]) -> dict[str, Float64[np.ndarray, " drawing"]]:
    """Squared error of each way's predicted noise on unseen drawings, over the middle steps."""
    views = [view for view in noised_views(bench.sampler) if is_middle(view.step)]
    t = torch.tensor([view.step.timestep for view in views])
    clean = torch.from_numpy(bench.unseen_latents).reshape(-1, *bench.kind.shape)
    found: dict[str, list[float]] = {name: [] for name in served}
    for row, drawing in enumerate(bench.works.unseen):
        noise = torch.stack([view.noise(2000 + row, clean[row]) for view in views])
        x_t = torch.stack([view.noised(clean[row], z) for view, z in zip(views, noise, strict=True)])
        condition = bench.condition([Prompt(drawing.caption)] * len(views))
        for name, ensemble in served.items():
            eps = mix(ensemble.predict(x_t, t, condition), ensemble.uniform_weights())
            found[name].append(float((eps - noise).double().square().mean()))
    return {name: np.array(values) for name, values in found.items()}


def _merged_tested(bench: Bench, queries: Queries, rows: list[int], merged: Tensor) -> dict[str, Any]:
    """The test of layer 2 of the works nearest to outputs that were served merged, beside the same
    prompts' means.
    """
    prompts = [Prompt(queries.outputs[row].prompt, bench.sizes.guidance) for row in rows]
    with torch.no_grad():
        latents = bench.kind.encode(merged).flatten(1).numpy()
    tests, found = in_latents(bench), bench.predicted("merged", bench.ensemble, merged, prompts)
    merged_orders, mean_orders = (order_of(each, bench.latents) for each in (latents, queries.latents[rows]))
    return {
        "merged": power_of(tests, found, merged_orders)["nearest_work"],
        "mean": power_of(tests, [queries.guided[row] for row in rows], mean_orders)["nearest_work"],
    }


def _energy(outputs: Float[np.ndarray, "output value"], works: Float[np.ndarray, "work value"]) -> dict[str, Any]:
    """The energy distance, with an interval over draws of outputs without repeats."""
    generator, half = np.random.default_rng(0), max(2, len(outputs) // 2)
    drawn = [energy_distance(outputs[generator.permutation(len(outputs))[:half]], works) for _ in range(RESAMPLES)]
    value, spread = energy_distance(outputs, works), float(np.std(drawn)) / np.sqrt(2)
    return {"value": round(value, 4), "interval": [round(value - 1.96 * spread, 4), round(value + 1.96 * spread, 4)]}


def _stated(values: Float64[np.ndarray, " drawing"]) -> dict[str, Any]:
    return {"mean": round(float(values.mean()), 5), "interval": interval(values)}


def held(facts: Mapping[str, Any]) -> bool:
    """Whether the mean of members predicts unseen drawings at least as well as one adapter."""
    return bool(facts["ways"][MEAN]["loss_on_unseen"]["mean"] <= facts["ways"][WHOLE]["loss_on_unseen"]["mean"])
