"""The page of a portfolio in a real browser: it fits every width, and breaks no rule of axe."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from reports.issuing.stamp import UNSTAMPED
from reports.portfolios.document import PORTFOLIO, portfolio_facts
from reports.portfolios.evidence import LICENSABLE, REFUSED, Evidence, Holder
from reports.portfolios.facts import PairPart
from reports.portfolios.request import Request
from tests.reports.outputs.test_pages import SCHEMES, WIDTHS, fits, unfold, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def page_file(tmp_path: Path) -> Path:
    """A page with every part: long names, prices, pairs, gaps, outputs that cannot be covered."""
    rng = np.random.default_rng(0)
    names = ["Ada Example", "W" * 300, "<b>Bo</b>", "שלום", *(f"Holder {place}" for place in range(20))]
    holders = tuple(
        Holder(place, name, 3, ("CC-BY-4.0", "L" * 200), {"unclear": 3}) for place, name in enumerate(names)
    )
    outputs = np.repeat(np.arange(60), 2)
    evidence = Evidence(
        ids=tuple(f"{place:012x}" for place in range(80)),
        outputs=outputs,
        states=np.where(outputs < 5, REFUSED, LICENSABLE),
        owners=np.where(outputs < 5, -1, rng.integers(0, len(names), len(outputs))),
        probability=rng.uniform(0.91, 0.99, len(outputs)),
        holders=holders,
        refused={"R" * 200: 5},
        slight=3,
        not_audited=2,
        images_left_out=1,
    )
    prices = {str(place): float(price) for place, price in enumerate(rng.lognormal(3, 1, len(names)).round(2))}
    request = Request(share=0.9, prices=prices, forbidden=[(0, 1)], draws=20)
    facts, _ = portfolio_facts(evidence, request, [PairPart(one="Ada Example", other="W" * 300)])
    assert facts.unavailable
    assert facts.uncovered
    path = tmp_path / "portfolio.html"
    text = PORTFOLIO.page(facts, {name: f"{name}.x" for name in ("html", "json", "chosen", "curve")}, UNSTAMPED)
    path.write_text(text, "utf-8")
    return path


def test_it_fits_and_is_quiet(browser: Browser, page_file: Path) -> None:
    """At three widths, folded and unfolded, by day and by night; axe finds nothing."""
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text()
    for scheme in SCHEMES:
        with visit(browser, page_file, scheme=scheme) as page:
            unfold(page)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                assert fits(page, width), (scheme, width)
            page.evaluate(axe)
            found = page.evaluate("axe.run()")["violations"]
            assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found] == []
