"""``creditline base``: registers, lists and shows base models; every refusal is one line."""

from __future__ import annotations

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
