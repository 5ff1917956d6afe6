"""The doctor reads licences again, as this release does."""

from __future__ import annotations

from pathlib import Path

from registry.doctor import Severity, examine
from registry.ingest.owners.declarations import OneOwner
from registry.storage.database import Registry
from tests.support.works import register, write_pictures


def test_a_licence_that_was_read_less_strictly_is_a_warning(registry: Registry, folder: Path) -> None:
    """A former release dropped the words behind an address; the row that it wrote still counts."""
    address = "https://creativecommons.org/licenses/by/4.0/ no AI training"
    register(registry, write_pictures(folder, ["a.png"]), OneOwner("Ada", address))
    assert "readings" not in {finding.check for finding in examine(registry, quick=True).findings}
    with registry.connection() as connection:
        connection.execute("UPDATE licence SET training = 'permitted'")
    found = [finding for finding in examine(registry, quick=True).findings if finding.check == "readings"]
    assert [(finding.severity, finding.where) for finding in found] == [(Severity.WARNING, "licence 0")]
    assert "was read as permitted; its words are prohibited" in found[0].what
