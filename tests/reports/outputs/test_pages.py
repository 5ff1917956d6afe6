"""The pages as a reader meets them: in a real browser, on desk, tablet, phone and paper, by mouse,
keyboard and screen reader.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from registry.outputs.evaluations import KeptEvaluation
from reports.evaluations.document import EVALUATION
from reports.issuing.stamp import UNSTAMPED
from tests.reports.evaluations.test_page import FACTS
from tests.support.world import HOSTILE, make_world

pytestmark = pytest.mark.browser

TRACED, TRACED_TO_TWO, NOT_ATTRIBUTABLE = "dfa508c296aa", "642fe51e78f5", "76c7b7040df1"
FROM_OUTSIDE = "f4daddbf212408ab6504c2bfb0784d2a9cc09e38c81b9974542668155f41032f"
PAGES = ("index", TRACED, TRACED_TO_TWO, NOT_ATTRIBUTABLE, FROM_OUTSIDE, "evaluation")
WIDTHS = (390, 820, 1280)
"""A phone, a tablet and a desk, in CSS pixels."""
A4_WIDTH = 680
"""CSS pixels of an A4 page between margins of 15 mm."""
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
CHOICES = "fieldset.choices"


@pytest.fixture(scope="module")
def pages(site: Path) -> Path:
    """The reports of ``world``, and an evaluation beside them."""
    moment = datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC)
    kept = KeptEvaluation(FACTS, moment, "me", 7, "f" * 64)
    (site.parent / "evaluation").mkdir(exist_ok=True)
    for path in site.glob("*.html"):
        (site.parent / "evaluation" / path.name).write_bytes(path.read_bytes())
    (site.parent / "evaluation" / "evaluation.html").write_text(EVALUATION.page(kept, {}, UNSTAMPED))
    return site.parent / "evaluation"


@contextmanager
def visit(browser: Browser, path: Path, width: int = 1280, scheme: Scheme = "light") -> Iterator[Page]:
    """A page; at the end, nothing may have been complained of in its console or asked of the
    network.
    """
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    seen: list[str] = []
    page.on("console", lambda message: seen.append(message.text))
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.on("request", lambda request: seen.append(request.url))
    page.on("dialog", lambda dialog: seen.append(dialog.message))
    page.goto(path.as_uri())
    try:
        yield page
        assert [each[:200] for each in seen if not each.startswith(("data:", path.as_uri()))] == []
    finally:
        page.close()


def unfold(page: Page) -> None:
    """Open all that is folded away under "How we know"."""
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")


def fits(page: Page, width: int) -> bool:
    """Whether nothing is wider than the window and every picture is decoded."""
    return bool(
        page.evaluate("document.documentElement.scrollWidth") <= width
        and page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    )


@pytest.mark.parametrize("name", PAGES)
def test_page_fits_and_is_quiet(browser: Browser, pages: Path, tmp_path: Path, name: str) -> None:
    """At three widths and in both schemes: no complaint, no request, nothing too wide, all pictures
    decoded, not blank.
    """
    for scheme in SCHEMES:
        with visit(browser, pages / f"{name}.html", scheme=scheme) as page:
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                assert fits(page, width), (scheme, width)
                page.screenshot(path=tmp_path / "page.png", full_page=True)
                with Image.open(tmp_path / "page.png") as image:
                    assert image.width == width
                    assert len(image.convert("RGB").getcolors(2**24) or ()) > 8
            unfold(page)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                assert fits(page, width), (scheme, width)


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(browser: Browser, pages: Path, name: str) -> None:
    """No rule of axe-core is broken, by day and by night, on a desk and, where the layout is
    another one, on a phone.
    """
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text()
    for scheme, width in (("light", 1280), ("dark", 390)):
        with visit(browser, pages / f"{name}.html", width, "dark" if scheme == "dark" else "light") as page:
            unfold(page)
            page.evaluate(axe)
            found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            broken = [(each["id"], node["html"][:120]) for each in found["violations"] for node in each["nodes"]]
            assert broken == [], (scheme, width)
            assert len(found["passes"]) > 20


@pytest.mark.parametrize("width", WIDTHS)
def test_clicks_change_which_picture_shows(browser: Browser, pages: Path, width: int) -> None:
    """With and without it show in turn at one place and in one size, or side by side; the work
    beside them stays.
    """
    with visit(browser, pages / f"{TRACED}.html", width) as page:
        compare = page.locator(".verdict .compare")
        output, without = compare.locator(".with img"), compare.locator(".without img")
        assert output.is_visible()
        assert without.is_visible()
        one, other = output.bounding_box(), without.bounding_box()
        assert one
        assert other
        assert one["y"] == other["y"], "side by side is beside, on a phone as well"
        compare.get_by_text("As it is", exact=True).click()
        assert (output.is_visible(), without.is_visible()) == (True, False)
        place = output.bounding_box()
        compare.get_by_text("Without it", exact=True).click()
        assert (output.is_visible(), without.is_visible()) == (False, True)
        assert without.bounding_box() == place
        assert compare.locator(".source img").is_visible()
        compare.get_by_text("Side by side", exact=True).click()
        assert (output.is_visible(), without.is_visible()) == (True, True)


def test_each_choice_is_of_its_own_comparison(browser: Browser, pages: Path) -> None:
    """Changing one candidate's pictures changes no other's."""
    with visit(browser, pages / f"{TRACED_TO_TWO}.html") as page:
        cards = page.locator(".candidate.found")
        assert cards.count() == 2
        compared = page.locator(".compare:has(fieldset)")
        assert compared.count() == 2, "the first source is compared under the verdict, the second in its card"
        for one, other in ((0, 1), (1, 0)):
            compared.nth(one).get_by_text("Without it", exact=True).click()
            assert not compared.nth(one).locator(".with img").is_visible()
            assert compared.nth(other).locator(".with img").is_visible()
            compared.nth(one).get_by_text("Side by side", exact=True).click()


def test_keyboard_reaches_everything(browser: Browser, pages: Path) -> None:
    """Tab reaches the choices with a visible ring, arrows change them, and every link is reached in
    the order of the page.
    """
    with visit(browser, pages / f"{TRACED}.html") as page:
        page.keyboard.press("Tab")
        focused = page.evaluate("[document.activeElement.name, document.activeElement.value]")
        assert focused == ["verdict", "both"]
        ring = page.evaluate("getComputedStyle(document.activeElement.nextElementSibling).outlineStyle")
        assert ring == "solid"
        unfold(page)
        compare = page.locator(".verdict .compare")
        page.keyboard.press("ArrowRight")
        assert not compare.locator(".without img").is_visible()
        page.keyboard.press("ArrowRight")
        assert not compare.locator(".with img").is_visible()
        reached = []
        for _ in range(80):
            page.keyboard.press("Tab")
            element = page.evaluate(
                "(() => { const e = document.activeElement;"
                " return [e.tagName, e.getAttribute('href'), getComputedStyle(e).outlineStyle]; })()"
            )
            if element[0] == "BODY":
                break
            reached.append(element)
        links = page.evaluate("[...document.querySelectorAll('a')].map(link => link.getAttribute('href'))")
        assert [href for tag, href, _ in reached if tag == "A"] == links
        assert {ring for tag, _, ring in reached if tag == "A"} == {"solid"}


@pytest.mark.parametrize("name", PAGES)
def test_prints_on_paper(browser: Browser, pages: Path, name: str) -> None:
    """On A4 nothing is wider than the paper, and both pictures are there, whatever the choice on
    the screen is.
    """
    with visit(browser, pages / f"{name}.html") as page:
        if page.locator(CHOICES).count():
            page.locator(CHOICES).first.get_by_text("As it is", exact=True).click()
            assert not page.locator(".verdict .without").is_visible()
        page.emulate_media(media="print")
        page.set_viewport_size({"width": A4_WIDTH, "height": 960})
        assert fits(page, A4_WIDTH)
        if page.locator(CHOICES).count():
            assert page.locator(".verdict .without img").is_visible()
            assert page.locator(".verdict .with img").is_visible()
            assert not page.locator(CHOICES).first.is_visible()
        margin = {"top": "15mm", "right": "15mm", "bottom": "15mm", "left": "15mm"}
        paper = page.pdf(format="A4", margin=margin)  # type: ignore[arg-type]  # a TypedDict that the library keeps to itself
        assert paper.startswith(b"%PDF-")
        boxes = re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", paper)
        assert boxes
        assert all(abs(float(w) - 595) < 2 and abs(float(h) - 842) < 2 for w, h in boxes), boxes


def test_cards_are_not_cut_by_the_end_of_a_page(browser: Browser, pages: Path) -> None:
    """A candidate stands on one sheet of paper, and two fit on one."""
    with visit(browser, pages / f"{TRACED}.html") as page:
        page.emulate_media(media="print")
        page.set_viewport_size({"width": A4_WIDTH, "height": 1009})
        heights = page.evaluate("[...document.querySelectorAll('.candidate')].map(card => card.offsetHeight)")
        assert max(heights) < 1009 / 2
        assert page.evaluate("getComputedStyle(document.querySelector('.candidate')).breakInside") == "avoid"


@pytest.mark.parametrize("name", [TRACED, "index", "evaluation"])
def test_plots_are_legible_on_a_phone(browser: Browser, pages: Path, name: str) -> None:
    """The text of plots is not drawn smaller than ten pixels, nor is any of it cut off at their
    edge.
    """
    with visit(browser, pages / f"{name}.html", 390) as page:
        unfold(page)
        texts = page.evaluate(
            """() => [...document.querySelectorAll('.plot svg')].flatMap(svg => {
              const box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
              return [...svg.querySelectorAll('text')].map(text => { const own = text.getBoundingClientRect();
                return [text.textContent, parseFloat(getComputedStyle(text).fontSize) * scale,
                  own.left >= box.left - 1 && own.right <= box.right + 1]; }); })"""
        )
        assert texts
        assert [text for text, size, _ in texts if size < 10] == []
        assert [text for text, _, inside in texts if not inside] == []


@pytest.mark.parametrize("name", PAGES)
def test_headings_are_in_order(browser: Browser, pages: Path, name: str) -> None:
    """One h1, and no level is skipped on the way down."""
    with visit(browser, pages / f"{name}.html") as page:
        levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
        assert levels.count(1) == 1
        assert levels[0] == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))


def test_light_and_dark_are_readable(browser: Browser, pages: Path) -> None:
    """Text stands out from its ground by 4.5 to 1 (WCAG AA) in both schemes, in pages and in
    plots.
    """
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
    for scheme in SCHEMES:
        for name in ("index", TRACED):
            with visit(browser, pages / f"{name}.html", scheme=scheme) as page:
                unfold(page)
                assert page.evaluate(script) >= 4.5, (scheme, name)
                grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 2


def test_what_is_not_there_is_said(browser: Browser, pages: Path) -> None:
    """The page of an image from outside, which has no counterfactual, says so and offers no
    choice.
    """
    with visit(browser, pages / f"{FROM_OUTSIDE}.html", 390) as page:
        assert "There is no picture without the work" in page.inner_text("main")
        assert page.locator(CHOICES).count() == 0


def test_hostile_title_neither_runs_nor_breaks_the_layout(browser: Browser, tmp_path: Path) -> None:
    """Markup in a title is shown as text: no script ran, nothing was fetched, the page still
    fits.
    """
    world = make_world(tmp_path / "home", first_title=HOSTILE)
    world.add_audit((0, 30), sample=world.add_sample(0))
    world.render(tmp_path / "out")
    for name in ("index", TRACED):
        with visit(browser, tmp_path / "out" / f"{name}.html", 390) as page:
            assert "owned" not in page.title()
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                assert fits(page, width)
