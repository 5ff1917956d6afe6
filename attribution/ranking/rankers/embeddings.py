"""Embeddings for the feature kernel: MobileNetV2 (ImageNet), LPIPS and, if installed, open_clip.

Weights are files that the user names; nothing is downloaded. MobileNetV2's weights must have the
known SHA-256.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn

from attribution.metrics.lpips_weights import LpipsWeights
from attribution.metrics.perceptual import VERSION, PerceptualDistance, open_lpips
from attribution.metrics.torchvision_models import load_known_weights, torchvision_models
from attribution.ranking.rankers.feature_kernel import Embedding
from registry.errors import InputError, MissingPartError, UsageError
from registry.ids import sha256_of, sha256_of_file
from registry.messages import plain_reason

MOBILENET_VARIABLE = "CREDITLINE_MOBILENET"
OPEN_CLIP_VARIABLE = "CREDITLINE_OPEN_CLIP"
MOBILENET_FILE = "mobilenet_v2-b0353104.pth"
MOBILENET_SHA256 = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"
"""SHA-256 of torchvision's ``MobileNet_V2_Weights.IMAGENET1K_V1``; its name has the start."""
MOBILENET_SIDE = 96
"""Side of scaled pictures, in pixels: more adds nothing for works of a few dozen pixels."""
LPIPS_WIDTH, LPIPS_PLACES, LPIPS_SEED = 4096, 8, 0
LPIPS_PIXELS_AT_ONCE = 64 * 64 * 64
"""Pixels in one pass through LPIPS's network, with dozens of values each."""
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, eq=False)
class NetworkEmbedding(Embedding):
    """A network's features of pictures scaled to its side and standardised by channel."""

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
        return np.asarray(self.features(torch.from_numpy(images)).float().numpy())

    def features(self, pictures: Float[Tensor, "image channel height width"]) -> Float[Tensor, "image feature"]:
        """The features of images in [0, 1] of any precision, differentiable."""
        pictures = pictures.float()
        if pictures.shape[1] == 1:
            pictures = pictures.expand(-1, 3, -1, -1)
        scaled = nn.functional.interpolate(
            pictures, (self.side, self.side), mode="bilinear", align_corners=False, antialias=True
        )
        mean, deviation = (torch.tensor(values)[None, :, None, None] for values in (self.mean, self.deviation))
        features: Tensor = self.network((scaled - mean) / deviation)
        return features


class _Pooled(nn.Module):
    """A convolutional network's last features, averaged over the picture."""

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.features(images)
        return found.mean(dim=(2, 3))


def mobilenet(
    weights: Path | None = None,
    wanted_by: str = "the ranker mobilenet",
    otherwise: str = "rank without it (--ranker pixel-kernel)",
) -> NetworkEmbedding:
    """MobileNetV2 (Sandler et al. 2018) with torchvision's ImageNet weights.

    Args:
        weights: the file; None: the file named by the environment variable.
        wanted_by: what needs it, for messages.
        otherwise: what to do without it, for messages.

    Raises:
        MissingPartError: no file is named, it does not exist, or torchvision is not installed.
        InputError: another file, or a damaged one.
    """
    named = weights or os.environ.get(MOBILENET_VARIABLE)
    if not named:
        raise MissingPartError(
            f"{wanted_by} needs MobileNetV2's ImageNet weights, {MOBILENET_FILE} as torchvision offers it: name the "
            f"file with --weights or {MOBILENET_VARIABLE}, or {otherwise}"
        )
    path = Path(named)
    if not path.is_file():
        raise MissingPartError(f"{path} does not exist: get torchvision's {MOBILENET_FILE}, or {otherwise}")
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
    """The image encoder of a CLIP model."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.model.encode_image(images)  # type: ignore[operator]  # nn.Module types attributes as tensors
        return features


def open_clip_embedding(
    named: str | None = None,
    wanted_by: str = "the ranker open-clip",
    otherwise: str = "rank without it (--ranker pixel-kernel)",
) -> NetworkEmbedding:
    """The image encoder of an open_clip model, from a file of weights.

    Args:
        named: ``MODEL=FILE``, for example ``ViT-B-32=open_clip_model.safetensors``; None: the
            environment variable's value.
        wanted_by: what needs it, for messages.
        otherwise: what to do without it, for messages.

    Raises:
        MissingPartError: open_clip is not installed, or no file is named.
        UsageError: not in this form, or open_clip has no such model.
        InputError: the file does not hold this model's weights.
    """
    named = named or os.environ.get(OPEN_CLIP_VARIABLE)
    if find_spec("open_clip") is None:
        raise MissingPartError(f"{wanted_by} needs open_clip: pip install 'creditline[clip]', or {otherwise}")
    if not named:
        raise MissingPartError(
            f"{wanted_by} needs weights: name model and file as MODEL=FILE in {OPEN_CLIP_VARIABLE}, or {otherwise}"
        )
    name, separator, file = named.partition("=")
    path = Path(file)
    if not separator or not name or not file:
        raise UsageError(
            f"{OPEN_CLIP_VARIABLE} is {named!r}, expected MODEL=FILE, for example ViT-B-32=weights.safetensors"
        )
    if not path.is_file():
        raise MissingPartError(f"{path} does not exist: get the weights of {name}, or {otherwise}")
    torchvision_models()  # open_clip imports torchvision, which may need its operators declared
    open_clip = import_module("open_clip")

    if name not in open_clip.list_models():
        raise UsageError(
            f"open_clip has no model {name!r}; `python -c 'import open_clip; print(open_clip.list_models())'`"
        )
    try:
        model = open_clip.create_model(name, pretrained=str(path), require_pretrained=True, weights_only=True)
    except Exception as error:  # the library raises many types for a bad file
        raise InputError(f"{path} cannot be read as weights of {name}: {plain_reason(error)}") from error
    preprocessing = open_clip.get_model_preprocess_cfg(model)
    size = preprocessing["size"]
    return NetworkEmbedding(
        name="open-clip",
        width=int(open_clip.get_model_config(name)["embed_dim"]),
        network=_ImageTower(model).eval().requires_grad_(False),
        weights_sha256=sha256_of_file(path),
        side=int(size if isinstance(size, int) else size[0]),
        mean=tuple(preprocessing["mean"]),
        deviation=tuple(preprocessing["std"]),
    )


class LpipsEmbedding(Embedding):
    """LPIPS as an embedding: similarity by a distance that was fitted to people's judgements.

    The map of :mod:`attribution.metrics.perceptual`, whose squared distances are LPIPS, has tens of
    thousands of values and is projected to :data:`LPIPS_WIDTH`: each value is added, with a random
    sign, to :data:`LPIPS_PLACES` places (a sparse Johnson-Lindenstrauss transform; Kane and Nelson
    2014), which keeps squared distances to a few per cent. Maps differ far less in length than in
    direction, so length 1 loses little.
    """

    name = "lpips"
    width = LPIPS_WIDTH

    def __init__(self, distance: PerceptualDistance, content: dict[str, str]) -> None:
        """``content`` identifies the weights and heads of ``distance``."""
        self._distance = distance
        self._content = {**content, "width": str(LPIPS_WIDTH), "places": str(LPIPS_PLACES), "seed": str(LPIPS_SEED)}
        self._projection: tuple[Int64[Tensor, "place value"], Float[Tensor, "place value"]] | None = None

    @property
    def sha256(self) -> str:
        return sha256_of(self._content)

    @torch.no_grad()
    def embed(self, images: Float32[np.ndarray, "image channel height width"]) -> Float32[np.ndarray, "image feature"]:
        at_once = max(1, LPIPS_PIXELS_AT_ONCE // (images.shape[-2] * images.shape[-1]))
        parts = torch.split(torch.from_numpy(images), at_once)
        return np.concatenate([np.asarray(self.features(part).float().numpy()) for part in parts])

    def features(self, pictures: Float[Tensor, "image channel height width"]) -> Float[Tensor, "image feature"]:
        """The features of images in [0, 1] of any precision, differentiable."""
        found = self._distance.features(pictures.float() * 2.0 - 1.0)
        where, sign = self._projected(found.shape[1])
        reduced = found.new_zeros(len(found), LPIPS_WIDTH)
        for place, signs in zip(where, sign.to(found), strict=True):
            reduced = reduced.index_add(1, place, found * signs)
        return reduced

    def _projected(self, values: int) -> tuple[Int64[Tensor, "place value"], Float[Tensor, "place value"]]:
        if self._projection is None or self._projection[0].shape[1] != values:
            generator = torch.Generator().manual_seed(LPIPS_SEED)
            where = torch.randint(0, LPIPS_WIDTH, (LPIPS_PLACES, values), generator=generator)
            sign = torch.randint(0, 2, (LPIPS_PLACES, values), generator=generator) * 2.0 - 1.0
            self._projection = where, sign / LPIPS_PLACES**0.5
        return self._projection


def lpips_embedding(weights: LpipsWeights) -> LpipsEmbedding:
    """The embedding by the network of these weights.

    Raises:
        InputError: the file was altered, or the ``lpips`` package has other heads.
        MissingPartError: torchvision or lpips cannot be imported.
    """
    backbone = weights.backbone
    content = {"weights": backbone.sha256, "heads": backbone.heads_sha256, "version": VERSION, "net": backbone.net}
    return LpipsEmbedding(open_lpips(weights), content)
