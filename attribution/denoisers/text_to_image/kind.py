"""The kind ``adapters``: a member is a LoRA adapter on a frozen text-to-image base.

The base is any that :mod:`registry.bases` reads: the UNet of Stable Diffusion 1 and 2 or of SDXL,
or of a smaller one of their form. Members work in the latents of its autoencoder, read its embedded
texts, and predict eps; a base that predicts v is converted here.

A member's file is a LoRA file of diffusers: ``pipeline.load_lora_weights(folder)`` opens it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, get_args

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from attribution.denoisers.ensemble import Ensemble
from attribution.denoisers.interface import DenoiserKind, Member, Prompt, Shape
from attribution.denoisers.libraries import diffusers
from attribution.denoisers.schedule import Betas, SamplingDefaults, alpha_bars, check_schedule, schedule_fields
from attribution.denoisers.space import Condition
from attribution.denoisers.text_to_image.base import BaseFiles, open_autoencoder, open_texts, open_unet
from attribution.denoisers.text_to_image.condition import TextCondition, text_condition
from attribution.denoisers.text_to_image.evaluations import Predictor
from attribution.denoisers.text_to_image.lora import ENDINGS, AdapterStack, Layer, Target, layers_of
from attribution.denoisers.text_to_image.members import AdapterMember, SharedBaseEnsemble
from attribution.denoisers.text_to_image.memory import bytes_to_train, evaluations_at_once, tangents_at_once
from registry.bases.records import base_by_id
from registry.errors import MissingPartError, UsageError

if TYPE_CHECKING:
    from attribution.denoisers.schedule import NoiseSchedule
    from attribution.images import ImageSettings
    from registry.bases.facts import BaseFacts
    from registry.storage.database import Registry

LARGEST_RANK = 1024


@dataclass(frozen=True)
class Adapters(DenoiserKind):
    """LoRA adapters on one base. :meth:`on` fills in what the base determines.

    Raises:
        UsageError: a value is outside its range.
    """

    name: ClassVar[str] = "adapters"
    latent: ClassVar[bool] = True
    open_labels: ClassVar[bool] = True

    base: str
    """SHA-256 of the base, over its components."""
    size: int
    """Side of the square images, in pixels."""
    latent_channels: int
    latent_size: int
    """Side of the latents."""
    latent_scale: float
    latent_shift: float
    tiny_autoencoder: bool
    sdxl: bool
    prediction: Literal["epsilon", "v_prediction"]
    """What the base predicts."""
    train_steps: int
    beta_start: float
    beta_end: float
    beta_schedule: Betas
    rank: int = 16
    alpha: float = 16.0
    """The adapter's part is scaled by alpha / rank."""
    target: Target = "attention"
    caption_dropout: float = 0.1
    """Share of training rows without their caption, so that guidance has something to lead from."""
    files: BaseFiles | None = field(default=None, compare=False, repr=False)
    """Where the base lies here: no part of the recipe."""

    def __post_init__(self) -> None:
        check_schedule(self)
        whole = (self.size, self.latent_channels, self.latent_size, self.train_steps)
        if any(type(number) is not int or number < 1 for number in whole):
            raise UsageError(f"sizes and schedule length must be whole numbers from 1; got {whole}")
        if type(self.rank) is not int or not 1 <= self.rank <= LARGEST_RANK:
            raise UsageError(f"rank {self.rank}: choose a whole number from 1 to {LARGEST_RANK}")
        if self.target not in get_args(Target):
            raise UsageError(f"got the target {self.target!r}: choose {' or '.join(get_args(Target))}")
        if self.prediction not in ("epsilon", "v_prediction"):
            raise UsageError(f"got the prediction type {self.prediction!r}, expected epsilon or v_prediction")
        if self.size % self.latent_size:
            raise UsageError(f"images of {self.size} pixels do not divide into {self.latent_size} latents a side")
        if not 0.0 < self.alpha <= 16 * LARGEST_RANK:
            raise UsageError(f"alpha {self.alpha}: choose a number above 0, at most {16 * LARGEST_RANK:,}")
        if not 0.0 <= self.caption_dropout < 1.0:
            raise UsageError(f"caption dropout {self.caption_dropout}: choose a number from 0 to below 1")
        if not 0.0 < abs(self.latent_scale) < 1e6:
            raise UsageError(f"a scale of latents of {self.latent_scale}: expected a number other than 0")

    @classmethod
    def on(
        cls,
        facts: BaseFacts,
        folder: Path,
        *,
        rank: int = 16,
        alpha: float | None = None,
        target: Target = "attention",
        caption_dropout: float = 0.1,
        size: int | None = None,
    ) -> Self:
        """Adapters on a base, by its facts and where it lies.

        ``alpha`` None: the rank. ``size`` None: the images that the base was made for.

        Raises:
            UsageError: a value is outside its range, or the base makes no square images.
        """
        height, width = facts.image_size
        if size is None:
            if height != width:
                raise UsageError(f"the base makes images of {width} x {height} pixels: choose a square with --size")
            size = height
        if size % facts.latents.pixels:
            raise UsageError(f"images of {size} pixels a side: the base takes multiples of {facts.latents.pixels}")
        autoencoder = {component.name: component.class_name for component in facts.components}["vae"]
        return cls(
            base=facts.id,
            size=size,
            latent_channels=facts.latents.channels,
            latent_size=size // facts.latents.pixels,
            latent_scale=facts.latents.scale,
            latent_shift=facts.latents.shift,
            tiny_autoencoder=autoencoder == "AutoencoderTiny",
            sdxl=facts.family == "sdxl",
            prediction=facts.prediction,
            train_steps=facts.schedule.steps,
            beta_start=facts.schedule.beta_start,
            beta_end=facts.schedule.beta_end,
            beta_schedule=facts.schedule.betas,
            rank=rank,
            alpha=float(rank if alpha is None else alpha),
            target=target,
            caption_dropout=caption_dropout,
            files=BaseFiles(facts, folder),
        )

    def located(self, registry: Registry, *, training: bool = False) -> Self:
        with registry.connection() as connection:
            record = base_by_id(connection, self.base)
        files = BaseFiles(record.facts, record.folder, (registry.home, record))
        files.verify(every=training)
        return replace(self, files=files)

    def to_json(self) -> dict[str, Any]:
        document = asdict(replace(self, files=None))
        del document["files"]
        return document

    def check(self, image: ImageSettings, classes: Sequence[str], schedule: NoiseSchedule) -> None:
        if (image.size, image.channels) != (self.size, 3):
            raise UsageError(
                f"images of {image.size} px and {image.channels} channels do not fit a base for colour images of "
                f"{self.size} px"
            )
        _refuse(classes)
        own = schedule_fields(self)
        for name, value in schedule_fields(schedule).items():
            if value != own[name]:
                raise UsageError(f"the recipe trains under {name} {value}, the base under {own[name]}: use the base's")

    @property
    def shape(self) -> Shape:
        return self.latent_channels, self.latent_size, self.latent_size

    @property
    def dropout(self) -> float:
        return self.caption_dropout

    @property
    def sampling(self) -> SamplingDefaults:
        return SamplingDefaults("ddim", 30, "leading", 1, 7.5)

    @property
    def scale(self) -> float:
        """Factor on what an adapter adds."""
        return self.alpha / self.rank

    def encode(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channel height width"]:
        """The mean of the autoencoder's posterior, scaled."""
        return open_autoencoder(self._files(), _name(images.device), *self._latents()).encode(images)

    def decode(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch 3 height width"]:
        return open_autoencoder(self._files(), _name(x.device), *self._latents()).decode(x)

    def _latents(self) -> tuple[bool, int, float, float]:
        return self.tiny_autoencoder, self.size // self.latent_size, self.latent_scale, self.latent_shift

    def condition(self, prompts: Sequence[Prompt], classes: Sequence[str]) -> TextCondition:
        """The embedded texts. The end of a text that is longer than the base reads is cut."""
        _refuse(classes)
        return text_condition(open_texts(self._files()), prompts)

    def pack(self, condition: Condition) -> dict[str, Tensor]:
        return condition.tensors() if isinstance(condition, TextCondition) else {}

    def unpack(self, tensors: Mapping[str, Tensor]) -> TextCondition:
        return TextCondition.from_tensors(tensors)

    def text_features(self, texts: Sequence[str]) -> Float32[np.ndarray, "text value"]:
        """Each text as the text encoders sum it up: their state at its end."""
        return open_texts(self._files()).summaries(texts).numpy()

    def cut(self, texts: Sequence[str]) -> list[str]:
        """The texts with more tokens than the base reads."""
        encoder = open_texts(self._files())
        return [text for text in texts if encoder.words_cut(text)]

    def complete(self, condition: TextCondition | None, x: Float[Tensor, "batch ..."]) -> TextCondition:
        """The condition itself, or the empty one for every row of x."""
        if condition is not None:
            return condition
        return self.condition([Prompt()] * len(x), ()).to(_name(x.device))

    def config(self) -> dict[str, Any]:
        return {"kind": self.name, "base": self.base, "rank": self.rank, "alpha": self.alpha, "target": self.target}

    def rows_at_once(self, device: str) -> int:  # noqa: ARG002  # the same everywhere
        """One: its members and their guidance make a batch of it, and copies would cost as much."""
        return 1

    def new_member(self, seed: int) -> AdapterMember:
        return AdapterMember.starting(self, seed)

    def predict_each(
        self,
        members: Sequence[Member],
        x: Float[Tensor, "member batch channel height width"],
        t: Int[Tensor, "member batch"],
        condition: TextCondition | None = None,
    ) -> Float[Tensor, "member batch channel height width"]:
        """One call of the UNet for all; gradients reach the A and B of every member."""
        adapters = [member for member in members if isinstance(member, AdapterMember)]
        if len(adapters) == 1:
            return super().predict_each(adapters, x, t, condition)
        stack = AdapterStack.of([member.adapter() for member in adapters], self.scale)
        return self.predictor(x.device).predict_each(x, t, self.complete(condition, x.flatten(0, 1)), stack)

    def bytes_to_train(self, rows: int) -> int:
        return bytes_to_train(rows, _skeleton(self._files()).config.block_out_channels[0], self.latent_size)

    def save_member(self, member: Member, folder: Path) -> None:
        """Write config.json, and A and B as a LoRA file of diffusers."""
        if not isinstance(member, AdapterMember):
            raise UsageError(f"a {type(member).__name__} is no member of the kind {self.name!r}")
        super().save_member(member, folder)

    def weights_metadata(self) -> dict[str, str]:
        """What peft and diffusers read in the header of a LoRA file."""
        described = {
            "unet.r": self.rank,
            "unet.lora_alpha": self.alpha,
            "unet.target_modules": list(ENDINGS[self.target]),
            "unet.lora_dropout": 0.0,
            "unet.bias": "none",
        }
        return {"format": "pt", "lora_adapter_metadata": json.dumps(described, indent=2, sort_keys=True)}

    def open_members(self, folders: Sequence[Path], device: str) -> Ensemble:
        return SharedBaseEnsemble([self.load_member(folder).to(device) for folder in folders], self)

    def open_base(self, device: str) -> Ensemble:
        return SharedBaseEnsemble([self.new_member(0).to(device).eval().requires_grad_(False)], self)

    def layout(self) -> Mapping[str, Layer]:
        """The adapted modules of the base's UNet, without weights."""
        return _layout(self._files(), self.target)

    def predictor(self, device: torch.device) -> Predictor:
        """The base's UNet on a device, with what this kind makes of its output."""
        unet = open_unet(self._files(), _name(device))
        ids = [self.size, self.size, 0, 0, self.size, self.size]
        return Predictor(
            unet=unet,
            target=self.target,
            alpha_bar=_signal(self, _name(device)),
            predicts_v=self.prediction == "v_prediction",
            time_ids=torch.tensor(ids, dtype=torch.float32, device=device) if self.sdxl else None,
            at_once=evaluations_at_once(device, unet.width, self.latent_size),
        )

    def tangents_at_once(self, x: Float[Tensor, "batch ..."]) -> int:
        return tangents_at_once(x.device, len(x), _skeleton(self._files()), self.latent_size, self.size)

    def rows_in_one_call(self, device: str) -> int:
        return self.predictor(torch.device(device)).at_once

    def _files(self) -> BaseFiles:
        if self.files is None:
            raise MissingPartError(
                f"the base {self.base[:12]} is not at hand: run `creditline base add FOLDER` with its folder"
            )
        return self.files


def _refuse(classes: Sequence[str]) -> None:
    if classes:
        raise UsageError("a text-to-image base reads captions, and knows no classes: leave the classes out")


def _name(device: torch.device) -> str:
    return "cpu" if device.type == "cpu" else str(device)


@lru_cache(maxsize=4)
def _layout(files: BaseFiles, target: Target) -> Mapping[str, Layer]:
    return layers_of(_skeleton(files), target)


@lru_cache(maxsize=2)
def _skeleton(files: BaseFiles) -> Any:  # noqa: ANN401  # a diffusers model
    """The base's UNet without weights."""
    network = diffusers().UNet2DConditionModel
    config = files.readable("unet", lambda folder: network.load_config(folder, local_files_only=True))
    with torch.device("meta"):
        return network.from_config(config)


@lru_cache(maxsize=8)
def _signal(kind: Adapters, device: str) -> Float[Tensor, " timestep"]:
    return torch.from_numpy(alpha_bars(kind)).to(device)
