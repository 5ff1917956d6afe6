"""The condition of a batch: texts, and guidance away from other texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attribution.denoisers.interface import Prompt
from attribution.denoisers.text_to_image.base import TextEncoder
from registry.errors import InputError


@dataclass(frozen=True)
class TextCondition:
    """One row per prompt. Each text is kept once, and rows name it by its place.

    The places and the guidance stay on the CPU, where batches are planned.
    """

    tokens: Float[Tensor, "text token width"]
    """The embedded texts."""
    pooled: Float[Tensor, "text width"] | None
    """For SDXL, each text as one vector."""
    text: Int[Tensor, " batch"]
    negative: Int[Tensor, " batch"]
    guidance: Float[Tensor, " batch"]

    def __len__(self) -> int:
        return len(self.text)

    def __getitem__(self, rows: Tensor) -> TextCondition:
        chosen = rows.cpu()
        return replace(self, text=self.text[chosen], negative=self.negative[chosen], guidance=self.guidance[chosen])

    def to(self, device: str) -> TextCondition:
        return replace(
            self, tokens=self.tokens.to(device), pooled=None if self.pooled is None else self.pooled.to(device)
        )

    def tensors(self) -> dict[str, Tensor]:
        """The fields by name."""
        return {name: value.contiguous() for name, value in vars(self).items() if value is not None}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> TextCondition:
        """The condition that :meth:`tensors` gave.

        Raises:
            InputError: the tensors are of something else.
        """
        names = set(tensors) | {"pooled"}
        if names != {part.name for part in fields(cls)}:
            raise InputError(f"expected the tensors of a text condition, got {sorted(tensors)}")
        return cls(pooled=tensors.get("pooled"), **{name: tensors[name] for name in names - {"pooled"}})


def text_condition(encoder: TextEncoder, prompts: Sequence[Prompt]) -> TextCondition:
    """Encode each text of the prompts once."""
    listed = list(dict.fromkeys(text for prompt in prompts for text in (prompt.label, prompt.negative)))
    places = {text: place for place, text in enumerate(listed)}
    encoded = [encoder.encode(text) for text in listed]
    pooled = [each for _, each in encoded if each is not None]
    return TextCondition(
        torch.stack([tokens for tokens, _ in encoded]),
        torch.stack(pooled) if pooled else None,
        torch.tensor([places[prompt.label] for prompt in prompts]),
        torch.tensor([places[prompt.negative] for prompt in prompts]),
        torch.tensor([prompt.guidance for prompt in prompts], dtype=torch.float64),
    )
