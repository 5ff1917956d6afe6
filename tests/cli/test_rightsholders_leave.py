"""Owners who can leave: every rightsholder of a trained ensemble is withdrawn in turn, and members
serve on. The same works with plain codes leave none.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.encodings.store import load_units
from registry.home import Home
from registry.storage.database import Registry
from tests.attribution.conftest import write_works
from tests.support.running import Creditline

TRAIN = ("train", "--size", 8, "--widths", 8, "--steps", 20, "--batch-size", 8, "--workers", 1)
SAMPLE = ("sample", "--count", 1, "--steps", 6, "--workers", 1)
SIZES = ("--members", 10, "--support", 8, "--weight", 3, "--seed", 2)
HOUSES = ("House 0", "House 1", "House 2")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Creditline:
    """Twelve works of three rightsholders, nested in eight of ten members and trained."""
    root = tmp_path_factory.mktemp("nested")
    creditline = Creditline(root / "home")
    write_works(root / "art", 12)
    creditline("init")
    creditline("register", root / "art", "--owners", root / "art" / "owners.csv")
    assert creditline("encode", *SIZES).status == 0
    assert creditline(*TRAIN).status == 0
    assert creditline(*SAMPLE).status == 0
    return creditline


@pytest.mark.slow
@pytest.mark.parametrize("name", HOUSES)
def test_whoever_leaves_members_serve_on_and_the_certificate_holds(
    creditline: Creditline, made: Creditline, tmp_path: Path, name: str
) -> None:
    """The members outside the support serve; the certificate proves each work out of each."""
    creditline.take(made)
    encoding = creditline("status", "--json").document["encodings"][0]["id"]
    units = load_units(Registry.open(Home(Path(creditline.home))), encoding)
    groups = units.groups
    assert groups is not None
    support = int(groups.supports[groups.labels.index(name)])
    seen = 0
    for code in units.codes[groups.group_of_unit == groups.labels.index(name)].tolist():
        seen |= code
    assert seen & ~support == 0
    sample = creditline("samples", "--json").document["samples"][0]["id"]
    without = creditline("ablate", sample, "--rightsholder", name, "--out", tmp_path / "x.png", "--json")
    left = [member for member in range(10) if not seen >> member & 1]
    assert without.document["members"] == left
    assert len(left) >= 2
    done = creditline("withdraw", "--rightsholder", name, "--reason", "opted out", "--yes", "--json")
    [model] = done.document["models"]
    assert model["serving"] == left
    served = creditline("sample", "--count", 2, "--seed", 9, "--steps", 6, "--workers", 1, "--json")
    assert (served.status, served.document["members"]) == (0, left)
    out, members = tmp_path / "certificate.json", Path(creditline.home) / "members"
    assert creditline("certificate", "--withdrawal", 0, "--out", out).status == 0
    assert creditline("certificate", "verify", out, "--manifests", members, "--json").document["holds"] is True
    assert creditline("doctor").status == 0


@pytest.mark.slow
def test_audits_test_works_in_their_support_and_rightsholders_by_new_supports(
    creditline: Creditline, made: Creditline
) -> None:
    """Both levels are in the audit, with decoys of the support, and again after somebody left."""
    creditline.take(made)
    [audit] = creditline("audit", "--all", "--shortlist", 3, "--workers", 1, "--json").document["audits"]
    test = audit["test"]
    # A support has 56 words; its house and works of others take some.
    assert 56 - 15 - 16 <= test["decoys"] <= 56 - 4
    assert test["decoys"] == test["decoys_available"]
    assert {each["name"] for each in test["rightsholders"]["tested"]} <= set(HOUSES)
    creditline("withdraw", "--rightsholder", "House 1", "--reason", "opted out", "--yes")
    served = creditline("sample", "--count", 1, "--seed", 5, "--steps", 6, "--workers", 1, "--json")
    assert len(served.document["members"]) >= 2
    again = creditline("audit", "--all", "--shortlist", 3, "--workers", 1, "--json")
    assert again.status == 0, again.err
    assert creditline("report", "--all", "--out", creditline.home / "reports").status == 0
