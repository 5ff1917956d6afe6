"""Runs every benchmark without data: ``python -m benchmarks``; exits with 1 if a claim fails."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks


def main() -> int:
    """Run every module's ``main``, in order of name."""
    failed = []
    for module in sorted(info.name for info in pkgutil.iter_modules(benchmarks.__path__)):
        run = getattr(importlib.import_module(f"benchmarks.{module}"), "main", None)
        if run is None or module == "__main__":
            continue
        print(f"==> {module}", flush=True)
        if run():
            failed.append(module)
    if failed:
        print(f"claims that do not hold: {', '.join(failed)}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
