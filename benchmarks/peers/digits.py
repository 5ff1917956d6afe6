"""Write scikit-learn's 8x8 digits as an npz: ``python -m benchmarks.peers.digits OUT``."""

from __future__ import annotations

import sys

import numpy as np
from sklearn.datasets import load_digits

if __name__ == "__main__":
    digits = load_digits()
    np.savez(sys.argv[1], images=digits.images, target=digits.target)
