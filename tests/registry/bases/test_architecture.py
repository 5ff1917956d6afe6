"""What is read of the configurations of models that people have, as these state it."""

from __future__ import annotations

from typing import Any

import pytest

from registry.bases.architecture import Architecture, read_architecture
from registry.bases.documents import Config
from registry.bases.facts import Family, Latents, Schedule
from registry.bases.support import supported_pipeline
from registry.errors import InputError

SCALED = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
KL = {"in_channels": 3, "out_channels": 3, "latent_channels": 4, "block_out_channels": [128, 256, 512, 512]}
UNET = {"in_channels": 4, "out_channels": 4, "sample_size": 64, "cross_attention_dim": 768}
CLIP = {"hidden_size": 768, "max_position_embeddings": 77, "projection_dim": 768}
TOKENIZER = {"model_max_length": 77}

STABLE_DIFFUSION_1: dict[str, Any] = {
    "unet": UNET,
    "vae": {**KL, "sample_size": 512},
    "text_encoder": CLIP,
    "tokenizer": TOKENIZER,
    "scheduler": {**SCALED, "skip_prk_steps": True, "steps_offset": 1},
}
STABLE_DIFFUSION_2: dict[str, Any] = {
    **STABLE_DIFFUSION_1,
    "unet": {**UNET, "sample_size": 96, "cross_attention_dim": 1024, "num_class_embeds": None},
    "text_encoder": {**CLIP, "hidden_size": 1024, "projection_dim": 512},
    "scheduler": {**SCALED, "prediction_type": "v_prediction", "trained_betas": None},
}
SDXL: dict[str, Any] = {
    **STABLE_DIFFUSION_1,
    "unet": {
        **UNET,
        "sample_size": 128,
        "cross_attention_dim": 2048,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
    "vae": {**KL, "sample_size": 1024, "scaling_factor": 0.13025, "latents_mean": None},
    "text_encoder_2": {**CLIP, "hidden_size": 1280, "projection_dim": 1280},
    "tokenizer_2": TOKENIZER,
    "scheduler": {**SCALED, "prediction_type": "epsilon", "timestep_spacing": "leading"},
}


def read(parts: dict[str, dict[str, Any]], family: Family, scheduler: str) -> Architecture:
    classes = {"vae": "AutoencoderKL", "scheduler": scheduler}
    configs = {part: Config(f"{part}/config.json", values) for part, values in parts.items()}
    return read_architecture(configs, classes, family)


def test_models_that_people_have() -> None:
    """Stable Diffusion 1.5 and 2.1, and SDXL, by what their configurations say of them."""
    first = read(STABLE_DIFFUSION_1, "sd", "PNDMScheduler")
    assert first.prediction == "epsilon"
    assert first.schedule == Schedule("PNDMScheduler", "scaled_linear", 0.00085, 0.012, 1000)
    assert first.latents == Latents(channels=4, height=64, width=64, pixels=8, scale=0.18215, shift=0.0)
    assert first.tokens == 77
    second = read(STABLE_DIFFUSION_2, "sd", "DDIMScheduler")
    assert (second.prediction, second.latents.height * second.latents.pixels) == ("v_prediction", 768)
    third = read(SDXL, "sdxl", "EulerDiscreteScheduler")
    assert (third.latents.scale, third.latents.height * third.latents.pixels) == (0.13025, 1024)


@pytest.mark.parametrize(
    ("part", "values", "said"),
    [
        ("unet", {"projection_class_embeddings_input_dim": 2560}, "expected 2816"),
        ("unet", {"addition_time_embed_dim": None}, "addition_time_embed_dim null; expected a whole number"),
        ("unet", {"cross_attention_dim": 768}, "expected 2048, the width of what the text encoders give"),
        ("unet", {"addition_embed_type": None}, "with two text encoders"),
        ("text_encoder_2", {"projection_dim": "1280"}, "projection_dim '1280'"),
        ("vae", {"latents_std": [1.0]}, "mean and spread per channel are not supported yet"),
    ],
)
def test_the_added_conditions_of_sdxl_fit_its_parts(part: str, values: dict[str, Any], said: str) -> None:
    """Numbers of one part that contradict another part."""
    with pytest.raises(InputError, match=said):
        read({**SDXL, part: {**SDXL[part], **values}}, "sdxl", "EulerDiscreteScheduler")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"transformer": "FluxTransformer2DModel", "vae": "AutoencoderKL"}, "by a transformer"),
        ({"transformer": "PixArtTransformer2DModel", "text_encoder": "T5EncoderModel"}, "by a transformer"),
        ({"unet": "UNet2DConditionModel", "movq": "VQModel"}, "has no vae"),
        (
            {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "text_encoder_2": "CLIPTextModelWithProjection"},
            "has no text_encoder",
        ),
        ({"unet": "UNetMotionModel", "vae": "AutoencoderKL"}, "UNetMotionModel"),
        ({"prior": "PriorTransformer"}, "has no UNet"),
    ],
)
def test_pipelines_of_other_forms_are_not_supported_yet(parts: dict[str, str], said: str) -> None:
    """Flux, PixArt, Kandinsky, a refiner, a video model and a prior, by their lists of parts."""
    index = {"_class_name": "OtherPipeline", **{part: ["diffusers", name] for part, name in parts.items()}}
    with pytest.raises(InputError, match=f"{said}.*not supported yet|not supported yet.*{said}"):
        supported_pipeline(Config("model_index.json", index))
