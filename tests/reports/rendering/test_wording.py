"""Figures and findings in plain words; links only where they are safe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.rendering import wording
from reports.rendering.licences import licence_link, licence_name, web_address


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.05, "0.05"),
        (1 / 205, "0.00488"),
        (28.84, "28.8"),
        (-3.14159, "−3.14"),
        (12345.6, "12,346"),
        (1e-9, "1.00e-09"),
    ],
)
def test_number(value: float, text: str) -> None:
    """Three significant digits, no idle zeros."""
    assert wording.number(value) == text


@given(st.text(max_size=300))
def test_plain_text_is_one_harmless_line(text: str) -> None:
    """Whatever comes in: one line, bounded, without control characters or turned writing."""
    shown = wording.plain(text, 100)
    assert 0 < len(shown) <= 101
    assert not set(shown) & set("\0\n\r\t\u202e\u2066\u2028\x9b")


def test_plain_keeps_joined_emoji() -> None:
    """A joiner inside an emoji is no control character: the emoji stays whole."""
    assert wording.plain("\U0001f469\u200d\U0001f680") == "\U0001f469\u200d\U0001f680"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "http://",
        "https://user@evil.example/",
        "https://a.example/\u202ecod",
        "https://a.example/ x",
        "https://[broken",
        "file:///etc/passwd",
        "",
        None,
    ],
)
def test_unsafe_addresses_never_become_links(url: str | None) -> None:
    """Only plain http and https addresses with a host are linked."""
    assert web_address(url) is None


def test_licence_links() -> None:
    """The declared address first, then SPDX's page for known identifiers in any case, else no
    link.
    """
    assert licence_link("LicenseRef-X", "https://x.example/terms") == "https://x.example/terms"
    assert licence_link("cc-by-sa-4.0", "javascript:1") == "https://spdx.org/licenses/CC-BY-SA-4.0.html"
    assert licence_link("MIT OR Apache-2.0", None) is None
    assert licence_name("CC-BY-4.0") == "Creative Commons Attribution 4.0"


def test_one_member_is_no_several() -> None:
    """The members outside a support, as a sentence begins with them."""
    assert wording.other_members(1) == "The one other member"
    assert wording.other_members(2) == "The other 2 members"
