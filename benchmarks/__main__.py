"""Run every benchmark, one after another: ``python -m benchmarks``. Exits 1 if a claim does not
hold.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks


def main() -> int:
    """Run what has a ``main``, in order of name."""
    failed = []
    for module in sorted(info.name for info in pkgutil.iter_modules(benchmarks.__path__)):
        if module in {"__main__", "corpus", "record", "small_ensemble"}:
            continue
        print(f"==> {module}", flush=True)
        if importlib.import_module(f"benchmarks.{module}").main():
            failed.append(module)
    if failed:
        print(f"claims that do not hold: {', '.join(failed)}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
