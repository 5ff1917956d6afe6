"""A base's networks, loaded once per process and frozen.

Classes are named here and never taken from a file, weights are safetensors, and code in the base's
folder is not run. :mod:`registry.bases` has checked the folder's configurations and hashes.

The autoencoder and the text encoders run in single precision. The UNet does so on a CPU, and in
bfloat16 on a GPU.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError
from torch import Tensor, nn

from attribution.denoisers.libraries import diffusers, transformers
from attribution.denoisers.text_to_image.shared_unet import SharedUNet
from registry.bases.facts import BaseFacts
from registry.bases.records import BaseRecord
from registry.bases.verification import verify_base
from registry.errors import IntegrityError
from registry.home import Home

PIXELS_AT_ONCE = 4 * 512 * 512
"""Pixels that the autoencoder takes in one call: its activations are the largest of all."""


@dataclass(frozen=True)
class BaseFiles:
    """Where a base lies, with the facts about its files."""

    facts: BaseFacts
    folder: Path
    registered: tuple[Home, BaseRecord] | None = field(default=None, compare=False, repr=False)
    """The record to compare the files with before a network is loaded; None: no comparison."""

    def verify(self, *, every: bool = False) -> None:
        """Compare the files with their record; ``every``: also those untouched since the last time.

        Raises:
            IntegrityError: a file is missing or was changed; the message names it.
        """
        if self.registered is not None:
            verify_base(*self.registered, every=every)

    def part(self, name: str, kind: type[Any], precision: torch.dtype = torch.float32) -> Any:  # noqa: ANN401  # of the kind
        """A component as a network of the class ``kind``, frozen.

        Raises:
            IntegrityError: files are missing, were changed, or are not such a network.
        """
        self.verify()
        network = self.readable(
            name,
            lambda folder: kind.from_pretrained(
                folder,
                variant=self.facts.variant_of(name),
                use_safetensors=True,
                local_files_only=True,
                torch_dtype=precision,
            ),
        )
        frozen: nn.Module = network.eval().requires_grad_(False)
        return frozen

    def tokenizer(self, name: str) -> Any:  # noqa: ANN401  # a transformers tokenizer
        """A component as CLIP's tokenizer. Raises as :meth:`part` does."""
        kind = transformers().CLIPTokenizer
        return self.readable(name, lambda folder: kind.from_pretrained(folder, local_files_only=True))

    def empty_text_is_zero(self) -> bool:
        """Whether no text is embedded as zeros, as the pipeline of SDXL can say."""
        index = self.readable("model_index.json", lambda path: json.loads(path.read_bytes()))
        return isinstance(index, dict) and index.get("force_zeros_for_empty_prompt") is True

    def readable(self, name: str, read: Callable[[Path], Any]) -> Any:  # noqa: ANN401  # whatever ``read`` returns
        """What ``read`` makes of the file or folder ``name`` of the base.

        Raises:
            IntegrityError: it cannot be read.
        """
        try:
            return read(self.folder / name)
        except (OSError, ValueError, RuntimeError, LookupError, TypeError, RecursionError, SafetensorError) as error:
            first_line = next(iter(str(error).splitlines()), type(error).__name__)
            raise IntegrityError(
                f"the base {self.facts.id[:12]} cannot be opened: {self.folder / name}: {first_line}; restore the folder, and "
                "run `creditline base add` with it again"
            ) from error


@lru_cache(maxsize=2)
def open_unet(base: BaseFiles, device: str) -> SharedUNet:
    """The UNet on a device, shared by all members there. Raises as :meth:`BaseFiles.part` does."""
    return SharedUNet(base.part("unet", diffusers().UNet2DConditionModel, precision_on(device)).to(device))


def precision_on(device: str) -> torch.dtype:
    """In which the UNet computes; adapters, their moments and losses are float32 everywhere."""
    return torch.bfloat16 if device.startswith("cuda") else torch.float32


@dataclass(frozen=True)
class Autoencoder:
    """Between images in [-1, 1] and latents as the UNet takes them."""

    network: Any
    pixels: int
    """Height and width of a latent in pixels."""
    scale: float
    shift: float

    def encode(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channel height width"]:
        """The mean of the posterior, shifted and scaled; deterministic."""
        parts = torch.split(images.to(self.network.dtype), max(1, PIXELS_AT_ONCE // images[0, 0].numel()))
        encoded = torch.cat([self._mean(part) for part in parts])
        return ((encoded - self.shift) * self.scale).to(images.dtype)

    def _mean(self, images: Tensor) -> Tensor:
        found = self.network.encode(images)
        mean: Tensor = found.latents if hasattr(found, "latents") else found.latent_dist.mean
        return mean

    def decode(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch 3 height width"]:
        """Images before clipping; differentiable, forwards and backwards."""
        latents = (x / self.scale + self.shift).to(self.network.dtype)
        rows = max(1, PIXELS_AT_ONCE // (x[0, 0].numel() * self.pixels**2))
        images = [self.network.decode(part, return_dict=False)[0] for part in torch.split(latents, rows)]
        return (images[0] if len(images) == 1 else torch.cat(images)).to(x.dtype)


@lru_cache(maxsize=2)
def open_autoencoder(base: BaseFiles, device: str, tiny: bool, pixels: int, scale: float, shift: float) -> Autoencoder:
    """The autoencoder on a device: diffusers' ``AutoencoderTiny`` or ``AutoencoderKL``.

    Raises as :meth:`BaseFiles.part` does.
    """
    kind = diffusers().AutoencoderTiny if tiny else diffusers().AutoencoderKL
    return Autoencoder(base.part("vae", kind).to(device), pixels, scale, shift)


class TextEncoder:
    """The text encoders of a base, which run on the CPU."""

    def __init__(self, base: BaseFiles) -> None:
        """Load them. Raises as :meth:`BaseFiles.part` does."""
        library = transformers()
        self._sdxl = base.facts.family == "sdxl"
        self._tokenizers = [base.tokenizer("tokenizer")]
        self._encoders = [base.part("text_encoder", library.CLIPTextModel)]
        if self._sdxl:
            self._tokenizers.append(base.tokenizer("tokenizer_2"))
            self._encoders.append(base.part("text_encoder_2", library.CLIPTextModelWithProjection))
        self._zero = self._sdxl and base.empty_text_is_zero()
        self.encode = lru_cache(maxsize=256)(self._encode)

    def numbers(self, text: str) -> list[Int[Tensor, "1 token"]]:
        """The text's tokens, padded or cut to the longest that each encoder takes."""
        return [
            tokenizer(
                text,
                padding="max_length",
                max_length=tokenizer.model_max_length,
                truncation=True,
                return_tensors="pt",
            ).input_ids
            for tokenizer in self._tokenizers
        ]

    def words_cut(self, text: str) -> bool:
        """Whether the text has more tokens than the base takes, so that its end is not read."""
        return any(
            len(tokenizer(text, truncation=False, verbose=False).input_ids) > tokenizer.model_max_length
            for tokenizer in self._tokenizers
        )

    @torch.no_grad()
    def _encode(self, text: str | None) -> tuple[Float[Tensor, "token width"], Float[Tensor, " pooled"] | None]:
        """A text as the UNet reads it, and pooled for SDXL. None is the empty condition."""
        tokens = self.numbers(text or "")
        if not self._sdxl:
            return self._encoders[0](tokens[0])[0][0], None
        found = [encoder(each, output_hidden_states=True) for encoder, each in zip(self._encoders, tokens, strict=True)]
        hidden = torch.cat([each.hidden_states[-2][0] for each in found], dim=-1)
        pooled: Tensor = found[1].text_embeds[0]
        if text is None and self._zero:
            return torch.zeros_like(hidden), torch.zeros_like(pooled)
        return hidden, pooled

    @torch.no_grad()
    def summaries(self, texts: Sequence[str]) -> Float[Tensor, "text width"]:
        """Every encoder's state at the end of each text, side by side."""
        found = []
        for text in texts:
            parts = zip(self._encoders, self.numbers(text), strict=True)
            ends = [encoder(tokens) for encoder, tokens in parts]
            found.append(
                torch.cat([each.pooler_output[0] if "pooler_output" in each else each.text_embeds[0] for each in ends])
            )
        return torch.stack(found).float()


@lru_cache(maxsize=2)
def open_texts(base: BaseFiles) -> TextEncoder:
    """The text encoders. Raises as :meth:`BaseFiles.part` does."""
    return TextEncoder(base)
