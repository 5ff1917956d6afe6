"""The commands that are killed, in groups: a group is a home and the commands that run on it."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.kills.striking import Runner, State
from benchmarks.tiny_base import TinyBase, save_tiny_base
from registry.ids import sha256_of_file

PICTURES = 1_500
LISTED = 150_000
TRAINED = 40
"""Works of the smaller registries."""
CAPTIONED = 24
HOLDERS = 7
PIXELS = ("--size", "16", "--widths", "8")
HERE = ("--workers", "1")
"""Compute in the first process. One group leaves it out: its workers lose their parent."""

Commands = Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Group:
    """A home, and commands in an order in which each has something to write."""

    prepare: Callable[[Runner, State, Path], Commands]
    """Fills an empty home and returns the commands. It may make files in the given folder."""
    kills: int
    """Kills of each command."""


def names_of(commands: Commands) -> list[str]:
    """A name of each command: its words and options that tell it from others, and a count."""
    names: list[str] = []
    for command in commands:
        two = command[0] in ("base", "members", "export", "keys", "facts", "rightsholder")
        options = [word for word in command if word in ("--base", "--prompt", "--caption", "--data-set", "--image")]
        name = " ".join([*command[: 2 if two else 1], *options])
        earlier = sum(each.partition(" (")[0] == name for each in names)
        names.append(f"{name} ({earlier + 1})" if earlier else name)
    return names


def intake(_runner: Runner, _state: State, folder: Path) -> Commands:
    """Many works from files."""
    return [("register", str(write_pictures(folder, PICTURES)), "--owners", str(folder / "owners.csv"))]


def listed(_runner: Runner, _state: State, folder: Path) -> Commands:
    """A long list of works."""
    numbers = range(LISTED)
    columns = {
        "url": [f"https://example.com/{number}.jpg" for number in numbers],
        "sha256": [hashlib.sha256(str(number).encode()).hexdigest() for number in numbers],
        "title": [f"Work {number}" for number in numbers],
    }
    pq.write_table(pa.table(columns), folder / "list.parquet")
    return [("register", str(folder / "list.parquet"), "--rightsholder", "Ada Example")]


def withdrawal(runner: Runner, state: State, folder: Path) -> Commands:
    """A work out of a trained ensemble, and the training without it."""
    _trained(runner, state, folder, steps=30)
    return [_withdraw("0"), ("retrain",)]


def text_to_image(_runner: Runner, _state: State, folder: Path) -> Commands:
    """Adapters on a base: from captions to reports."""
    works = write_pictures(folder, CAPTIONED)
    for copy in ("base", "moved"):
        save_tiny_base(folder / copy, TinyBase(autoencoder="tiny"))
    register = ("register", str(works), "--owners", str(folder / "owners.csv"), "--caption")
    return [
        (*register, "a dog by {creator}"),
        (*register, "a cat by {creator}"),
        ("base", "add", str(folder / "base"), "--name", "tiny", "--licence", "openrail"),
        ("base", "add", str(folder / "moved"), "--name", "tiny"),
        ("encode", "--within", "rightsholder", "--members", "12", "--support", "9", "--weight", "4"),
        ("encode", "--within", "none", "--members", "8"),
        ("train", "--base", "tiny", "--rank", "2", "--steps", "8", "--batch-size", "4", *HERE),
        ("sample", "--prompt", "a dog in the sun", "--count", "3", "--steps", "4", *HERE),
        ("audit", "--all", "--shortlist", "3", "--no-jacobian", *HERE),
        ("report", "--all"),
        ("withdraw", "--rightsholder", "Holder 2", "--reason", "they leave", "--yes"),
        ("retrain", *HERE),
    ]


def pixels(runner: Runner, state: State, folder: Path) -> Commands:
    """Every other command, on members that are networks on pixels."""
    works = sorted(_trained(runner, state, folder, steps=2).iterdir())
    (sample,) = json.loads(runner.must(state, "sample", "--seed", "1", "--steps", "4", *HERE, "--json"))["samples"]
    (state.folder / "out").mkdir()
    elsewhere = shutil.copytree(state.home / "members", folder / "elsewhere")
    headers = folder / "headers.jsonl"
    headers.write_text(
        "".join(json.dumps({"sha256": sha256_of_file(path), "X-Robots-Tag": "noai"}) + "\n" for path in works[-3:]),
        encoding="utf-8",
    )
    robots = folder / "robots.txt"
    robots.write_text("User-agent: *\nDisallow: /\n", encoding="utf-8")
    return [
        ("keys", "create"),
        ("keys", "export", "--out", "@out/key.pem"),
        ("headers", str(headers)),
        ("facts", "data-set", "works", "--set", "creator=Harbour Museum", "--from", "its curator"),
        ("policy", str(robots), "--domain", "example.org"),
        ("sample", "--seed", "2", "--count", "3", "--steps", "4", *HERE),
        ("audit", "--all", "--shortlist", "3", "--no-jacobian", *HERE),
        ("audit", "--image", str(works[4]), "--shortlist", "3", *HERE),
        ("firmness", "--all", *HERE),
        ("shares", "--out", "@out"),
        ("portfolio", "--draws", "0", "--out", "@out"),
        ("ablate", sample["id"], "--without", "3", "--out", "@out/without.png"),
        ("members", "import", *map(str, sorted(elsewhere.iterdir()))),
        ("evaluate", "--planted", "2", "--redraws", "100", "--regenerated", "1", "--compared", "1", *HERE),
        ("report", "--all"),
        ("report", "data-set", "works", "--out", "@out"),
        ("statement", "Holder 1", "--out", "@out"),
        ("export", "works", "--out", "@out/works.csv"),
        ("export", "prov", sample["id"], "--out", "@out/prov.json"),
        _withdraw("5"),
        ("certificate", "5", "--out", "@out/certificate.json"),
        ("retrain", *HERE),
        ("review", "11", "--permission", "constrained", "--condition", "attribution", "--reason", "contract"),
        ("confirm", "12", "--licence", "CC0-1.0", "--from", "letter"),
        ("claim", "Ada Example", "--work", "7", "--statement", "mine"),
        ("decide", "0", "accepted", "--reason", "contract"),
        ("rightsholder", "merge", "Holder 1", "--into", "Holder 2", "--reason", "one studio", "--yes"),
        ("duplicates", "--search"),
        ("encode", "--within", "none", "--members", "10", "--seed", "9"),
        ("encode", "--within", "rightsholder", "--members", "12", "--support", "9", "--weight", "4"),
        ("train", "--steps", "2", *PIXELS, *HERE),
        ("withdraw", "--rightsholder", "Holder 3", "--reason", "they leave", "--yes"),
        ("retrain", *HERE),
        ("migrate",),
        ("rankers", "--keep", *HERE),
        ("members", "reference"),
    ]


NEEDED = (
    "register --caption",
    "base add",
    "encode",
    "encode (2)",
    "train",
    "train --base",
    "sample --prompt",
    "audit",
    "claim",
    "withdraw",
    "withdraw (2)",
    "retrain",
    "rightsholder merge",
)
"""Commands without which later ones have nothing to write; they run once if they are not chosen."""

GROUPS = {
    "text to image": Group(text_to_image, 2),
    "withdrawal": Group(withdrawal, 4),
    "pixels": Group(pixels, 2),
    "intake": Group(intake, 4),
    "list": Group(listed, 4),
}
"""Groups by name, in the order in which they run."""


def _trained(runner: Runner, state: State, folder: Path, steps: int) -> Path:
    """An ensemble of twelve; returns the folder of its works."""
    works = write_pictures(folder, TRAINED)
    for command in (
        ("register", str(works), "--owners", str(folder / "owners.csv")),
        ("encode", "--within", "none", "--members", "12"),
        ("train", "--steps", str(steps), *PIXELS, *HERE),
    ):
        runner.must(state, *command)
    return works


def _withdraw(work: str) -> tuple[str, ...]:
    return ("withdraw", work, "--reason", "a request", "--yes")


def write_pictures(folder: Path, count: int) -> Path:
    """Different small pictures, and the table of their rightsholders; returns their folder."""
    works = folder / "works"
    works.mkdir()
    for number in range(count):
        values = np.random.default_rng(number).integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(values).save(works / f"{number:06d}.png")
    with (folder / "owners.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "rightsholder", "licence", "creator"])
        rows.writerows(
            [path.name, f"Holder {index % HOLDERS}", "CC-BY-4.0", f"Painter {index % HOLDERS}"]
            for index, path in enumerate(sorted(works.iterdir()))
        )
    return works
