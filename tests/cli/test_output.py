"""What is printed for people: tables without empty columns, legends beside the data, harmless
text.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from cli.output import narrate, print_fields, print_table, progress_bars, subject_in_words
from tests.support.running import Creditline


def test_a_column_that_is_empty_in_all_rows_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Zero and no are values; a table without rows shows all headings, a query all columns."""
    rows = [("a", None, 0, ""), ("b", "", False, [])]
    print_table(("name", "gone", "zero", "empty"), rows)
    print_table(("name", "gone"), [])
    print_table(("name", "gone"), [("a", None)], empty_columns=True)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["name", "zero"], ["a", "0"], ["b", "no"], ["name", "gone"], ["name", "gone"], ["a"]]


def test_times_are_in_utc_to_the_second(capsys: pytest.CaptureFixture[str]) -> None:
    """In tables and in lists of facts; a time without a zone stays as it is."""
    zoned = datetime(2026, 3, 14, 16, 9, 26, 535897, tzinfo=timezone(timedelta(hours=1)))
    print_table(("at", "bare"), [(zoned, datetime(2026, 3, 14, 1, 2, 3))])
    print_fields([("at", zoned)])
    found = capsys.readouterr().out
    assert found.count("2026-03-14 15:09:26 UTC") == 2
    assert "2026-03-14 01:02:03\n" in found


def test_a_legend_explains_the_columns_that_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, so that stdout stays data."""
    print_table(("n", "q"), [(3, None)], legend={"n": "Number of members.", "q": "Smallest q."})
    found = capsys.readouterr()
    assert found.out.split() == ["n", "3"]
    assert "Number of members." not in found.out


def test_legends_of_the_commands_name_every_column(filled: Creditline) -> None:
    """A sentence per column of `plan`, also for what is left of an encoding."""
    found = filled("plan", "--members", 6)
    for column in (
        "members",
        "support",
        "weight",
        "codes",
        "works per member",
        "decoys",
        "best q",
        "withdrawals",
        "cost",
    ):
        assert column in found.out
        assert f"\n{column}: " in f"\n{found.err}"
    left = filled("plan", "--encoding", filled("encode", "--within", "none", "--members", 6).out.strip())
    assert "19 of 20 orders: Units in random order that can be withdrawn in 95 %" in left.err


def test_control_characters_stay_out_of_every_kind_of_output(capsys: pytest.CaptureFixture[str]) -> None:
    """Headings, cells, fields and narration; a narrated message is one line; markup is text."""
    print_table(("a\x1b[red]",), [("\x1b[31m",)])
    print_fields([("label", "\x1b\u202e")])
    narrate("a\nb\x1b")
    found = capsys.readouterr()
    assert not set(found.out + found.err) & {"\x1b", "\u202e"}
    assert "[red]" in found.out
    assert len(found.err.splitlines()) == 1


def test_a_bar_shows_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """A name in brackets is no markup; one that closes a tag ended the command."""
    with progress_bars() as progress:
        progress.advance(progress.add_task("checking the base models[/new] [red]", total=2))
    assert "checking the base models[/new] [red]" in capsys.readouterr().err


def test_bars_appear_with_the_first_progress(capsys: pytest.CaptureFixture[str]) -> None:
    """An error before any progress comes alone; after some, the bars were there."""
    with progress_bars() as progress:
        progress.add_task("comparing", total=3)
    assert capsys.readouterr() == ("", "")
    with progress_bars() as progress:
        progress.advance(progress.add_task("comparing", total=3))
    assert "comparing" in capsys.readouterr().err


def test_events_name_works_by_the_word_for_people() -> None:
    """The log itself keeps the table's name, which its hashes cover."""
    assert subject_in_words("asset 17") == "work 17"
    assert subject_in_words("3 assets") == "3 works"
    assert subject_in_words("member assets-00") == "member assets-00"
