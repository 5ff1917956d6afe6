"""E22 on adapters: the linear datamodeling score of rankers, on adapters trained on random halves.

Ground truth is retraining: for every query, the rank correlation over adapters between the summed
scores of the works that an adapter saw and minus its denoising loss under the query's text. Beside
the product's rankers stand two scores from the encoded ensemble itself, the difference in loss
between members that saw a work and the others and the test's statistic; gradients whitened by their
curvature, as the product takes them of networks that are trained as a whole; and EKFAC, TRAK and
D-TRAK on the weights of one adapter of all works.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float64
from safetensors.numpy import load_file, save_file

from attribution.evidence.adjustment import Neighbours, member_alignment
from attribution.evidence.randomisation import contrast_weights, mean_predictions
from attribution.ranking.rankers.catalogue import LATENT_RANKERS, PEERS, RankerInputs, make_ranker
from attribution.ranking.rankers.feature_kernel import Embedding, FeatureKernel
from attribution.ranking.rankers.gradients.curvature import LayerGradients
from attribution.ranking.rankers.gradients.whitened import Gradients
from attribution.ranking.rankers.interface import Ranker
from attribution.ranking.rankers.patches import Patches
from attribution.sampling.schedule import schedule_of
from attribution.training.reference_model import untrained_model
from benchmarks.lds.grades import ceiling, difference, graded
from benchmarks.lds.ground_truth import random_halves
from benchmarks.lds.rankers import Scored, fused, of_peers, scored
from benchmarks.text_to_image.adapters import Bench
from benchmarks.text_to_image.outputs import Queries
from registry.home import write_atomically

SUBSETS_SEED = 11
WHITENED, WHITENED_VIEWS = "whitened-gradients", 24
"""On the weights of the reference adapter, with half the views of the product's, for time."""
PICTURES, WITH_REFERENCE = "pictures and latents alone", "default with a reference model"
LOSS_DIFFERENCE, STATISTIC = "loss difference of members", "directed statistic of members"


def measure(bench: Bench, embeddings: list[Embedding]) -> dict[str, Any]:
    """All facts of one set."""
    queries = Queries(bench)
    candidates, default, seconds, failed = candidates_for(queries, embeddings)
    halves = random_halves(len(bench.works.works), bench.sizes.halves, SUBSETS_SEED)
    loss = np.stack(
        [
            bench.losses(
                f"halves-{len(halves)}-{seed}", bench.opened("halves", halves, seed), queries.images, queries.prompts
            )
            for seed in range(1, 1 + bench.sizes.trainings)
        ]
    )
    mean, generated = loss.mean(axis=0), queries.generated
    grades = {name: graded(scores, mean, halves, generated) for name, scores in candidates.items()}
    peers = [name for name in candidates if name.split("/")[0] in PEERS]
    best = {
        kind: max(peers, key=lambda name: float(grades[name][kind]["lds"]), default=None)
        for kind in ("generated", "held_out")
    }
    return {
        "queries": {"generated": int(generated.sum()), "held_out": int((~generated).sum())},
        "halves": len(halves),
        "trainings": len(loss),
        "ceiling": ceiling(loss, generated) or {"not_measured": "one training only"},
        "default": default,
        "lds": grades,
        "best_peer": best,
        "default_minus_peer": {
            peer: difference(candidates["default"], candidates[peer], mean, halves, generated)
            for peer in sorted({peer for peer in best.values() if peer is not None})
        },
        "ranker_seconds": seconds,
        "not_measured": failed,
    }


def held(facts: Mapping[str, Any]) -> bool:
    """Whether peers ran, and the default ranking is at or above the best of them on outputs."""
    best = facts["best_peer"]["generated"]
    return best is not None and facts["default_minus_peer"][best]["generated"]["difference"] >= 0


def candidates_for(
    queries: Queries, embeddings: list[Embedding]
) -> tuple[dict[str, np.ndarray], dict[str, Any], dict[str, float], dict[str, str]]:
    """Scores of every ranker at the scale that the ensemble chooses, and of the default fusion.

    Returns:
        The scores by name; the choice of the default; processor seconds of each ranker; and why
        some are missing.
    """
    scores: dict[str, np.ndarray] = {LOSS_DIFFERENCE: loss_differences(queries), STATISTIC: statistics_of(queries)}
    seconds: dict[str, float] = {}
    found: dict[str, Scored] = {}
    for name, ranker in rankers_for(queries, embeddings).items():
        found[name], seconds[name] = scored_once(name, ranker, queries)
        scores[name] = fused([found[name]], queries)[0]
    default, with_reference = inputs_for(queries), inputs_for(queries, reference=True)
    scores["default"], choice = fused([found[name] for name in default.default], queries)
    for name, names in ((WITH_REFERENCE, with_reference.default), (PICTURES, LATENT_RANKERS)):
        scores[name] = fused([found[one] for one in names], queries)[0]
    theirs, failed = of_peers(queries, queries.bench.folder, tuple(PEERS))
    failed["open-clip"] = "no weights at hand"
    facts = {
        "rankers": list(default.default),
        "chosen": [part.to_json() for part in choice.parts],
        "member_lds": None if choice.grade is None else choice.grade.to_json(),
    }
    return scores | theirs, facts, seconds, failed


def scored_once(name: str, ranker: Ranker, queries: Queries) -> tuple[Scored, float]:
    """A ranker's scores and its processor seconds: from the cache, or measured now."""
    path = queries.bench.folder / f"scores-{name}.safetensors"
    if not path.exists():
        began = time.process_time()
        scores = np.ascontiguousarray(scored(ranker, queries, queries.bench.folder).scores)
        used = np.array([time.process_time() - began])
        write_atomically(path, lambda part: save_file({"scores": scores, "seconds": used}, part))
        print(f"{path.name}: {used[0]:.0f} s of processor", flush=True)
    kept = load_file(path)
    return Scored(name, tuple(ranker.scales), kept["scores"]), round(float(kept["seconds"][0]), 1)


def rankers_for(queries: Queries, embeddings: list[Embedding]) -> dict[str, Ranker]:
    """The product's rankers that can run, by name."""
    inputs = inputs_for(queries, reference=True)
    whitened = Gradients(queries.reference_model(), WHITENED_VIEWS)
    whitened.gradients.recorder = LayerGradients(whitened.gradients.network)
    return {
        **{name: make_ranker(name, inputs) for name in (*inputs.default, Patches.name)},
        **{one.name: FeatureKernel(one) for one in embeddings},
        WHITENED: whitened,
    }


def inputs_for(queries: Queries, *, reference: bool = False) -> RankerInputs:
    """The inputs of an audit; ``reference``: where a reference model was trained."""
    bench = queries.bench
    return RankerInputs(
        schedule_of(bench.settings.training),
        reference=queries.reference_model,
        untrained=lambda: untrained_model(bench.settings),
        has_reference=lambda: reference,
        space=bench.kind,
        encode_texts=bench.kind.text_features,
    )


def loss_differences(queries: Queries) -> Float64[np.ndarray, "query work"]:
    """Mean loss of the members that did not see a work, minus that of those that did."""
    return np.asarray(-queries.member_loss @ contrast_weights(queries.membership).T)


def statistics_of(queries: Queries) -> Float64[np.ndarray, "query work"]:
    """The statistic of layer 2 of every work, without adjustment."""
    works, membership = queries.bench.latents.astype(np.float64), queries.membership
    nobody = Neighbours(np.arange(0), works[:0], membership[:0])
    weights = contrast_weights(membership)
    found = []
    for one in queries.predictions:
        aligned = member_alignment(mean_predictions(one), works, nobody, [np.arange(0)] * len(works))
        found.append(np.einsum("um,um->u", aligned.alignment, weights))
    return np.stack(found)
