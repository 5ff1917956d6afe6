"""rightsholder and owners: what they print, as text and as JSON, and what they refuse."""

from __future__ import annotations

from pathlib import Path

from tests.support.running import Creditline
from tests.support.works import write_csv, write_pictures


def test_a_rightsholder_is_described_merged_and_shown(creditline: Creditline, works: Path, owners: Path) -> None:
    """From a description to the owners of a work, each answer on stdout alone."""
    creditline("init")
    creditline("register", works, "--owners", owners)
    made = creditline("rightsholder", "set", "Example Pictures", "--new", "--kind", "organisation")
    assert (made.status, made.out) == (0, "Example Pictures (#2): described\n")
    described = creditline(
        *(
            "rightsholder",
            "set",
            "Ada Example",
            "--kind",
            "person",
            "--contact",
            "ada@example.org",
            "--note",
            "since 2011",
        ),
        *("--represented-by", "Example Pictures", "--isni", "0000 0001 2103 2683", "--identifier", "ipi:7", "--json"),
    )
    assert described.document["changed"] is True
    assert described.document["identifiers"] == [
        {"scheme": "ipi", "value": "7"},
        {"scheme": "isni", "value": "0000000121032683"},
    ]
    again = creditline("rightsholder", "set", "Ada Example", "--kind", "person")
    assert "nothing new to record" in again.out
    shared = creditline("rightsholder", "set", "#1", "--identifier", "ipi:7")
    assert "ipi:7 is also recorded for Ada Example (#0)" in shared.err
    merge = ("rightsholder", "merge", "Zoe Example", "--into", "Ada Example", "--reason", "pen name")
    tried = creditline(*merge, "--dry-run")
    assert (tried.status, tried.out) == (0, "")
    assert "Zoe Example (#1) counts as Ada Example (#0): 2 works" in tried.err
    refused = creditline(*merge)
    assert refused.status == 2
    assert "give --yes to go on" in refused.err
    merged = creditline(*merge, "--yes")
    assert "Zoe Example (#1) counts as Ada Example (#0): 2 works" in merged.out
    shown = creditline("rightsholder", "show", "Zoe Example")
    for text in (
        "Ada Example (#0)",
        "Zoe Example (#1): pen name",
        "ada@example.org",
        "Example Pictures (#2)",
        "since 2011",
    ):
        assert text in shown.out
    assert creditline("rightsholder", "show", "#2", "--json").document["represents"] == [
        {"id": 0, "name": "Ada Example"}
    ]
    history = creditline("rightsholder", "history", "Ada Example")
    assert "rightsholders merged" in history.out
    assert "merged into #0" in history.out
    rows = creditline("rightsholder", "history", "#0", "--json").document
    assert [row["reason"] for row in rows["merges"]] == ["pen name"]
    listed = creditline("owners", "works:moon.png", "works:sun.png")
    assert "Ada Example (as Zoe Example)" in listed.out
    assert [row["stated_as"] for row in creditline("owners", "works:moon.png", "--json").document["owners"]] == [
        "Zoe Example"
    ]


def test_what_cannot_be_meant_is_one_line_and_status_2(creditline: Creditline, works: Path, owners: Path) -> None:
    """Names, numbers, kinds and representations; hostile ones do not reach the terminal."""
    creditline("init")
    creditline("register", works, "--owners", owners)
    for arguments, message in (
        (("rightsholder", "show", "Ada Exampel"), "did you mean 'Ada Example'?"),
        (("rightsholder", "show", "\x1b[31m"), "creditline rightsholders"),
        (("rightsholder", "set", "Ada Example", "--isni", "0000000121032684"), "wrong check digit"),
        (("rightsholder", "set", "Ada Example", "--kind", "alien"), "is not one of person"),
        (("rightsholder", "set", "Ada Example", "--note", "a\x1bb"), "control characters"),
        (("rightsholder", "set", "Ada Example", "--represented-by", "Ada Example"), "represented by itself"),
        (("rightsholder", "set", "a\nb", "--new"), "control characters"),
        (("rightsholder", "merge", "Ada Example", "--into", "Ada Example", "--reason", "x"), "one record already"),
        (("rightsholder", "merge", "Ada Example", "--into", "Zoe Example", "--reason", " "), "is empty"),
        (("owners", "99"), "no work '99'"),
    ):
        found = creditline(*arguments)
        assert (found.status, found.out) == (2, ""), arguments
        assert message in found.err
        assert "\x1b" not in found.err
    taken_back = creditline("rightsholder", "set", "Ada Example", "--contact", "")
    assert "nothing new" in taken_back.out


def test_an_endless_name_pads_no_table(creditline: Creditline, tmp_path: Path) -> None:
    """It is cut where people read it, for every row would be as wide; ``--json`` has all of it."""
    creditline("init")
    name = "long " * 1_000
    write_csv(
        tmp_path / "owners.csv", [{"path": "a.png", "rightsholder": name}, {"path": "b.png", "rightsholder": "Bo"}]
    )
    folder = write_pictures(tmp_path / "works", ["a.png", "b.png"])
    assert creditline("register", folder, "--owners", tmp_path / "owners.csv").status == 0
    assert max(map(len, creditline("works").out.splitlines())) < 600
    assert name.strip() in {row["rightsholder"] for row in creditline("works", "--json").document["works"]}
