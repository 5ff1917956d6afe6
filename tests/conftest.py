"""What is expensive to open or start stays for a test and the fixtures that it sets up."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.kept_open import databases_kept_open
from tests.support.kept_processes import end_kept_processes, reading_processes_kept

KEPT = frozenset({"attribution", "cli", "registry", "reports"})
"""Packages whose tests open the registry many times."""

# Tests run in one process per core. Each process computes on one thread: torch processes with more
# threads than cores slow each other down tenfold. Torch and NumPy read the variable when imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# On a busy machine an example takes as long as the others let it: time is no part of a property.
settings.register_profile("busy machine", settings.default, deadline=None)
settings.load_profile("busy machine")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """DuckDB files and reading processes are kept, unless the test is marked ``reopens``."""
    package = item.path.relative_to(Path(__file__).parent).parts[0]
    if package not in KEPT or item.get_closest_marker("reopens"):
        return (yield)
    with databases_kept_open(), reading_processes_kept():
        return (yield)


def pytest_sessionfinish() -> None:
    """No process outlives the tests."""
    end_kept_processes()
