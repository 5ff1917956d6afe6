"""``python -m benchmarks``, and what it runs."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest

import benchmarks
from benchmarks.__main__ import benchmarks_in, main
from registry.errors import MissingPartError, NotFoundError

MODULES = [
    info.name
    for info in pkgutil.walk_packages(benchmarks.__path__, "benchmarks.")
    if not info.name.endswith("__main__")
]
NEED_ARGUMENTS = {
    "auditing.nearest_works",
    *("base_model", "firmness", "imitation", "seen", "shares", "text_to_image"),
    *("evidence.looks", "evidence.nested_codes"),
    *("grades.held_out_sizes", "grades.joint_effects", "grades.kept_ablations", "grades.verdict_sizes"),
    *("lds.choice", "lds.compare", "lds.gradient_study", "lds.rightsholders"),
    *("members.more_for_less", "members.precision"),
}
"""Of data that is not at hand everywhere."""


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_can_be_imported(name: str) -> None:
    """Whatever moves in the product, benchmarks follow."""
    assert importlib.import_module(name).__doc__


def with_mains(monkeypatch: pytest.MonkeyPatch, run: Callable[[str], object]) -> None:
    """Give every benchmark a ``main`` that tells its name to ``run``."""

    def module(name: str) -> SimpleNamespace:
        real = importlib.import_module(name)
        mains = {"main": lambda: run(name)} if hasattr(real, "main") else {}
        return SimpleNamespace(__path__=getattr(real, "__path__", None), **mains)

    monkeypatch.setattr(sys, "argv", ["benchmarks", "of", "pytest"])
    monkeypatch.setattr("benchmarks.__main__.importlib", SimpleNamespace(import_module=module))


def test_the_runner_passes_over_modules_without_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Helpers are left out, rooms are walked; a claim that fails fails the run."""
    ran: list[str] = []

    def run(name: str) -> bool:
        assert sys.argv == ["benchmarks"]
        ran.append(name)
        return name == "benchmarks.kills.__main__"

    with_mains(monkeypatch, run)
    assert main() == 1
    assert {"benchmarks.kills.__main__", "benchmarks.papers.__main__", "benchmarks.register.listings"} <= set(ran)
    assert "benchmarks.startup" in ran
    assert not {"benchmarks.record", "benchmarks.register.corpus", "benchmarks.__main__"} & set(ran)
    # A folder that runs by its name runs once, as a whole.
    assert not [name for name in ran if name.startswith("benchmarks.papers.e")]


def test_the_runner_names_what_needs_arguments(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their own parsers end them; that is no claim that fails."""

    def run(name: str) -> int:
        if name.removeprefix("benchmarks.").removesuffix(".__main__") in NEED_ARGUMENTS:
            importlib.import_module(name).main()
        return 0

    with_mains(monkeypatch, run)
    assert main() == 0
    last = capsys.readouterr().out.splitlines()[-1]
    what, _, names = last.partition(": ")
    assert what == "left out, as they need arguments"
    assert set(names.split(", ")) == NEED_ARGUMENTS


def test_every_other_benchmark_runs_without_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list above is whole: no other benchmark's parser asks for an argument."""
    asked: list[str] = []

    class ParsedError(Exception):
        """Ends a benchmark where it would begin."""

    def parsed(parser: argparse.ArgumentParser, arguments: object = None, namespace: object = None) -> None:
        del arguments, namespace
        if any(action.required for action in parser._actions):
            asked.append(parser.prog)
        raise ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parsed)
    checked = 0
    for name in benchmarks_in("benchmarks"):
        module = importlib.import_module(name)
        shown = name.removeprefix("benchmarks.").removesuffix(".__main__")
        if shown in NEED_ARGUMENTS or not hasattr(module, "argparse") or not hasattr(module, "main"):
            continue
        with pytest.raises(ParsedError):
            module.main()
        checked += 1
    assert checked > 10
    assert not asked


def test_what_cannot_run_ends_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A part that is missing is told; a home that is missing fails; any other exit ends the run."""

    def run(name: str) -> int:
        if name == "benchmarks.evidence.power":
            raise NotFoundError("no registry in creditline-demo-pixels")
        if name == "benchmarks.portfolio":
            raise MissingPartError("scipy is not installed")
        return 0

    with_mains(monkeypatch, run)
    assert main() == 1
    *_, not_run, failed = capsys.readouterr().out.splitlines()
    assert not_run == "not run, as a part is missing: portfolio"
    assert failed == "claims that do not hold: evidence.power"

    with_mains(monkeypatch, lambda _: sys.exit("a benchmark's own files were refused"))
    with pytest.raises(SystemExit, match="refused"):
        main()
