"""Golden files: what is rendered is compared byte for byte with what was looked at and kept.

UPDATE_GOLDEN=1 pytest tests/reports      writes them anew; look at the difference before you keep it
"""

from __future__ import annotations

import os
from pathlib import Path


def check_golden(path: Path, found: bytes) -> None:
    """Fail unless ``found`` is what ``path`` holds."""
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(found)
    assert found.decode() == path.read_bytes().decode(), f"{path.name} differs from what was kept"
