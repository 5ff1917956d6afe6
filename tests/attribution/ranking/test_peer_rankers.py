"""Rankers of other libraries: scores by definition, and errors where a library is missing."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from attribution.denoisers.interface import Prompt
from attribution.denoisers.pixels import PixelUNet
from attribution.denoisers.schedule import schedule_fields
from attribution.ranking.rankers.catalogue import PEERS, RankerInputs, available_rankers, make_ranker
from attribution.ranking.rankers.gradients.noised_views import NoisedViews
from attribution.ranking.rankers.interface import ArrayRows, Images, PixelRows, Ranker, Texts, Works, dense_scores
from attribution.sampling.schedule import SamplerSettings
from attribution.training.reference_model import ReferenceModel
from benchmarks.tiny_base import TinyBase
from registry.errors import MissingPartError
from tests.support.adapters import moved_member, tiny_kind

SHAPE = (1, 8, 8)
COUNT = 10
INSTALLED = {name: find_spec(package) is not None for name, package in PEERS.items()}


@pytest.fixture(scope="module")
def works() -> Works:
    """A few little pictures."""
    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8, 1), dtype=np.uint8)
    return Works(PixelRows(pixels), np.arange(COUNT), [f"{number:064x}" for number in range(COUNT)])


@pytest.fixture(scope="module")
def needs() -> RankerInputs:
    """With an untrained reference model, which has gradients too."""
    network = PixelUNet(size=8, channels=1, widths=(8,), groups=4, patch=4)
    model = ReferenceModel(network.new_member(3), "a" * 64, SamplerSettings(), 5.0)
    return RankerInputs(SamplerSettings(), reference=lambda: model)


@pytest.fixture(scope="module")
def on_adapters(tmp_path_factory: pytest.TempPathFactory) -> tuple[RankerInputs, Works, Images]:
    """An adapter on a tiny base, works with captions, and two of them as images."""
    kind = tiny_kind(tmp_path_factory.mktemp("base") / "tiny", TinyBase(autoencoder="tiny"))
    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 32, 32, 3), dtype=np.uint8)
    captions = ("a cat", "a dog face", "the red sun")
    texts = Texts(captions, np.arange(COUNT) % len(captions))
    latents = np.zeros((COUNT, 4 * 8 * 8), dtype=np.float32)
    works = Works(
        PixelRows(pixels), np.arange(COUNT), [f"{row:064x}" for row in range(COUNT)], None, ArrayRows(latents), texts
    )
    model = ReferenceModel(
        moved_member(kind, 1).requires_grad_(True),
        "a" * 64,
        SamplerSettings(**schedule_fields(kind)),
        5.0,
        kind,
        lambda texts: kind.condition([Prompt(text) for text in texts], ()),
        adapters=True,
    )
    pictures = np.ascontiguousarray(works.pictures(slice(2, 4), (3, 32, 32))).reshape(2, -1)
    images = Images(pictures, (3, 32, 32), texts=("the red sun", "a cat"))
    return RankerInputs(SamplerSettings(), reference=lambda: model, space=kind), works, images


@pytest.fixture(params=list(PEERS))
def installed(request: pytest.FixtureRequest) -> str:
    """Each ranker with an installed library."""
    name = str(request.param)
    if not INSTALLED[name]:
        pytest.skip(f"{PEERS[name]} is not installed: pip install 'creditline[peers]'")
    return name


def images_of(works: Works, rows: slice) -> Images:
    """Works as if generated; in one channel, pixel by pixel is channel by channel."""
    return Images(works.pixels.take(rows), SHAPE)


def scores_of(ranker: Ranker, works: Works, rows: slice) -> np.ndarray:
    """By scale, image and work."""
    return dense_scores(ranker.prepare(images_of(works, rows), works), COUNT)


def outputs(network: nn.Module, works: Works, count: int, square: bool = False) -> Iterator[Tensor]:
    """Every work's weighted errors, one per view."""
    views = NoisedViews.spread(count, SamplerSettings(), 5.0, SHAPE)
    for picture in torch.from_numpy(works.pixels.take(slice(0, COUNT))).reshape(-1, *SHAPE) * 2 - 1:
        eps = network(views.of(picture[None]), views.timesteps)
        yield (eps if square else eps - views.noise).square().mean(dim=(1, 2, 3)) * views.weight


@pytest.mark.slow
def test_a_copy_is_ranked_first(installed: str, needs: RankerInputs, works: Works) -> None:
    """Whatever the library gives other works, an image's own gradient is the most like it."""
    scores = scores_of(make_ranker(installed, needs), works, slice(2, 5))
    assert (scores.argmax(axis=2) == [2, 3, 4]).all()


@pytest.mark.slow
def test_scores_do_not_depend_on_the_other_images_or_blocks(installed: str, needs: RankerInputs, works: Works) -> None:
    """An image alone, or a work in any block, has the same scores, up to a constant."""
    ranker = make_ranker(installed, needs)
    together = scores_of(ranker, works, slice(0, 6))
    query = ranker.prepare(images_of(works, slice(5, 6)), works)
    some = query.log_scores(np.array([7, 1]))[0]
    for scale in range(len(ranker.scales)):
        scaled = together[scale, 5] / np.abs(together[scale, 5]).max()
        alone = dense_scores(query, COUNT)[scale, 0]
        np.testing.assert_allclose(alone / np.abs(alone).max(), scaled, atol=1e-4)
        np.testing.assert_allclose(some[scale], alone[[7, 1]], rtol=1e-4)


@pytest.mark.slow
def test_a_copy_is_ranked_first_by_the_weights_of_an_adapter(
    installed: str, on_adapters: tuple[RankerInputs, Works, Images]
) -> None:
    """An image that is a work, under the work's caption, has the gradient of that work.

    At the smallest ridge: at a large one the longest gradients come first.
    """
    inputs, works, images = on_adapters
    scores = dense_scores(make_ranker(installed, inputs).prepare(images, works), COUNT)
    assert scores[0].argmax(axis=1).tolist() == [2, 3]


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED["trak"], reason="traker is not installed: pip install 'creditline[peers]'")
def test_trak_differentiates_an_adapter_under_the_text_and_on_the_latents(
    on_adapters: tuple[RankerInputs, Works, Images],
) -> None:
    """phi_y (Phi^T Phi + ridge)^-1 phi_x by autograd, work by work, each under its caption."""
    from trak.projectors import BasicProjector, ProjectionType

    from attribution.ranking.rankers.peers.trak import RIDGES, SEED, VIEWS, WIDTH

    inputs, works, images = on_adapters
    assert inputs.reference is not None
    model = inputs.reference()
    views = NoisedViews.spread(VIEWS, model.schedule, model.snr_cap, (4, 8, 8))
    gradients = []
    for row in range(COUNT):
        latent = model.space.encode(torch.from_numpy(works.pictures(slice(row, row + 1), (3, 32, 32))) * 2 - 1)
        condition = model.condition([*works.texts_of(slice(row, row + 1))] * VIEWS)
        eps = model.denoiser(views.of(latent), views.timesteps, condition)
        loss = ((eps - views.noise).square().mean(dim=(1, 2, 3)) * views.weight).mean()
        each = torch.autograd.grad(loss, list(model.denoiser.parameters()))
        gradients.append(torch.cat([value.flatten() for value in each]))
    stacked = torch.stack(gradients)
    projector = BasicProjector(stacked.shape[1], WIDTH, SEED, ProjectionType.normal, torch.device("cpu"), 256)
    projected = projector.project(stacked, model_id=0).double()
    square = projected.T @ projected
    damped = square + RIDGES[1] * square.trace() / COUNT * torch.eye(WIDTH, dtype=torch.float64)
    expected = (projected[2:4] @ torch.linalg.solve(damped, projected.T)).numpy()
    found = dense_scores(make_ranker("trak", inputs).prepare(images, works), COUNT)[1]
    factor = (found * expected).sum() / (found * found).sum()
    np.testing.assert_allclose(found * factor, expected, atol=2e-3 * np.abs(expected).max())


def test_settings_are_those_of_the_model(installed: str, needs: RankerInputs) -> None:
    """An audit that ranked with another model is another audit."""
    assert make_ranker(installed, needs).settings()["reference_sha256"] == "a" * 64


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED["trak"], reason="traker is not installed: pip install 'creditline[peers]'")
@pytest.mark.parametrize("name", ["trak", "d-trak"])
def test_trak_is_its_definition(name: str, needs: RankerInputs, works: Works) -> None:
    """phi_y (Phi^T Phi + ridge)^-1 phi_x by autograd and a normal projection, one by one."""
    from trak.projectors import BasicProjector, ProjectionType

    from attribution.ranking.rankers.peers.trak import RIDGES, SEED, VIEWS, WIDTH

    assert needs.reference is not None
    network = needs.reference().denoiser
    gradients = []
    for output in outputs(network, works, VIEWS, square=name == "d-trak"):
        network.zero_grad()
        output.mean().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        grads = [value.grad for value in network.parameters()]
        gradients.append(torch.cat([grad.flatten() for grad in grads if grad is not None]))
    stacked = torch.stack(gradients)
    projector = BasicProjector(
        stacked.shape[1], WIDTH, SEED, ProjectionType.normal, torch.device("cpu"), block_size=256
    )
    projected = projector.project(stacked, model_id=0).double()
    square = projected.T @ projected
    scores = scores_of(make_ranker(name, needs), works, slice(0, COUNT))
    for scale, ridge in enumerate(RIDGES):
        damped = square + ridge * square.trace() / COUNT * torch.eye(WIDTH, dtype=torch.float64)
        expected = (projected @ torch.linalg.solve(damped, projected.T)).numpy()
        found = scores[scale]
        factor = (found * expected).sum() / (found * found).sum()
        np.testing.assert_allclose(found * factor, expected, atol=2e-3 * np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED["trak"], reason="traker is not installed: pip install 'creditline[peers]'")
def test_projected_gradients_are_kept(needs: RankerInputs, works: Works, tmp_path: Path) -> None:
    """Read back for the same works and model; deleted with the model; made anew if broken."""
    kept = Works(works.pixels, works.asset_ids, works.hashes, tmp_path)
    first = scores_of(make_ranker("trak", needs), kept, slice(0, 2))
    (path,) = tmp_path.glob("features-gradients-*.npy")
    written = path.stat().st_mtime_ns
    np.testing.assert_array_equal(scores_of(make_ranker("trak", needs), kept, slice(0, 2)), first)
    assert path.stat().st_mtime_ns == written
    path.write_bytes(b"\x93NUMPY of no sort")
    np.testing.assert_array_equal(scores_of(make_ranker("trak", needs), kept, slice(0, 2)), first)
    assert np.load(path, allow_pickle=False).shape[0] == COUNT


@pytest.mark.skipif(not INSTALLED["ekfac"], reason="kronfluence is not installed: pip install 'creditline[peers]'")
def test_ekfac_is_its_definition(needs: RankerInputs, works: Works) -> None:
    """g_y^T H^-1 g_x by autograd, H from the library's eigenvectors; then its folder is gone."""
    from attribution.ranking.rankers.peers.ekfac import FACTORS, VIEWS, Ekfac

    assert needs.reference is not None
    ranker = make_ranker("ekfac", needs)
    assert isinstance(ranker, Ekfac)
    scores = scores_of(ranker, works, slice(0, 3))[0]
    factors = ranker.analyzer.load_all_factors(FACTORS)
    network = needs.reference().denoiser
    layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)}
    assert set(factors["lambda_matrix"]) == set(layers)
    rotated: dict[str, list[Tensor]] = {name: [] for name in layers}
    for output in outputs(network, works, VIEWS):
        network.zero_grad()
        output.mean().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        for name, layer in layers.items():
            weight, bias = layer.get_parameter("weight").grad, layer.get_parameter("bias").grad
            assert weight is not None
            assert bias is not None
            whole = torch.cat([weight.flatten(1), bias[:, None]], dim=1).double()
            left = factors["gradient_eigenvectors"][name].double()
            right = factors["activation_eigenvectors"][name].double()
            rotated[name].append(left.T @ whole @ right)
    expected = np.zeros((3, COUNT))
    for name, parts in rotated.items():
        values = torch.stack(parts).flatten(1)
        eigenvalues = factors["lambda_matrix"][name].double() / factors["num_lambda_processed"][name].double()
        damped = eigenvalues + 1e-8
        expected += ((values[:3] / damped.flatten()) @ values.T).numpy()
    np.testing.assert_allclose(scores, expected, rtol=2e-2, atol=2e-2 * np.abs(expected).max())
    folder = Path(ranker.analyzer.output_dir)
    assert folder.exists()
    del ranker
    gc.collect()
    assert not folder.exists()


@pytest.mark.parametrize("name", list(PEERS))
def test_without_the_library_the_extra_is_named(
    name: str, needs: RankerInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 4, and a listed reason, before a reference model is opened."""
    monkeypatch.setitem(sys.modules, PEERS[name], None)
    with pytest.raises(MissingPartError, match=r"creditline\[peers\]") as error:
        make_ranker(name, needs)
    assert error.value.exit_code == 4
    assert name in available_rankers(needs)[1]


def test_without_a_reference_model_the_command_is_named(installed: str) -> None:
    """As for our own ranker over gradients."""
    with pytest.raises(MissingPartError, match="members reference"):
        make_ranker(installed, RankerInputs(SamplerSettings()))
