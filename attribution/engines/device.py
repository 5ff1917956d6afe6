"""The device of a command: where torch computes, in how many workers, and on which engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from attribution.engines.interface import Engine, Report, Result, Task
from attribution.engines.local import LocalProcesses
from registry.errors import UsageError


@dataclass(frozen=True)
class Device:
    """Where torch computes, in ``workers`` processes: one per core of a CPU, one on a GPU."""

    name: str
    workers: int
    engine: Engine = field(default_factory=LocalProcesses)


def choose_device(name: str | None = None, workers: int | None = None) -> Device:
    """The GPU if torch finds one, else every core of the CPU.

    Raises:
        UsageError: this machine lacks the device.
    """
    import torch

    chosen = name or ("cuda" if torch.cuda.is_available() else "cpu")
    if chosen != "cpu" and not (chosen.startswith("cuda") and torch.cuda.is_available()):
        raise UsageError(f"device {chosen!r} is not available here: choose cpu, or cuda where torch finds a GPU")
    if workers is not None and workers < 1:
        raise UsageError(f"{workers} workers: expected at least 1")
    return Device(chosen, workers or (usable_cores() if chosen == "cpu" else 1))


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_tasks(
    function: Callable[[Task, Report], Result],
    tasks: Sequence[Task],
    device: Device,
    on_progress: Callable[[int, int], object] = lambda _index, _steps: None,
) -> Iterator[tuple[int, Result]]:
    """Run tasks on the device's engine, see :meth:`attribution.engines.interface.Engine.run`."""
    return device.engine.run(function, tasks, device.name, device.workers, on_progress)
