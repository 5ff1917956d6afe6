"""The fused ranking of an audit under attack: surrogates agree with their rankers, and every change
that is reported turns the real ranking.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from attribution.denoisers.space import Space
from attribution.firmness.changes import BENIGN
from attribution.firmness.flips import Flip, norms, smallest_l2, smallest_linf
from attribution.firmness.measure import Competitors, firmness, limit_sentence, order_of_magnitude
from attribution.firmness.ranking import AuditRanking, Checks, within
from attribution.firmness.similarity import as_tensor
from attribution.firmness.surrogates import HELD, SLOPE, STAND_IN, followed, log_scores
from attribution.metrics.euclidean import NotMeasured
from attribution.metrics.perceptual import PerceptualDistance, untrained_lpips
from attribution.ranking.encoded_works import EncodedWorks
from attribution.ranking.rankers.captions import Captions
from attribution.ranking.rankers.embeddings import LpipsEmbedding, NetworkEmbedding
from attribution.ranking.rankers.feature_kernel import Embedding, FeatureKernel
from attribution.ranking.rankers.fusion import WeightedRanker
from attribution.ranking.rankers.interface import ArrayRows, Images, Ranker, Texts, pixel_by_pixel
from attribution.ranking.rankers.kernel import LatentKernel, PixelKernel
from attribution.ranking.rankers.patches import Patches
from attribution.ranking.rankers.responsibilities import Responsibilities
from attribution.ranking.shortlist import shortlists_for

SHAPE, WORKS = (3, 8, 8), 12


class Pooled(nn.Module):
    """A small network that stands for an encoder."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten())
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.layers(images)
        return found


class Opaque(Embedding):
    """Features that are gradients, so no first derivative leads through them."""

    name, width, sha256 = "opaque", 3 * 16, "0" * 64

    def embed(self, images: np.ndarray) -> np.ndarray:
        shown = torch.from_numpy(images[:, :, ::2, ::2] + np.float32(0.1)).requires_grad_(True)
        (slope,) = torch.autograd.grad(0.5 * shown.square().sum(), shown)
        return slope.flatten(1).numpy()


def network() -> FeatureKernel:
    return FeatureKernel(
        NetworkEmbedding("network", 54, Pooled().eval(), "0" * 64, 8, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    )


def lpips() -> FeatureKernel:
    """LPIPS's smallest network, SqueezeNet, untrained, under positive heads."""
    torch.manual_seed(0)
    found = untrained_lpips("squeeze")[1]
    for name, value in found.named_parameters():
        if name.startswith("lin"):
            nn.init.uniform_(value)
    return FeatureKernel(LpipsEmbedding(PerceptualDistance(found), {"net": "untrained"}))


class Halved(Space):
    """Latents: pictures at half their size."""

    latent = True

    def encode(self, images: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(images, 2)


def encoded_works(seed: int = 0, units: int = WORKS) -> tuple[EncodedWorks, np.ndarray]:
    """Works, and a picture near the first one."""
    rng = np.random.default_rng(seed)
    flat = rng.random((WORKS, int(np.prod(SHAPE)))).astype(np.float32) * 0.4 + 0.3
    rows = pixel_by_pixel(Images(flat, SHAPE))
    codes, membership = np.arange(units, dtype=np.uint64), np.eye(units, 5, dtype=np.bool_)
    membership[5:, 0] = True
    works = EncodedWorks.in_memory(rows, np.arange(WORKS) % units, codes, membership)
    near = np.clip(flat[0].reshape(SHAPE) + rng.normal(0, 0.05, SHAPE), 0, 1)
    return replace(works, shape=SHAPE), np.moveaxis(np.round(255 * near).astype(np.uint8), 0, -1)


def ranking(parts: dict[Ranker, float], encoded: EncodedWorks, text: str | None = None) -> AuditRanking:
    """Rankers with their weights, each at its second scale."""
    weighted = tuple(WeightedRanker(ranker.name, ranker.scales[1], weight) for ranker, weight in parts.items())
    return AuditRanking(tuple(parts), weighted, encoded, 6, frozenset(), text)


def first_of(asked: AuditRanking, picture: np.ndarray) -> int:
    """The first unit of the display, asked without the code under test."""
    values = np.moveaxis(picture, -1, 0).reshape(1, -1).astype(np.float32) / 255
    images = Images(values, SHAPE, (frozenset(),), (asked.text,))
    (listed,) = shortlists_for(asked.rankers, asked.encoded, images, asked.parts, asked.shortlist, 3)
    return int(listed.unit_numbers[np.argmax(listed.scores)])


def check_turned(asked: AuditRanking, picture: np.ndarray) -> None:
    """Both attacks find a change, and the real ranking agrees."""
    similarity = asked.similarity(picture)
    assert not isinstance(similarity, NotMeasured)
    before = first_of(asked, picture)
    assert similarity.nearest(picture) == before
    for found in (smallest_l2(similarity, picture), smallest_linf(similarity, picture)):
        assert not isinstance(found, NotMeasured)
        assert first_of(asked, found.image) == found.unit != before
        assert (found.l2, found.linf) == norms(picture, found.image)


@pytest.mark.parametrize(
    ("make", "latent"),
    [
        (PixelKernel, False),
        (Responsibilities, False),
        (Patches, False),
        (network, False),
        pytest.param(lpips, False, marks=pytest.mark.slow),
        (lambda: LatentKernel(Halved()), True),
        (lambda: Responsibilities(space=Halved()), True),
    ],
    ids=["pixels", "responsibilities", "patches", "network", "lpips", "latents", "responsibilities of latents"],
)
def test_a_surrogate_has_the_scores_of_its_ranker(make: Callable[[], Ranker], latent: bool) -> None:
    """At every scale, up to a constant; and its slope is not 0."""
    ranker = make()
    encoded, picture = encoded_works()
    if latent:
        pixels = torch.from_numpy(encoded.works.reshape(WORKS, *SHAPE))
        rows = ArrayRows(Halved().encode(2.0 * pixels - 1.0).flatten(1).numpy())
        encoded = replace(encoded, source=replace(encoded.source, latents=rows))
    values = np.moveaxis(picture, -1, 0).reshape(1, -1).astype(np.float32) / 255
    theirs = ranker.prepare(Images(values, SHAPE), encoded.source).log_scores(slice(0, WORKS))[0]
    assert followed(ranker) == SLOPE
    for place, scale in enumerate(ranker.scales):
        image = as_tensor(picture).requires_grad_(True)
        found = log_scores(ranker, scale, encoded, np.arange(WORKS))(image)
        gap = found.detach().numpy() - theirs[place].astype(np.float64)
        heard = theirs[place] > theirs[place].max() - 50  # scores below do not count in single precision
        assert np.ptp(gap[heard]) < 2e-3 * max(1.0, np.abs(theirs[place][heard]).max())
        (slope,) = torch.autograd.grad(found.max() - found.min(), image)
        assert slope.abs().max() > 0


@pytest.mark.slow
@pytest.mark.parametrize("units", [WORKS, 5])
def test_a_fusion_is_turned(units: int) -> None:
    """Four rankers together, single works and units of several works."""
    encoded, picture = encoded_works(units=units)
    parts = {PixelKernel(): 0.25, Responsibilities(): 0.25, Patches(): 0.25, network(): 0.25}
    check_turned(ranking(parts, encoded), picture)


def test_one_ranker_alone_turns_where_the_margin_ends() -> None:
    """By the pixel kernel alone, the change is the closed form's: the distance to a hyperplane."""
    encoded, picture = encoded_works()
    similarity = ranking({PixelKernel(): 1.0}, encoded).similarity(picture)
    assert not isinstance(similarity, NotMeasured)
    found = smallest_l2(similarity, picture)
    assert not isinstance(found, NotMeasured)
    flat = np.moveaxis(picture / 255.0, -1, 0).reshape(-1)
    works = encoded.works.astype(np.float64)
    others = works[1:]
    gaps = (((flat - others) ** 2).sum(axis=1) - ((flat - works[0]) ** 2).sum()) / 2
    least = (255 * gaps / np.linalg.norm(others - works[0], axis=1)).min()
    assert least - 1e-6 <= found.l2 <= 1.3 * least + 3


def turned(asked: AuditRanking, picture: np.ndarray, most: int) -> tuple[Flip | NotMeasured, Checks]:
    """What the search for few grey levels finds within so many checks."""
    similarity = asked.similarity(picture)
    assert not isinstance(similarity, NotMeasured)
    checks = Checks(most)
    return smallest_linf(within(similarity, checks), picture), checks


def test_a_search_shows_no_more_pictures_than_it_may() -> None:
    """With fewer checks the change is as large or larger; the ranking confirms it all the same."""
    encoded, picture = encoded_works()
    asked = ranking({PixelKernel(): 1.0}, encoded)
    free, counted = turned(asked, picture, 1000)
    assert not isinstance(free, NotMeasured)
    assert not counted.ended
    assert 1 < counted.used < 1000
    same, enough = turned(asked, picture, counted.used)
    assert not isinstance(same, NotMeasured)
    assert (same.linf, enough) == (free.linf, replace(counted, most=counted.used))
    fewer, short = turned(asked, picture, 1)
    assert short == Checks(1, 1, ended=True)
    assert not isinstance(fewer, NotMeasured)
    assert fewer.linf >= free.linf
    assert first_of(asked, fewer.image) == fewer.unit != first_of(asked, picture)


def test_what_was_ended_is_said() -> None:
    """In the record, with the numbers; benign changes are never left out for it."""
    encoded, picture = encoded_works()
    found = Competitors(picture, encoded.works[:2].reshape(2, *SHAPE), np.arange(2), str)
    facts = firmness(found, {}, ranking({PixelKernel(): 1.0}, encoded), 0, most_checks=1)["ranking"]
    assert facts["checks"] == {"most": 1, "l2": 1, "linf": 1, "ended": ["l2", "linf"]}
    assert facts["sentence"].endswith(limit_sentence(1))
    assert len(facts["benign"]) == len(BENIGN)


@pytest.mark.parametrize(("side", "levels"), [(1, 255.0), (16, 1020.0), (256, 4080.0)])
def test_the_order_of_magnitude_of_the_theorem(side: int, levels: float) -> None:
    """The square root of the side, in grey levels of 8 bits."""
    assert order_of_magnitude(side) == levels


@pytest.mark.slow
def test_a_ranker_without_a_slope_is_attacked_through_pixels() -> None:
    """The stand-in leads, and the ranking itself says what turns."""
    encoded, picture = encoded_works()
    opaque = FeatureKernel(Opaque())
    assert followed(opaque) == STAND_IN
    check_turned(ranking({opaque: 0.5, PixelKernel(): 0.5}, encoded), picture)


def with_captions() -> tuple[EncodedWorks, np.ndarray]:
    """Works with two captions, in turns."""
    encoded, picture = encoded_works()
    texts = Texts(("a red sun", "a blue moon"), np.arange(WORKS) % 2)
    return replace(encoded, source=replace(encoded.source, texts=texts)), picture


def test_captions_are_held_and_never_called_firm() -> None:
    """Alone there is nothing to attack; without a prompt captions have no scores."""
    encoded, picture = with_captions()
    captions = Captions(lambda _texts: None)
    assert followed(captions) == HELD
    alone = ranking({captions: 1.0}, encoded, "a red sun").similarity(picture)
    assert alone == NotMeasured("it rests on captions alone, and no search follows that from the picture")
    without = ranking({captions: 1.0, PixelKernel(): 0.0}, encoded).similarity(picture)
    assert without == NotMeasured("no ranker with a weight has scores for this picture")


@pytest.mark.slow
def test_captions_count_beside_pixels() -> None:
    """A held ranker has a part in every verdict."""
    encoded, picture = with_captions()
    captions = Captions(lambda _texts: None)
    check_turned(ranking({captions: 0.25, PixelKernel(): 0.75}, encoded, "a red sun"), picture)
