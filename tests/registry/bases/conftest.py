"""Tiny pipelines, made once for all tests; a test that changes one takes a copy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_base import tiny_bases


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pipeline of each of :data:`tests.support.tiny_base.KINDS`, for reading."""
    return tiny_bases(tmp_path_factory)


@dataclass(frozen=True)
class OwnBase:
    """A pipeline that a test may change."""

    folder: Path

    def edit(self, name: str, **values: Any) -> None:
        """Change values of a JSON file; ``...`` removes one."""
        path = self.folder / name
        document = json.loads(path.read_text(encoding="utf-8")) | values
        kept = {key: value for key, value in document.items() if value is not ...}
        path.write_text(json.dumps(kept), encoding="utf-8")


@pytest.fixture
def own(tiny: Path, tmp_path: Path) -> Callable[..., OwnBase]:
    """Makes a copy of a pipeline by its kind."""

    def copy(kind: str = "sd", place: Path | None = None) -> OwnBase:
        return OwnBase(Path(shutil.copytree(tiny / kind, place or tmp_path / f"own-{kind}")))

    return copy
