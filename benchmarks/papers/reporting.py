"""What every experiment shares: its options, its result file, and a plot beside it."""

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
from benchmarks.record import RESULTS, write_result
from registry.home import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PACKAGES = ("creditline", "torch", "numpy", "scipy")
CACHE = Path.home() / ".cache" / "creditline-papers"


@dataclass(frozen=True)
class Setting:
    """Where the digits are, and where trained members are kept."""

    data: Path | None
    cache: Path
    command: str
    """What to run to have this again, without the names of folders."""

    def digits(self, side: int = 14) -> Digits:
        return load_digits(self.data, side)

    def rungs(self, units: Sequence[int]) -> list[int]:
        """These numbers of units, none above the works that there are, each once, ascending."""
        most = len(self.digits().works)
        return sorted({min(count, most) for count in units})

    def ensemble_of(self, units: int, recipe: Recipe | None = None) -> Trained:
        """An ensemble of which every work is a unit, on the first works of the data; on all of them
        if there are fewer.
        """
        return train(self.cache, recipe or Recipe(), self.digits().works[:units])


def arguments(name: str, **counts: int | list[int]) -> tuple[Setting, argparse.Namespace]:
    """Parse ``--data``, ``--cache`` and the counts of an experiment, whose defaults are those of
    the kept results.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.papers.{name}")
    parser.add_argument("--data", type=Path, help="folder of MNIST's idx files; without it scikit-learn's digits")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for trained members (default: %(default)s)")
    for option, default in counts.items():
        many = isinstance(default, list)
        parser.add_argument(f"--{option}", type=int, default=default, nargs="+" if many else None)
    # Run by ``python -m benchmarks``, all experiments have their defaults.
    options = parser.parse_args(sys.argv[1:] if Path(sys.argv[0]).parent.name == "papers" else [])
    torch.set_num_threads(1)
    chosen = [f"--{option} {_words(getattr(options, option))}" for option in counts]
    place = [] if options.data is None else ["--data FOLDER"]
    command = " ".join([f"python -m benchmarks.papers.{name}", *place, *chosen])
    return Setting(options.data, options.cache, command), options


def _words(value: int | list[int]) -> str:
    return " ".join(str(item) for item in value) if isinstance(value, list) else str(value)


def keep(name: str, setting: Setting, claim: str, results: Mapping[str, Any]) -> Path:
    """Write ``benchmarks/results/papers/<name>.json``."""
    path = write_result(f"papers/{name}", claim, results, PACKAGES, setting.command)
    print(f"{path.name}: held = {results['held']}", flush=True)
    return path


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
