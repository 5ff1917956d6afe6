"""Encoders of whole pictures, with weights from files that the user names.

- *style*: means and deviations, over the picture, of early feature maps of MobileNetV2. Such
  statistics say how a picture is drawn more than what it shows (Gatys et al. 2016 match them to
  transfer a style; Huang and Belongie 2017 match just means and deviations);
- *mobilenet*: the last features of the same network, which say more of what a picture shows;
- *open-clip*: a CLIP model, which also reads texts, for the zero-shot question.

Nothing is downloaded, and a network without its weights is never used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from attribution.ranking.rankers.embeddings import (
    OPEN_CLIP_VARIABLE,
    NetworkEmbedding,
    mobilenet,
    open_clip_embedding,
)
from registry.errors import MissingPartError, UsageError
from registry.imitations.facts import Encoder
from registry.messages import plain_reason

ENCODERS = ("style", "mobilenet", "open-clip")
STYLE_LAYERS = (0, 1, 3, 6)
"""Layers of MobileNetV2: the strides are 2, 2, 4 and 8 pixels."""
STYLE_WIDTH = 2 * (32 + 16 + 24 + 32)
AT_ONCE = 64
_DESCRIPTIONS = {
    "style": "MobileNetV2 (ImageNet), means and deviations of early feature maps",
    "mobilenet": "MobileNetV2 (ImageNet), last features averaged over the picture",
}

Texts = Callable[[Sequence[str]], Float32[np.ndarray, "text feature"]]


@dataclass(frozen=True, eq=False)
class OpenEncoder:
    """An encoder with its weights."""

    embedding: NetworkEmbedding
    facts: Encoder
    texts: Texts | None
    """Features of texts; None: the encoder reads none."""

    def features(
        self,
        images: Float32[np.ndarray, "image channel height width"],
        advance: Callable[[int], object] = lambda _: None,
    ) -> Float32[np.ndarray, "image feature"]:
        """Features of images in [0, 1]; ``advance`` gets the number just done."""
        found = [np.empty((0, self.embedding.width), np.float32)]
        for start in range(0, len(images), AT_ONCE):
            found.append(self.embedding.embed(images[start : start + AT_ONCE]))
            advance(len(found[-1]))
        return np.concatenate(found)


class _Style(nn.Module):
    """Channel means and deviations of some layers' feature maps."""

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.layers: nn.Sequential = nn.Sequential(*list(layers)[: max(STYLE_LAYERS) + 1])

    def forward(self, images: Tensor) -> Tensor:
        found = []
        for number, layer in enumerate(self.layers):
            images = layer(images)
            if number in STYLE_LAYERS:
                found += [images.mean(dim=(2, 3)), images.std(dim=(2, 3), correction=0)]
        return torch.cat(found, dim=1)


def open_encoder(name: str, weights: Path | None = None) -> OpenEncoder:
    """The encoder of this name.

    Args:
        name: one of :data:`ENCODERS`.
        weights: MobileNetV2's file; None: the environment variables name the files.

    Raises:
        UsageError: no such encoder.
        MissingPartError: a library or a file of weights is missing; says how to name it.
        InputError: a file does not have these weights.
    """
    if name not in ENCODERS:
        raise UsageError(f"got the encoder {name!r}, expected one of {', '.join(ENCODERS)}")
    wanted_by = f"the encoder {name}"
    if name == "open-clip":
        embedding = open_clip_embedding(None, wanted_by, "choose --encoder style")
        model_name = os.environ[OPEN_CLIP_VARIABLE].partition("=")[0]
        facts = Encoder(name=name, description=f"CLIP, open_clip's {model_name}", sha256=embedding.sha256)
        return OpenEncoder(embedding, facts, _text_tower(embedding.network.model, model_name))
    embedding = mobilenet(weights, wanted_by, "choose --encoder open-clip")
    if name == "style":
        network = _Style(embedding.network.features).eval().requires_grad_(False)  # type: ignore[arg-type]  # nn.Module types attributes as tensors
        embedding = replace(embedding, name=name, width=STYLE_WIDTH, network=network)
    facts = Encoder(name=name, description=_DESCRIPTIONS[name], sha256=embedding.sha256)
    return OpenEncoder(embedding, facts, None)


def _text_tower(model: Any, name: str) -> Texts:  # noqa: ANN401 - open_clip ships no types
    """The text encoder of an open_clip model.

    Raises:
        MissingPartError: the model's tokenizer is not here.
    """
    try:
        tokenizer = import_module("open_clip").get_tokenizer(name)
    except Exception as error:  # the library raises many types, also of other libraries
        raise MissingPartError(
            f"the tokenizer of {name} cannot be loaded ({plain_reason(error)}): choose a model whose tokenizer comes with "
            "open_clip, such as ViT-B-32"
        ) from error

    @torch.no_grad()
    def encode(texts: Sequence[str]) -> Float32[np.ndarray, "text feature"]:
        parts = [model.encode_text(tokenizer(list(texts[i : i + AT_ONCE]))) for i in range(0, len(texts), AT_ONCE)]
        return np.asarray(torch.cat(parts).float().numpy())

    return encode
