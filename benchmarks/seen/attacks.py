"""The statistic of the product, and the attacks that it is compared with, on the same members.

All attacks use the losses of the product's own noised views; a higher value means *seen*.

- Loss threshold (Yeom et al. 2018, arXiv 1709.01604): minus the logarithm of the members' mean
  loss. No code is used.
- LiRA (Carlini et al. 2022, arXiv 2112.03570), offline: the members without the nearest work are
  the shadow models that did not see it. Their log losses have a mean and a deviation; the members
  with the work are target models; the statistic is the mean of their standardised log losses.
- Nearness: minus the squared distance to the nearest registered work, after laying the image over
  it. A work that was trained on is registered, so its distance is nearly 0. That recognises copies
  of registered works, whatever the models saw: it is no evidence about them, and look-alikes pass.
- Contrast of log losses: between the members with and without the nearest work, standardised over
  codes.
- LiRA on one member: was this work seen by *this* member? The other members are the shadow models,
  some of which saw it, since every work is in some of them. This is another question, with another
  truth, as in that paper.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from scipy import stats

from attribution.evidence.adjustment import MOST, Neighbours
from attribution.evidence.randomisation import contrast_weights
from attribution.seen.statistic import Look, pull_towards_itself
from benchmarks.lds.ground_truth import MEMBERS, ONES
from benchmarks.seen.measured import CODE_SEED, Measured, SetMeasured
from registry.encodings.codes import decoys
from registry.encodings.words import bits

Values = Float64[np.ndarray, " picture"]
PULL = "pull towards the image itself, laid over the work too"
PULL_AS_IT_IS = "pull towards the image itself, as it is"
CONTRAST = "contrast of log losses"
LOSS = "loss threshold"
LIRA = "LiRA, offline, over the members"
NEAR = "nearness to a registered work alone, no model"


@dataclass(frozen=True)
class Statistics:
    """All statistics of some pictures."""

    values: dict[str, Values]
    """By attack."""
    randomisation_p: Values
    """Of the pull, from decoys alone."""


def statistics_of(found: SetMeasured, part: Measured) -> Statistics:
    """Every attack on every picture."""
    others = bits(decoys(CODE_SEED, MEMBERS, ONES, len(found.works), 20_000, draw_seed=0), MEMBERS)
    rows: dict[str, list[float]] = {name: [] for name in (PULL, PULL_AS_IT_IS, CONTRAST, LOSS, LIRA, NEAR)}
    p_values = []
    targets = 2.0 * found.works.astype(np.float64) - 1.0
    for picture, unit in enumerate(part.nearest):
        own = found.membership[unit]
        order = part.order[picture][:MOST]
        around = Neighbours(order, targets[order], found.membership[order])
        looks = [
            Look(predictions.astype(np.float64), 2.0 * image.astype(np.float64) - 1.0)
            for predictions, image in zip(part.predictions[picture], part.images[picture], strict=True)
        ]
        pull = pull_towards_itself(looks, own, others, around, int(unit))
        logs = -np.log(part.losses[picture, 0])
        rows[PULL].append(pull.value)
        rows[PULL_AS_IT_IS].append(pull.by_look[0])
        rows[CONTRAST].append(float(contrast_weights(own) @ logs / (contrast_weights(others) @ logs).std()))
        rows[LOSS].append(float(-np.log(part.losses[picture, 0].mean())))
        rows[LIRA].append(float(((logs[own] - logs[~own].mean()) / logs[~own].std(ddof=1)).mean()))
        rows[NEAR].append(-float(np.square(part.images[picture, 1] - found.works[unit]).mean()))
        p_values.append(pull.p_value)
    return Statistics({name: np.array(values) for name, values in rows.items()}, np.array(p_values))


def lira_on_one_member(found: SetMeasured) -> tuple[Values, Bool[np.ndarray, " pair"]]:
    """Log likelihood ratios of every pair of work and member, and whether the member saw it."""
    logs = -np.log(found.seen.losses[:, 0])
    seen_by = found.membership[: len(logs)]
    ratios = np.empty(logs.shape)
    for member in range(logs.shape[1]):
        shadows = np.arange(logs.shape[1]) != member
        for work in range(len(logs)):
            inside, outside = (logs[work, shadows & (seen_by[work] == saw)] for saw in (True, False))
            # Few shadow models: one variance for both, as the paper does.
            spread = np.sqrt((inside.var(ddof=1) + outside.var(ddof=1)) / 2.0)
            ratios[work, member] = stats.norm.logpdf(logs[work, member], inside.mean(), spread) - stats.norm.logpdf(
                logs[work, member], outside.mean(), spread
            )
    return ratios.reshape(-1), seen_by.reshape(-1)
