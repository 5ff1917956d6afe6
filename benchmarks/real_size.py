"""What text to image costs at the size of Stable Diffusion 1.5: seconds and memory.

The base has the architecture of Stable Diffusion 1.5 (UNet of 860 M weights, ``AutoencoderKL``, the
text encoder of CLIP ViT-L) with random weights, which cost the same as trained ones. It lies in a
temporary folder and is read as any base is. On it are n adapters of rank 16.

On a GPU the UNet computes in bfloat16, and images have 512 pixels a side. On a CPU all is float32
on one thread, images have 128 pixels a side, and fewer tangents are carried, so that the run ends
in minutes.

Each job runs once, on a GPU after a first run. Memory is what the process held before a job and at
most during it: resident set on a CPU, allocated by torch on a GPU. What takes too long to run is
computed from measured parts; the result says how. The claim is that an ensemble takes the memory of
the base once, of the adapters, and of a chunk of activations: a step of n members adds no more than
the stacked adapters and the chunk to what was held before.

    python -m benchmarks.real_size
    python -m benchmarks.real_size --width 32 --size 64    # a small trial
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from attribution.denoisers.interface import Prompt
from attribution.denoisers.libraries import diffusers, transformers
from attribution.denoisers.schedule import schedule_fields
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
from benchmarks.record import conclude
from benchmarks.tiny_base import tiny_tokenizer
from registry.bases.reading import read_base
from tests.support.adapters import moved_member

WIDTH = 320
N, RANK, SAMPLES, SHORTLIST = 16, 16, 8, 10
WORKS_PER_STEP = {"cpu": 1, "cuda": 16}
GROUP_ON_CPU = 4
TANGENTS = {"cpu": 3, "cuda": N}
"""Carried in the measured steps of the Jacobian, beside the value."""
GIB = 2**30


def main() -> int:
    """Measure, write the result, and return 1 if the claim does not hold."""
    options = _options()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    with tempfile.TemporaryDirectory() as place:
        folder = _save_base(Path(place) / "base", options.width)
        kind = Adapters.on(read_base(folder).facts, folder, rank=RANK, size=options.size)
        meter = Meter(options.device)
        sizes = _sizes(kind, meter)
        _train(kind, meter)
        _serve(kind, meter)
    jobs = meter.jobs
    step = jobs["ensemble of n, one step"]
    added, allowed = step["peak_gib"] - step["before_gib"], sizes["stack_gib"] + sizes["activations_allowed_gib"]
    results = {
        "device": torch.cuda.get_device_name() if options.device == "cuda" else "cpu, one thread",
        "precision": "bfloat16" if options.device == "cuda" else "float32",
        "pixels": kind.size,
        "n": N,
        "rank": RANK,
        "target": kind.target,
        "sizes": sizes,
        "measured": jobs,
        "added_by_a_step_of_n_gib": round(added, 2),
        "allowed_gib": round(allowed, 2),
        "computed": _computed(kind, jobs, TANGENTS[options.device]),
    }
    held = added <= allowed
    if options.width != WIDTH:
        print(json.dumps(results, indent=2))
        return 0 if held else 1
    claim = f"a step of {N} adapters adds the stacked adapters and a chunk of activations to what one base holds"
    return conclude("real_size", claim, held, results, ("torch", "diffusers", "transformers"))


def _options() -> Any:  # noqa: ANN401  # argparse gives no type
    parser = argparse.ArgumentParser(description="What text to image costs at the size of Stable Diffusion 1.5.")
    here = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", choices=["cpu", "cuda"], default=here)
    parser.add_argument("--size", type=int, help="side of the images in pixels")
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


def _save_base(folder: Path, width: int) -> Path:
    """The pipeline in half precision; with smaller parts below the width of Stable Diffusion."""
    library = diffusers()
    text = {"num_hidden_layers": 12, "intermediate_size": 3072} if width == WIDTH else {"num_hidden_layers": 2}
    with torch.device("meta"):
        networks = {
            "unet": library.UNet2DConditionModel(
                sample_size=64,
                in_channels=4,
                out_channels=4,
                layers_per_block=2,
                block_out_channels=(width, 2 * width, 4 * width, 4 * width),
                down_block_types=(*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
                up_block_types=("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
                cross_attention_dim=768,
                attention_head_dim=8,
            ),
            "vae": library.AutoencoderKL(
                sample_size=512,
                latent_channels=4,
                block_out_channels=(128, 256, 512, 512) if width == WIDTH else (32, 32, 32, 32),
                layers_per_block=2,
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
                scaling_factor=0.18215,
            ),
            "text_encoder": transformers().CLIPTextModel(
                transformers().CLIPTextConfig(hidden_size=768, num_attention_heads=12, projection_dim=768, **text)
            ),
        }
    pipeline = library.StableDiffusionPipeline(
        **{name: _filled(network) for name, network in networks.items()},
        tokenizer=tiny_tokenizer(77),
        scheduler=library.PNDMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1
        ),
        feature_extractor=None,
        safety_checker=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    return folder


def _filled(network: nn.Module) -> nn.Module:
    """A network with random weights, all from one block of numbers: drawing all is slow."""
    network = network.to(torch.float16).to_empty(device="cpu")
    block = 0.02 * torch.randn(2**20, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for value in network.parameters():
            flat = value.view(-1)
            for start in range(0, len(flat), len(block)):
                flat[start : start + len(block)] = block[: len(flat) - start]
    return network


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


@torch.no_grad()
def _serve(kind: Adapters, meter: Meter) -> None:
    """Steps of sampling, audit and Jacobian, each for one sample under guidance."""
    members: list[AdapterMember] = [moved_member(kind, seed, 0.05).to(meter.device) for seed in range(N)]
    everyone, alone = SharedBaseEnsemble(members, kind), SharedBaseEnsemble(members[:1], kind)
    x = noise_batch([0], 1, kind.shape)[:, 0].to(meter.device)
    condition = kind.condition([Prompt("a cat", 7.5)], ()).to(meter.device)
    meter.run("one member, one step", lambda: alone.predict(x, 500, condition))
    meter.run("ensemble of n, one step", lambda: everyone.predict(x, 500, condition))
    meter.run("decode one image", lambda: kind.decode(x))
    tangents = torch.randn((TANGENTS[meter.device], *x.shape), generator=torch.Generator().manual_seed(0))
    tangents = tangents.to(meter.device)
    meter.run(
        f"Jacobian, one step, one member with {len(tangents)} tangents",
        lambda: alone.predict_with_tangents(x, tangents, 500, condition, [0]),
    )
    at_once = kind.tangents_at_once(x)
    meter.run(f"Jacobian, decode with {len(tangents)} tangents", lambda: propagate(kind.decode, x, tangents, at_once))


def _computed(kind: Adapters, jobs: dict[str, dict[str, float]], tangents: int) -> dict[str, Any]:
    """What the measured steps add up to, in seconds of this device."""
    training = replace(TrainingSettings(), **schedule_fields(kind))
    settings = EnsembleSettings(ImageSettings(size=kind.size), kind, training, "caption", labels_sha256="0" * 64)
    sampler = default_sampler(settings)
    steps, views = sampler.steps, len(noised_views(sampler))
    everyone, one, decode, member_jacobian, decode_jacobian = (
        jobs[name]["seconds"]
        for name in (
            "ensemble of n, one step",
            "one member, one step",
            "decode one image",
            f"Jacobian, one step, one member with {tangents} tangents",
            f"Jacobian, decode with {tangents} tangents",
        )
    )
    share = (1 + N) / (1 + tangents)
    (group_name,) = [name for name in jobs if "together" in name]
    count, works = (int(word) for word in group_name.replace(",", "").split() if word.isdigit())
    group = jobs[group_name]["seconds"] / count * training.batch_size / works
    one_jacobian = share * ((steps - 1) * N * member_jacobian + decode_jacobian) + everyone
    parts = {
        f"train {N} adapters, {training.steps} steps of {training.batch_size} works": (
            f"{N} x {training.steps} x a step of the group per adapter, for {training.batch_size} works",
            N * training.steps * group,
        ),
        f"sample {SAMPLES} images, {steps} steps": (
            f"{SAMPLES} x ({steps} x a step of the ensemble + a decoding)",
            SAMPLES * (steps * everyone + decode),
        ),
        f"audit {SAMPLES} samples: predictions of the members": (
            f"{SAMPLES} x {views} noised views x a step of the ensemble",
            SAMPLES * views * everyone,
        ),
        f"audit {SAMPLES} samples: {SHORTLIST} real ablations and the base alone": (
            f"{SAMPLES} x ({SHORTLIST} x ({steps} x half a step of the ensemble + a decoding) + {steps} x a step of one member + "
            "a decoding)",
            SAMPLES * (SHORTLIST * (steps * everyone / 2 + decode) + steps * one + decode),
        ),
        "Jacobian of one sample (not with --no-jacobian)": (
            f"{1 + N} / {1 + tangents} x ({steps - 1} x {N} x one member's step with {tangents} tangents + a decoding with "
            f"{tangents} tangents) + a step of the ensemble",
            one_jacobian,
        ),
    }
    return {name: {"seconds": round(seconds, 1), "how": how} for name, (how, seconds) in parts.items()}


if __name__ == "__main__":
    sys.exit(main())
