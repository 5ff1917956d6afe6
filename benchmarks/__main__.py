"""Runs every benchmark that needs no arguments: ``python -m benchmarks``.

Those that need some (pictures, weights, a finished home) are left out, and named at the end. Exits
with 1 if a claim fails.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec

from registry.errors import CreditlineError, MissingPartError

BAD_INPUT = 2
"""The status with which argparse ends a program that lacks an argument."""


def main() -> int:
    """Run every benchmark's ``main`` without arguments, in order of name."""
    failed: list[str] = []
    not_run: list[str] = []
    left_out: list[str] = []
    for name in benchmarks_in("benchmarks"):
        run = getattr(importlib.import_module(name), "main", None)
        if run is None:
            continue
        shown = name.removeprefix("benchmarks.").removesuffix(".__main__")
        print(f"==> {shown}", flush=True)
        sys.argv = sys.argv[:1]
        try:
            if run():
                failed.append(shown)
        except SystemExit as stop:
            if stop.code != BAD_INPUT:
                raise
            left_out.append(shown)
            print("left out: it needs arguments", flush=True)
        except (MissingPartError, ImportError) as error:
            not_run.append(shown)
            print(f"not run: {error}", flush=True)
        except CreditlineError as error:
            failed.append(shown)
            print(f"failed: {error}", flush=True)
    for what, names in (
        ("left out, as they need arguments", left_out),
        ("not run, as a part is missing", not_run),
        ("claims that do not hold", failed),
    ):
        if names:
            print(f"{what}: {', '.join(names)}")
    return bool(failed)


def benchmarks_in(package: str) -> Iterator[str]:
    """Names of all modules that may be benchmarks.

    A folder that runs by its name is one benchmark; of any other folder, every module may be one.
    """
    for info in sorted(pkgutil.iter_modules(importlib.import_module(package).__path__), key=lambda info: info.name):
        name = f"{package}.{info.name}"
        if not info.ispkg and info.name != "__main__":
            yield name
        elif info.ispkg and find_spec(f"{name}.__main__"):
            yield f"{name}.__main__"
        elif info.ispkg:
            yield from benchmarks_in(name)


if __name__ == "__main__":
    sys.exit(main())
