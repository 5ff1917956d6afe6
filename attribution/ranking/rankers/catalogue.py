"""The rankers by name, and the inputs that they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from attribution.denoisers.space import Space
from attribution.ranking.rankers.captions import Captions, TextEncoder
from attribution.ranking.rankers.interface import Ranker
from attribution.ranking.rankers.kernel import LatentKernel, PixelKernel
from attribution.ranking.rankers.patches import Patches
from attribution.ranking.rankers.responsibilities import Responsibilities
from attribution.ranking.rankers.supplied import SuppliedScores, read_scores
from attribution.sampling.schedule import SamplerSettings
from registry.errors import MissingPartError, UsageError

if TYPE_CHECKING:
    from attribution.training.reference_model import ReferenceModel

MOBILENET, OPEN_CLIP, LPIPS = "mobilenet", "open-clip", "lpips"
BASE_GRADIENTS, GRADIENTS = "base-gradients", "gradients"
TRAK, D_TRAK, EKFAC = "trak", "d-trak", "ekfac"
PEERS = {TRAK: "trak", D_TRAK: "trak", EKFAC: "kronfluence"}
"""Rankers through other libraries, and the package that each imports."""
EXTRA = "peers"
RANKERS = (
    PixelKernel.name,
    LatentKernel.name,
    Responsibilities.name,
    Patches.name,
    Captions.name,
    MOBILENET,
    OPEN_CLIP,
    LPIPS,
    BASE_GRADIENTS,
    GRADIENTS,
    *PEERS,
    SuppliedScores.name,
)
DEFAULT_RANKERS = (PixelKernel.name, Responsibilities.name)
LATENT_RANKERS = (PixelKernel.name, LatentKernel.name, Responsibilities.name)
"""The first rankers if none is named or recorded, for members on pixels and on latents: without
files of their own, so the same on every machine."""


@dataclass(frozen=True)
class RankerInputs:
    """Files, models and settings that rankers may need."""

    schedule: SamplerSettings
    """The noise schedule of the members."""
    weights: Path | None = None
    """MobileNetV2's weights; None: the file named by the environment variable."""
    scores: Path | None = None
    """Supplied scores."""
    on_progress: Callable[[int, int], object] = lambda _done, _total: None
    """Gets (works embedded now, works in all)."""
    reference: Callable[[], ReferenceModel] | None = None
    """:func:`attribution.training.reference_model.open_reference_model` for the ensemble."""
    untrained: Callable[[], ReferenceModel] | None = None
    """The members' start, for adapters on a base; None: the members are no adapters."""
    has_reference: Callable[[], bool] = lambda: False
    """Whether a reference model is at hand."""
    space: Space = field(default_factory=Space)
    """The space of the members."""

    encode_texts: TextEncoder | None = None
    """The members' text encoder; None: the works have no texts."""
    device: str = "cpu"
    """Where adapters are differentiated."""
    indexed: bool = True
    """Whether rankers by embedding may search very many works through an index."""

    @property
    def default(self) -> tuple[str, ...]:
        """The rankers if none is named or recorded.

        On latents with captions, by captions too. On adapters, by gradients of the base too, and by
        those of a reference model where there is one.
        """
        if not self.space.latent:
            return DEFAULT_RANKERS
        captions = () if self.encode_texts is None else (Captions.name,)
        if self.untrained is None:
            return (*LATENT_RANKERS, *captions)
        return (*LATENT_RANKERS, *captions, BASE_GRADIENTS, *((GRADIENTS,) if self.has_reference() else ()))


def make_ranker(name: str, inputs: RankerInputs) -> Ranker:
    """The ranker of this name.

    Raises:
        UsageError: no such ranker.
        MissingPartError: a file, model or library that it needs is absent.
        InputError: a file that it needs cannot be used.
        IntegrityError: the reference model was altered.
    """
    if name == PixelKernel.name:
        return PixelKernel()
    if name == LatentKernel.name:
        if not inputs.space.latent:
            raise MissingPartError(
                f"the ranker {name} needs members of a latent kind; those of this ensemble work on pixels: "
                f"use --ranker {PixelKernel.name}"
            )
        return LatentKernel(inputs.space)
    if name == Responsibilities.name:
        return Responsibilities(inputs.schedule, inputs.space)
    if name == Patches.name:
        return Patches()
    if name == Captions.name:
        if inputs.encode_texts is None:
            raise MissingPartError(
                f"the ranker {name} needs members that are trained under captions or classes: train with --label, "
                f"or use --ranker {PixelKernel.name}"
            )
        return Captions(inputs.encode_texts)
    if name == SuppliedScores.name:
        if inputs.scores is None:
            raise MissingPartError(f"the ranker {name} needs a file of scores: name it with --scores FILE")
        return SuppliedScores(read_scores(inputs.scores))
    if name in (MOBILENET, OPEN_CLIP):
        from attribution.ranking.rankers.embeddings import mobilenet, open_clip_embedding
        from attribution.ranking.rankers.feature_kernel import FeatureKernel

        embedding = mobilenet(inputs.weights) if name == MOBILENET else open_clip_embedding()
        return FeatureKernel(embedding, inputs.on_progress, indexed=inputs.indexed)
    if name == LPIPS:
        return _lpips(inputs)
    if name == BASE_GRADIENTS:
        if inputs.untrained is None:
            raise MissingPartError(
                f"the ranker {name} needs members that are adapters on a base: use --ranker {PixelKernel.name}"
            )
        return _of_adapter(name, inputs.untrained(), inputs)
    if name == GRADIENTS or name in PEERS:
        return _of_reference_model(name, inputs)
    raise UsageError(f"there is no ranker {name!r}; choose one of {', '.join(RANKERS)}")


def _of_reference_model(name: str, inputs: RankerInputs) -> Ranker:
    """A ranker of gradients of the reference model."""
    if name in PEERS and find_spec(PEERS[name]) is None:
        raise MissingPartError(
            f"the ranker {name} needs other libraries: pip install 'creditline[{EXTRA}]', or rank with {GRADIENTS}"
        )
    if inputs.reference is None:
        raise MissingPartError(f"the ranker {name} needs a reference model: `creditline members reference` trains it")
    model = inputs.reference()
    if name == GRADIENTS and model.adapters:
        return _of_adapter(name, model, inputs)
    if name == GRADIENTS:
        from attribution.ranking.rankers.gradients.whitened import Gradients

        return Gradients(model, on_progress=inputs.on_progress)
    try:
        if name == EKFAC:
            from attribution.ranking.rankers.peers.ekfac import Ekfac

            return Ekfac(model)
        from attribution.ranking.rankers.peers.trak import Trak

        return Trak(model, name == D_TRAK, inputs.on_progress)
    except ImportError as error:
        raise MissingPartError(
            f"the ranker {name} needs {PEERS[name]}, which is installed but cannot be imported ({error}): "
            f"pip install 'creditline[{EXTRA}]'"
        ) from error


def _of_adapter(name: str, model: ReferenceModel, inputs: RankerInputs) -> Ranker:
    from attribution.ranking.rankers.gradients.adapters import AdapterGradients

    return AdapterGradients(name, model, inputs.on_progress, inputs.device)


def _lpips(inputs: RankerInputs) -> Ranker:
    from attribution.metrics.euclidean import NotMeasured
    from attribution.metrics.lpips_weights import WEIGHTS_VARIABLE, lpips_weights
    from attribution.ranking.rankers.embeddings import lpips_embedding
    from attribution.ranking.rankers.feature_kernel import FeatureKernel

    weights = lpips_weights()
    if isinstance(weights, NotMeasured):
        raise MissingPartError(
            f"the ranker {LPIPS} needs the weights of LPIPS's network: `creditline audit --lpips alex` downloads them once, "
            f"hash checked, or {WEIGHTS_VARIABLE} names a file"
        )
    return FeatureKernel(lpips_embedding(weights), inputs.on_progress, indexed=inputs.indexed)


def make_rankers(names: Sequence[str], inputs: RankerInputs) -> list[Ranker]:
    """The rankers of these names, each once, in this order; then a named file's supplied scores.

    Raises:
        UsageError: a name is unknown.
        MissingPartError: a file, model or library that a ranker needs is absent.
        InputError: a file that a ranker needs cannot be used.
    """
    further = (SuppliedScores.name,) if inputs.scores is not None else ()
    return [make_ranker(name, inputs) for name in dict.fromkeys((*names, *further))]


def available_rankers(inputs: RankerInputs) -> tuple[list[Ranker], dict[str, str]]:
    """All rankers that can be made; and by name, the reason for every other ranker.

    Raises:
        InputError: a named file cannot be used.
    """
    made: list[Ranker] = []
    missing: dict[str, str] = {}
    for name in RANKERS:
        try:
            made.append(make_ranker(name, inputs))
        except MissingPartError as error:
            missing[name] = str(error)
    return made, missing
