"""Contents of an audit's page that its JSON has no place for: pictures, and the curves of plots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.facts import NotMeasured
from reports.outputs.facts import LandscapeKind, ReportFacts
from reports.rendering.pictures import Picture

Vector = NDArray[np.float64]
Shown = Picture | NotMeasured


@dataclass(frozen=True)
class Illustrations:
    """The illustrations of one audit."""

    output: Shown
    works: Mapping[int, Shown]
    """By work id."""
    terms: Mapping[int, str]
    """By work id, its licence's terms on training; only works with a licence."""
    without: Mapping[int, Shown]
    """By rank of a candidate, the output regenerated without it."""
    decoys: Mapping[int, Vector | NotMeasured]
    """By rank, the candidate's statistics under codes that belong to no unit."""
    influences: Mapping[LandscapeKind, Vector | NotMeasured]
    """Of every unit; NaN if not measured."""
    decoy_influences: Vector | NotMeasured
    """First-order estimates under codes that belong to no unit."""
    signal_range: tuple[float, float] | None
    """Range of sqrt(alpha_bar) over the steps of the test; None: not recorded."""


@dataclass(frozen=True)
class Report:
    """The facts and illustrations of one audit."""

    facts: ReportFacts
    shown: Illustrations

    def for_index(self) -> IndexedReport:
        """The report's part of the index, small enough to keep for many reports."""
        best = self.facts.by_evidence[0] if self.facts.candidates else None
        work = self.shown.works.get(best.works[0].asset_id) if best and best.works else None
        return IndexedReport(self.facts, self.shown.output, work)


@dataclass(frozen=True)
class IndexedReport:
    """A report in the index: its facts, the output, and the closest work of the first candidate."""

    facts: ReportFacts
    output: Shown
    work: Shown | None
