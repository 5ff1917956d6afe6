"""Blocks of units that are tasks have the answer of one process."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.ablation.scan import dealt as dealt_module
from attribution.ablation.scan import spread
from attribution.ablation.scan.dealt import Dealt, DealtSearch
from attribution.ablation.scan.form import QuadraticForm
from attribution.ablation.scan.search import Largest
from attribution.ablation.scan.spread import SpreadSearch
from attribution.engines.device import Device, on_one_core, usable_cores
from registry.encodings.codes import codes_of
from registry.errors import UsageError


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that few units make many."""
    monkeypatch.setattr(dealt_module, "MADE_AT_ONCE", 64)
    monkeypatch.setattr(spread, "MADE_AT_ONCE", 64)


def form_of(n: int, columns: int = 5) -> QuadraticForm:
    drawn = np.random.default_rng(n).normal(size=(n, columns))
    return QuadraticForm.of_gram(drawn @ drawn.T)


def same(left: Largest, right: Largest) -> bool:
    return all(getattr(left, name).tolist() == getattr(right, name).tolist() for name in ("values", "numbers", "codes"))


@pytest.mark.parametrize("form", [form_of(50), QuadraticForm.of_gram(np.eye(50))], ids=["different", "all equal"])
def test_tasks_give_the_units_of_one_process(form: QuadraticForm) -> None:
    """Also where all values tie; progress is told up to the last unit."""
    dealt = Dealt(1, 50, 24, 1000, 2)
    values = form.values(codes_of(1, 50, 24, np.arange(1000), 2))
    wanted = np.lexsort((np.arange(1000), -values))
    for k in (7, 2000):
        told: list[tuple[int, int]] = []
        search = SpreadSearch(dealt, form.mask, Device("cpu", 1), lambda done, total: told.append((done, total)))  # noqa: B023 - called within
        found = search.largest(form, k)
        assert found.numbers.tolist() == wanted[:k].tolist()
        assert same(found, DealtSearch(dealt, form.mask).largest(form, k))
        assert told[-1] == (1000, 1000)
        here = SpreadSearch(dealt, form.mask, None, lambda done, total: told.append((done, total)))  # noqa: B023 - as above
        assert same(found, here.largest(form, k))
        assert told[-1] == (1000, 1000)


@pytest.mark.slow
def test_other_processes_give_the_same() -> None:
    """A task is a value that travels."""
    dealt, form = Dealt(3, 46, 20, 3000, 2), form_of(46)
    found = SpreadSearch(dealt, form.mask, Device("cpu", 2)).largest(form, 40)
    assert same(found, DealtSearch(dealt, form.mask).largest(form, 40))


@pytest.mark.parametrize("units", [1, 63, 64, 65, 1000, 10**6 + 1])
@pytest.mark.parametrize("workers", [1, 3])
def test_blocks_cover_every_unit_once(units: int, workers: int) -> None:
    """In order, none longer than the longest."""
    blocks = SpreadSearch(Dealt(1, 50, 24, units, 2), (1 << 50) - 1).blocks(workers)
    assert [0, *(each.stop for each in blocks)] == [*(each.start for each in blocks), units]
    assert max(map(len, blocks)) <= spread.LARGEST_BLOCK
    assert len(blocks) <= max(1, spread.BLOCKS_OF_A_WORKER * workers)


def test_no_units_have_no_largest() -> None:
    """And no task."""
    search = SpreadSearch(Dealt(1, 50, 24, 0, 2), (1 << 50) - 1, Device("cpu", 1))
    assert search.blocks(1) == []
    assert search.largest_of_made(form_of(50), 3).numbers.tolist() == []


def test_a_task_refuses_what_one_process_refuses() -> None:
    """The error arrives as it is."""
    search = SpreadSearch(Dealt(1, 50, 24, 100, 2), (1 << 50) - 1, Device("cpu", 1))
    with pytest.raises(UsageError, match="finite"):
        search.largest(QuadraticForm.of_gram(np.full((50, 50), np.nan)), 3)


def test_a_task_has_one_core() -> None:
    """The engine has another task for every other one."""
    before = usable_cores()
    with on_one_core():
        assert usable_cores() == 1
    assert usable_cores() == before
