"""One process per core for many small torch programs.

On a CPU, n processes of one thread each beat one process of n threads for networks of this size,
and two torch processes with default threads slow each other down tenfold. Workers read and write
files only; the registry belongs to the parent.

A worker exits when its parent is gone, so that killing a command leaves nothing running.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.queues import Queue
from typing import Generic, TypeVar

from registry.errors import CreditlineError, UsageError

Task = TypeVar("Task")
Result = TypeVar("Result")
Report = Callable[[int], None]
"""Called by a worker with the number of steps just done."""

_progress: Queue[tuple[int, int]] | None = None


@dataclass(frozen=True)
class Device:
    """Where torch computes, in ``workers`` processes: one per core of a CPU, one on a GPU."""

    name: str
    workers: int


class WorkerDiedError(CreditlineError):
    """A worker process ended without an answer: killed, or out of memory."""


@dataclass(frozen=True)
class _Call(Generic[Task, Result]):
    function: Callable[[Task, Report], Result]
    task: Task
    index: int

    def __call__(self) -> Result:
        def report(steps: int) -> None:
            if _progress is not None:
                _progress.put((self.index, steps))

        return self.function(self.task, report)


def _run(call: _Call[Task, Result]) -> Result:
    return call()


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
    return Device(chosen, workers or (_cores() if chosen == "cpu" else 1))


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_tasks(
    function: Callable[[Task, Report], Result],
    tasks: Sequence[Task],
    device: Device,
    on_progress: Callable[[int, int], object] = lambda _index, _steps: None,
) -> Iterator[tuple[int, Result]]:
    """Run ``function`` on every task and yield (index of the task, result) as each is done.

    ``function`` and tasks must be picklable: a module's function, plain values. A single task runs
    in this process, on one thread like a worker. Leaving the iterator early stops the workers.

    Raises:
        WorkerDiedError: a worker was killed.
        CreditlineError: raised by the function itself.
    """
    if min(device.workers, len(tasks)) <= 1:
        yield from _run_here(function, tasks, on_progress)
        return
    context = multiprocessing.get_context("spawn")
    progress: Queue[tuple[int, int]] = context.Queue()
    # The workers' end of this pipe closes when this process closes its own, or is gone.
    workers_end, here = context.Pipe(duplex=False)
    waiting: dict[Future[Result], int] = {}
    pool = ProcessPoolExecutor(
        min(device.workers, len(tasks)),
        mp_context=context,
        initializer=_start_worker,
        initargs=(progress, workers_end),
    )
    others = set(multiprocessing.active_children())
    try:
        waiting.update({pool.submit(_run, _Call(function, task, index)): index for index, task in enumerate(tasks)})
        workers = set(multiprocessing.active_children()) - others
        while waiting:
            done, _ = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
            _drain(progress, on_progress)
            for future in done:
                yield waiting.pop(future), future.result()
            # The pool does not watch a worker that started while it waited already, until another
            # worker is done: that can take hours.
            if waiting and not all(worker.is_alive() for worker in workers):
                raise BrokenProcessPool("a worker ended")
    except BrokenProcessPool as error:
        raise WorkerDiedError(
            "a worker process was killed (out of memory?); run the same command again to go on, with fewer --workers"
        ) from error
    finally:
        if waiting:
            here.close()
        pool.shutdown(wait=True, cancel_futures=True)
        here.close()
        workers_end.close()
        progress.close()


def _run_here(
    function: Callable[[Task, Report], Result], tasks: Sequence[Task], on_progress: Callable[[int, int], object]
) -> Iterator[tuple[int, Result]]:
    import torch

    threads = torch.get_num_threads()
    for index, task in enumerate(tasks):
        _compute_as_a_worker()
        try:
            result = function(task, _reporter(on_progress, index))
        finally:
            torch.set_num_threads(threads)
            torch.set_flush_denormal(False)
        yield index, result


def _reporter(on_progress: Callable[[int, int], object], index: int) -> Report:
    def report(steps: int) -> None:
        on_progress(index, steps)

    return report


def _drain(progress: Queue[tuple[int, int]], on_progress: Callable[[int, int], object]) -> None:
    while True:
        try:
            index, steps = progress.get_nowait()
        except queue.Empty:
            return
        on_progress(index, steps)


def _start_worker(progress: Queue[tuple[int, int]], parent: Connection) -> None:
    global _progress  # noqa: PLW0603 - a pool hands a worker its queue only here
    _progress = progress
    # Ctrl-C reaches the whole group: the parent alone handles it, and stops the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _compute_as_a_worker()
    threading.Thread(target=_leave_with_parent, args=(parent,), daemon=True).start()


def _compute_as_a_worker() -> None:
    import torch

    torch.set_num_threads(1)
    # The moments of nearly constant weights become subnormal numbers, which are slow.
    torch.set_flush_denormal(True)
    # Without these a GPU is neither deterministic nor equal to a CPU up to rounding.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def _leave_with_parent(parent: Connection) -> None:
    """End this process once the parent has closed its end of the pipe, or was killed.

    A pipe needs no lock. With an event of multiprocessing, a worker that was killed while it waited
    for the event would leave the parent waiting for its answer.
    """
    with suppress(OSError):
        parent.poll(None)
    os._exit(1)
