"""Reads a base's folder: its facts, its model card, and notes about what is ignored.

    reading = read_base(Path("stable-diffusion-v1-5"))
    reading.facts.id, reading.facts.prediction, reading.notes

Configurations are checked before any file is hashed, so that a folder that is not supported is
refused at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from registry.bases.architecture import read_architecture
from registry.bases.card import Card, read_card
from registry.bases.documents import Config
from registry.bases.facts import BaseFacts, Component, ComponentFile
from registry.bases.files import (
    BaseFolder,
    Progress,
    WeightFiles,
    counting,
    no_progress,
    pickled,
    variants_of,
    weight_files,
)
from registry.bases.support import WEIGHT_NAMES, Supported, supported_pipeline
from registry.bases.weights import Tensors, check_shapes, read_tensors
from registry.errors import InputError

INDEX = "model_index.json"
_CONFIGS = {
    "scheduler": "scheduler_config.json",
    "tokenizer": "tokenizer_config.json",
    "tokenizer_2": "tokenizer_config.json",
}
_TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "merges.txt", "special_tokens_map.json", "added_tokens.json")


@dataclass(frozen=True)
class BaseReading:
    """A base as its folder has it now."""

    folder: Path
    """Absolute, links resolved."""
    facts: BaseFacts
    card: Card
    notes: tuple[str, ...]
    """What is ignored, or could not be read; one sentence each."""
    times: Mapping[str, list[int]]
    """By file, its size and times before it was hashed."""


def read_base(path: Path, *, variant: str | None = None, on_progress: Progress = no_progress) -> BaseReading:
    """Read and hash a base.

    Args:
        path: a folder in diffusers' format.
        variant: of the weight files, such as ``fp16``; None: files without a variant if every part
            has them, else the variant that the folder has.
        on_progress: gets the number of bytes that were hashed, and the number in all.

    Raises:
        InputError: the folder is incomplete, malformed, hostile or not supported.
    """
    folder = BaseFolder.at(path)
    if not folder.has(INDEX):
        raise InputError(
            f"{folder.root} has no {INDEX}; expected a folder in diffusers' format, as save_pretrained writes it, or the name "
            "of a model in the hub's cache"
        )
    supported = supported_pipeline(folder.config(INDEX))
    configs = {part: folder.config(f"{part}/{_CONFIGS.get(part, 'config.json')}") for part in supported.classes}
    for part in supported.classes:
        folder.refuse_replacing(part)
    architecture = read_architecture(configs, supported.classes, supported.family)
    chosen, weights = _choose_weights(folder, supported, variant)
    tensors = _check_weights(folder, configs, weights)
    card = read_card(folder)
    beside = pickled(folder, weights)
    files = {"pipeline": [INDEX]} | {part: _files_of(folder, part, weights.get(part)) for part in supported.classes}
    times = {name: folder.times(name) for names in files.values() for name in names}
    on_read = counting(sum(size for size, *_ in times.values()), on_progress)
    components = [
        Component("pipeline", supported.pipeline, _hashed(folder, files["pipeline"], on_read), 0),
        *(
            Component(
                part,
                class_name,
                _hashed(folder, files[part], on_read),
                tensors[part].values if part in tensors else 0,
            )
            for part, class_name in supported.classes.items()
        ),
    ]
    facts = BaseFacts(
        pipeline=supported.pipeline,
        family=supported.family,
        prediction=architecture.prediction,
        schedule=architecture.schedule,
        latents=architecture.latents,
        tokens=architecture.tokens,
        variant=chosen,
        components=tuple(sorted(components, key=lambda component: component.name)),
    )
    notes = [*supported.notes, *(f"{name} is ignored: it holds pickled weights beside safetensors" for name in beside)]
    return BaseReading(folder.root, facts, card, (*notes, *card.notes), times)


def _choose_weights(
    folder: BaseFolder, supported: Supported, variant: str | None
) -> tuple[str | None, Mapping[str, WeightFiles]]:
    """The variant, and the weight files of each part that has weights.

    As diffusers does, a part without files of the variant gives its files without one.
    """
    parts = [part for part in supported.classes if part in WEIGHT_NAMES]
    found = {part: variants_of(folder, part, WEIGHT_NAMES[part]) for part in parts}
    if variant is None and any(None not in each for each in found.values()):
        common = sorted(each for each in set().union(*found.values()) if each and _fits(each, found))
        if len(common) != 1:
            listed = ", ".join(common) or "none"
            raise InputError(
                f"the weights in {folder.root} are not of one variant (variants that every part has: {listed}); choose one "
                "with --variant, or download the missing files"
            )
        variant = common[0]
    if variant is not None and not (_fits(variant, found) and any(variant in each for each in found.values())):
        named = sorted({each for listed in found.values() for each in listed if each})
        raise InputError(
            f"the base in {folder.root} has no weights of the variant {variant!r}; variants there: {', '.join(named) or 'none'}"
        )
    files = {
        part: weight_files(folder, part, WEIGHT_NAMES[part], variant if variant in found[part] else None)
        for part in parts
    }
    return variant, files


def _fits(variant: str, found: Mapping[str, set[str | None]]) -> bool:
    return all(variant in each or None in each for each in found.values())


def _check_weights(
    folder: BaseFolder, configs: Mapping[str, Config], weights: Mapping[str, WeightFiles]
) -> Mapping[str, Tensors]:
    tensors = {part: read_tensors(folder, files) for part, files in weights.items()}
    for part, found in tensors.items():
        check_shapes(part, configs[part], found)
    return tensors


def _files_of(folder: BaseFolder, part: str, weights: WeightFiles | None) -> list[str]:
    """The files that a part is loaded from."""
    files = [f"{part}/{_CONFIGS.get(part, 'config.json')}", *(weights.files if weights else ())]
    if part.startswith("tokenizer"):
        present = [name for name in _TOKENIZER_FILES if folder.has(f"{part}/{name}")]
        if "tokenizer.json" not in present and not {"vocab.json", "merges.txt"} <= set(present):
            raise InputError(
                f"the base in {folder.root} lacks {part}/tokenizer.json, or {part}/vocab.json and {part}/merges.txt: the copy is "
                "incomplete; copy or download it again"
            )
        files += [f"{part}/{name}" for name in present]
    return files


def _hashed(folder: BaseFolder, names: list[str], on_read: Callable[[int], object]) -> tuple[ComponentFile, ...]:
    return tuple(ComponentFile(name, *folder.sha256(name, on_read)) for name in sorted(names))
