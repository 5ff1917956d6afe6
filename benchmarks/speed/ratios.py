"""The benchmarks that time a job beside a rival, at small sizes, and the ratios they give."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from attribution.denoisers.pixels import LOOKS

Results = Mapping[str, Any]

WORSE = 0.2
"""By which part a ratio is worse than the last committed one, to be pointed out."""

_RUN = """
import runpy, sys
from pathlib import Path
import benchmarks.record
benchmarks.record.RESULTS = Path(sys.argv.pop(1))
module = sys.argv.pop(1)
runpy.run_module(f"benchmarks.{module}", run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True)
class Ratio:
    """A number of a benchmark's results."""

    of: Callable[[Results], float]
    bar: float
    better: Literal["higher", "lower"]

    def meets(self, value: float) -> bool:
        return value >= self.bar if self.better == "higher" else value <= self.bar

    def is_worse(self, value: float, before: float) -> bool:
        """Than in the last committed result, by more than noise."""
        return value < before * (1 - WORSE) if self.better == "higher" else value > before * (1 + WORSE)


@dataclass(frozen=True)
class Timed:
    """A benchmark, its arguments for a small size, and its ratios by what they compare."""

    module: str
    arguments: tuple[str, ...]
    ratios: Mapping[str, Ratio]
    result: str = ""
    """The name of its result file; empty: that of the module."""
    one_thread: bool = False
    """Whether linear algebra has one thread: threads that wait for small matrices cost processor
    time."""

    @property
    def path(self) -> str:
        return f"{self.result or self.module.replace('.', '/')}.json"


REGISTRY_AT_SIZE = {"intake": 6.0, "encode": 5.0, "export": 7.0, "doctor": 12.0}
"""Most processor time of operations on a million works, as a multiple of bare SQL's.

SQL writes no seals, keeps no history and checks nothing: these bars are what was once measured.
"""


def _largest(results: Results) -> float:
    return float(max(results["ratio"].values()))


def _beside_sql(step: str) -> Callable[[Results], float]:
    def ratio(results: Results) -> float:
        return float(results["steps"][step]["processor_ratio"])

    return ratio


TIMED = (
    Timed(
        "members.training_speed",
        ("--seconds", "2", "--rounds", "3"),
        {
            "images trained a second / plain diffusers loop": Ratio(
                lambda found: min(one["ratio_to_the_rival"] for one in found["networks"].values()), 1.5, "higher"
            ),
            "images trained a second / the fastest way found": Ratio(
                lambda found: min(one["share_of_the_best"] for one in found["networks"].values()), 0.9, "higher"
            ),
        },
    ),
    Timed(
        "members.adapters_stacked",
        (),
        {
            "stacked adapters / the faster of peft's batches and separate passes": Ratio(
                lambda found: max(case["stacked_by_faster_rival"] for case in found["cases"]), 1.0, "lower"
            )
        },
    ),
    Timed(
        "auditing.jacobian_cost",
        (),
        {
            "Jacobian / (n + 1) plain runs": Ratio(
                lambda found: max(case["jacobian_by_plain_runs_over_n_plus_1"] for case in found["cases"]),
                1.5,
                "lower",
            ),
            "Jacobian: n forward-AD runs / ours": Ratio(
                lambda found: min(case["speedup_over_separate"] for case in found["cases"]), 1.7, "higher"
            ),
        },
    ),
    Timed(
        "auditing.audit_cost",
        ("--works", "10000", "--rounds", "2"),
        {
            "noising again, ranking and testing an image / sampling it": Ratio(
                lambda found: found["all_layers"][f"{LOOKS} looks"], 0.1, "lower"
            )
        },
        one_thread=True,
    ),
    Timed(
        "auditing.influence_scale",
        ("--stored", "20000000", "--dealt", "100000000"),
        {
            "largest influences: units a second / a float32 product": Ratio(
                lambda found: min(
                    form["units_a_processor_second_by_product"] for form in found["stored"]["forms"].values()
                ),
                5.0,
                "higher",
            )
        },
    ),
    Timed(
        "auditing.ranking_scale",
        ("--works", "100000"),
        {
            "ranking by pixels / a plain product over the same bytes": Ratio(
                lambda found: max(one["ratio_to_plain"]["pixel-kernel"] for one in found["passes"]), 2.5, "lower"
            )
        },
    ),
    Timed(
        "register.bulk_registration",
        ("--rows", "1000000"),
        {"register a list / a bare INSERT": Ratio(lambda found: found["ratio"], 2.0, "lower")},
    ),
    Timed(
        "registry_size",
        ("1000000",),
        {
            f"{step} of a million works / bare SQL": Ratio(_beside_sql(step), bar, "lower")
            for step, bar in REGISTRY_AT_SIZE.items()
        },
        result="registry_size/1000000",
    ),
    Timed(
        "register.exposure_view",
        ("200000",),
        {
            "view exposure / joins afterwards": Ratio(
                lambda found: found["processor_seconds"]["view"] / found["processor_seconds"]["joined afterwards"],
                1.0,
                "lower",
            )
        },
    ),
    Timed(
        "report_speed",
        ("--outputs", "40", "--sides", "256"),
        {"reports / encoding their pictures": Ratio(lambda found: found["cases"][-1]["times_encoding"], 3.0, "lower")},
    ),
    Timed(
        "startup",
        ("--rounds", "5"),
        {"help and registry commands / a bare typer program": Ratio(_largest, 1.6, "lower")},
    ),
)


def run(timed: Timed, folder: Path) -> Results:
    """Run a benchmark in a process of its own; its result file goes into ``folder``."""
    command = [sys.executable, "-c", _RUN, str(folder), timed.module, *timed.arguments]
    path = folder / timed.path
    path.unlink(missing_ok=True)
    # A claim that does not hold ends with 1, and has a result all the same.
    subprocess.run(command, check=False, env=os.environ | ({"OMP_NUM_THREADS": "1"} if timed.one_thread else {}))
    if not path.exists():
        raise RuntimeError(f"benchmarks.{timed.module} ended without a result")
    results: Results = json.loads(path.read_bytes())["results"]
    return results
