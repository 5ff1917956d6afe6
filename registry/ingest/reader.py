"""What a process for reading does: for every line of tasks on stdin, a line of results on stdout, until stdin ends."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from registry.ingest.inspection import KnownWork, Refusal, Result, Task, Work

READY = b"ready\n"
_KINDS: dict[str, type[Work] | type[KnownWork] | type[Refusal]] = {
    kind.__name__: kind for kind in (Work, KnownWork, Refusal)
}


def run() -> None:
    """Serve: the command's last three arguments are the folder, ``module:function`` to inspect with, and ``decode``."""
    # An interruption reaches every process of the terminal; the parent is the one that ends things.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    folder, name, decode = sys.argv[-3:]
    module, _, function = name.partition(":")
    inspect = getattr(importlib.import_module(module), function)
    # Results have a descriptor of their own: whatever a decoder prints must not get among them.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as results:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        results.write(READY)
        results.flush()
        for line in sys.stdin.buffer:
            found = [inspect(Path(folder), Task(**facts), bool(decode)) for facts in json.loads(line)]
            results.write(json.dumps([result_to_json(result) for result in found]).encode() + b"\n")
            results.flush()


def result_to_json(result: Result) -> dict[str, Any]:
    """A result as plain values; :func:`result_from_json` is the way back."""
    return {"kind": type(result).__name__, **asdict(result)}


def result_from_json(facts: dict[str, Any]) -> Result:
    """A result from plain values."""
    return _KINDS[facts["kind"]](**{name: value for name, value in facts.items() if name != "kind"})
