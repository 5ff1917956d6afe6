"""How small a change turns the nearest work, on the samples and images of a finished home.

The home is that of `creditline demo --pixels`, or any with audits; nothing is written to it but
events, so give it a copy. :data:`CLAIM` is what is held against the results, all of it.

    python -m benchmarks.firmness --home COPY --weights mobilenet_v2-b0353104.pth
"""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from attribution.engines.device import Device
from attribution.firmness.measure import INVISIBLE
from attribution.firmness.run import measure_firmness
from benchmarks.record import conclude
from registry.home import Home
from registry.storage.database import Registry
from reports.outputs.selection import newest_audits

CLAIM = (
    f"on at least half of the outputs a change of at most {INVISIBLE} grey levels turns the nearest work by an embedding, and "
    "the median length of the changes that turn the nearest work by pixels, and of those that turn the ranking of the audit, "
    "is below the order of magnitude of the sensitivity theorem"
)


def main() -> int:
    """Measure, write the result, and return 1 if the claim does not hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    options = parser.parse_args()
    registry = Registry.open(Home(options.home))
    with registry.session() as session:
        audits = [audit.id for audit in newest_audits(session)]
    found = measure_firmness(
        registry, audits, Device("cpu", 1), options.weights, True, lambda: datetime.datetime.now(datetime.UTC)
    )
    by_name = {name: summary(found, name) for name in ("pixels", "mobilenet", "ranking")}
    results = {
        "outputs": len(found),
        "side": found[0]["side"],
        "theorem_order_l2": found[0]["theorem"]["order_l2"],
        "space_diameter_l2": found[0]["theorem"]["diameter_l2"],
        "similarities": by_name,
        "tests_repeated": [facts["evidence"]["changes"] for facts in found if "changes" in facts["evidence"]],
    }
    held = by_name["mobilenet"]["invisible"] >= len(found) / 2
    held = held and all(by_name[name]["l2"]["median"] < results["theorem_order_l2"] for name in ("pixels", "ranking"))
    command = "python -m benchmarks.firmness --home COPY --weights mobilenet_v2-b0353104.pth"
    return conclude("firmness", CLAIM, bool(held), results, ("torch", "torchvision", "numpy"), command)


def summary(found: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    """Sizes of the smallest changes by one similarity, and how often benign changes turn it."""
    verdicts = [
        verdict for facts in found for verdict in [facts["ranking"], *facts["verdicts"]] if verdict.get("by") == name
    ]
    benign: dict[str, int] = {}
    for verdict in verdicts:
        for each in verdict["benign"]:
            benign[each["change"]] = benign.get(each["change"], 0) + (not each["same"])
    return {
        "measured": len(verdicts),
        "linf": spread([verdict["linf"]["linf"] for verdict in verdicts if "linf" in verdict["linf"]]),
        "l2": spread([verdict["l2"]["l2"] for verdict in verdicts if "l2" in verdict["l2"]]),
        "invisible": sum(verdict["linf"].get("linf", INVISIBLE + 1) <= INVISIBLE for verdict in verdicts),
        "turned_by_benign_changes": benign,
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Least, median and largest."""
    return {"least": min(values), "median": float(np.median(values)), "largest": max(values)}


if __name__ == "__main__":
    sys.exit(main())
