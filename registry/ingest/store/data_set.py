"""The data set of a source: found by its name, added with the source's first work."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from registry.errors import UsageError
from registry.event_log.events import Change, changing
from registry.storage.database import Registry
from registry.storage.tables import DataSet

_NAMED: Mapping[str, str] = MappingProxyType(
    {"folder": "the folder", "archive": "the archive", "shards": "the shards", "list": "the list"}
)


class SourceDataSet:
    """The data set that a registration adds to."""

    def __init__(self, registry: Registry, name: str, kind: str, root: Path, now: datetime) -> None:
        """Look it up.

        Raises:
            UsageError: the name belongs to another source.
        """
        self.name, self.kind, self.root, self.now = name, kind, root, now
        with changing(registry, now) as change:
            self.id = self._find(change)
            """None until it is added."""
            self.expected_id = change.next_id("data_set") if self.id is None else self.id
            """The present or future id: part of the identity of a work that is listed by path."""

    def add(self, change: Change) -> int:
        """Add the data set unless it is there; returns its id.

        Raises:
            UsageError: another process has used the name for another source, or the id that listed
                works were identified with.
        """
        if self.update(change) is None:
            self.id = change.next_id("data_set")
            self._check_id()
            row = DataSet(id=self.id, name=self.name, kind=self.kind, root=str(self.root), created_at=self.now)
            change.insert(row)
            after = {"kind": self.kind, "root": str(self.root)}
            change.record("data set added", f"data set {self.name}", after=after)
        assert self.id is not None  # noqa: S101 - it was added
        return self.id

    def update(self, change: Change) -> int | None:
        """Record a move of the source, if any; returns the data set's id, or None without one.

        Raises:
            UsageError: as for :meth:`add`.
        """
        self.id = self._find(change)
        if self.id is not None:
            self._check_id()
            moved = change.connection.execute(
                "SELECT root FROM data_set WHERE id = ? AND root <> ?", [self.id, str(self.root)]
            ).fetchone()
            if moved:
                change.connection.execute("UPDATE data_set SET root = ? WHERE id = ?", [str(self.root), self.id])
                before, after = {"root": moved[0]}, {"root": str(self.root)}
                change.record("data set moved", f"data set {self.name}", before=before, after=after)
        return self.id

    def _find(self, change: Change) -> int | None:
        row = change.connection.execute("SELECT id, root, kind FROM data_set WHERE name = ?", [self.name]).fetchone()
        if row is None:
            return None
        number, root, kind = row
        of_another_kind = self.kind == "list" and kind != "list"
        if root != str(self.root) and (of_another_kind or Path(root).exists()):
            raise UsageError(
                f"the data set {self.name!r} is {_NAMED.get(kind, kind)} {root}; give {_NAMED.get(self.kind, self.kind)} "
                f"{self.root} another name with --data-set"
            )
        return int(number)

    def _check_id(self) -> None:
        if self.kind == "list" and self.id != self.expected_id:
            raise UsageError("another process has added a data set meanwhile; nothing was lost: run the command again")


def name_of_archive(registry: Registry, path: Path) -> str:
    """The name of an archive's data set: as it was registered before, else its whole file name.

    The whole name, because ``good.zip`` and ``good.tar.gz`` are two sources.
    """
    with registry.connection() as connection:
        row = connection.execute(
            "SELECT name FROM data_set WHERE kind = 'archive' AND root = ? ORDER BY id LIMIT 1", [str(path)]
        ).fetchone()
    return str(row[0]) if row else path.name
