"""n adapters on one base: stacked, by peft's ``adapter_names``, and in n separate passes.

All three give the same predictions. Measured is the time of one step of the ensemble on a batch of
samples under guidance: n members x 2 texts x the batch. The UNet has the form of the project's
small base (4 M weights, 16x16 latents), with random weights, which cost the same as trained ones.

- stacked: one run of the base per chunk of evaluations, first layers once per sample;
- peft: the UNet with n adapters loaded, a batch whose rows name their adapters;
- separate: one member after the other, each with both texts in a batch.

    python -m benchmarks.members.adapters_stacked
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from attribution.denoisers.interface import Prompt
from attribution.denoisers.libraries import diffusers, peft
from attribution.denoisers.text_to_image.kind import Adapters
from attribution.denoisers.text_to_image.lora import ENDINGS, Target
from attribution.denoisers.text_to_image.members import AdapterMember, SharedBaseEnsemble
from attribution.sampling.noise import noise_batch
from benchmarks.base_model.denoiser import base_unet
from benchmarks.record import conclude, interleaved_medians
from benchmarks.tiny_base import TinyBase, save_tiny_base
from registry.bases.reading import read_base
from tests.support.adapters import moved_member

N = 16
RANK = 8
ROUNDS = 3
CASES: tuple[tuple[Target, int], ...] = (("attention", 1), ("attention", 4), ("attention+conv", 1))
CHUNKS = (4, 8, 16, 32, 64)
CLOSE = 1e-3
BEST = 1.0
"""The claim: stacked takes at most this share of the time of the faster rival."""


def main() -> int:
    """Measure, write the result, and return 1 if the claim does not hold."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        base = _small_base(Path(folder) / "base")
        cases = [
            measure(Adapters.on(read_base(base).facts, base, rank=RANK, target=target), batch)
            for target, batch in CASES
        ]
    held = all(case["stacked_by_faster_rival"] <= BEST and case["largest_difference"] <= CLOSE for case in cases)
    claim = f"stacked adapters take at most {BEST} times as long as the faster of peft's batches and separate passes"
    results = {"n": N, "rank": RANK, "guided": True, "threads": 1, "rounds": ROUNDS, "cases": cases}
    return conclude("members/adapters_stacked", claim, held, results, ("torch", "diffusers", "peft", "transformers"))


def _small_base(folder: Path) -> Path:
    """The tiny pipeline of the tests, with a UNet of the small base's form."""
    save_tiny_base(folder, TinyBase(size=64))
    torch.manual_seed(0)
    base_unet(text_width=32).save_pretrained(folder / "unet")
    return folder


@torch.no_grad()
def measure(kind: Adapters, batch: int) -> dict[str, Any]:
    """Seconds of one step of the ensemble, by method, on ``batch`` samples."""
    members = [moved_member(kind, index, 0.05) for index in range(N)]
    ensemble = SharedBaseEnsemble(members, kind)
    x = noise_batch(list(range(batch)), 1, kind.shape)[:, 0]
    t = torch.full((batch,), 500)
    condition = kind.condition([Prompt("a red cat", 7.5)] * batch, ())
    rival = _peft_unet(kind, members)
    texts = condition.tokens[torch.cat([condition.text, condition.negative])]
    per_call = max(1, kind.predictor(x.device).at_once // (2 * batch))  # the chunk that stacked uses by default

    def by_peft() -> Tensor:
        found = []
        for part in torch.split(torch.arange(N), per_call):
            names = [str(index) for index in part.tolist() for _ in texts]
            rows, times = x.repeat(2 * len(part), 1, 1, 1), torch.full((len(names),), 500)
            with _named(rival, names):
                output = rival(rows, times, texts.repeat(len(part), 1, 1), return_dict=False)[0]
            found += list(output.reshape(len(part), 2, batch, *kind.shape))
        return torch.stack([each[1] + 7.5 * (each[0] - each[1]) for each in found])

    runs: dict[str, Callable[[], Tensor]] = {
        "stacked": lambda: ensemble.predict(x, t, condition),
        "peft": by_peft,
        "separate": lambda: torch.stack([member(x, t, condition) for member in members]),
    }
    first = {name: run() for name, run in runs.items()}
    seconds = interleaved_medians(runs, ROUNDS)
    pairs = [(row, member) for row in range(batch) for member in range(N)]
    chunks = {}
    for size in CHUNKS:
        predictor = replace(kind.predictor(x.device), at_once=size)
        chunks[str(size)] = lambda predictor=predictor: predictor.predict(x, t, condition, ensemble.stack, pairs)
    return {
        "target": kind.target,
        "samples": batch,
        "seconds": seconds,
        "stacked_by_faster_rival": seconds["stacked"] / min(seconds["peft"], seconds["separate"]),
        "largest_difference": max(float((first["stacked"] - first[name]).abs().max()) for name in ("peft", "separate")),
        "stacked_seconds_by_evaluations_per_call": interleaved_medians(chunks, 1),
    }


def _peft_unet(kind: Adapters, members: list[AdapterMember]) -> Any:  # noqa: ANN401  # a PeftModel
    """A UNet of its own with all adapters loaded through peft."""
    files = kind.files
    if files is None:
        raise ValueError("a kind on a base is needed")
    network = diffusers().UNet2DConditionModel.from_pretrained(files.folder / "unet").eval()
    config = peft().LoraConfig(r=kind.rank, lora_alpha=kind.alpha, target_modules=list(ENDINGS[kind.target]))
    model = peft().PeftModel(network, config, adapter_name="0")
    for index in range(1, len(members)):
        model.add_adapter(str(index), config)
    for index, member in enumerate(members):
        for name, down, up in zip(member.names, member.down, member.up, strict=True):
            layer = network.get_submodule(name)
            layer.lora_A[str(index)].weight.data.copy_(down)
            layer.lora_B[str(index)].weight.data.copy_(up)
    return model.eval()


def _named(model: Any, names: list[str]) -> Any:  # noqa: ANN401  # a context manager of peft
    """Rows under these adapters."""
    return model.base_model._enable_peft_forward_hooks(adapter_names=names)


if __name__ == "__main__":
    sys.exit(main())
