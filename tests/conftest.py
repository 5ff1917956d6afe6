"""What holds for every test: DuckDB files stay open within it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.kept_open import databases_kept_open


@pytest.fixture(autouse=True)
def kept_open(request: pytest.FixtureRequest) -> Iterator[None]:
    """DuckDB files stay open within a test, unless it is marked ``reopens``."""
    if request.node.get_closest_marker("reopens"):
        yield
        return
    with databases_kept_open():
        yield
