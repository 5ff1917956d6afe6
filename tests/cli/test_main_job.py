"""The main job through the command line: train, sample, verify, audit, report, with every exit
status on the way.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.attribution.conftest import write_works
from tests.support.running import Creditline, Outcome

TRAIN = ("train", "--size", 8, "--widths", 8, "--steps", 40, "--batch-size", 8, "--workers", 1)


@dataclass(frozen=True)
class Job:
    """A finished run of the main job, and what its commands answered."""

    creditline: Creditline
    works: Path
    train: Outcome
    sample: Outcome
    audit: Outcome


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """Works of three rightsholders, registered, encoded, trained, sampled and audited; tests copy
    the home.
    """
    root = tmp_path_factory.mktemp("job")
    creditline, works = Creditline(root / "home"), root / "art"
    write_works(works, 12)
    creditline("init")
    creditline("register", works, "--owners", works / "owners.csv")
    creditline("encode", "--within", "none", "--members", 6)
    train = creditline(*TRAIN, "--json")
    sample = creditline("sample", "--count", 3, "--seed", 5, "--steps", 8, "--workers", 1, "--json")
    audit = creditline("audit", "--all", "--shortlist", 3, "--workers", 1, "--json")
    return Job(creditline, works, train, sample, audit)


@pytest.fixture
def job(creditline: Creditline, done: Job) -> Job:
    """The same in a home of its own."""
    return replace(done, creditline=creditline.take(done.creditline))


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Creditline:
    """Six works, encoded and not trained; tests copy the home."""
    root = tmp_path_factory.mktemp("six")
    creditline = Creditline(root / "home")
    write_works(root / "art", 6)
    creditline("init")
    creditline("register", root / "art", "--owners", root / "art" / "owners.csv")
    creditline("encode", "--within", "none", "--members", 6, "--seed", 2)
    return creditline


def test_from_a_folder_to_reports(job: Job, tmp_path: Path) -> None:
    """Every command answers on stdout with a versioned document, and the reports stand at the
    end.
    """
    assert [outcome.status for outcome in (job.train, job.sample, job.audit)] == [0, 0, 0]
    assert job.train.document["version"] == job.sample.document["version"] == job.audit.document["version"] == 1
    assert len(job.train.document["members"]) == 6
    samples = job.sample.document["samples"]
    assert [sample["seed"] for sample in samples] == [5, 6, 7]
    assert all(Path(sample["file"]).is_file() for sample in samples)
    audits = job.audit.document["audits"]
    assert {audit["output"] for audit in audits} == {sample["id"] for sample in samples}
    candidates = [candidate for audit in audits for candidate in audit["candidates"]]
    assert all("--lpips alex" in candidate["lpips_not_measured"] for candidate in candidates)
    assert {candidate["influence_exact_lpips"] for candidate in candidates} == {None}
    out = tmp_path / "reports"
    assert job.creditline("report", "--all", "--out", out).out.strip() == str(out / "index.html")
    with (out / "candidates.csv").open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == 9
    for sample in samples:
        page = (out / f"{sample['id']}.html").read_text(encoding="utf-8")
        assert "House" in page
        assert json.loads((out / f"{sample['id']}.json").read_text(encoding="utf-8"))["version"] == 1


def test_running_again_changes_nothing(job: Job, done: Job) -> None:
    """Each command finds what it made, as if nothing had happened."""
    assert job.creditline(*TRAIN, "--json").out == job.train.out
    again = job.creditline("sample", "--count", 3, "--seed", 5, "--steps", 8, "--workers", 1, "--json")
    assert again.out.replace(str(job.creditline.home), str(done.creditline.home)) == done.sample.out
    audits = job.creditline("audit", "--all", "--shortlist", 3, "--workers", 1, "--json").document["audits"]
    assert {audit["id"] for audit in audits} == {audit["id"] for audit in job.audit.document["audits"]}


def test_a_sample_takes_few_looks_unless_it_is_told_otherwise(job: Job) -> None:
    """Eight under the usual steps, and all pairs on demand: the same picture, two samples."""
    few, every = (
        job.creditline("sample", "--seed", 9, "--steps", 20, "--workers", 1, *looks, "--json").document["samples"][0]
        for looks in ((), ("--looks", 0))
    )
    assert few["sampler"]["looks"] == 8
    assert "looks" not in every["sampler"]
    assert few["image_sha256"] == every["image_sha256"]
    assert few["id"] != every["id"]
    assert "ddpm 20, 8 looks" in job.creditline("samples").out


def test_verify_exits_1_when_a_sample_was_altered(job: Job) -> None:
    """0 while all is well; 1 with the sample named when its file was changed."""
    first, second, third = (sample["id"] for sample in job.sample.document["samples"])
    fine = job.creditline("verify", "--all", "--json")
    count = len(fine.document["samples"])
    assert f"{count}/{count}" in fine.err
    assert fine.status == 0
    assert {row["condition"] for row in fine.document["samples"]} == {"identical"}
    path = Path(job.creditline.home) / "samples" / f"{second}.png"
    path.write_bytes(path.read_bytes() + b"x")
    found = job.creditline("verify", first, second, third, "--json")
    assert found.status == 1
    assert [row["condition"] for row in found.document["samples"]] == ["identical", "altered", "identical"]
    audit = job.creditline("audit", second, "--shortlist", 2, "--workers", 1)
    assert audit.status == 3
    assert second in audit.err


def test_altered_member_exits_3_by_name(job: Job) -> None:
    """Nothing is generated with weights that are not the registered ones."""
    member = job.train.document["members"][2]["id"]
    weights = Path(job.creditline.home) / "members" / member / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    outcome = job.creditline("sample", "--seed", 99, "--steps", 4)
    assert outcome.status == 3
    assert outcome.out == ""
    assert member in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.slow
def test_work_altered_before_training_exits_3(creditline: Creditline, tmp_path: Path) -> None:
    """A member never trains on bytes that were not registered; restoring the file heals it."""
    works = tmp_path / "art"
    write_works(works, 6)
    creditline("init")
    creditline("register", works, "--owners", works / "owners.csv")
    creditline("encode", "--within", "none", "--members", 6, "--seed", 2)
    before = (works / "03.png").read_bytes()
    (works / "03.png").write_bytes((works / "04.png").read_bytes())
    outcome = creditline(*TRAIN)
    assert outcome.status == 3
    assert "03.png" in outcome.err
    (works / "03.png").write_bytes(before)
    assert creditline(*TRAIN, "--steps", 2).status == 0


def test_image_from_outside(job: Job, tmp_path: Path) -> None:
    """--image audits any file; what is no image exits 2 by name; the report says that there is no
    counterfactual.
    """
    outcome = job.creditline("audit", "--image", job.works / "04.png", "--shortlist", 3, "--json")
    assert outcome.status == 0
    first = outcome.document["audits"][0]["candidates"][0]
    assert first["label"] == "Work 4"
    assert first["influence_exact"] is None
    assert "no seed" in first["not_measured"]
    bad = tmp_path / "notes.png"
    bad.write_text("no image")
    refused = job.creditline("audit", "--image", bad)
    assert refused.status == 2
    assert "notes.png" in refused.err


def test_ablating_units_together(job: Job, tmp_path: Path) -> None:
    """One unit can always be taken out; more than the encoding can lose exits 2 and says how many
    it can.
    """
    sample = job.sample.document["samples"][0]["id"]
    out = tmp_path / "without.png"
    done = job.creditline("ablate", sample, "--without", "Work 4", "--out", out, "--json")
    assert "--lpips alex" in done.document["lpips"]["not_measured"]
    assert done.status == 0
    assert done.document["without"] == ["Work 4"]
    assert len(done.document["members"]) == 4
    assert done.document["influence"] > 0
    assert out.is_file()
    everything = [argument for number in range(12) for argument in ("--without", number)]
    refused = job.creditline("ablate", sample, *everything, "--out", tmp_path / "none.png")
    assert refused.status == 2
    assert "this encoding can lose any 2 at once" in refused.err
    assert not (tmp_path / "none.png").exists()
    unknown = job.creditline("ablate", sample, "--without", "Work 99", "--out", tmp_path / "none.png")
    assert unknown.status == 2
    assert "Work 99" in unknown.err


def test_members_without_any_work(creditline: Creditline, tmp_path: Path) -> None:
    """Three rightsholders cannot keep six members busy: encode warns, train refuses and says what
    to choose.
    """
    works = tmp_path / "art"
    write_works(works, 6)
    creditline("init")
    creditline("register", works, "--owners", works / "owners.csv")
    encoded = creditline("encode", "--unit", "rightsholder", "--members", 9, "--weight", 2)
    assert encoded.status == 0
    assert "cannot be trained" in encoded.err
    outcome = creditline(*TRAIN)
    assert outcome.status == 2
    assert "without any work" in outcome.err


@pytest.mark.slow
def test_conditional_members(creditline: Creditline, six: Creditline, tmp_path: Path) -> None:
    """Train --label conditions on a column, whose classes are then prompts of samples: several at
    once, from a file, listed, verified. A wrong prompt exits 2 and says which there are.
    """
    creditline.take(six)
    assert creditline(*TRAIN, "--label", "kind", "--steps", 3).status == 0
    drawn = creditline("sample", "--prompt", "disc", "--prompt", "square", "--steps", 4, "--sampler", "dpm++")
    assert drawn.status == 0
    (tmp_path / "prompts.csv").write_text("prompt,seed,count\ndisc,0,1\nsquare,7,2\n", encoding="utf-8")
    listed = creditline(
        "sample", "--prompts", tmp_path / "prompts.csv", "--steps", 4, "--sampler", "dpm++", "--json"
    ).document["samples"]
    assert [(each["label"], each["seed"]) for each in listed] == [("disc", 0), ("square", 7), ("square", 8)]
    assert listed[0]["id"] == drawn.out.split()[0]
    assert {each["sampler"]["method"] for each in listed} == {"dpm++"}
    table = creditline("samples").out
    assert "prompt" in table.splitlines()[0]
    assert "dpm++ 4" in table
    assert creditline("verify", "--all").status == 0
    for arguments, message in (
        (("sample", "--steps", 4), "choose one of disc, square"),
        (("sample", "--prompt", "cat"), "choose one of disc, square"),
        (("sample", "--prompt", "disc", "--guidance", 3), "no guidance"),
        (("sample", "--prompt", "disc", "--negative", "square"), "no effect at guidance 1"),
        (("sample", "--prompt", "disc", "--prompts", "x"), "one of them"),
        (("sample", "--prompt", ""), "is empty"),
        (("sample", "--prompt", "a\nb"), "control characters"),
        (("sample", "--prompts", tmp_path / "none.txt"), "none.txt: No such file"),
        (("sample", "--prompt", "disc", "--spacing", "trailing", "--steps", 2000), "2000 sampling steps"),
        (("audit", "--all", "--prompt", "disc"), "--prompt needs --image"),
        ((*TRAIN, "--label", "weight"), "weight"),
    ):
        outcome = creditline(*arguments)
        assert outcome.status == 2, (arguments, outcome.err)
        assert message in outcome.err
        assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("audit",), 2, "--all"),
        (("audit", "--all", "--image", "x.png"), 2, "one of"),
        (("verify",), 2, "--all"),
        (("verify", "ffffffffffff"), 2, "ffffffffffff"),
        (("sample", "--ensemble", "ffff"), 2, "ffff"),
        (("sample", "--sampler", "euler"), 2, "euler"),
        (("sample", "--steps", 0), 2, "--steps"),
        (("train", "--size", 10), 2, "multiple of"),
        (("train", "--widths", "a,b"), 2, "a,b"),
        (("train", "--device", "tpu"), 2, "tpu"),
        (("members", "import", "nowhere"), 2, "nowhere"),
        (("report", "--all"), 2, "audit"),
    ],
)
def test_bad_usage(
    creditline: Creditline, six: Creditline, arguments: tuple[object, ...], status: int, message: str
) -> None:
    """One line that names what was wrong, nothing on stdout, the stated status."""
    outcome = creditline.take(six)(*arguments)
    assert outcome.status == status
    assert message in outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err


def test_no_ensemble_yet_says_what_to_run(creditline: Creditline) -> None:
    """An empty registry, and none at all."""
    assert "creditline init" in creditline("sample").err
    creditline("init")
    outcome = creditline("sample")
    assert outcome.status == 2
    assert "creditline train" in outcome.err
