"""Imitation audits on eight house styles of emoji: who is told apart, and what training added.

- *styles*: the eight houses are the artists, and works of each that no classifier learned from
  stand for images. A concept (an apple) is on one side for all houses, so that no picture is
  recognised by what it shows. How many works are identified, by each encoder and classifier, and
  the rank tests; and the same with the houses' names dealt to the works at random.
- *pixels*: an ensemble that is conditional on the house and encoded by house, trained here on 60
  works of each at 16x16 pixels; ``creditline imitate --samples --by style`` on 12 samples of each.
  Accuracy, tests, and the drop without training on the house. The networks are small and the
  training is short, so the samples are coarse.
- *text_to_image*: the same on a copy of the demonstration's home (`creditline demo`: adapters of
  two houses on the small base, prompts "… in the style of …", codes nest within rightsholders).

    python -m benchmarks.imitation --source EMOJI --weights FILE --cache FOLDER --text HOME …

``EMOJI`` is a folder with works.csv, ``FILE`` has the weights of MobileNetV2, ``CSV`` is the table
of ``--artists``: openmoji and twemoji, as in the prompts. The home of the pixels is made in the
cache.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from attribution.engines.device import choose_device
from attribution.images import ImageSettings, pixels_of, to_unit_range
from attribution.imitation.classifiers import Classifiers
from attribution.imitation.encoders import open_encoder
from attribution.imitation.inputs import images_of_samples, read_aliases
from attribution.imitation.run import ImitationAudit
from attribution.imitation.summary import Group, assignment_facts, matching_facts, method_facts
from benchmarks.record import conclude
from registry.home import Home
from registry.imitations.artists import works_of_artists
from registry.imitations.facts import Counted, Missing, Settings
from registry.outputs.queries import named_ensemble, samples_of
from registry.storage.database import Registry

LEARNED, HELD_OUT, SIZE, SEED = 150, 60, 64, 0
"""Works of each house to learn from and to identify; pixels a side."""
WORKS, STEPS, COUNT = 60, 1200, 12
"""Of the pixels: works and samples of each house, steps of each member."""


def main() -> int:
    """Measure both parts, write the result, and return 1 if the claim does not hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--artists", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    styles = {name: styles_of(options.source, options.weights, name) for name in ("style", "mobilenet")}
    pixels = samples_of_home(pixels_home(options.source, options.cache), options.weights, "style", None)
    text = samples_of_home(options.text, options.weights, "rightsholder", options.artists)
    probe = styles["style"]["identified"]["probe"]
    held = probe["low"] > 2 * styles["style"]["chance"] and styles["style"]["matched"] == 8
    claim = "the probe on style features identifies the eight houses at over twice chance, and every rank test passes"
    return conclude(
        "imitation",
        claim,
        held,
        {"styles": styles, "pixels": pixels, "text_to_image": text},
        ("torch", "torchvision", "numpy", "scipy"),
        "python -m benchmarks.imitation --source EMOJI --weights FILE --cache FOLDER --text HOME --artists CSV",
    )


def styles_of(source: Path, weights: Path, encoder_name: str) -> dict[str, Any]:
    """Held-out works of the eight houses, identified by one encoder."""
    with (source / "works.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    houses = sorted({row["set"] for row in rows})
    concepts = sorted({row["concept"] for row in rows})
    order = np.random.default_rng(SEED).permutation(len(concepts))
    place = {concepts[number]: rank for rank, number in enumerate(order)}
    to_learn = len(concepts) * LEARNED // (LEARNED + HELD_OUT)
    learned: list[tuple[str, int]] = []
    held: list[tuple[str, int]] = []
    for number, house in enumerate(houses):
        mine = sorted((place[row["concept"]], row["file"]) for row in rows if row["set"] == house)
        learned += [(file, number) for rank, file in mine if rank < to_learn][:LEARNED]
        held += [(file, number) for rank, file in mine if rank >= to_learn][:HELD_OUT]
    encoder = open_encoder(encoder_name, weights)
    features = [encoder.features(_read(source, [file for file, _ in part])) for part in (learned, held)]
    artist, artist_held = (np.array([number for _, number in part]) for part in (learned, held))
    classifiers = Classifiers.learn(features[0], artist, len(houses), encoder, houses)
    images = Group(artist_held, classifiers.answers(features[1]))
    dealt = np.random.default_rng(SEED + 1).permutation(artist)
    null = Group(artist_held, Classifiers.learn(features[0], dealt, len(houses), encoder, houses).answers(features[1]))
    methods = [method_facts(name, images, images, houses, len(houses)) for name in images.answers.identified]
    tests = matching_facts(images, images, len(houses), 0.05, SEED)
    null_tests = matching_facts(null, null, len(houses), 0.05, SEED)
    return {
        "works_learned": len(learned),
        "works_identified": len(held),
        "houses": houses,
        "chance": 1 / len(houses),
        "identified": {method.name: _shown(method.images) for method in methods},
        "identified_by_house": {
            method.name: {
                house: _shown(each.images) | {"taken_for": [other.name for other in each.taken_for]}
                for house, each in zip(houses, method.artists, strict=True)
            }
            for method in methods
        },
        "auc": {house: each.auc.model_dump() for house, each in zip(houses, tests, strict=True)},
        "q": {house: each.q_value for house, each in zip(houses, tests, strict=True)},
        "matched": sum(each.passes for each in tests),
        "assignment": assignment_facts(images, SEED).model_dump(),
        "names_dealt_at_random": {
            "identified": {
                name: _shown(method_facts(name, null, null, houses, len(houses)).images)
                for name in null.answers.identified
            },
            "matched": sum(each.passes for each in null_tests),
            "assignment": assignment_facts(null, SEED).model_dump(),
        },
    }


def _read(source: Path, files: list[str]) -> np.ndarray:
    settings = ImageSettings(size=SIZE)
    pixels = []
    for name in files:
        with Image.open(source / name) as image:
            pixels.append(pixels_of(image, settings))
    return np.ascontiguousarray(to_unit_range(np.stack(pixels)).transpose(0, 3, 1, 2))


def _shown(found: Counted | Missing) -> dict[str, Any]:
    return {name: round(value, 4) for name, value in found.model_dump().items()}


def pixels_home(source: Path, cache: Path) -> Path:
    """The home of an ensemble that is conditional on the house, with samples of each house."""
    home, works, prompts = cache / "home", cache / "works", cache / "prompts.txt"
    houses = _copy_works(source, works)
    prompts.write_text("\n".join(houses) + "\n", encoding="utf-8")
    for command in (
        ["init"],
        ["register", str(works), "--owners", str(works / "owners.csv"), "--data-set", "works"],
        ["encode", "--unit", "style", "--members", "6", "--weight", "3"],
        ["train", "--label", "style", "--size", "16", "--steps", str(STEPS), "--workers", "1"],
        ["sample", "--prompts", str(prompts), "--count", str(COUNT), "--workers", "1"],
    ):
        program = [sys.executable, "-c", "from cli.main import main; main()"]
        subprocess.run([*program, *command, "--home", str(home)], check=True, stdout=subprocess.DEVNULL)
    return home


def _copy_works(source: Path, folder: Path) -> list[str]:
    """Works of each house at random, with their owner table; returns the houses."""
    with (source / "works.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    houses = sorted({row["set"] for row in rows})
    if folder.exists():
        return houses
    generator = np.random.default_rng(SEED)
    folder.mkdir(parents=True)
    with (folder / "owners.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "rightsholder", "licence", "title", "style"])
        for house in houses:
            mine = [row for row in rows if row["set"] == house]
            for place in sorted(generator.permutation(len(mine))[:WORKS].tolist()):
                row = mine[place]
                (folder / row["file"]).parent.mkdir(exist_ok=True)
                shutil.copyfile(source / row["file"], folder / row["file"])
                table.writerow([row["file"], row["rightsholder"], row["spdx"], row["concept"], row["set"]])
    return houses


def samples_of_home(home: Path, weights: Path, by: str, artists: Path | None) -> dict[str, Any]:
    """The audit of a home's own samples, without its lists of works and images."""
    registry = Registry.open(Home(home))
    settings = Settings(by=by, size=0, works_each=200, held_out=0.3, distractors=50, text="", rate=0.05, seed=SEED)
    with registry.session() as session:
        ensemble = named_ensemble(session, None).id
        rows = samples_of(session, ensemble)
    with registry.connection() as connection:
        known = works_of_artists(connection, settings.by)
    audited = images_of_samples(registry.home, ensemble, rows, known, read_aliases(artists))
    audit = ImitationAudit.prepare(registry, audited, known, settings, open_encoder("style", weights), ensemble)
    facts = audit.measure(choose_device("cpu", 1)).model_dump(mode="json")
    kept = {
        name: facts[name]
        for name in ("settings", "methods", "matching", "assignment", "ablation", "findings", "seconds")
    }
    return {
        "artists": {each["name"]: {"images": each["images"]} for each in facts["artists"]},
        "near_copies": sum(image["near_copy_of"] is not None for image in facts["images"]),
        **kept,
    }


if __name__ == "__main__":
    raise SystemExit(main())
