"""``python -m benchmarks.papers``."""

import sys

from benchmarks.papers import main

if __name__ == "__main__":
    sys.exit(main())
