"""Keeps DuckDB files open within a test, since opening one costs sixteen times a small query.

The registry closes its file after every statement, for the sake of other processes. In a test the
registry has no other users: while one more connection to the file is open, opening the file again
costs next to nothing. The extra connection closes before anything that needs the file itself: a new
process, a copy of the home, or a connection with other settings.
"""

from __future__ import annotations

import multiprocessing.util
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from registry.storage.database import Registry


@contextmanager
def databases_kept_open() -> Iterator[None]:
    """Within this block, a file once opened by the registry stays open."""
    kept: dict[Path, tuple[int, duckdb.DuckDBPyConnection]] = {}

    def let_go() -> None:
        while kept:
            kept.popitem()[1][1].close()

    connect, popen, spawn = Registry._connect, subprocess.Popen.__init__, multiprocessing.util.spawnv_passfds
    copytree, copyfile = shutil.copytree, shutil.copyfile

    def connect_and_keep(
        self: Registry, *, read_only: bool = False, settings: Mapping[str, Any] | None = None
    ) -> duckdb.DuckDBPyConnection:
        path = self.home.database
        plain = not (read_only or self.read_only or settings)
        if path in kept and not (plain and path.exists() and path.stat().st_ino == kept[path][0]):
            kept.pop(path)[1].close()
        connection = connect(self, read_only=read_only, settings=settings or {})
        if plain and path not in kept and _has_views(connection):
            kept[path] = path.stat().st_ino, duckdb.connect(str(path))
        return connection

    def popen_alone(self: subprocess.Popen[bytes], *args: Any, **options: Any) -> None:
        let_go()
        popen(self, *args, **options)

    def spawn_alone(*args: Any) -> int:
        let_go()
        return int(spawn(*args))

    def copyfile_alone(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - as shutil's
        let_go()
        return copyfile(*args, **options)

    def copytree_alone(*args: Any, **options: Any) -> Path:
        let_go()
        return Path(copytree(*args, **options))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Registry, "_connect", connect_and_keep)
        patch.setattr(subprocess.Popen, "__init__", popen_alone)
        patch.setattr(multiprocessing.util, "spawnv_passfds", spawn_alone)
        patch.setattr(shutil, "copytree", copytree_alone)
        patch.setattr(shutil, "copyfile", copyfile_alone)
        try:
            yield
        finally:
            let_go()


def _has_views(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the schema was there when the file was opened.

    Views are worded differently in the process that makes them and in processes that read them.
    """
    return bool(connection.execute("SELECT count(*) FROM duckdb_views() WHERE NOT internal").fetchall()[0][0])
