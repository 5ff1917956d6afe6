"""Which base models creditline works with: the one place that decides.

Supported is a pipeline of a ``UNet2DConditionModel`` on the latents of an autoencoder, conditioned
by CLIP text encoders: Stable Diffusion 1 and 2, SDXL, and others of their form. A base of another
form, such as a transformer, begins here: with its parts in :data:`PARTS` and its family.

Classes are compared by name. No class is ever imported by a name from a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from registry.bases.documents import Config, shown
from registry.bases.facts import Family
from registry.errors import InputError

PARTS: Mapping[str, frozenset[str]] = {
    "unet": frozenset({"UNet2DConditionModel"}),
    "vae": frozenset({"AutoencoderKL", "AutoencoderTiny"}),
    "text_encoder": frozenset({"CLIPTextModel", "CLIPTextModelWithProjection"}),
    "tokenizer": frozenset({"CLIPTokenizer", "CLIPTokenizerFast"}),
    "scheduler": frozenset(
        f"{name}Scheduler"
        for name in (
            *("DDIM", "DDPM", "PNDM", "LMSDiscrete", "EulerDiscrete", "EulerAncestralDiscrete", "HeunDiscrete", "LCM"),
            *("KDPM2Discrete", "KDPM2AncestralDiscrete", "DEISMultistep", "DPMSolverMultistep", "DPMSolverSinglestep"),
            *("DPMSolverSDE", "UniPCMultistep", "TCD"),
        )
    ),
}
"""The parts of every supported pipeline, each with the classes that it may have."""

SECOND_PARTS: Mapping[str, frozenset[str]] = {
    "text_encoder_2": frozenset({"CLIPTextModelWithProjection"}),
    "tokenizer_2": PARTS["tokenizer"],
}
"""The further parts of SDXL."""

WEIGHT_NAMES: Mapping[str, str] = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
    "text_encoder_2": "model",
}
"""The parts with weights, and how diffusers and transformers name their files."""

IGNORED: Mapping[str, str] = {
    "safety_checker": "creditline neither loads nor hashes it, and images are not filtered",
    "feature_extractor": "only a safety checker or an image prompt uses it",
    "image_encoder": "only an image prompt uses it",
    "watermark": "creditline marks images by Content Credentials (`creditline sign`)",
}
"""Parts that generate no image, and what leaving them out means."""

REPLACING = ("adapter_config.json",)
"""Files that change what transformers loads from a part's folder, and are no part of a base."""

PREDICTIONS = ("epsilon", "v_prediction")
BETAS = ("linear", "scaled_linear")

_SUPPORTED = "Stable Diffusion 1 and 2, SDXL, and pipelines of their form (UNet2DConditionModel, CLIP text encoders)"


@dataclass(frozen=True)
class Supported:
    """A supported pipeline."""

    pipeline: str
    family: Family
    classes: Mapping[str, str]
    """By part, the name of its class."""
    notes: tuple[str, ...]
    """What is ignored, one sentence each."""


def supported_pipeline(index: Config) -> Supported:
    """The parts of the pipeline that a ``model_index.json`` lists.

    Raises:
        InputError: creditline does not work with such a pipeline; the message names the part.
    """
    if isinstance(index.values.get("_class_name"), list):
        raise InputError(
            f"{index.where} names a pipeline with code of its own, which is never run; expected a pipeline of diffusers"
        )
    pipeline = index.text("_class_name")
    listed = {name: each for name in sorted(index.values) if (each := _class_of(index, name)) is not None}
    _refuse_other_networks(pipeline, listed)
    wanted = {**PARTS, **(SECOND_PARTS if listed.keys() & SECOND_PARTS.keys() else {})}
    for name, classes in wanted.items():
        if name not in listed:
            raise InputError(
                f"the pipeline {shown(pipeline)} has no {name}: not supported yet; supported are {_SUPPORTED}"
            )
        if listed[name] not in classes:
            raise InputError(
                f"{index.where}: the {name} is {shown(listed[name])}: not supported yet; supported: {', '.join(sorted(classes))}"
            )
    further = sorted(listed.keys() - wanted.keys() - IGNORED.keys())
    if further:
        raise InputError(
            f"{index.where}: the part {shown(further[0])} ({shown(listed[further[0]])}) is not supported yet; "
            f"supported are {_SUPPORTED}"
        )
    notes = [f"{name} ({shown(listed[name])}) is ignored: {IGNORED[name]}" for name in IGNORED if name in listed]
    family: Family = "sdxl" if "tokenizer_2" in listed else "sd"
    return Supported(pipeline, family, {name: listed[name] for name in wanted}, tuple(notes))


def check_unet(config: Config, family: Family, latent_channels: int) -> None:
    """Refuse a UNet that has other inputs than noisy latents, a time and texts.

    Raises:
        InputError: names the input.
    """
    channels = config.whole("in_channels")
    if channels != latent_channels:
        raise InputError(
            f"{config.where} takes {channels} channels and the autoencoder makes {latent_channels}: a model for inpainting, "
            "editing or depth is not supported yet"
        )
    if config.whole("out_channels") != latent_channels:
        config.refuse("out_channels", f"{latent_channels}, the channels of the autoencoder")
    for name in (
        "class_embed_type",
        "num_class_embeds",
        "encoder_hid_dim",
        "encoder_hid_dim_type",
        "time_cond_proj_dim",
    ):
        if config.values.get(name) is not None:
            raise InputError(
                f"{config.where} has {name} {shown(config.values[name])}: such a UNet is not supported yet"
            )
    added = config.values.get("addition_embed_type")
    if added != ("text_time" if family == "sdxl" else None):
        raise InputError(
            f"{config.where} has addition_embed_type {shown(added)}; supported are SDXL's 'text_time' with two text encoders, "
            "and null with one"
        )


def _class_of(index: Config, name: str) -> str | None:
    """The class of a part; None for a setting, or a part that is left out (null)."""
    value = index.values[name]
    if not isinstance(value, list):
        return None
    if len(value) != 2:
        index.refuse(name, "a library and a class")
    library, class_name = value
    if class_name is None:
        return None
    if not isinstance(library, str | None) or not isinstance(class_name, str):
        index.refuse(name, "a library and a class")
    return class_name


def _refuse_other_networks(pipeline: str, listed: Mapping[str, str]) -> None:
    transformer = next((name for name in listed if name.startswith("transformer")), None)
    if transformer is not None:
        raise InputError(
            f"the pipeline {shown(pipeline)} denoises by a transformer ({shown(listed[transformer])}): not supported yet; "
            f"supported are {_SUPPORTED}"
        )
    if "unet" not in listed:
        raise InputError(f"the pipeline {shown(pipeline)} has no UNet: not supported yet; supported are {_SUPPORTED}")
