"""The memory that DuckDB may use: a share of the machine, or what is set."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.errors import InputError, UsageError
from registry.home import Home
from registry.schema.create import create_registry
from registry.storage import memory
from registry.storage.database import Registry
from registry.storage.memory import LEAST, MEMORY_VARIABLE, machine_memory, memory_limit
from registry.storage.results import number_of
from registry.storage.selection import selected_by


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine of the tests has set."""
    monkeypatch.delenv(MEMORY_VARIABLE, raising=False)


def limit_of(registry: Registry) -> str:
    """The limit of an open connection, as DuckDB writes it."""
    with registry.connection() as connection:
        return str(connection.execute("SELECT current_setting('memory_limit')").fetchall()[0][0])


def test_the_default_is_a_quarter_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """But never less than a gibibyte, and a machine that does not say gives that."""
    assert machine_memory() > 0
    for machine, mebibytes in ((16 * 2**30, 4096), (2**30, 1024), (0, 1024)):
        monkeypatch.setattr(memory, "machine_memory", lambda found=machine: found)
        assert memory_limit() == f"{mebibytes}MiB"
    assert LEAST == 2**30


def test_a_container_counts_as_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its limit, if one is set that can be read and is lower."""
    whole = machine_memory()
    for text, expected in (("1073741824", 2**30), ("max", None), ("9" * 30, None), ("many", None)):
        (tmp_path / "memory.max").write_text(text + "\n", encoding="utf-8")
        monkeypatch.setattr(memory, "_LIMITS", (tmp_path / "memory.max", tmp_path / "none"))
        assert machine_memory() == (expected or max(whole, machine_memory()))


@pytest.mark.parametrize(
    "stated", ["0GB", "63.9MB", "1KiB", "lots", "-1GB", "1", "1GB; DROP TABLE asset", "9" * 99 + "GB"]
)
def test_what_is_no_amount_is_named(monkeypatch: pytest.MonkeyPatch, stated: str) -> None:
    """In one line, before the registry is opened."""
    monkeypatch.setenv(MEMORY_VARIABLE, stated)
    with pytest.raises(UsageError, match=f"got {MEMORY_VARIABLE}=.*, expected an amount of memory of at least 64MB"):
        memory_limit()


@pytest.mark.reopens
def test_every_connection_has_the_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A connection, a session's and a reader's; the console has its own."""
    registry = create_registry(Home(tmp_path / "home"))
    monkeypatch.setenv(MEMORY_VARIABLE, "256 MiB")
    assert limit_of(registry) == limit_of(registry.for_reading()) == "256.0 MiB"
    with registry.session() as session:
        assert session.connection().exec_driver_sql("SELECT current_setting('memory_limit')").scalar() == "256.0 MiB"
    with registry.reading() as connection:
        assert connection.execute("SELECT current_setting('memory_limit')").fetchall() == [("1.8 GiB",)]


@pytest.mark.reopens
@pytest.mark.slow
def test_a_query_beyond_the_limit_uses_the_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two million texts of 64 bytes are sorted and counted with 64 MB; nothing is left beside the
    registry.
    """
    registry = create_registry(Home(tmp_path / "home"))
    monkeypatch.setenv(MEMORY_VARIABLE, "64MB")
    with registry.connection() as connection:
        connection.execute("CREATE TEMP TABLE texts AS SELECT sha256(range::VARCHAR) AS text FROM range(2_000_000)")
        assert number_of(connection, "SELECT count(DISTINCT text) FROM texts") == 2_000_000
        used = number_of(connection, "SELECT sum(memory_usage_bytes)::BIGINT FROM duckdb_memory()")
    assert used <= 64_000_000
    assert sorted(path.name for path in registry.home.root.iterdir()) == ["registry.duckdb"]


@pytest.mark.reopens
def test_too_little_memory_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It names the setting, also where cleaning up after it raises another error."""
    registry = create_registry(Home(tmp_path / "home"))
    monkeypatch.setenv(MEMORY_VARIABLE, "64MB")
    query = "SELECT list(range::VARCHAR || repeat('x', 90)) FROM range(2_000_000)"
    with pytest.raises(InputError, match=f"set {MEMORY_VARIABLE} to more"), registry.connection() as connection:
        connection.execute(query).fetchall()
    with (
        pytest.raises(InputError, match=f"set {MEMORY_VARIABLE} to more"),
        registry.connection() as connection,
        selected_by(connection, "SELECT id FROM asset"),
    ):
        connection.execute(query).fetchall()
