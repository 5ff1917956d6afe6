"""How well an ensemble's works are told from its probes: *did these models see this very work?*

Training works are shown as images from outside, and every probe as well. No member saw a probe, so
the two make a ROC curve. The false alarms of the p-value are those of the probes themselves, each
ranked among the others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from attribution.audit.auditor import Auditor
from attribution.metrics.euclidean import NotMeasured
from attribution.metrics.roc import area_facts, curve
from attribution.metrics.statistics import share_of
from attribution.seen.answer import METHOD, NO_PROBES
from attribution.seen.asking import Progress, Shown
from attribution.seen.statistic import conformal_p
from attribution.training.dataset import open_training_set, training_labels
from registry.encodings.probes import fewest_probes, smallest_p
from registry.errors import UsageError

LEVELS = (0.05, 0.01, 0.001)
FEWEST = 2


def seen_works(
    auditor: Auditor, count: int, seed: int, on_progress: Progress = lambda _done, _total: None
) -> dict[str, Any]:
    """The ROC on ``count`` random training works and all probes, with shares at three levels.

    Raises:
        UsageError: the encoding has no two usable probes, or no work can be tested.
    """
    context = auditor.context
    encoded, ensemble = context.encoded, context.ensemble
    testable = np.flatnonzero([int(unit) not in encoded.not_testable for unit in encoded.unit_of_work])
    chosen = np.sort(np.random.default_rng(seed).permutation(testable)[:count])
    conditional = ensemble.settings.label_column is not None
    asked = auditor.asker.probes(labelled=conditional, on_progress=on_progress)
    if len(asked.values) < FEWEST or not len(chosen):
        raise UsageError(NO_PROBES if not len(asked.values) else f"{len(asked.values)} probe is too few for a curve")
    stored = open_training_set(context.registry.home.training(ensemble.id))
    labels = training_labels(ensemble.settings, stored, [encoded.hashes[row] for row in chosen])
    pictures = encoded.pictures(chosen).reshape(len(chosen), *encoded.shape)
    shown = [
        Shown(encoded.hashes[row], picture, label) for row, picture, label in zip(chosen, pictures, labels, strict=True)
    ]
    found = [each.pull.value for each in auditor.asker.ask(shown, on_progress) if not isinstance(each, NotMeasured)]
    seen, unseen = np.array(found, dtype=np.float64), asked.values
    p_seen = np.array([conformal_p(value, unseen) for value in seen])
    p_unseen = np.array([conformal_p(value, np.delete(unseen, place)) for place, value in enumerate(unseen)])
    return {
        "method": f"training works and probes shown as images from outside; {METHOD}; Clopper-Pearson intervals, bootstrap "
        "over works and probes for the area",
        "works": len(seen),
        "probes": len(unseen),
        "smallest_p": smallest_p(len(unseen)),
        "area_under_curve": area_facts(seen, unseen, seed),
        "found": {
            str(level): share_of(p_seen <= level).to_json()
            if len(unseen) >= fewest_probes(level)
            else {"not_measured": f"{fewest_probes(level)} probes are needed for it, and there are {len(unseen)}"}
            for level in LEVELS
        },
        "false_alarms": {
            str(level): share_of(p_unseen <= level).to_json()
            if len(unseen) > fewest_probes(level)
            else {"not_measured": f"{fewest_probes(level) + 1} probes are needed for it, and there are {len(unseen)}"}
            for level in LEVELS
        },
        "curve": curve(seen, unseen),
    }
