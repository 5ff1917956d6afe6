"""Figures and findings in plain words; links only where they are safe."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.outputs.read import read_audit
from reports.outputs.selection import newest_audits
from reports.rendering import wording
from reports.rendering.licences import licence_link, licence_name, web_address
from tests.support.world import World


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


def test_verdict_sentences(world: World) -> None:
    """One sentence each for one unit, several, and none; the p-value is told as a count of
    decoys.
    """
    with world.registry.session() as session:
        one, several, none, _ = (read_audit(session, world.home, audit) for audit in newest_audits(session))
    assert wording.headline(one) == "This output traces to “Red apple” by Kestrel Studio."
    assert "more strongly than under any of the 204 decoy codes" in wording.certainty(one)
    assert wording.headline(several).startswith("This output traces to 2 works, first of all to “Yellow sun”")
    assert wording.headline(none) == "No single work explains this output."
    outside = replace(one, subject=replace(one.subject, kind="image", sample=None))
    assert wording.headline(outside) == "For this image, these models lean on “Red apple” by Kestrel Studio."
    assert "does not say that the image was made by them" in wording.certainty(outside)
    assert "traces" not in wording.brief(outside)
    assert "not a failure" in wording.certainty(none)
    assert "Under 12 of the 204 decoy codes" in wording.meaning_of_p(none.candidates[0], none.test)
    blind = replace(none, test=replace(none.test, decoys=9, smallest_p=0.1, smallest_q=0.4))
    assert "None could have passed on its own" in wording.certainty(blind)
    empty = replace(none, candidates=())
    assert "tested no unit" in wording.certainty(empty)


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
