"""Adapters on the small base, trained by the product's trainer on any subset of the works.

Every adapter is a member's folder in the cache, so an interrupted run goes on with the next one.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, UInt8
from safetensors.numpy import load_file, save_file
from torch import Tensor

from attribution.denoisers.ensemble import Ensemble
from attribution.denoisers.interface import Prompt
from attribution.denoisers.schedule import schedule_fields
from attribution.denoisers.space import Condition
from attribution.denoisers.text_to_image.kind import Adapters
from attribution.denoisers.text_to_image.lora import Target
from attribution.ensemble.recipe import EnsembleSettings, TrainingSettings
from attribution.images import ImageSettings, from_pixels, to_pixels
from attribution.sampling.noise import noise_batch
from attribution.sampling.predictions import MemberPredictions, load_predictions, renoise, save_predictions
from attribution.sampling.sampler import sample
from attribution.sampling.schedule import SamplerSettings
from attribution.training.dataset import TrainingSet
from attribution.training.encoded import EncodedShards, encode_works
from attribution.training.loop import CHECKPOINT_SECONDS, TrainingRun
from benchmarks.text_to_image.works import WorkSet
from registry.bases.reading import read_base
from registry.encodings.assignment import Assignment
from registry.encodings.codes import codes_of
from registry.encodings.words import Words, bits
from registry.home import write_atomically, write_bytes_atomically, write_folder_atomically
from registry.ids import sha256_of

CODE_SEED = 7
LOSS_SPACING = 4
"""Steps between the noised views of a loss: half as many views as the predictions of an audit."""


@dataclass(frozen=True)
class Sizes:
    """How much is trained and sampled; every result states it."""

    rank: int = 16
    target: Target = "attention+conv"
    steps: int = 80
    batch: int = 8
    learning_rate: float = 4e-3
    members: int = 12
    ones: int = 6
    halves: int = 12
    trainings: int = 2
    """Trainings of every half."""
    generated: int = 16
    """Outputs under captions of works, and under captions of one house with motifs of the other."""
    given: int = 8
    """Works that are shown as images from outside."""
    sampling_steps: int = 15
    guidance: float = 3.0
    ablated: int = 1
    """Works without which adapters are trained."""
    redraws: int = 200
    """Assignments that are dealt anew after training."""


@dataclass(frozen=True)
class Bench:
    """A set of works, the base, and a cache of everything that was trained or measured."""

    works: WorkSet
    base: Path
    cache: Path
    sizes: Sizes
    draw: int = 0
    """The draw of the codes and of the ensemble's training noise."""
    serving: tuple[int, ...] | None = None
    """The members in service; None: all."""

    @cached_property
    def folder(self) -> Path:
        """The cache of this base, set and recipe: others have their own."""
        counts = {"halves", "trainings", "given", "ablated", "redraws"}
        recipe = {name: str(value) for name, value in asdict(self.sizes).items() if name not in counts}
        drawn = f"-draw-{self.draw}" if self.draw else ""
        folder = self.cache / f"{self.works.name}-{sha256_of([self.kind.base, recipe])[:8]}{drawn}"
        if self.serving is not None:
            folder /= f"serving-{'-'.join(map(str, self.serving))}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @cached_property
    def kind(self) -> Adapters:
        return Adapters.on(read_base(self.base).facts, self.base, rank=self.sizes.rank, target=self.sizes.target)

    @cached_property
    def settings(self) -> EnsembleSettings:
        """The recipe of every adapter."""
        training = TrainingSettings(
            steps=self.sizes.steps,
            batch_size=self.sizes.batch,
            learning_rate=self.sizes.learning_rate,
            warmup_steps=min(20, self.sizes.steps // 4),
            **schedule_fields(self.kind),
        )
        captions = [work.caption for work in self.works.works]
        return EnsembleSettings(
            image=ImageSettings(size=self.kind.size),
            network=self.kind,
            training=training,
            label_column="caption",
            labels_sha256=sha256_of(captions),
        )

    @property
    def sampler(self) -> SamplerSettings:
        """DPM-Solver++ under the base's schedule."""
        return SamplerSettings(
            method="dpm++", steps=self.sizes.sampling_steps, clip=False, offset=1, **schedule_fields(self.kind)
        )

    @cached_property
    def training_set(self) -> TrainingSet:
        """The works, encoded once."""
        pixels = self.works.pixels(self.works.works)
        hashes = [hashlib.sha256(picture.tobytes()).hexdigest() for picture in pixels]
        shards = EncodedShards(self.folder / "encoded", hashes)
        encode_works(self.kind, pixels, shards, "cpu")
        return TrainingSet(
            pixels=pixels,
            codes=self.assignment.codes[: len(pixels)],
            labels=np.arange(len(pixels), dtype=np.int64),
            hashes=hashes,
            label_names=tuple(work.caption for work in self.works.works),
            encoded=shards,
            folder=self.folder,
        )

    @cached_property
    def latents(self) -> Float[np.ndarray, "work value"]:
        """The works in the adapters' space."""
        clean = self.training_set.clean(np.arange(len(self.works.works)), self.kind)
        return np.asarray(clean.flatten(1).numpy())

    @cached_property
    def unseen_latents(self) -> Float[np.ndarray, "drawing value"]:
        """The drawings that no adapter trained on."""
        pictures = from_pixels(self.works.pixels(self.works.unseen))
        with torch.no_grad():
            return np.asarray(self.kind.encode(pictures).flatten(1).numpy())

    @cached_property
    def assignment(self) -> Assignment:
        """Codes of the works, then of the unseen drawings: by their codes the two do not differ."""
        count, sizes, seed = len(self.works.works) + len(self.works.unseen), self.sizes, CODE_SEED + self.draw
        codes = codes_of(seed, sizes.members, sizes.ones, np.arange(count), 2)
        return Assignment(sizes.members, sizes.ones, seed, 2, codes)

    @property
    def membership(self) -> Bool[np.ndarray, "work member"]:
        """Which member in service trained on which work."""
        return self.members_of(self.assignment.codes[: len(self.works.works)])

    def members_of(self, codes: Words) -> Bool[np.ndarray, "*codes member"]:
        """The codes' bits at the members in service."""
        found = bits(codes, self.sizes.members)
        return found if self.serving is None else found[..., list(self.serving)]

    def trained(self, name: str, rows: Bool[np.ndarray, "adapter work"], seed: int = 0) -> list[Path]:
        """Folders of adapters, each trained on the works of its row; those at hand are kept."""
        settings = replace(self.settings, training=replace(self.settings.training, seed=seed))
        folders = [self.folder / f"{name}-{seed}" / f"{number:02d}" for number in range(len(rows))]
        for folder, row in zip(folders, rows, strict=True):
            if not folder.exists():
                began, used = time.monotonic(), time.process_time()
                run = TrainingRun(settings, self.training_set, np.flatnonzero(row), None, "cpu")
                checkpoint = folder.with_suffix(".checkpoint")
                whole = not checkpoint.exists()
                run.complete(checkpoint, lambda _steps: None, CHECKPOINT_SECONDS)
                seconds, processor = time.monotonic() - began, time.process_time() - used
                if whole:
                    write_bytes_atomically(folder.with_suffix(".seconds"), f"{processor:.4f}".encode())
                write_folder_atomically(folder, partial(self.kind.save_member, run.member))
                checkpoint.unlink(missing_ok=True)
                print(
                    f"{folder.parent.name}/{folder.name}: {seconds:.0f} s, {processor:.0f} s of processor", flush=True
                )
        return folders

    def opened(self, name: str, rows: Bool[np.ndarray, "adapter work"], seed: int = 0) -> Ensemble:
        """The adapters of :meth:`trained`, ready to predict together."""
        return self.kind.open_members(self.trained(name, rows, seed), "cpu")

    @cached_property
    def ensemble(self) -> Ensemble:
        """The members in service."""
        folders = self.members()
        kept = folders if self.serving is None else [folders[index] for index in self.serving]
        return self.kind.open_members(kept, "cpu")

    def members(self) -> list[Path]:
        """Folders of all members."""
        everyone = replace(self, serving=None)
        return everyone.trained("members", everyone.membership.T, self.draw)

    def seconds_of_a_member(self) -> float:
        """Processor seconds of one member's training: the median of those trained without a break.

        Members of an older cache have no time, so the first is trained once more.
        """
        found = self.members()
        if not any(folder.with_suffix(".seconds").exists() for folder in found):
            everyone = replace(self, serving=None)
            found = everyone.trained("timed", everyone.membership.T[:1], self.draw)
        times = [folder.with_suffix(".seconds") for folder in found]
        return float(np.median([float(path.read_bytes()) for path in times if path.exists()]))

    def reference(self, seed: int = 0) -> Path:
        """One adapter of all works."""
        return self.trained("all-works", np.ones((1, len(self.works.works)), dtype=np.bool_), seed)[0]

    def condition(self, prompts: list[Prompt]) -> Condition:
        """The condition of a batch."""
        found = self.settings.conditions(prompts)
        if found is None:
            raise TypeError("adapters read texts")
        return found

    def sampled(
        self,
        name: str,
        ensemble: Ensemble,
        prompts: list[str],
        seeds: list[int],
        weights: Float[Tensor, "output member"] | None = None,
    ) -> Float[Tensor, "output 3 height width"]:
        """Outputs in [-1, 1], rounded to bytes; kept in the cache."""
        path = self.folder / f"outputs-{name}.safetensors"
        if not path.exists():
            parts = [
                self.drawn(ensemble, prompt, seed, None if weights is None else weights[row : row + 1])
                for row, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True))
            ]
            pixels = torch.cat(parts).numpy()
            write_atomically(path, lambda part: save_file({"pixels": pixels}, part))
            print(f"{path.name}: {len(pixels)} outputs", flush=True)
        return from_pixels(load_file(path)["pixels"])

    def drawn(
        self, ensemble: Ensemble, prompt: str, seed: int, weights: Float[Tensor, "1 member"] | None = None
    ) -> UInt8[Tensor, "1 3 height width"]:
        """One output under guidance."""
        noise = noise_batch([seed], self.sampler.draws, self.kind.shape)
        condition = self.condition([Prompt(prompt, self.sizes.guidance)])
        return to_pixels(sample(ensemble, noise, self.sampler, weights=weights, condition=condition))

    def predicted(
        self,
        name: str,
        ensemble: Ensemble,
        images: Float[Tensor, "image 3 height width"],
        prompts: list[Prompt],
        spacing: int = 2,
    ) -> list[MemberPredictions]:
        """The members' predictions on images, as an audit takes them; kept in the cache."""
        folder = self.folder / f"predictions-{name}"
        folder.mkdir(exist_ok=True)
        found = []
        for row, (image, prompt) in enumerate(zip(images, prompts, strict=True)):
            path = folder / f"{row:02d}.safetensors"
            if not path.exists():
                condition = self.condition([prompt])
                save_predictions(path, renoise(ensemble, image, self.sampler, 9000 + row, condition, spacing))
            found.append(load_predictions(path)[0])
        return found

    def losses(
        self, name: str, ensemble: Ensemble, images: Float[Tensor, "image 3 height width"], prompts: list[Prompt]
    ) -> Float64[np.ndarray, "image adapter"]:
        """Every adapter's denoising loss on every image."""
        found = self.predicted(name, ensemble, images, prompts, LOSS_SPACING)
        return np.stack([one.member_loss for one in found])
