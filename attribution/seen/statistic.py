"""The statistic of *did these models see this very work?*: the pull towards the image itself.

The test of layer 2 asks whether the members that saw a registered work move an image towards *that
work*. Pictures that no member saw pass it often, since members lean on works that look alike. The
question here is another one: do these members move the image towards *itself*? Members that saw the
very picture restore its own details from noise. Members that saw a similar work restore that work's
details.

Let u be the unit of the registered work that is nearest to the image, by a ranking that does not
use the codes, and a the image. Member i's alignment is < P_i - mean P, a - mean P >, without the
effects of other units (:mod:`attribution.evidence.adjustment`; u itself is no neighbour). T is the
contrast of the alignment between the members with and without u's bit, standardised by its mean
and standard deviation over the decoys:

    z = (T_u - mean of T over decoys) / (standard deviation of T over decoys)

Standardised, images that the members find easy or hard can be compared with each other. An image is
looked at in several ways (:mod:`attribution.seen.views`), and the largest z counts.

Two p-values follow.

- Randomisation: the rank of the largest z under u's code among the same under every decoy. It is
  exact for "u made no difference to any member's predictions on this image". It is no evidence that
  the image was seen: u may be another work that only looks like the image.
- Conformal: the rank of z among the z of probes (:mod:`registry.encodings.probes`), each looked at
  in the same ways. It is exact for "the image is one more work of the probes' kind that no member
  saw". Works that look like a trained work in all but a detail are such works, too, but not typical
  ones: among them alone, false alarms are more frequent than the stated error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64

from attribution.evidence.adjustment import Neighbours, alignment_alone
from attribution.evidence.randomisation import contrast_weights
from registry.basis.p_values import exact_p_values
from registry.errors import UsageError

FEWEST_DECOYS = 2


@dataclass(frozen=True)
class Look:
    """One way to look at an image: its values, and what each member makes of them."""

    predictions: Float64[np.ndarray, "member value"]
    """The clean image that each member predicts, a weighted mean over the steps."""
    image: Float[np.ndarray, " value"]
    """In the space of the predictions."""


@dataclass(frozen=True)
class Pull:
    """The statistic of one image."""

    value: float
    """The largest z over the looks."""
    by_look: tuple[float, ...]
    p_value: float
    """By randomisation, from the decoys alone."""


def pull_towards_itself(
    looks: Sequence[Look],
    membership: Bool[np.ndarray, " member"],
    decoys: Bool[np.ndarray, "decoy member"],
    neighbours: Neighbours,
    unit: int,
) -> Pull:
    """The statistic of one image under the code of the unit that is nearest to it.

    Args:
        looks: the image as it is, and further ways to look at it.
        membership: whether a member saw the nearest unit.
        decoys: codes that the unit could have had and no unit has.
        neighbours: units whose effects are subtracted; the nearest unit is left out of them.
        unit: number of the nearest unit.

    Raises:
        UsageError: fewer than two decoys.
    """
    if len(decoys) < FEWEST_DECOYS:
        raise UsageError(f"got {len(decoys)} decoys, expected at least {FEWEST_DECOYS}: encode with more members")
    own, others = contrast_weights(membership), contrast_weights(decoys)
    rows, by_code = [], []
    for look in looks:
        (alignment,) = alignment_alone(look.predictions, look.image[None], neighbours, [np.array([unit])])
        under = others @ alignment
        spread = float(under.std())
        # Members that agree in everything pull nowhere.
        scale = 1.0 / spread if spread > 0.0 else 0.0
        rows.append(float(own @ alignment - under.mean()) * scale)
        by_code.append((under - under.mean()) * scale)
    value = max(rows)
    largest = np.max(by_code, axis=0)
    return Pull(value, tuple(rows), float(exact_p_values(np.array([value]), largest[None])[0]))


def conformal_p(value: float, probes: Float64[np.ndarray, " probe"]) -> float:
    """(1 + #{probes with a statistic at least as large}) / (1 + #probes); 1 without probes."""
    # Counting smaller values makes what is no number count against the image.
    return float((1 + np.count_nonzero(~(probes < value))) / (1 + len(probes)))
