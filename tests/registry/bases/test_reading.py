"""Reading a base's folder: its facts, its id, and a clear refusal of a folder that does not fit."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from benchmarks.tiny_base import TinyBase, save_tiny_base
from registry.bases.facts import Latents, Schedule
from registry.bases.reading import read_base
from registry.errors import CreditlineError, InputError
from registry.ids import sha256_of
from tests.registry.bases.conftest import OwnBase
from tests.support.tiny_base import in_hub_cache

Own = Callable[..., OwnBase]


def test_the_facts_of_stable_diffusion(tiny: Path) -> None:
    """As its configurations say; the weights counted are those that diffusers counts."""
    facts = read_base(tiny / "sd").facts
    assert (facts.pipeline, facts.family, facts.prediction) == ("StableDiffusionPipeline", "sd", "epsilon")
    assert facts.schedule == Schedule("PNDMScheduler", "scaled_linear", 0.00085, 0.012, 1000)
    assert facts.latents == Latents(channels=4, height=8, width=8, pixels=4, scale=0.18215, shift=0.0)
    assert (facts.image_size, facts.tokens, facts.variant) == ((32, 32), 16, None)
    weights = {component.name: component.weights for component in facts.components}
    assert list(weights) == ["pipeline", "scheduler", "text_encoder", "tokenizer", "unet", "vae"]
    stored = load_file(tiny / "sd" / "unet" / "diffusion_pytorch_model.safetensors")
    assert weights["unet"] == sum(tensor.size for tensor in stored.values())
    assert weights["tokenizer"] == weights["scheduler"] == 0


def test_the_facts_of_other_pipelines(tiny: Path) -> None:
    """The other prediction, schedule and autoencoder; two text encoders; half precision; shards."""
    v = read_base(tiny / "v").facts
    assert (v.prediction, v.schedule.betas, v.latents.scale, v.latents.pixels, v.tokens) == (
        "v_prediction",
        "linear",
        1.0,
        4,
        24,
    )
    sdxl = read_base(tiny / "sdxl").facts
    assert sdxl.family == "sdxl"
    assert {component.name for component in sdxl.components} >= {"text_encoder_2", "tokenizer_2"}
    half, whole, shards = (read_base(tiny / kind).facts for kind in ("fp16", "sd", "shards"))
    assert half.variant == "fp16"
    assert half.id != whole.id != shards.id
    assert [each.weights for each in half.components] == [each.weights for each in whole.components]
    assert [each.weights for each in shards.components] == [each.weights for each in whole.components]
    unet = next(each for each in shards.components if each.name == "unet")
    assert len(unet.files) > 3
    assert "unet/diffusion_pytorch_model.safetensors.index.json" in {file.path for file in unet.files}


def test_the_id_is_the_hash_over_the_hashes_of_the_files(tiny: Path) -> None:
    """Computed here once more; the same wherever the folder lies."""
    folder, facts = tiny / "sd", read_base(tiny / "sd").facts
    components = {}
    for component in facts.components:
        hashes = {file.path: hashlib.sha256((folder / file.path).read_bytes()).hexdigest() for file in component.files}
        components[component.name] = sha256_of(hashes)
    assert facts.id == sha256_of(components)
    assert len(facts.id) == 64


def test_each_byte_that_a_base_is_loaded_from_counts(own: Own) -> None:
    """A changed byte in any of its files makes another base; a file that is not loaded does not."""
    base = own()
    before = read_base(base.folder).facts
    (base.folder / "README.md").write_text("hello", encoding="utf-8")
    (base.folder / "unet" / "notes.txt").write_text("hello", encoding="utf-8")
    assert read_base(base.folder).facts.id == before.id
    for file in before.files():
        path = base.folder / file.path
        data = path.read_bytes()
        path.write_bytes(data + b" " if path.suffix != ".safetensors" else data[:-1] + bytes([data[-1] ^ 1]))
        assert read_base(base.folder).facts.id != before.id, file.path
        path.write_bytes(data)
    assert read_base(base.folder).facts.id == before.id


def test_reading_a_base_imports_no_network_library(tiny: Path) -> None:
    """Neither torch nor diffusers nor transformers, and nothing by a name from the folder."""
    program = (
        "import sys; from pathlib import Path; from registry.bases.reading import read_base; read_base(Path(sys.argv[1]));"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tiny / "sdxl")], capture_output=True, text=True, check=True
    )
    assert not {"torch", "diffusers", "transformers", "tokenizers"} & set(json.loads(done.stdout.replace("'", '"')))


def test_parts_that_generate_no_image_are_ignored_and_said(own: Own) -> None:
    """A safety checker, also without its folder, and pickled weights beside safetensors."""
    base = own()
    plain = read_base(base.folder)
    assert plain.notes == ()
    base.edit(
        "model_index.json",
        safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"],
        feature_extractor=["transformers", "CLIPImageProcessor"],
    )
    (base.folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x04.")
    notes = read_base(base.folder).notes
    assert len(notes) == 3
    assert "safety_checker ('StableDiffusionSafetyChecker') is ignored" in notes[0]
    assert "images are not filtered" in notes[0]
    assert "unet/diffusion_pytorch_model.bin is ignored" in notes[2]


PIPELINE = "model_index.json"
UNET, VAE, TEXT, TOKENIZER, SCHEDULER = (
    "unet/config.json",
    "vae/config.json",
    "text_encoder/config.json",
    "tokenizer/tokenizer_config.json",
    "scheduler/scheduler_config.json",
)


@pytest.mark.parametrize(
    ("file", "values", "said"),
    [
        (
            PIPELINE,
            {"unet": ..., "transformer": ["diffusers", "SD3Transformer2DModel"]},
            "by a transformer .*not supported yet",
        ),
        (PIPELINE, {"unet": ...}, "has no UNet: not supported yet"),
        (PIPELINE, {"unet": [None, None]}, "has no UNet: not supported yet"),
        (PIPELINE, {"vae": ...}, "has no vae: not supported yet"),
        (PIPELINE, {"unet": ["diffusers", "UNetMotionModel"]}, "the unet is 'UNetMotionModel': not supported yet"),
        (PIPELINE, {"unet": ["os", "system"]}, "the unet is 'system': not supported yet"),
        (PIPELINE, {"unet": [["os"], "UNet2DConditionModel"]}, "expected a library and a class"),
        (PIPELINE, {"unet": ["diffusers"]}, "expected a library and a class"),
        (PIPELINE, {"unet": ["diffusers", 7]}, "expected a library and a class"),
        (PIPELINE, {"text_encoder": ["transformers", "T5EncoderModel"]}, "the text_encoder is 'T5EncoderModel'"),
        (PIPELINE, {"controlnet": ["diffusers", "ControlNetModel"]}, "the part 'controlnet' .* is not supported yet"),
        (PIPELINE, {"_class_name": ["pipeline", "Own"]}, "code of its own, which is never run"),
        (PIPELINE, {"_class_name": ...}, "has no _class_name"),
        (PIPELINE, {"_class_name": "a\nb"}, "expected a text"),
        (PIPELINE, {"scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"]}, "the scheduler is 'FlowMatch"),
        (PIPELINE, {"text_encoder_2": ["transformers", "CLIPTextModelWithProjection"]}, "has no tokenizer_2"),
        (UNET, {"in_channels": 9}, "takes 9 channels .*inpainting"),
        (UNET, {"quantization_config": {"quant_method": "bitsandbytes"}}, "quantized weights are not supported yet"),
        (UNET, {"out_channels": 8}, "has out_channels 8; expected 4"),
        (UNET, {"in_channels": "4"}, "in_channels '4'; expected a whole number"),
        (UNET, {"in_channels": True}, "in_channels true; expected a whole number"),
        (UNET, {"in_channels": 10**400}, "expected a whole number"),
        (UNET, {"cross_attention_dim": 768}, "cross_attention_dim 768; expected 32"),
        (UNET, {"addition_embed_type": "image"}, "addition_embed_type 'image'"),
        (UNET, {"addition_embed_type": "text_time"}, "with two text encoders"),
        (UNET, {"class_embed_type": "timestep"}, "class_embed_type 'timestep': such a UNet is not supported"),
        (UNET, {"time_cond_proj_dim": 256}, "time_cond_proj_dim 256: such a UNet is not supported"),
        (UNET, {"sample_size": [8, 8, 8]}, "expected one number, or height and width"),
        (UNET, {"sample_size": []}, "expected a list of numbers"),
        (VAE, {"latent_channels": 16}, "takes 4 channels and the autoencoder makes 16"),
        (VAE, {"block_out_channels": [8, "8"]}, "expected a list of positive whole numbers"),
        (VAE, {"scaling_factor": 0}, "expected a number above 0"),
        (VAE, {"scaling_factor": "big"}, "expected a number"),
        (VAE, {"latents_mean": [0.0]}, "not supported yet"),
        (VAE, {"in_channels": 1}, "expected 3, the channels of a colour image"),
        (TEXT, {"hidden_size": ...}, "has no hidden_size"),
        (TEXT, {"vocab_size": 99}, "do not belong together"),
        (TEXT, {"max_position_embeddings": 99}, "do not belong together"),
        (TOKENIZER, {"model_max_length": "long"}, "model_max_length 'long'; expected a whole number"),
        (
            SCHEDULER,
            {"prediction_type": "sample"},
            "prediction_type 'sample': not supported; supported are epsilon and v_prediction",
        ),
        (SCHEDULER, {"prediction_type": "flow_prediction"}, "'flow_prediction': not supported"),
        (SCHEDULER, {"beta_schedule": "squaredcos_cap_v2"}, "'squaredcos_cap_v2': not supported yet"),
        (SCHEDULER, {"trained_betas": [0.1]}, "number by number"),
        (SCHEDULER, {"rescale_betas_zero_snr": True}, "ends without any signal"),
        (SCHEDULER, {"beta_start": ...}, "has no beta_start"),
        (SCHEDULER, {"beta_start": 0.5}, "beta_end 0.012; expected a number from"),
        (SCHEDULER, {"num_train_timesteps": 0}, "expected a whole number from 2"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(own: Own, file: str, values: dict[str, Any], said: str) -> None:
    """Each line names the file or part, what it has, and what was expected."""
    base = own()
    base.edit(file, **values)
    with pytest.raises(InputError, match=said) as refused:
        read_base(base.folder)
    assert "\n" not in str(refused.value)


def test_a_pipeline_with_another_prediction_is_refused(tiny: Path) -> None:
    """As diffusers itself saves it."""
    with pytest.raises(InputError, match="prediction_type 'sample'"):
        read_base(tiny / "sample")


def test_old_configurations_have_the_defaults_of_their_time(own: Own) -> None:
    """Stable Diffusion 1's first folders state neither the prediction nor the scale of latents."""
    base = own()
    base.edit(SCHEDULER, prediction_type=...)
    base.edit(VAE, scaling_factor=...)
    base.edit(TOKENIZER, model_max_length=10**30)
    facts = read_base(base.folder).facts
    assert (facts.prediction, facts.latents.scale, facts.tokens) == ("epsilon", 0.18215, 16)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is not JSON"),
        (b"[1]", "holds a list of 1; expected a JSON object"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "nested too deep|is not JSON"),
        (b'{"a":' * 100_000, "nested too deep|is not JSON"),
        (b'{"in_channels": ' + b"9" * 10_000 + b"}", "is not JSON|expected a whole number"),
        (b'{"x": "' + b"y" * 2**20 + b'"}', "has more than 1,048,576 bytes"),
    ],
    ids=["empty", "list", "no text", "deep list", "deep object", "long number", "large"],
)
def test_hostile_json_is_refused_by_the_name_of_its_file(own: Own, data: bytes, said: str) -> None:
    """In each of the configurations."""
    base = own()
    for name in (PIPELINE, UNET, SCHEDULER):
        path = base.folder / name
        kept = path.read_bytes()
        path.write_bytes(data)
        with pytest.raises(InputError, match=said) as refused:
            read_base(base.folder)
        assert name in str(refused.value)
        path.write_bytes(kept)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_anywhere_is_read_or_refused(own: Own, tmp_path: Path, data: st.DataObject) -> None:
    """A value of any type in any place of any configuration: one line, no other error."""
    place = tmp_path / "any"
    base = OwnBase(place) if place.exists() else own("sd", place)
    file = data.draw(st.sampled_from((PIPELINE, UNET, VAE, TEXT, TOKENIZER, SCHEDULER)))
    path = base.folder / file
    kept = path.read_bytes()
    key = data.draw(st.sampled_from(sorted(json.loads(kept))))
    try:
        base.edit(file, **{key: data.draw(VALUES)})
        read_base(base.folder)
    except CreditlineError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 - most values are read without an error
    finally:
        path.write_bytes(kept)


def test_a_component_with_pickled_weights_alone_is_refused(own: Own) -> None:
    """The file is named, never opened, and the way out is said."""
    base = own()
    weights = base.folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(InputError, match=r"unet/diffusion_pytorch_model\.bin .*pickled weights.*save_pretrained"):
        read_base(base.folder)


def test_an_adapter_beside_the_weights_is_refused(own: Own) -> None:
    """Transformers would load it into the text encoder, and no hash would say so."""
    base = own()
    (base.folder / "text_encoder" / "adapter_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"text_encoder/adapter_config\.json .* would load an adapter"):
        read_base(base.folder)


def test_half_precision_in_shards(tmp_path: Path) -> None:
    """As both libraries name such files."""
    facts = read_base(save_tiny_base(tmp_path / "base", TinyBase(variant="fp16", shard_size="100KB"))).facts
    names = {file.path for file in facts.files()}
    assert "unet/diffusion_pytorch_model.safetensors.index.fp16.json" in names
    assert any(name.startswith("unet/diffusion_pytorch_model.fp16-00001-of-") for name in names)
    assert facts.variant == facts.variant_of("unet") == "fp16"


def test_missing_files_are_named(own: Own) -> None:
    """One at a time, of all that a base is loaded from."""
    base = own()
    for file in read_base(base.folder).facts.files():
        path = base.folder / file.path
        moved = path.rename(base.folder / "aside")
        with pytest.raises(InputError, match=Path(file.path).name.split(".")[0]):
            read_base(base.folder)
        moved.rename(path)
    with pytest.raises(InputError, match="cannot open the folder"):
        read_base(base.folder / "nothing")
    with pytest.raises(InputError, match="is a file; expected a folder in diffusers' format"):
        read_base(base.folder / PIPELINE)
    with pytest.raises(InputError, match=r"has no model_index\.json"):
        read_base(base.folder / "unet")
    with pytest.raises(InputError, match="cannot open the folder"):
        read_base(Path("a\0b"))


def test_cut_or_exchanged_weights_are_refused(own: Own) -> None:
    """A download that broke off, a page of HTML, and the weights of another network."""
    base = own()
    path = base.folder / "unet" / "diffusion_pytorch_model.safetensors"
    data = path.read_bytes()
    for bad in (data[:-100], b"<html>not found</html>", b"", b"\xff" * 16):
        path.write_bytes(bad)
        with pytest.raises(InputError, match="is no whole safetensors file"):
            read_base(base.folder)
    save_file({"conv_in.weight": np.zeros((16, 9, 3, 3), np.float32)}, path)
    with pytest.raises(
        InputError, match=r"conv_in\.weight of unet have the shape \[16, 9, 3, 3\].*do not belong together"
    ):
        read_base(base.folder)
    save_file({"other": np.zeros(3, np.float32)}, path)
    with pytest.raises(InputError, match=r"conv_in\.weight of unet are missing"):
        read_base(base.folder)


def test_shards_are_those_of_their_index(own: Own) -> None:
    """A shard that is missing, a tensor elsewhere, a name that leads out of the folder."""
    base = own("shards")
    index = base.folder / "unet" / "diffusion_pytorch_model.safetensors.index.json"
    listed = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    first = next(iter(listed))
    others = sorted(set(listed.values()) - {listed[first]})
    base.edit("unet/" + index.name, weight_map=listed | {first: others[0]})
    with pytest.raises(InputError, match="differ in the tensor"):
        read_base(base.folder)
    for name in ("../vae/diffusion_pytorch_model.safetensors", "/etc/passwd", "a.bin", "..", "x\0.safetensors", 7):
        base.edit("unet/" + index.name, weight_map=listed | {first: name})
        with pytest.raises(InputError, match="expected the name of a safetensors file beside it"):
            read_base(base.folder)
    wrongs: tuple[object, ...] = ({}, [], None, "x")
    for wrong in wrongs:
        base.edit("unet/" + index.name, weight_map=wrong)
        with pytest.raises(InputError, match="weight_map"):
            read_base(base.folder)
    base.edit("unet/" + index.name, weight_map=listed)
    (base.folder / "unet" / listed[first]).unlink()
    with pytest.raises(InputError, match="lacks the file unet/diffusion_pytorch_model-00001"):
        read_base(base.folder)


def test_variants_are_chosen_like_diffusers_does(own: Own, tiny: Path) -> None:
    """Files without a variant first; the only variant by itself; of several, none by itself."""
    base = own()
    for part, stem in (
        ("unet", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
    ):
        name = f"{part}/{stem}.fp16.safetensors"
        (base.folder / name).write_bytes((tiny / "fp16" / name).read_bytes())
    assert read_base(base.folder).facts.id == read_base(tiny / "sd").facts.id
    half = read_base(base.folder, variant="fp16").facts
    assert [file.path for file in half.files()] == [file.path for file in read_base(tiny / "fp16").facts.files()]
    assert half.variant == "fp16"
    with pytest.raises(InputError, match="no weights of the variant 'bf16'; variants there: fp16"):
        read_base(base.folder, variant="bf16")
    (base.folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    mixed = read_base(base.folder).facts
    assert mixed.variant == "fp16"
    assert mixed.variant_of("unet") == mixed.variant_of("vae") == "fp16"
    assert mixed.variant_of("tokenizer") is mixed.variant_of("other") is None
    (base.folder / "text_encoder" / "model.fp16.safetensors").rename(base.folder / "half")
    mixed = read_base(base.folder).facts
    assert (mixed.variant_of("unet"), mixed.variant_of("text_encoder")) == ("fp16", None)
    (base.folder / "unet" / "diffusion_pytorch_model.fp16.safetensors").rename(
        base.folder / "unet" / "diffusion_pytorch_model.ema.safetensors"
    )
    (base.folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(InputError, match=r"not of one variant .* choose one with --variant"):
        read_base(base.folder)


def test_links_stay_in_the_folder(own: Own, tmp_path: Path) -> None:
    """A link to a place outside is refused, wherever it stands; a circle and a pipe as well."""
    base = own()
    for name in (UNET, "unet/diffusion_pytorch_model.safetensors", PIPELINE):
        path = base.folder / name
        outside = tmp_path / f"outside-{path.name}"
        path.rename(outside)
        path.symlink_to(outside)
        with pytest.raises(InputError, match="is a link to a place outside of the folder"):
            read_base(base.folder)
        path.unlink()
        path.symlink_to(path)
        with pytest.raises(InputError, match=r"lacks the file|cannot open"):
            read_base(base.folder)
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(InputError, match="is no plain file"):
            read_base(base.folder)
        path.unlink()
        outside.rename(path)
    read_base(base.folder)


def test_a_snapshot_of_the_hub_links_to_its_blobs(own: Own, tmp_path: Path) -> None:
    """The cache's layout: every file of the snapshot is a link to a file named by its hash."""
    plain = own()
    snapshot = in_hub_cache(plain.folder, tmp_path / "hub", "owner/model", "c0ffee")
    assert read_base(snapshot).facts.id == read_base(plain.folder).facts.id


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: creativeml-openrail-m\ntags:\n- x\n---\n# A model\n", "creativeml-openrail-m"),
        ("\ufeff---\r\nlicense: MIT\r\n---\r\n", "MIT"),
        ("---\nlicense: [mit, apache-2.0]\n---\n", "mit AND apache-2.0"),
        (
            "---\nlicense: other\nlicense_name: house-terms\nlicense_link: https://example.org/terms\n---\n",
            "house-terms https://example.org/terms",
        ),
        ("---\nlicense: other\n---\n", "other"),
        ("---\nlicense:\n---\n", None),
        ("# No front matter\nlicense: mit\n", None),
        ("---\nlicense: mit\n", None),
    ],
)
def test_the_licence_of_the_model_card(own: Own, card: str, licence: str | None) -> None:
    """From the front matter alone."""
    base = own()
    (base.folder / "README.md").write_bytes(card.encode())
    reading = read_base(base.folder)
    assert (reading.card.licence, reading.notes) == (licence, ())


@pytest.mark.parametrize(
    ("field", "stated", "said"),
    [
        ("datasets: lambda/house", "lambda/house", None),
        ("datasets:\n- one/set\n- ' '\n- a set of prints", "one/set, a set of prints", None),
        ("datasets: []", None, None),
        ("datasets:\n- {name: one}", None, "its datasets is no text and no list of texts"),
        ('datasets: "a\\u0007b"', None, "control characters"),
        (f"datasets: {'x' * 501}", None, "501 characters, at most 500"),
    ],
)
def test_the_training_data_of_the_model_card(own: Own, field: str, stated: str | None, said: str | None) -> None:
    """Hostile data sets are a note, and cost no licence."""
    base = own()
    (base.folder / "README.md").write_text(f"---\nlicense: mit\n{field}\n---\n", encoding="utf-8")
    reading = read_base(base.folder)
    assert (reading.card.licence, reading.card.training_data) == ("mit", stated)
    assert bool(reading.notes) == (said is not None)
    assert all(said in note and "training data in README.md is not read" in note for note in reading.notes if said)


def merges(level: int) -> str:
    """A mapping that merges the one before nine times."""
    before, name = f"*level{level - 1}", f"&level{level}"
    return f"level{level}: {name}\n  <<: [{', '.join([before] * 9)}]\n"


BOMB = "level0: &level0 {x: 1}\n" + "".join(map(merges, range(1, 13)))


@pytest.mark.parametrize(
    "card",
    [
        "---\nlicense: {a: b}\n---\n",
        "---\nlicense: [a\n---\n",
        "---\n" + "[" * 50_000 + "\n---\n",
        "---\nlicense: 'a\\u0007'\nlicense: \"a\\u0007b\"\n---\n",
    ],
    ids=["object", "broken", "deep", "control"],
)
def test_a_card_that_cannot_be_read_is_a_note(own: Own, card: str) -> None:
    """The base is read; the licence is not, and the note says so."""
    base = own()
    (base.folder / "README.md").write_text(card, encoding="utf-8")
    reading = read_base(base.folder)
    assert reading.card.licence is None
    assert any("licence in README.md is not read" in note for note in reading.notes)


def test_a_card_makes_no_objects(own: Own, tmp_path: Path) -> None:
    """A tag that would call a function in an unsafe loader is only a text's tag."""
    base, mark = own(), tmp_path / "called"
    card = f"---\nlicense: !!python/object/apply:os.mkdir ['{mark}']\n---\n"
    (base.folder / "README.md").write_text(card, encoding="utf-8")
    read_base(base.folder)
    assert not mark.exists()


def test_a_card_of_merge_keys_does_not_grow(own: Own) -> None:
    """Twelve levels of nine merges would make 9 to the 12th entries."""
    base = own()
    (base.folder / "README.md").write_text(f"---\nlicense: mit\n{BOMB}---\n", encoding="utf-8")
    assert read_base(base.folder).card.licence == "mit"
