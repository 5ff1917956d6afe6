"""Asks of images, and of all probes in the same way: did these models see this very work?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64

from attribution.denoisers.interface import Prompt
from attribution.engines.device import Device
from attribution.ensemble.serving import ServingEnsemble
from attribution.evidence.adjustment import MOST, neighbours_of
from attribution.evidence.randomisation import mean_predictions
from attribution.images import pixels_of, read_work, to_unit_range
from attribution.metrics.euclidean import NotMeasured
from attribution.ranking.encoded_works import EncodedWorks
from attribution.ranking.rankers.interface import Images, Ranker
from attribution.ranking.shortlist import closest_works, shortlists_for
from attribution.sampling.image_predictions import measure_predictions, prediction_task, predictions_of
from attribution.seen.statistic import FEWEST_DECOYS, Look, Pull, pull_towards_itself
from attribution.seen.views import COMPARED, Overlay, nearest_view
from registry.encodings.assignment import Assignment
from registry.encodings.probes import usable_probes
from registry.errors import IntegrityError, UsageError
from registry.storage.database import Registry

Progress = Callable[[int, int], object]
"""Gets (images just measured, images in all)."""
DECOY_SEED = 0
TOO_FEW_DECOYS = "fewer than two codes are left to compare with: encode with more members"
AT_ONCE = 64
"""Images ranked in one pass over the works; changes memory alone."""


@dataclass(frozen=True)
class Shown:
    """An image to ask about."""

    sha256: str
    """Of its file."""
    pixels: Float32[np.ndarray, "channel height width"] = field(repr=False)
    """At the ensemble's size, in [0, 1]."""
    label: str | None
    """The prompt under which the members look at it."""


@dataclass(frozen=True)
class Asked:
    """The statistic of one image, and the work that it was computed with."""

    asset_id: int
    """The nearest registered work that was encoded."""
    unit: int
    overlay: Overlay
    """The change that lays the image over this work."""
    decoys: int
    pull: Pull


@dataclass(frozen=True)
class ProbesAsked:
    """The statistics of the probes."""

    values: Float64[np.ndarray, " probe"]
    sha256: tuple[str, ...]
    """Of the probes' files."""
    not_asked: int
    """Usable probes that could not be asked about: altered, or without a known label."""

    def without(self, sha256: str) -> Float64[np.ndarray, " probe"]:
        """The statistics, without a probe that is the image itself."""
        return self.values[np.array([each != sha256 for each in self.sha256], dtype=np.bool_)]


@dataclass(frozen=True)
class Asker:
    """Asks about images of one ensemble; rankers must be chosen without the codes."""

    registry: Registry
    ensemble: ServingEnsemble
    encoded: EncodedWorks
    assignment: Assignment
    rankers: tuple[Ranker, ...]
    decoy_limit: int
    device: Device
    _kept: dict[bool, ProbesAsked] = field(default_factory=dict, repr=False)
    """The probes' answers, asked for once: under their labels, and without."""

    def ask(
        self, shown: Sequence[Shown], on_progress: Progress = lambda _done, _total: None
    ) -> list[Asked | NotMeasured]:
        """The statistic of every image; missing predictions are measured.

        Raises:
            UsageError: no unit can be tested.
        """
        found: list[Asked | NotMeasured] = []
        for start in range(0, len(shown), AT_ONCE):
            found += self._ask(shown[start : start + AT_ONCE], on_progress)
        return found

    def probes(self, *, labelled: bool, on_progress: Progress = lambda _done, _total: None) -> ProbesAsked:
        """The probes, looked at as an image is; they are asked about once.

        ``labelled``: each under its own label, as an image that is given with its label.
        """
        if labelled not in self._kept:
            self._kept[labelled] = self._probes(labelled, on_progress)
        return self._kept[labelled]

    def _probes(self, labelled: bool, on_progress: Progress) -> ProbesAsked:
        settings = self.ensemble.settings
        shown, missing = [], 0
        column = settings.label_column if labelled else None
        for probe in usable_probes(self.registry, self.ensemble.encoding.id, column):
            try:
                picture = read_work(probe.path, probe.sha256)
                if labelled and probe.value is None:
                    raise UsageError("no label")
                settings.condition(Prompt(probe.value))
            except (IntegrityError, UsageError):
                # `creditline doctor` names files that are gone or altered.
                missing += 1
                continue
            pixels = np.moveaxis(to_unit_range(pixels_of(picture, settings.image)), -1, 0)
            shown.append(Shown(probe.sha256, pixels, probe.value))
        pairs = [
            (one.sha256, asked.pull.value)
            for one, asked in zip(shown, self.ask(shown, on_progress), strict=True)
            if not isinstance(asked, NotMeasured)
        ]
        values = np.array([value for _, value in pairs], dtype=np.float64)
        return ProbesAsked(values, tuple(sha256 for sha256, _ in pairs), missing + len(shown) - len(pairs))

    def _ask(self, shown: Sequence[Shown], on_progress: Progress) -> list[Asked | NotMeasured]:
        encoded = self.encoded
        images = Images(
            np.stack([one.pixels.reshape(-1) for one in shown]).astype(np.float32),
            encoded.shape,
            tuple(frozenset({one.sha256}) for one in shown),
            tuple(one.label for one in shown),
        )
        listed = shortlists_for(self.rankers, encoded, images, (), COMPARED, 1)
        near = [
            self._nearest(one, ranked.unit_numbers, ranked.blind_order(MOST))
            for one, ranked in zip(shown, listed, strict=True)
        ]
        home, device = self.registry.home, self.device.name
        looked = [
            [
                prediction_task(home, self.ensemble, device, sha256, pixels, one.label)
                for sha256, pixels in ((one.sha256, one.pixels), (_sha256_of(found.laid), found.laid))
            ]
            for one, found in zip(shown, near, strict=True)
        ]
        measure_predictions([task for tasks in looked for task in tasks], self.device, on_progress)
        answers: list[Asked | NotMeasured] = []
        for found, tasks in zip(near, looked, strict=True):
            looks = [Look(mean_predictions(predictions_of(task)), self._in_space(task.image)) for task in tasks]
            answers.append(self._statistic(found, looks))
        return answers

    def _nearest(self, one: Shown, units: Int64[np.ndarray, " place"], order: Int64[np.ndarray, " place"]) -> _Nearest:
        ranks = {int(unit): place for place, unit in enumerate(order)}
        # The display order may rest on the codes; the blind order does not.
        best = np.array(sorted(units.tolist(), key=lambda unit: ranks.get(unit, len(ranks))), dtype=np.int64)
        listed, _ = closest_works(self.encoded, one.pixels.reshape(-1), best, 1)
        rows = np.array([works[0][0] for works in listed], dtype=np.int64)
        place, overlay = nearest_view(one.pixels, self.encoded.pictures(rows).reshape(-1, *self.encoded.shape))
        return _Nearest(one, int(rows[place]), int(best[place]), order, overlay, overlay.applied(one.pixels))

    def _statistic(self, found: _Nearest, looks: Sequence[Look]) -> Asked | NotMeasured:
        serving = None if self.ensemble.complete else self.ensemble.indices
        drawn = self.assignment.decoys(np.array([found.unit]), self.decoy_limit, DECOY_SEED, serving)
        words = drawn.words.reshape(-1)
        if len(words) < FEWEST_DECOYS:
            return NotMeasured(TOO_FEW_DECOYS)
        around = neighbours_of(self.encoded, found.shown.pixels.reshape(-1), found.order)
        pull = pull_towards_itself(
            looks,
            self.encoded.membership[found.unit],
            self.ensemble.membership_of(words),
            around,
            found.unit,
        )
        return Asked(int(self.encoded.asset_ids[found.row]), found.unit, found.overlay, len(words), pull)

    def _in_space(self, image: Float32[np.ndarray, "channel height width"]) -> Float64[np.ndarray, " value"]:
        """An image in [-1, 1], in the space of the members."""
        with torch.no_grad():
            encoded = self.ensemble.settings.network.encode(torch.from_numpy(image)[None].float())
        return np.asarray(encoded.flatten().double().cpu().numpy())


@dataclass(frozen=True)
class _Nearest:
    """An image, and the registered work that it may be a copy of."""

    shown: Shown
    row: int
    unit: int
    order: Int64[np.ndarray, " place"]
    overlay: Overlay
    laid: Float32[np.ndarray, "channel height width"]


def _sha256_of(pixels: Float32[np.ndarray, "channel height width"]) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels, dtype="<f4").tobytes()).hexdigest()
