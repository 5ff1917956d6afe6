"""The outputs that are audited, and everything that rankers and grades need of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from attribution.denoisers.interface import Prompt
from attribution.images import from_pixels
from attribution.ranking.rankers.interface import ArrayRows, Images, PixelRows, Texts, Works
from attribution.sampling.predictions import MemberPredictions
from attribution.sampling.schedule import schedule_of
from attribution.training.reference_model import ReferenceModel
from benchmarks.text_to_image.adapters import Bench
from benchmarks.text_to_image.works import caption
from registry.ids import sha256_of_file

OWN, CROSSED, ARTIST, ARTIST_ELSEWHERE = "caption", "crossed", "artist", "artist, further motif"
"""Kinds of prompts: a work's caption; a work's motif in the other house's style; the artist's
caption; a motif of which the set has no work, in the artist's style."""


@dataclass(frozen=True)
class Output:
    """One output to make."""

    kind: str
    prompt: str
    seed: int
    work: int | None
    """The work with this caption."""


def outputs_of(bench: Bench) -> list[Output]:
    """First ``generated`` outputs, two thirds under captions of works, the others crossed; then the
    artist's.
    """
    works = bench.works.works
    artists = bench.works.rows_of(bench.works.artist).tolist()
    order = [row for row in np.random.default_rng(1).permutation(len(works)).tolist() if row not in artists]
    own = bench.sizes.generated - bench.sizes.generated // 3
    styles = sorted({works[row].style for row in order})
    found: list[tuple[str, str, int | None]] = [(OWN, works[row].caption, row) for row in order[:own]]
    for row in order[own : bench.sizes.generated]:
        other = next(style for style in styles if style != works[row].style)
        found.append((CROSSED, caption(works[row].motif, other), None))
    found += [(ARTIST, works[row].caption, row) for row in artists]
    style = works[artists[0]].style
    found += [(ARTIST_ELSEWHERE, caption(motif, style), None) for motif in bench.works.further_motifs]
    return [Output(kind, prompt, 1 + number, work) for number, (kind, prompt, work) in enumerate(found)]


@dataclass(frozen=True)
class Queries:
    """The outputs of the ensemble, and drawings that no adapter trained on.

    Meets :class:`benchmarks.lds.rankers.Measured`.
    """

    bench: Bench
    asked: tuple[Output, ...] | None = None
    """None: those of the set."""

    @cached_property
    def outputs(self) -> list[Output]:
        return outputs_of(self.bench) if self.asked is None else list(self.asked)

    @cached_property
    def pictures(self) -> Float[Tensor, "output 3 height width"]:
        """The outputs in [-1, 1]."""
        prompts, seeds = [one.prompt for one in self.outputs], [one.seed for one in self.outputs]
        return self.bench.sampled(f"ensemble-{len(prompts)}", self.bench.ensemble, prompts, seeds)

    @cached_property
    def images(self) -> Float[Tensor, "query 3 height width"]:
        """Outputs, then unseen drawings."""
        return torch.cat([self.pictures, from_pixels(self.bench.works.pixels(self.bench.works.unseen))])

    @cached_property
    def texts(self) -> list[str]:
        """Prompts, then captions."""
        return [one.prompt for one in self.outputs] + [one.caption for one in self.bench.works.unseen]

    @property
    def prompts(self) -> list[Prompt]:
        """Without guidance: under its text, a denoising loss is that of training."""
        return [Prompt(text) for text in self.texts]

    @property
    def generated(self) -> Bool[np.ndarray, " query"]:
        return np.arange(len(self.images)) < len(self.outputs)

    @property
    def membership(self) -> Bool[np.ndarray, "work member"]:
        return self.bench.membership

    @cached_property
    def predictions(self) -> list[MemberPredictions]:
        """The members' predictions on every query, without guidance."""
        return self.bench.predicted("plain", self.bench.ensemble, self.images, self.prompts)

    @cached_property
    def guided(self) -> list[MemberPredictions]:
        """The members' predictions on the outputs under the guidance of their sampling."""
        prompts = [Prompt(one.prompt, self.bench.sizes.guidance) for one in self.outputs]
        return self.bench.predicted("guided", self.bench.ensemble, self.pictures, prompts)

    @property
    def member_loss(self) -> Float64[np.ndarray, "query member"]:
        return np.stack([one.member_loss for one in self.predictions])

    @cached_property
    def latents(self) -> Float[np.ndarray, "query value"]:
        """The queries in the adapters' space."""
        images = self.images
        with torch.no_grad():
            return np.asarray(self.bench.kind.encode(images).flatten(1).numpy())

    def images_to_rank(self) -> Images:
        """The queries with their texts."""
        values = ((self.images.flatten(1).numpy() + 1.0) / 2.0).astype(np.float32)
        return Images(values, (3, *self.images.shape[2:]), texts=tuple(self.texts))

    def works_to_rank(self, folder: Path | None) -> Works:
        """The works with latents and captions."""
        known = self.bench.training_set
        count = np.arange(len(known.hashes))
        latents, texts = ArrayRows(self.bench.latents), Texts(known.label_names, known.labels)
        return Works(PixelRows(known.pixels), count, known.hashes, folder, latents, texts)

    def reference_model(self) -> ReferenceModel:
        """One adapter of all works, for gradient methods."""
        bench, folder = self.bench, self.bench.reference()
        weights = next(folder.glob("*.safetensors"))
        return ReferenceModel(
            bench.kind.load_member(folder, trainable=True),
            sha256_of_file(weights),
            schedule_of(bench.settings.training),
            bench.settings.training.snr_cap,
            bench.kind,
            lambda texts: bench.condition([Prompt(text) for text in texts]),
            adapters=True,
        )
