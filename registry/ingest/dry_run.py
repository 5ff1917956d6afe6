"""Dry runs: the registration itself, carried out on a copy of the registry that is then deleted.

    tried = dry_run_of_files(registry, lambda copy: register_folder(copy, folder, owners, now=now))

A dry run executes the code of the real registration, so the two cannot differ. A transaction that
is rolled back would not do: it would keep all changed rows in memory, lock the registry for as long
as the source is read (up to hours), and might enlarge the database file. The copy locks the
registry only while it is made. It needs as much disk as the registry, in the home's staging folder.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from registry.errors import RegistryError
from registry.home import Home
from registry.ingest.bulk import ListReport
from registry.ingest.lists import CANONICAL
from registry.ingest.registration import RegistrationReport
from registry.ingest.store.embedded import stored_embedded
from registry.metadata import EmbeddedMetadata
from registry.storage.database import Registry
from registry.works.queries import asset_rights_table

FIRST = 5
"""New works that a dry run lists in full."""
_EMBEDDED = (
    *("creator", "copyright_notice", "credit_line", "rights_url", "usage_terms", "title"),
    "digital_source_type",
)


@dataclass(frozen=True)
class NewWork:
    """A work that the registration would add."""

    path: str
    rightsholder: str | None = None
    licence: str | None = None
    title: str | None = None
    creator: str | None = None
    caption: str | None = None
    says: dict[str, str] = field(default_factory=dict)
    """The file's embedded metadata; its rights signals under the name of their protocol."""
    reason: str | None = None
    """Always None: refused files are in the findings."""


@dataclass(frozen=True)
class DryRun:
    """Result of the dry run of a registration of files."""

    report: RegistrationReport
    first: tuple[NewWork, ...]
    """The first new works, at most :data:`FIRST`."""

    @property
    def known(self) -> int:
        """Works that are registered already."""
        return self.report.unchanged + self.report.moved

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values: ``works`` are new, ``listed`` the works that they replace."""
        report = self.report.to_json()
        names = [
            *("data_set", "kind", "root", "files", "archives", "moved", "refused", "duplicates", "missing"),
            *("embedded", "signals", "conflicts", "hidden", "captioned", "counts", "findings"),
        ]
        counted = {"works": self.report.registered, "known": self.known, "listed": self.report.superseded}
        return {name: report[name] for name in names} | counted | {"first": [asdict(work) for work in self.first]}


def dry_run_of_files(registry: Registry, register: Callable[[Registry], RegistrationReport]) -> DryRun:
    """Carry out ``register`` on a copy of the registry and report the result.

    Raises:
        RegistryError: there is no room for the copy.
        InputError, UsageError: as ``register`` raises them.
    """
    with scratch_copy(registry) as copy:
        with copy.connection() as connection:
            newest = int(connection.execute("SELECT coalesce(max(id), -1) FROM asset").fetchall()[0][0])
        report = register(copy)
        first = _works_after(copy, newest)
    return DryRun(report, first)


@dataclass(frozen=True)
class ListDryRun:
    """Result of the dry run of a registration of a list."""

    report: ListReport
    first: tuple[Mapping[str, Any], ...]
    """The first new rows, at most :data:`FIRST`: ``row_number`` and canonical columns, or None."""


def dry_run_of_list(
    registry: Registry, register: Callable[[Registry, Callable[[pa.Table], object]], ListReport]
) -> ListDryRun:
    """As :func:`dry_run_of_files`; ``register`` also gets the ``on_rows`` of register_list.

    Raises:
        RegistryError: there is no room for the copy.
        InputError, UsageError: as ``register`` raises them.
    """
    first: list[Mapping[str, Any]] = []

    def keep_first(rows: pa.Table) -> None:
        kept = rows.slice(0, FIRST - len(first)).to_pylist()
        first.extend({name: row.get(name) for name in (*CANONICAL, "row_number")} for row in kept)

    with scratch_copy(registry) as copy:
        report = register(copy, keep_first)
    return ListDryRun(report, tuple(first))


@contextmanager
def scratch_copy(registry: Registry) -> Iterator[Registry]:
    """A copy of the registry in a home of its own, deleted at the end.

    Raises:
        RegistryError: it cannot be written: no room, or no rights.
    """
    home, place = registry.home, registry.staging_place
    with ExitStack() as stack:
        try:
            place.mkdir(parents=True, exist_ok=True)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=place, prefix="dry-run-")))
            # An open connection keeps other processes from writing to the file meanwhile.
            with registry.for_reading().connection():
                for source in (home.database, home.database.with_name(f"{home.database.name}.wal"), home.log_head):
                    if source.exists():
                        shutil.copyfile(source, folder / source.name)
        except OSError as error:
            raise RegistryError(
                f"a dry run works on a copy of the registry, which could not be written to {place}: "
                f"{error.strerror or error}; that folder must be writable and have {home.database.stat().st_size:,} bytes free"
            ) from error
        yield Registry(Home(folder), registry.lock_patience, registry.actor)


def _works_after(registry: Registry, newest: int) -> tuple[NewWork, ...]:
    """The first works with an id above ``newest``."""
    with registry.connection() as connection:
        rows = connection.execute("SELECT id FROM asset WHERE id > ? ORDER BY id LIMIT ?", [newest, FIRST]).fetchall()
        ids = [int(asset_id) for (asset_id,) in rows]
        embedded = stored_embedded(connection, pa.array(ids, pa.int64()))
        rights = {row["asset_id"]: row for row in asset_rights_table(connection, ids).to_pylist()}
    return tuple(_new_work(rights[asset_id], embedded.get(asset_id)) for asset_id in ids)


def _new_work(rights: Mapping[str, Any], embedded: EmbeddedMetadata | None) -> NewWork:
    says = {name: str(text) for name in _EMBEDDED if (text := getattr(embedded, name, None))}
    for signal in embedded.signals if embedded else ():
        text = f"{signal.category} {signal.use}"
        name = str(signal.protocol)
        says[name] = f"{says[name]}, {text}" if name in says else text
    stated = {name: rights[name] for name in ("path", "rightsholder", "licence", "title", "creator", "caption")}
    return NewWork(**stated, says=says)
