"""The experiments of the method's papers, at sizes that one core allows.

``docs/reproduction.md`` reads their results. Run one experiment by ``python -m
benchmarks.papers.<name> --data FOLDER``, or all by ``python -m benchmarks.papers``. Experiments
keep and share trained members.
"""

from __future__ import annotations

import importlib
import pkgutil

from registry.errors import MissingPartError


def main() -> int:
    """Run every experiment with its defaults; 1 if an expectation does not hold."""
    failed = []
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        if module.startswith("e") and module[1:3].isdigit():
            print(f"==> {module}", flush=True)
            try:
                if importlib.import_module(f"benchmarks.papers.{module}").main():
                    failed.append(module)
            except MissingPartError as error:
                print(f"not run: {error}")
    if failed:
        print(f"expectations that do not hold: {', '.join(failed)}")
    return bool(failed)
