"""Works with captions and a tiny base: what commands on adapters start from."""

from __future__ import annotations

import csv
from pathlib import Path

from benchmarks.tiny_base import TinyBase, save_tiny_base
from tests.attribution.conftest import write_works
from tests.support.running import Creditline

TRAIN = ("train", "--base", "tiny", "--rank", 2, "--steps", 3, "--batch-size", 4, "--workers", 1)
SAMPLE = ("sample", "--steps", 3, "--workers", 1)
CAPTIONS = (
    "a red sun",
    "",
    "a blue house",
    "the face of a cat in the style of a tree by the sun " * 4,
    "a dog",
    "a tree",
)


def write_captioned(folder: Path) -> Path:
    """Six works whose owner table has captions; one is missing, and one is too long."""
    write_works(folder, 6)
    table = folder / "owners.csv"
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "caption"])
        writer.writeheader()
        writer.writerows({**row, "caption": text} for row, text in zip(rows, CAPTIONS, strict=True))
    return table


def captioned_home(root: Path) -> Creditline:
    """Captioned works, encoded for five members, and a tiny base with the name tiny."""
    creditline = Creditline(root / "home")
    table = write_captioned(root / "art")
    creditline("init")
    assert creditline("register", root / "art", "--owners", table).status == 0
    assert creditline("encode", "--within", "none", "--members", 5, "--weight", 2).status == 0
    save_tiny_base(root / "base", TinyBase(autoencoder="tiny"))
    assert creditline("base", "add", root / "base", "--name", "tiny").status == 0
    return creditline


def train_adapters(creditline: Creditline) -> None:
    """Train, and hold that training says what a person should know before."""
    outcome = creditline(*TRAIN)
    assert outcome.status == 0, outcome.err
    assert "1 of 6 works have no caption: they train without a text" in outcome.err
    assert "the caption of 1 work is longer than the base reads: the end is cut" in outcome.err
    assert "6 works smaller than the images of 32 pixels a side: enlarged" in outcome.err
