"""Inspecting the members of many archives at once, in order.

One process reads an archive from beginning to end. If a member ends the process, or blocks it for
too long, the rest is read one member at a time to find it.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from registry.image_files.inspection import Refusal, Result
from registry.ingest.reading.archive_works import Container, Skipped
from registry.ingest.reading.processes import REASON, SECONDS, ProcessDiedError, ProcessPool, reason_with_time
from registry.ingest.reading.worker import result_from_row

_MEMBERS_WAITING = 256


def inspect_containers(
    containers: Sequence[Container],
    skipped: Skipped,
    *,
    decode: bool = False,
    workers: int = 1,
    seconds: float = SECONDS,
) -> Iterator[Result]:
    """Inspect the members of archives, in order; ``workers`` archives at once.

    A member that takes longer than ``seconds`` is refused.
    """
    stop = threading.Event()
    with ProcessPool(min(workers, len(containers)) or 1) as pool, ThreadPoolExecutor(pool.size) as threads:
        try:
            running = deque[queue.Queue[list[Result] | Exception | None]]()
            waiting = iter(containers)
            for container in islice(waiting, pool.size):
                running.append(_start(pool, threads, container, skipped, decode, seconds, stop))
            while running:
                results = running[0].get()
                if isinstance(results, Exception):
                    raise results
                if results is None:
                    running.popleft()
                    if (container_next := next(waiting, None)) is not None:
                        running.append(_start(pool, threads, container_next, skipped, decode, seconds, stop))
                else:
                    yield from results
        finally:
            stop.set()
            pool.close()


def _start(
    pool: ProcessPool,
    threads: ThreadPoolExecutor,
    container: Container,
    skipped: Skipped,
    decode: bool,
    seconds: float,
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
            for found in _read_container(pool, container, skipped, decode, seconds):
                if not put(found):
                    return
            put(None)
        except Exception as error:  # raised in the thread that waits
            put(error)

    threads.submit(read)
    return results


def _read_container(
    pool: ProcessPool, container: Container, skipped: Skipped, decode: bool, seconds: float
) -> Iterator[list[Result]]:
    """The results of one archive.

    After a process has died, members are read one at a time, to find the one that it dies of:
    first with its content credentials, then without.
    """
    done, one_by_one, credentials = 0, False, True
    while True:
        member: str | None = None
        request = {"kind": "container", "container": [container.file, container.prefix], "decode": decode}
        request |= {"skip": done, "one_by_one": one_by_one, "credentials": credentials, "seconds": seconds}
        try:
            with pool.process() as process:
                process.send(request)
                while True:
                    answer = process.answer()
                    if isinstance(answer, list):
                        done, member, credentials = done + len(answer), None, True
                        yield [result_from_row(row) for row in answer]
                    elif "member" in answer:
                        member = answer["member"]
                    else:
                        skipped.hidden += answer["hidden"]
                        if answer["error"]:
                            yield [Refusal(container.path, answer["error"])]
                        return
        except ProcessDiedError:
            if one_by_one and member is None:
                yield [Refusal(container.path, REASON)]
                return
            if one_by_one and not credentials:
                yield [Refusal(str(member), reason_with_time(seconds))]
                done, credentials = done + 1, True
            elif one_by_one:
                credentials = False
            one_by_one = True
