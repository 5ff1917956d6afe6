"""Runs the benchmark."""

from __future__ import annotations

import sys

from benchmarks.speed import main

sys.exit(main())
