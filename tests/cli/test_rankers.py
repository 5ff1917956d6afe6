"""``creditline rankers``: grades, what is kept, and what is refused."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from attribution.ranking.rankers.catalogue import PEERS
from tests.attribution.conftest import open_world
from tests.support.running import Creditline


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Creditline:
    """Eighteen works, six members, six samples; tests copy the home."""
    world = open_world(tmp_path_factory)
    return Creditline(world.registry.home.root)


@pytest.fixture(scope="module")
def measured(trained: Creditline, tmp_path_factory: pytest.TempPathFactory) -> Creditline:
    """The same after a first grading, which measures the works as given images for all tests."""
    home = Creditline(tmp_path_factory.mktemp("measured") / "home").take(trained)
    assert home("rankers", "--ranker", "pixel-kernel", "--workers", 1).status == 0
    return home


@pytest.fixture(autouse=True)
def without_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without weights of other networks."""
    monkeypatch.delenv("CREDITLINE_MOBILENET", raising=False)
    monkeypatch.delenv("CREDITLINE_OPEN_CLIP", raising=False)
    monkeypatch.delenv("CREDITLINE_LPIPS_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


@pytest.fixture
def home(creditline: Creditline, measured: Creditline) -> Creditline:
    """The measured works in a home of their own."""
    return creditline.take(measured)


@pytest.fixture
def unmeasured(creditline: Creditline, trained: Creditline) -> Creditline:
    """The same before any grading: the first one measures the works, by several processes."""
    return creditline.take(trained)


@pytest.mark.slow
def test_grades_with_both_intervals_and_records_nothing(unmeasured: Creditline) -> None:
    """Every ranker that can be had by itself, their fusion, and why the others are not there; the
    log is as it was.
    """
    before = unmeasured("log", "--json").out
    outcome = unmeasured("rankers", "--json")
    assert outcome.status == 0
    document = outcome.document
    assert document["creditline"] == "rankers"
    assert [one["name"] for one in document["rankers"]] == ["pixel-kernel", "responsibilities", "patches"]
    assert {"mobilenet", "open-clip", "lpips", "gradients", "supplied-scores"} <= set(document["missing"])
    assert not document["kept"]
    generated = [*document["rankers"], document["choice"]]
    given = [*(one["given_images"] for one in document["rankers"]), document["choice_for_given_images"]]
    for graded, images in ((generated, 6), (given, 18)):
        for one in graded:
            grade = one["member_lds"]
            assert -1 <= grade["low"] <= grade["value"] <= grade["high"] <= 1
            assert -1 <= grade["images_low"] <= grade["images_high"] <= 1
            assert -1 <= grade["members_low"] <= grade["members_high"] <= 1
            assert grade["interval"] == "pigeonhole bootstrap over images and members"
            assert grade["samples"] == images
    single = [one for one in document["choice"]["comparisons"] if len(one["best"]) == 1]
    assert single
    assert all(step["replaced"] == (step["gain"]["low"] > 0) for step in single)
    assert sum(part["weight"] for part in document["choice"]["parts"]) == pytest.approx(1.0)
    assert len(document["rankers"][0]["member_lds_by_scale"]) == len(document["rankers"][0]["scales"]) == 8
    assert unmeasured("log", "--json").out == before


def test_a_table_for_people(home: Creditline) -> None:
    """For each kind of image a line a ranker and one for the choice; how it was made, what to do
    next and what is missing stand on stderr.
    """
    outcome = home("rankers")
    assert outcome.status == 0
    lines = outcome.out.splitlines()
    names = ["pixel-kernel", "responsibilities", "patches", "chosen"]
    assert [line.split()[0] for line in lines] == ["ranker", *names, *names]
    assert [line.split()[1] for line in lines[1:]] == ["generated"] * 4 + ["given"] * 4
    assert "over members" in lines[0]
    assert "95 % interval" in lines[0]
    assert "given images: pixel-kernel stays" in outcome.err
    assert "--keep" in outcome.err
    assert "CREDITLINE_MOBILENET" in outcome.err


def test_keep_is_what_audits_use(home: Creditline, tmp_path: Path) -> None:
    """With a file of scores, which is kept too; --ranker goes before it; the log tells it and stays
    whole.
    """
    samples = [row["id"] for row in home("samples", "--json").document["samples"]]
    rows = [(sample, asset, float(-asset)) for sample in samples for asset in range(18)]
    names, assets, scores = zip(*rows, strict=True)
    path = tmp_path / "scores.parquet"
    pq.write_table(pa.table({"sample": names, "asset_id": assets, "score": scores}), path)
    kept = home("rankers", "--ranker", "pixel-kernel", "--scores", path, "--keep", "--json")
    assert kept.status == 0, kept.err
    assert kept.document["kept"]
    path.unlink()
    audit = ("audit", samples[0], "--shortlist", 3, "--no-jacobian", "--workers", 1, "--json")
    first = home(*audit).document["audits"][0]
    assert [one["name"] for one in first["ranker"]["rankers"]] == ["pixel-kernel", "supplied-scores"]
    assert first["ranker"]["parts"] == kept.document["choice"]["parts"]
    other = home(*audit, "--ranker", "responsibilities").document["audits"][0]
    assert [one["name"] for one in other["ranker"]["rankers"]] == ["responsibilities"]
    assert other["id"] != first["id"]
    (event,) = [row for row in home("log", "--json").document["events"] if row["kind"] == "ranker chosen"]
    assert event["after"]["parts"] == first["ranker"]["parts"]
    assert home("log", "verify").status == 0


@pytest.mark.slow
def test_gradients_through_a_reference_model(home: Creditline) -> None:
    """Missing with the reason, trained once, graded, kept, audited; refused after a withdrawal."""
    assert "creditline members reference" in home("rankers", "--json").document["missing"]["gradients"]
    made = home("members", "reference", "--json")
    assert made.status == 0, made.err
    assert made.document["trained"]
    assert made.document["works"] == 18
    again = home("members", "reference")
    assert again.status == 0
    assert Path(again.out.strip()) == home.home.resolve() / "references" / made.document["ensemble"]
    assert "already trained on 18 works" in again.err
    assert home("members", "reference", "--json").document == {**made.document, "trained": False}
    listed = home("rankers", "--json").document
    names = [one["name"] for one in listed["rankers"]]
    assert names[:4] == ["pixel-kernel", "responsibilities", "patches", "gradients"]
    assert set(names[4:]) == {n for n, p in PEERS.items() if find_spec(p) is not None}
    three = ["pixel-kernel", "responsibilities", "gradients"]
    kept = home("rankers", *(word for name in three for word in ("--ranker", name)), "--keep", "--json").document
    assert kept["rankers"][2]["settings"]["reference_sha256"] == made.document["weights_sha256"]
    assert -1 <= kept["rankers"][2]["member_lds"]["value"] <= 1
    sample = home("samples", "--json").document["samples"][0]["id"]
    audit = ("audit", sample, "--shortlist", 3, "--no-jacobian", "--workers", 1, "--json")
    audited = home(*audit).document["audits"][0]
    assert [one["name"] for one in audited["ranker"]["rankers"]] == three
    alone = home(*audit, "--ranker", "gradients").document["audits"][0]
    assert [one["name"] for one in alone["ranker"]["rankers"]] == ["gradients"]
    assert home("doctor").status == 0
    withdrawn = home("withdraw", 4, "--reason", "letter", "--yes")
    assert "its reference model was trained on them and is out of service" in withdrawn.err
    assert "withdrawn now" in home("rankers", "--json").document["missing"]["gradients"]
    refused = home(*audit)
    assert (refused.status, refused.out) == (4, "")
    assert "creditline members reference" in refused.err
    found = home("doctor")
    assert found.status == 1
    assert "this reference model saw 1 works" in found.out + found.err
    assert home("log", "verify").status == 0


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--ranker", "psychic"), 2, "choose one of"),
        (("--ranker", "mobilenet"), 4, "CREDITLINE_MOBILENET"),
        (("--ranker", "mobilenet", "--weights", "nowhere.pth"), 4, "nowhere.pth"),
        (("--ranker", "supplied-scores"), 4, "--scores"),
        (("--ranker", "gradients"), 4, "creditline members reference"),
        (("--scores", "nowhere.parquet"), 2, "nowhere.parquet"),
        (("--ensemble", "ffff"), 2, "no ensemble"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    home: Creditline, arguments: tuple[str, ...], status: int, message: str
) -> None:
    """With the exit status of its kind."""
    outcome = home("rankers", *arguments)
    assert outcome.status == status
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.out == ""


def test_other_weights_are_refused(home: Creditline, tmp_path: Path) -> None:
    """Only the weights that are known: another file is another embedding, or damaged."""
    path = tmp_path / "mobilenet_v2-b0353104.pth"
    path.write_bytes(b"not these")
    outcome = home("rankers", "--ranker", "mobilenet", "--weights", path)
    assert outcome.status == 2
    assert "SHA-256" in outcome.err


def test_audit_reads_image_files_before_it_prepares_anything(home: Creditline, tmp_path: Path) -> None:
    """A file that is no image is named at once, and not after a ranker that is missing."""
    path = tmp_path / "notes.png"
    path.write_text("no image")
    outcome = home("audit", "--image", path, "--ranker", "gradients")
    assert outcome.status == 2
    assert "notes.png" in outcome.err
    assert "members reference" not in outcome.err
