"""Runs the benchmark."""

from __future__ import annotations

import sys

from benchmarks.kills import main

if __name__ == "__main__":
    sys.exit(main())
