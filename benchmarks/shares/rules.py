"""The rules that are compared: each divides one output among the units of a shortlist.

A rule returns the shares of the shortlisted units and, last, what stays unattributed; they sum to
1. What no rule may use: anything from retraining.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64, Int64

from attribution.evidence.adjustment import RIDGE, Neighbours
from attribution.evidence.look_alikes import look_alikes
from attribution.evidence.randomisation import Evidence, assess_units, contrast_weights
from attribution.evidence.shares import Regression, beyond_chance, fitted_together, shares_of
from attribution.metrics.euclidean import NotMeasured


@dataclass(frozen=True)
class Case:
    """One output with everything that an audit has of it."""

    predictions: Float64[np.ndarray, "member value"]
    member_loss: Float64[np.ndarray, " member"]
    output: Float64[np.ndarray, " value"]
    pictures: Float64[np.ndarray, "unit value"]
    membership: Bool[np.ndarray, "unit member"]
    decoys: Bool[np.ndarray, "decoy member"]
    shortlist: Int64[np.ndarray, " place"]
    """Units, the most similar first; chosen without the codes."""

    @cached_property
    def distances(self) -> Float64[np.ndarray, " place"]:
        """Mean squared differences of the shortlisted pictures from the output."""
        return np.asarray(((self.pictures[self.shortlist] - self.output) ** 2).mean(axis=1))

    @cached_property
    def neighbours(self) -> Neighbours:
        return Neighbours(np.arange(len(self.pictures)), self.pictures, self.membership)

    @cached_property
    def evidence(self) -> Evidence:
        """The audit's test of the shortlist."""
        pictures, seen = self.pictures[self.shortlist], self.membership[self.shortlist]
        return assess_units(self.predictions, pictures, seen, self.decoys, self.neighbours, self.shortlist)


Rule = Callable[[Case], Float64[np.ndarray, " place_and_rest"]]


def joint_effects(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """theta, the shortlist's directions, centred codes, and the squared length of all
    differences.
    """
    mean = case.predictions.mean(axis=0)
    deviation = case.predictions - mean
    z = case.pictures - mean
    c = case.membership - case.membership.mean(axis=1, keepdims=True)
    gram, against = (c @ c.T) * (z @ z.T), (c * (z @ deviation.T)).sum(axis=1)
    inside = case.shortlist
    others = np.setdiff1d(np.arange(len(z)), inside)
    ridge = RIDGE * np.trace(gram) / len(gram)
    theta, _ = fitted_together(
        gram[np.ix_(inside, inside)],
        against[inside],
        gram[np.ix_(inside, others)],
        gram[np.ix_(others, others)] + ridge * np.eye(len(others)),
        against[others],
    )
    return theta, z[inside], c[inside], float((deviation**2).sum())


def shrunk(case: Case, theta: np.ndarray, z: np.ndarray, c: np.ndarray) -> np.ndarray:
    """The square root of the part of each squared effect that chance does not explain."""
    deviation = case.predictions - case.predictions.mean(axis=0)
    inputs = Regression(
        case.membership[case.shortlist].astype(np.float64),
        np.broadcast_to(case.decoys.astype(np.float64), (len(z), *case.decoys.shape)),
        z @ z.T,
        z @ deviation.T,
        deviation @ deviation.T,
    )
    return np.asarray(np.sqrt(beyond_chance(inputs, np.ones(len(deviation)), c, theta)))


def finished(parts: np.ndarray, total: float) -> np.ndarray:
    """Non-negative parts of a total, and what is left of it."""
    values = np.maximum(parts, 0.0) / max(total, 1e-300)
    values = values / max(1.0, values.sum())
    return np.append(values, 1.0 - values.sum())


def with_chance(case: Case) -> np.ndarray:
    """What each unit's effect explains of the members' differences; chance is not taken off."""
    theta, z, c, total = joint_effects(case)
    return finished(theta * (((c @ c.T) * (z @ z.T)) @ theta), total)


def change_of_output(case: Case) -> np.ndarray:
    """What removing each unit from all members changes of their mean prediction.

    The Shapley value of the game whose value is the squared length of the change.
    """
    theta, z, c, total = joint_effects(case)
    inside = case.membership[case.shortlist].mean(axis=1)
    change = (inside * theta * shrunk(case, theta, z, c))[:, None] * z
    rest = _residual(case, theta, z, c, total) / c.shape[1] * inside.mean() / (1.0 - inside.mean())
    values = np.maximum(change @ change.sum(axis=0), 0.0)
    return finished(values, float(values.sum() + rest))


def lengths_of_changes(case: Case) -> np.ndarray:
    """The lengths of the changes in place of their squares."""
    theta, z, c, total = joint_effects(case)
    inside = case.membership[case.shortlist].mean(axis=1)
    change = np.linalg.norm((inside * theta * shrunk(case, theta, z, c))[:, None] * z, axis=1)
    rest = _residual(case, theta, z, c, total) / c.shape[1] * inside.mean() / (1.0 - inside.mean())
    return finished(change, float(change.sum() + np.sqrt(rest)))


def _residual(case: Case, theta: np.ndarray, z: np.ndarray, c: np.ndarray, total: float) -> float:
    """The squared length of what the effects do not explain."""
    deviation = case.predictions - case.predictions.mean(axis=0)
    gram, against = (c @ c.T) * (z @ z.T), (c * (z @ deviation.T)).sum(axis=1)
    return max(0.0, total - 2 * float(theta @ against) + float(theta @ gram @ theta))


def influences_of_passing(case: Case) -> np.ndarray:
    """The undirected change by leaving out members, divided among the units that pass the test."""
    mean = case.predictions.mean(axis=0)
    away = [case.predictions[~seen].mean(axis=0) - mean for seen in case.membership[case.shortlist]]
    influence = np.linalg.norm(away, axis=1) * (case.evidence.q_value <= 0.05)
    return finished(influence, float(influence.sum()) or 1.0)


def evidence_parts(case: Case) -> np.ndarray:
    """Each unit's own test: what its code explains beyond decoys, of the members' differences."""
    found = case.evidence
    own = np.maximum(found.statistic, 0.0) ** 2
    null = (np.maximum(found.decoy_statistic, 0.0) ** 2).mean(axis=1)
    deviation = case.predictions - case.predictions.mean(axis=0)
    return finished(own - null, float((deviation**2).sum()))


def effect_low(case: Case) -> np.ndarray:
    """The lower ends of the effects' intervals, by the squared way to the picture."""
    found = case.evidence.effects
    z = case.pictures[case.shortlist] - case.predictions.mean(axis=0)
    low = np.nan_to_num(np.maximum(found.low, 0.0))
    deviation = case.predictions - case.predictions.mean(axis=0)
    c = case.membership[case.shortlist]
    c = c - c.mean(axis=1, keepdims=True)
    return finished(low**2 * (z**2).sum(axis=1) * (c**2).sum(axis=1), float((deviation**2).sum()))


def ranked_by_evidence(case: Case) -> np.ndarray:
    """Similarity shares, each by 1 - q."""
    return finished(similarity(case)[:-1] * (1.0 - case.evidence.q_value), 1.0)


def similarity(case: Case, bandwidth: float = 0.01) -> np.ndarray:
    """exp(-d / tau) over the shortlist; nothing stays unattributed."""
    weights = np.exp(-(case.distances - case.distances.min()) / bandwidth)
    return finished(weights, float(weights.sum()))


def cosine(case: Case) -> np.ndarray:
    """Cosines of the pictures with the output, both without the mean picture."""
    mean = case.pictures.mean(axis=0)
    pictures, output = case.pictures[case.shortlist] - mean, case.output - mean
    cosines = pictures @ output / np.maximum(np.linalg.norm(pictures, axis=1) * np.linalg.norm(output), 1e-12)
    weights = np.maximum(cosines, 0.0)
    return finished(weights, float(max(weights.sum(), 1e-12)))


def equal(case: Case) -> np.ndarray:
    """The same for every shortlisted unit."""
    return finished(np.ones(len(case.shortlist)), float(len(case.shortlist)))


def loss_effects(case: Case) -> np.ndarray:
    """A linear model of the members' loss on the output by the shortlist's codes, with a ridge."""
    c = case.membership[case.shortlist] - case.membership[case.shortlist].mean(axis=1, keepdims=True)
    loss = case.member_loss - case.member_loss.mean()
    gram = c @ c.T
    beta = np.linalg.solve(gram + RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)), -(c @ loss))
    beta = np.maximum(beta, 0.0)
    residual = float(np.linalg.norm(loss + beta @ c))
    return finished(beta * np.linalg.norm(c, axis=1), float((beta * np.linalg.norm(c, axis=1)).sum() + residual))


def coalitions(case: Case, exact: bool, draws: int = 400) -> np.ndarray:
    """Shapley values of removing sets of units from the ensemble.

    ``exact``: the members that saw none of a set remain, and the set's value is the squared change
    of their mean prediction; a set that no member survives has the value of its longest surviving
    beginning. Otherwise: random halves of the members, whose squared change is fitted by how much
    more than the others the halves have seen of each unit.
    """
    generator = np.random.default_rng(0)
    inside = case.membership[case.shortlist]
    count, n = inside.shape
    mean = case.predictions.mean(axis=0)
    parts = np.zeros(count)
    if exact:
        total = 0.0
        for _ in range(draws):
            left, before = np.ones(n, dtype=np.bool_), 0.0
            for k in generator.permutation(count):
                left = left & ~inside[k]
                if not left.any():
                    break
                value = float(((case.predictions[left].mean(axis=0) - mean) ** 2).sum())
                parts[k] += (value - before) / draws
                before = value
            total += before / draws
        return finished(parts, float(np.maximum(parts, 0.0).sum()))
    halves = np.stack([generator.permutation(n) < n // 2 for _ in range(draws)])
    lost = -(contrast_weights(halves) @ inside.T.astype(np.float64))
    change = np.array([((case.predictions[half].mean(axis=0) - mean) ** 2).sum() for half in halves])
    gained = np.maximum(lost, 0.0) ** 2
    design = np.column_stack([gained, np.ones(draws)])
    gram = design.T @ design
    beta = np.linalg.solve(gram + 1e-3 * np.trace(gram) / len(gram) * np.eye(len(gram)), design.T @ change)[:-1]
    weights = np.maximum(beta, 0.0) * gained.mean(axis=0)
    return finished(weights, float(max(change.mean(), weights.sum(), 1e-300)))


def kept_rule(case: Case) -> np.ndarray:
    """The product's rule."""
    inside = case.shortlist
    groups = look_alikes(case.pictures[inside], case.pictures.mean(axis=0), np.empty((0, 2), dtype=np.int64))
    found = shares_of(
        case.predictions,
        case.pictures[inside],
        case.membership[inside],
        case.decoys,
        case.neighbours.without(inside),
        groups,
        0,
        2,
    )
    if isinstance(found, NotMeasured):
        raise TypeError(found.reason)
    return found.value


RULES: dict[str, Rule] = {
    "kept": kept_rule,
    "joint effects, chance not taken off": with_chance,
    "joint effects, change of the output": change_of_output,
    "joint effects, length of the change": lengths_of_changes,
    "single tests beyond decoys": evidence_parts,
    "lower ends of effects": effect_low,
    "loss by codes": loss_effects,
    "coalitions, exact": lambda case: coalitions(case, exact=True),
    "coalitions, random halves": lambda case: coalitions(case, exact=False),
    "similarity by 1 - q": ranked_by_evidence,
    "influence of those that pass": influences_of_passing,
    "similarity": similarity,
    "cosine": cosine,
    "equal": equal,
}
"""By name. The last four look at no effect of the single unit: three rules in use, and the former
one."""
