"""The works of one encoding, its units, the members that saw each unit, untestable units."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt64

from attribution.ensemble.serving import ServingEnsemble
from attribution.ranking.rankers.interface import ArrayRows, PixelRows, RowIndex, Texts, Works
from attribution.ranking.rankers.scan import UnitIndex
from attribution.training.dataset import TrainingSet
from registry.encodings.store import load_codes
from registry.members.seen import units_seen, withdrawn_works
from registry.storage.database import Registry
from registry.works.queries import training_assets

SEEN_BY_NONE = "none of the members that served saw it"
SEEN_BY_ALL = "every member that served saw it, so there is nothing to compare with"
WITHDRAWN_IN_PART = "works of it were withdrawn, and not all members served"
NO_WORKS = "its works were withdrawn before they were prepared for comparison"


class Latents(Protocol):
    """Works in the space of a latent kind, by their place in the training set."""

    def __getitem__(self, places: Int64[np.ndarray, " row"], /) -> Float32[np.ndarray, "row channel height width"]: ...


@dataclass(frozen=True, eq=False)
class LatentRows:
    """Latents of works as rows of values, flattened as in torch."""

    latents: Latents
    stored: Int64[np.ndarray, " row"]
    """The place of each row in the training set."""
    width: int

    def __len__(self) -> int:
        return len(self.stored)

    def take(self, rows: RowIndex) -> Float32[np.ndarray, "row value"]:
        found = self.latents[self.stored[rows]]
        return np.asarray(found.reshape(len(found), self.width), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class EncodedWorks:
    """The works and units of one encoding; the pixels stay on disk."""

    source: Works
    """The works, as rankers see them."""
    shape: tuple[int, int, int]
    """Channels, height, width."""
    index: UnitIndex
    paths: Sequence[Path] = field(repr=False)
    codes: UInt64[np.ndarray, " unit"]
    n: int
    membership: Bool[np.ndarray, "unit member"]
    """Whether a member in service saw some work of the unit."""
    not_testable: dict[int, str]
    """Units that cannot be tested, with the reason; empty if nothing was withdrawn."""

    @property
    def unit_of_work(self) -> Int64[np.ndarray, " work"]:
        return self.index.unit_of_work

    @property
    def asset_ids(self) -> Int64[np.ndarray, " work"]:
        return self.source.asset_ids

    @property
    def hashes(self) -> Sequence[str]:
        return self.source.hashes

    @cached_property
    def works(self) -> Float32[np.ndarray, "work value"]:
        """All works in memory, in [0, 1], flattened channel by channel; for small encodings."""
        return self.pictures(np.arange(len(self.source)))

    def pictures(self, rows: slice | Int64[np.ndarray, " row"]) -> Float32[np.ndarray, "row value"]:
        """Works in [0, 1], flattened channel by channel, as in torch."""
        found = self.source.pictures(rows, self.shape)
        return found.reshape(len(found), int(np.prod(self.shape)))

    def targets(self, rows: slice | Int64[np.ndarray, " row"]) -> Float64[np.ndarray, "row value"]:
        """Works in the members' space, as predictions are: pixels in [-1, 1], or latents."""
        if self.source.latents is not None:
            return self.source.latents.take(rows).astype(np.float64)
        return 2.0 * self.pictures(rows).astype(np.float64) - 1.0

    @classmethod
    def in_memory(
        cls,
        works: Float32[np.ndarray, "work value"],
        unit_of_work: Int64[np.ndarray, " work"],
        codes: UInt64[np.ndarray, " unit"],
        membership: Bool[np.ndarray, "unit member"],
        hashes: Sequence[str] = (),
    ) -> EncodedWorks:
        """Works without files, with all members in service."""
        return cls(
            source=Works(ArrayRows(works), np.arange(len(works)), hashes),
            shape=(works.shape[1], 1, 1),
            index=UnitIndex.of(unit_of_work, len(codes)),
            paths=[],
            codes=codes,
            n=membership.shape[1],
            membership=membership,
            not_testable={},
        )


def load_encoded_works(registry: Registry, ensemble: ServingEnsemble, training_set: TrainingSet) -> EncodedWorks:
    """Load the works and units of an ensemble's encoding, without the pixels.

    Withdrawn works that no member in service saw are left out: they are not candidates.
    """
    units = load_codes(registry, ensemble.encoding.id)
    assets = training_assets(registry, ensemble.encoding.id, None)
    with registry.connection() as connection:
        withdrawn = withdrawn_works(connection, ensemble.encoding.id)
    membership = units_seen(units, withdrawn, ensemble.indices, ensemble.withdrawals_applied_through)
    stored = {sha256: row for row, sha256 in enumerate(training_set.hashes)}
    unseen = np.ones(len(withdrawn.asset_ids), dtype=np.bool_)
    for index, through in zip(ensemble.indices, ensemble.withdrawals_applied_through, strict=True):
        unseen &= ~withdrawn.seen_by(index, through)
    left_out = np.isin(assets.asset_ids, withdrawn.asset_ids[unseen])
    kept = [row for row, sha256 in enumerate(assets.sha256) if sha256 in stored and not left_out[row]]
    places = np.array([stored[assets.sha256[row]] for row in kept], dtype=np.int64)
    # If rows are the stored works in order, a block of them is one contiguous read.
    as_stored = len(places) == len(training_set.pixels) and bool((np.diff(places, prepend=-1) == 1).all())
    unit_of_work = assets.unit_numbers[kept]
    height, width, channels = training_set.pixels.shape[1:]
    encoded, names = training_set.encoded, training_set.label_names or ensemble.settings.classes
    touched = set() if len(ensemble.indices) == ensemble.encoding.n else set(withdrawn.unit_numbers.tolist())
    return EncodedWorks(
        source=Works(
            pixels=PixelRows(training_set.pixels, None if as_stored else places),
            asset_ids=assets.asset_ids[kept],
            hashes=[assets.sha256[row] for row in kept],
            folder=registry.home.training(ensemble.id),
            latents=None if encoded is None else LatentRows(encoded, places, prod(ensemble.settings.network.shape)),
            texts=Texts(names, training_set.labels[places]) if names else None,
        ),
        shape=(channels, height, width),
        index=UnitIndex.of(unit_of_work, len(units.codes)),
        paths=[assets.paths[row] for row in kept],
        codes=units.codes,
        n=ensemble.encoding.n,
        membership=membership,
        not_testable=reasons_not_to_test(membership, touched, set(unit_of_work.tolist())),
    )


def reasons_not_to_test(
    membership: Bool[np.ndarray, "unit member"], touched: Collection[int], present: Collection[int]
) -> dict[int, str]:
    """The units that cannot be tested, with the reason. Leaving them out keeps the test exact, see
    :mod:`attribution.evidence.randomisation`.

    Args:
        membership: of the members in service.
        touched: units with withdrawn works, if some member is out of service.
        present: units that have works to compare with.
    """
    reasons = {int(unit): SEEN_BY_ALL for unit in np.flatnonzero(membership.all(axis=1))}
    reasons |= dict.fromkeys(touched, WITHDRAWN_IN_PART)
    reasons |= {int(unit): SEEN_BY_NONE for unit in np.flatnonzero(~membership.any(axis=1))}
    return reasons | {unit: NO_WORKS for unit in range(len(membership)) if unit not in present and unit not in reasons}
