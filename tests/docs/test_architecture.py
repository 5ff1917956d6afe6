"""docs/architecture.md is true: its drawing shows the imports, and the places it names exist."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("registry", "attribution", "reports", "templates", "cli")
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").glob("*.md"))),
)
MOST_MODULES = 16
"""Modules in one folder: about fifteen."""
GENERATED = ("docs/schema.md", "docs/tables.md", "docs/reproduction.md")
PLACE = re.compile(r"`((?:registry|attribution|reports|templates|cli|tests|benchmarks|docs)/[\w/.]*)`")


def folders() -> list[Path]:
    """Every folder of the packages that holds code."""
    found = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    return sorted(path.relative_to(ROOT) for path in found)


def test_the_drawing_is_that_of_the_imports() -> None:
    """After a change of imports, ``python docs/draw_architecture.py`` draws it anew."""
    done = subprocess.run([sys.executable, ROOT / "docs" / "draw_architecture.py", "--check"], cwd=ROOT)
    assert done.returncode == 0, "run: python docs/draw_architecture.py"


@pytest.mark.parametrize("page", PAGES)
def test_places_that_a_page_names_exist(page: str) -> None:
    """A page that sends its reader to a folder or module that is gone is worse than none."""
    named = PLACE.findall((ROOT / page).read_text(encoding="utf-8"))
    assert [place for place in named if not (ROOT / place).exists()] == []


def test_the_page_names_every_package() -> None:
    """And so says where things go in each of them."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert all(f"{package}/" in text for package in PACKAGES)


@pytest.mark.parametrize("folder", folders(), ids=str)
def test_a_folder_says_what_it_is_for_and_is_no_attic(folder: Path) -> None:
    """One subject a folder, with a docstring, and few enough modules to take in at a glance."""
    modules = [path for path in (ROOT / folder).glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MOST_MODULES
    assert ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", [page for page in PAGES if page not in GENERATED])
def test_prose_wraps_at_100_columns(page: str) -> None:
    """So that a change of a sentence shows as one; tables, code and links may be longer."""
    inside_code, long = False, []
    for number, line in enumerate((ROOT / page).read_text(encoding="utf-8").splitlines(), 1):
        inside_code ^= line.startswith("```")
        if len(line) > 100 and not inside_code and not line.startswith(("|", "    ", "!", "#")) and " " in line.strip():
            long.append(number)
    assert long == []
