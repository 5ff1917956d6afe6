"""What text to image costs at the size of Stable Diffusion 1.5: seconds and memory.

The base (:mod:`benchmarks.members.large_base`) has the architecture of Stable Diffusion 1.5 with
random weights, which cost the same as trained ones. It lies in a temporary folder and is read as
any base is. On it are n adapters of rank 16.

On a GPU the UNet computes in bfloat16, and images have 512 pixels a side. On a CPU all is float32
on one thread, images have 128 pixels a side by default, and fewer tangents are carried, so that the
run ends in minutes. The result file keeps one entry for each device and size; a run replaces its
own. At large sizes a run can leave jobs out (``--jobs``) and take a step of fewer members
(``--members``): members run in chunks, one after the other, so a step of one full chunk has the
peak of all.

Each job runs once, on a GPU after a first run. Memory is what the process held before a job and at
most during it: resident set on a CPU, allocated by torch on a GPU. What takes too long to run is
computed from measured parts; the result says how. The claim is that an ensemble takes the memory of
the base once, of the adapters, and of a chunk of activations: a step of n members adds no more than
the stacked adapters and the chunk to what was held before.

    python -m benchmarks.members.real_size
    python -m benchmarks.members.real_size --size 512 --jobs sampling --members 4
    python -m benchmarks.members.real_size --width 32 --size 64    # a small trial
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from attribution.denoisers.interface import Prompt
from attribution.denoisers.schedule import schedule_fields
from attribution.denoisers.space import Condition
from attribution.denoisers.text_to_image.kind import Adapters
from attribution.denoisers.text_to_image.members import AdapterMember, SharedBaseEnsemble
from attribution.denoisers.text_to_image.memory import ON_CPU, ON_GPU
from attribution.ensemble.recipe import EnsembleSettings, TrainingSettings
from attribution.forward_ad import propagate
from attribution.images import ImageSettings
from attribution.sampling.noise import noise_batch
from attribution.sampling.predictions import noised_views
from attribution.sampling.requests import default_sampler
from attribution.training.dataset import TrainingSet
from attribution.training.groups import members_together
from attribution.training.loop import TrainingData, TrainingRun, advance
from benchmarks.members.large_base import WIDTH, save_large_base
from benchmarks.record import RESULTS, command_of, conclude
from registry.bases.reading import read_base
from tests.support.adapters import moved_member

NAME = "members/real_size"
TRAINING, SAMPLING, JACOBIAN = JOBS = ("training", "sampling", "jacobian")
ALONE, DECODE = "one member, one step", "decode one image"
N, RANK, SAMPLES, SHORTLIST = 16, 16, 8, 10
WORKS_PER_STEP = {"cpu": 1, "cuda": 16}
GROUP_ON_CPU = 4
EVALUATIONS = 2
"""Of a member in a step: with the prompt, and without."""
TANGENTS = {"cpu": 3, "cuda": N}
"""Carried in the measured steps of the Jacobian, beside the value."""
GIB = 2**30


def main() -> int:
    """Measure, write the result, and return 1 if the claim does not hold."""
    options = _options()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    results = _measured(options)
    if options.width != WIDTH:
        print(json.dumps(results, indent=2))
        return 0 if results["held"] else 1
    path = RESULTS / f"{NAME}.json"
    entries = json.loads(path.read_bytes())["results"]["entries"] if path.exists() else {}
    entries[f"{options.device}, {options.size} pixels"] = results
    held = all(entry["held"] for entry in entries.values())
    claim = f"a step of {N} adapters adds the stacked adapters and a chunk of activations to what one base holds"
    packages = ("torch", "diffusers", "transformers")
    return conclude(NAME, claim, held, {"entries": entries}, packages, command_of(NAME))


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    """The entry of one device and size."""
    with tempfile.TemporaryDirectory() as place:
        folder = save_large_base(Path(place) / "base", options.width)
        kind = Adapters.on(read_base(folder).facts, folder, rank=RANK, size=options.size)
        meter = Meter(options.device)
        sizes = _sizes(kind, meter)
        if TRAINING in options.jobs:
            _train(kind, meter)
        if SAMPLING in options.jobs:
            _sample(kind, meter, options.members)
        if JACOBIAN in options.jobs:
            _jacobian(kind, meter)
    results: dict[str, Any] = {
        "arguments": " ".join(sys.argv[1:]),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "device": torch.cuda.get_device_name() if options.device == "cuda" else "cpu, one thread",
        "precision": "bfloat16" if options.device == "cuda" else "float32",
        "pixels": kind.size,
        "n": N,
        "rank": RANK,
        "target": kind.target,
        "sizes": sizes,
        "measured": meter.jobs,
        "computed": _computed(kind, meter.jobs, options),
        "held": True,  # unless a step that fills a chunk says otherwise
    }
    if SAMPLING in options.jobs and EVALUATIONS * options.members >= min(EVALUATIONS * N, sizes["evaluations_at_once"]):
        step = meter.jobs[_step_of(options.members)]
        added, allowed = step["peak_gib"] - step["before_gib"], sizes["stack_gib"] + sizes["activations_allowed_gib"]
        results |= {
            "added_by_a_step_gib": round(added, 2),
            "allowed_gib": round(allowed, 2),
            "held": bool(added <= allowed),
        }
    return results


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What text to image costs at the size of Stable Diffusion 1.5.")
    here = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", choices=["cpu", "cuda"], default=here)
    parser.add_argument("--size", type=int, help="side of the images in pixels")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=JOBS, help="default: all")
    parser.add_argument(
        "--members", type=int, default=N, help=f"members in the measured step of the ensemble; default: all {N}"
    )
    parser.add_argument("--width", type=int, default=WIDTH, help="channels of the UNet's first block")
    options = parser.parse_args()
    options.size = options.size or (512 if options.device == "cuda" else 128)
    return options


@dataclass
class Meter:
    """Runs jobs, and keeps what each took."""

    device: str
    jobs: dict[str, dict[str, float]] = field(default_factory=dict)

    def run(self, name: str, job: Callable[[], object]) -> None:
        """Seconds (of the processor on a CPU) and peak memory of one job."""
        if self.device == "cuda":
            job()
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            begun = time.perf_counter()
            job()
            torch.cuda.synchronize()
            seconds, peak = time.perf_counter() - begun, torch.cuda.max_memory_allocated()
        else:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the high-water mark starts anew
            before, begun = _of_status("VmRSS"), time.process_time()
            job()
            seconds, peak = time.process_time() - begun, _of_status("VmHWM")
        self.jobs[name] = {
            "seconds": round(seconds, 3),
            "before_gib": round(before / GIB, 2),
            "peak_gib": round(peak / GIB, 2),
        }
        print(f"{name}: {seconds:.2f} s, {before / GIB:.2f} to {peak / GIB:.2f} GiB", flush=True)


def _of_status(name: str) -> int:
    """A size in bytes that Linux states about this process."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def _sizes(kind: Adapters, meter: Meter) -> dict[str, float]:
    """What the claim adds up, in GiB. The base is loaded here."""
    device = torch.device(meter.device)
    meter.run("load the UNet", lambda: kind.predictor(device))
    weights = list(kind.predictor(device).unet.network.parameters())
    member = moved_member(kind, 0)
    adapter = sum(value.numel() * value.element_size() for value in (*member.down, *member.up))
    return {
        "weights_of_the_unet": sum(value.numel() for value in weights),
        "base_unet_gib": round(sum(value.numel() * value.element_size() for value in weights) / GIB, 3),
        "one_adapter_mib": round(adapter / 2**20, 2),
        "stack_gib": round(N * adapter / GIB, 3),
        "activations_allowed_gib": (ON_CPU if meter.device == "cpu" else ON_GPU) / GIB,
        "evaluations_at_once": kind.predictor(device).at_once,
    }


def _train(kind: Adapters, meter: Meter) -> None:
    """A training step, of one adapter and of a group."""
    batch = WORKS_PER_STEP[meter.device]
    rng = np.random.default_rng(0)
    works = TrainingSet(
        pixels=rng.integers(0, 255, (2, kind.size, kind.size, 3), dtype=np.uint8),
        codes=np.zeros(2, dtype=np.uint64),
        labels=np.zeros(2, dtype=np.int64),
        hashes=[f"{number:064x}" for number in range(2)],
        label_names=("a cat in the house",),
    )
    passes = max(1, batch // 4)
    settings = EnsembleSettings(
        image=ImageSettings(size=kind.size),
        network=kind,
        training=replace(TrainingSettings(batch_size=batch, accumulation=passes), **schedule_fields(kind)),
        label_column="caption",
        labels_sha256="0" * 64,
    )
    rows = np.arange(2)
    read: list[TrainingData] = []
    meter.run(
        "encode 2 works and their captions",
        lambda: read.append(TrainingData.of(settings, works, rows, meter.device)),
    )
    on_gpu = meter.device == "cuda"
    count = members_together(settings, N, "cuda", torch.cuda.mem_get_info()[0]) if on_gpu else GROUP_ON_CPU
    runs = [TrainingRun(settings, works, rows, index, meter.device, read[-1]) for index in range(count)]
    meter.run(f"training step, one adapter, {batch} works", lambda: advance(runs[:1]))
    meter.run(f"training step, {count} adapters together, {batch} works each", lambda: advance(runs))


def _step_of(members: int) -> str:
    """The name of the job that takes one step of some members."""
    return f"{members} members, one step"


@torch.no_grad()
def _sample(kind: Adapters, meter: Meter, count: int) -> None:
    """A step of one member and of the ensemble, for one sample under guidance, and a decoding."""
    members: list[AdapterMember] = [moved_member(kind, seed, 0.05).to(meter.device) for seed in range(N)]
    together, alone = SharedBaseEnsemble(members[:count], kind), SharedBaseEnsemble(members[:1], kind)
    x, condition = _noise_and_condition(kind, meter)
    meter.run(ALONE, lambda: alone.predict(x, 500, condition))
    meter.run(_step_of(count), lambda: together.predict(x, 500, condition))
    meter.run(DECODE, lambda: kind.decode(x))


@torch.no_grad()
def _jacobian(kind: Adapters, meter: Meter) -> None:
    """A step of one member and a decoding, with some tangents."""
    alone = SharedBaseEnsemble([moved_member(kind, 0, 0.05).to(meter.device)], kind)
    x, condition = _noise_and_condition(kind, meter)
    tangents = torch.randn((TANGENTS[meter.device], *x.shape), generator=torch.Generator().manual_seed(0))
    tangents = tangents.to(meter.device)
    meter.run(
        f"Jacobian, one step, one member with {len(tangents)} tangents",
        lambda: alone.predict_with_tangents(x, tangents, 500, condition, [0]),
    )
    at_once = kind.tangents_at_once(x)
    meter.run(f"Jacobian, decode with {len(tangents)} tangents", lambda: propagate(kind.decode, x, tangents, at_once))


def _noise_and_condition(kind: Adapters, meter: Meter) -> tuple[Tensor, Condition]:
    x = noise_batch([0], 1, kind.shape)[:, 0].to(meter.device)
    return x, kind.condition([Prompt("a cat", 7.5)], ()).to(meter.device)


def _computed(kind: Adapters, jobs: Mapping[str, Mapping[str, float]], options: argparse.Namespace) -> dict[str, Any]:
    """What the measured steps add up to, in seconds of this device; never run."""
    training = replace(TrainingSettings(), **schedule_fields(kind))
    settings = EnsembleSettings(ImageSettings(size=kind.size), kind, training, "caption", labels_sha256="0" * 64)
    sampler = default_sampler(settings)
    steps, views = sampler.steps, len(noised_views(sampler))
    seconds = {name: job["seconds"] for name, job in jobs.items()}
    parts: dict[str, tuple[str, float]] = {}
    if TRAINING in options.jobs:
        (group_name,) = [name for name in jobs if "together" in name]
        count, works = (int(word) for word in group_name.replace(",", "").split() if word.isdigit())
        group = seconds[group_name] / count * training.batch_size / works
        parts[f"train {N} adapters, {training.steps} steps of {training.batch_size} works"] = (
            f"{N} x {training.steps} x a step of the group per adapter, for {training.batch_size} works",
            N * training.steps * group,
        )
    if SAMPLING not in options.jobs:
        return _stated(parts)
    everyone, decode = seconds[_step_of(options.members)] * N / options.members, seconds[DECODE]
    step = "a step of the ensemble"
    if options.members != N:
        step = f"{N} / {options.members} x a step of {options.members} members"
    parts |= {
        f"sample {SAMPLES} images, {steps} steps": (
            f"{SAMPLES} x ({steps} x {step} + a decoding)",
            SAMPLES * (steps * everyone + decode),
        ),
        f"audit {SAMPLES} samples: predictions of the members": (
            f"{SAMPLES} x {views} noised views x {step}",
            SAMPLES * views * everyone,
        ),
        f"audit {SAMPLES} samples: {SHORTLIST} real ablations and the base alone": (
            f"{SAMPLES} x ({SHORTLIST} x ({steps} x half of {step} + a decoding) + {steps} x a step of one member + "
            "a decoding)",
            SAMPLES * (SHORTLIST * (steps * everyone / 2 + decode) + steps * seconds[ALONE] + decode),
        ),
    }
    if JACOBIAN in options.jobs:
        tangents = TANGENTS[options.device]
        member = seconds[f"Jacobian, one step, one member with {tangents} tangents"]
        last = seconds[f"Jacobian, decode with {tangents} tangents"]
        parts["Jacobian of one sample (not with --no-jacobian)"] = (
            f"{1 + N} / {1 + tangents} x ({steps - 1} x {N} x one member's step with {tangents} tangents + a decoding with "
            f"{tangents} tangents) + {step}",
            (1 + N) / (1 + tangents) * ((steps - 1) * N * member + last) + everyone,
        )
    return _stated(parts)


def _stated(parts: Mapping[str, tuple[str, float]]) -> dict[str, Any]:
    return {name: {"seconds": round(seconds, 1), "how": how} for name, (how, seconds) in parts.items()}


if __name__ == "__main__":
    sys.exit(main())
