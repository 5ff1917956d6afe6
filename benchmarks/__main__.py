"""Run every benchmark that needs no data, one after another: ``python -m benchmarks``. Exit status
1 if a claim does not hold.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks


def main() -> int:
    """Run the ``main`` of every module that has one, in order of name."""
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
