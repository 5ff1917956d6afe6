"""The interface of engines. An engine runs independent tasks in worker processes.

Workers write files only, under names that their content or its recipe determines, so that a task
that runs twice leaves one result. The registry belongs to the one process that gives the tasks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, TypeVar

from registry.errors import CreditlineError

Task = TypeVar("Task")
Result = TypeVar("Result")
Report = Callable[[int], None]
"""Called by a worker with the number of steps just done."""


class WorkerDiedError(CreditlineError):
    """A worker process ended without an answer: killed, or out of memory."""


class Engine(ABC):
    """Runs tasks, each once as far as a caller can see."""

    a_gpu_each: ClassVar[bool] = False
    """Whether every worker has a GPU of its own; otherwise all share one."""

    @abstractmethod
    def run(
        self,
        function: Callable[[Task, Report], Result],
        tasks: Sequence[Task],
        device: str,
        workers: int,
        on_progress: Callable[[int, int], object],
    ) -> Iterator[tuple[int, Result]]:
        """Run ``function`` on every task; yield (index of the task, result) as each is done.

        ``function`` is a module's function and tasks are plain values: both travel to workers.
        ``device``: where torch computes. ``workers``: the most tasks at once. ``on_progress`` gets
        (index of the task, steps just done). Leaving the iterator early stops the workers.

        Raises:
            WorkerDiedError: a worker was lost.
            CreditlineError: raised by the function itself.
        """


def compute_as_a_worker() -> None:
    """Set up torch in this process: one thread, and the same results wherever a task runs."""
    import torch

    torch.set_num_threads(1)
    # The moments of nearly constant weights become subnormal numbers, which are slow.
    torch.set_flush_denormal(True)
    # Without these a GPU is neither deterministic nor equal to a CPU up to rounding.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
