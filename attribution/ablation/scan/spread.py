"""The search of units that have their codes by number, in blocks that are tasks of an engine.

What a search of all words answers in a fraction of a second stays in this process. Where codes must
be made (:mod:`attribution.ablation.scan.dealt`), every block of numbers is a task. A task gives the
best units of its block; the best of all blocks are the best of all units, ties included, so the
answer is that of one process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from attribution.ablation.scan.dealt import MADE_AT_ONCE, Dealt, DealtSearch
from attribution.ablation.scan.form import QuadraticForm
from attribution.ablation.scan.index import group_codes
from attribution.ablation.scan.search import CodeSearch, Largest, merged, nobody
from attribution.engines.device import Device, on_one_core, run_tasks
from attribution.engines.interface import Report

LARGEST_BLOCK = 1 << 26
"""Units of a task, at most: about ten seconds."""
BLOCKS_OF_A_WORKER = 4
"""So that no worker waits long for the last one."""


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive units and the form to search them under."""

    dealt: Dealt
    form: QuadraticForm
    serving: int
    """The word of the members in service."""
    k: int
    units: range


def search_block(block: Block, report: Report) -> Largest:
    """The k units, or all if they are fewer, of a block; told: units. One core is enough for it.

    Raises:
        UsageError: k is below 1, or the form has values that are no finite numbers.
    """
    best, stop = nobody(), block.units.stop
    with on_one_core():
        for start in range(block.units.start, stop, MADE_AT_ONCE):
            codes = block.dealt.codes(start, min(MADE_AT_ONCE, stop - start))
            floor = float(best.values[-1]) if len(best.values) == block.k else -np.inf
            grouped = group_codes(codes, block.dealt.n, block.serving)
            found = CodeSearch(block.form, grouped).largest(block.k, floor)
            best = merged([best, Largest(found.values, found.numbers + start, found.codes)], block.k)
            report(len(codes))
    return best


@dataclass(frozen=True, eq=False)
class SpreadSearch(DealtSearch):
    """Searches the units of a law on an engine, or by threads of this process."""

    device: Device | None = None
    """None: threads of this process."""
    told: Callable[[int, int], object] = lambda _done, _all: None
    """Gets (units done, units in all) where codes are made."""

    def blocks(self, workers: int) -> list[range]:
        """The units of each task."""
        units = self.dealt.units
        size = -(-units // (BLOCKS_OF_A_WORKER * workers))
        size = min(LARGEST_BLOCK, MADE_AT_ONCE * -(-size // MADE_AT_ONCE)) or 1
        return [range(start, min(units, start + size)) for start in range(0, units, size)]

    def largest_of_made(
        self, form: QuadraticForm, k: int, on_progress: Callable[[int, int], object] | None = None
    ) -> Largest:
        """The same from blocks; ``on_progress``: None: :attr:`told`."""
        tell = on_progress or self.told
        if self.device is None:
            return super().largest_of_made(form, k, tell)
        # Without the tables that a form keeps once they are computed.
        plain, best, done = QuadraticForm(form.matrix, form.serving), nobody(), 0

        def advance(_: int, steps: int) -> None:
            nonlocal done
            done += steps
            tell(done, self.dealt.units)

        tasks = [Block(self.dealt, plain, self.serving, k, each) for each in self.blocks(self.device.workers)]
        for _, found in run_tasks(search_block, tasks, self.device, advance):
            best = merged([best, found], k)
        return best
