"""Shares on adapters: outputs of the small base with adapters, and adapters without a rightsholder.

The works, the trainings and the cache are those of :mod:`benchmarks.text_to_image`. The truth for
an output is the rise of the denoising loss under its text: an adapter of all works but the
rightsholder's, against one of all works, from the same seed. There is one training of each, so the
truth is noisier than that of the small networks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.shares.grades import graded, mean_of
from benchmarks.shares.measuring import SHORTLIST, case_of, divided
from benchmarks.shares.rules import RULES
from benchmarks.text_to_image.adapters import LOSS_SPACING, Bench
from benchmarks.text_to_image.outputs import Queries
from benchmarks.text_to_image.rightsholders import SEEDS


def measure(bench: Bench) -> dict[str, Any]:
    """All facts of one set of adapters."""
    queries, works = Queries(bench), bench.works.works
    names = sorted({work.rightsholder for work in works})
    theirs = np.array([[work.rightsholder == name for work in works] for name in names])
    (seed,) = SEEDS
    without = bench.losses(f"without-{seed}", bench.opened("without", ~theirs, seed), queries.images, queries.prompts)
    whole = bench.kind.open_members([bench.reference(seed)], "cpu")
    base = bench.predicted(f"all-works-{seed}", whole, queries.images, queries.prompts, LOSS_SPACING)
    rise = without - np.array([one.member_loss for one in base])
    pictures, latents = bench.latents.astype(np.float64), queries.latents.astype(np.float64)
    cases = [
        case_of(one, latent, pictures, queries.membership)
        for one, latent in zip(queries.predictions, latents, strict=True)
    ]
    chosen = [case for case, generated in zip(cases, queries.generated, strict=True) if generated]
    rules = {}
    for rule in RULES:
        shares = np.array([divided(case, rule) for case in chosen])
        rules[rule] = {
            "unattributed": mean_of(shares[:, -1].tolist()),
            "rightsholder": {"loss": graded(shares[:, :-1] @ theirs.T, rise[queries.generated])},
        }
    return {
        "works": len(works),
        "rightsholders": len(names),
        "members": bench.sizes.members,
        "outputs": len(chosen),
        "shortlist": SHORTLIST,
        "rules": rules,
    }
