"""The influences of all units on one output, and the error of the estimates.

Two methods, the Jacobian's first order (``estimate``) and real ablation (``exact``), by two
distances: Euclidean in the papers' scale, and LPIPS. Where both methods measured, the estimate is
compared with the exact values, unit by unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from attribution.ablation.influence import counterfactual_radius, gram, influences, square_influences
from attribution.audit.worker import BaseAlone, Counterfactuals, load_jacobian
from attribution.metrics.euclidean import NotMeasured
from attribution.metrics.lpips_weights import LpipsWeights
from attribution.metrics.perceptual import lpips_facts
from attribution.metrics.statistics import spearman
from registry.ids import sha256_of_file

Influences = Float64[np.ndarray, " unit"]
NOT_EXACT = "the audit did not ask for it; `creditline audit --exact` measures it for all units"
NO_JACOBIAN = "the audit was run without the Jacobian"


@dataclass(frozen=True)
class Landscapes:
    """One number per unit; NaN: every member saw the unit. None: not measured."""

    estimate: Influences | None = None
    exact: Influences | None = None
    estimate_lpips: Influences | None = None
    exact_lpips: Influences | None = None
    decoy_estimate: Float64[np.ndarray, " decoy"] | None = None
    """The estimate for codes of no unit: the effect of leaving out as many members."""

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        """The tensors of an audit's artefact."""
        named = {f"unit_influence_{name}": values for name, values in vars(self).items()}
        named["decoy_influence_estimate"] = named.pop("unit_influence_decoy_estimate")
        return {name: values for name, values in named.items() if values is not None}

    def at(self, unit: int) -> dict[str, Any]:
        """The estimates of one unit, by column of a candidate."""
        found = {"influence_estimate": self.estimate, "influence_estimate_lpips": self.estimate_lpips}
        return {name: float(values[unit]) for name, values in found.items() if values is not None}


@dataclass(frozen=True)
class EstimateError:
    """The error of first-order estimates against real ablation, over units measured by both."""

    rank_correlation: float | NotMeasured
    """Spearman's."""
    relative_error: float | NotMeasured
    """Length of the difference by length of the exact influences, as vectors over units."""
    median_relative_error: float | NotMeasured
    """Over units with an exact influence above zero."""
    units: int

    def to_json(self) -> dict[str, Any]:
        """The entry in an audit's facts."""
        return {
            name: value.to_json() if isinstance(value, NotMeasured) else value for name, value in vars(self).items()
        }


def landscapes_of(
    membership: Bool[np.ndarray, "unit member"],
    decoys: Bool[np.ndarray, "decoy member"],
    jacobian: Path | None,
    shown: Counterfactuals | None,
) -> Landscapes:
    """Influences: of every unit by Jacobian and a worker's ablations, of every decoy by Jacobian.

    Raises:
        IntegrityError: the Jacobian is missing or unreadable.
    """
    if shown is None:
        return Landscapes()
    estimate = estimate_lpips = of_decoys = None
    if jacobian is not None:
        here = ~membership.all(axis=1)
        estimate = np.full(len(membership), np.nan)
        columns = load_jacobian(jacobian)
        gramian = gram(columns[None])[0]
        estimate[here] = influences(gramian, membership[here], columns[0].numel())
        of_decoys = influences(gramian, decoys, columns[0].numel())
        if shown.lpips_gram is not None:
            estimate_lpips = np.full(len(membership), np.nan)
            estimate_lpips[here] = square_influences(shown.lpips_gram, membership[here])
    return Landscapes(estimate, shown.landscape, estimate_lpips, shown.lpips_landscape, of_decoys)


def estimate_error(estimate: Influences, exact: Influences) -> EstimateError:
    """Compare the estimates with the exact influences."""
    both = np.isfinite(estimate) & np.isfinite(exact)
    first, second = estimate[both], exact[both]
    moved = second > 0
    ordered = len(first) > 0 and bool(np.ptp(first)) and bool(np.ptp(second))
    still = NotMeasured("no unit has any influence")
    length = float(np.linalg.norm(second))
    return EstimateError(
        rank_correlation=float(spearman(first, second)) if ordered else NotMeasured("all influences are equal"),
        relative_error=float(np.linalg.norm(first - second)) / length if length else still,
        median_relative_error=float(np.median(np.abs(first - second)[moved] / second[moved])) if moved.any() else still,
        units=int(both.sum()),
    )


def landscape_facts(
    landscapes: Landscapes,
    *,
    jacobian: Path | None,
    jacobian_members: int | None,
    no_jacobian: str,
    lpips: LpipsWeights | NotMeasured,
    side: int,
    why_not: str,
) -> dict[str, Any]:
    """The facts of an audit's landscapes.

    ``jacobian_members``: members that carried the Jacobian's tangents at each step; None: all.
    ``no_jacobian``: why there are no estimates, if there are none. ``side``: of the output, in
    pixels. ``why_not``: why a unit may have no influence.
    """

    def facts(values: Influences | None, method: str, reason: str) -> dict[str, Any]:
        if values is None:
            return {"not_measured": reason}
        if np.isnan(values).all():
            return {"not_measured": why_not}
        radius = counterfactual_radius(values)
        found: dict[str, Any] = {"method": method, "radius": radius.distance, "unit_number": radius.unit_number}
        unmeasured = int(np.isnan(values).sum())
        return {**found, "units_not_measured": unmeasured, "why_not": why_not} if unmeasured else found

    no_lpips = lpips.reason if isinstance(lpips, NotMeasured) else None
    found: dict[str, dict[str, Any]] = {
        "estimate": facts(landscapes.estimate, "jacobian", no_jacobian),
        "exact": facts(landscapes.exact, "ablation", NOT_EXACT),
        "estimate_lpips": facts(landscapes.estimate_lpips, "jacobian", no_lpips or no_jacobian),
        "exact_lpips": facts(landscapes.exact_lpips, "ablation", no_lpips or NOT_EXACT),
        "lpips": lpips.to_json() if isinstance(lpips, NotMeasured) else lpips_facts(lpips, side),
    }
    for name, estimate, exact in (
        ("estimate", landscapes.estimate, landscapes.exact),
        ("estimate_lpips", landscapes.estimate_lpips, landscapes.exact_lpips),
    ):
        if estimate is not None and jacobian is not None:
            found[name]["jacobian_sha256"] = sha256_of_file(jacobian)
            if jacobian_members is not None:
                found[name]["members_per_step"] = jacobian_members
            if exact is not None:
                found[name]["against_exact"] = estimate_error(estimate, exact).to_json()
    return found


def base_facts(base: BaseAlone | None, lpips: LpipsWeights | NotMeasured) -> dict[str, Any]:
    """The distance of an output to what the base makes alone; empty where members share no base."""
    if base is None:
        return {}
    reason = lpips.to_json() if isinstance(lpips, NotMeasured) else None
    return {"base_alone": {"distance": base.distance, "lpips": reason if base.lpips is None else base.lpips}}
