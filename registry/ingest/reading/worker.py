"""The program of a reading process: lines of JSON, requests on stdin and results on stdout."""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, BinaryIO

from registry.errors import InputError
from registry.image_files.inspection import KnownWork, Refusal, Result, Task, Work
from registry.metadata import EmbeddedMetadata

READY = "ready"
MEMBERS_AT_ONCE = 64
LARGEST_ANSWER = 2**22
"""About how many bytes of results are sent together."""


def run() -> None:
    """Serve until stdin ends."""
    # A terminal, or a system that stops a service, tells every process; the parent ends this one.
    # A reader that ended by itself would make the parent refuse the file that it reads.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # Results have a descriptor of their own, so that nothing that a decoder prints gets among them.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as results:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        _send(results, READY)
        for line in sys.stdin.buffer:
            request = json.loads(line)
            _HANDLERS[request["kind"]](request, results)


def _files(request: Mapping[str, Any], results: BinaryIO) -> None:
    inspect = _function(request["inspect"])
    root, decode = request["root"], request["decode"]
    _send(results, [result_to_row(inspect(root, Task(*task), decode)) for task in request["tasks"]])


def _container(request: Mapping[str, Any], results: BinaryIO) -> None:
    from registry.ingest.reading.archive_works import Container, Skipped, inspect_container

    skipped, one_by_one = Skipped(), request["one_by_one"]

    def about_to(path: str) -> None:
        if one_by_one:
            _send(results, {"member": path})
        # Ends the process even where a decoder never comes back to Python.
        faulthandler.dump_traceback_later(request["seconds"], exit=True)

    rows: list[list[Any]] = []
    size = 0
    error = None
    try:
        for result in inspect_container(
            Container(*request["container"]),
            skipped,
            decode=request["decode"],
            skip=request["skip"],
            first_credentials=request["credentials"],
            about_to=about_to,
        ):
            faulthandler.cancel_dump_traceback_later()
            rows.append(result_to_row(result))
            size += len(result.embedded.xmp or b"") if isinstance(result, Work) and result.embedded else 0
            if one_by_one or len(rows) >= MEMBERS_AT_ONCE or size > LARGEST_ANSWER:
                _send(results, rows)
                rows, size = [], 0
    except InputError as found:
        error = str(found)
    _send(results, rows)
    _send(results, {"hidden": skipped.hidden, "error": error})


def _apply(request: Mapping[str, Any], results: BinaryIO) -> None:
    _send(results, list(_function(request["function"])(request["root"], request["items"])))


_HANDLERS: dict[str, Callable[[Mapping[str, Any], BinaryIO], None]] = {
    "files": _files,
    "container": _container,
    "apply": _apply,
}


def _function(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def _send(results: BinaryIO, answer: object) -> None:
    results.write(json.dumps(answer, separators=(",", ":")).encode() + b"\n")
    results.flush()


def result_to_row(result: Result) -> list[Any]:
    """A result as plain values; :func:`result_from_row` is the way back."""
    if isinstance(result, Work):
        row: list[Any] = ["work", result.path, result.sha256, result.byte_size, result.media_type]
        row += [result.width, result.height, result.pixel_mode]
        if result.embedded is not None or result.facts is not None:
            row += [result.embedded and result.embedded.to_json(), result.facts]
        return row
    if isinstance(result, KnownWork):
        return ["known", result.path, result.sha256]
    return ["refused", *asdict(result).values()]


def result_from_row(row: list[Any]) -> Result:
    """A result from plain values."""
    match row:
        case ["work", path, sha256, size, kind, width, height, mode, *rest]:
            embedded, facts = rest or (None, None)
            found = EmbeddedMetadata.from_json(embedded) if embedded else None
            return Work(path, sha256, size, kind, width, height, mode, found, facts)
        case ["known", path, sha256]:
            return KnownWork(path, sha256)
        case _:
            return Refusal(*row[1:])
