"""Dry runs: they report what the registration then does, and leave nothing behind."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from registry.errors import InputError, RegistryError, UsageError
from registry.ingest.bulk import ListReport, batches, register_list
from registry.ingest.dry_run import DryRun, dry_run_of_files, dry_run_of_list, scratch_copy
from registry.ingest.lists import open_list
from registry.ingest.owners.declarations import FolderPerRightsholder, OneOwner, OwnerSource
from registry.ingest.registration import RegistrationReport, register_folder, register_shards
from registry.storage.database import Registry
from registry.storage.relation_names import TABLES
from tests.registry.ingest.lists.reading import write_parquet
from tests.registry.ingest.test_archive_works import sample, write_tar
from tests.support.works import ADA, NOW, register, write, write_pictures

pytestmark = pytest.mark.reopens  # what the home's files hold is compared


def contents(registry: Registry) -> tuple[Mapping[str, str], Mapping[str, Any]]:
    """Every file of the home by its hash, and every row of every table."""
    files = {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in registry.home.root.rglob("*")
        if path.is_file()
    }
    with registry.connection() as connection:
        rows = {name: connection.execute(f"FROM {name} ORDER BY ALL").fetchall() for name in TABLES}
    return files, rows


@contextmanager
def unchanged(registry: Registry) -> Iterator[None]:
    """Hold that the home is afterwards what it was before."""
    before = contents(registry)
    yield
    assert contents(registry) == before


def of_folder(folder: Path, owners: OwnerSource = ADA) -> Callable[[Registry], RegistrationReport]:
    """The registration of a folder."""
    return lambda registry: register_folder(registry, folder, owners, now=NOW, near_duplicates=False)


def of_list(path: Path, **options: Any) -> Callable[..., ListReport]:
    """The registration of a list."""
    source = open_list(path, staging=path.parent)
    return lambda registry, *on_rows: register_list(
        registry, source, root=path, now=NOW, **options, **dict(zip(("on_rows",), on_rows, strict=False))
    )


def compared(tried: DryRun, done: RegistrationReport) -> None:
    """Hold that a dry run has the numbers and findings of the registration."""
    assert replace(tried.report, seconds={}) == replace(done, seconds={})
    document = tried.to_json()
    assert (document["works"], document["known"], document["listed"]) == (
        done.registered, done.unchanged + done.moved, done.superseded,
    )  # fmt: skip


@pytest.mark.slow
def test_a_folder_over_its_life(registry: Registry, tmp_path: Path) -> None:
    """New, moved, missing, duplicate and refused files; in an empty registry, and in one that has a
    list that names one of the files.
    """
    folder = write_pictures(tmp_path / "art", ["Ada/a.png", "Ada/b.png", "c.png"])
    write(folder / "Ada" / "copy.png", (folder / "Ada" / "a.png").read_bytes())
    write(folder / "notes.doc", b"text")
    listed = hashlib.sha256((folder / "Ada" / "b.png").read_bytes()).hexdigest()
    path = write_parquet(tmp_path / "list.parquet", {"sha256": [listed], "rightsholder": ["Zoe"]})
    run = of_folder(folder, FolderPerRightsholder("MIT"))
    with unchanged(registry):
        empty = dry_run_of_files(registry, run)
    assert (empty.report.registered, empty.report.superseded) == (2, 0)
    assert (empty.first[0].path, empty.first[0].rightsholder) == ("Ada/a.png", "Ada")
    of_list(path)(registry)
    with unchanged(registry):
        tried = dry_run_of_files(registry, run)
    assert tried.report.superseded == 1
    compared(tried, run(registry))
    (folder / "Ada" / "a.png").unlink()
    (folder / "Ada" / "b.png").rename(folder / "Ada" / "z.png")
    with unchanged(registry):
        tried = dry_run_of_files(registry, run)
    assert (tried.report.registered, tried.known, tried.report.moved, tried.first) == (0, 2, 2, ())
    compared(tried, run(registry))
    (folder / "Ada" / "z.png").unlink()
    with unchanged(registry):
        tried = dry_run_of_files(registry, run)
    assert tried.report.missing == 1
    compared(tried, run(registry))


@pytest.mark.slow
def test_a_shard(registry: Registry, tmp_path: Path) -> None:
    """Side files are no works, and what the shard says of an image is shown with it."""
    shard = write_tar(tmp_path / "00000.tar", [*sample(1, license="CC0-1.0"), *sample(2), ("000000009.json", b"{}")])

    def run(into: Registry) -> RegistrationReport:
        return register_shards(into, shard, OneOwner("Ada", "MIT"), now=NOW, near_duplicates=False)

    with unchanged(registry):
        tried = dry_run_of_files(registry, run)
    assert [(row.path, row.licence) for row in tried.first] == [
        ("00000.tar!/000000001.jpg", "CC0-1.0"),
        ("00000.tar!/000000002.jpg", "MIT"),
    ]
    compared(tried, run(registry))
    again = dry_run_of_files(registry, run)
    assert (again.report.registered, again.known, again.report.missing, again.first) == (0, 2, 0, ())


@pytest.mark.slow
def test_a_list(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first rows in full, refusals by reason, conflicts with the registry; over all batches."""
    monkeypatch.setattr(batches, "ROWS", 4)
    monkeypatch.setattr(batches, "_FETCHED", 2)
    urls = [f"https://a.org/{number}" for number in range(9)]
    of_list(write_parquet(tmp_path / "a.parquet", {"url": urls[:2], "owner": ["Ada", "Bob"]}))(registry)
    columns = {"url": ["gopher://b", *urls, *urls[:1]], "owner": ["Ada"] * 11, "width": ["wide", *["5"] * 10]}
    run = of_list(write_parquet(tmp_path / "b.parquet", columns))
    with unchanged(registry):
        tried = dry_run_of_list(registry, run)
    assert [row["row_number"] for row in tried.first] == [2, 3, 4, 5, 6]
    assert (tried.first[0]["url"], tried.first[0]["width"], tried.first[0]["title"]) == (urls[0], 5, None)
    assert tried.report == run(registry)
    assert (tried.report.registered, tried.report.repeated, tried.report.refused, tried.report.conflicts) == (
        7,
        1,
        1,
        1,
    )


def test_what_the_registration_raises(registry: Registry, tmp_path: Path) -> None:
    """A dry run fails as the registration would, and still leaves nothing behind."""
    register(registry, write_pictures(tmp_path / "one" / "art", ["a.png"]))
    other = write_pictures(tmp_path / "two" / "art", ["a.png"])
    path = write_parquet(tmp_path / "list.parquet", {"url": ["https://a.org/1"]})
    with unchanged(registry):
        with pytest.raises(UsageError, match="another name with --data-set"):
            dry_run_of_files(registry, of_folder(other))
        with pytest.raises(UsageError, match="--map rightsholder=COLUMN"):
            dry_run_of_list(registry, of_list(path))
        with pytest.raises(InputError, match="cannot read the folder"):
            dry_run_of_files(registry, of_folder(tmp_path / "nothing"))


def test_the_copy_has_what_a_killed_command_committed(registry: Registry) -> None:
    """DuckDB keeps that in a second file until the database is opened again."""
    program = (
        "import duckdb, os, sys; connection = duckdb.connect(sys.argv[1]); connection.execute("
        "\"INSERT INTO rightsholder (id, name, created_at) VALUES (0, 'Ada', now())\"); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(registry.home.database)], check=False)
    assert registry.home.database.with_name("registry.duckdb.wal").exists()
    with scratch_copy(registry) as copy, copy.connection() as connection:
        assert connection.execute("SELECT name FROM rightsholder").fetchall() == [("Ada",)]


def test_a_full_disk(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of one line that says what needs the room."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with (
        unchanged(registry),
        pytest.raises(
            RegistryError, match=r"works on a copy of the registry.*No space left on device; .* have [\d,]+ bytes free"
        ),
    ):
        dry_run_of_files(registry, of_folder(Path("never read")))


def test_a_home_that_cannot_be_written(registry: Registry) -> None:
    """The same error of one line."""
    registry.home.staging.write_text("a file, where the folder should be")
    with unchanged(registry), pytest.raises(RegistryError, match=r"could not be written to .*staging: File exists;"):
        dry_run_of_files(registry, of_folder(Path("never read")))
