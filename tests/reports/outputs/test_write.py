"""The folder of reports and the command that renders it."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer import Typer
from typer.testing import CliRunner

from cli.commands.publish.report import report
from registry.errors import CreditlineError, InputError, IntegrityError, NotFoundError, UsageError
from tests.support.killing import left_without_parent
from tests.support.sealing import reseal
from tests.support.world import HOSTILE, NOON, World, make_world

app = Typer()
app.add_typer(report, name="report")
app.callback()(lambda: None)


def run(world: World, *arguments: str) -> str:
    """Standard output of ``creditline report``; its error is raised."""
    result = CliRunner().invoke(app, ["report", "--home", str(world.home.root), *arguments])
    if isinstance(result.exception, CreditlineError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.slow
def test_rendering_is_a_function_of_registry_and_clock(world: World, site: Path, tmp_path: Path) -> None:
    """Rendered twice at the same time: the same bytes. At another time: only that time differs."""
    world.render(tmp_path / "again")
    for path in site.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name
    world.render(tmp_path / "later", NOON + datetime.timedelta(days=2))
    first = (site / "dfa508c296aa.html").read_text()
    assert first.replace("2026-03-15", "2026-03-16") == (tmp_path / "later" / "dfa508c296aa.html").read_text()


def test_pages_ask_for_nothing(site: Path) -> None:
    """No script, no style sheet, no font, no image from anywhere but the page itself."""
    for path in site.glob("*.html"):
        text = path.read_text()
        assert "<script" not in text
        assert "<link" not in text
        assert "@import" not in text
        assert all(source.startswith("data:image/") for source in re.findall(r'\bsrc="([^"]*)', text))
        assert not re.findall(r"url\((?!#)", text)


def test_ids_are_unique(site: Path) -> None:
    """No id stands twice on a page, plots included, and whatever a plot refers to is on its
    page.
    """
    for path in site.glob("*.html"):
        text = path.read_text()
        ids = re.findall(r'\bid="([^"]*)"', text)
        assert len(ids) == len(set(ids)), path.name
        assert set(re.findall(r"url\(#([^)]*)\)", text)) | set(re.findall(r'href="#([^"]*)"', text)) <= set(ids)


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    """A title with markup, turned writing, a formula and 100 kB of words becomes a short line, and
    no markup.
    """
    world = make_world(tmp_path / "home", first_title=HOSTILE)
    world.add_audit((0, 30), sample=world.add_sample(0))
    site = world.render(tmp_path / "out")
    for path in (tmp_path / "out").glob("*.html"):
        text = path.read_text()
        assert "<script" not in text
        assert "<img src=x" not in text
        assert "\u202e" not in text
        assert "&lt;script&gt;" in text
        assert len(text) < 200_000
    document = json.loads((tmp_path / "out" / site.facts.reports[0].json_).read_bytes())
    assert document["candidates"][0]["label"] == HOSTILE


def test_large_pictures_fit_into_a_page(tmp_path: Path) -> None:
    """Ten candidates with noisy 256-pixel pictures and counterfactuals stay under 1.5 MB."""
    world = make_world(tmp_path / "home", size=256)
    generator = np.random.default_rng(0)
    for path in world.home.picture("x").parent.glob("*.png"):
        small = Image.fromarray(generator.integers(0, 255, (48, 48, 3), dtype=np.uint8))
        small.resize((256, 256), Image.Resampling.BICUBIC).save(path)
    world.add_audit((0, *range(20, 200, 20)), sample=world.add_sample(0))
    world.render(tmp_path / "out")
    assert (tmp_path / "out" / "dfa508c296aa.html").stat().st_size < 1_500_000


def test_one_damaged_audit_costs_no_other_report(fresh: World, tmp_path: Path) -> None:
    """An audit that lacks its rows has no report, nor has one whose file was altered; both are
    listed; others are whole.
    """
    audits = [fresh.add_audit((0, 30), sample=fresh.add_sample(number)) for number in range(3)]
    fresh.home.audit(audits[0].id).write_bytes(b"altered")
    with fresh.registry.connection() as connection:
        connection.execute("UPDATE audit SET test = '{}' WHERE id = ?", [audits[1].id])
    reseal(fresh.registry)
    with pytest.raises(IntegrityError, match=r"2 of 3 outputs .* audit again") as caught:
        run(fresh, "--all", "--out", str(tmp_path / "out"))
    assert caught.value.exit_code == 3
    index = json.loads((tmp_path / "out" / "index.json").read_bytes())
    assert len(index["reports"]) == 1
    assert {gap["output_id"] for gap in index["gaps"]} == {audits[0].sample_id, audits[1].sample_id}
    assert not (tmp_path / "out" / f"{audits[0].sample_id}.html").exists()
    assert any("is not the file that the audit wrote" in gap["reason"] for gap in index["gaps"])
    assert "has gaps" not in (tmp_path / "out" / f"{audits[2].sample_id}.html").read_text()


def test_command_prints_the_index_and_json(fresh: World, tmp_path: Path) -> None:
    """Standard output is the path of the index, or one versioned document with --json."""
    sample = fresh.add_sample(0)
    fresh.add_audit((0, 30), sample=sample)
    assert run(fresh, sample.id[:5]).strip() == str(fresh.home.reports / "index.html")
    document = json.loads(run(fresh, "--all", "--json", "--out", str(tmp_path / "out")))
    assert document["creditline"] == "report"
    assert document["reports"][0]["output_id"] == sample.id
    assert Path(document["index"]).is_file()


def test_command_refuses_what_it_cannot_do(fresh: World, tmp_path: Path) -> None:
    """Neither or both of SAMPLE and --all, no audit yet, a file in place of the folder: one clear
    line each.
    """
    with pytest.raises(UsageError, match="neither of SAMPLE and --all"):
        run(fresh)
    with pytest.raises(UsageError, match="both of SAMPLE and --all"):
        run(fresh, "--all", "abc")
    with pytest.raises(NotFoundError, match="no audit yet"):
        run(fresh, "--all")
    fresh.add_audit((0,), sample=fresh.add_sample(0))
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="got a file, expected a folder"):
        run(fresh, "--all", "--out", str(tmp_path / "file"))


_RENDERS = """
from pathlib import Path
from threading import Thread
import sys, time
from reports.outputs.write import _mapped
from tests.support.killing import says_so_and_sleeps
from functools import partial

place = Path(sys.argv[1])
Thread(target=lambda: list(_mapped(partial(says_so_and_sleeps, place), [["a"], ["b"]], 2))).start()
while len(list(place.iterdir())) < 2:
    time.sleep(0.05)
print("renders", flush=True)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="sessions are read from /proc")
@pytest.mark.reopens
@pytest.mark.slow
def test_killed_while_it_renders_it_leaves_no_process(tmp_path: Path) -> None:
    """Its workers end with it."""
    assert left_without_parent(_RENDERS, tmp_path) == []
