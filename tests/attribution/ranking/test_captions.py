"""The ranker by captions: its vectors, works without and images without texts, any input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution.ranking.rankers.captions import PLACES, Captions, WordCounts, words_of
from attribution.ranking.rankers.interface import Images, Texts, Works, dense_scores
from registry.errors import MissingPartError

CAPTIONS = ("a red apple", "a green apple", "the old lighthouse", "Pomme verte, été", "")
NUMBER = np.array([0, 1, 2, 3, 4, 2, 0], dtype=np.int64)
WORKS = replace(Works.flat(np.zeros((7, 3), dtype=np.float32)), texts=Texts(CAPTIONS, NUMBER))


def images(*prompts: str | None) -> Images:
    return Images(np.zeros((len(prompts), 3), dtype=np.float32), (3, 1, 1), texts=prompts)


def none(_texts: Sequence[str]) -> None:
    """A kind without a text encoder."""


def test_works_with_the_words_of_a_prompt_come_first() -> None:
    """Works with one caption have one score; rare words count more than common ones."""
    scores = dense_scores(Captions(none).prepare(images("an apple, RED!", "lighthouse"), WORKS), 7)
    for scale in range(len(scores)):
        assert scores[scale, 0, 0] == scores[scale, 0, 6]
        assert scores[scale, 0].argmax() in (0, 6)
        assert scores[scale, 0, 1] > scores[scale, 0, 2]
        assert set(np.flatnonzero(scores[scale, 1] == scores[scale, 1].max())) == {2, 5}


def test_equal_captions_are_told_apart_by_pixels() -> None:
    """At every scale; another caption is further away than any pixels."""
    pixels = np.array([[0.9], [0.0], [0.0], [0.0], [0.0], [0.0], [0.2]], dtype=np.float32).repeat(3, axis=1)
    works = replace(Works.flat(pixels), texts=WORKS.texts)
    scores = dense_scores(Captions(none).prepare(images("a red apple"), works), 7)[:, 0]
    assert (scores[:, 6] > scores[:, 0]).all()
    assert (scores[:, 0] > scores[:, 1:6].max(axis=1)).all()


def test_weights_are_those_of_the_definition() -> None:
    """Counts by log((1 + texts) / (1 + texts with the word)) + 1, of length 1."""
    counts = WordCounts(CAPTIONS)
    rare, common = np.log(6 / 2) + 1, np.log(6 / 3) + 1
    both = counts(["red apple apple"])[0]
    expected = np.array(sorted([rare, 2 * common]))
    np.testing.assert_allclose(sorted(abs(both[both != 0])), expected / np.linalg.norm(expected), rtol=1e-6)
    assert not counts(["", "?!"]).any()


def test_the_members_encoder_is_used_where_there_is_one() -> None:
    """Every distinct caption is encoded once, whatever the number of its works."""
    seen: list[str] = []

    def encode(texts: Sequence[str]) -> np.ndarray:
        seen.extend(texts)
        return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)

    ranker = Captions(encode)
    query = ranker.prepare(images("x" * 11), WORKS)
    assert dense_scores(query, 7)[0, 0].argmax() in (0, 6)
    assert len(seen) == 1 + len(CAPTIONS) + 1
    ranker.prepare(images("another"), WORKS)
    assert seen[-1] == "another"
    assert len(seen) == 1 + len(CAPTIONS) + 2


def test_what_has_no_text_has_no_scores() -> None:
    """Works without captions are an error that says so; images without a prompt are not covered."""
    with pytest.raises(MissingPartError, match="captions or classes"):
        Captions(none).prepare(images("a"), replace(WORKS, texts=None))
    assert not Captions(none).covers(frozenset(), None)
    assert Captions(none).covers(frozenset(), "a")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=6))
def test_any_text_has_finite_features(texts: list[str]) -> None:
    """Of length 1 or 0, in any writing; the words of a text are in lower case and not empty."""
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    found = WordCounts(texts)(texts)
    assert found.shape == (len(texts), PLACES)
    length = np.linalg.norm(found, axis=1)
    assert (np.isclose(length, 1.0, atol=1e-5) | (length == 0.0)).all()
    text, word, words = words_of(texts)
    assert len(text) == len(word)
    assert all(words)
