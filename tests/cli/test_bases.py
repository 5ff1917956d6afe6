"""``creditline base``: registers, lists and shows base models; every refusal is one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.running import Creditline
from tests.support.tiny_base import in_hub_cache, tiny_bases
from tests.support.works import write_pictures


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pipelines of every kind, for reading."""
    return tiny_bases(tmp_path_factory)


@pytest.fixture
def creditline(tmp_path: Path) -> Creditline:
    """A home with the data set ``flowers``."""
    command = Creditline(tmp_path / "home")
    assert command("init").status == 0
    write_pictures(tmp_path / "flowers", ["a.png"])
    assert command("register", tmp_path / "flowers", "--rightsholder", "Ada").status == 0
    return command


def test_a_base_is_added_listed_and_shown(creditline: Creditline, tiny: Path, tmp_path: Path) -> None:
    """In words and as JSON; adding it again changes nothing; what is not known is said."""
    folder = shutil.copytree(tiny / "sd", tmp_path / "tiny-sd")
    dry = creditline("base", "add", folder, "--dry-run")
    assert dry.status == 0
    assert "nothing was recorded" in dry.err
    assert creditline("base", "list", "--json").document["bases"] == []
    added = creditline("base", "add", folder, "--licence", "creativeml-openrail-m")
    assert added.status == 0
    assert added.out.startswith("tiny-sd (")
    assert "registered" in added.out
    assert "kept as they are" in added.err
    assert "The training data of the base is unknown." in added.err
    again = creditline("base", "add", folder, "--json").document
    assert (again["new"], again["changed"], again["creditline"]) == (False, [], "base")
    known = creditline("base", "add", folder, "--trained-on", "flowers")
    assert "trained on changed" in known.out
    assert "trained on the data set “flowers”" in known.err
    listed = creditline("base", "list")
    assert "tiny-sd" in listed.out
    assert "flowers" in listed.out
    shown = creditline("base", "show", "tiny-sd")
    for words in ("StableDiffusionPipeline", "epsilon", "32x32", "scaled_linear", "flowers", "UNet2DConditionModel"):
        assert words in shown.out
    facts = creditline("base", "show", again["base_id"][:10], "--json").document
    assert facts["components"] == again["components"]
    assert facts["trained_on"] == "flowers"
    assert creditline("doctor").status == 0
    assert creditline("log", "verify").status == 0


def edit_parts(folder: Path, **parts: list[str] | None) -> None:
    """Change parts in the pipeline's list; None: the part is not in it."""
    path = folder / "model_index.json"
    listed = json.loads(path.read_bytes()) | parts
    path.write_text(json.dumps({name: each for name, each in listed.items() if each is not None}), encoding="utf-8")


def test_a_stated_training_is_said_as_stated(creditline: Creditline, tiny: Path, tmp_path: Path) -> None:
    """In words, in the list, as JSON: never as verified. A data set on record replaces it."""
    folder = shutil.copytree(tiny / "sd", tmp_path / "tiny-sd")
    (folder / "README.md").write_text("---\ndatasets:\n- owner/pictures\n---\n", encoding="utf-8")
    said = "The model card of the base states that it was trained on “owner/pictures”. Nobody here has verified this."
    assert said in creditline("base", "add", folder).err
    assert said in creditline("base", "show", "tiny-sd").err
    assert "as its card states, not verified: owner/pictures" in creditline("base", "list").out
    assert creditline("base", "show", "tiny-sd", "--json").document["stated_training"] == "owner/pictures"
    recorded = creditline("base", "add", folder, "--trained-on", "flowers").err
    assert "trained on the data set “flowers”" in recorded
    assert "owner/pictures" not in recorded
    (folder / "README.md").unlink()
    assert "trained on, stated training changed" in creditline("base", "add", folder, "--trained-on", "").out


def test_a_pipeline_without_a_unet_is_refused(creditline: Creditline, tiny: Path, tmp_path: Path) -> None:
    """Also one with a transformer: one line that says what is supported, and status 2."""
    for name, parts, said in (
        ("none", {"unet": None}, "has no UNet: not supported yet; supported are Stable Diffusion 1 and 2, SDXL"),
        ("other", {"unet": None, "transformer": ["diffusers", "FluxTransformer2DModel"]}, "denoises by a transformer"),
    ):
        folder = shutil.copytree(tiny / "sd", tmp_path / name)
        edit_parts(folder, **parts)
        refused = creditline("base", "add", folder)
        assert refused.status == 2
        assert said in refused.err
        assert len(refused.err.strip().splitlines()) == 1


def test_a_safety_checker_is_ignored_and_said(creditline: Creditline, tiny: Path, tmp_path: Path) -> None:
    """The base is registered without it; pictures are not filtered."""
    folder = shutil.copytree(tiny / "sd", tmp_path / "checked")
    edit_parts(folder, safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"])
    added = creditline("base", "add", folder)
    assert added.status == 0
    assert "safety_checker ('StableDiffusionSafetyChecker') is ignored" in added.err
    assert "images are not filtered" in added.err
    parts = creditline("base", "show", "checked", "--json").document["components"]
    assert "safety_checker" not in {part["name"] for part in parts}


def test_refusals_are_one_line(creditline: Creditline, tiny: Path) -> None:
    """Of folders that do not fit, and names of bases and data sets that are not there."""
    for arguments, words in (
        ((tiny / "sample",), "prediction_type 'sample': not supported"),
        ((tiny / "nothing",), "there is no folder"),
        (("",), "there is no folder ''"),
        ((tiny,), "has no model_index.json"),
        ((tiny / "sd" / "model_index.json",), "is a file; expected a folder in diffusers' format"),
        ((tiny / "sd", "--trained-on", "nothing"), "no data set 'nothing'"),
        ((tiny / "sd", "--variant", "bf16"), "no weights of the variant 'bf16'"),
        ((tiny / "sd", "--name", "a\nb"), "the name has control characters"),
    ):
        refused = creditline("base", "add", *arguments)
        assert refused.status == 2, words
        assert words in refused.err
        assert len(refused.err.strip().splitlines()) == 1
    missing = creditline("base", "show", "nothing")
    assert (missing.status, "no base model 'nothing'" in missing.err) == (2, True)
    assert creditline("base", "list", "--json").document["bases"] == []


def test_a_name_is_looked_up_in_the_hub_cache_alone(
    creditline: Creditline,
    tiny: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a network: the snapshot's name and commit are the source; what is missing is said."""
    cache = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    snapshot = in_hub_cache(tiny / "v", cache, "owner/model", "c0ffee" + "0" * 34)
    missing = creditline("base", "add", "owner/other")
    assert missing.status == 2
    assert "`hf download owner/other`" in missing.err
    assert "creditline itself downloads nothing" in missing.err
    added = creditline("base", "add", "owner/model", "--json")
    assert added.status == 0, added.err
    facts = added.document
    assert (facts["name"], facts["source"]) == ("owner/model", f"owner/model, commit {'c0ffee' + '0' * 34}")
    assert facts["prediction"] == "v_prediction"
    assert creditline("base", "add", f"owner/model@{'c0ffee' + '0' * 34}", "--json").document["new"] is False
    assert creditline("base", "add", "owner/model@0123456").status == 2
    by_place = creditline("base", "add", snapshot, "--dry-run", "--json").document
    assert (by_place["new"], by_place["changed"], by_place["name"]) == (False, [], "owner/model")
