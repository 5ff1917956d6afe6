"""What the text-to-image demonstration needs beside its works: the small base, and prompts."""

from __future__ import annotations

import shutil
from pathlib import Path

from registry.home import write_bytes_atomically, write_folder_atomically

SMALL_BASE = Path(__file__).with_name("small_base")
"""A diffusers pipeline with its card; ``python -m benchmarks.base_model`` trains such a one."""

PROMPTS = (
    "fox in the style of twemoji",
    "evergreen tree in the style of openmoji",
    "red apple in the style of twemoji",
    "butterfly in the style of openmoji",
    "rocket in the style of twemoji",
    "water wave in the style of openmoji",
    "pizza in the style of twemoji",
    "top hat in the style of openmoji",
    "sun with face in the style of twemoji",
    "pig face in the style of openmoji",
)
"""Captions of works, of the two houses by turns."""


def write_base(folder: Path) -> None:
    """Copy the small base into ``folder``, unless it is there.

    A demonstration that was interrupted goes on with the base that it began with, also after an
    update of creditline.

    Raises:
        InputError: the folder cannot be written.
    """
    if not folder.exists():
        write_folder_atomically(
            folder, lambda part: shutil.copytree(SMALL_BASE, part, copy_function=shutil.copyfile, dirs_exist_ok=True)
        )


def write_prompts(path: Path, count: int) -> None:
    """Write ``count`` prompts as CSV, each with a seed of its own; after the last, the first again.

    Raises:
        InputError: the file cannot be written.
    """
    rows = [f"{PROMPTS[place % len(PROMPTS)]},{place + 1}\n" for place in range(count)]
    write_bytes_atomically(path, "".join(["prompt,seed\n", *rows]).encode())
