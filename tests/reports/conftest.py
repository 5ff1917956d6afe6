"""Shared registries for the tests of reports; made once, since none of the tests below changes
them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from registry.home import Home
from registry.storage.database import Registry
from tests.support.world import World, fill, make_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A registry with one audit of every kind. Read it, do not change it."""
    made = make_world(tmp_path_factory.mktemp("home"))
    fill(made)
    return made


@pytest.fixture(scope="session")
def site(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the reports of ``world``."""
    out = tmp_path_factory.mktemp("site")
    world.render(out)
    return out


@pytest.fixture(scope="session")
def bare_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home without audits; copied, not changed."""
    home = tmp_path_factory.mktemp("bare")
    make_world(home)
    return home


@pytest.fixture
def fresh(bare_home: Path, tmp_path: Path) -> World:
    """A registry without audits, to be changed."""
    shutil.copytree(bare_home, tmp_path / "home")
    return World(Registry.open(Home(tmp_path / "home")))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium of this machine."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for found in map(shutil.which, names) if found), None)
    if path is None:
        pytest.skip(f"none of {', '.join(names)} is installed")
    flags = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=flags)
        yield chromium
        chromium.close()
