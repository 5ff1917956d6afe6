"""E22 and E23: our rankers beside EKFAC, TRAK, D-TRAK and TracInCP on the same models, subsets and
queries.

Ground truth is retraining: models of random halves of 256 works, and for every query the rank
correlation, over the models, between the summed scores of the works that a model saw and minus its
denoising loss (LDS). Peers need ``pip install 'creditline[peers]' captum``. Everything trained is
kept in ``--cache``, so an interrupted run continues where it stopped.

    python -m benchmarks.lds.compare --data digits --cache DIR --peers
    python -m benchmarks.lds.compare --data emoji --source FOLDER --cache DIR --peers
    python -m benchmarks.lds.compare --data cifar --source FOLDER --cache DIR --peers
    python -m benchmarks.lds.compare --member-lds --cache DIR
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from benchmarks.lds.data import material
from benchmarks.lds.grades import ceiling, difference, graded, per_query
from benchmarks.lds.ground_truth import HALF_SEEDS, HALVES, MEMBERS, ONES, Ground, ground_truth
from benchmarks.lds.plots import plot_lds, plot_member_lds
from benchmarks.lds.rankers import DEFAULT, Scored, fused, member_lds, of_peers, ours
from benchmarks.record import RESULTS, conclude

PACKAGES = ("torch", "diffusers", "numpy")
CLAIM = "the default ranking's LDS is at or above the best peer's, on generated and on held-out images"


def main() -> int:
    """Grade one data set, or compare member-LDS with LDS over all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("digits", "emoji", "cifar"), default="digits")
    parser.add_argument("--source", type=Path, help="folder of the emoji or of CIFAR-10; the digits are scikit-learn's")
    parser.add_argument("--cache", type=Path, required=True, help="where models and scores are kept")
    parser.add_argument("--peers", action="store_true", help="grade other libraries' methods too")
    parser.add_argument("--mobilenet", type=Path, help="weights for the feature kernel")
    parser.add_argument("--halves", type=int, default=HALVES)
    parser.add_argument("--seeds", type=int, default=len(HALF_SEEDS))
    parser.add_argument("--member-lds", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.member_lds:
        return _member_lds(options.cache)
    ground = ground_truth(material(options.data, options.source), options.cache, options.halves, options.seeds)
    folder = options.cache / options.data
    results = compare(ground, folder, options.peers, options.mobilenet)
    command = f"python -m benchmarks.lds.compare --data {options.data} --source SOURCE --cache CACHE --peers"
    held = results.pop("held")
    plot_lds(results, RESULTS / "lds" / f"{options.data}.svg")
    return conclude(f"lds/{options.data}", CLAIM, held, results, PACKAGES, command)


def compare(ground: Ground, folder: Path, peers: bool, weights: Path | None) -> dict[str, Any]:
    """Grade all rankers against the ground truth, and keep the input of E23."""
    scored = ours(ground, folder, weights)
    default, choice = fused([one for one in scored if one.name in DEFAULT], ground)
    theirs, failed = of_peers(ground, folder) if peers else ({}, {"all": "--peers was not given"})
    candidates = {"default": default}
    for one in scored:
        candidates |= _at_scales(one, ground)
    candidates |= _fusions(scored, ground)
    loss = ground.half_loss.mean(axis=0)
    grades = {
        name: graded(scores, loss, ground.halves, ground.generated) for name, scores in (candidates | theirs).items()
    }
    by_peer = _best_settings(theirs, grades, ground.material.name)
    best = {
        kind: max(by_peer.values(), key=lambda name: float(grades[name][kind]["lds"])) if by_peer else None
        for kind in ("generated", "held_out")
    }
    against = {
        peer: difference(default, theirs[peer], loss, ground.halves, ground.generated)
        for peer in sorted({peer for peer in best.values() if peer is not None})
    }
    _keep_member_lds(ground, candidates | theirs, folder)
    held = bool(by_peer) and all(
        against[peer][kind]["difference"] >= 0 for kind, peer in best.items() if peer is not None
    )
    return {
        "ground_truth": _facts(ground),
        "ceiling": ceiling(ground.half_loss, ground.generated) or {"not_measured": "one training seed only"},
        "default": {
            "rankers": list(DEFAULT),
            "chosen": [part.to_json() for part in choice.parts],
            "member_lds": None if choice.grade is None else choice.grade.to_json(),
        },
        "lds": grades,
        "peers": by_peer,
        "peers_that_failed": failed,
        "best_peer": best,
        "default_minus_peer": against,
        "held": held,
    }


def _at_scales(one: Scored, ground: Ground) -> dict[str, np.ndarray]:
    """One ranker at each scale, and at the ensemble's chosen scale."""
    found = {f"{one.name}/{scale:g}": one.scores[row] for row, scale in enumerate(one.scales)}
    if len(one.scales) > 1:
        found[one.name] = fused([one], ground)[0]
    return found


def _fusions(scored: list[Scored], ground: Ground) -> dict[str, np.ndarray]:
    """Pairs, triples and all rankers, equally weighted, each at the ensemble's chosen scale."""
    by_name = {one.name: fused([one], ground)[0] for one in scored}
    found = {
        "pixel-kernel + gradients, equal": by_name["pixel-kernel"] + by_name["gradients"],
        "pixel-kernel + responsibilities + gradients, equal": sum(by_name[name] for name in DEFAULT),
        "pixel-kernel + responsibilities": fused([one for one in scored if one.name in DEFAULT[:2]], ground)[0],
    }
    if len(scored) > len(DEFAULT):
        found["default + mobilenet"] = fused(scored, ground)[0]
    return {name: np.asarray(scores) for name, scores in found.items()}


def _best_settings(theirs: dict[str, np.ndarray], grades: dict[str, Any], data: str) -> dict[str, str]:
    """The setting of each peer: on digits the best one, elsewhere the same as on digits."""
    fixed: dict[str, str] = {}
    digits = RESULTS / "lds" / "digits.json"
    if data != "digits" and digits.exists():
        fixed = json.loads(digits.read_text(encoding="utf-8"))["results"]["peers"]
    found: dict[str, str] = {}
    for name in theirs:
        method = name.split("/")[0]
        score = sum(grades[name][kind]["lds"] for kind in ("generated", "held_out"))
        held = found.get(method)
        if fixed.get(method) in theirs:
            found[method] = fixed[method]
        elif held is None or score > sum(grades[held][kind]["lds"] for kind in ("generated", "held_out")):
            found[method] = name
    return found


def _facts(ground: Ground) -> dict[str, Any]:
    """Sizes and settings of the ground truth."""
    training = ground.material.training
    seen = ground.member_loss.mean()
    return {
        "works": len(ground.material.works),
        "halves": len(ground.halves),
        "training_seeds": len(ground.half_loss),
        "queries": {"generated": int(ground.generated.sum()), "held_out": int((~ground.generated).sum())},
        "ensemble": {"n": MEMBERS, "h": ONES, "mean_member_loss": round(float(seen), 4)},
        "weights": sum(int(value[0].numel()) for value in ground.reference.weights.values()),
        "network": ground.material.network.to_json(),
        "prediction": "clean image, from which the noise follows",
        "training": {
            "steps": training.steps,
            "batch_size": training.batch_size,
            "learning_rate": training.learning_rate,
        },
        "image_size": ground.material.network.size,
    }


def _keep_member_lds(ground: Ground, scores: dict[str, np.ndarray], folder: Path) -> None:
    """Keep member-LDS and LDS of every score in a file."""
    loss = ground.half_loss.mean(axis=0)
    found = {}
    for name, values in scores.items():
        members, truth = member_lds(values, ground), per_query(values, loss, ground.halves)
        found[name] = {
            kind: [round(100 * float(members[rows].mean()), 2), round(100 * float(truth[rows].mean()), 2)]
            for kind, rows in (("generated", ground.generated), ("held_out", ~ground.generated))
        }
    (folder / "member-lds.json").write_text(json.dumps(found), encoding="utf-8")


def _member_lds(cache: Path) -> int:
    """E23: does the ensemble order rankers like retrained models?"""
    results: dict[str, Any] = {}
    for path in sorted(cache.glob("*/member-lds.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        blind = {name: pair for name, pair in found.items() if _is_single(name)}
        results[path.parent.name] = {kind: _agreement(blind, kind) for kind in ("generated", "held_out")}
    held = all(facts[kind]["spearman"] >= 0.8 for facts in results.values() for kind in facts)
    claim = "member-LDS orders rankers as LDS on retrained models does: r >= 0.8"
    command = "python -m benchmarks.lds.compare --member-lds --cache CACHE"
    plot_member_lds(results, RESULTS / "lds" / "member_lds.svg")
    return conclude("lds/member_lds", claim, held, results, PACKAGES, command)


def _is_single(name: str) -> bool:
    """Whether a name is one ranker at one setting: member-LDS must not grade its own choice."""
    return "/" in name or name in {"gradients", "ekfac", "tracin"}


def _agreement(blind: dict[str, Any], kind: str) -> dict[str, Any]:
    members, truth = np.array([blind[name][kind] for name in blind]).T
    names = list(blind)
    order = np.argsort(-truth)
    return {
        "rankers": len(names),
        "spearman": round(float(stats.spearmanr(members, truth).statistic), 3),
        "pearson": round(float(stats.pearsonr(members, truth).statistic), 3),
        "first_by_members": names[int(members.argmax())],
        "first_by_retraining": names[int(order[0])],
        "lost_by_trusting_members": round(float(truth.max() - truth[members.argmax()]), 2),
        "table": {names[k]: {"member_lds": members[k], "lds": truth[k]} for k in order},
    }


if __name__ == "__main__":
    sys.exit(main())
