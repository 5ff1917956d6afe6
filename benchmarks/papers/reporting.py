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
from benchmarks.papers.ensembles import RECIPES, Recipe, Trained, recipe_for, train
from benchmarks.record import RESULTS, conclude
from registry.home import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PACKAGES = ("creditline", "torch", "diffusers", "numpy", "scipy")
CACHE = Path.home() / ".cache" / "creditline-papers"
SIDES = {"perceptron": 14, "unet": 8, "memoriser": 8}
"""Pixels a side of the digits, by the members' network."""


@dataclass(frozen=True)
class Setting:
    """Folders of the digits and of trained members."""

    data: Path | None
    cache: Path
    command: str
    """The command that repeats the run, without names of folders."""
    network: str = "perceptron"
    """The members' network, by its name in :data:`benchmarks.papers.ensembles.RECIPES`."""

    @property
    def recipe(self) -> Recipe:
        """The recipe of ensembles with such members."""
        return RECIPES[self.network]

    def digits(self, side: int | None = None) -> Digits:
        """Works of ``side`` pixels, by default of those that the network takes."""
        return load_digits(self.data, SIDES[self.network] if side is None else side)

    def name_of(self, experiment: str) -> str:
        """The name of an experiment's files: networks other than perceptrons are named."""
        return experiment if self.network == "perceptron" else f"{experiment}_{self.network}"

    def rungs(self, units: Sequence[int]) -> list[int]:
        """These numbers of units, at most the number of works, ascending and without repeats."""
        most = len(self.digits().works)
        return sorted({min(count, most) for count in units})

    def ensemble_of(self, units: int, recipe: Recipe | None = None) -> Trained:
        """An ensemble on the first ``units`` works, each a unit; on all works if fewer."""
        return train(self.cache, recipe or recipe_for(self.network, units), self.digits().works[:units])


def arguments(name: str, **counts: int | list[int] | Path) -> tuple[Setting, argparse.Namespace]:
    """Parse the options of all experiments, and an experiment's own: counts, or a file's path.

    Defaults of counts are those of stored results. A path's default is the empty path.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.papers.{name}")
    parser.add_argument("--data", type=Path, help="folder of MNIST's idx files; without it scikit-learn's digits")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for trained members (default: %(default)s)")
    parser.add_argument(
        "--network", choices=RECIPES, default="perceptron", help="the members' network (default: %(default)s)"
    )
    for option, default in counts.items():
        many = isinstance(default, list)
        kind = Path if isinstance(default, Path) else int
        parser.add_argument(f"--{option}", type=kind, default=default, nargs="+" if many else None)
    # Under ``python -m benchmarks`` the arguments belong to that command: use the defaults.
    options = parser.parse_args(sys.argv[1:] if Path(sys.argv[0]).parent.name == "papers" else [])
    torch.set_num_threads(1)
    given = {option: getattr(options, option) for option in counts}
    chosen = [f"--{option} {_words(value)}" for option, value in given.items() if value != Path()]
    place = [] if options.data is None else ["--data FOLDER"]
    network = [] if options.network == "perceptron" else [f"--network {options.network}"]
    command = " ".join([f"python -m benchmarks.papers.{name}", *place, *network, *chosen])
    return Setting(options.data, options.cache, command, options.network), options


def _words(value: int | list[int] | Path) -> str:
    """An option's value without names of folders."""
    if isinstance(value, Path):
        return value.name
    return " ".join(str(item) for item in value) if isinstance(value, list) else str(value)


def keep(name: str, setting: Setting, claim: str, results: Mapping[str, Any]) -> int:
    """Write ``benchmarks/results/papers/<name>.json``; the status follows ``results["held"]``."""
    figures = {key: value for key, value in results.items() if key != "held"}
    file = f"papers/{setting.name_of(name)}"
    return conclude(file, claim, bool(results["held"]), figures, PACKAGES, setting.command)


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
