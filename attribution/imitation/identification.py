"""Whose image is it? Classifiers that learn an artist from works, and one that reads texts.

Features of all encoders are standardised over the works to learn from, then scaled to length 1.

- *prototype*: the artist whose works' mean has the largest cosine with the image;
- *probe*: a linear probe, ridge regression on the artists (closed form; every artist weighs the
  same, however many works there are); its ridge has the least leave-one-out error on the works;
- *relative*: the probe, after the common look of the images was taken out
  (:mod:`attribution.imitation.classifiers`);
- *zero-shot*: the artist whose name, in a text, has the largest cosine with the image (MSI).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int64

RIDGES = tuple(10.0**power for power in range(-4, 3))
"""Ridges to choose from, by the mean diagonal of the works' Gram matrix."""


@dataclass(frozen=True, eq=False)
class Standard:
    """Standardises features by those of some works."""

    mean: Float64[np.ndarray, " feature"]
    deviation: Float64[np.ndarray, " feature"]

    @classmethod
    def of(cls, features: Float[np.ndarray, "work feature"]) -> Standard:
        """The standard of these works; a feature that is the same in all stays 0."""
        wide = np.asarray(features, dtype=np.float64)
        deviation = wide.std(axis=0)
        return cls(wide.mean(axis=0), np.where(deviation > 1e-9 * (np.abs(wide).max() or 1.0), deviation, np.inf))

    def __call__(self, features: Float[np.ndarray, "image feature"]) -> Float64[np.ndarray, "image feature"]:
        """Standardised features of length 1; 0 where nothing differs from the mean."""
        return _of_length_one((np.asarray(features, dtype=np.float64) - self.mean) / self.deviation)


def _of_length_one(rows: Float64[np.ndarray, "row feature"]) -> Float64[np.ndarray, "row feature"]:
    """Rows scaled to length 1; rows of zeros stay."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, length, out=np.zeros_like(rows), where=length > 0))


@dataclass(frozen=True, eq=False)
class Prototypes:
    """The mean of each artist's works."""

    means: Float64[np.ndarray, "artist feature"]
    """Of length 1."""

    @classmethod
    def learn(cls, works: Float64[np.ndarray, "work feature"], artist: Int64[np.ndarray, " work"]) -> Prototypes:
        """From standardised features; ``artist`` counts from 0, and each artist has a work."""
        return cls(_of_length_one(np.eye(int(artist.max()) + 1)[artist].T @ works))

    def scores(self, images: Float64[np.ndarray, "image feature"]) -> Float64[np.ndarray, "image artist"]:
        """Cosine of each image with the mean of each artist's works."""
        return np.asarray(images @ self.means.T)


@dataclass(frozen=True, eq=False)
class Probe:
    """Ridge regression of the artists' indicators on the features of their works."""

    mean: Float64[np.ndarray, " feature"]
    level: Float64[np.ndarray, " artist"]
    weights: Float64[np.ndarray, "feature artist"]
    ridge: float
    """By the mean diagonal of the works' Gram matrix."""

    @classmethod
    def learn(cls, works: Float64[np.ndarray, "work feature"], artist: Int64[np.ndarray, " work"]) -> Probe:
        """From standardised features; ``artist`` counts from 0, and each artist has a work.

        Solved over works, not features, with one eigendecomposition for all ridges. The
        leave-one-out residual of a work is its residual by 1 minus its leverage (Allen 1974).
        """
        target = np.eye(int(artist.max()) + 1)[artist]
        weight = 1.0 / np.bincount(artist)[artist][:, None]
        mean = (weight * works).sum(axis=0) / weight.sum()
        level = (weight * target).sum(axis=0) / weight.sum()
        rows, wanted = np.sqrt(weight) * (works - mean), np.sqrt(weight) * (target - level)
        values, vectors = np.linalg.eigh(rows @ rows.T)
        values = np.clip(values, 0.0, None)
        scale = max(float(values.mean()), np.finfo(np.float64).tiny)
        turned = vectors.T @ wanted

        def error(ridge: float) -> float:
            kept = values / (values + ridge * scale)
            residual = wanted - vectors @ (kept[:, None] * turned)
            leverage = (vectors**2 * kept).sum(axis=1, keepdims=True)
            return float(((residual / np.clip(1.0 - leverage, 1e-9, None)) ** 2).sum())

        ridge = min(RIDGES, key=error)
        weights = rows.T @ (vectors @ (turned / (values + ridge * scale)[:, None]))
        return cls(mean, level, weights, ridge)

    def scores(self, images: Float64[np.ndarray, "image feature"]) -> Float64[np.ndarray, "image artist"]:
        """The indicator that the regression expects."""
        return np.asarray((images - self.mean) @ self.weights + self.level)


def text_scores(
    images: Float[np.ndarray, "image feature"], texts: Float[np.ndarray, "artist feature"]
) -> Float64[np.ndarray, "image artist"]:
    """Cosine of each image with the text of each artist."""
    a, b = (np.asarray(side, dtype=np.float64) for side in (images, texts))
    lengths = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
    return np.asarray(np.divide(a @ b.T, lengths, out=np.zeros((len(a), len(b))), where=lengths > 0))
