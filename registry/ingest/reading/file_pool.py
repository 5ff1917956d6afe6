"""Inspecting many files on all cores, in order.

Processes, because most images are small and for them Python's own work, which threads do one at a
time, is what takes the time. Starting them takes a moment, so a handful of files is read without.

A file that kills the process that reads it (a decoder's defect, memory) is found: it is read again
without its content credentials, whose library is the likeliest to have failed, and refused if that
does not help. The others go in.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from registry.image_files.inspection import Refusal, Result, Task, Work, inspect_file
from registry.ingest.reading.worker import result_from_row
from registry.ingest.reading.worker_process import Reader, ReaderDiedError
from registry.ingest.reading.worker_threads import REASON, Crew, in_order
from registry.metadata import UNREAD_CREDENTIALS

CHUNK = 128  # files per message between processes
CHUNK_BYTES = 2**24
WAITING = 16_384
"""Files that may be under way or read and not yet taken: enough to keep all processes busy while a
batch is stored."""
SECONDS_ALONE = 0.3
"""How long this process reads before others are started: about as long as that takes."""

Inspect = Callable[[Path, Task, bool], Result]
"""A module's function that inspects a task's file in a folder, decoding it completely or not."""


def inspect_files(
    root: Path,
    tasks: Iterable[Task],
    *,
    decode: bool = False,
    workers: int = 1,
    inspect: Callable[[Any, Task, bool], Result] = inspect_file,
    seconds_alone: float = SECONDS_ALONE,
    seconds_expected: float = 0.0,
) -> Iterator[Result]:
    """Inspect every task's file, in order, with ``workers`` processes if that is worth it.

    Args:
        root: the folder.
        tasks: its files.
        decode: see :func:`registry.image_files.inspection.inspect_file`.
        workers: processes that read.
        inspect: what is done with each file.
        seconds_alone: how long this process reads before others are started.
        seconds_expected: how long it would take alone, as far as known; much longer, and others are
            started at once.
    """
    started = time.monotonic()
    left = iter(tasks)
    if seconds_expected < 4 * seconds_alone:
        for task in left:
            # Content credentials are read by a library that might end the process: not this one.
            result = inspect(root, replace(task, credentials=False), decode)
            if isinstance(result, Work) and result.embedded and UNREAD_CREDENTIALS in result.embedded.problems:
                with Crew(1) as crew:
                    result = _Files(root, decode, inspect).inspect(crew, [task])[0]
            yield result
            if time.monotonic() - started >= seconds_alone:
                break
    if (first := next(left, None)) is not None:
        yield from _inspect_in_processes(_Files(root, decode, inspect), first, left, workers)


def apply_in_processes(
    root: str, function: str, chunks: Iterable[Sequence[Any]], *, workers: int, failed: Callable[[Any], Any]
) -> Iterator[list[Any]]:
    """Have ``module:function`` applied to chunks of JSON values by processes, in order.

    Args:
        root: handed to the function.
        function: gets root and a list, and gives as many JSON values.
        chunks: the lists.
        workers: processes.
        failed: the value for an item that ends the process.
    """

    def work(crew: Crew, items: Sequence[Any]) -> list[Any]:
        reader = crew.take()
        try:
            request = {"kind": "apply", "function": function, "root": root, "items": list(items)}
            return list(reader.ask(request))
        except ReaderDiedError:
            reader = crew.renewed(reader)
            if len(items) == 1:
                return [failed(items[0])]
        finally:
            crew.give(reader)
        return [value for item in items for value in work(crew, [item])]

    with Crew(workers) as crew:
        yield from in_order(crew, work, iter(chunks), 4 * workers)


class _Files:
    """How the files of one folder are inspected."""

    def __init__(self, root: Path, decode: bool, inspect: Callable[[Any, Task, bool], Result]) -> None:
        function = f"{inspect.__module__}:{inspect.__qualname__}"
        self._request = {"kind": "files", "root": os.fspath(root), "decode": decode, "inspect": function}

    def inspect(self, crew: Crew, tasks: Sequence[Task]) -> list[Result]:
        reader = crew.take()
        try:
            return self._ask(reader, tasks)
        except ReaderDiedError:
            reader = crew.renewed(reader)
        finally:
            crew.give(reader)
        if len(tasks) > 1:
            return [result for task in tasks for result in self.inspect(crew, [task])]
        if tasks[0].credentials:
            return self.inspect(crew, [replace(tasks[0], credentials=False)])
        return [Refusal(tasks[0].path, REASON)]

    def _ask(self, reader: Reader, tasks: Sequence[Task]) -> list[Result]:
        listed = [(task.path, task.known_sha256, task.credentials) for task in tasks]
        return [result_from_row(row) for row in reader.ask({**self._request, "tasks": listed})]


def _inspect_in_processes(files: _Files, first: Task, left: Iterator[Task], workers: int) -> Iterator[Result]:
    def chunks() -> Iterator[list[Task]]:
        chunk, size = [first], first.size
        for task in left:
            if len(chunk) == CHUNK or size > CHUNK_BYTES:
                yield chunk
                chunk, size = [], 0
            chunk.append(task)
            size += task.size
        yield chunk

    with Crew(workers) as crew:
        for results in in_order(crew, files.inspect, chunks(), max(WAITING // CHUNK, 4 * workers)):
            yield from results
