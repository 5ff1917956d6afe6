"""Every speed that the project states, at a size that ends in twenty minutes: ``make bench``.

Two parts. *Ratios*: the benchmarks that time a job beside a named rival run at small sizes, each in
a process of its own; a ratio that is worse than its bar, or worse by a fifth than in the last
committed result, is pointed out. *Scaling laws*: the cost of a job at several sizes, its exponent
beside the one that theory gives, and a plot of each.

    python -m benchmarks.speed                   # everything
    python -m benchmarks.speed ratios [NAME...]  # one part, or some benchmarks of it
    python -m benchmarks.speed laws [NAME...]

Results go to ``benchmarks/results/speed``, results of the same benchmarks at full size stay where
they are. Run it on a machine without other load: processor seconds of a busy machine are wrong by
up to a third.
"""

from __future__ import annotations

from benchmarks.speed.run import main

__all__ = ["main"]
