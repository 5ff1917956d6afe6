"""Writes a table with its stamp, and reads its facts again for the check.

    written = export_table(registry, "works", Path("works.parquet"), now)

The stamp, at the beginning of the file, covers all rows. So the rows are read once, kept on disk
while they are hashed, and written from there: memory holds one batch at a time.

A table's facts are its number of rows and the SHA-256 of the table as JSON lines, whatever the
file's format. Any reader of the table can compute both.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from registry.basis.check import checked_head
from registry.basis.rows import RIGHTS_EVENTS, Basis
from registry.errors import NotFoundError, UsageError
from registry.export.files import check_suffix, write_listing, write_rows
from registry.home import scratch_folder, write_bytes_atomically, writing
from registry.ids import sha256_of_file
from registry.outputs.evaluations import EVENT as EVALUATED
from registry.outputs.joint_tests import EVENT as JOINT
from registry.outputs.queries import audits_in_order
from registry.storage.database import Registry, driver_of
from reports.issuing.issue import Issued, record_issue
from reports.issuing.stamp import PARQUET_KEY, Stamp, beside, stamp_file, stamp_of
from reports.outputs import candidates_table
from reports.outputs.selection import newest_audits
from reports.rendering.columns import VERSION, Table
from reports.signatures.signing import Signing, write_proofs
from reports.tables import audits, statements, works

TABLES: dict[str, Table] = {
    each.name: each for each in (candidates_table.TABLE, works.TABLE, audits.TABLE, statements.TABLE)
}
ALL, NEWEST = "all", "newest audits"
"""The subject of a table in its stamp."""
_STAMPED = (".json", ".parquet")
"""Formats with a place for the stamp."""
_KEPT = 16_384
"""Rows written at a time from the kept file."""


@dataclass(frozen=True)
class TableFacts:
    """The facts under the stamp, and the audits that could not be read."""

    rows: int
    sha256: str
    """SHA-256 of the table as JSON lines."""
    unread: tuple[str, ...]
    """Audits missing from the table, each with the reason."""

    def plain(self) -> dict[str, object]:
        """The facts in the form of the stamp."""
        return {"rows": self.rows, "sha256": self.sha256, "unread": list(self.unread)}


@dataclass(frozen=True)
class WrittenTable:
    """The files of a table."""

    path: Path
    files: tuple[Path, ...]
    """The table, and the file of its stamp if the format has no place for one."""
    stamp: Stamp
    facts: TableFacts


@dataclass
class _Opened:
    """A connection, and the reader of a table's rows, which has not begun to read."""

    connection: duckdb.DuckDBPyConnection
    read: Callable[[], pa.RecordBatchReader]
    unread: list[str] = field(default_factory=list)
    """Complete once the rows are read."""


def export_table(
    registry: Registry, name: str, path: Path, now: datetime.datetime, *, all_audits: bool = False
) -> WrittenTable:
    """Write a table in the format of the suffix; ``all_audits``: not only the newest.

    Raises:
        UsageError: the suffix names no format, or the folder does not exist.
        InputError: the file cannot be written.
        IntegrityError: the log is not whole.
    """
    registry.check_writable()
    check_suffix(path)
    if path.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder; expected a file's name (nothing was written)")
    table, subject = TABLES[name], ALL if all_audits or name != candidates_table.TABLE.name else NEWEST
    signing = Signing.of(registry)
    with scratch_folder(path.parent, ".table-") as folder, writing(path):
        kept, made = folder / "rows.parquet", folder / f"made-{path.name}"
        with _opened(registry, name, subject) as opened:
            head = checked_head(opened.connection, registry.home, _basis(opened.connection, name))
            facts = _facts(table, opened, kept)
            stamp = stamp_of(table.kind, subject, facts.plain(), now, head, signing)
        _write(table, kept, made, stamp)
        sha256, proofs = sha256_of_file(made), signing.proofs_of(made)
        made.replace(path)
        write_proofs(path, proofs)
    files = [path]
    if path.suffix.lower() not in _STAMPED:
        write_bytes_atomically(beside(path), stamp_file(stamp, sha256))
        files.append(beside(path))
    record_issue(registry, [Issued(path.name, sha256, stamp.kind, stamp.subject, stamp.facts_sha256)], now)
    return WrittenTable(path, tuple(files), stamp, facts)


def facts_again(name: str) -> Callable[[Registry, str], object]:
    """Reader of a table's facts; see :data:`reports.checking.document_types.KINDS`."""

    def read(registry: Registry, subject: str) -> object:
        if subject not in (ALL, NEWEST):
            raise NotFoundError(f"there is no table of {subject[:60]!r}")
        with _opened(registry, name, subject) as opened:
            return _facts(TABLES[name], opened).plain()

    return read


def _basis(connection: duckdb.DuckDBPyConnection, name: str) -> Basis:
    """All rows of the tables' kind: each table is about everything."""
    audits, ensembles = (
        [str(each) for (each,) in connection.execute(f"SELECT id FROM {table} ORDER BY id").fetchall()]  # noqa: S608 - our tables
        for table in ("audit", "ensemble")
    )
    events = (*RIGHTS_EVENTS, "withdrawn", "certificate made", JOINT)
    if name == works.TABLE.name:
        return Basis(works="all", ensembles=ensembles, events=events)
    if name == statements.TABLE.name:
        return Basis(works="all", audits=audits, ensembles=ensembles, events=events)
    return Basis(audits=audits, events=(*RIGHTS_EVENTS, EVALUATED))


@contextmanager
def _opened(registry: Registry, name: str, subject: str) -> Iterator[_Opened]:
    """The rows of a table, from one transaction."""
    if name == candidates_table.TABLE.name:
        with registry.session() as session:
            unread: list[str] = []

            def candidates() -> pa.RecordBatchReader:
                every = [audit for audit, _ in audits_in_order(session)]
                chosen = every if subject == ALL else newest_audits(session)
                facts = candidates_table.read_in_parts(session, registry.home, chosen, unread)
                return candidates_table.candidate_rows(facts)

            yield _Opened(driver_of(session), candidates, unread)
        return
    read = {"works": works.work_rows, "audits": audits.audit_rows, "statements": statements.statement_rows}[name]
    with registry.connection() as connection:
        yield _Opened(connection, lambda: read(connection))


def _facts(table: Table, opened: _Opened, keep: Path | None = None) -> TableFacts:
    """Read and hash all rows, and keep them in the Parquet file ``keep``, if given."""
    hashed = _Hashed()

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in opened.read():
            one = pa.RecordBatchReader.from_batches(batch.schema, [batch])
            write_rows(one, cast(BinaryIO, hashed), ".jsonl", documents=table.documents)
            yield batch

    rows = 0
    if keep is None:
        rows = sum(batch.num_rows for batch in batches())
    else:
        rows = write_listing(pa.RecordBatchReader.from_batches(table.arrow(), batches()), keep)
    return TableFacts(rows, hashed.sha256.hexdigest(), tuple(opened.unread))


@dataclass
class _Hashed:
    """A file that keeps only its hash."""

    sha256: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return len(data)


def _write(table: Table, kept: Path, path: Path, stamp: Stamp) -> None:
    with pq.ParquetFile(kept) as file:
        # Not the kept file's own schema: Parquet readers name the items of lists in their own way.
        schema = table.arrow().with_metadata({PARQUET_KEY: stamp.to_json().encode()})
        batches = (batch.cast(schema) for batch in file.iter_batches(_KEPT))
        write_listing(
            pa.RecordBatchReader.from_batches(schema, batches),
            path,
            documents=table.documents,
            head={"creditline": table.document, "version": VERSION, "stamp": stamp.model_dump(mode="json")},
            cell_limit=candidates_table.CELL_LIMIT,
        )
