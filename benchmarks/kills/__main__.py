"""Runs the benchmark."""

from __future__ import annotations

import sys

from benchmarks.kills import main

sys.exit(main())
