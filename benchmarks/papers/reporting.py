"""Options, result file and plot of an experiment."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.papers.digits import Digits, load_digits
from benchmarks.papers.ensembles import Recipe, Trained, train
from benchmarks.record import RESULTS, conclude
from registry.home import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PACKAGES = ("creditline", "torch", "numpy", "scipy")
CACHE = Path.home() / ".cache" / "creditline-papers"


@dataclass(frozen=True)
class Setting:
    """Folders of the digits and of trained members."""

    data: Path | None
    cache: Path
    command: str
    """The command that repeats the run, without names of folders."""

    def digits(self, side: int = 14) -> Digits:
        return load_digits(self.data, side)

    def rungs(self, units: Sequence[int]) -> list[int]:
        """These numbers of units, at most the number of works, ascending and without repeats."""
        most = len(self.digits().works)
        return sorted({min(count, most) for count in units})

    def ensemble_of(self, units: int, recipe: Recipe | None = None) -> Trained:
        """An ensemble on the first ``units`` works, each a unit; on all works if fewer."""
        return train(self.cache, recipe or Recipe(), self.digits().works[:units])


def arguments(name: str, **counts: int | list[int]) -> tuple[Setting, argparse.Namespace]:
    """Parse ``--data``, ``--cache`` and an experiment's counts; defaults as in stored results."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.papers.{name}")
    parser.add_argument("--data", type=Path, help="folder of MNIST's idx files; without it scikit-learn's digits")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for trained members (default: %(default)s)")
    for option, default in counts.items():
        many = isinstance(default, list)
        parser.add_argument(f"--{option}", type=int, default=default, nargs="+" if many else None)
    # Under ``python -m benchmarks`` the arguments belong to that command: use the defaults.
    options = parser.parse_args(sys.argv[1:] if Path(sys.argv[0]).parent.name == "papers" else [])
    torch.set_num_threads(1)
    chosen = [f"--{option} {_words(getattr(options, option))}" for option in counts]
    place = [] if options.data is None else ["--data FOLDER"]
    command = " ".join([f"python -m benchmarks.papers.{name}", *place, *chosen])
    return Setting(options.data, options.cache, command), options


def _words(value: int | list[int]) -> str:
    return " ".join(str(item) for item in value) if isinstance(value, list) else str(value)


def keep(name: str, setting: Setting, claim: str, results: Mapping[str, Any]) -> int:
    """Write ``benchmarks/results/papers/<name>.json``; the status follows ``results["held"]``."""
    figures = {key: value for key, value in results.items() if key != "held"}
    return conclude(f"papers/{name}", claim, bool(results["held"]), figures, PACKAGES, setting.command)


def plot(name: str, title: str, paint: Callable[[Axes], object], size: tuple[float, float] = (6.0, 4.0)) -> None:
    """Write ``benchmarks/results/papers/<name>.svg``, the same bytes for the same figures."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    with mpl.rc_context(
        {"svg.hashsalt": "creditline", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    ):
        figure, axes = pyplot.subplots(figsize=size, layout="constrained")
        axes.set_title(title, fontsize=9)
        paint(axes)
        write_atomically(
            RESULTS / "papers" / f"{name}.svg",
            lambda part: figure.savefig(part, format="svg", metadata={"Date": None}),
        )
        pyplot.close(figure)
