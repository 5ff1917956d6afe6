"""What the configurations of a base's parts say: latents, schedule, prediction, length of texts.

Parts must fit each other: the UNet's inputs to the autoencoder and to the text encoders, the
tokenizer to its encoder. A value that would change training or sampling in a way that creditline
does not follow is refused, never dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from registry.bases.documents import Config, shown
from registry.bases.facts import Family, Latents, Prediction, Schedule
from registry.bases.support import BETAS, PREDICTIONS, check_unet
from registry.errors import InputError

_OLD_SCALE = 0.18215
"""Scale of an AutoencoderKL whose configuration is older than that setting: Stable Diffusion 1."""


@dataclass(frozen=True)
class Architecture:
    """The facts that the configurations state."""

    prediction: Prediction
    schedule: Schedule
    latents: Latents
    tokens: int


def read_architecture(configs: Mapping[str, Config], classes: Mapping[str, str], family: Family) -> Architecture:
    """The facts of a pipeline whose parts are supported.

    Args:
        configs: the configuration of each part, by name.
        classes: the class of each part, by name.
        family: which parts the pipeline has.

    Raises:
        InputError: a value is missing, malformed, not supported, or does not fit another part.
    """
    for config in configs.values():
        if config.values.get("quantization_config") is not None:
            config.refuse("quantization_config", "no such setting: quantized weights are not supported yet")
    channels, pixels, scale, shift = _read_autoencoder(configs["vae"], classes["vae"])
    unet = configs["unet"]
    check_unet(unet, family, channels)
    height, width = _latent_size(unet, configs["vae"], pixels)
    tokens = [_read_text(configs[f"text_encoder{end}"], configs[f"tokenizer{end}"]) for end in _ends(family)]
    _check_text_width(unet, [configs[f"text_encoder{end}"] for end in _ends(family)], family)
    return Architecture(
        _read_prediction(configs["scheduler"]),
        _read_schedule(configs["scheduler"], classes["scheduler"]),
        Latents(channels, height, width, pixels, scale, shift),
        min(tokens),
    )


def _ends(family: Family) -> tuple[str, ...]:
    return ("", "_2") if family == "sdxl" else ("",)


def _read_autoencoder(config: Config, class_name: str) -> tuple[int, int, float, float]:
    for name in ("in_channels", "out_channels"):
        if config.whole(name, default=3) != 3:
            config.refuse(name, "3, the channels of a colour image")
    for name in ("latents_mean", "latents_std"):
        if config.values.get(name) is not None:
            config.refuse(name, "null: latents with a mean and spread per channel are not supported yet")
    tiny = class_name == "AutoencoderTiny"
    widths = config.wholes("encoder_block_out_channels" if tiny else "block_out_channels")
    scale = config.number("scaling_factor", default=1.0 if tiny else _OLD_SCALE, above=0.0)
    return config.whole("latent_channels"), 2 ** (len(widths) - 1), scale, config.number("shift_factor", default=0.0)


def _latent_size(unet: Config, vae: Config, pixels: int) -> tuple[int, int]:
    value = unet.values.get("sample_size")
    if isinstance(value, list):
        sides = unet.wholes("sample_size")
        if len(sides) != 2:
            unet.refuse("sample_size", "one number, or height and width")
        return sides[0], sides[1]
    side = vae.whole("sample_size") // pixels if value is None else unet.whole("sample_size", most=2**14)
    return side, side


def _read_text(encoder: Config, tokenizer: Config) -> int:
    """The longest text in tokens."""
    places = encoder.whole("max_position_embeddings", least=3, most=2**16)
    longest = tokenizer.values.get("model_max_length")
    if longest is None or (isinstance(longest, int | float) and longest > 2**16):
        return places  # transformers writes a number of 30 digits for no limit
    return min(places, tokenizer.whole("model_max_length", least=3))


def _check_text_width(unet: Config, encoders: list[Config], family: Family) -> None:
    width = sum(encoder.whole("hidden_size") for encoder in encoders)
    if unet.values.get("cross_attention_dim") != width:
        unet.refuse("cross_attention_dim", f"{width}, the width of what the text encoders give")
    if family == "sdxl":
        pooled = encoders[1].whole("projection_dim")
        added = 6 * unet.whole("addition_time_embed_dim") + pooled
        if unet.whole("projection_class_embeddings_input_dim") != added:
            unet.refuse(
                "projection_class_embeddings_input_dim", f"{added}: six numbers about the size, and the pooled text"
            )


def _read_prediction(config: Config) -> Prediction:
    prediction = config.text("prediction_type", default="epsilon")
    if prediction not in PREDICTIONS:
        raise InputError(
            f"{config.where} has prediction_type {shown(prediction)}: not supported; supported are {' and '.join(PREDICTIONS)}"
        )
    return cast(Prediction, prediction)


def _read_schedule(config: Config, class_name: str) -> Schedule:
    if config.values.get("trained_betas") is not None:
        config.refuse("trained_betas", "null: a schedule given number by number is not supported yet")
    if config.values.get("rescale_betas_zero_snr") not in (None, False):
        config.refuse("rescale_betas_zero_snr", "false: a schedule that ends without any signal is not supported yet")
    betas = config.text("beta_schedule")
    if betas not in BETAS:
        raise InputError(
            f"{config.where} has beta_schedule {shown(betas)}: not supported yet; supported are {' and '.join(BETAS)}"
        )
    start, end = config.number("beta_start", above=0.0), config.number("beta_end", above=0.0)
    if not start <= end < 1.0:
        config.refuse("beta_end", f"a number from beta_start ({start:g}) to 1")
    return Schedule(
        class_name,
        "linear" if betas == "linear" else "scaled_linear",
        start,
        end,
        config.whole("num_train_timesteps", least=2, most=100_000),
    )
