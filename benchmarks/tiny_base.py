"""Tiny text-to-image pipelines with random weights, in diffusers' folder format.

The libraries' own ``save_pretrained`` writes every file, so that a folder has the layout of the
pipelines that people have: Stable Diffusion with one text encoder, or SDXL with two of them and its
added conditions. A folder has under 2 MB and is a function of its arguments. Tests use them, too.

>>> save_tiny_base(folder, TinyBase(prediction="v_prediction", autoencoder="tiny"))
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from attribution.denoisers.libraries import diffusers, transformers

WORDS = ("a", "cat", "dog", "face", "flower", "house", "in", "of", "by", "red", "blue", "style", "sun", "the", "tree")
"""Words of one token each. Every other text is read byte by byte."""


@dataclass(frozen=True)
class TinyBase:
    """What differs between tiny pipelines."""

    prediction: Literal["epsilon", "v_prediction", "sample"] = "epsilon"
    autoencoder: Literal["kl", "tiny"] = "kl"
    sdxl: bool = False
    """Two text encoders and the added conditions of SDXL."""
    size: int = 32
    """Height and width of the images in pixels; latents have 4 channels and a quarter of it."""
    tokens: int = 16
    """Tokens that a text is cut or padded to."""
    schedule: Literal["linear", "scaled_linear"] = "scaled_linear"
    variant: str | None = None
    """``fp16``: half precision, and the names of the weight files say so."""
    shard_size: str = "10GB"
    """Weights over this size are cut into shards with an index (``20KB`` cuts a tiny UNet)."""
    seed: int = 0


def save_tiny_base(folder: Path, base: TinyBase | None = None) -> Path:
    """Write a tiny pipeline into ``folder`` and return the folder."""
    import torch

    made = base or TinyBase()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(made.seed)
        pipeline = _pipeline(made)
    if made.variant == "fp16":
        pipeline.to(dtype=torch.float16)
    pipeline.save_pretrained(folder, variant=made.variant, max_shard_size=made.shard_size)
    return folder


def _pipeline(made: TinyBase) -> Any:  # noqa: ANN401  # a diffusers pipeline
    scheduler = diffusers().PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule=made.schedule,
        prediction_type=made.prediction,
        skip_prk_steps=True,
        steps_offset=1,
    )
    shared = {
        "vae": _autoencoder(made),
        "unet": _unet(made),
        "scheduler": scheduler,
        "tokenizer": tiny_tokenizer(made.tokens),
        "text_encoder": _text_encoder(made, width=32),
        "feature_extractor": None,
    }
    if made.sdxl:
        second = {"text_encoder_2": _text_encoder(made, width=16), "tokenizer_2": tiny_tokenizer(made.tokens)}
        return diffusers().StableDiffusionXLPipeline(**shared, **second)
    return diffusers().StableDiffusionPipeline(**shared, safety_checker=None, requires_safety_checker=False)


def _unet(made: TinyBase) -> Any:  # noqa: ANN401  # a diffusers model
    added: dict[str, Any] = {"cross_attention_dim": 32, "attention_head_dim": 2}
    if made.sdxl:
        added = {
            "cross_attention_dim": 32 + 16,
            "attention_head_dim": (2, 4),
            "use_linear_projection": True,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 6 * 8 + 16,  # six numbers about the size, and the pooled text
        }
    return diffusers().UNet2DConditionModel(
        sample_size=made.size // 4,
        in_channels=4,
        out_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
        **added,
    )


def _autoencoder(made: TinyBase) -> Any:  # noqa: ANN401  # a diffusers model
    if made.autoencoder == "tiny":
        widths = (8, 8, 8)
        return diffusers().AutoencoderTiny(
            encoder_block_out_channels=widths,
            decoder_block_out_channels=widths,
            num_encoder_blocks=(1, 1, 1),
            num_decoder_blocks=(1, 1, 1),
        )
    return diffusers().AutoencoderKL(
        sample_size=made.size,
        latent_channels=4,
        block_out_channels=(8, 8, 16),
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        norm_num_groups=4,
        scaling_factor=0.18215,
    )


def _text_encoder(made: TinyBase, width: int) -> Any:  # noqa: ANN401  # a transformers model
    tokenizer = tiny_tokenizer(made.tokens)
    config = transformers().CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=made.tokens,
        projection_dim=width,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with_projection = made.sdxl and width == 16
    library = transformers()
    return library.CLIPTextModelWithProjection(config) if with_projection else library.CLIPTextModel(config)


def tiny_tokenizer(tokens: int = 16) -> Any:  # noqa: ANN401  # a transformers tokenizer
    """CLIP's tokenizer with a made-up vocabulary: every byte, and :data:`WORDS`."""
    from tokenizers.pre_tokenizers import ByteLevel

    alphabet = sorted(ByteLevel.alphabet())
    pieces = [*alphabet, *(f"{letter}</w>" for letter in alphabet)]
    merges: list[Any] = []  # pairs, which the library types as texts
    for word in WORDS:
        letters = [*word[:-1], f"{word[-1]}</w>"]
        while len(letters) > 1:
            merges.append((letters[0], letters[1]))
            letters[:2] = ["".join(letters[:2])]
            pieces.append(letters[0])
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    for special in ("<|startoftext|>", "<|endoftext|>"):
        vocabulary[special] = len(vocabulary)
    return transformers().CLIPTokenizer(vocab=vocabulary, merges=list(dict.fromkeys(merges)), model_max_length=tokens)
