"""claim, claims, decide and duplicates: what they print, as text and as JSON, and what they
refuse.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pictures import COPIES, scene, write_scenes
from tests.support.running import Creditline
from tests.support.works import encoded, write


def register_scenes(creditline: Creditline, folder: Path) -> None:
    write_scenes(folder, ["Ann/0.png", "Bob/1.png"])
    write(folder / "Bob" / "copy.jpg", COPIES["saved again"](scene(0)))
    creditline("init")
    assert creditline("register", folder, "--folder-per-rightsholder", "--licence", "CC0-1.0").status == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Creditline:
    """Three registered pictures with detail, of two rightsholders, one of them nearly another's;
    tests copy the home.
    """
    root = tmp_path_factory.mktemp("made")
    creditline = Creditline(root / "home")
    register_scenes(creditline, root / "scenes")
    return creditline


@pytest.fixture
def pictured(creditline: Creditline, made: Creditline) -> Creditline:
    """The three pictures."""
    return creditline.take(made)


def test_a_claim_by_picture_is_opened_decided_and_shown(pictured: Creditline, tmp_path: Path) -> None:
    """With distances, the limits of the method on stderr and in JSON, and what is kept of the
    evidence.
    """
    picture = write(tmp_path / "mine.jpg", COPIES["halved"](scene(0)))
    letter = write(tmp_path / "letter.txt", b"signed")
    arguments = ("claim", "Zoë\u202e", "--image", picture, "--statement", "Mine since 2011", "--evidence", letter)
    opened = pictured(*arguments)
    assert opened.status == 0
    assert "claim 0: 2 works" in opened.out
    assert "mine.jpg" in opened.out
    assert "keep the file yourself" in opened.err
    assert "cropped by 10 % or more" in opened.err
    assert "\u202e" not in opened.out
    document = pictured(*arguments, "--json").document
    assert [row["matched_by"] for row in document["matches"]] == ["image", "image"]
    assert all(0 <= row["distance"] <= 31 for row in document["matches"])
    assert document["works_not_compared"] == 0
    assert len(document["limits"]) == 4
    accepted = pictured("decide", 0, "accepted", "--reason", "contract 17", "--licence", "CC-BY-4.0")
    assert "claim 0: open -> accepted; 2 works, verified rights recorded for 2" in accepted.out
    assert "another open or accepted claim is about 2 of these works" in accepted.err
    shown = pictured("claims", 0)
    for text in ("accepted: Zoë", "Mine since 2011", "letter.txt, SHA-256 ", "contract 17"):
        assert text in shown.out
    assert "1" in shown.out.splitlines()[-1]
    assert pictured("claims", 0, "--json").document["claim"]["state"] == "accepted"
    assert [row["claim_id"] for row in pictured("claims", "--state", "open", "--json").document["claims"]] == [1]
    assert "1 of 2 claims" in pictured("claims", "--limit", 1, "--rightsholder", "Zoë\u202e").err
    assert pictured("decide", 0, "open", "--reason", "disputed", "--json").document["rows"] == 2


@pytest.mark.slow
def test_a_claim_without_a_match_is_kept_and_matched_again(creditline: Creditline, tmp_path: Path) -> None:
    """Exit 0 both times; what was found is told."""
    scenes = tmp_path / "scenes"
    register_scenes(creditline, scenes)
    picture = write(tmp_path / "new.png", encoded(scene(7)))
    opened = creditline("claim", "Zoe", "--image", picture, "--statement", "mine")
    assert (opened.status, "claim 0: 0 works" in opened.out) == (0, True)
    assert "new.png: no work was found" in opened.err
    write(scenes / "Ann" / "7.png", encoded(scene(7)))
    creditline("register", scenes, "--folder-per-rightsholder")
    again = creditline("claims", 0, "--match-again")
    assert "claim 0: 1 work," in again.out
    assert creditline("claims", 0, "--match-again", "--json").document["matches"] == []


def test_works_that_look_alike_are_listed_and_exported(pictured: Creditline, tmp_path: Path) -> None:
    """With their rightsholders and distances."""
    listed = pictured("duplicates", "--across-rightsholders")
    assert listed.out.startswith("group 1: 2 works, 2 rightsholders")
    for text in ("Ann/0.png", "Bob/copy.jpg"):
        assert text in listed.out
    assert "look alike, not that one was made from the other" in listed.err
    document = pictured("duplicates", "--rightsholder", "Bob", "--json").document
    assert (document["total"], document["across_rightsholders"], len(document["groups"][0]["works"])) == (1, 1, 2)
    out = tmp_path / "alike.csv"
    assert "2 rows written" in pictured("duplicates", "--out", out).err
    assert len(out.read_text().splitlines()) == 3
    assert pictured("duplicates", "--out", "alike.pdf").status == 2


def test_what_cannot_be_meant_is_one_line_and_status_2(pictured: Creditline, tmp_path: Path) -> None:
    """Nothing is recorded."""
    for arguments, message in (
        (("claim", "Zoe", "--statement", "mine"), "give --work or --image"),
        (("claim", "Zoe", "--work", "99", "--statement", "mine"), "no work '99'"),
        (("claim", "Zoe", "--image", tmp_path, "--statement", "mine"), "is no file"),
        (("claim", "Zoe", "--work", "0", "--statement", "a\x1b[31m"), "control characters"),
        (("claim", "Zoe", "--work", "0", "--statement", "mine", "--evidence", tmp_path), "is no file"),
        (("claims", 5), "no claim 5"),
        (("claims", "--match-again"), "needs the id of a claim"),
        (("claims", "--state", "won"), "expected one of open"),
        (("claims", "--rightsholder", "Nobody"), "no rightsholder"),
        (("decide", 5, "accepted", "--reason", "x"), "no claim 5"),
        (("duplicates", "--rightsholder", "Nobody"), "no rightsholder"),
    ):
        found = pictured(*arguments)
        assert (found.status, found.out) == (2, ""), arguments
        assert message in found.err
        assert "\x1b" not in found.err
    assert pictured("claims", "--json").document["claims"] == []
