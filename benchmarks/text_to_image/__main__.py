"""``python -m benchmarks.text_to_image STAGE --packages PACKAGES --cache CACHE``."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.record import conclude
from benchmarks.text_to_image.adapters import Bench, Sizes
from benchmarks.text_to_image.features import embeddings
from benchmarks.text_to_image.moves import variants
from benchmarks.text_to_image.works import SETS, work_set
from cli.demo.base_and_prompts import SMALL_BASE
from registry.home import write_bytes_atomically
from registry.ids import sha256_of

MOVES = "moves"
STAGES = {
    "power": "on adapters, with wrong codes p is uniform, and works in no training pass as seldom as chance has it",
    "shortlists": "ten places hold the work with the prompt's caption, at no loss of outputs with a finding",
    "ranking": "on adapters, the default ranking's LDS on outputs is at or above that of the best peer",
    "rightsholders": "on adapters, the default ranking finds the rightsholder that mattered more often than chance",
    "exemplars": "on adapters, the default ranking finds an artist's works among the first ten more often than chance",
    "counterfactuals": "an ablation is nearer to retraining without the work than the output is",
    "serving": "the mean of members predicts unseen drawings at least as well as one adapter of all works",
    MOVES: "in every variant of the recipe that was measured, p of wrong codes is uniform",
}
"""The stages with their claims, in order of value."""
SIZES = {"twemoji-openmoji": Sizes(), "emojione-streamline": Sizes(trainings=1)}
"""What is trained on each set; the second has no ceiling."""
PACKAGES = ("torch", "diffusers", "transformers", "numpy")
COMMAND = "python -m benchmarks.text_to_image {} --packages PACKAGES --squeezenet FILE --mobilenet FILE --cache CACHE"


def main() -> int:
    """Measure stages on sets of works, and write the result of each stage over all sets."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.text_to_image", description=__doc__)
    parser.add_argument("stage", choices=(*STAGES, "all"))
    parser.add_argument(
        "--packages", type=Path, required=True, help="folder with one unpacked npm package @iconify-json/NAME a house"
    )
    parser.add_argument("--cache", type=Path, required=True, help="where adapters and measurements are kept")
    parser.add_argument("--set", action="append", choices=tuple(SETS), help="default: all sets")
    parser.add_argument("--base", type=Path, default=SMALL_BASE, help="default: the project's small base")
    parser.add_argument("--squeezenet", type=Path, help="SqueezeNet 1.1's weights in Caffe's convention")
    parser.add_argument("--mobilenet", type=Path, help="MobileNetV2's weights, as torchvision offers them")
    options = parser.parse_args()
    torch.set_num_threads(1)
    named = embeddings(options.squeezenet, options.mobilenet)
    failed = False
    for stage in STAGES if options.stage == "all" else (options.stage,):
        results: dict[str, Any] = {}
        fails = False
        for name, bench in benches(stage, options):
            results[name] = kept(stage, bench, named)
            fails = write(stage, results)
        failed |= fails
    return int(failed)


def benches(stage: str, options: argparse.Namespace) -> Iterator[tuple[str, Bench]]:
    """What a stage measures: the sets; or, of :mod:`~.moves`, the variants of the first set."""
    names = options.set or list(SETS)
    for name in names[:1] if stage == MOVES else names:
        bench = Bench(work_set(name, options.packages), options.base, options.cache, SIZES[name])
        yield from variants(bench, name, options.packages) if stage == MOVES else [(name, bench)]


def kept(stage: str, bench: Bench, named: list[Any]) -> dict[str, Any]:
    """The facts of one stage and set: from the cache, or measured now."""
    path = bench.folder / f"{stage}-{sha256_of(str(bench.sizes))[:8]}.json"
    if not path.exists():
        began, used = time.monotonic(), time.process_time()
        facts = measured(stage, bench, named)
        facts |= {
            "seconds": round(time.monotonic() - began),
            "processor_seconds": round(time.process_time() - used),
        }
        write_bytes_atomically(path, json.dumps(facts).encode())
        print(f"{stage}, {bench.works.name}: {facts['seconds']} s", flush=True)
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def measured(stage: str, bench: Bench, named: list[Any]) -> dict[str, Any]:
    """The facts of one stage and set, with what they were measured on."""
    module = importlib.import_module(f"benchmarks.text_to_image.{stage}")
    works = bench.works
    facts: dict[str, Any] = {
        "base": bench.kind.base,
        "works": len(works.works),
        "unseen": len(works.unseen),
        "artist": works.artist,
        "recipe": asdict(bench.sizes),
        **module.measure(bench, named),
    }
    return facts | {"held": module.held(facts)}


def write(stage: str, results: dict[str, Any]) -> bool:
    """Write the result of a stage over its sets; returns whether its claim failed."""
    held = all(facts["held"] for facts in results.values())
    return bool(conclude(f"text_to_image/{stage}", STAGES[stage], held, results, PACKAGES, COMMAND.format(stage)))


if __name__ == "__main__":
    sys.exit(main())
