"""Adapters on a base model through the command line: from works with captions to reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from benchmarks.tiny_base import TinyBase, save_tiny_base
from registry.ids import sha256_of_file
from tests.attribution.conftest import write_works
from tests.support.captioned import SAMPLE, TRAIN
from tests.support.running import Creditline


@pytest.fixture(scope="module")
def trained(adapters: Creditline, tmp_path_factory: pytest.TempPathFactory) -> Creditline:
    """A copy with its members trained, for this module."""
    return Creditline(tmp_path_factory.mktemp("trained") / "home").take(adapters)


def test_a_member_is_an_adapter(trained: Creditline) -> None:
    """A few kilobytes; its manifest names the base; the same command trains nothing again."""
    again = trained(*TRAIN, "--json").document
    assert len(again["members"]) == 5
    for member in again["members"]:
        folder = trained.home / "members" / member["id"]
        assert sum(path.stat().st_size for path in folder.iterdir()) < 200_000
        settings = json.loads((folder / "manifest.json").read_bytes())["settings"]
        assert settings["kind"] == "adapters"
        assert settings["network"]["base"] == trained("base", "show", "tiny", "--json").document["base_id"]
        assert settings["label_column"] == "caption"


@pytest.mark.slow
def test_prompts_are_sampled_verified_audited_and_reported(trained: Creditline, tmp_path: Path) -> None:
    """The prompt and every setting stand in the listing, the JSON and the page, escaped."""
    hostile = "a <b>cat</b> in the sun"
    made = trained(*SAMPLE, "--prompt", hostile, "--prompt", "a dog", "--negative", "a house", "--json")
    assert made.status == 0, made.err
    samples = made.document["samples"]
    assert [each["label"] for each in samples] == [hostile, "a dog"]
    told = samples[0]["sampler"]
    assert (told["method"], told["guidance"], told["negative"]) == ("ddim", 7.5, "a house")
    assert (told["beta_schedule"], told["offset"], told["clip"]) == ("scaled_linear", 1, False)
    assert "looks" not in told
    merged = trained(*SAMPLE, "--prompt", "a dog", "--sampler", "dpm++", "--serve", "merged", "--json").document[
        "samples"
    ]
    assert merged[0]["sampler"]["serve"] == "merged"
    listing = trained("samples").out
    assert "dpm++ 3, merged, guidance 7.5" in listing
    assert hostile in listing
    assert trained("verify", "--all").status == 0
    left_out = trained("ablate", samples[0]["id"], "--without", "Work 3", "--out", tmp_path / "without.png")
    assert left_out.status == 0, left_out.err
    assert trained("audit", "--all", "--shortlist", 3).status == 0
    assert trained("report", "--all", "--out", tmp_path / "site").status == 0
    pages = [path.read_text(encoding="utf-8") for path in (tmp_path / "site").rglob("*.html")]
    assert any("a &lt;b&gt;cat&lt;/b&gt; in the sun" in page for page in pages)
    assert not any("<b>cat</b>" in page for page in pages)


def test_an_empty_prompt_is_refused_everywhere(trained: Creditline, tmp_path: Path) -> None:
    """By sample and by audit, before the image is read."""
    for command in (("sample",), ("audit", "--image", tmp_path / "nothing.png")):
        outcome = trained(*command, "--prompt", " ")
        assert outcome.status == 2
        assert "the prompt is empty" in outcome.err


def test_a_long_prompt_is_cut_and_said(trained: Creditline) -> None:
    """The base reads 16 tokens; the row keeps the whole prompt."""
    text = "a cat in the sun by the tree " * 4
    outcome = trained(*SAMPLE, "--prompt", text, "--json")
    assert outcome.status == 0
    assert "longer than the base reads, so the end is cut: 1 text" in outcome.err
    assert outcome.document["samples"][0]["label"] == text.strip()


@pytest.mark.slow
def test_members_retrain_after_a_withdrawal(creditline: Creditline, trained: Creditline) -> None:
    """Members that saw the work go out of service, samples name the rest, and retraining works."""
    creditline.take(trained)
    before = creditline(*SAMPLE, "--prompt", "a dog", "--seed", 5).out.split()[0]
    assert creditline("withdraw", "0", "--reason", "asked", "--yes").status == 0
    during = creditline(*SAMPLE, "--prompt", "a dog", "--seed", 5, "--json")
    assert during.status == 0, during.err
    assert "3 of 5 members are in service" in during.err
    assert during.document["samples"][0]["id"] != before
    retrained = creditline("retrain", "--workers", 1)
    assert retrained.status == 0, retrained.err
    after = creditline(*SAMPLE, "--prompt", "a dog", "--seed", 5, "--json").document
    assert len(after["members"]) == 5
    assert creditline("verify", "--all").status == 0


@pytest.mark.slow
def test_one_home_has_adapters_and_whole_networks(creditline: Creditline, trained: Creditline, tmp_path: Path) -> None:
    """Text to image, then pixels, then text to image: each ensemble keeps its own samples."""
    creditline.take(trained)
    prompted = (*SAMPLE, "--prompt", "a dog")
    adapters = creditline(*prompted, "--json").document["ensemble"]
    pixels = ("train", "--size", 16, "--widths", "8,16", "--batch-size", 4, "--steps", 3, "--workers", 1)
    assert creditline(*pixels).status == 0
    whole = creditline(*SAMPLE, "--json").document
    assert whole["ensemble"] != adapters
    assert whole["samples"][0]["label"] is None
    refused = creditline(*prompted)
    assert refused.status == 2
    assert creditline("audit", "--all", "--shortlist", 3).status == 0
    again = creditline(*prompted, "--seed", 1, "--ensemble", adapters, "--json").document
    assert again["ensemble"] == adapters
    assert creditline("audit", "--all", "--shortlist", 3, "--ensemble", adapters).status == 0
    assert creditline("verify", "--all").status == 0
    assert creditline("report", "--all", "--out", tmp_path / "site").status == 0
    pages = [path.read_text(encoding="utf-8") for path in (tmp_path / "site").glob("*.html") if path.stem != "index"]
    # The shared home may have further samples of adapters; of whole networks there is one.
    assert len(pages) >= 3
    assert sum("the base model" not in page for page in pages) == 1
    assert creditline("doctor").status == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--rank", 4), "--rank needs --base BASE"),
        (("train", "--target", "attention"), "--target needs --base BASE"),
        (("train", "--base", "tiny", "--widths", "32"), "--widths is not for --base BASE"),
        (("train", "--base", "tiny", "--grey"), "--grey is not for --base BASE"),
        (("train", "--base", "other"), "no base model 'other'"),
        (("train", "--base", "tiny", "--rank", 5000), "rank 5000"),
        (("train", "--base", "tiny", "--caption-dropout", 1.5), "caption dropout"),
        (("train", "--base", "tiny", "--size", 30), "30 pixels"),
        (("train", "--base", "tiny", "--accumulation", 17), "17 passes"),
        (("train", "--base", "tiny", "--min-snr", "nan"), "signal-to-noise ratio nan"),
        (("train", "--base", "tiny", "--min-snr", "inf"), "signal-to-noise ratio inf"),
        (("train", "--base", "tiny", "--learning-rate", "nan"), "learning rate nan"),
        (("train", "--base", "tiny", "--label", "nothing"), "no work has a value in the column 'nothing'"),
    ],
)
def test_wrong_options_are_named(captioned: Creditline, arguments: tuple[object, ...], message: str) -> None:
    """Exit status 2, one line."""
    outcome = captioned(*arguments)
    assert outcome.status == 2, outcome.err
    assert message in outcome.err


def test_works_without_captions_are_told(creditline: Creditline, tmp_path: Path) -> None:
    """What to do is said before anything is trained."""
    write_works(tmp_path / "art", 6)
    creditline("init")
    creditline("register", tmp_path / "art", "--owners", tmp_path / "art" / "owners.csv")
    assert creditline("encode", "--within", "none", "--members", 5, "--weight", 2).status == 0
    save_tiny_base(tmp_path / "base", TinyBase(autoencoder="tiny"))
    assert creditline("base", "add", tmp_path / "base", "--name", "tiny").status == 0
    outcome = creditline(*TRAIN)
    assert outcome.status == 2
    assert "no work of the encoding has a caption: register the works again with captions" in outcome.err


@pytest.mark.slow
def test_a_changed_base_is_refused(creditline: Creditline, trained: Creditline) -> None:
    """By training and by sampling alike; the message names the file."""
    creditline.take(trained)
    folder = Path(creditline("base", "show", "tiny", "--json").document["folder"])
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    data = weights.read_bytes()
    try:
        weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        for command in (TRAIN, (*TRAIN[:-1], 1, "--seed", 3), (*SAMPLE, "--prompt", "a dog", "--seed", 77)):
            outcome = creditline(*command)
            assert outcome.status == 3, (command, outcome.err)
            assert "unet/diffusion_pytorch_model.safetensors was changed" in outcome.err
    finally:
        weights.write_bytes(data)


def elsewhere(folder: Path, to: Path, name: str, **changes: object) -> Path:
    """A copy of a member's folder with a LoRA file as peft names it, and a manifest of that."""
    to.mkdir()
    weights = {
        name.replace("unet.", "base_model.model."): value
        for name, value in load_file(folder / "diffusion_pytorch_model.safetensors").items()
    }
    save_file(weights, to / name)
    config = json.loads((folder / "config.json").read_bytes()) | changes
    (to / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (to / "works.txt").write_bytes((folder / "works.txt").read_bytes())
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest |= {"weights_sha256": sha256_of_file(to / name), "config_sha256": sha256_of_file(to / "config.json")}
    (to / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return to


@pytest.mark.slow
def test_adapters_trained_elsewhere_are_imported(
    creditline: Creditline, captioned: Creditline, trained: Creditline, tmp_path: Path
) -> None:
    """LoRA files of diffusers and of peft, with a manifest; another rank or base is refused."""
    creditline.take(captioned)
    first, second, *_ = sorted((trained.home / "members").glob("*-*"))
    diffusers_own = elsewhere(first, tmp_path / "a", "pytorch_lora_weights.safetensors")
    peft_own = elsewhere(second, tmp_path / "b", "adapter_model.safetensors")
    imported = creditline("members", "import", diffusers_own, peft_own)
    assert imported.status == 0, imported.err
    assert imported.out.split() == [first.name, second.name]
    assert (creditline.home / "members" / first.name / "diffusion_pytorch_model.safetensors").is_file()
    for changes, message in (({"rank": 3}, "rank is 3, this ensemble has 2"), ({"base": "0" * 64}, "base is")):
        wrong = elsewhere(second, tmp_path / message[:4], "adapter_model.safetensors", **changes)
        refused = creditline("members", "import", wrong)
        assert refused.status == 3, refused.err
        assert message in refused.err
    assert creditline("doctor").status == 0
