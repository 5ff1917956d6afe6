"""An empty registry for every test that asks for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.database import Registry
from registry.home import Home
from tests.registry.works import NOW


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """An empty registry in its own home."""
    return Registry.create(Home(tmp_path / "home"), now=NOW)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for works."""
    path = tmp_path / "works"
    path.mkdir()
    return path
