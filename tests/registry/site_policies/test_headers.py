"""Response headers: what each says of training, and that nothing odd in them goes unnoticed."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.signals import TRAINING, Category, Use
from registry.site_policies.headers import SIGNAL_HEADERS, header_columns, read_columns, read_headers

ALLOWED, CONSTRAINED, PROHIBITED = Use.ALLOWED, Use.CONSTRAINED, Use.PROHIBITED
RSL = '<https://e.org/l.xml>; rel="license"; type="application/rsl+xml"'


def of_training(*headers: tuple[str, str]) -> set[Use]:
    return {signal.use for signal in read_headers(headers, "crawl").signals if signal.category in TRAINING}


@pytest.mark.parametrize(
    ("name", "value", "uses"),
    [
        ("X-Robots-Tag", "noai", {PROHIBITED}),
        ("x-robots-tag", "NOAI, NoImageAI", {PROHIBITED}),
        ("X-Robots-Tag", "noindex, noimageai", {PROHIBITED}),
        ("X-Robots-Tag", "img2dataset: noai", {PROHIBITED}),
        ("X-Robots-Tag", "max-snippet: 5, otherbot: noimageai", {PROHIBITED}),
        ("X-Robots-Tag", "index, follow", set()),
        ("X-Robots-Tag", "noindex", set()),
        ("X-Robots-Tag", "unavailable_after: 25 Jun 2026 15:00:00 PST", set()),
        ("X-Robots-Tag", "unavailable_after: 25 Jun 2026 15:00:00 PST, noai", {PROHIBITED}),
        ("X-Robots-Tag", "unavailable_after: Friday, 25-Jun-26 15:00:00 PST, noimageai", {PROHIBITED}),
        ("X-Robots-Tag", "unavailable_after: Friday, 25-Jun-26 15:00:00 PST", set()),
        ("Link", "https://e.org/terms; rel=license", {CONSTRAINED}),
        ("X-Robots-Tag", "noml", {CONSTRAINED}),
        ("X-Robots-Tag", "no-ai-training", {CONSTRAINED}),
        ("X-Robots-Tag", "mailto", set()),
        ("tdm-reservation", "1", {PROHIBITED}),
        ("TDM-Reservation", " 0 ", {ALLOWED}),
        ("tdm-reservation", "yes", {CONSTRAINED}),
        ("Content-Usage", "train-ai=n", {PROHIBITED}),
        ("Content-Usage", "train-ai=y", {ALLOWED}),
        ("Content-Signal", "ai-train=no, search=yes", {PROHIBITED}),
        ("Content-Usage", "train-ai=n, train-ai=y", {PROHIBITED}),
        ("Content-Usage", "train-ai=n, TRAIN-AI=Y", {PROHIBITED}),
        ("Content-Usage", "train-ai=y, bogus bogus", {CONSTRAINED}),
        ("Content-Usage", 'search=y;x="a, train-ai=n"', set()),
        ("Link", RSL, {CONSTRAINED}),
        ("Link", "<https://creativecommons.org/licenses/by/4.0/>; rel=license", {ALLOWED}),
        ("Link", "<https://creativecommons.org/licenses/by-nc/4.0/>; rel=license", {CONSTRAINED}),
        ("Link", "<https://e.org/terms>; rel=license", {CONSTRAINED}),
        (
            "Link",
            f"<https://creativecommons.org/licenses/by/4.0/?ref={'a' * 4_050}&no-ai=1>; rel=license",
            {CONSTRAINED},
        ),
        ("Link", "<https://e.org/next>; rel=next", set()),
        ("Link", f'<https://e.org/a,b;c>; rel="prev next", {RSL}', {CONSTRAINED}),
        ("Content-Type", "noai", set()),
    ],
)
def test_what_a_header_says_of_training(name: str, value: str, uses: set[Use]) -> None:
    """One header alone."""
    assert of_training((name, value)) == uses


def test_a_reservation_names_its_licence_and_its_place() -> None:
    """The policy's address stands beside the reservation; the raw headers are kept."""
    headers = [("tdm-reservation", "1"), ("tdm-policy", "https://e.org/policy.json")]
    (signal,) = read_headers(headers, "crawl.parquet").signals
    assert (signal.constraint, signal.found_in) == ("https://e.org/policy.json", "crawl.parquet")
    assert signal.raw == "tdm-reservation: 1; tdm-policy: https://e.org/policy.json"


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("X-Robots-Tag", "noml", "noml"),
        ("tdm-reservation", "perhaps", "perhaps"),
        ("Content-Usage", "train-ai=maybe", "train-ai"),
        ("Link", "<https://e.org/terms>; rel=license", "https://e.org/terms"),
        ("X-Robots-Tag", "x" * 10_000, "10,000"),
    ],
)
def test_what_is_not_understood_is_named(name: str, value: str, word: str) -> None:
    """In a problem."""
    assert any(word in problem for problem in read_headers([(name, value)], "crawl").problems)


def test_columns_of_headers_are_known_by_their_names() -> None:
    """Underscores, case and a prefix aside; a column called link holds addresses."""
    names = ["url", "X_Robots_Tag", "tdm-reservation", "header_content_usage", "Headers", "link", "link-header"]
    assert header_columns(names) == [
        "X_Robots_Tag",
        "tdm-reservation",
        "header_content_usage",
        "Headers",
        "link-header",
    ]


@pytest.mark.parametrize(
    "value",
    [
        json.dumps({"X-Robots-Tag": "noai", "Age": 3}),
        json.dumps({"x-robots-tag": ["index", "noai"]}),
        json.dumps([["Server", "x"], ["X-Robots-Tag", "noai"]]),
        json.dumps([{"name": "X-Robots-Tag", "value": "noai"}]),
        "HTTP/1.1 200 OK\r\nServer: x\r\nX-Robots-Tag: noai\r\n",
    ],
)
def test_all_headers_in_one_column_are_read_in_every_common_form(value: str) -> None:
    """A JSON object, lists of pairs, objects with name and value, lines."""
    found = read_columns(["headers"], [value], "crawl")
    assert [(signal.use, signal.category) for signal in found.signals] == [(PROHIBITED, Category.AI_TRAINING)]


@given(
    st.sampled_from(["headers", "x-robots-tag", "tdm-reservation", "link-header", "content-usage"]),
    st.text(max_size=200),
)
def test_no_value_breaks_the_reading(column: str, value: str) -> None:
    """Any text; one in a column of all headers that is no header is a problem."""
    found = read_columns([column], [value], "crawl")
    assert found == read_columns([column], [value], "crawl")


@given(
    st.lists(st.tuples(st.sampled_from(SIGNAL_HEADERS), st.text(max_size=30)), max_size=4),
    st.sampled_from([("X-Robots-Tag", "noai"), ("tdm-reservation", "1")]),
)
def test_no_further_header_hides_a_prohibition(headers: list[tuple[str, str]], prohibition: tuple[str, str]) -> None:
    """Whatever stands beside it, before or after."""
    assert PROHIBITED in of_training(*headers, prohibition)
    assert PROHIBITED in of_training(prohibition, *headers)


HEADERS = st.sampled_from(
    [
        *(("X-Robots-Tag", value) for value in ("noai", "noindex", "ai: yes", "*: NoAI")),
        *(("tdm-reservation", value) for value in ("1", "0", "0;1", "true")),
        *(
            ("Content-Usage", value)
            for value in ("train-ai=y", "train-ai=n, train-ai=y", "TRAIN-AI=N", "train-ai=n;a=b")
        ),
        *(("Content-Signal", value) for value in ("ai-train=yes", "ai-train=no")),
        *(("Link", value) for value in (RSL, "<https://creativecommons.org/licenses/by/4.0/>; rel=license")),
    ]
)
STRICTNESS = (Use.UNSPECIFIED, Use.ALLOWED, Use.UNCLEAR, CONSTRAINED, PROHIBITED)


@given(st.lists(HEADERS, max_size=5), HEADERS, st.randoms(use_true_random=False))
def test_a_further_header_never_loosens(
    headers: list[tuple[str, str]], further: tuple[str, str], order: Random
) -> None:
    """Whatever it says, and wherever it stands; several lines of one header are one value."""
    more = [*headers, further]
    order.shuffle(more)
    strictest = [max(map(STRICTNESS.index, of_training(*each)), default=0) for each in (headers, more)]
    assert strictest[1] >= strictest[0]
