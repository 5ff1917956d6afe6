"""The command line with a home of its own, and a folder of works."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attribution.conftest import write_works
from tests.support.captioned import captioned_home, train_adapters
from tests.support.running import Creditline
from tests.support.works import write_csv, write_pictures

OWNERS = [
    {"path": "sun.png", "rightsholder": "Ada Example", "licence": "CC-BY-4.0", "title": "Sun", "style": "flat"},
    {"path": "moon.png", "rightsholder": "Zoe Example", "licence": "CC0-1.0", "title": "Moon", "style": "flat"},
    {"path": "deep/star.png", "rightsholder": "Zoe Example", "licence": "CC0-1.0", "title": "Star", "style": "round"},
]


@pytest.fixture
def creditline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Creditline:
    """``creditline``, with a home that is not there yet; programs that a test starts find it,
    too.
    """
    monkeypatch.setenv("CREDITLINE_HOME", str(tmp_path / "home"))
    return Creditline(tmp_path / "home")


@pytest.fixture(scope="session")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Creditline:
    """A home with the three pictures and their owners, to be copied."""
    root = tmp_path_factory.mktemp("registered")
    creditline = Creditline(root / "home")
    works = write_pictures(root / "works", [row["path"] for row in OWNERS])
    creditline("init")
    assert creditline("register", works, "--owners", write_csv(root / "owners.csv", OWNERS)).status == 0
    return creditline


@pytest.fixture
def filled(creditline: Creditline, registered: Creditline) -> Creditline:
    """Three works are registered: 0 star and 1 moon of Zoe, 2 sun of Ada."""
    return creditline.take(registered)


@pytest.fixture
def works(tmp_path: Path) -> Path:
    """Three pictures."""
    return write_pictures(tmp_path / "works", [row["path"] for row in OWNERS])


@pytest.fixture
def owners(tmp_path: Path) -> Path:
    """The table that says whose they are."""
    return write_csv(tmp_path / "owners.csv", OWNERS)


@pytest.fixture
def encoded_for_seven(creditline: Creditline, tmp_path: Path) -> Creditline:
    """Eighteen works, encoded for seven members."""
    write_works(tmp_path / "art", 18)
    creditline("init")
    creditline("register", tmp_path / "art", "--owners", tmp_path / "art" / "owners.csv")
    assert creditline("encode", "--within", "none", "--members", 7).status == 0
    return creditline


@pytest.fixture(scope="session")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> Creditline:
    """Captioned works, encoded for five members, and the base tiny; for reading and copying."""
    return captioned_home(tmp_path_factory.mktemp("captioned"))


@pytest.fixture(scope="session")
def adapters(captioned: Creditline, tmp_path_factory: pytest.TempPathFactory) -> Creditline:
    """The same with its members trained; for copying."""
    trained = Creditline(tmp_path_factory.mktemp("adapters") / "home").take(captioned)
    train_adapters(trained)
    return trained
