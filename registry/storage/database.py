"""The registry's handle on its DuckDB file, and the only place that opens it.

While one process has the file open, no other process can open it, not even to read. So a connection
lives as long as one ``with`` block, without a pool, and a process that finds the file locked waits
before it reports the holder. Worker processes never open the registry: they write files, which
their parent registers.

    registry = Registry.open(Home(Path("creditline-home")))
    with registry.session() as session:          # small tables, through the models
        session.add(row)
    with registry.connection() as connection:    # works and units, in bulk through Arrow
        connection.execute("SELECT count(*) FROM asset")
    with registry.reading() as connection:       # SQL written by people
        connection.execute("SELECT * FROM work")

Opening imports DuckDB alone: importing the ORM takes longer than filtering ten million works.
"""

from __future__ import annotations

import getpass
import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import duckdb

from registry.errors import (
    CreditlineError,
    InputError,
    LockedRegistryError,
    NotFoundError,
    ReadOnlyRegistryError,
    RegistryError,
    SchemaVersionError,
)
from registry.home import FREE_SPACE, Home, scratch_folder
from registry.storage.memory import MEMORY_VARIABLE, memory_limit
from registry.storage.relation_names import SCHEMA_VERSION, TABLES, VIEWS

if TYPE_CHECKING:
    from duckdb_sqlalchemy import ConnectionWrapper
    from sqlalchemy import Engine
    from sqlmodel import Session

LOCK_PATIENCE = 3.0
"""Seconds to wait for another process to release the registry. A transaction takes far less."""

LONG_PATIENCE = 600.0
""":data:`LOCK_PATIENCE` of a job with hours of work to register."""

READING_MEMORY = "2GB"
"""Memory limit of a query written by people; the rest goes to a temporary folder."""

READING_SCRATCH = "20GB"
"""Size limit of that folder."""

ACTOR_VARIABLE = "CREDITLINE_ACTOR"

_LOCK_HOLDER = re.compile(r"held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")
# DuckDB's errors about the file. Any other error is a defect of creditline and stays a traceback.
_FILE_FAULTS = (duckdb.IOException, duckdb.FatalException, duckdb.InternalException, duckdb.SerializationException)
_PROTECTED = re.compile(r"permission denied|read-only (?:file system|mode)", re.IGNORECASE)
_FULL = re.compile(
    r"no space left|quota exceeded|file too large|could not (?:write|truncate|sync|allocate)", re.IGNORECASE
)
# A commit on a full disk fails with an error about the transaction.
_FULL_OR_PROTECTED = re.compile(f"{_PROTECTED.pattern}|{_FULL.pattern}", re.IGNORECASE)


def current_actor() -> str:
    """The name for the log: ``CREDITLINE_ACTOR`` if set, else the user's name here."""
    try:
        return os.environ.get(ACTOR_VARIABLE, "").strip() or getpass.getuser()
    except (KeyError, OSError):  # a process may run under a user id without a user
        return f"user {os.getuid()}" if hasattr(os, "getuid") else "unknown"


@dataclass(frozen=True)
class Registry:
    """The registry of one home. Holds no connection and no lock, so it can be passed around."""

    home: Home
    lock_patience: float = field(default=LOCK_PATIENCE, compare=False)
    """Seconds to wait while another process holds the file."""
    actor: str = field(default_factory=current_actor, compare=False)
    """The name that the log records."""
    read_only: bool = field(default=False, compare=False)
    """Open for reading only, which several processes can do at once."""

    @classmethod
    def open(cls, home: Home, *, lock_patience: float = LOCK_PATIENCE, read_only: bool = False) -> Registry:
        """The registry in ``home``; ``read_only``: see :meth:`for_reading`.

        Raises:
            NotFoundError: there is none.
            LockedRegistryError: another process holds it.
            SchemaVersionError: it was written by another schema version.
            RegistryError: it is damaged, or no registry of creditline.
        """
        registry = cls(home, lock_patience, read_only=read_only)
        registry.check_schema()
        return registry

    @property
    def writable(self) -> bool:
        """Whether this process may write the file, and the folder, which gets DuckDB's journal.

        A copy that can only be read, such as an auditor's, is opened for reading.
        """
        return not self.read_only and os.access(self.home.database, os.W_OK) and os.access(self.home.root, os.W_OK)

    def check_writable(self) -> None:
        """Check that changes can be recorded here; call it before long work.

        Raises:
            ReadOnlyRegistryError: the home can only be read.
        """
        if self.home.has_registry() and not self.writable:
            raise ReadOnlyRegistryError(
                f"{self.home.root} can only be read here, and this command records changes in it: run it where the home "
                "can be written, or on a copy that you may write (cp -r, then chmod -R u+w)"
            )

    @property
    def staging_place(self) -> Path:
        """The place for temporary files; the system's folder if the home can only be read."""
        return self.home.staging if self.writable else Path(tempfile.gettempdir())

    def patient(self) -> Registry:
        """This registry for a job of hours: it waits longer for the lock."""
        return replace(self, lock_patience=LONG_PATIENCE)

    def for_reading(self) -> Registry:
        """This registry for processes that read side by side while none writes."""
        return replace(self, read_only=True)

    def check_schema(self) -> None:
        """Check for the tables and views of this version. Raises as :meth:`open` does."""
        with self._transaction() as connection:
            relations = relation_names(connection)
            found = self._version(connection, relations)
        if found > SCHEMA_VERSION:
            raise SchemaVersionError(
                f"{self.home.database} has schema {found}, this creditline reads schema {SCHEMA_VERSION}; "
                "install a newer creditline"
            )
        if found < SCHEMA_VERSION:
            raise SchemaVersionError(
                f"{self.home.database} has schema {found}, this creditline reads schema {SCHEMA_VERSION}; "
                f"run `creditline migrate --home {self.home.root}` (it keeps a copy)"
            )
        for kind, missing, advice in (
            ("table", TABLES - relations, "it is damaged; restore it from a copy"),
            (
                "view",
                VIEWS - relations,
                f"run `creditline migrate --home {self.home.root}`, which makes the views anew",
            ),
        ):
            if missing:
                raise RegistryError(f"{self.home.database} lacks the {kind} {min(missing)!r}: {advice}")

    def schema_version(self) -> int:
        """The version that the file states, any version. Raises as :meth:`open` does otherwise."""
        with self._transaction() as connection:
            return self._version(connection, relation_names(connection))

    def _version(self, connection: duckdb.DuckDBPyConnection, relations: set[str]) -> int:
        row = (
            connection.execute("SELECT max(version) FROM schema_version").fetchone()
            if "schema_version" in relations
            else None
        )
        if row is None or row[0] is None:
            raise RegistryError(
                f"{self.home.database} is a DuckDB file but no registry of creditline; choose another --home"
            )
        return int(row[0])

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session on the small tables: commits at the end, rolls back on an error, then closes.

        Rows stay readable after the block, because nothing expires.
        """
        from sqlmodel import Session

        with self.translated(), Session(self.engine, expire_on_commit=False) as session:
            yield session
            session.commit()

    @contextmanager
    def connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A DuckDB connection in one transaction: commits at the end, rolls back on an error."""
        with self._transaction() as connection:
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self.translated():
            connection = self._connect()
            try:
                connection.begin()
                yield connection
                connection.commit()
            finally:
                connection.close()

    @contextmanager
    def reading(self, *, memory: str = READING_MEMORY) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for SQL written by people: it only reads, and reads only the registry.

        It cannot write this file, touch any other file, load an extension, read variables of this
        process or change these settings. Results beyond ``memory`` go to a temporary folder.
        """
        with self.translated(), scratch_folder() as scratch:
            settings = {
                "enable_external_access": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "allow_community_extensions": False,
                "python_enable_replacements": False,
                "memory_limit": memory,
                "temp_directory": str(scratch),
                "max_temp_directory_size": READING_SCRATCH,
            }
            connection = self._connect(read_only=True, settings=settings)
            try:
                connection.execute("SET lock_configuration = true")
                yield connection
            finally:
                connection.close()

    @cached_property
    def engine(self) -> Engine:
        from duckdb_sqlalchemy import ConnectionWrapper
        from sqlalchemy import URL, create_engine, event
        from sqlalchemy.pool import NullPool

        engine = create_engine(URL.create("duckdb", database=str(self.home.database)), poolclass=NullPool)

        # Sessions and bulk connections open the file alike: a process has one configuration.
        @event.listens_for(engine, "do_connect")
        def _open(*_: Any) -> ConnectionWrapper:
            return ConnectionWrapper(self._connect())

        return engine

    def _connect(
        self, *, read_only: bool = False, settings: Mapping[str, Any] = MappingProxyType({})
    ) -> duckdb.DuckDBPyConnection:
        # DuckDB would make an empty file.
        if not self.home.has_registry():
            raise NotFoundError(f"no registry in {self.home.root}; run `creditline init --home {self.home.root}`")
        options = dict(settings)
        memory = None if "memory_limit" in options else memory_limit()
        if not self.writable:
            read_only = True
            # By default, large queries would use a folder in the home.
            options.setdefault("temp_directory", str(Path(tempfile.gettempdir()) / f"creditline-{os.getpid()}"))
        deadline = time.monotonic() + self.lock_patience
        wait = 0.01
        while True:
            try:
                connection = duckdb.connect(str(self.home.database), read_only=read_only, config=options)
                break
            except duckdb.IOException as error:
                if "lock" not in str(error) or time.monotonic() + wait > deadline:
                    raise
                time.sleep(wait)
                wait = min(2 * wait, 0.25)
        connection.execute("SET TimeZone = 'UTC'")
        if memory is not None:
            connection.execute(f"SET memory_limit = '{memory}'")
        # DuckDB takes a process without a script for a terminal, and draws on stdout.
        connection.execute("SET enable_progress_bar = false")
        return connection

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the driver's errors about the file into ours."""
        try:
            yield
        except Exception as error:
            if _lacks_memory(error):
                raise InputError(
                    f"DuckDB ran out of the memory that it may use for the registry: set {MEMORY_VARIABLE} to more, such as 4GB"
                ) from error
            fault = getattr(error, "orig", error)  # the ORM wraps the driver's error
            if isinstance(fault, _FILE_FAULTS) or (
                isinstance(fault, duckdb.Error) and _FULL_OR_PROTECTED.search(str(fault))
            ):
                raise _translate(fault, self.home.database) from error
            raise


def driver_of(session: Session) -> duckdb.DuckDBPyConnection:
    """DuckDB's own connection below a session, for bulk work in the same transaction."""
    return session.connection().connection.driver_connection  # type: ignore[return-value]  # the wrapper acts as DuckDB's


def relation_names(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Names of the tables and of creditline's views."""
    rows = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() "
        "UNION ALL SELECT view_name FROM duckdb_views() WHERE database_name = current_database() AND NOT internal"
    )
    return {str(name) for (name,) in rows.fetchall()}


def _lacks_memory(error: BaseException) -> bool:
    """Whether DuckDB's memory ran out; what is cleaned up after that raises further errors."""
    found: BaseException | None = error
    if isinstance(error, CreditlineError):
        return False
    while found is not None:
        if isinstance(found, duckdb.OutOfMemoryException):
            return True
        found = found.__context__
    return False


def _translate(error: BaseException, path: Path) -> RegistryError:
    message = str(error).splitlines()[0]
    if "Could not set lock" in message:
        holder = _LOCK_HOLDER.search(message)
        who = f"process {holder['pid']} ({holder['program']})" if holder else "another process"
        return LockedRegistryError(
            f"the registry {path} is in use by {who}; wait until it ends or stop it, then try again"
        )
    if "not a valid DuckDB database file" in message:
        return RegistryError(
            f"{path} is not a registry: no DuckDB file; restore it from a copy or choose another --home"
        )
    if _PROTECTED.search(message):
        return ReadOnlyRegistryError(
            f"{path} cannot be opened for writing here: {message}; make it and its folder writable"
        )
    if _FULL.search(message):
        return RegistryError(f"the registry {path} cannot be written: {message}; nothing was changed: {FREE_SPACE}")
    return RegistryError(f"the registry {path} cannot be used: {message}; restore it from a copy")
