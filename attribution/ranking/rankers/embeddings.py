"""Embeddings for the feature kernel: MobileNetV2 as trained on ImageNet, and open_clip's networks
where they are installed.

Weights are files that the user has; nothing is downloaded, and nothing untrained is ever used:
weights of MobileNetV2 count only with a SHA-256 that is known here, and those of open_clip only if
their file is named.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from attribution.metrics.torchvision_models import load_known_weights, torchvision_models
from attribution.ranking.rankers.feature_kernel import Embedding
from registry.errors import InputError, MissingPartError, UsageError
from registry.ids import sha256_of_file

MOBILENET_VARIABLE = "CREDITLINE_MOBILENET"
OPEN_CLIP_VARIABLE = "CREDITLINE_OPEN_CLIP"
MOBILENET_FILE = "mobilenet_v2-b0353104.pth"
MOBILENET_SHA256 = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"
"""Of torchvision's ``MobileNet_V2_Weights.IMAGENET1K_V1``, whose file it names after the first
digits."""
MOBILENET_SIDE = 96
"""Pictures are scaled to this side. Larger ones show the network nothing new of works of a few
dozen pixels."""
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, eq=False)
class NetworkEmbedding(Embedding):
    """A network's features of pictures that are scaled to its side and standardised by channel."""

    name: str
    width: int
    network: nn.Module
    weights_sha256: str
    side: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @property
    def sha256(self) -> str:
        return self.weights_sha256

    @torch.no_grad()
    def embed(self, images: Float32[np.ndarray, "image channel height width"]) -> Float32[np.ndarray, "image feature"]:
        pictures = torch.from_numpy(images)
        if pictures.shape[1] == 1:
            pictures = pictures.expand(-1, 3, -1, -1)
        scaled = nn.functional.interpolate(
            pictures, (self.side, self.side), mode="bilinear", align_corners=False, antialias=True
        )
        mean, deviation = (torch.tensor(values)[None, :, None, None] for values in (self.mean, self.deviation))
        features: Tensor = self.network((scaled - mean) / deviation)
        return np.asarray(features.float().numpy())


class _Pooled(nn.Module):
    """Means over the picture of a convolutional network's last features."""

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.features(images)
        return found.mean(dim=(2, 3))


def mobilenet(weights: Path | None = None) -> Embedding:
    """MobileNetV2 (Sandler et al. 2018) under torchvision's ImageNet weights, from a file.

    Args:
        weights: the file; None: the one that the environment variable names.

    Raises:
        MissingPartError: no file is named, or torchvision is missing.
        InputError: the file is another one, or damaged.
    """
    named = weights or os.environ.get(MOBILENET_VARIABLE)
    if not named:
        raise MissingPartError(
            f"the ranker mobilenet needs MobileNetV2's ImageNet weights, {MOBILENET_FILE} as torchvision offers it: name the "
            f"file with --weights or {MOBILENET_VARIABLE}, or rank without it (--ranker pixel-kernel)"
        )
    path = Path(named)
    if not path.is_file():
        raise MissingPartError(f"{path} is not there: get torchvision's {MOBILENET_FILE}, or rank without mobilenet")
    state = load_known_weights(path, MOBILENET_SHA256)
    network = torchvision_models().mobilenet_v2(weights=None)
    network.load_state_dict(state)
    return NetworkEmbedding(
        name="mobilenet",
        width=1280,
        network=_Pooled(network.features).eval().requires_grad_(False),
        weights_sha256=MOBILENET_SHA256,
        side=MOBILENET_SIDE,
        mean=IMAGENET_MEAN,
        deviation=IMAGENET_DEVIATION,
    )


class _ImageTower(nn.Module):
    """The half of a CLIP model that looks at pictures."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.model.encode_image(images)  # type: ignore[operator]  # nn.Module types attributes as tensors
        return features


def open_clip_embedding(named: str | None = None) -> Embedding:
    """An image tower of open_clip, from a file of weights.

    Args:
        named: ``MODEL=FILE``, for example ``ViT-B-32=open_clip_model.safetensors``; None: what the
            environment variable says.

    Raises:
        MissingPartError: open_clip is not installed, or no file is named.
        UsageError: not of that form, or a model that open_clip does not know.
        InputError: the file does not hold this model's weights.
    """
    named = named or os.environ.get(OPEN_CLIP_VARIABLE)
    if find_spec("open_clip") is None:
        raise MissingPartError("the ranker open-clip needs open_clip: pip install open_clip_torch, or rank without it")
    if not named:
        raise MissingPartError(
            f"the ranker open-clip needs weights: name model and file as MODEL=FILE in {OPEN_CLIP_VARIABLE}, "
            "or rank without it (--ranker pixel-kernel)"
        )
    name, separator, file = named.partition("=")
    path = Path(file)
    if not separator or not name or not file:
        raise UsageError(
            f"{OPEN_CLIP_VARIABLE} is {named!r}, expected MODEL=FILE, for example ViT-B-32=weights.safetensors"
        )
    if not path.is_file():
        raise MissingPartError(f"{path} is not there: get the weights of {name}, or rank without open-clip")
    torchvision_models()  # open_clip imports torchvision, which may need a hand
    open_clip = import_module("open_clip")

    if name not in open_clip.list_models():
        raise UsageError(
            f"open_clip has no model {name!r}; `python -c 'import open_clip; print(open_clip.list_models())'`"
        )
    try:
        model = open_clip.create_model(name, pretrained=str(path), require_pretrained=True, weights_only=True)
    except Exception as error:  # whatever the library makes of a file from outside
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} cannot be read as weights of {name}: {reason}") from error
    look = open_clip.get_model_preprocess_cfg(model)
    size = look["size"]
    return NetworkEmbedding(
        name="open-clip",
        width=int(open_clip.get_model_config(name)["embed_dim"]),
        network=_ImageTower(model).eval().requires_grad_(False),
        weights_sha256=sha256_of_file(path),
        side=int(size if isinstance(size, int) else size[0]),
        mean=tuple(look["mean"]),
        deviation=tuple(look["std"]),
    )
