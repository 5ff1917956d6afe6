"""From one schema version to the next: ordered steps in one transaction, after a copy was made.

A registry is evidence, and may be opened years later. A released step never changes. DuckDB's
schema changes are transactional, so a step that fails leaves the registry as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import duckdb

from registry.errors import RegistryError, SchemaVersionError
from registry.event_log.divide import divide_seals
from registry.schema.create import relations_made_anew, relations_of
from registry.schema.views import create_views
from registry.storage.database import Registry
from registry.storage.relation_names import SCHEMA_VERSION


@dataclass(frozen=True)
class Step:
    """The change from the schema before to ``version``."""

    version: int
    description: str
    apply: Callable[[duckdb.DuckDBPyConnection], object]


def _codes_by_format(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TABLE encoding_codes (encoding_id VARCHAR NOT NULL, code_format INTEGER NOT NULL, extends VARCHAR, "
        '"within" VARCHAR, support INTEGER, attempt INTEGER, PRIMARY KEY (encoding_id))'
    )
    connection.execute(
        "CREATE TABLE unit_group (encoding_id VARCHAR NOT NULL, number BIGINT NOT NULL, key VARCHAR, "
        "label VARCHAR NOT NULL, support UBIGINT NOT NULL, slots BIGINT NOT NULL)"
    )
    connection.execute(
        "CREATE TABLE unit_slot (encoding_id VARCHAR NOT NULL, unit_number BIGINT NOT NULL, "
        "group_number BIGINT NOT NULL, place BIGINT NOT NULL)"
    )


def _base_models(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TABLE base_model (id VARCHAR NOT NULL, pipeline VARCHAR NOT NULL, family VARCHAR NOT NULL, "
        "prediction VARCHAR NOT NULL, schedule JSON NOT NULL, latents JSON NOT NULL, tokens INTEGER NOT NULL, "
        "variant VARCHAR, created_at TIMESTAMP WITH TIME ZONE NOT NULL, PRIMARY KEY (id))"
    )
    connection.execute(
        "CREATE TABLE base_component (base_id VARCHAR NOT NULL, number INTEGER NOT NULL, name VARCHAR NOT NULL, "
        "class_name VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, weights BIGINT NOT NULL, files JSON NOT NULL, "
        "PRIMARY KEY (base_id, number))"
    )
    connection.execute(
        "CREATE TABLE base_details (base_id VARCHAR NOT NULL, number INTEGER NOT NULL, name VARCHAR NOT NULL, "
        "folder VARCHAR NOT NULL, licence_id BIGINT, source VARCHAR, data_set_id BIGINT, "
        "recorded_by VARCHAR NOT NULL, recorded_at TIMESTAMP WITH TIME ZONE NOT NULL, PRIMARY KEY (base_id, number))"
    )


def _captions(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TABLE caption (id BIGINT NOT NULL, asset_id BIGINT NOT NULL, text VARCHAR NOT NULL, "
        "source VARCHAR NOT NULL, recorded_from VARCHAR NOT NULL, recorded_by VARCHAR NOT NULL, "
        "recorded_at TIMESTAMP WITH TIME ZONE NOT NULL)"
    )
    connection.execute("ALTER TABLE asset ADD COLUMN caption_id BIGINT")


def _probes(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE encoding_probe (encoding_id VARCHAR NOT NULL, asset_id BIGINT NOT NULL)")


def _stated_training(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("ALTER TABLE base_details ADD COLUMN stated_training VARCHAR")


STEPS: tuple[Step, ...] = (
    Step(4, "codes have a format, and may nest in supports of groups", _codes_by_format),
    Step(5, "seals have parts, and the log has a tree of hashes", divide_seals),
    Step(6, "base models", _base_models),
    Step(7, "works have captions", _captions),
    Step(8, "encodings have probes", _probes),
    Step(9, "base models have the training data that their cards state", _stated_training),
)
"""Schema 3 is the first that was released, so no step leads to it."""


@dataclass(frozen=True)
class Migration:
    """The result of a migration."""

    from_version: int
    to_version: int
    copy: Path | None
    """The former registry; None if it already had the schema."""
    views: tuple[str, ...] = ()
    """Names of restored views that had been altered or dropped."""


def migrate(
    registry: Registry, now: datetime, *, steps: Sequence[Step] = STEPS, target: int = SCHEMA_VERSION
) -> Migration:
    """Bring a registry to schema ``target``.

    Make ``registry`` by its constructor: opening refuses another schema.

    Raises:
        NotFoundError: there is no registry.
        SchemaVersionError: it is newer than ``target``, or no steps lead there.
        RegistryError: a step failed; the registry is as it was.
    """
    registry.check_writable()
    if registry.schema_version() == target:
        return Migration(target, target, None, _mend_views(registry))
    # This connection keeps other processes out between the copy and the change.
    with registry.connection():
        found = registry.schema_version()
        path = [step for step in sorted(steps, key=lambda step: step.version) if found < step.version <= target]
        if found > target or [step.version for step in path] != list(range(found + 1, target + 1)):
            raise SchemaVersionError(
                f"{registry.home.database} has schema {found}, and no steps lead from there to schema {target}; "
                "install the creditline that wrote it, or a newer one"
            )
        copy = _copy(registry, found, now)
        try:
            with registry.connection() as connection:
                for step in path:
                    step.apply(connection)
                    connection.execute(
                        "INSERT INTO schema_version (version, applied_at, applied_by) VALUES (?, ?, ?)",
                        [step.version, now, version("creditline")],
                    )
                create_views(connection)  # they are bound to the tables as these were
        except duckdb.Error as error:
            raise RegistryError(
                f"cannot bring {registry.home.database} to schema {target}: {str(error).splitlines()[0]}; "
                f"it is unchanged, and a copy is in {copy}"
            ) from error
    return Migration(found, target, copy)


def _mend_views(registry: Registry) -> tuple[str, ...]:
    _, expected = relations_made_anew()
    with registry.connection() as connection:
        _, present = relations_of(connection)
    different = tuple(sorted(name for name, definition in expected.items() if present.get(name) != definition))
    try:
        with registry.connection() as connection:
            if different:
                create_views(connection)
    except duckdb.CatalogException as error:
        raise RegistryError(
            f"cannot make the views anew: {str(error).splitlines()[0]}; drop the object of that name with DuckDB"
        ) from error
    return different


def _copy(registry: Registry, found: int, now: datetime) -> Path:
    """Copy through DuckDB: a plain copy would release its lock on POSIX and miss its log."""
    place = registry.home.root / f"registry.schema-{found}.{now:%Y%m%dT%H%M%SZ}.duckdb"
    part = place.with_suffix(".part")
    part.unlink(missing_ok=True)
    with registry.connection() as connection:
        name = str(connection.execute("SELECT current_database()").fetchall()[0][0])
        connection.execute(f"ATTACH {_quoted(str(part))} AS copied")
        connection.execute(f'COPY FROM DATABASE "{name}" TO copied (SCHEMA)')
        for table in _referenced_first(connection):
            connection.execute(f'INSERT INTO copied."{table}" SELECT * FROM "{table}"')  # noqa: S608 - its own tables
    with registry.connection() as connection:
        connection.execute("DETACH copied")
    part.replace(place)
    return place


def _referenced_first(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """All tables, each after those that its foreign keys name: DuckDB copies them in any order."""
    here = "database_name = current_database()"
    query = f"SELECT table_name FROM duckdb_tables() WHERE {here}"  # noqa: S608 - a constant
    tables = [str(table) for (table,) in connection.execute(query).fetchall()]
    references = connection.execute(
        f"SELECT table_name, referenced_table FROM duckdb_constraints() WHERE {here} AND constraint_type = 'FOREIGN KEY'"  # noqa: S608 - a constant
    ).fetchall()
    ordered: list[str] = []
    while len(ordered) < len(tables):
        waiting = {table for table, named in references if named not in ordered and named != table}
        ordered += [table for table in tables if table not in ordered and table not in waiting]
    return ordered


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
