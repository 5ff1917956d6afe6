"""A home that can only be read, such as an auditor's copy: what only reads works, the rest says
why not.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.attribution.conftest import build_world
from tests.support.disks import outcomes_in_protected
from tests.support.made_once import made_once
from tests.support.running import Creditline
from tests.support.works import write_pictures
from tests.support.world import fill, make_world

pytestmark = pytest.mark.reopens

READING: tuple[tuple[object, ...], ...] = (
    ("works",),
    ("works", "--json"),
    ("status",),
    ("doctor",),
    ("log",),
    ("log", "verify"),
    ("log", "head"),
    ("show", 0),
    ("rights", 0),
    ("exposure", 0),
    ("samples",),
    ("members", "list"),
    ("rightsholders",),
    ("withdrawals",),
    ("sql", "SELECT count(*) FROM work"),
    ("init",),
)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_what_only_reads_works_and_the_rest_says_why_not(tmp_path: Path) -> None:
    """Readers answer as in the original; writers are status 3, and nothing changes."""
    world = make_world(tmp_path / "world")
    fill(world)
    home, out = world.home.root, tmp_path / "outside" / "reports"
    original = [Creditline(home)(*command) for command in READING]
    before = contents(home)
    writing: tuple[tuple[object, ...], ...] = (
        ("withdraw", 0, "--reason", "letter", "--yes"),
        ("register", write_pictures(tmp_path / "outside" / "more", ["new.png"]), "--rightsholder", "Ada"),
        ("encode", "--within", "none", "--members", 6),
        ("migrate",),
        ("export", "works", "--out", out / "works.csv"),
    )
    outside: tuple[tuple[object, ...], ...] = (
        ("works", "--out", tmp_path / "outside" / "works.csv"),
        ("report", "--all", "--out", out),
        ("register", tmp_path / "outside" / "more", "--rightsholder", "Ada", "--dry-run"),
        ("report", "--all"),
        ("report", "verify", out / "index.html"),
    )
    found = outcomes_in_protected(home, [*READING, *writing, *outside])
    for command, there, here in zip(READING, original, found, strict=False):
        assert (here.status, here.out) == (there.status, there.out), (command, here.err)
    for command, refused in zip(writing, found[len(READING) :], strict=False):
        assert refused.status == 3, (command, refused)
        assert "can only be read here" in refused.err.strip().splitlines()[-1], command
    listing, reports, dry_run, no_place, check = found[len(READING) + len(writing) :]
    assert (listing.status, reports.status, dry_run.status) == (0, 0, 0), (listing, reports, dry_run)
    assert "not issued" in reports.err
    assert no_place.status == 2
    assert "--out FOLDER" in no_place.err
    for page in out.glob("*.html"):
        assert "Not issued" in page.read_text(encoding="utf-8"), page
    stamp = json.loads((out / "index.json").read_text(encoding="utf-8"))["stamp"]
    assert stamp["recorded"] is False
    assert check.status == 1
    assert "Not issued" in check.out
    assert contents(home) == before


@pytest.mark.slow
def test_an_audit_on_record_is_told_as_such(tmp_path_factory: pytest.TempPathFactory) -> None:
    """It is not called registered, neither again nor where nothing can be; a new one is refused."""
    _, home = made_once(tmp_path_factory, "trained-world", build_world)
    creditline = Creditline(home / "home")
    sample = creditline("samples", "--json").document["samples"][0]["id"]
    audit = ("audit", sample, "--shortlist", 3, "--no-jacobian", "--workers", 1)
    assert "1 audit registered; next: creditline report --all" in creditline(*audit).err
    assert "1 audit on record from before; next: creditline report --all" in creditline(*audit).err
    again, every = outcomes_in_protected(creditline.home, [audit, ("audit", "--all", *audit[2:])])
    assert again.status == 0
    assert "1 audit on record from before; next: creditline report --all --out FOLDER" in again.err
    assert every.status == 3
    assert "can only be read here" in every.err
