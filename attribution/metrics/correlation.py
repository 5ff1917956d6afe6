"""Rank correlation, for rows of many pairs at once."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64


def spearman(
    left: Float64[np.ndarray, "*rows item"], right: Float64[np.ndarray, "*rows item"]
) -> Float64[np.ndarray, "*rows"]:
    """Spearman's correlation of each row; 0 where one side is constant, which has no order to
    compare.
    """
    a, b = centred_ranks(left), centred_ranks(right)
    scale = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    correlation: Float64[np.ndarray, "*rows"] = np.zeros(scale.shape)
    np.divide((a * b).sum(axis=-1), scale, out=correlation, where=scale > 0)
    return correlation


def centred_ranks(values: Float64[np.ndarray, "*rows item"]) -> Float64[np.ndarray, "*rows item"]:
    """Ranks within each row, ties shared, minus their mean."""
    count = values.shape[-1]
    order = np.argsort(values, axis=-1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=-1)
    places = np.broadcast_to(np.arange(count), values.shape)
    differs = ordered[..., 1:] != ordered[..., :-1]
    edge = np.ones((*values.shape[:-1], 1), dtype=bool)
    # Of each run of equal values, its first and its last place: they share the rank in the middle.
    first = np.maximum.accumulate(np.where(np.concatenate([edge, differs], axis=-1), places, 0), axis=-1)
    last = np.where(np.concatenate([differs, edge], axis=-1), places, count)
    last = np.minimum.accumulate(last[..., ::-1], axis=-1)[..., ::-1]
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, (first + last) / 2 - (count - 1) / 2, axis=-1)
    return ranks
