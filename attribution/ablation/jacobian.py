"""The Jacobian of a sample over the ensemble's weights, J = dy/dv at u0, in the sample's own run.

With X_t = dx_t/dv (one tangent per member) and F = [f_1 .. f_n](x_t), the chain rule along the
sampler is

    X_next = (d mu/d x) X_t + (d mu/d eps) (F + sum_i v_i J_{f_i}(x_t) X_t)

A multistep sampler adds the tangents of the clean image of the step before, times its coefficient.
Noise is pinned and does not depend on v. F comes with the plain run. The sum is the whole cost: n
tangents through n members, with each member's own value computed once for its n tangents
(:mod:`attribution.forward_ad`). Reverse mode would need every step's activations and one pass per
pixel; here memory does not grow with the number of steps.

Where an intermediate step clamps the predicted clean image, the derivative of a clamped value is 0.
The last step does not clamp, so y has a derivative everywhere.

**Cheaper.** The sum is a mean over members, and a mean over m of the n, drawn anew at every step,
is an unbiased estimate of it. J is linear in each step's sum and the steps are drawn independently,
so the estimate of J is unbiased as a whole, at about m/n of the cost; y and F stay exact. (Its Gram
matrix is too large in the mean, by the variance.) The drawn members are a function of n, m and the
step alone, so that a sample's Jacobian does not depend on its batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from attribution.denoisers.ensemble import Ensemble, mix
from attribution.denoisers.space import Condition
from attribution.forward_ad import propagate
from attribution.sampling.sampler import Observation, Observer, advance, check_inputs, predicted_clean
from attribution.sampling.schedule import SamplerSettings, Step, steps_of
from registry.errors import UsageError


@dataclass(frozen=True)
class SampleJacobian:
    """A batch of outputs and their derivatives over members' weights, both before clipping."""

    y: Float[Tensor, "batch channel height width"]
    jacobian: Float[Tensor, "batch member channel height width"]
    """Column i: the derivative of y by the weight of member i, with the other weights fixed."""


NO_JACOBIAN_OF_MERGED = "merged members have no Jacobian here: their weights act inside the network"

MemberChoice = Callable[[int], Sequence[int]]
"""The members that carry tangents at the step of this index; at least one."""


def random_members(n: int, count: int) -> MemberChoice:
    """``count`` of the n members at every step: uniform over sets, independent between steps.

    Raises:
        UsageError: fewer than one or more than n.
    """
    if not 1 <= count <= n:
        raise UsageError(f"{count} members a step for the Jacobian: choose 1 to {n}")

    def choose(index: int) -> list[int]:
        # Sorting raw words shuffles; NumPy promises that raw words are stable between versions.
        words = np.random.Philox(key=np.array([n << 32 | count, index], dtype=np.uint64)).random_raw(n)
        return sorted(int(place) for place in np.argsort(words)[:count])

    return choose


@torch.no_grad()
def sample_with_jacobian(
    ensemble: Ensemble,
    noise: Float[Tensor, "batch draw channel height width"],
    settings: SamplerSettings,
    *,
    condition: Condition | None = None,
    observe: Observer | None = None,
    carrying: MemberChoice | None = None,
) -> SampleJacobian:
    """Draw one image per row of noise under u0, as :func:`sample` does, with its derivatives.

    ``observe`` sees the same as in a plain run, so sample, predictions and Jacobian cost one run.
    Memory holds n + 1 times the activations of one member on the batch, or fewer at once
    (:meth:`attribution.denoisers.space.Space.tangents_at_once`). ``carrying`` chooses the
    members that carry tangents at a step, see :func:`random_members`; None: all members.

    Raises:
        UsageError: shapes that contradict each other, a member that works in place, or merged
            members.
    """
    check_inputs(ensemble, noise, settings, None, condition)
    if settings.serve == "merged":
        raise UsageError(NO_JACOBIAN_OF_MERGED)
    v = ensemble.uniform_weights()
    x = noise[:, 0]
    tangents = x.new_zeros((ensemble.n, *x.shape))
    clean, clean_tangents = torch.zeros_like(x), torch.zeros_like(tangents)
    for index, step in enumerate(steps_of(settings)):
        if index == 0:  # the start does not depend on v, so the first step needs no tangents
            outputs = ensemble.predict(x, step.timestep, condition)
            eps_tangents = outputs
        else:
            chosen = range(ensemble.n) if carrying is None else carrying(index)
            outputs, carried = ensemble.predict_with_tangents(x, tangents, step.timestep, condition, chosen)
            eps_tangents = outputs + carried
        if observe is not None:
            observe(Observation(step, x, outputs))
        eps = mix(outputs, v)
        tangents, clean_tangents = _advance_tangents(step, x, eps, tangents, eps_tangents, clean_tangents)
        x, clean = advance(step, x, eps, clean)
        if step.sigma:
            x = x + step.sigma * noise[:, index + 1]
    y, tangents = propagate(ensemble.space.decode, x, tangents, ensemble.space.tangents_at_once(x))
    return SampleJacobian(y, tangents.transpose(0, 1).contiguous())


def _advance_tangents(
    step: Step,
    x: Float[Tensor, "batch channel height width"],
    eps: Float[Tensor, "batch channel height width"],
    tangents: Float[Tensor, "member batch channel height width"],
    eps_tangents: Float[Tensor, "member batch channel height width"],
    before: Float[Tensor, "member batch channel height width"],
) -> tuple[Tensor, Tensor]:
    """(d mu/d x) X + (d mu/d eps) E: but for its clamp, the step is linear.

    ``before``: the tangents of the clean image of the step before. Returns the next tangents and
    those of this step's clean image.
    """
    clean = predicted_clean(step, tangents, eps_tangents)
    if step.clip:
        clean = clean * (predicted_clean(step, x, eps).abs() <= 1.0)
    moved = step.from_clean * clean + step.from_current * tangents + step.from_eps * eps_tangents
    if step.from_before:
        moved = moved + step.from_before * before
    return moved, clean
