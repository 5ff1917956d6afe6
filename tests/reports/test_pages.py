"""The pages as a reader meets them: in a real browser, on a desk and on a phone, by day and by night."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from tests.reports.world import HOSTILE, make_world

pytestmark = pytest.mark.browser

PAGES = ("index", "dfa508c296aa", "642fe51e78f5", "76c7b7040df1")
"""The index; traced to one work, to two, and to none."""


def visit(
    browser: Browser, path: Path, width: int, scheme: Literal["light", "dark"]
) -> tuple[Page, list[str], list[str]]:
    """The page, what its console complained of, and what it asked the network for."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    return page, complaints, [url for url in requests if not url.startswith(("data:", path.as_uri()))]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [390, 1280])
def test_page_fits_and_is_quiet(browser: Browser, site: Path, name: str, width: int) -> None:
    """No complaint in the console, no request, nothing wider than the window, every picture decoded."""
    for scheme in ("light", "dark"):
        page, complaints, requests = visit(browser, site / f"{name}.html", width, scheme)
        assert complaints == []
        assert requests == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        page.close()


def test_image_audit_fits(browser: Browser, site: Path) -> None:
    """The page of an image from outside, which has no counterfactual, fits as well."""
    name = next(path.name for path in site.glob("*.html") if path.stem not in PAGES)
    page, complaints, requests = visit(browser, site / name, 390, "dark")
    assert (complaints, requests) == ([], [])
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert "Not measured" in page.inner_text("main")
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_headings_are_in_order(browser: Browser, site: Path, name: str) -> None:
    """One h1, and no level is skipped on the way down."""
    page, _, _ = visit(browser, site / f"{name}.html", 1280, "light")
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    page.close()


def test_light_and_dark_are_readable(browser: Browser, site: Path) -> None:
    """Text stands out from its ground by 4.5 to 1 (WCAG AA) in both schemes, in pages and in plots."""
    script = """() => {
      const light = text => { const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map(v => v / 255)
        .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
      const ground = node => { for (; node; node = node.parentElement) {
        const colour = getComputedStyle(node).backgroundColor;
        if (!colour.startsWith('rgba(0, 0, 0, 0')) return colour; }
        return 'rgb(255,255,255)'; };
      return Math.min(...[...document.querySelectorAll('p, dd, dt, h1, h2, h3, a, span, figcaption, th, td, li, text')]
        .filter(node => node.textContent.trim()).map(node => {
          const style = getComputedStyle(node), colour = node.tagName === 'text' ? style.fill : style.color;
          const [a, b] = [light(colour), light(ground(node))].sort((x, y) => y - x); return (a + .05) / (b + .05); })); }"""
    grounds = set()
    for scheme in ("light", "dark"):
        for name in ("index", "dfa508c296aa"):
            page, _, _ = visit(browser, site / f"{name}.html", 1280, scheme)
            assert page.evaluate(script) >= 4.5, (scheme, name)
            grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
            page.close()
    assert len(grounds) == 2


def test_hostile_title_neither_runs_nor_breaks_the_layout(browser: Browser, tmp_path: Path) -> None:
    """Markup in a title is shown as text: no script ran, nothing was fetched, the page still fits a phone."""
    world = make_world(tmp_path / "home", first_title=HOSTILE)
    world.add_audit((0, 30), sample=world.add_sample(0))
    world.render(tmp_path / "out")
    for name in ("index", "dfa508c296aa"):
        page, complaints, requests = visit(browser, tmp_path / "out" / f"{name}.html", 390, "light")
        assert (complaints, requests) == ([], [])
        assert "owned" not in page.title()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.close()
