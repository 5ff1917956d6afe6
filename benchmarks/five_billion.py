"""What an ensemble on 5 billion works would need: members, storage, training, audits. Computed.

Nothing is run at this size. The numbers follow from three kinds of facts: what other benchmarks
measured, what can be counted (codes, bytes of a format, floating-point operations of the networks,
which torch counts on tensors without data), and what is assumed (:data:`ASSUMED`). To see what
another assumption gives, change it here and run the module again.

    python -m benchmarks.five_billion
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from attribution.denoisers.libraries import diffusers
from benchmarks.record import RESULTS, conclude
from registry.encodings.codes import capacity, default_weight
from registry.encodings.keys import CODE_FORMAT
from registry.planning.encoding_plan import DECOY_LIMIT, SHORTLIST

WORKS = 5_000_000_000
LARGEST_N = 64
HOUR, YEAR = 3600.0, 365.25 * 24 * 3600.0
ASSUMED: dict[str, Any] = {
    "units": "every work is a unit of its own, with plain codes",
    "base": "a U-Net and an autoencoder of the sizes of Stable Diffusion 1, images of 512 pixels",
    "members": "adapters of rank 16 on attention; each member sees each of its works once",
    "operations of a training pass": "two forward passes: forward, and backward to the input; the base has no gradient",
    "GPU": "989e12 bfloat16 operations a second at most (H100, H200), 40 % of them reached",
    "GPUs": 1024,
    "sampling": "30 steps, guidance (two evaluations a step)",
    "audit": "30 noised views a member, 10 regenerations by the members that did not see the work",
    "growth": "registration takes time and space in proportion to works, as measured up to 10 million",
}
GPU_OPERATIONS = 0.4 * 989e12
STEPS, VIEWS, GUIDED = 30, 30, 2
LATENT = (4, 64, 64)
TEXT = (77, 768)


def main() -> int:
    """Compute, write the result, and return 1 if the codes do not suffice."""
    n = members_for(WORKS)
    h = default_weight(n)
    operations = operations_of_the_base()
    results = {
        "works": WORKS,
        "assumed": ASSUMED,
        "members": members(n, h),
        "storage_bytes": storage(n, h),
        "memory_of_a_job_today_bytes": memory_of_a_job(),
        "registration": registration(),
        "operations": operations,
        "training": training(n, h, operations),
        "audit_of_one_output": audit(n, h, operations),
    }
    claim = f"{WORKS:,} works have codes of {n} members, with {DECOY_LIMIT:,} decoys and more"
    held = capacity(n, h, CODE_FORMAT) >= WORKS + DECOY_LIMIT
    return conclude("five_billion", claim, held, results, ("creditline", "torch", "diffusers"))


def members_for(works: int) -> int:
    """The fewest members whose codes suffice for all works and the decoys of an audit."""
    return next(
        n for n in range(2, LARGEST_N + 1) if capacity(n, default_weight(n), CODE_FORMAT) >= works + DECOY_LIMIT
    )


def members(n: int, h: int) -> dict[str, Any]:
    """The code, and what it can show."""
    codes = capacity(n, h, CODE_FORMAT)
    return {
        "n": n,
        "h": h,
        "codes": codes,
        "codes_left": codes - WORKS,
        "works_of_a_member": WORKS * h // n,
        "members_left_after_a_withdrawal": n - h,
        "smallest_p": 1 / (1 + DECOY_LIMIT),
        "smallest_q": SHORTLIST / (1 + DECOY_LIMIT),
        "fewest_members_by_works": {f"{works:,}": members_for(works) for works in (10**4, 10**6, 10**8, 10**9, WORKS)},
    }


def storage(n: int, h: int) -> dict[str, Any]:
    """Bytes, by what takes them."""
    bulk = result_of("register/bulk_registration")
    adapter = result_of("members/real_size")["entries"]["cpu, 128 pixels"]["sizes"]["one_adapter_mib"] * 2**20
    listing = WORKS * h // n * 65
    return {
        "registry, as a list of addresses": WORKS * bulk["database_bytes"]["creditline"] / bulk["rows"],
        "codes alone": 8 * WORKS,
        "lists of works, one member": listing,
        "lists of works, all members": n * listing,
        "weights, all members": n * adapter,
        "training set today: pixels, 512 x 512 x 3": WORKS * 512 * 512 * 3,
        "training set today: latents in float32": WORKS * 4 * LATENT[0] * LATENT[1] * LATENT[2],
        "embeddings of 512 numbers in float16": WORKS * 512 * 2,
    }


def memory_of_a_job() -> dict[str, Any]:
    """What a process that trains one member keeps for every work: its hash, as text, and arrays."""
    a_work = sys.getsizeof("0" * 64) + 8 + 8 + 8
    return {"a work": a_work, "all works": a_work * WORKS, "works in 64 GiB": 64 * 2**30 // a_work}


def registration() -> dict[str, float]:
    """Of a list of addresses, from what 10 million took."""
    bulk = result_of("register/bulk_registration")
    a_work = bulk["creditline"]["seconds"] / bulk["rows"]
    return {"seconds_a_million": 1e6 * a_work, "hours": WORKS * a_work / HOUR}


def operations_of_the_base() -> dict[str, float]:
    """Floating-point operations of one evaluation of the U-Net, and of encoding one image."""
    with torch.device("meta"):
        network = diffusers().UNet2DConditionModel(cross_attention_dim=TEXT[1], attention_head_dim=8)
        encoder = diffusers().AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
        )
        latent, text, image = torch.empty(1, *LATENT), torch.empty(1, *TEXT), torch.empty(1, 3, 512, 512)
        step = torch.zeros(1, dtype=torch.int64)
    with torch.no_grad(), FlopCounterMode(display=False) as evaluation:
        network(latent, step, text)
    with torch.no_grad(), FlopCounterMode(display=False) as encoding:
        encoder.encode(image)
    return {
        "weights_of_the_unet": sum(value.numel() for value in network.parameters()),
        "an evaluation": float(evaluation.get_total_flops()),
        "encoding a work": float(encoding.get_total_flops()),
    }


def training(n: int, h: int, operations: Mapping[str, float]) -> dict[str, float]:
    """One pass of every member over its works, and the encoding of all works before."""
    passes = float(h * WORKS)
    seconds = passes * 2 * operations["an evaluation"] / GPU_OPERATIONS
    encoding = WORKS * operations["encoding a work"] / GPU_OPERATIONS
    return {
        "passes_over_a_work": passes,
        "relative_to_one_model_on_all_works": h,
        "gpu_hours": seconds / HOUR,
        "gpu_hours_of_one_member": seconds / HOUR / n,
        "gpu_hours_of_encoding": encoding / HOUR,
        "days_on_all_gpus": (seconds + encoding) / HOUR / 24 / ASSUMED["GPUs"],
        "gpu_years": (seconds + encoding) / YEAR,
    }


def audit(n: int, h: int, operations: Mapping[str, float]) -> dict[str, Any]:
    """Evaluations and GPU seconds of one output and of its audit; ranking by what a pass reads."""
    ranking = result_of("auditing/ranking_scale")["passes"][0]["works_per_second"]["pixel-kernel"]
    evaluations = {
        "sampling": STEPS * GUIDED * n,
        "layer 2: predictions of all members": VIEWS * n,
        "layer 3: regenerations without a candidate": SHORTLIST * STEPS * GUIDED * (n - h),
    }
    return {
        "evaluations": evaluations,
        "gpu_seconds": {
            name: count * operations["an evaluation"] / GPU_OPERATIONS for name, count in evaluations.items()
        },
        "layer 1: hours of one process that compares pixels of 16 x 16 with all works, as measured": (
            WORKS / ranking / HOUR
        ),
        "layer 1: seconds to read all embeddings once at 100 GB a second": WORKS * 512 * 2 / 100e9,
    }


def result_of(name: str) -> dict[str, Any]:
    """The figures of another benchmark's result."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["results"]
    return found


if __name__ == "__main__":
    raise SystemExit(main())
