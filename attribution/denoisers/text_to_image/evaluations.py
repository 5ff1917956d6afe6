"""Predictions of members on rows: one batch of evaluations of the shared UNet, in chunks.

Guidance (Ho and Salimans 2021) takes two evaluations of a member on a row. A chunk holds all
evaluations of a row together where it can, because evaluations of one row share the first layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attribution.denoisers.text_to_image.condition import TextCondition
from attribution.denoisers.text_to_image.lora import AdapterLayers, AdapterStack, Target
from attribution.denoisers.text_to_image.shared_unet import SharedUNet


@dataclass(frozen=True)
class Predictor:
    """What turns evaluations into the noise that a member predicts."""

    unet: SharedUNet
    target: Target
    alpha_bar: Float[Tensor, " timestep"]
    """On the device, in float64."""
    predicts_v: bool
    time_ids: Float[Tensor, " 6"] | None
    """For SDXL: height and width before cropping, top and left of the crop, height and width."""
    at_once: int
    """Evaluations in one call of the UNet."""

    def predict(
        self,
        x: Float[Tensor, "batch channel height width"],
        t: Int[Tensor, " batch"],
        condition: TextCondition,
        stack: AdapterStack | AdapterLayers,
        pairs: Sequence[tuple[int, int]],
    ) -> Float[Tensor, "pair channel height width"]:
        """Eps for each (row, member's place in the stack), best in order of row."""
        guided = bool((condition.guidance != 1.0).any())
        size = max(1, self.at_once // 2 if guided else self.at_once)
        parts = [
            self._chunk(x, t, condition, stack, pairs[start : start + size]) for start in range(0, len(pairs), size)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def predict_each(
        self,
        x: Float[Tensor, "member batch channel height width"],
        t: Int[Tensor, "member batch"],
        condition: TextCondition,
        stack: AdapterStack,
    ) -> Float[Tensor, "member batch channel height width"]:
        """Eps of every member on a batch of its own, without guidance, in one call of the UNet.

        ``condition`` has member x batch rows.
        """
        rows, times = x.flatten(0, 1), t.flatten()
        output = self.unet(
            rows,
            times,
            self._added(condition, condition.text.tolist()),
            condition.tokens[condition.text.to(x.device)].to(x.dtype),
            torch.arange(len(rows), device=x.device),
            None,
            stack,
            self.target,
        )
        return (self._noise_in_v(output, rows, times) if self.predicts_v else output).reshape(x.shape)

    def _noise_in_v(self, v: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """Eps = sqrt(alpha_bar) v + sqrt(1 - alpha_bar) x_t."""
        signal = self.alpha_bar[t].to(x.dtype).view(-1, 1, 1, 1)
        return v * signal.sqrt() + x * (1.0 - signal).sqrt()

    def _chunk(
        self,
        x: Tensor,
        t: Tensor,
        condition: TextCondition,
        stack: AdapterStack | AdapterLayers,
        pairs: Sequence[tuple[int, int]],
    ) -> Tensor:
        """One call of the UNet: each pair under its text, then guided pairs under the negative."""
        text, negative = condition.text.tolist(), condition.negative.tolist()
        guidance = condition.guidance
        led = [place for place, (row, _) in enumerate(pairs) if guidance[row] != 1.0]
        evaluations = [(row, member, text[row]) for row, member in pairs]
        evaluations += [(pairs[place][0], pairs[place][1], negative[pairs[place][0]]) for place in led]
        # The text is part of the time embedding of SDXL, so rows under two texts share nothing.
        keys = [(row, each if self.time_ids is not None else -1) for row, _, each in evaluations]
        shared = {key: place for place, key in enumerate(dict.fromkeys(keys))}
        rows = [row for row, _ in shared]
        device = x.device
        texts = torch.tensor([each for _, _, each in evaluations], device=device)
        same = rows == list(range(len(x)))
        here = torch.tensor(rows, device=device)
        of_rows = torch.tensor([shared[key] for key in keys], device=device)
        x_here, t_here = (x, t) if same else (x[here], t[here])
        output = self.unet(
            x_here,
            t_here,
            self._added(condition, [each for _, each in shared]),
            condition.tokens[texts].to(x.dtype),
            of_rows,
            torch.tensor([member for _, member, _ in evaluations], device=device),
            stack,
            self.target,
        )
        if self.predicts_v:
            spread = len(evaluations) != len(rows)
            output = self._noise_in_v(output, *((x_here[of_rows], t_here[of_rows]) if spread else (x_here, t_here)))
        if not led:
            return output
        # A pair without guidance is led away from itself, which changes nothing.
        away = list(range(len(pairs)))
        for place, pair in enumerate(led):
            away[pair] = len(pairs) + place
        led_by = output[: len(pairs)]
        led_from = output[torch.tensor(away, device=device)]
        strength = guidance[[row for row, _ in pairs]].to(device, x.dtype).view(-1, 1, 1, 1)
        return led_from + (led_by - led_from) * strength

    def _added(self, condition: TextCondition, texts: Sequence[int]) -> dict[str, Tensor] | None:
        if self.time_ids is None or condition.pooled is None:
            return None
        chosen = condition.pooled[torch.tensor(texts, device=condition.pooled.device)]
        return {"text_embeds": chosen, "time_ids": self.time_ids.expand(len(texts), -1)}
