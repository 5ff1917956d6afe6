"""The device of a command: where torch computes, in how many workers, and on which engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from attribution.engines.interface import Engine, Report, Result, Task
from attribution.engines.local import LocalProcesses
from attribution.engines.ray_cluster import RayCluster
from registry.errors import UsageError

LOCAL, RAY = "local", "ray"
ENGINES = (LOCAL, RAY)
"""Processes of this machine, or a Ray cluster."""


@dataclass(frozen=True)
class Device:
    """Where torch computes, in ``workers`` processes: one per core of a CPU, one on a GPU."""

    name: str
    workers: int
    engine: Engine = field(default_factory=LocalProcesses)


def choose_device(
    name: str | None = None, workers: int | None = None, engine: str = LOCAL, address: str | None = None
) -> Device:
    """The GPU if torch finds one, else every core of the CPU: of this machine, or of the cluster.

    ``engine``: one of :data:`ENGINES`. ``address``: of a running Ray cluster; None: a cluster of
    this machine is started. On a cluster, this process computes too, so it needs the device itself.

    Raises:
        UsageError: this machine or the cluster lacks the device, or the options contradict each
            other.
        MissingPartError: Ray is not installed.
        InputError: there is no cluster at the address.
    """
    import torch

    if engine not in ENGINES:
        raise UsageError(f"got the engine {engine!r}, expected one of {', '.join(ENGINES)}")
    if address is not None and engine != RAY:
        raise UsageError("--address is that of a Ray cluster: add --engine ray")
    chosen = name or ("cuda" if torch.cuda.is_available() else "cpu")
    if chosen != "cpu" and not (chosen.startswith("cuda") and torch.cuda.is_available()):
        raise UsageError(f"device {chosen!r} is not available here: choose cpu, or cuda where torch finds a GPU")
    if workers is not None and workers < 1:
        raise UsageError(f"{workers} workers: expected at least 1")
    if engine == RAY:
        return _on_ray(RayCluster(address, workers or usable_cores()), chosen, workers)
    return Device(chosen, workers or (usable_cores() if chosen == "cpu" else 1))


def _on_ray(cluster: RayCluster, name: str, workers: int | None) -> Device:
    if name not in ("cpu", "cuda"):
        raise UsageError(
            f"got --device {name}, expected cpu or cuda: on a Ray cluster, every task gets a GPU of its own"
        )
    kind = "CPU" if name == "cpu" else "GPU"
    count = int(cluster.resources().get(kind, 0))
    if not count:
        raise UsageError(f"the Ray cluster has no {kind}: start it with one, or choose another --device")
    return Device(name, min(workers or count, count), cluster)


_one_core: ContextVar[bool] = ContextVar("one_core", default=False)


@contextmanager
def on_one_core() -> Iterator[None]:
    """Within this, :func:`usable_cores` is 1: for a task, whose engine has one for every core."""
    before = _one_core.set(True)
    try:
        yield
    finally:
        _one_core.reset(before)


def usable_cores() -> int:
    """The cores that this process may use."""
    if _one_core.get():
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_tasks(
    function: Callable[[Task, Report], Result],
    tasks: Sequence[Task],
    device: Device,
    on_progress: Callable[[int, int], object] = lambda _index, _steps: None,
) -> Iterator[tuple[int, Result]]:
    """Run tasks on the device's engine, see :meth:`attribution.engines.interface.Engine.run`."""
    return device.engine.run(function, tasks, device.name, device.workers, on_progress)
