"""Inspecting many files and archives on all cores, in order.

Processes, because most images are small and for them Python's own work, which threads do one at a time, is what takes
the time. They are plain ones that run :mod:`registry.ingest.reader` and are spoken to through their pipes: such a process
is ready in a fraction of the time that one of :mod:`multiprocessing` takes, which would import the whole command line
first, and it ends by itself when its parent is gone, however that ended. Starting still takes a moment, so a handful of
files is read without.

A file that kills the process that reads it (a decoder's defect, memory) is found: it is read again without its content
credentials, whose library is the likeliest to have failed, and refused if that does not help. The others go in.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from registry.ingest.containers import Container, Passed
from registry.ingest.inspection import Refusal, Result, Task, Work, inspect_file
from registry.ingest.reader import result_from_row
from registry.ingest.reading_process import Reader, ReaderDiedError
from registry.metadata import UNREAD_CREDENTIALS

CHUNK = 128  # files per message between processes
CHUNK_BYTES = 2**24
WAITING = 16_384
"""Files that may be under way or read and not yet taken: enough to keep all processes busy while a batch is stored."""
SECONDS_ALONE = 0.3
"""How long this process reads before others are started: about as long as that takes."""
REASON = "reading it ended the process (its decoder failed, or memory ran out)"
_MEMBERS_WAITING = 256

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
        decode: see :func:`registry.ingest.inspection.inspect_file`.
        workers: processes that read.
        inspect: what is done with each file.
        seconds_alone: how long this process reads before others are started.
        seconds_expected: how long it would take alone, as far as known; much longer, and others are started at once.
    """
    started = time.monotonic()
    left = iter(tasks)
    if seconds_expected < 4 * seconds_alone:
        for task in left:
            # Content credentials are read by a library that might end the process: not this one.
            result = inspect(root, replace(task, credentials=False), decode)
            if isinstance(result, Work) and result.embedded and UNREAD_CREDENTIALS in result.embedded.problems:
                with _Crew(1) as crew:
                    result = _Files(root, decode, inspect).inspect(crew, [task])[0]
            yield result
            if time.monotonic() - started >= seconds_alone:
                break
    if (first := next(left, None)) is not None:
        yield from _inspect_in_processes(_Files(root, decode, inspect), first, left, workers)


def inspect_containers(
    containers: Sequence[Container], passed: Passed, *, decode: bool = False, workers: int = 1
) -> Iterator[Result]:
    """Inspect the members of archives, in order; as many archives at once as there are ``workers``."""
    stop = threading.Event()
    with _Crew(min(workers, len(containers)) or 1) as crew, ThreadPoolExecutor(crew.size) as threads:
        try:
            running = deque[queue.Queue[list[Result] | Exception | None]]()
            waiting = iter(containers)
            for container in islice(waiting, crew.size):
                running.append(_start(crew, threads, container, passed, decode, stop))
            while running:
                results = running[0].get()
                if isinstance(results, Exception):
                    raise results
                if results is None:
                    running.popleft()
                    if (container_next := next(waiting, None)) is not None:
                        running.append(_start(crew, threads, container_next, passed, decode, stop))
                else:
                    yield from results
        finally:
            stop.set()
            crew.close()


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

    def work(crew: _Crew, items: Sequence[Any]) -> list[Any]:
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

    with _Crew(workers) as crew:
        yield from _in_order(crew, work, iter(chunks), 4 * workers)


class _ClosedError(Exception):
    """Nobody waits for the results any more."""


class _Crew:
    """Processes that read; each is one thread's at a time. They start together, when the first is needed."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._readers: set[Reader] = set()
        self._idle: queue.SimpleQueue[Reader] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> _Crew:
        for _ in range(self.size):
            self._idle.put(self._new())
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take(self) -> Reader:
        return self._idle.get()

    def give(self, reader: Reader) -> None:
        self._idle.put(reader)

    def renewed(self, reader: Reader) -> Reader:
        """Another one in the place of one that has died."""
        reader.close()
        with self._lock:
            self._readers.discard(reader)
            if self._closed:
                raise _ClosedError
        return self._new()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            readers, self._readers = self._readers, set()
        for reader in readers:
            reader.close()

    def _new(self) -> Reader:
        reader = Reader()
        with self._lock:
            self._readers.add(reader)
        return reader


class _Files:
    """How the files of one folder are inspected."""

    def __init__(self, root: Path, decode: bool, inspect: Callable[[Any, Task, bool], Result]) -> None:
        function = f"{inspect.__module__}:{inspect.__qualname__}"
        self._request = {"kind": "files", "root": os.fspath(root), "decode": decode, "inspect": function}

    def inspect(self, crew: _Crew, tasks: Sequence[Task]) -> list[Result]:
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

    with _Crew(workers) as crew:
        for results in _in_order(crew, files.inspect, chunks(), max(WAITING // CHUNK, 4 * workers)):
            yield from results


def _in_order(
    crew: _Crew, work: Callable[[_Crew, Any], list[Any]], chunks: Iterator[Any], most_waiting: int
) -> Iterator[list[Any]]:
    running: deque[Future[list[Any]]] = deque()
    with ThreadPoolExecutor(crew.size) as threads:
        try:
            while True:
                while len(running) < most_waiting and (chunk := next(chunks, None)) is not None:
                    running.append(threads.submit(work, crew, chunk))
                if not running:
                    return
                yield running.popleft().result()
        finally:
            crew.close()
            threads.shutdown(cancel_futures=True)


def _start(
    crew: _Crew,
    threads: ThreadPoolExecutor,
    container: Container,
    passed: Passed,
    decode: bool,
    stop: threading.Event,
) -> queue.Queue[list[Result] | Exception | None]:
    results: queue.Queue[list[Result] | Exception | None] = queue.Queue(_MEMBERS_WAITING)

    def put(found: list[Result] | Exception | None) -> bool:
        while not stop.is_set():
            try:
                results.put(found, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def read() -> None:
        try:
            for found in _read_container(crew, container, passed, decode):
                if not put(found):
                    return
            put(None)
        except Exception as error:  # whatever it is belongs to the thread that asked
            put(error)

    threads.submit(read)
    return results


def _read_container(crew: _Crew, container: Container, passed: Passed, decode: bool) -> Iterator[list[Result]]:
    """The results of one archive. After a process has died, member by member, to find the one it died of."""
    done, careful, credentials = 0, False, True
    reader = crew.take()
    try:
        while True:
            member: str | None = None
            request = {"kind": "container", "container": [container.file, container.prefix], "decode": decode}
            request |= {"skip": done, "careful": careful, "credentials": credentials}
            try:
                reader.send(request)
                while True:
                    answer = reader.answer()
                    if isinstance(answer, list):
                        done, member, credentials = done + len(answer), None, True
                        yield [result_from_row(row) for row in answer]
                    elif "member" in answer:
                        member = answer["member"]
                    else:
                        passed.hidden += answer["hidden"]
                        if answer["error"]:
                            yield [Refusal(container.path, answer["error"])]
                        return
            except ReaderDiedError:
                reader = crew.renewed(reader)
                if careful and member is None:
                    yield [Refusal(container.path, REASON)]
                    return
                if careful and not credentials:
                    yield [Refusal(str(member), REASON)]
                    done, credentials = done + 1, True
                elif careful:
                    credentials = False
                careful = True
    finally:
        crew.give(reader)
