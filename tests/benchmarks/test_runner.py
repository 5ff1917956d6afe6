"""``python -m benchmarks``, and what it runs."""

from __future__ import annotations

import importlib
import pkgutil
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

import benchmarks
from benchmarks.__main__ import main

MODULES = [
    info.name
    for info in pkgutil.walk_packages(benchmarks.__path__, "benchmarks.")
    if not info.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_can_be_imported(name: str) -> None:
    """Whatever moves in the product, benchmarks follow; captum alone need not be installed."""
    if name.endswith(".tracin") and find_spec("captum") is None:
        pytest.skip("captum is not installed")
    assert importlib.import_module(name).__doc__


def test_the_runner_passes_over_modules_without_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Helpers and the comparisons that need data are left out; a claim that fails fails the run."""
    ran: list[str] = []

    def module(name: str) -> SimpleNamespace:
        if not hasattr(importlib.import_module(name), "main"):
            return SimpleNamespace()

        def run() -> bool:
            ran.append(name)
            return name.endswith("kills")

        return SimpleNamespace(main=run)

    monkeypatch.setattr("benchmarks.__main__.importlib", SimpleNamespace(import_module=module))
    assert main() == 1
    assert "benchmarks.kills" in ran
    assert "benchmarks.papers" in ran
    assert not {"benchmarks.record", "benchmarks.corpus", "benchmarks.lds", "benchmarks.__main__"} & set(ran)
