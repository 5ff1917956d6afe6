"""A member's network: diffusers' ``UNet2DModel``, optionally on patches and under a class label.

The network settings of an ensemble are few and its weights are stored the way diffusers stores
them, so that ``UNet2DModel.from_pretrained(<member folder>)`` opens a member. With ``patch`` above
1 the image is cut into patches of that many pixels a side which become channels (space to depth),
so that a convolution sees patch^2 fewer places: at 16x16 pixels and a patch of 2 the network costs
about a quarter, which is what makes training on a CPU a matter of minutes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from attribution.metrics.torchvision_models import declare_missing_operators
from registry.errors import InputError, IntegrityError, UsageError

if TYPE_CHECKING:
    from diffusers import UNet2DModel

WEIGHTS_FILE = "diffusion_pytorch_model.safetensors"
CONFIG_FILE = "config.json"
LARGEST_NUMBER, MOST_LEVELS, MOST_LAYERS = 65_536, 8, 8
"""Bounds on what settings from outside may ask for; far above any UNet."""


@dataclass(frozen=True)
class NetworkSettings:
    """Shape of every member's network.

    Raises:
        UsageError: the values contradict each other.
    """

    size: int = 16
    """Side of the square images, in pixels."""
    channels: int = 3
    """1 for grey, 3 for colour."""
    widths: tuple[int, ...] = (32, 64)
    """Feature maps per resolution; each further entry halves the resolution."""
    layers_per_block: int = 1
    groups: int = 8
    """Groups of the group normalisation; divides every width."""
    attention: bool = False
    """Whether the middle block attends over all places."""
    patch: int = 2
    """Side of the patches that become channels; 1 feeds pixels."""
    class_count: int = 0
    """Number of class labels; 0 for an unconditional network."""

    def __post_init__(self) -> None:
        numbers = (
            self.size,
            self.channels,
            self.layers_per_block,
            self.groups,
            self.patch,
            self.class_count,
            *self.widths,
        )
        if any(type(number) is not int or not 0 <= number <= LARGEST_NUMBER for number in numbers) or self.groups < 1:
            raise UsageError(f"network settings must be whole numbers up to {LARGEST_NUMBER}, and groups at least 1")
        if len(self.widths) > MOST_LEVELS or self.layers_per_block > MOST_LAYERS:
            raise UsageError(f"at most {MOST_LEVELS} resolutions with {MOST_LAYERS} layers each")
        if self.channels not in (1, 3):
            raise UsageError(f"{self.channels} image channels: expected 1 (grey) or 3 (colour)")
        if not self.widths or any(width < 1 or width % self.groups for width in self.widths):
            raise UsageError(f"network widths {list(self.widths)}: expected multiples of the {self.groups} groups")
        if self.patch < 1 or self.size < 1 or self.layers_per_block < 1 or self.class_count < 0:
            raise UsageError("size, patch and layers per block must be at least 1, class count at least 0")
        step = self.patch * 2 ** (len(self.widths) - 1)
        if self.size % step:
            raise UsageError(
                f"images of {self.size} pixels a side do not divide into patches of {self.patch} halved "
                f"{len(self.widths) - 1} times: choose a multiple of {step}"
            )

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> NetworkSettings:
        """Read stored settings back.

        Raises:
            InputError: a field is missing, unknown or of the wrong type.
        """
        try:
            return cls(**{**document, "widths": tuple(int(width) for width in document["widths"])})
        except (TypeError, KeyError, ValueError) as error:
            raise InputError(f"network settings cannot be read: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """The settings as they are stored with an ensemble."""
        return {**asdict(self), "widths": list(self.widths)}


def unet_class() -> type[UNet2DModel]:
    """``UNet2DModel`` of diffusers, whose import brings torchvision along and so needs one that can
    be imported.
    """
    declare_missing_operators()
    from diffusers import UNet2DModel

    found: type[UNet2DModel] = UNet2DModel
    return found


class Denoiser(nn.Module):
    """eps = f(x, t, label): predicts the noise in a noisy image, see
    :mod:`attribution.ensemble.ensemble`.
    """

    def __init__(self, network: UNet2DModel, settings: NetworkSettings) -> None:
        super().__init__()
        self.network = network
        self.settings = settings

    def forward(
        self,
        x: Float[Tensor, "batch channel height width"],
        t: Int[Tensor, " batch"],
        labels: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch channel height width"]:
        patch = self.settings.patch
        if patch > 1:
            x = functional.pixel_unshuffle(x, patch)
        eps: Tensor = self.network(x, t, class_labels=labels, return_dict=False)[0]
        return functional.pixel_shuffle(eps, patch) if patch > 1 else eps


def network_config(settings: NetworkSettings) -> dict[str, Any]:
    """The arguments of ``UNet2DModel`` for these settings."""
    planes = settings.channels * settings.patch**2
    levels = len(settings.widths)
    return {
        "sample_size": settings.size // settings.patch,
        "in_channels": planes,
        "out_channels": planes,
        "layers_per_block": settings.layers_per_block,
        "block_out_channels": settings.widths,
        "down_block_types": ("DownBlock2D",) * levels,
        "up_block_types": ("UpBlock2D",) * levels,
        "norm_num_groups": settings.groups,
        "add_attention": settings.attention,
        "attention_head_dim": settings.widths[-1] if settings.attention else 8,
        "num_class_embeds": settings.class_count or None,
    }


def new_denoiser(settings: NetworkSettings, seed: int) -> Denoiser:
    """A fresh network whose start is a function of ``seed`` alone; the caller's random state stays
    as it was.
    """
    unet = unet_class()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Denoiser(unet(**network_config(settings)), settings)


def save_denoiser(denoiser: Denoiser, folder: Path) -> None:
    """Write config.json and the weights (safetensors) into ``folder``."""
    denoiser.network.save_pretrained(folder, safe_serialization=True)


def load_denoiser(folder: Path, settings: NetworkSettings) -> Denoiser:
    """Open a member's weights for inference.

    The network is built from the ensemble's settings and the weights are read into it by name and
    shape, so a config file from outside cannot make this process build something else.

    Raises:
        IntegrityError: the files are missing, or are not those of such a network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    check_config(folder / CONFIG_FILE, settings)
    path = folder / WEIGHTS_FILE
    denoiser = Denoiser(unet_class()(**network_config(settings)), settings)
    try:
        weights = load_file(path)
        denoiser.network.load_state_dict(weights)
    except (OSError, SafetensorError, RuntimeError) as error:
        first_line = str(error).splitlines()[0]
        raise IntegrityError(
            f"weights {path} cannot be read as this ensemble's network ({first_line}); "
            "restore the file or import the member again"
        ) from error
    broken = [name for name, values in sorted(weights.items()) if not bool(torch.isfinite(values).all())]
    if broken:
        raise IntegrityError(
            f"weights {path} hold values that are no numbers, first in {broken[0]}: the member diverged"
        )
    return denoiser.eval().requires_grad_(False)


def check_config(path: Path, settings: NetworkSettings) -> None:
    """Hold a member's config.json against the ensemble's network.

    Raises:
        IntegrityError: it is missing, unreadable, or describes another network.
    """
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise IntegrityError(f"{path} cannot be read: {error}; restore it or import the member again") from error
    expected = json.loads(json.dumps(network_config(settings)))
    for name, value in expected.items():
        if not isinstance(found, dict) or found.get(name) != value:
            got = found.get(name) if isinstance(found, dict) else found
            raise IntegrityError(f"{path} describes another network: {name} is {got!r}, this ensemble has {value!r}")
