"""Checks that the files of a registered base are those that were registered.

A file is hashed unless its size, times and place on disk are those of its last hashing, which
``bases/<id>.json`` in the home keeps. Before training all files are hashed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from registry.bases.facts import ComponentFile
from registry.bases.files import BaseFolder, Progress, counting, no_progress
from registry.bases.records import BaseRecord
from registry.errors import InputError, IntegrityError
from registry.home import Home, write_bytes_atomically
from registry.ids import canonical_json

_LARGEST = 2**22


def verify_base(home: Home, base: BaseRecord, *, every: bool = False, on_progress: Progress = no_progress) -> None:
    """Compare the files of a base with their hashes.

    Args:
        home: where the times of earlier checks are kept.
        base: the record.
        every: hash all files, also those that have not been touched since.
        on_progress: gets the number of bytes that were hashed, and the number in all.

    Raises:
        IntegrityError: a file was changed or is missing; the message names it.
    """
    again = f"restore it, or register the folder as a new base with `creditline base add '{base.folder}'`"
    try:
        folder = BaseFolder.at(base.folder)
    except InputError as error:
        raise IntegrityError(
            f"the base {base.name} ({base.id[:12]}) is not in {base.folder}: {error}; if it was moved, run "
            "`creditline base add NEW-FOLDER`"
        ) from error
    known = {} if every else _known_times(home, base)
    times: dict[str, list[int]] = {}
    on_read = counting(base.facts.size, on_progress)
    try:
        for component in base.facts.components:
            folder.refuse_replacing(component.name)
    except InputError as error:
        raise IntegrityError(f"the base {base.name} ({base.id[:12]}) is not as registered: {error}") from error
    for file in base.facts.files():
        try:
            found = folder.times(file.path)
            if known.get(file.path) != found:
                _compare(folder, file, on_read)
        except (InputError, OSError) as error:
            raise IntegrityError(
                f"the base {base.name} ({base.id[:12]}) is not as registered: {error}; {again}"
            ) from error
        times[file.path] = found
    if known != times:
        keep_times(home, base.id, base.folder, times)


def keep_times(home: Home, base_id: str, folder: Path, times: Mapping[str, list[int]]) -> None:
    """Keep the times of a check, so that the next one is fast. A read-only home keeps none."""
    document = {"folder": str(folder), "files": dict(times)}
    with suppress(InputError):
        write_bytes_atomically(home.base_times(base_id), (canonical_json(document) + "\n").encode())


def _known_times(home: Home, base: BaseRecord) -> dict[str, list[int]]:
    try:
        with home.base_times(base.id).open("rb") as file:
            document = json.loads(file.read(_LARGEST))
        return dict(document["files"]) if document["folder"] == str(base.folder) else {}
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}  # the file only saves time


def _compare(folder: BaseFolder, file: ComponentFile, on_read: Callable[[int], object]) -> None:
    size = folder.file(file.path).stat().st_size
    if size != file.size:
        raise InputError(f"{file.path} has {size:,} bytes, expected {file.size:,}: it was changed")
    _, sha256 = folder.sha256(file.path, on_read)
    if sha256 != file.sha256:
        raise InputError(f"{file.path} was changed: its SHA-256 is {sha256[:12]}…, expected {file.sha256[:12]}…")
