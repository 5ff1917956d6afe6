"""LPIPS: how different two images look, and its first order over the weights of an ensemble.

LPIPS [Zhang et al. 2018] takes the activations of a network at several layers, gives them unit
length over the channels, and sums their weighted squared differences, averaged over places: a
squared distance in a feature map,

    LPIPS(y, y') = |phi(y) - phi(y')|^2,    phi = activations of unit length x sqrt(weight / places)

To first order the weights move phi by J_phi = (d phi / d y) J. One n x n matrix G_phi = J_phi^T
J_phi then gives the LPIPS of every unit's ablation, as G does for the Euclidean distance; J_phi
takes the n tangents through the network once.

Images are outputs before clipping, as for the Euclidean distance. LPIPS was fitted on patches of 64
x 64 pixels, and its networks halve an image up to four times. So smaller images are enlarged
bilinearly to a shorter side of 64, and the stated facts say so. A grey image counts as three equal
channels.
"""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn
from torch.nn import functional

from attribution.forward_ad import propagate
from attribution.metrics.euclidean import NotMeasured
from attribution.metrics.lpips_weights import LpipsWeights, Net
from attribution.metrics.torchvision_models import load_known_weights, torchvision_models
from registry.errors import InputError, MissingPartError, UsageError

SIDE = 64
"""Shorter side in pixels, at least: the side of the patches that LPIPS was fitted on."""
VERSION = "0.1"
"""Version of the heads."""
_BATCH, _TANGENTS, _FEATURES = 64, 8, 1 << 18
"""Images, tangents and features at once: change memory, and results by rounding only."""


class PerceptualDistance:
    """LPIPS with one network; ``network`` is an ``lpips.LPIPS`` with all weights loaded.

    Raises:
        InputError: a head has a negative weight, so that LPIPS is not a distance.
    """

    def __init__(self, network: nn.Module) -> None:
        for module in network.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False  # forward differentiation needs the values
        self._network = cast("Any", network.eval().requires_grad_(False))
        self._heads: list[Tensor] = [head.model[-1].weight[0] for head in self._network.lins]
        if any(bool((head < 0).any()) for head in self._heads):
            raise InputError("the heads of this LPIPS have negative weights: it is no distance")

    def features(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch feature"]:
        """Phi of images in [-1, 1] or a little beyond.

        Raises:
            UsageError: neither one nor three channels.
        """
        if images.shape[1] not in (1, 3):
            raise UsageError(f"images of {images.shape[1]} channels: LPIPS looks at colour (3) or grey (1)")
        x = torch.cat([images] * 3, dim=1) if images.shape[1] == 1 else images
        shorter = min(x.shape[-2:])
        if shorter < SIDE:
            size = [max(SIDE, round(side * SIDE / shorter)) for side in x.shape[-2:]]
            x = functional.interpolate(x, size=size, mode="bilinear", align_corners=False)
        layers = self._network.net(self._network.scaling_layer(x))
        return torch.cat([_unit(layer, head) for layer, head in zip(layers, self._heads, strict=True)], dim=1)

    @torch.no_grad()
    def distances(
        self, first: Float[Tensor, "channel height width"], others: Float[Tensor, "batch channel height width"]
    ) -> Float64[Tensor, " batch"]:
        """LPIPS between one image and each of the others."""
        from_here = self.features(first[None])
        found = [(self.features(part) - from_here).double().square().sum(dim=1) for part in torch.split(others, _BATCH)]
        return torch.cat(found) if found else torch.zeros(0, dtype=torch.float64)

    @torch.no_grad()
    def gram(
        self,
        y: Float[Tensor, "channel height width"],
        jacobian: Float[Tensor, "member channel height width"],
    ) -> Float64[Tensor, "member member"]:
        """G_phi of one sample: the first order of LPIPS over the weights of the members."""
        columns = torch.cat(
            [propagate(self.features, y[None], part[:, None])[1][:, 0] for part in torch.split(jacobian, _TANGENTS)]
        )
        total = torch.zeros((len(columns),) * 2, dtype=torch.float64, device=columns.device)
        for block in torch.split(columns, _FEATURES, dim=1):
            total += block.double() @ block.double().mT
        return total

    def to(self, device: str) -> PerceptualDistance:
        """The same distance on a device."""
        return PerceptualDistance(self._network.to(device))


def _unit(
    layer: Float[Tensor, "batch channel height width"], head: Float[Tensor, "channel 1 1"]
) -> Float[Tensor, "batch feature"]:
    """Activations of unit length over the channels, times sqrt(weight / number of places)."""
    square = layer.square().sum(dim=1, keepdim=True)
    # Where every channel is off, the length is zero and has no derivative, and the tangents are 0.
    off = square == 0
    length = torch.where(off, torch.ones_like(square), square).sqrt()
    weight = (head / (layer.shape[2] * layer.shape[3])).sqrt()
    return (layer / (length + 1e-10) * weight).flatten(1)


def open_lpips(weights: LpipsWeights, device: str = "cpu") -> PerceptualDistance:
    """LPIPS with the weights of its network, after another check of their hash.

    Raises:
        InputError: the file was altered, or the ``lpips`` package has other heads.
        MissingPartError: torchvision or lpips cannot be imported.
    """
    backbone = weights.backbone
    trunk = load_known_weights(weights.path, backbone.sha256)
    package, network = untrained_lpips(backbone.net)
    heads = load_known_weights(package / "weights" / f"v{VERSION}" / f"{backbone.net}.pth", backbone.heads_sha256)
    fill(network, trunk, heads)
    return PerceptualDistance(network).to(device)


def lpips_facts(weights: LpipsWeights, side: int) -> dict[str, Any]:
    """Network, version and scaling of LPIPS on square images of this side, for an audit."""
    return {
        "net": weights.backbone.net,
        "version": VERSION,
        "weights_sha256": weights.backbone.sha256,
        "enlarged_to": SIDE if side < SIDE else None,
    }


def openable(weights: LpipsWeights | NotMeasured) -> LpipsWeights | NotMeasured:
    """The weights, or the reason why LPIPS cannot be measured with them on this machine."""
    if isinstance(weights, LpipsWeights):
        try:
            torchvision_models()
            _package()
        except MissingPartError as error:
            return NotMeasured(str(error))
    return weights


def untrained_lpips(net: Net) -> tuple[Path, nn.Module]:
    """The folder of the ``lpips`` package, and its network without trained weights.

    Raises:
        MissingPartError: torchvision or lpips cannot be imported.
    """
    torchvision_models()
    lpips = _package()
    # The package calls torchvision in a deprecated way, and draws weights that we replace.
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        network = lpips.LPIPS(net=net, version=VERSION, pretrained=False, pnet_rand=True, verbose=False)
    return Path(str(lpips.__file__)).parent, network


def _package() -> ModuleType:
    try:
        return importlib.import_module("lpips")
    except ImportError as error:
        raise MissingPartError(f"the lpips package cannot be imported ({error}): pip install lpips") from error


def fill(network: nn.Module, trunk: Any, heads: Any) -> None:  # noqa: ANN401  # tables of tensors, checked here
    """Load the weights of torchvision's network and of the heads into an ``lpips.LPIPS``.

    Raises:
        InputError: a weight is missing or of another shape.
    """
    own: dict[str, Tensor] = network.state_dict()
    filled = {}
    for name, value in own.items():
        if name.startswith("scaling_layer."):
            filled[name] = value
        elif name.startswith("net."):
            _, _, place = name.split(".", 2)
            filled[name] = trunk.get(f"features.{place}")
        else:
            filled[name] = heads.get(name.replace("lins.", "lin", 1))
        if filled[name] is None or filled[name].shape != value.shape:
            raise InputError(f"the weights of LPIPS do not fit its network: {name} is missing or of another shape")
    network.load_state_dict(filled)
