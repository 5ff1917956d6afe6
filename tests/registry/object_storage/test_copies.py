"""Copies are of one state, whole, and made again only where the original changed; hostile names,
sizes and answers are refused. The storage is in memory, or lies.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from registry.errors import InputError
from registry.home import Home
from registry.object_storage import addresses, copies
from registry.object_storage.addresses import Address
from registry.object_storage.copies import Copy, copy_of


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A storage of this process, emptied at the end; one command has one, so none reads it."""
    monkeypatch.setattr(addresses, "SCHEMES", ("memory",))
    storage = fsspec.filesystem("memory")
    storage.pipe({"/art/a.png": b"one", "/art/deep/b.png": b"two", "/art/owners.csv": b"path"})
    yield storage
    storage.store.clear()
    storage.pseudo_dirs[:] = [""]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


def copied(home: Home, text: str = "memory://art") -> Copy:
    return copy_of(home, Address.parse(text))


def files_of(copy: Copy) -> dict[str, bytes]:
    return {
        path.relative_to(copy.path).as_posix(): path.read_bytes() for path in copy.path.rglob("*") if path.is_file()
    }


def test_a_folder_is_copied_once(memory: Any, home: Home) -> None:  # noqa: ANN401 - fsspec has no types
    """Again only what changed; what is gone there goes here; the hash is of names and contents."""
    told: list[tuple[int, int]] = []
    first = copy_of(home, Address.parse("memory://art"), lambda done, total: told.append((done, total)))
    assert files_of(first) == {"a.png": b"one", "deep/b.png": b"two", "owners.csv": b"path"}
    assert (first.files, first.size, first.copied) == (3, 10, 3)
    assert (sum(done for done, _ in told), told[-1][1]) == (10, 10)
    again = copied(home)
    assert (again.copied, again.sha256, again.path) == (0, first.sha256, first.path)
    memory.pipe("/art/a.png", b"ONE")
    memory.rm("/art/deep/b.png")
    later = copied(home)
    assert (later.files, later.copied) == (2, 1)
    assert files_of(later) == {"a.png": b"ONE", "owners.csv": b"path"}
    assert later.sha256 != first.sha256


def test_an_altered_copy_is_made_again(memory: Any, home: Home) -> None:  # noqa: ANN401, ARG001 - fsspec has no types; filled
    """Also one that became a link, and a record that is damaged."""
    first = copied(home)
    (first.path / "a.png").write_bytes(b"two")
    (first.path / "deep/b.png").unlink()
    (home.root / "same.png").write_bytes(b"two")
    (first.path / "deep/b.png").symlink_to(home.root / "same.png")
    (first.path / "left.part").write_bytes(b"")
    repaired = copied(home)
    assert (repaired.copied, repaired.sha256) == (2, first.sha256)
    assert files_of(repaired) == {"a.png": b"one", "deep/b.png": b"two", "owners.csv": b"path"}
    assert not (first.path / "deep/b.png").is_symlink()
    record = first.path.parent / copies.RECORD
    record.write_text(record.read_text(encoding="utf-8")[:-9] + '\n["x"]\n{"path": 3}\n', encoding="utf-8")
    assert copied(home).copied == 1


def test_a_large_file_is_copied_by_ranges(memory: Any, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401 - as above
    """Of one block, of several, and of none."""
    monkeypatch.setattr(copies, "BLOCK", 4)
    memory.pipe({"/art/empty": b"", "/art/four": b"1234", "/art/nine": b"123456789"})
    found = files_of(copied(home))
    assert (found["empty"], found["four"], found["nine"]) == (b"", b"1234", b"123456789")


def test_one_file(memory: Any, home: Home) -> None:  # noqa: ANN401, ARG001 - as above
    """Its name stays, since it says what the file is; its hash is that of its bytes."""
    copy = copied(home, "memory://art/owners.csv")
    (copy.path.parent / ".owners.csv.0a1b.part").write_bytes(b"of a killed run")
    (copy.path.parent / "other").mkdir()
    assert copied(home, "memory://art/owners.csv").copied == 0
    assert {path.name for path in copy.path.parent.iterdir()} == {"owners.csv", copies.RECORD}
    assert (copy.path.name, copy.path.read_bytes(), copy.files) == ("owners.csv", b"path", 1)
    assert copy.sha256 == copies._hash_of(copy.path)


@pytest.mark.parametrize("text", ["memory://nothing", "memory://art/none.csv"])
def test_what_is_not_there(memory: Any, home: Home, text: str) -> None:  # noqa: ANN401, ARG001 - as above
    """By its address."""
    with pytest.raises(InputError, match=f"cannot read {text}: No such file or directory"):
        copied(home, text)


def test_an_interrupted_copy_goes_on(memory: Any, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401, ARG001 - as above
    """What was whole stays; nothing is left of the rest."""
    monkeypatch.setattr(copies, "AT_ONCE", 1)

    def stop(done: int, _: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_of(home, Address.parse("memory://art"), stop)
    assert {path.name for path in home.fetched.rglob("*") if path.is_file()} == {"a.png", "b.png", copies.RECORD}
    assert copied(home).copied == 1


class Lying:
    """A storage with one folder, that answers as it was told to."""

    def __init__(self, files: dict[str, Any], content: bytes = b"", later: dict[str, Any] | None = None) -> None:
        self.listings, self.content = [files, files if later is None else later], content

    def invalidate_cache(self) -> None:
        """Nothing is kept."""

    def _strip_protocol(self, text: str) -> str:
        return text.partition("://")[2]

    def info(self, root: str) -> dict[str, Any]:
        return {"name": root, "type": "directory"}

    def find(self, _root: str, *, detail: bool) -> dict[str, Any]:
        assert detail
        return self.listings.pop(0)

    def cat_file(self, _key: str, *, start: int, end: int) -> bytes:
        assert start == 0 < end
        return self.content

    def open(self, _key: str, _mode: str, **_options: object) -> io.BytesIO:
        return io.BytesIO(self.content)


def lie(monkeypatch: pytest.MonkeyPatch, home: Home, storage: Lying) -> str:
    """How the copy of a lying storage is refused."""
    monkeypatch.setattr(Address, "file_system", lambda _: storage)
    with pytest.raises(InputError) as told:
        copy_of(home, Address.parse("s3://bucket/art"))
    left = [path for path in home.root.rglob("*") if path.is_file() and "locks" not in path.parts]
    assert [path.name for path in left if path.name not in (copies.RECORD, "a")] == []
    return str(told.value)


@pytest.mark.parametrize(
    "name", ["../a", "a/../../b", "./a", "/etc/a", "a//b", "a\\b", "a\x1b", "a\nb", "x" * 256, "a/", copies.RECORD]
)
def test_names_that_lead_elsewhere_are_refused(monkeypatch: pytest.MonkeyPatch, home: Home, name: str) -> None:
    """By name, before anything is copied."""
    told = lie(monkeypatch, home, Lying({f"bucket/art/{name}": {"size": 1, "ETag": "1"}}))
    assert "which is not kept in a folder here" in told
    assert told.isprintable()


def test_sizes_and_numbers_that_are_refused(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    """Too large, too many, too deep, both a file and a folder, or nothing."""
    one = {"size": 1, "ETag": "1"}
    assert "expected at most 1,099" in lie(monkeypatch, home, Lying({"bucket/art/a": {"size": 2**41}}))
    assert "bytes, expected" in lie(monkeypatch, home, Lying({"bucket/art/a": {"size": -1}}))
    assert "as a file and as a folder" in lie(monkeypatch, home, Lying({"bucket/art/a": one, "bucket/art/a/b": one}))
    assert "more than 64 folders" in lie(monkeypatch, home, Lying({"bucket/art/" + "a/" * 64 + "a": one}))
    assert "has no files" in lie(monkeypatch, home, Lying({"bucket/art/": {"size": 0}}))
    monkeypatch.setattr(copies, "MOST_FILES", 1)
    assert "has 2 files" in lie(monkeypatch, home, Lying({"bucket/art/a": one, "bucket/art/b": one}))
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 5})())
    assert "needs 9 bytes" in lie(monkeypatch, home, Lying({"bucket/art/a": {"size": 9}}))


@pytest.mark.parametrize(("stated", "content"), [(3, b"four"), (3, b"tw"), (3, b""), (None, b"twelve bytes")])
def test_other_sizes_than_stated_are_refused(
    monkeypatch: pytest.MonkeyPatch, home: Home, stated: int | None, content: bytes
) -> None:
    """A stream never fills the disk, and half a file is none; without a size there is a limit."""
    monkeypatch.setattr(copies, "LARGEST_UNSTATED", 8)
    told = lie(monkeypatch, home, Lying({"bucket/art/a": {"size": stated, "ETag": "1"}}, content))
    assert "bytes where" in told


def test_an_original_that_changes_meanwhile(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    """A copy is of one state."""
    before, after = ({"bucket/art/a": {"size": 1, "ETag": tag}} for tag in "12")
    assert "was changed while it was copied" in lie(monkeypatch, home, Lying(before, b"1", after))


def test_without_a_version_a_file_is_copied_each_time(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    """Its size alone says nothing."""
    listing = {"bucket/art/a": {"size": 1}}
    for content in (b"1", b"2"):
        storage = Lying(listing, content)
        monkeypatch.setattr(Address, "file_system", lambda _, storage=storage: storage)
        copy = copy_of(home, Address.parse("s3://bucket/art"))
        assert (copy.copied, (copy.path / "a").read_bytes()) == (1, content)
    assert json.loads((copy.path.parent / copies.RECORD).read_text(encoding="utf-8"))["version"] is None
