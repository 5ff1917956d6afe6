"""Drawings: their ticks are round, their marks lie where the axes say, and they carry no ids."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.rendering.svg import ACCENT, Axis, Drawing, decade_ticks, round_ticks, standalone, steps


@pytest.mark.parametrize(
    ("low", "high", "most", "texts"),
    [
        (0.0, 1.0, 5, ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (-3.1, 2.9, 6, ["−3", "−2", "−1", "0", "1", "2"]),
        (0.4, 8_000.6, 4, ["2,000", "4,000", "6,000", "8,000"]),
        (0.0, 0.003, 3, ["0", "0.001", "0.002", "0.003"]),
        (1.0, 1.0, 4, []),
        (0.0, float("inf"), 4, []),
        (0.0, float("nan"), 4, []),
    ],
)
def test_ticks_are_round(low: float, high: float, most: int, texts: list[str]) -> None:
    """By closed form; a range without a length, or without an end, has none."""
    assert [text for _, text in round_ticks(low, high, most)] == texts


def test_counts_have_no_fractions() -> None:
    """Of three works there is no work 1.5."""
    assert [value for value, _ in round_ticks(0.4, 3.6, 8, whole=True)] == [1.0, 2.0, 3.0]


@given(low=st.floats(-1e9, 1e9), length=st.floats(1e-3, 1e9), most=st.integers(1, 12))
def test_ticks_lie_in_the_range(low: float, length: float, most: int) -> None:
    """Evenly, at most one more than asked for."""
    high = low + length
    values = [value for value, _ in round_ticks(low, high, most)]
    assert len(values) <= most + 1
    assert all(low - 1e-6 * length - 1e-6 <= value <= high + 1e-6 * length + 1e-6 for value in values)


def test_decades() -> None:
    """The powers of ten between the ends, both included."""
    assert decade_ticks(0.004, 1.3) == [(0.01, "0.01"), (0.1, "0.1"), (1.0, "1")]
    assert decade_ticks(0.001, 1.0)[0] == (0.001, "0.001")


def test_marks_lie_where_the_axes_say() -> None:
    """Corners of the axes are corners of the box; a logarithmic axis has its middle at the
    geometric mean.
    """
    drawn = Drawing(106.0, 105.0, Axis(0.0, 10.0), Axis(0.01, 1.0, logarithmic=True), left=0.0, bottom=0.0)
    assert drawn.place([(0.0, 0.01), (10.0, 1.0), (5.0, 0.1)]).tolist() == [[0.0, 105.0], [100.0, 5.0], [50.0, 55.0]]


def test_a_drawing_is_well_formed_and_has_no_ids() -> None:
    """Several may stand on a page; text that looks like markup stays text, also in the title."""
    drawn = Drawing(100.0, 50.0, Axis(0.0, 1.0, "<x> & y", round_ticks(0.0, 1.0, 2)), Axis(0.0, 1.0, '"y"'))
    drawn.line([(0.0, 0.0), (1.0, 1.0)], ACCENT, 1.0, "2 2")
    drawn.areas([], ACCENT)
    drawn.dots([], ACCENT, 2.0)
    drawn.row_name(0.5, "</text><script>")
    svg = drawn.svg('a "title" <b>')
    assert "id=" not in svg
    root = ElementTree.fromstring(standalone(svg))  # noqa: S314 - made here
    assert root.get("aria-label") == 'a "title" <b>'
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert texts == ["0", "0.5", "1", "<x> & y", '"y"', "</text><script>"]
    assert set(re.findall(r"(?:fill|stroke):([^;\"]+)", svg)) <= {
        "none",
        *(f"var(--{n})" for n in ("ink", "muted", "line", "accent")),
    }


def test_a_curve_of_steps_keeps_each_value_until_the_next() -> None:
    """By its corners."""
    assert steps([(0.0, 0.0), (1.0, 0.5), (3.0, 1.0)]) == [(0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (3.0, 0.5), (3.0, 1.0)]
    assert steps([]) == []
