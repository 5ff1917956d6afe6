"""SQL written by people: it reads only the registry, changes nothing, and ends in time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from registry.errors import UsageError
from registry.storage.database import Registry

LONGEST_QUERY = 2**20
"""Characters."""


@dataclass(frozen=True)
class QueryResult:
    """The first rows of a result, and whether there are more."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    more: bool


def run_query(registry: Registry, query: str, *, limit: int, timeout: float) -> QueryResult:
    """The first ``limit`` rows of a query.

    Raises:
        UsageError: the query is wrong, would write, or takes longer than ``timeout`` seconds.
    """
    with _executed(registry, query, timeout) as result:
        rows = result.fetchmany(limit + 1)
        return QueryResult([column[0] for column in result.description or ()], rows[:limit], len(rows) > limit)


def export_query(registry: Registry, query: str, path: Path, *, timeout: float) -> int:
    """Write all rows of a query as :func:`registry.export.files.write_listing`; returns how many.

    Raises:
        UsageError: as :func:`run_query`, and for a file name with an unknown ending.
        InputError: the file cannot be written.
    """
    from registry.export.files import check_suffix, write_listing

    check_suffix(path)
    with _executed(registry, query, timeout) as result:
        documents = [column[0] for column in result.description or () if str(column[1]) == "JSON"]
        return write_listing(result.to_arrow_reader(65_536), path, documents=documents)


@contextmanager
def _executed(registry: Registry, query: str, timeout: float) -> Iterator[duckdb.DuckDBPyConnection]:
    if len(query) > LONGEST_QUERY:
        raise UsageError(f"got a query of {len(query):,} characters, expected at most {LONGEST_QUERY:,}")
    if "\0" in query:
        raise UsageError("got a query with a NUL character; leave it out")
    with registry.reading() as connection:
        late = threading.Event()

        def stop() -> None:
            late.set()
            connection.interrupt()

        timer = threading.Timer(timeout, stop)
        timer.start()
        try:
            if _is_several(query):
                raise UsageError("got several statements, expected one query: ask them one at a time")
            result: duckdb.DuckDBPyConnection | None = connection.execute(query)  # None for a query of nothing
            if result is None or not result.description:
                raise UsageError('got no query; try "SELECT * FROM work LIMIT 10"')
            yield result
        except duckdb.IOException:
            raise  # the file is at fault, not the query
        except (duckdb.Error, RuntimeError, UnicodeError) as error:
            if late.is_set():
                raise UsageError(
                    f"the query took longer than {timeout:g} seconds; narrow it, or give it more time with --timeout"
                ) from error
            raise UsageError(f"the query cannot be answered: {_one_line(error)}") from error
        finally:
            timer.cancel()


def _is_several(query: str) -> bool:
    """Whether a semicolon stands between statements. DuckDB counts one PIVOT as two statements."""
    data = query.encode()
    starts = b"".join(
        data[place : place + 1] for place, kind in duckdb.tokenize(query) if kind != duckdb.token_type.comment
    )
    return b";" in starts.strip(b";")


def _one_line(error: Exception) -> str:
    """DuckDB's message without its drawing of the place in the query."""
    said, _, place = str(error).partition("\nLINE ")
    line = place.partition(":")[0]
    text = " ".join(said.split())[:600]
    return f"{text} (line {line})" if line.isdigit() and line != "1" else text
