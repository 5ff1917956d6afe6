"""E7: the predicted class has more influence on a sample than other classes have (WDL, figure 1c).

WDL classified 3000 samples and compared influences by the Mann-Whitney test, under Euclidean
distance and under LPIPS. With ``--squeezenet FILE`` a distance in the style of LPIPS is measured,
see :mod:`benchmarks.papers.caffe_lpips`.

    python -m benchmarks.papers.e07_class_influence --data FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from attribution.metrics.euclidean import NotMeasured
from benchmarks.papers.caffe_lpips import SHA256, WORDS, open_caffe_lpips
from benchmarks.papers.classes import ClassInfluences, measure
from benchmarks.papers.measures import RESAMPLES, rounded
from benchmarks.papers.reporting import arguments, keep, plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "e07_class_influence"
NO_LPIPS = NotMeasured("LPIPS needs ImageNet backbones that are not shipped with these experiments")


def main() -> int:
    """Measure, write the result, and return 1 if the predicted class does not stand out."""
    setting, options = arguments(NAME, samples=1000, squeezenet=Path())
    found = measure(setting, options.samples)
    results: dict[str, Any] = {
        "ensemble": found.facts,
        "euclidean": compare(found.influence, found.predicted),
        "lpips": NO_LPIPS.to_json(),
    }
    if options.squeezenet != Path():
        measured = compare(perceptual(found, options.squeezenet), found.predicted)
        results["lpips"] = {"network": WORDS, "weights_sha256": SHA256, **measured}
    results["held"] = all(
        results[kind]["mann_whitney_p"] <= 1e-3 for kind in ("euclidean", "lpips") if "auc" in results[kind]
    )
    own, others = split(found.influence, found.predicted)
    area = results["euclidean"]["auc"]

    def paint(axes: Axes) -> None:
        edges = np.linspace(0, max(own.max(), others.max()), 60).tolist()
        axes.hist(others.ravel(), edges, density=True, alpha=0.6, label="other classes")
        axes.hist(own, edges, density=True, alpha=0.6, label="predicted class")
        axes.set(xlabel="influence (scaled Euclidean)", ylabel="density")
        axes.legend(frameon=False)

    plot(setting.name_of(NAME), f"E7: {options.samples} samples, AUC {area:.3f}", paint)
    return keep(NAME, setting, "the predicted class has more influence than the others", results)


def compare(influence: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
    """The Mann-Whitney test of each sample's own class against the others."""
    own, others = split(influence, predicted)
    test = stats.mannwhitneyu(own, others.ravel(), alternative="greater")
    return {
        "mann_whitney_p": float(test.pvalue),
        "log10_p": rounded(log10_p(float(test.statistic), own.size, others.size)),
        "auc": rounded(float(test.statistic) / (own.size * others.size)),
        "auc_interval_95_over_samples": auc_interval(own, others),
        "median_own": rounded(np.median(own)),
        "median_others": rounded(np.median(others)),
    }


def perceptual(found: ClassInfluences, weights: Path) -> np.ndarray:
    """The influence of every class on every picture, by the distance in the style of LPIPS."""
    distance, side = open_caffe_lpips(weights), found.trained.side

    def images(rows: np.ndarray) -> Tensor:
        return torch.from_numpy(2.0 * rows - 1.0).reshape(-1, 1, side, side)

    rows = zip(found.images, found.images_without, strict=True)
    return np.stack([distance.distances(images(whole)[0], images(without)).numpy() for whole, without in rows])


def split(influence: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Influences of each sample's own class, and of the others, one row per sample."""
    own = np.zeros(influence.shape, dtype=bool)
    own[np.arange(len(influence)), predicted] = True
    return influence[own], influence[~own].reshape(len(influence), -1)


def log10_p(statistic: float, own: int, others: int) -> float:
    """The test's one-sided p, too small for a float, by the normal approximation without ties."""
    spread = np.sqrt(own * others * (own + others + 1) / 12.0)
    return float(stats.norm.logsf((statistic - own * others / 2.0 - 0.5) / spread) / np.log(10.0))


def auc_interval(own: np.ndarray, others: np.ndarray) -> list[float]:
    """95 % interval of the area under the curve, over samples, whose classes are dependent."""
    order = np.sort(others.ravel())
    # Against the whole set of others: resampling changes it much less than the own classes.
    beaten = np.searchsorted(order, own, side="left") / len(order)
    generator = np.random.default_rng(0)
    drawn = [beaten[generator.integers(0, len(beaten), len(beaten))].mean() for _ in range(RESAMPLES)]
    return [rounded(bound) for bound in np.quantile(drawn, [0.025, 0.975])]


if __name__ == "__main__":
    sys.exit(main())
