"""``creditline imitate``: what it refuses without measuring, and, where MobileNetV2's weights are
named, the whole way to the page.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from attribution.ranking.rankers.embeddings import MOBILENET_VARIABLE
from tests.attribution.imitation.conftest import write_imitations, write_works
from tests.support.running import Creditline

needs_mobilenet = pytest.mark.skipif(
    not os.environ.get(MOBILENET_VARIABLE), reason=f"{MOBILENET_VARIABLE} names no file of weights"
)


@pytest.fixture
def creditline(tmp_path: Path) -> Creditline:
    """A home with works of three artists."""
    works = write_works(tmp_path / "works")
    made = Creditline(tmp_path / "home")
    assert made("init").status == 0
    assert made("register", works, "--owners", works / "owners.csv").status == 0
    return made


def test_an_encoder_without_weights_says_how_to_name_them(
    creditline: Creditline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And none is ever random; an unknown one, and a contradictory command, are refused."""
    monkeypatch.delenv(MOBILENET_VARIABLE, raising=False)
    monkeypatch.delenv("CREDITLINE_OPEN_CLIP", raising=False)
    images = write_imitations(tmp_path / "images")
    shown = " ".join(creditline("imitate", "--help").out.replace("│", " ").split())
    assert "MobileNetV2, for style and mobilenet" in shown
    assert creditline("imitate", tmp_path / "nothing").status == 2
    missing = creditline("imitate", images)
    assert missing.status == 4
    assert "the encoder style needs MobileNetV2's ImageNet weights" in missing.err
    assert f"--weights or {MOBILENET_VARIABLE}" in missing.err
    clip = creditline("imitate", images, "--encoder", "open-clip")
    assert clip.status == 4
    assert "open-clip needs" in clip.err
    other = tmp_path / "other.pth"
    other.write_bytes(b"zeros")
    assert "SHA-256" in creditline("imitate", images, "--weights", other).err
    assert "expected one of style" in creditline("imitate", images, "--encoder", "vgg").err
    assert "expected one of FOLDER" in creditline("imitate", images, "--samples").err
    assert "{artist}" in creditline("imitate", images, "--text", "by someone").err
    assert "no imitation audit is on record" in creditline("imitate", "--show", "newest").err


@needs_mobilenet
@pytest.mark.slow
def test_a_folder_is_audited_recorded_and_shown(creditline: Creditline, tmp_path: Path) -> None:
    """Text, JSON, page and tables; a second run finds the first; the log holds."""
    images, out = write_imitations(tmp_path / "images"), tmp_path / "out"
    (images / "Ada Example" / "broken.png").write_bytes(b"x")
    made = creditline("imitate", images, "--out", out)
    assert made.status == 0, made.err
    assert "10 of 10 images are identified" in made.out
    assert "It does not say that a model was trained on them" in made.out
    assert "finding: Ada Example/broken.png" in made.err.replace("cannot read ", "")
    document = creditline("imitate", "--show", "newest", "--json").document
    assert document["creditline"] == "imitation"
    [page] = out.glob("imitation-*.html")
    assert {path.name for path in out.iterdir()} >= {
        f"imitation-{document['id']}{suffix}" for suffix in (".html", ".json", "-artists.csv", "-images.csv")
    }
    for path in (page, page.with_suffix(".json")):
        assert creditline("report", "verify", path, "--json").document["facts"] == "same"
    assert json.loads(page.with_suffix(".json").read_bytes())["event_sha256"] == document["event_sha256"]
    again = creditline("imitate", images, "--json")
    assert "is on record" in again.err
    assert again.document["event"] == document["event"]
    assert creditline("log", "verify").status == 0
    artist = creditline("statement", "Ada Example", "--out", out)
    assert artist.status == 0
    assert "Images that were made to imitate" in next(out.glob("statement-*.html")).read_text(encoding="utf-8")
    by_school = creditline("imitate", images, "--by", "school", "--json")
    assert by_school.status == 2
    assert "no artist with works is called 'Ada Example'" in by_school.err
