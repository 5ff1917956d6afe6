"""Runs commands as forks of a process that has imported everything.

A kill then strikes a command at its work, and no time goes into imports. The process itself
computes nothing, so that a fork is as good as a new process. It reads requests and writes answers
as lines of JSON: {"home", "arguments", "out", "err"} gives {"pid"}, and later {"status"}.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys

import cli.commands
from cli.main import main

HEAVY = ("attribution.denoisers.libraries", "duckdb", "pyarrow.parquet", "sqlmodel", "torch")


def import_everything() -> None:
    """Import every command, and the libraries that commands import when they run."""
    for module in pkgutil.walk_packages(cli.commands.__path__, "cli.commands."):
        importlib.import_module(module.name)
    for name in HEAVY:
        importlib.import_module(name)
    from attribution.denoisers.libraries import diffusers, peft, transformers

    for load in (diffusers, transformers, peft):
        load()


def run_here(request: dict[str, str]) -> None:
    """Be the command: in a session of its own, with its own streams and home."""
    os.setsid()
    for descriptor, path in ((0, os.devnull), (1, request["out"]), (2, request["err"])):
        flags = os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(path, flags, 0o600), descriptor)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in enumerate("rww"))
    os.environ["CREDITLINE_HOME"] = request["home"]
    sys.argv = ["creditline", *request["arguments"]]
    status = 70
    try:
        main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def serve() -> None:
    """Answer requests until stdin ends."""
    import_everything()
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if not pid:
            run_here(request)
        print(json.dumps({"pid": pid}), file=answers, flush=True)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), file=answers, flush=True)


if __name__ == "__main__":
    serve()
