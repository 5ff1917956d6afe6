"""Inspecting the members of many archives at once, in order.

An archive is read from its beginning to its end by one process, so there are as many at work as
there are archives, at most. A member that kills the process is found by reading the archive again,
member by member from where it was.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from registry.image_files.inspection import Refusal, Result
from registry.ingest.reading.archive_works import Container, Passed
from registry.ingest.reading.worker import result_from_row
from registry.ingest.reading.worker_process import ReaderDiedError
from registry.ingest.reading.worker_threads import REASON, Crew

_MEMBERS_WAITING = 256


def inspect_containers(
    containers: Sequence[Container], passed: Passed, *, decode: bool = False, workers: int = 1
) -> Iterator[Result]:
    """Inspect the members of archives, in order; as many archives at once as there are
    ``workers``.
    """
    stop = threading.Event()
    with Crew(min(workers, len(containers)) or 1) as crew, ThreadPoolExecutor(crew.size) as threads:
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


def _start(
    crew: Crew,
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


def _read_container(crew: Crew, container: Container, passed: Passed, decode: bool) -> Iterator[list[Result]]:
    """The results of one archive. After a process has died, member by member, to find the one it
    died of.
    """
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
