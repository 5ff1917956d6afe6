"""The works and units of one ensemble side by side: what is ranked, who saw it, and what cannot be
tested.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt64

from attribution.ensemble.serving import ServingEnsemble
from attribution.ranking.rankers.interface import ArrayRows, PixelRows, Works
from attribution.ranking.rankers.scan import UnitIndex
from attribution.training.dataset import TrainingSet
from registry.encodings.store import load_units
from registry.members.seen import units_seen, withdrawn_works
from registry.storage.database import Registry
from registry.works.queries import training_assets

SEEN_BY_NONE = "none of the members that served saw it"
SEEN_BY_ALL = "every member that served saw it, so there is nothing to compare with"
WITHDRAWN_IN_PART = "works of it were withdrawn, and not all members served"
NO_WORKS = "its works were withdrawn before they were prepared for comparison"


@dataclass(frozen=True, eq=False)
class Corpus:
    """The works and units of one ensemble; the pixels stay on disk."""

    source: Works
    """What rankers may know of the works."""
    shape: tuple[int, int, int]
    """Channels, height, width."""
    index: UnitIndex
    paths: Sequence[Path] = field(repr=False)
    codes: UInt64[np.ndarray, " unit"]
    n: int
    membership: Bool[np.ndarray, "unit member"]
    """Which of the members that serve saw some work of which unit."""
    not_testable: dict[int, str]
    """Units that cannot be tested, and why; none where all members serve and nothing was
    withdrawn."""

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
        """All works in memory, in [0, 1], flattened channel by channel: for small collections."""
        return self.pictures(np.arange(len(self.source)))

    def pictures(self, rows: slice | Int64[np.ndarray, " row"]) -> Float32[np.ndarray, "row value"]:
        """Some works, in [0, 1], flattened channel by channel, as torch has images."""
        channels, height, width = self.shape
        found = self.source.pixels.take(rows)
        planes = np.moveaxis(found.reshape(len(found), height * width, channels), -1, 1)
        return np.ascontiguousarray(planes).reshape(len(found), -1)

    @classmethod
    def in_memory(
        cls,
        works: Float32[np.ndarray, "work value"],
        unit_of_work: Int64[np.ndarray, " work"],
        codes: UInt64[np.ndarray, " unit"],
        membership: Bool[np.ndarray, "unit member"],
        hashes: Sequence[str] = (),
    ) -> Corpus:
        """Works that are no files, all members serving; of the works only the values matter."""
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


def load_corpus(registry: Registry, ensemble: ServingEnsemble, training_set: TrainingSet) -> Corpus:
    """Put an ensemble's works and units side by side, as far as the members that serve saw them;
    the pixels stay on disk.

    A withdrawn work that none of these members saw is no candidate and is left out.
    """
    units = load_units(registry, ensemble.encoding.id)
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
    # All works as they are stored: then a block of them is read in one stretch.
    as_stored = len(places) == len(training_set.pixels) and bool((np.diff(places, prepend=-1) == 1).all())
    unit_of_work = assets.unit_numbers[kept]
    height, width, channels = training_set.pixels.shape[1:]
    touched = set() if len(ensemble.indices) == ensemble.encoding.n else set(withdrawn.unit_numbers.tolist())
    return Corpus(
        source=Works(
            pixels=PixelRows(training_set.pixels, None if as_stored else places),
            asset_ids=assets.asset_ids[kept],
            hashes=[assets.sha256[row] for row in kept],
            folder=registry.home.training(ensemble.id),
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
    """Why units cannot be tested; see :mod:`attribution.evidence.randomisation` for why leaving
    them out keeps the test exact.

    Args:
        membership: of the members that serve.
        touched: units of which works were withdrawn, where not all members serve.
        present: units that have works to compare with.
    """
    reasons = {int(unit): SEEN_BY_ALL for unit in np.flatnonzero(membership.all(axis=1))}
    reasons |= dict.fromkeys(touched, WITHDRAWN_IN_PART)
    reasons |= {int(unit): SEEN_BY_NONE for unit in np.flatnonzero(~membership.any(axis=1))}
    return reasons | {unit: NO_WORKS for unit in range(len(membership)) if unit not in present and unit not in reasons}
