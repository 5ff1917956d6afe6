"""Loops are compiled with or without a place to keep machine code, and spread over cores."""

from __future__ import annotations

from types import FunctionType

from attribution.ablation.scan.compiled import compiled, on_all_cores


def test_a_loop_is_compiled_where_nothing_can_be_kept() -> None:
    """As a package in a folder that nobody may write: the code of no file."""
    (code,) = (each for each in compile("lambda x: x + x", "<nowhere>", "eval").co_consts if hasattr(each, "co_code"))
    assert compiled(FunctionType(code, {}))(2) == 4


def test_results_of_parts_keep_their_order() -> None:
    """Of no part, of one, of more than there are cores."""
    for count in (0, 1, 50):
        assert on_all_cores(lambda part: part * part, range(count)) == [part * part for part in range(count)]
