"""The facts about a base model that its files alone determine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from registry.ids import sha256_of

Prediction = Literal["epsilon", "v_prediction"]
Family = Literal["sd", "sdxl"]
"""``sd``: one text encoder. ``sdxl``: two text encoders, and the added conditions of SDXL."""


@dataclass(frozen=True)
class ComponentFile:
    """A file of a base, with its path relative to the base's folder."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Component:
    """A part of a pipeline, such as ``unet``, with the files that it is loaded from."""

    name: str
    class_name: str
    files: tuple[ComponentFile, ...]
    """In order of path."""
    weights: int
    """Numbers in its weight files; 0 for a part without weights."""

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(file.size for file in self.files)

    @property
    def sha256(self) -> str:
        """Hash over the hashes of its files."""
        return sha256_of({file.path: file.sha256 for file in self.files})


@dataclass(frozen=True)
class Schedule:
    """The noise schedule that a base was trained under."""

    scheduler: str
    """Class of the scheduler that the folder names; creditline samples by its own."""
    betas: Literal["linear", "scaled_linear"]
    """``linear``: between the first and last variance. ``scaled_linear``: between their roots."""
    beta_start: float
    beta_end: float
    steps: int


@dataclass(frozen=True)
class Latents:
    """The space of a base's UNet."""

    channels: int
    height: int
    width: int
    pixels: int
    """Height and width in pixels of one latent: 8 for Stable Diffusion."""
    scale: float
    """Factor between the autoencoder's latents and the UNet's."""
    shift: float
    """Subtracted from the autoencoder's latents before scaling."""


@dataclass(frozen=True)
class BaseFacts:
    """A base, as its files describe it."""

    pipeline: str
    """Class of the pipeline that the folder names."""
    family: Family
    prediction: Prediction
    schedule: Schedule
    latents: Latents
    tokens: int
    """Longest text in tokens, with the tokens at its start and end."""
    variant: str | None
    """``fp16`` where the weight files are ``*.fp16.safetensors``."""
    components: tuple[Component, ...]
    """In order of name."""

    @property
    def id(self) -> str:
        """SHA-256 over the hashes of the components, by name."""
        return base_id({component.name: component.sha256 for component in self.components})

    def variant_of(self, name: str) -> str | None:
        """The variant of a component's weight files; a component may have files without one."""
        mark = f".{self.variant}"
        component = next((each for each in self.components if each.name == name), None)
        named = component is not None and any(mark in file.path.rpartition("/")[2] for file in component.files)
        return self.variant if named else None

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(component.size for component in self.components)

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels of the images that the base was made for."""
        return self.latents.height * self.latents.pixels, self.latents.width * self.latents.pixels

    def files(self) -> tuple[ComponentFile, ...]:
        """All files, in order of component and path."""
        return tuple(file for component in self.components for file in component.files)


def base_id(components: Mapping[str, str]) -> str:
    """The id of a base by the hashes of its components."""
    return sha256_of(components)
