"""All classifiers of one audit, learned once, and what they answer about images.

A generator gives all its images a look of its own, such as a blur. To an encoder that look can be
larger than the difference between artists, and then every image is taken for the same artist. So
the *relative* questions take out the common look: the mean of the images' features minus the mean
of the works'. The common look depends on no folder, so that images that are dealt to the folders at
random stay exchangeable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from attribution.firmness.similarity import Features, Similarity, prototype_similarity
from attribution.imitation.encoders import OpenEncoder
from attribution.imitation.identification import Probe, Prototypes, Standard, text_scores
from attribution.imitation.matching import nearer_shares
from registry.imitations.facts import MethodName

DESCRIPTIONS: Mapping[MethodName, str] = {
    "zero-shot": "the artist whose name, in a text, is most like the image",
    "prototype": "the artist whose works are, in the mean, most like the image",
    "probe": "a linear probe that learned the artists from their works (ridge regression)",
    "relative": "the linear probe, after the common look of all images was taken out",
}


@dataclass(frozen=True, eq=False)
class Answers:
    """What is said of some images. Artists count from 0, distractors after the audited ones."""

    identified: Mapping[MethodName, Int64[np.ndarray, " image"]]
    """The artist or distractor that an image is taken for."""
    among_artists: Mapping[MethodName, Int64[np.ndarray, " image"]]
    """The artist, with no distractor to choose."""
    nearer: Float64[np.ndarray, "image artist"]
    """See :mod:`attribution.imitation.matching`."""

    def right(self, method: MethodName, artist: Int64[np.ndarray, " image"]) -> Bool[np.ndarray, " image"]:
        """Which images are taken for these artists."""
        return np.asarray(self.identified[method] == artist)


@dataclass(frozen=True, eq=False)
class Classifiers:
    """Classifiers that learned the artists and distractors from their works."""

    standard: Standard
    works: Float64[np.ndarray, "work feature"]
    """Standardised features of the works to learn from."""
    artist_of_work: Int64[np.ndarray, " work"]
    artists: int
    """The audited ones; they come first."""
    level: Float64[np.ndarray, " feature"]
    """Mean feature of the audited artists' works, each artist with the same weight."""
    texts: Float32[np.ndarray, "artist feature"] | None
    prototypes: Prototypes
    probe: Probe

    @classmethod
    def learn(
        cls,
        features: Float32[np.ndarray, "work feature"],
        artist_of_work: Int64[np.ndarray, " work"],
        artists: int,
        encoder: OpenEncoder,
        texts: Sequence[str],
    ) -> Classifiers:
        """Learn from the works' features; ``texts``: one per artist and distractor."""
        standard = Standard.of(features)
        works = standard(features)
        encoded = None if encoder.texts is None else encoder.texts(texts)
        own = [np.asarray(features[artist_of_work == number], np.float64).mean(axis=0) for number in range(artists)]
        return cls(
            standard,
            works,
            artist_of_work,
            artists,
            np.mean(own, axis=0),
            encoded,
            Prototypes.learn(works, artist_of_work),
            Probe.learn(works, artist_of_work),
        )

    def common_look(self, features: Float32[np.ndarray, "image feature"]) -> Float64[np.ndarray, " feature"]:
        """What all these images have in common beside the works."""
        return np.asarray(np.asarray(features, np.float64).mean(axis=0) - self.level)

    def answers(
        self, features: Float32[np.ndarray, "image feature"], look: Float64[np.ndarray, " feature"] | None = None
    ) -> Answers:
        """What the classifiers say of images with these features.

        ``look``: the common look of the images; None: they are works.
        """
        found = self.standard(features)
        apart = found if look is None else self.standard(features - look)
        scores: dict[MethodName, Float64[np.ndarray, "image artist"]] = {
            "prototype": self.prototypes.scores(found),
            "probe": self.probe.scores(found),
            "relative": self.probe.scores(apart),
        }
        if self.texts is not None:
            scores = {"zero-shot": text_scores(features, self.texts), **scores}
        return Answers(
            {name: each.argmax(axis=1) for name, each in scores.items()},
            {name: each[:, : self.artists].argmax(axis=1) for name, each in scores.items()},
            nearer_shares(apart, self.works, self.artist_of_work, self.artists),
        )

    @property
    def methods(self) -> tuple[MethodName, ...]:
        """The classifiers of this audit."""
        own: tuple[MethodName, ...] = ("prototype", "probe", "relative")
        return own if self.texts is None else ("zero-shot", *own)

    def similarity(self, method: MethodName, features: Features, look: Float64[np.ndarray, " feature"]) -> Similarity:
        """One classifier of the images as a verdict to attack.

        ``features``: of the audit's encoder, differentiable; ``look``: the common look of the
        images.
        """
        if method == "zero-shot" and self.texts is not None:
            texts = np.asarray(self.texts, np.float64)
            lengths = np.linalg.norm(texts, axis=1, keepdims=True)
            directions = np.divide(texts, lengths, out=np.zeros_like(texts), where=lengths > 0)
            width = texts.shape[1]
            return prototype_similarity(method, features, np.zeros(width), np.ones(width), directions)
        mean, deviation = self.standard.mean, self.standard.deviation
        if method == "prototype":
            return prototype_similarity(method, features, mean, deviation, self.prototypes.means)
        if method == "relative":
            mean = mean + look
        level = self.probe.level - self.probe.mean @ self.probe.weights
        directions = np.ascontiguousarray(self.probe.weights.T)
        return prototype_similarity(method, features, mean, deviation, directions, level)
