"""A registry that is made on a full disk."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import pytest

from registry.errors import RegistryError
from registry.home import Home
from registry.schema.create import create_registry


def test_a_full_disk_leaves_no_half_registry(tmp_path: Path) -> None:
    """The error asks for space; with space, the same home is made."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(RegistryError, match="free some space"):
            create_registry(Home(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert not Home(tmp_path).database.exists()
    assert create_registry(Home(tmp_path)).schema_version()
