"""Making an empty registry, and the tables and views that every registry must have."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import Any

import duckdb

from registry.errors import InputError
from registry.home import Home, lacks_space, scratch_folder
from registry.schema.views import create_views
from registry.storage.database import LOCK_PATIENCE, Registry, relation_names
from registry.storage.relation_names import SCHEMA_VERSION


def create_registry(home: Home, *, now: datetime | None = None, lock_patience: float = LOCK_PATIENCE) -> Registry:
    """Make an empty registry in ``home``, or return the one that is there.

    Raises:
        InputError: the folder cannot be made.
        SchemaVersionError: there is a registry of another schema version.
        RegistryError: the file there is damaged, or no registry of creditline.
    """
    try:
        home.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {home.root}: {error.strerror}; choose another --home") from error
    registry = Registry(home, lock_patience)
    if not home.has_registry():
        with registry.translated():
            try:
                duckdb.connect(str(home.database)).close()
            except duckdb.IOException as error:
                if lacks_space(error):
                    # Half a file would be taken for a damaged registry.
                    home.database.unlink(missing_ok=True)
                raise
    with registry.connection() as connection:
        empty = not relation_names(connection)
    if empty:
        _create_schema(registry, now or datetime.now(UTC))
    registry.check_schema()
    return registry


def _create_schema(registry: Registry, now: datetime) -> None:
    """Make all tables and views in one transaction, unless another process has made them since.

    A process that is killed here leaves an empty file, which the next run fills.
    """
    from sqlalchemy import insert
    from sqlmodel import SQLModel

    from registry.storage.tables import SchemaVersion

    with registry.translated(), registry.engine.begin() as connection:
        driver: Any = connection.connection.driver_connection
        if relation_names(driver):
            return
        SQLModel.metadata.create_all(connection)
        first = {"version": SCHEMA_VERSION, "applied_at": now, "applied_by": version("creditline")}
        connection.execute(insert(SchemaVersion), first)
        create_views(driver)


@cache
def relations_made_anew() -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """The column types of every table and the definition of every view in an empty registry."""
    with (
        scratch_folder() as folder,
        create_registry(Home(folder / "home")).connection() as connection,
    ):
        return relations_of(connection)


def relations_of(connection: duckdb.DuckDBPyConnection) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """The column types of each table and the definition of each view, as DuckDB writes them."""
    tables: dict[str, dict[str, str]] = {}
    for name, column, kind in connection.execute(
        "SELECT table_name, column_name, data_type || CASE WHEN is_nullable THEN '' ELSE ' NOT NULL' END "
        "FROM duckdb_columns() WHERE database_name = current_database() "
        "AND table_oid IN (SELECT table_oid FROM duckdb_tables() WHERE database_name = current_database())"
    ).fetchall():
        tables.setdefault(str(name), {})[str(column)] = str(kind)
    views = connection.execute(
        "SELECT view_name, sql FROM duckdb_views() WHERE database_name = current_database() AND NOT internal"
    ).fetchall()
    return tables, {str(name): str(definition) for name, definition in views}
