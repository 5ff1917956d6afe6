"""Homes that take long to make are made once, and then copied.

A trained ensemble is made once for all test processes, a registry without training once for each.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Hashable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest

Made = TypeVar("Made")


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> tuple[Path, Path]:
    """The folder that ``make`` filled, for reading, and a copy of it for this process alone.

    The first test process makes the folder; the others wait. An interrupted folder is made again.
    """
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, finished = shared / name, shared / f"{name}.finished"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            finished.touch()
        return folder, Path(shutil.copytree(folder, factory.mktemp(name) / "copy"))


_templates: dict[Hashable, tuple[Path, Any]] = {}


def template(key: Hashable, make: Callable[[Path], Made]) -> tuple[Path, Made]:
    """The folder that ``make`` filled for ``key``, and what it returned, once in this process.

    Copy the folder, do not change it.
    """
    if key not in _templates:
        folder = Path(tempfile.mkdtemp(dir=_folder()))
        _templates[key] = folder, make(folder)
    return _templates[key]


@cache
def _folder() -> Path:
    """The folder of this process's templates, removed when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="creditline-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
