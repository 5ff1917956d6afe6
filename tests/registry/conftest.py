"""An empty registry for every test that asks for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.home import Home
from registry.schema.create import create_registry
from registry.storage.database import Registry
from tests.support.works import NOW, copied


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """An empty registry, to be copied: that takes a hundredth of the time that making one does."""
    return create_registry(Home(tmp_path_factory.mktemp("empty") / "home"), now=NOW)


@pytest.fixture
def registry(empty: Registry, tmp_path: Path) -> Registry:
    """An empty registry in its own home."""
    return copied(empty, tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for works."""
    path = tmp_path / "works"
    path.mkdir()
    return path
