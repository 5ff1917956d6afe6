"""Pages made of what nobody wishes for: hostile names, lost files, works that were withdrawn and
owners that were merged.
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import defusedxml.ElementTree as ElementTree
import numpy as np
import pytest
from playwright.sync_api import Browser

from registry.rightsholders.records import merge_rightsholders
from registry.withdrawals.record import withdraw
from reports.facts import NotMeasured
from reports.outputs.facts import Candidate
from reports.outputs.plots import tests_plot as plot_of_tests
from reports.rendering.pictures import THUMBNAIL_SIDE, picture_of, thumbnail
from reports.rendering.plots import Bar, Estimate, bars_plot, estimates_plot
from reports.rendering.svg import standalone
from tests.reports.outputs.test_pages import WIDTHS, fits, visit
from tests.support import world as worlds
from tests.support.sealing import reseal
from tests.support.world import NOON, World, make_world

REPORT = "dfa508c296aa"
EVIL = (
    "<script>document.title='owned'</script>",
    "</style></title></svg><img src=x onerror=\"document.title='owned'\">",
    '"><svg onload="document.title=\'owned\'">',
    "{{ 7 * 7 }}{% raw %} ${7*7} `creditline` <!-- -->]]>",
    "\u202egnp.exe\u2066\u200f \u2028 \x00\x07\x1b[2J\x7f\x9b end",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\U0001f3f4\U000e0067\U000e007f e\u0301" + "\u0336" * 30,
    r"$\frac{1}{0}$ $x^2$ \$ \alpha_{1} $",
    "&amp; &lt;b&gt; &#x3c; < > & ' \"",
    "شمس ולילה 日本語 ไทย",
    "\ufffe\uffff\ufeff\u00ad",
    "x" * 100_000,
    "W " * 50_000,
    "",
    "   ",
)


def hostile_world(home: Path) -> World:
    """Every text that a page shows is one of :data:`EVIL`."""
    world = make_world(home)
    world.add_audit((0, 3, 30, 60, 90, 120, 150, 160, 170, 180), sample=world.add_sample(0), exact=True, works_each=1)
    world.add_audit((1, 50, 120), first=5, image_name=EVIL[0])
    with world.registry.connection() as connection:
        for number in range(12):
            text = EVIL[number]
            connection.execute("UPDATE unit SET label = ? WHERE number = ?", [text, number])
            connection.execute(
                "UPDATE asset_rights SET title = ?, creator = ?, source_url = ? WHERE id = ?",
                [text, text, f"javascript:{text}", number],
            )
            connection.execute("UPDATE asset SET path = ? WHERE id = ?", [text or "x", number])
        connection.execute("UPDATE data_set SET name = ?", [EVIL[1]])
        connection.execute("UPDATE rightsholder SET name = ? WHERE id = 0", [EVIL[0]])
        connection.execute("UPDATE rightsholder SET name = ? WHERE id = 1", [EVIL[10]])
        connection.execute("UPDATE licence SET reference = ?, url = ? WHERE id = 0", [EVIL[2], "data:text/html,x"])
        connection.execute(
            "UPDATE licence SET reference = ?, duties = ? WHERE id = 1", [EVIL[6], json.dumps([EVIL[0]])]
        )
        connection.execute("UPDATE sample SET label = ?, versions = ?", [EVIL[1], json.dumps({EVIL[0]: EVIL[1]})])
        settings = json.dumps({"false_discovery_rate": 0.05, EVIL[0]: list(EVIL[:4])})
        connection.execute("UPDATE audit SET settings = ?, versions = ?", [settings, settings])
        connection.execute("UPDATE candidate SET effect = NULL, effect_not_measured = ? WHERE rank = 4", [EVIL[0]])
    reseal(world.registry)
    return world


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports of such a registry."""
    folder = tmp_path_factory.mktemp("hostile")
    hostile_world(folder / "home").render(folder / "out")
    return folder / "out"


def test_hostile_text_becomes_no_markup(hostile: Path) -> None:
    """No element, no attribute and no address of theirs is on a page; nothing that turns the
    writing; no endless line.
    """
    assert len(list(hostile.glob("*.html"))) == 3
    for path in hostile.glob("*.html"):
        text = path.read_text()
        assert not re.search(r"<script|<img src=x|<svg on|href=.(javascript|data):", text)
        assert "{{ 7 * 7 }}" in html.unescape(text) or path.stem != REPORT
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\x7f-\x9f]", text)
        assert max(map(len, re.sub(r'src="data:[^"]*"', "", text).split())) < 3_000
        assert len(re.sub(r'src="data:[^"]*"', "", text)) < 300_000


def test_hostile_text_stays_whole_as_data(hostile: Path) -> None:
    """The JSON has the texts as they are: shortening is for people."""
    document = json.loads((hostile / f"{REPORT}.json").read_bytes())
    labels = {candidate["label"] for candidate in document["candidates"]}
    assert labels == set(EVIL[:10])


@pytest.mark.browser
def test_hostile_pages_hold_in_a_browser(browser: Browser, hostile: Path) -> None:
    """Nothing runs, nothing is asked for, nothing is wider than the window, in either scheme."""
    for path in hostile.glob("*.html"):
        with visit(browser, path, scheme="dark") as page:
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                assert fits(page, width), (path.name, width)
            assert "owned" not in page.title() or "<script>" in page.title(), "as text at most"
            assert page.evaluate("document.scripts.length") == 0


def candidate(label: str) -> Candidate:
    missing = NotMeasured("not here")
    return Candidate(
        rank=1, unit_number=0, unit_key="0", label=label, code="1", support=None, group=None, work_count=1,
        works=[], score=1.0, statistic=2.0,
        p_value=0.01, q_value=0.01, passes=True, grade=None, group_number=None,
        effect=missing, influence_exact=missing, influence_estimate=missing,
        influence_exact_lpips=missing, influence_estimate_lpips=missing, counterfactual_shown=missing, share=missing,
    )  # fmt: skip


@pytest.mark.parametrize("label", [*EVIL, "\ud800 \udfff", "\\", "$", "$$", "\\$$", "a$b", "_^{"])
def test_plots_hold_any_name(label: str) -> None:
    """Drawn without complaint, well-formed, and with the name as text, not as markup or
    mathematics.
    """
    for svg in (
        plot_of_tests([candidate(label)], {1: np.linspace(-1.0, 1.0, 40)}),
        bars_plot([Bar(label, 2, 1)], "works", left=150.0),
        estimates_plot([Estimate(label, 0.1, 0.0, 0.2)], "effect"),
    ):
        assert svg is not None
        root = ElementTree.fromstring(standalone(svg).replace("\ufffe", "").replace("\uffff", ""))
        texts = [text for element in root.iter() for text in [element.text or ""] if element.tag.endswith("text")]
        drawn = " ".join(texts)
        assert not re.search("[\u202a-\u202e\x00-\x08\ud800-\udfff]", drawn)
        for sign in ("$", "\\", "&", "<", "^"):
            assert sign in drawn or sign not in label[:32], sign
            assert sign in label[:60] or sign not in drawn, sign
        assert len(drawn) < 400


def test_lost_pictures_are_said(fresh: World, tmp_path: Path) -> None:
    """A work's picture that is gone, or no picture any more, and a sample's: each gap is shown in
    its place and at the top.
    """
    sample = fresh.add_sample(0)
    fresh.add_audit((0, 30, 60), sample=sample)
    pictures = sorted(fresh.home.picture("x").parent.iterdir())
    for path in pictures[:6]:
        path.unlink()
    for path in pictures[6:]:
        path.write_bytes(b"\x89PNG\r\n\x1a\n torn")
    fresh.home.sample_image(sample.id).unlink()
    site = fresh.render(tmp_path / "out")
    text = html.unescape((tmp_path / "out" / f"{REPORT}.html").read_text())
    assert "This report has gaps." in text
    assert text.count("No picture: the file") == 3
    assert "is missing from the home" in text
    assert "is not a readable PNG image" in text or not any("readable" in gap.reason for gap in site.facts.gaps)
    assert {gap.integrity for gap in site.facts.gaps} == {True, False}
    assert 'alt="The output"' in text, "the audit kept a copy"


def test_an_altered_file_of_an_audit_is_not_believed(fresh: World, tmp_path: Path) -> None:
    """No report is issued of it; the gap names the file, and the reports of others are there."""
    altered, intact = (fresh.add_audit((0, 30), sample=fresh.add_sample(number)) for number in range(2))
    path = fresh.home.audit(altered.id)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    site = fresh.render(tmp_path / "out")
    (gap,) = (gap for gap in site.facts.gaps if altered.id in gap.reason)
    assert gap.integrity
    assert f"{path} is not the file that the audit wrote" in gap.reason
    (page,) = (tmp_path / "out").glob("[0-9a-f]*.html")
    assert intact.sample_id is not None
    assert page.name.startswith(intact.sample_id)


def test_a_lost_file_of_an_audit_leaves_the_database(fresh: World, tmp_path: Path) -> None:
    """Its pictures and decoys are left out with the reason; what the database knows is still
    there.
    """
    audit = fresh.add_audit((0, 30), sample=fresh.add_sample(0))
    fresh.home.audit(audit.id).unlink()
    site = fresh.render(tmp_path / "out")
    text = (tmp_path / "out" / f"{REPORT}.html").read_text()
    assert "What follows comes from the database alone" in text
    assert "Not measured: the audit’s file" in html.unescape(text).replace("audit's", "audit’s")
    assert "Decoys not shown" in text
    assert "traces to" in text
    assert site.damaged == (REPORT,)


def test_a_withdrawn_work_says_so(fresh: World, tmp_path: Path) -> None:
    """The card has the permission of then and of now, where it is another one; the other cards have
    one for both.
    """
    fresh.add_audit((0, 30), sample=fresh.add_sample(0))
    withdraw(fresh.registry, asset_ids=[0], reason="asked us to", now=NOON.replace(month=4))
    fresh.render(tmp_path / "out")
    for name in ("index.html", next((tmp_path / "out").glob("[0-9a-f]*.html")).name):
        assert "was withdrawn since: members that saw it are out of service" in (tmp_path / "out" / name).read_text()
    first, second = re.findall(
        r"<h4>Permission to train</h4>\s*<p>(.*?)</p>", (tmp_path / "out" / f"{REPORT}.html").read_text()
    )
    assert first == (
        "<b>When the models were trained:</b> models may train on it. "
        '<b class="changed">Now:</b> withdrawn: members that saw it are out of service.'
    )
    assert second == "<b>When the models were trained, and now:</b> models may train on it."
    document = json.loads((tmp_path / "out" / f"{REPORT}.json").read_bytes())
    assert "withdrawn" in json.dumps(document["candidates"][0])
    assert "withdrawn" not in json.dumps(document["candidates"][1])


def test_a_merged_rightsholder_is_shown_as_the_one_it_is(fresh: World, tmp_path: Path) -> None:
    """Cards, roll-up, table and index name the record that counts, and count its works together; a
    card has what was declared.
    """
    fresh.add_audit((0, 1), sample=fresh.add_sample(0))
    merge_rightsholders(fresh.registry, 0, 1, "one house", NOON.replace(month=4))
    fresh.render(tmp_path / "out")
    for name in (f"{REPORT}.html", "index.html", "candidates.csv"):
        text = (tmp_path / "out" / name).read_text().replace("declared as <bdi>Kestrel Studio</bdi>", "")
        # In the table who was stated has a column of its own, behind that of who counts.
        assert "Kestrel Studio" not in text.replace("Open Shapes Project,declared,Kestrel Studio,", ""), name
        assert "Open Shapes Project" in text
    assert "declared as <bdi>Kestrel Studio</bdi>" in (tmp_path / "out" / f"{REPORT}.html").read_text()
    document = json.loads((tmp_path / "out" / "index.json").read_bytes())
    assert [share["name"] for share in document["rightsholders"]] == ["Open Shapes Project"]


def test_a_rightsholder_that_was_tested_and_merged_since_is_told(
    fresh: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test stands as it was made, under its name, with the record that it counts as."""
    names = ("Kestrel Studio", "Open Shapes Project", "nobody of this name")
    tested = [{"name": name, "works": 2, "statistic": 1.0, "p": 0.2, "q": 0.4} for name in names]
    found = {"method": "sum", "draws": 99, "works": 4, "tested": tested}
    monkeypatch.setattr(worlds, "_rightsholder_tests", lambda _kind: found)
    fresh.add_audit((0, 1), sample=fresh.add_sample(0))
    fresh.render(tmp_path / "before")
    assert "counts as <bdi>" not in (tmp_path / "before" / f"{REPORT}.html").read_text()
    merge_rightsholders(fresh.registry, 0, 1, "one house", NOON.replace(month=4))
    fresh.render(tmp_path / "out")
    document = json.loads((tmp_path / "out" / f"{REPORT}.json").read_bytes())
    counting = {each["name"]: each["counts_as"] for each in document["rightsholder_tests"]["tested"]}
    assert counting == {names[0]: names[1], names[1]: None, names[2]: None}
    page = (tmp_path / "out" / f"{REPORT}.html").read_text()
    assert page.count("counts as <bdi>Open Shapes Project</bdi> since") == 1


@pytest.mark.parametrize("damaged", ["[1]", '"x"', '{"rightsholders": {"tested": 5}}', '{"rightsholders": 5}'])
def test_an_audit_whose_test_is_damaged_is_one_gap(fresh: World, tmp_path: Path, damaged: str) -> None:
    """The reports of the others are there."""
    fresh.add_audit((0, 1), sample=fresh.add_sample(0))
    spoilt = fresh.add_audit((0, 1), sample=fresh.add_sample(1))
    with fresh.registry.connection() as connection:
        connection.execute("UPDATE audit SET test = ? WHERE id = ?", [damaged, spoilt.id])
    reseal(fresh.registry)
    site = fresh.render(tmp_path / "out")
    assert (tmp_path / "out" / f"{REPORT}.html").is_file()
    assert any(spoilt.id in gap.reason for gap in site.facts.gaps)


def photograph(generator: np.random.Generator, side: int) -> worlds.Pixels:
    """Random pixels with the spectrum of a photograph, whose amplitudes fall with frequency: they
    compress as badly as any.
    """
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij"))
    frequency[0, 0] = 1
    channels = []
    for _ in range(3):
        noise = generator.normal(size=frequency.shape) + 1j * generator.normal(size=frequency.shape)
        channels.append(np.fft.irfft2(noise / frequency**1.1, (side, side)))
    pixels = np.stack(channels, axis=-1)
    scaled = 128 + 50 * (pixels - pixels.mean()) / pixels.std()
    return np.asarray(scaled.clip(0, 255), dtype=np.uint8)


@pytest.mark.slow
def test_ten_candidates_with_photographs_can_be_mailed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output, ten works and ten counterfactuals, of 384 pixels a side: under 1 MB."""
    generator = np.random.default_rng(0)
    monkeypatch.setattr(worlds, "shape", lambda _number, _size: photograph(generator, 384))
    world = make_world(tmp_path / "home", size=384)
    world.add_audit((0, *range(20, 200, 20)), sample=world.add_sample(0))
    world.render(tmp_path / "out")
    page = tmp_path / "out" / f"{REPORT}.html"
    assert page.read_text().count('src="data:image/webp') == 1 + 10 + 10
    assert 300_000 < page.stat().st_size < 1_000_000


def test_a_thumbnail_is_the_same_picture_but_small() -> None:
    """It keeps the size that is told of it; what is small is left exactly as it is."""
    large = picture_of(photograph(np.random.default_rng(0), 300))
    small = thumbnail(large)
    assert (small.width, small.height) == (300, 300)
    assert len(small.data) < len(large.data) / 2
    assert THUMBNAIL_SIDE < 300
    tiny = picture_of(photograph(np.random.default_rng(0), 16))
    assert thumbnail(tiny) is tiny
