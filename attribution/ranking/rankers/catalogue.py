"""The rankers by name, and what each of them needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from attribution.ranking.rankers.interface import Ranker
from attribution.ranking.rankers.pixel_kernel import PixelKernel
from attribution.ranking.rankers.responsibilities import Responsibilities
from attribution.ranking.rankers.supplied import SuppliedScores, read_scores
from attribution.sampling.schedule import SamplerSettings
from registry.errors import MissingPartError, UsageError

if TYPE_CHECKING:
    from attribution.training.reference_model import ReferenceModel

MOBILENET, OPEN_CLIP, LPIPS, GRADIENTS = "mobilenet", "open-clip", "lpips", "gradients"
TRAK, D_TRAK, EKFAC = "trak", "d-trak", "ekfac"
PEERS = {TRAK: "trak", D_TRAK: "trak", EKFAC: "kronfluence"}
"""Rankers of other libraries, and what is imported for them."""
EXTRA = "peers"
RANKERS = (
    PixelKernel.name,
    Responsibilities.name,
    MOBILENET,
    OPEN_CLIP,
    LPIPS,
    GRADIENTS,
    *PEERS,
    SuppliedScores.name,
)
DEFAULT_RANKERS = (PixelKernel.name, Responsibilities.name)
"""Those that an audit uses where no choice was kept and none is named. They need no file, so this
is the same everywhere."""


@dataclass(frozen=True)
class RankerNeeds:
    """What rankers may need from outside."""

    schedule: SamplerSettings
    """The noise schedule of the members."""
    weights: Path | None = None
    """MobileNetV2's weights; None: those that the environment names."""
    scores: Path | None = None
    """Supplied scores."""
    advance: Callable[[int, int], object] = lambda _done, _total: None
    """Gets (works embedded now, works in all) while features of works are computed."""
    reference: Callable[[], ReferenceModel] | None = None
    """Opens the ensemble's reference model, see
    :func:`attribution.training.reference_model.open_reference_model`."""


def make_ranker(name: str, needs: RankerNeeds) -> Ranker:
    """The ranker of this name.

    Raises:
        UsageError: there is none.
        MissingPartError: what it needs is not there.
        InputError: a file that it needs cannot be used.
        IntegrityError: the reference model was altered.
    """
    if name == PixelKernel.name:
        return PixelKernel()
    if name == Responsibilities.name:
        return Responsibilities(needs.schedule)
    if name == SuppliedScores.name:
        if needs.scores is None:
            raise MissingPartError(f"the ranker {name} needs a file of scores: name it with --scores FILE")
        return SuppliedScores(read_scores(needs.scores))
    if name in (MOBILENET, OPEN_CLIP):
        from attribution.ranking.rankers.embeddings import mobilenet, open_clip_embedding
        from attribution.ranking.rankers.feature_kernel import FeatureKernel

        embedding = mobilenet(needs.weights) if name == MOBILENET else open_clip_embedding()
        return FeatureKernel(embedding, needs.advance)
    if name == LPIPS:
        return _lpips(needs)
    if name == GRADIENTS or name in PEERS:
        return _differentiating(name, needs)
    raise UsageError(f"there is no ranker {name!r}; choose one of {', '.join(RANKERS)}")


def _differentiating(name: str, needs: RankerNeeds) -> Ranker:
    """A ranker that differentiates the reference model."""
    if name in PEERS and find_spec(PEERS[name]) is None:
        raise MissingPartError(
            f"the ranker {name} needs other libraries: pip install 'creditline[{EXTRA}]', or rank with {GRADIENTS}"
        )
    if needs.reference is None:
        raise MissingPartError(f"the ranker {name} needs a reference model: `creditline members reference` trains it")
    model = needs.reference()
    if name == GRADIENTS:
        from attribution.ranking.rankers.gradients import Gradients

        return Gradients(
            model.denoiser,
            model.weights_sha256,
            model.schedule,
            model.snr_cap,
            advance=needs.advance,
            space=model.space,
        )
    if model.space.latent:
        raise MissingPartError(f"the ranker {name} differentiates denoisers of pixels, not of latents: use {GRADIENTS}")
    try:
        if name == EKFAC:
            from attribution.ranking.rankers.peers.ekfac import Ekfac

            return Ekfac(model)
        from attribution.ranking.rankers.peers.trak import Trak

        return Trak(model, name == D_TRAK, needs.advance)
    except ImportError as error:
        raise MissingPartError(
            f"the ranker {name} needs {PEERS[name]}, which is there but cannot be imported ({error}): "
            f"pip install 'creditline[{EXTRA}]'"
        ) from error


def _lpips(needs: RankerNeeds) -> Ranker:
    from attribution.metrics.euclidean import NotMeasured
    from attribution.metrics.lpips_weights import WEIGHTS_VARIABLE, lpips_weights
    from attribution.ranking.rankers.feature_kernel import FeatureKernel
    from attribution.ranking.rankers.lpips_embedding import lpips_embedding

    weights = lpips_weights()
    if isinstance(weights, NotMeasured):
        raise MissingPartError(
            f"the ranker {LPIPS} needs the weights of LPIPS's network: `creditline audit --lpips alex` downloads them once, "
            f"hash checked, or {WEIGHTS_VARIABLE} names a file"
        )
    return FeatureKernel(lpips_embedding(weights), needs.advance)


def make_rankers(names: Sequence[str], needs: RankerNeeds) -> list[Ranker]:
    """The rankers of these names, each once, in this order; the supplied scores too, where a file
    of them is named.

    Raises:
        UsageError: there is no ranker of a name.
        MissingPartError: what one of them needs is not there.
        InputError: a file that one of them needs cannot be used.
    """
    further = (SuppliedScores.name,) if needs.scores is not None else ()
    return [make_ranker(name, needs) for name in dict.fromkeys((*names, *further))]


def available_rankers(needs: RankerNeeds) -> tuple[list[Ranker], dict[str, str]]:
    """All rankers that can be made, and by name why the others cannot.

    Raises:
        InputError: a file that was named cannot be used.
    """
    made: list[Ranker] = []
    missing: dict[str, str] = {}
    for name in RANKERS:
        try:
            made.append(make_ranker(name, needs))
        except MissingPartError as error:
            missing[name] = str(error)
    return made, missing
