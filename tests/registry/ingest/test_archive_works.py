"""Works in archives and shards: read where they are, one by one, with the same checks as files."""

from __future__ import annotations

import io
import json
import os
import signal
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from registry.errors import InputError, UsageError
from registry.image_files.inspection import Refusal, Work
from registry.ingest import findings
from registry.ingest.owners.declarations import FolderPerRightsholder, OneOwner
from registry.ingest.reading import processes
from registry.ingest.reading.archive_inspection import inspect_containers
from registry.ingest.reading.archive_works import Container, Skipped, inspect_container
from registry.ingest.reading.content import read_content, read_work, split_path
from registry.ingest.registration import RegistrationReport, register_archive, register_shards
from registry.storage.current_rights import ASSET_RIGHTS
from registry.storage.database import Registry
from tests.support.works import ADA, NOW, encoded, picture, register, write, write_pictures


def write_zip(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    """A ZIP of these members."""
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def write_tar(path: Path, members: Iterable[tuple[str, bytes]], mode: str = "w") -> Path:
    """A TAR of these members."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]  # a mode is a text
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def pictures(*numbers: int) -> list[tuple[str, bytes]]:
    """Members that are pictures."""
    return [(f"cats/{number}.png", encoded(picture(number))) for number in numbers]


def sample(number: int, **facts: object) -> list[tuple[str, bytes]]:
    """An image of a shard with its facts."""
    return [
        (f"{number:09d}.jpg", encoded(picture(number, 16), "JPEG")),
        (f"{number:09d}.json", json.dumps(facts).encode()),
    ]


def rows(registry: Registry, columns: str) -> list[tuple[object, ...]]:
    """These columns of all works, in order of id."""
    with registry.connection() as connection:
        return connection.execute(f"SELECT {columns} FROM ({ASSET_RIGHTS}) ORDER BY asset_id").fetchall()  # noqa: S608


def reasons(report: RegistrationReport) -> dict[str, str]:
    """By path, why something is listed."""
    return {finding.path: finding.reason for finding in report.findings}


@pytest.mark.parametrize("name", ["works.zip", "works.tar", "works.tar.gz"])
def test_an_archive_is_registered_where_it_is_and_again_without_a_change(
    registry: Registry, tmp_path: Path, name: str
) -> None:
    """Paths are those of the members, the root is the archive, and its works can be read again."""
    bad = [("../out.png", b"x"), ("notes.doc", b"text"), (".hidden.png", b"x")]
    members = [*pictures(1, 2, 3), *bad]
    path = tmp_path / name
    write_zip(path, members) if name.endswith("zip") else write_tar(
        path, members, "w:gz" if name.endswith("gz") else "w"
    )
    first = register_archive(registry, path, ADA, now=NOW, near_duplicates=False)
    again = register_archive(registry, path, ADA, now=NOW, near_duplicates=False)
    assert (first.data_set, first.kind, first.registered, first.refused, first.hidden) == (name, "archive", 3, 2, 1)
    assert (again.registered, again.unchanged, again.missing, again.declarations) == (0, 3, 0, 0)
    assert "leads out of the archive" in reasons(first)["../out.png"]
    assert rows(registry, "path, root, rightsholder") == [
        (f"cats/{number}.png", str(path), "Ada Example") for number in (1, 2, 3)
    ]
    assert read_work(path, "cats/2.png") == encoded(picture(2))
    assert {each.name for each in tmp_path.iterdir()} == {"home", name}, "nothing is unpacked to disk"


@pytest.mark.slow
def test_archives_in_a_folder_are_read_and_their_members_follow_the_rules_of_files(
    registry: Registry, folder: Path
) -> None:
    """The folder in the archive is the rightsholder's; a file that only has an archive's name is
    refused.
    """
    write_pictures(folder, ["Zoe/a.png"])
    write_zip(folder / "more.zip", [*pictures(5, 6), ("cats/again.png", encoded(picture(0)))])
    write(folder / "false.tar", b"no archive at all")
    owners = FolderPerRightsholder("MIT")
    report = register(registry, folder, owners)
    assert (report.registered, report.archives, report.refused, report.duplicates) == (3, 1, 1, 1)
    assert rows(registry, "path, rightsholder") == [
        ("Zoe/a.png", "Zoe"),
        ("more.zip!/cats/5.png", "cats"),
        ("more.zip!/cats/6.png", "cats"),
    ]
    assert "for Zoe, not for cats" in reasons(report)["more.zip!/cats/again.png"]
    assert "no owner" not in reasons(report)["false.tar"]
    write_zip(folder / "more.zip", pictures(6))
    report = register(registry, folder, owners)
    assert (report.unchanged, report.missing) == (2, 1)


@pytest.mark.slow
def test_shards_give_addresses_captions_and_licences(registry: Registry, tmp_path: Path) -> None:
    """What a shard says fills in what the owners do not say; the default licence gives way to a
    stated one.
    """
    shards = tmp_path / "shards"
    shards.mkdir()
    facts = {
        "url": "https://example.org/1.jpg",
        "caption": "A cat",
        "license": "CC-BY-4.0",
        "author": "Zoe",
        "width": 16,
    }
    write_tar(shards / "00000.tar", [*sample(1, **facts), *sample(2, url=7, exif={"a": 1}, title=["no text"])])
    write_tar(shards / "00001.tar", [*sample(3, caption="x" * 9_000), ("000000004.json", b"{}")])
    for registered in (3, 0):
        report = register_shards(registry, shards, OneOwner("Ada", "MIT"), now=NOW, workers=2, near_duplicates=False)
        assert (report.kind, report.archives, report.registered, report.refused) == ("shards", 2, registered, 1)
    assert "a sample without an image" in reasons(report)["00001.tar!/000000004"]
    assert rows(registry, "path, url, title, caption, creator, licence, rightsholder")[:2] == [
        ("00000.tar!/000000001.jpg", "https://example.org/1.jpg", None, "A cat", "Zoe", "CC-BY-4.0", "Ada"),
        ("00000.tar!/000000002.jpg", "7", None, None, None, "MIT", "Ada"),
    ]
    assert json.loads(str(rows(registry, "attributes")[0][0])) == {"width": "16"}
    assert rows(registry, "caption, caption_source")[2] == ("x" * 4_096, "JSON file")
    assert report.captioned == {"JSON file": 2, "none": 1}
    assert read_work(shards, "00000.tar!/000000001.jpg") == sample(1)[0][1]


def test_what_is_no_archive_or_shard_is_an_error(registry: Registry, tmp_path: Path) -> None:
    """Nothing there, another file, an empty folder."""
    write(tmp_path / "text.zip", b"text")
    for path in (tmp_path / "nothing.zip", tmp_path / "text.zip"):
        with pytest.raises(InputError):
            register_archive(registry, path, ADA, now=NOW)
    with pytest.raises(InputError, match="no shard"):
        register_shards(registry, tmp_path, ADA, now=NOW)


def test_findings_are_counted_and_the_first_are_kept(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive of refused members must not fill the memory."""
    monkeypatch.setattr(findings, "KEPT", 10)
    path = write_zip(tmp_path / "bad.zip", [*pictures(1), *((f"{number}.doc", b"text") for number in range(200))])
    report = register_archive(registry, path, ADA, now=NOW, near_duplicates=False)
    assert (report.refused, report.counts, len(report.findings)) == (200, {"refused": 200}, 10)


@pytest.mark.slow
@pytest.mark.reopens
def test_a_member_that_kills_its_reader_is_refused_and_the_others_go_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order, none twice, none lost, wherever it stands."""
    write(
        tmp_path / "deadly" / "sitecustomize.py",
        b"import os, registry.image_files.inspection as i\n"
        b"inspect = i.inspect_bytes\n"
        b"def deadly(task, data, *rest):\n"
        b"    if data == b'deadly' or (data[:6] == b'signed' and task.credentials):\n"
        b"        os.kill(os.getpid(), 9)\n"
        b"    return inspect(task, data.removeprefix(b'signed'), *rest)\n"
        b"i.inspect_bytes = deadly\n",
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'deadly'}{os.pathsep}{Path.cwd()}")
    members = pictures(*range(150))
    members.insert(70, ("deadly.png", b"deadly"))
    members.insert(100, ("signed.png", b"signed" + encoded(picture(200))))
    path = write_tar(tmp_path / "works.tar", members)
    results = list(inspect_containers([Container(str(path), "works.tar!/")], Skipped()))
    assert [result.path for result in results] == [f"works.tar!/{name}" for name, _ in members]
    assert [result for result in results if isinstance(result, Refusal)] == [
        Refusal("works.tar!/deadly.png", processes.reason_with_time(processes.SECONDS))
    ]
    assert isinstance(results[100], Work), "without its content credentials, it can be read"


@pytest.mark.parametrize("in_decoder", [False, True])
def test_a_member_that_blocks_its_reader_is_refused_and_the_others_go_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_decoder: bool
) -> None:
    """Also one that holds the interpreter's lock, as a decoder does."""
    block = b"ctypes.PyDLL(None).sleep(600)" if in_decoder else b"time.sleep(600)"
    write(
        tmp_path / "endless" / "sitecustomize.py",
        b"import ctypes, time, registry.image_files.inspection as i\n"
        b"inspect = i.inspect_bytes\n"
        b"def endless(task, data, *rest):\n"
        b"    if data == b'endless':\n"
        b"        " + block + b"\n"
        b"    return inspect(task, data, *rest)\n"
        b"i.inspect_bytes = endless\n",
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'endless'}{os.pathsep}{Path.cwd()}")
    members = pictures(*range(5))
    members.insert(2, ("endless.png", b"endless"))
    path = write_zip(tmp_path / "works.zip", members)
    results = list(inspect_containers([Container(str(path))], Skipped(), seconds=0.5))
    assert [result.path for result in results] == [name for name, _ in members]
    assert [result.path for result in results if isinstance(result, Refusal)] == ["endless.png"]


@pytest.mark.slow
def test_many_archives_come_in_order_and_a_stop_in_the_middle_ends_their_processes(tmp_path: Path) -> None:
    """However many are read at once."""
    containers = [
        Container(str(write_zip(tmp_path / f"{number}.zip", pictures(*range(number, number + 5)))), f"{number}.zip!/")
        for number in range(5)
    ]
    alone = [result for each in containers for result in inspect_container(each, Skipped())]
    assert list(inspect_containers(containers, Skipped(), workers=3)) == alone
    results = inspect_containers(containers, Skipped(), workers=2)
    assert next(results) == alone[0]
    results.close()  # type: ignore[attr-defined]  # a generator


def test_a_path_is_split_where_the_archive_is(tmp_path: Path) -> None:
    """Also where names hold the mark themselves; and what is missing is said to be."""
    odd = tmp_path / "odd!" / "x.zip"
    odd.parent.mkdir()
    write_zip(odd, pictures(1))
    plain = write(tmp_path / "plain!" / "a.png", b"x")
    assert split_path(f"{odd}!/cats/1.png") == (odd, "cats/1.png")
    assert split_path(odd / "cats/1.png") == (odd, "cats/1.png")
    assert split_path(plain) == (plain, None)
    assert read_content(odd / "cats" / "1.png") == encoded(picture(1))
    for missing in (odd / "cats/2.png", tmp_path / "no.zip!" / "a.png", tmp_path / "no.png", f"{plain}!/x"):
        with pytest.raises(InputError, match="cannot read"):
            read_content(Path(missing))


def test_a_reader_that_was_killed_from_outside_loses_nothing(tmp_path: Path) -> None:
    """Not every death is a file's fault."""
    path = write_zip(tmp_path / "works.zip", pictures(*range(40)))
    results = inspect_containers([Container(str(path))], Skipped())
    found = [next(results)]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (
                b"registry.ingest.reading.worker" in (process / "cmdline").read_bytes()
                and str(os.getpid()) == (process / "stat").read_text().rpartition(")")[2].split()[1]
            ):
                os.kill(int(process.name), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            continue
    found += results
    assert [result.path for result in found] == [name for name, _ in pictures(*range(40))]


@pytest.mark.slow
def test_archives_of_one_stem_are_two_data_sets(registry: Registry, tmp_path: Path) -> None:
    """``good.zip`` and ``good.tar.gz`` have names of their own; one that was named otherwise keeps
    that name.
    """
    first = register_archive(
        registry, write_zip(tmp_path / "good.zip", pictures(1)), ADA, now=NOW, near_duplicates=False
    )
    path = write_tar(tmp_path / "good.tar.gz", pictures(2), "w:gz")
    named = register_archive(registry, path, ADA, now=NOW, near_duplicates=False, data_set="mine")
    again = register_archive(registry, path, ADA, now=NOW, near_duplicates=False)
    assert [first.data_set, named.data_set, again.data_set] == ["good.zip", "mine", "mine"]
    assert (again.registered, again.unchanged) == (0, 1)
    other = write_zip(tmp_path / "other" / "good.zip", pictures(3))
    with pytest.raises(
        UsageError, match=r"'good.zip' is the archive .*; give the archive .*other/good.zip another name"
    ):
        register_archive(registry, other, ADA, now=NOW, near_duplicates=False)


def test_a_source_of_which_nothing_lands_leaves_no_data_set(registry: Registry, tmp_path: Path) -> None:
    """Neither one of which all is refused, nor one of which all is registered from elsewhere."""
    register_archive(registry, write_zip(tmp_path / "a.zip", pictures(1, 2)), ADA, now=NOW, near_duplicates=False)
    for name, members in (("bad.zip", [("x.txt", b"text")]), ("copy.zip", pictures(1, 2))):
        report = register_archive(registry, write_zip(tmp_path / name, members), ADA, now=NOW, near_duplicates=False)
        assert (report.works, len(report.findings)) == (0, len(members))
    with registry.connection() as connection:
        assert connection.execute("SELECT name FROM data_set").fetchall() == [("a.zip",)]
