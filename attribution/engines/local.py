"""One process per core for many small torch programs.

On a CPU, n processes of one thread each beat one process of n threads for networks of this size,
and two torch processes with default threads slow each other down tenfold. Workers read and write
files only; the registry belongs to the parent.

A worker exits when its parent is gone, so that killing a command leaves nothing running.
"""

from __future__ import annotations

import multiprocessing
import queue
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.queues import Queue
from typing import Generic

from attribution.engines.interface import Engine, Report, Result, Task, WorkerDiedError, compute_as_a_worker
from registry.lost_parent import leave_when_closed

_progress: Queue[tuple[int, int]] | None = None


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


class LocalProcesses(Engine):
    """Processes of this machine; a single task runs in this one, on one thread like a worker."""

    def run(
        self,
        function: Callable[[Task, Report], Result],
        tasks: Sequence[Task],
        device: str,  # noqa: ARG002  # every task names its own
        workers: int,
        on_progress: Callable[[int, int], object],
    ) -> Iterator[tuple[int, Result]]:
        if min(workers, len(tasks)) <= 1:
            yield from _run_here(function, tasks, on_progress)
            return
        context = multiprocessing.get_context("spawn")
        progress: Queue[tuple[int, int]] = context.Queue()
        # The workers' end of this pipe closes when this process closes its own, or is gone.
        workers_end, here = context.Pipe(duplex=False)
        waiting: dict[Future[Result], int] = {}
        pool = ProcessPoolExecutor(
            min(workers, len(tasks)),
            mp_context=context,
            initializer=_start_worker,
            initargs=(progress, workers_end),
        )
        others = set(multiprocessing.active_children())
        try:
            waiting.update({pool.submit(_run, _Call(function, task, index)): index for index, task in enumerate(tasks)})
            started = set(multiprocessing.active_children()) - others
            while waiting:
                done, _ = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                _drain(progress, on_progress)
                for future in done:
                    yield waiting.pop(future), future.result()
                # The pool does not watch a worker that started while it waited already, until
                # another worker is done: that can take hours.
                if waiting and not all(worker.is_alive() for worker in started):
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
        compute_as_a_worker()
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
    compute_as_a_worker()
    leave_when_closed(parent)
