"""Keeps the processes that read files for the next registration, since starting two takes a second.

A pool ends its processes when its registration ends, for the sake of memory. In a test the next
registration comes at once. Processes are kept only from a pool where none has work left.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

import pytest

from registry.ingest.reading.processes import ProcessDiedError, ProcessPool, ReadingProcess

_kept: list[ReadingProcess] = []


class _Ended:
    """Stands in a closed pool for a process that was kept, as one that was ended would."""

    def send(self, *_: object) -> NoReturn:
        raise ProcessDiedError

    ask = answer = send

    def close(self) -> None:
        """Nothing is left to end."""


@contextmanager
def reading_processes_kept() -> Iterator[None]:
    """Within this block, pools take processes that an earlier pool left."""
    start, close = ProcessPool._start, ProcessPool.close

    def start_or_take(self: ProcessPool, instead: ReadingProcess | None = None) -> ReadingProcess:
        with self._lock:
            if instead is None and self._all is not None:
                while _kept:
                    process = _kept.pop()
                    if process._process.poll() is None:
                        self._all.add(process)
                        return process
                    process.close()
        return start(self, instead)

    def keep_or_close(self: ProcessPool) -> None:
        idle: set[ReadingProcess] = set()
        with suppress(queue.Empty):
            while True:
                idle.add(self._idle.get_nowait())
        with self._lock:
            whole = self._all is not None and idle == self._all
            if whole:
                self._all = None
        for process in idle:
            self._idle.put(_Ended() if whole else process)  # type: ignore[arg-type]  # a thread may wait for one
        if whole:
            _kept.extend(idle)
        else:
            close(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ProcessPool, "_start", start_or_take)
        patch.setattr(ProcessPool, "close", keep_or_close)
        yield


def end_kept_processes() -> None:
    """End those that no pool has taken."""
    while _kept:
        _kept.pop().close()
