"""Tasks on a Ray cluster, of one machine or many (extra ``ray``).

A task takes one CPU, or one GPU. Ray gives the tasks of a lost worker or machine to another one. An
answer counts once, and the files of a task have names that its content or recipe determines, so a
task that ran twice leaves one result. Every machine has to see the home under the same path, and
has to run the same versions as the process that gives the tasks; both are checked.

Ray sends functions, tasks and answers between its own processes as pickles, and runs what arrives
at its ports. A cluster that is started here listens on the loopback interface alone, and asks for a
token that only this process and its children have. Who starts a cluster of several machines decides
who can reach it.
"""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from itertools import count
from typing import Any, ClassVar

from attribution.engines.interface import Engine, Report, Result, Task, WorkerDiedError, compute_as_a_worker
from attribution.engines.ray_address import check_answer
from registry.errors import CreditlineError, InputError, MissingPartError, UsageError

RETRIES = 5
"""Workers that one task may lose before the run ends."""
TOLD_EVERY = 0.2
"""Seconds between two reports of a worker."""
TOLD_WITHIN = 10.0
"""Seconds that a report may take, where the process that gathers them starts anew."""
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Ray's own switch for a cluster of one machine: all its ports are on the loopback interface."""
_ALONE = {
    **_ON_LOOPBACK,
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_task_oom_retries": str(RETRIES),
}
"""The environment of a cluster that is started here; Ray reads it when it is imported."""


@dataclass(frozen=True)
class RayCluster(Engine):
    """A Ray cluster: the one at ``address``, or one on this machine until this process ends."""

    a_gpu_each: ClassVar[bool] = True
    address: str | None = None
    """HOST:PORT of the head. This process has to run on a machine of that cluster."""
    cpus: int | None = None
    """Of a cluster that is started here; None: as many as Ray finds."""

    def resources(self) -> Mapping[str, float]:
        """What the cluster has: numbers of ``CPU`` and ``GPU``.

        Raises:
            MissingPartError: Ray is not installed.
            UsageError: the address is malformed.
            InputError: no cluster answers at the address, or none can be started.
        """
        found: Mapping[str, float] = self._connected().cluster_resources()
        return found

    def run(
        self,
        function: Callable[[Task, Report], Result],
        tasks: Sequence[Task],
        device: str,
        workers: int,
        on_progress: Callable[[int, int], object],
    ) -> Iterator[tuple[int, Result]]:
        ray = self._connected()
        context = ray.get_runtime_context()
        told, number = _progress(ray, context.get_node_id(), context.get_job_id()), next(_numbers)
        remote = ray.remote(_run).options(
            num_cpus=1, num_gpus=int(device != "cpu"), max_retries=RETRIES, scheduling_strategy="SPREAD"
        )
        rest, shown = iter(enumerate(tasks)), dict.fromkeys(range(len(tasks)), 0)
        waiting: dict[Any, int] = {}

        def fill() -> None:
            while len(waiting) < workers and (pair := next(rest, None)) is not None:
                index, task = pair
                waiting[remote.remote(function, task, (number, index), told, _versions())] = index

        def tell() -> None:
            found: Mapping[int, int] = {}
            # The actor can be lost, too, where memory is short; no progress is worth a failed run.
            with suppress(ray.exceptions.RayError):
                found = _called(ray.get, told.take.remote(number), timeout=TOLD_WITHIN)
            for index, steps in found.items():
                # A task that started anew has fewer steps than were told of it before.
                if steps > shown[index]:
                    on_progress(index, steps - shown[index])
                    shown[index] = steps

        try:
            fill()
            while waiting:
                done, _ = _called(ray.wait, list(waiting), timeout=TOLD_EVERY)
                tell()
                for answer in done:
                    yield waiting.pop(answer), _result(ray, answer)
                fill()
            tell()
        finally:
            for answer in waiting:
                ray.cancel(answer, force=True)

    def _connected(self) -> Any:  # noqa: ANN401 - a module that may not be installed
        """The module ``ray``, connected to the cluster."""
        if find_spec("ray") is None:
            raise MissingPartError("--engine ray needs Ray, which is not installed: pip install 'creditline[ray]'")
        if (running := sys.modules.get("ray")) is not None and running.is_initialized():
            return running
        if self.address is not None:
            check_answer(self.address)
        alone = self.address is None
        # Ray reads these when it is imported, and hands them down to the processes that it starts.
        if alone:
            os.environ.update(_ALONE)
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        elif str(self.address).rpartition(":")[0] in _LOOPBACK:
            os.environ.update(_ON_LOOPBACK)
        import ray
        import ray.util.scheduling_strategies

        # Ray prints messages about lost workers on stdout, which is for data; no option stops it.
        ray._private.worker.print_to_stdstream = lambda *_, **__: None
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            if alone:
                _start(ray, self.cpus)
            else:
                _called(ray.init, address=self.address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # Ray raises this class itself where a start takes too long
            place = "on this machine" if alone else f"at {self.address}"
            raise InputError(f"no Ray cluster {place}: {_one_line(error)}; see `ray status`") from error
        finally:
            # Ray takes SIGTERM for itself.
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return ray


def _start(ray: Any, cpus: int | None) -> None:  # noqa: ANN401 - a module that may not be installed
    """Start a cluster of this machine; it ends, and its folder goes, with this process."""
    folder = tempfile.mkdtemp(prefix="creditline-ray-")

    def end() -> None:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    _called(
        ray.init,
        address="local",
        num_cpus=cpus,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _temp_dir=folder,
    )


def _versions() -> dict[str, str]:
    """What has to be the same on every machine, so that a task has the same result on each."""
    return {name: version(name) for name in ("creditline", "torch", "diffusers", "numpy", "ray")}


def _result(ray: Any, answer: Any) -> Any:  # noqa: ANN401 - a module that may not be installed
    """The answer of a task that ended.

    Raises:
        WorkerDiedError: its workers were lost too often.
        CreditlineError: raised by the task.
    """
    try:
        return _called(ray.get, answer)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, FileNotFoundError):
            raise InputError(
                f"a machine of the Ray cluster lacks {cause.filename}: every machine has to see the home, and a base, "
                "under the same path"
            ) from error
        if isinstance(cause, CreditlineError):
            raise cause from error
        raise
    except ray.exceptions.RayError as error:
        raise WorkerDiedError(
            f"a task lost its worker {RETRIES + 1} times ({_one_line(error)}); run the same command again to go on, "
            "with fewer --workers if memory is short"
        ) from error


def _called(function: Callable[..., Any], *words: Any, **options: Any) -> Any:  # noqa: ANN401 - Ray's own
    """What a function of Ray returns. Raises what a handler of signals raised meanwhile: Ray's
    compiled code makes a SystemError of it.
    """
    try:
        return function(*words, **options)
    except SystemError as error:
        raise error.__cause__ or error from None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


class _Progress:
    """An actor that gathers the steps of all tasks, by the number of their run and their index."""

    def __init__(self) -> None:
        self._steps: dict[int, dict[int, int]] = {}

    def tell(self, place: tuple[int, int], steps: int) -> None:
        """Steps that one attempt at a task did up to now."""
        number, index = place
        self._steps.setdefault(number, {})[index] = steps

    def take(self, number: int) -> dict[int, int]:
        """What was told of a run since the last call."""
        return self._steps.pop(number, {})


_numbers = count()
"""Of this process's runs."""


@cache
def _progress(ray: Any, node: str, job: str) -> Any:  # noqa: ANN401, ARG001 - a module that may not be installed; a key
    """The actor of one connection. An actor a run would start a process each time."""
    # Beside this process: it must not be lost with another machine.
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=False)
    # Started anew after a loss: workers tell sums, so little is missed.
    options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": here}
    return ray.remote(_Progress).options(**options).remote()


class _Teller:
    """The report of a task on its worker: it passes on the sum of steps, not too often."""

    def __init__(self, place: tuple[int, int], told: Any) -> None:  # noqa: ANN401 - a handle of Ray
        self._place, self._told = place, told
        self._steps, self._last = 0, 0.0

    def __call__(self, steps: int) -> None:
        self._steps += steps
        if time.monotonic() - self._last >= TOLD_EVERY:
            self.pass_on()

    def pass_on(self) -> Any:  # noqa: ANN401 - a handle of Ray
        """Tell the sum; returns what arrives once it is told."""
        self._last = time.monotonic()
        return self._told.tell.remote(self._place, self._steps)


def _run(
    function: Callable[[Task, Report], Result],
    task: Task,
    place: tuple[int, int],
    told: Any,  # noqa: ANN401 - a handle of Ray
    versions: Mapping[str, str],
) -> Result:
    """One task, on a worker of the cluster."""
    import ray

    own = _versions()
    differing = [name for name in versions if own[name] != versions[name]]
    if differing:
        listed = ", ".join(f"{name} {own[name]} instead of {versions[name]}" for name in differing)
        raise UsageError(f"a machine of the Ray cluster has {listed}: install the same versions on every machine")
    compute_as_a_worker()
    teller = _Teller(place, told)
    result = function(task, teller)
    # Told before the answer is there, or the last steps could come after the end of the run. No
    # progress is worth a failed task.
    with suppress(ray.exceptions.RayError):
        ray.get(teller.pass_on(), timeout=TOLD_WITHIN)
    return result
