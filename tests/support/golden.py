"""Golden files: rendered output is compared byte for byte with output that a person has checked.

UPDATE_GOLDEN=1 pytest tests/reports      writes them anew; look at the difference first
"""

from __future__ import annotations

import os
from pathlib import Path


def check_golden(path: Path, found: bytes) -> None:
    """Fail unless ``found`` equals the content of ``path``."""
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(found)
    assert found.decode() == path.read_bytes().decode(), f"{path.name} differs from what was kept"
