"""The command line with a home of its own, and a folder of works."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import Creditline
from tests.registry.works import write_csv, write_pictures

OWNERS = [
    {"path": "sun.png", "rightsholder": "Ada Example", "licence": "CC-BY-4.0", "title": "Sun", "style": "flat"},
    {"path": "moon.png", "rightsholder": "Zoe Example", "licence": "CC0-1.0", "title": "Moon", "style": "flat"},
    {"path": "deep/star.png", "rightsholder": "Zoe Example", "licence": "CC0-1.0", "title": "Star", "style": "round"},
]


@pytest.fixture
def creditline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Creditline:
    """``creditline``, with an empty home."""
    return Creditline(str(tmp_path / "home"), monkeypatch, capsys)


@pytest.fixture
def works(tmp_path: Path) -> Path:
    """Three pictures."""
    return write_pictures(tmp_path / "works", [row["path"] for row in OWNERS])


@pytest.fixture
def owners(tmp_path: Path) -> Path:
    """The table that says whose they are."""
    return write_csv(tmp_path / "owners.csv", OWNERS)
