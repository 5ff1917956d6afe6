"""The tables and views of a registry, and those of an empty one, to find alterations."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import duckdb

from registry.home import Home
from registry.schema.create import create_registry


@cache
def relations_made_anew() -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """The column types of every table and the definition of every view in an empty registry."""
    with (
        tempfile.TemporaryDirectory(prefix="creditline-") as folder,
        create_registry(Home(Path(folder) / "home")).connection() as connection,
    ):
        return relations_of(connection)


def relations_of(connection: duckdb.DuckDBPyConnection) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """By table, the types of its columns; by view, its definition. Both as DuckDB writes them."""
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
