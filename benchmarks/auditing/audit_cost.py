"""Cost of evidence relative to sampling the image: ranking, testing, and re-noising the image.

An ensemble of 16 untrained members of the default network samples images as ``creditline sample``
does; training does not change the cost. Timed for the same images: predictions under fresh noise
(made by ``sample``, so audits need not), in as many looks as ``sample --looks`` asks for, ranking
10,000 works with the two kernel rankers, and the randomisation test of 20 candidates against all
decoys with 150 neighbours. Interleaved rounds, medians. torch runs on one thread, and so must
NumPy's products: on a busy machine their threads burn processor time while they wait for each
other.

    OMP_NUM_THREADS=1 python -m benchmarks.auditing.audit_cost [--works 10000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from attribution.denoisers.ensemble import Ensemble
from attribution.denoisers.pixels import PixelUNet
from attribution.evidence.adjustment import MOST, neighbours_of
from attribution.evidence.randomisation import assess_shortlist
from attribution.ranking.encoded_works import EncodedWorks
from attribution.ranking.rankers.fusion import WeightedRanker
from attribution.ranking.rankers.interface import Images
from attribution.ranking.rankers.kernel import PixelKernel
from attribution.ranking.rankers.responsibilities import Responsibilities
from attribution.ranking.shortlist import Shortlisted, shortlists_for
from attribution.sampling.noise import noise_batch
from attribution.sampling.predictions import MemberPredictions, looks_at_once, noised_views, renoise, renoise_together
from attribution.sampling.sampler import sample
from attribution.sampling.schedule import SamplerSettings
from benchmarks.record import conclude, interleaved_medians
from registry.encodings.codes import codes_of, decoys
from registry.encodings.words import bits

N, H, SEED = 16, 8, 0
SHORTLIST = 20
DECOYS = 20_000
MAXIMUM_SHARE = 0.1
FEW = (4, 6, 8, 10, 12)
"""Numbers of looks of ``sample --looks``, beside pairs at every second step."""


def main() -> int:
    """Measure, write the result, and return 1 if the claim does not hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--works", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(options.works, options.rounds)
    held = found["all_layers"][f"{PixelUNet().sampling.looks} looks"] <= MAXIMUM_SHARE
    claim = f"noising an image again, ranking and testing cost at most {MAXIMUM_SHARE:.0%} of sampling it"
    return conclude("auditing/audit_cost", claim, held, found, ("torch", "numpy", "diffusers"))


def measure(works: int, rounds: int) -> dict[str, Any]:
    """Processor seconds per image of each part."""
    network = PixelUNet()
    ensemble = Ensemble([network.new_member(seed).eval() for seed in range(N)])
    sampler, rows = SamplerSettings(), network.rows_at_once("cpu")
    noise = noise_batch(list(range(rows)), sampler.draws, network.shape)
    images = sample(ensemble, noise, sampler).clamp(-1.0, 1.0)
    flat = ((images.flatten(1) + 1.0) / 2.0).numpy()
    codes = codes_of(SEED, N, H, np.arange(works))
    values = np.random.default_rng(SEED).random((works, flat.shape[1]), dtype=np.float32)
    encoded = EncodedWorks.in_memory(values, np.arange(works), codes, bits(codes, N))
    drawn = decoys(SEED, N, H, works, DECOYS, draw_seed=0)
    predictions = [renoise(ensemble, image, sampler, seed) for seed, image in enumerate(images)]

    def ranked() -> list[Shortlisted]:
        rankers = (PixelKernel(), Responsibilities(sampler))
        return shortlists_for(
            rankers, encoded, Images(flat, encoded.shape), (WeightedRanker(PixelKernel.name, 0.02, 1.0),), SHORTLIST, 1
        )

    listed = ranked()

    def tested() -> None:
        for image, found, one in zip(flat, listed, predictions, strict=True):
            around = neighbours_of(encoded, image, found.blind_order(MOST))
            units = found.unit_numbers
            assess_shortlist(one, found.images, codes[units], drawn, N, None, around, units)

    def looked(few: int) -> list[MemberPredictions]:
        plan, seeds = replace(sampler, looks=few), list(range(rows))
        return list(renoise_together(ensemble, images, plan, seeds, rows_at_once=looks_at_once(rows)))

    everything = len(noised_views(sampler))
    looks = {f"{few or everything} looks": partial(looked, few) for few in (*FEW, 0)}
    jobs: dict[str, Callable[[], object]] = {
        "sampling": lambda: sample(ensemble, noise, sampler),
        **looks,
        "ranking": ranked,
        "testing": tested,
    }
    seconds = {name: value / rows for name, value in interleaved_medians(jobs, rounds).items()}
    share = {name: value / seconds["sampling"] for name, value in seconds.items() if name != "sampling"}
    rest = share["ranking"] + share["testing"]
    return {
        "works": works,
        "n": N,
        "h": H,
        "decoys": len(drawn),
        "images_together": rows,
        "evaluations_a_member": {"sampling": sampler.steps, "noising again": everything},
        "rounds": rounds,
        "threads": {"torch": 1, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "not set")},
        "processor_seconds_an_image": seconds,
        "share_of_sampling": {**share, "ranking and testing": rest},
        "all_layers": {name: share[name] + rest for name in looks},
    }


if __name__ == "__main__":
    sys.exit(main())
