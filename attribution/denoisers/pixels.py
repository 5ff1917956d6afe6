"""The default kind: a UNet on pixels or patches, optionally with class labels.

The network is that of diffusers' ``UNet2DModel`` and is stored as diffusers stores it:
``UNet2DModel.from_pretrained(<member folder>)`` opens a member. With ``patch`` above 1 the image is
cut into patches of that many pixels a side, which become channels (space to depth), so that a
convolution sees patch^2 fewer places: at 16x16 pixels and a patch of 2 the network costs about a
quarter, and a CPU trains it in minutes.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from attribution.denoisers.interface import DenoiserKind, Member, Prompt, Shape
from attribution.denoisers.schedule import SamplingDefaults
from attribution.denoisers.unet import EPSILON, UNet
from registry.errors import InputError, UsageError
from registry.members.manifest import CONFIG_NAME

if TYPE_CHECKING:
    from attribution.denoisers.schedule import NoiseSchedule
    from attribution.images import ImageSettings

LOOKS = 8
"""Noised views of a sample: the fewest that lose nothing that matters to its test, see
``benchmarks/evidence/looks.py``."""
LARGEST_NUMBER, MOST_LEVELS, MOST_LAYERS = 65_536, 8, 8
"""Bounds on settings from outside; far above any UNet."""
SAME_FOR_ALL = {
    "act_fn": "silu",
    "attn_norm_num_groups": None,
    "center_input_sample": False,
    "class_embed_type": None,
    "downsample_padding": 1,
    "downsample_type": "conv",
    "dropout": 0.0,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "mid_block_scale_factor": 1,
    "mid_block_type": "UNetMidBlock2D",
    "norm_eps": EPSILON,
    "num_train_timesteps": None,
    "resnet_time_scale_shift": "default",
    "time_embedding_dim": None,
    "time_embedding_type": "positional",
    "upsample_type": "conv",
}
"""Arguments of ``UNet2DModel`` that :class:`UNet` has no choice of."""


@dataclass(frozen=True)
class PixelUNet(DenoiserKind):
    """A UNet on pixels, the same shape for every member.

    Raises:
        UsageError: the values contradict each other.
    """

    name: ClassVar[str] = "pixels"

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
    """Side of the patches that become channels; 1: plain pixels."""
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
    def from_json(cls, document: Mapping[str, Any]) -> PixelUNet:
        try:
            widths = tuple(int(width) for width in document["widths"])
        except (TypeError, KeyError, ValueError) as error:
            raise InputError(f"network settings cannot be read: {error}") from error
        return super().from_json({**document, "widths": widths})

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "widths": list(self.widths)}

    def check(self, image: ImageSettings, classes: Sequence[str], schedule: NoiseSchedule) -> None:  # noqa: ARG002  # trained from noise, it takes any schedule
        if (image.size, image.channels) != (self.size, self.channels):
            raise UsageError(
                f"images of {image.size} px and {image.channels} channels do not fit a network for "
                f"{self.size} px and {self.channels}"
            )
        if len(classes) != self.class_count:
            raise UsageError(f"{len(classes)} classes for a network of {self.class_count}")

    @property
    def shape(self) -> Shape:
        return self.channels, self.size, self.size

    def condition(self, prompts: Sequence[Prompt], classes: Sequence[str]) -> Int[Tensor, " batch"] | None:
        """The class numbers, or None for an unconditional network."""
        if any(prompt.options() for prompt in prompts):
            raise UsageError("the members are denoisers of pixels, which know no guidance: leave it out")
        if not self.class_count:
            return None
        numbers = {name: number for number, name in enumerate(classes)}
        return torch.tensor([numbers[str(prompt.label)] for prompt in prompts], dtype=torch.int64)

    def config(self) -> dict[str, Any]:
        """The arguments of ``UNet2DModel`` for these settings."""
        planes, levels = self.channels * self.patch**2, len(self.widths)
        return {
            "sample_size": self.size // self.patch,
            "in_channels": planes,
            "out_channels": planes,
            "layers_per_block": self.layers_per_block,
            "block_out_channels": self.widths,
            "down_block_types": ("DownBlock2D",) * levels,
            "up_block_types": ("UpBlock2D",) * levels,
            "norm_num_groups": self.groups,
            "add_attention": self.attention,
            "attention_head_dim": self.widths[-1] if self.attention else 8,
            "num_class_embeds": self.class_count or None,
        }

    @property
    def sampling(self) -> SamplingDefaults:
        return SamplingDefaults(looks=LOOKS)

    def new_member(self, seed: int) -> UNetMember:
        planes = self.channels * self.patch**2
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = UNet(
                planes, self.widths, self.layers_per_block, self.groups, self.class_count, attention=self.attention
            )
        return UNetMember(network, self.patch)

    def save_member(self, member: Member, folder: Path) -> None:
        """Write config.json and weights as diffusers does.

        Raises:
            UsageError: a member of another kind.
        """
        if not isinstance(member, UNetMember):
            raise UsageError(f"a {type(member).__name__} is no member of the kind {self.name!r}")
        super().save_member(member, folder)
        names = {"_class_name": "UNet2DModel", "_diffusers_version": importlib.metadata.version("diffusers")}
        document = json.dumps({**names, **SAME_FOR_ALL, **self.config()}, indent=2, sort_keys=True) + "\n"
        (folder / CONFIG_NAME).write_text(document, encoding="utf-8")

    def weights_metadata(self) -> dict[str, str]:
        """What diffusers asks for."""
        return {"format": "pt"}


class UNetMember(Member):
    """A UNet between space to depth and depth to space. ``condition`` is [batch] class numbers."""

    def __init__(self, network: UNet, patch: int) -> None:
        super().__init__()
        self.network = network
        self.patch = patch

    def forward(
        self,
        x: Float[Tensor, "batch channel height width"],
        t: Int[Tensor, " batch"],
        condition: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch channel height width"]:
        if self.patch > 1:
            x = functional.pixel_unshuffle(x, self.patch)
        eps: Tensor = self.network(x, t, condition)
        return functional.pixel_shuffle(eps, self.patch) if self.patch > 1 else eps

    def state(self) -> dict[str, Tensor]:
        return self.network.state_dict()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.network.load_state_dict(state)
