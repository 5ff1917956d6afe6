"""Registration of whole folders: refusals beside works, idempotence, changes, moves, batches,
processes, kill -9.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from registry.errors import InputError, UsageError
from registry.home import Home
from registry.image_files.inspection import Refusal, Result, Task, Work, inspect_file
from registry.ingest import open_sources, registration
from registry.ingest.owners.declarations import FolderPerRightsholder, OneOwner
from registry.ingest.owners.table import OwnerTable
from registry.ingest.reading.file_inspection import inspect_files
from registry.ingest.reading.processes import ProcessPool
from registry.schema.create import create_registry
from registry.storage.database import Registry
from registry.works.listings import WorksFilter, works
from registry.works.queries import asset_rights_table
from tests.support.killing import left_without_parent
from tests.support.works import encoded, picture, register, write, write_csv, write_pictures

pytestmark = pytest.mark.reopens  # other processes open the registry


def rows(registry: Registry, *columns: str) -> list[tuple[object, ...]]:
    """The registered works, by id."""
    with registry.connection() as connection:
        return [tuple(row[name] for name in columns) for row in asset_rights_table(connection).to_pylist()]


def listed(report: registration.RegistrationReport) -> dict[str, str]:
    """The findings' reasons by path."""
    return {finding.path: f"{finding.kind}: {finding.reason}" for finding in report.findings}


def count(registry: Registry, table: str) -> int:
    """Rows of a table."""
    with registry.connection() as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])  # noqa: S608 - ours


def test_bad_files_are_listed_and_good_ones_go_in(registry: Registry, folder: Path, tmp_path: Path) -> None:
    """One folder with everything that can be wrong; nothing leads out of it and nothing hangs."""
    write_pictures(folder, ["good.png", "sub/also.png", "Ünïcode \n name.png"])
    write(folder / "text.doc", b"words")
    write(folder / "empty.png", b"")
    write(folder / "cut.png", encoded(picture(5))[:50])
    write(folder / ".hidden.png", encoded(picture(6)))
    outside = write(tmp_path / "outside.png", encoded(picture(7)))
    (folder / "out.png").symlink_to(outside)
    (folder / "outdir").symlink_to(tmp_path)
    (folder / "sub" / "loop").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    (folder / "dangling.png").symlink_to(folder / "nothing")
    (folder / "inside.png").symlink_to(folder / "good.png")
    os.mkfifo(folder / "pipe.png")
    write(folder / os.fsdecode(b"caf\xe9.png"), encoded(picture(8)))
    report = register(registry, folder)
    assert [path for (path,) in rows(registry, "path")] == ["good.png", "sub/also.png", "Ünïcode \n name.png"]
    reasons = listed(report)
    assert reasons["text.doc"].startswith("refused: not an image")
    assert reasons["empty.png"] == "refused: empty file (0 bytes)"
    assert reasons["cut.png"] == "refused: truncated image: the file ends before its image does"
    assert reasons["out.png"] == reasons["outdir"] == "refused: symbolic link that leads out of the folder"
    assert reasons["sub/loop"] == reasons["self"] == "refused: symbolic link that leads in a circle"
    assert reasons["dangling.png"] == "refused: symbolic link to nothing"
    assert reasons["inside.png"] == "refused: symbolic link to good.png, which is registered under its own path"
    assert reasons["pipe.png"] == "refused: not a regular file"
    assert reasons["caf\N{REPLACEMENT CHARACTER}.png"] == "refused: the file name is not UTF-8; rename the file"
    assert (report.registered, report.refused, report.hidden, len(report.findings)) == (3, 11, 1, 11)


def test_registering_again_changes_nothing(registry: Registry, folder: Path) -> None:
    """Not a row, and the report says so."""
    write_pictures(folder, ["a.png", "b.png"])
    first = register(registry, folder)
    before = rows(registry, "asset_id", "path", "sha256", "rightsholder", "recorded_at")
    second = register(registry, folder)
    assert (first.registered, first.declarations, first.unchanged) == (2, 2, 0)
    assert (second.registered, second.declarations, second.unchanged, second.works) == (0, 0, 2, 2)
    assert rows(registry, "asset_id", "path", "sha256", "rightsholder", "recorded_at") == before
    assert count(registry, "asset_rights") == 2


def test_a_changed_declaration_is_a_newer_row_and_nothing_else_changes(
    registry: Registry, folder: Path, tmp_path: Path
) -> None:
    """The earlier one stays; attributes follow the table; a source that has none leaves them."""
    write_pictures(folder, ["a.png", "b.png"])
    table = [
        {"path": "a.png", "rightsholder": "Ada", "licence": "MIT", "style": "flat"},
        {"path": "b.png", "rightsholder": "Ada", "licence": "MIT", "style": "flat"},
    ]
    register(registry, folder, OwnerTable(write_csv(tmp_path / "one.csv", table)))
    before = rows(registry, "asset_id", "path", "sha256", "registered_at")
    table[1] |= {"rightsholder": "Zoe", "style": "3d"}
    report = register(registry, folder, OwnerTable(write_csv(tmp_path / "two.csv", table)))
    assert (report.unchanged, report.declarations, report.declarations_changed) == (
        2,
        0,
        1,
    )
    assert rows(registry, "asset_id", "path", "sha256", "registered_at") == before
    assert rows(registry, "rightsholder", "attributes", "recorded_from") == [
        ("Ada", '{"style":"flat"}', "one.csv"),
        ("Zoe", '{"style":"3d"}', "two.csv"),
    ]
    assert count(registry, "asset_rights") == 3
    register(registry, folder, OneOwner("Ada", "MIT"))
    assert rows(registry, "rightsholder", "attributes") == [("Ada", '{"style":"flat"}'), ("Ada", '{"style":"3d"}')]


def test_changed_content_is_a_new_work_and_the_former_one_is_missing(registry: Registry, folder: Path) -> None:
    """Both stay on record; when the former content comes back, so does the former work."""
    write_pictures(folder, ["a.png"])
    register(registry, folder)
    former = (folder / "a.png").read_bytes()
    write(folder / "a.png", encoded(picture(9)))
    report = register(registry, folder)
    assert (report.registered, report.missing) == (1, 1)
    assert listed(report) == {
        "a.png": "missing: registered earlier from this source, but no file with that content was found this time"
    }
    assert [(number, since is None) for number, since in rows(registry, "asset_id", "missing_since")] == [
        (0, False),
        (1, True),
    ]
    write(folder / "a.png", former)
    report = register(registry, folder)
    assert (report.registered, report.unchanged, report.found_again, report.missing) == (0, 1, 1, 1)
    assert [(number, since is None) for number, since in rows(registry, "asset_id", "missing_since")] == [
        (0, True),
        (1, False),
    ]


def test_a_moved_file_is_the_same_work_at_its_new_path(registry: Registry, folder: Path, tmp_path: Path) -> None:
    """It keeps its id; what the table says at the new path is declared for it, and contradicts."""
    write_pictures(folder, ["a.png", "b.png"])
    register(registry, folder)
    (folder / "deep").mkdir()
    (folder / "a.png").rename(folder / "deep" / "c.png")
    table = [{"path": "deep/c.png", "rightsholder": "Zoe"}, {"path": "b.png", "rightsholder": "Ada Example"}]
    report = register(registry, folder, OwnerTable(write_csv(tmp_path / "o.csv", table), licence="CC-BY-4.0"))
    assert (report.moved, report.registered, report.missing, report.declarations_changed) == (1, 0, 0, 1)
    assert [(finding.path, str(finding.kind)) for finding in report.findings] == [("deep/c.png", "conflict")]
    assert rows(registry, "asset_id", "path", "rightsholder") == [(0, "deep/c.png", "Zoe"), (1, "b.png", "Ada Example")]


def test_a_renamed_file_is_never_missing(registry: Registry, folder: Path, tmp_path: Path) -> None:
    """The row for the old path counts, and the finding names both paths; without any row, what is
    recorded stays. A copy of a work that is in its place is refused as any file without a row.
    """
    write_pictures(folder, ["0.png", "1.png", "2.png"])
    table = [{"path": f"{number}.png", "rightsholder": "Ada", "licence": "CC-BY-4.0"} for number in range(3)]
    register(registry, folder, OwnerTable(write_csv(tmp_path / "o.csv", table)))
    (folder / "0.png").rename(folder / "renamed.png")
    (folder / "1.png").rename(folder / "other.png")
    write(folder / "copy.png", (folder / "2.png").read_bytes())
    stale = OwnerTable(write_csv(tmp_path / "p.csv", [table[0], table[2]]))
    report = register(registry, folder, stale)
    assert (report.moved, report.unchanged, report.missing, report.declarations_changed) == (2, 1, 0, 0)
    assert listed(report) == {
        "0.png": "row: the registered work now lies at renamed.png; correct the path where its owner is stated",
        "other.png": "refused: no owner stated: p.csv has no row for it; it is the registered work 1.png, whose record "
        "stays, at its new path",
        "copy.png": "refused: no owner stated: p.csv has no row for it",
    }
    assert rows(registry, "path", "rightsholder", "missing_since") == [
        ("renamed.png", "Ada", None),
        ("other.png", "Ada", None),
        ("2.png", "Ada", None),
    ]


def test_words_for_nobody_are_no_rightsholder(registry: Registry, folder: Path, tmp_path: Path) -> None:
    """In a table, as a folder's name and as a list's cell: refused with the words, or registered
    without a rightsholder where that is allowed; a name that is recorded is not replaced.
    """
    write_pictures(folder, ["a.png", "b.png"])
    table = [{"path": "a.png", "rightsholder": "N/A"}, {"path": "b.png", "rightsholder": "Ada"}]
    path = write_csv(tmp_path / "o.csv", table)
    report = register(registry, folder, OwnerTable(path))
    assert listed(report) == {"a.png": "refused: no owner stated: line 2 of o.csv says 'N/A', which names nobody"}
    table = [{"path": "a.png", "rightsholder": "unbekannt"}, {"path": "b.png", "rightsholder": "Unknown"}]
    report = register(registry, folder, OwnerTable(write_csv(tmp_path / "p.csv", table), allow_unowned=True))
    assert listed(report) == {
        "a.png": "row: line 2 of p.csv: 'unbekannt' names nobody: no rightsholder",
        "b.png": "row: line 3 of p.csv: 'Unknown' names nobody: no rightsholder",
    }
    assert rows(registry, "path", "rightsholder") == [("b.png", "Ada"), ("a.png", None)]
    other = write_pictures(tmp_path / "other", ["inconnu/a.png", "Zoe/b.png"], first=5)
    assert listed(register(registry, other, FolderPerRightsholder(None))) == {
        "inconnu/a.png": "refused: no owner stated: its folder is named 'inconnu', which names nobody"
    }
    with pytest.raises(InputError, match="'anonymous', which names nobody; give a name"):
        register(registry, other, OneOwner("anonymous", None))


def test_two_files_that_exchange_their_names_stay_two_works(registry: Registry, folder: Path) -> None:
    """Each keeps its id and gets the other's path."""
    write_pictures(folder, ["a.png", "b.png"])
    register(registry, folder)
    (folder / "a.png").rename(folder / "x")
    (folder / "b.png").rename(folder / "a.png")
    (folder / "x").rename(folder / "b.png")
    report = register(registry, folder)
    assert (report.moved, report.registered, report.missing, report.duplicates) == (2, 0, 0, 0)
    assert rows(registry, "asset_id", "path") == [(0, "b.png"), (1, "a.png")]


def test_the_same_bytes_are_one_work_and_a_second_claim_to_them_is_told(
    registry: Registry, folder: Path, tmp_path: Path
) -> None:
    """Within a folder and between data sets; both rightsholders are on record, told once."""
    write_pictures(folder, ["Ada/a.png"])
    write(folder / "Zoe" / "copy.png", (folder / "Ada" / "a.png").read_bytes())
    report = register(registry, folder, FolderPerRightsholder(None))
    assert [f"{finding.path}: {finding.kind}: {finding.reason}" for finding in report.findings] == [
        "Zoe/copy.png: conflict: names for work 0 the rightsholder 'Zoe', where 'Ada' was recorded from folder name; "
        "both stay on record, the stricter counts",
        "Zoe/copy.png: duplicate: the same bytes as Ada/a.png, which is registered for Ada, not for Zoe",
    ]
    assert (report.declarations, report.further, report.conflicts) == (1, 1, 1)
    other = write_pictures(tmp_path / "other", ["z.png"])
    report = register(registry, other, OneOwner("Ada", None))
    assert listed(report) == {
        "z.png": "duplicate: the same bytes as Ada/a.png of the data set 'works', which is registered"
    }
    assert rows(registry, "path", "rightsholder") == [("Ada/a.png", "Ada")]
    again = register(registry, folder, FolderPerRightsholder(None))
    assert (again.unchanged, again.duplicates, again.moved, again.missing) == (1, 1, 0, 0)
    assert (again.further, again.conflicts, again.declarations_changed) == (0, 0, 0)


def test_a_missing_file_is_told_until_it_is_back(registry: Registry, folder: Path) -> None:
    """The time of the first absence stays."""
    write_pictures(folder, ["a.png", "b.png"])
    register(registry, folder)
    data = (folder / "b.png").read_bytes()
    (folder / "b.png").unlink()
    for _ in range(2):
        assert listed(register(registry, folder)) == {
            "b.png": "missing: registered earlier from this source, but no file with that content was found this time"
        }
    write(folder / "b.png", data)
    report = register(registry, folder)
    assert (report.found_again, report.unchanged, report.findings) == (1, 2, ())


def test_files_without_a_row_and_rows_without_a_file_are_listed(
    registry: Registry, folder: Path, tmp_path: Path
) -> None:
    """A work whose row went away stays as it was registered."""
    write_pictures(folder, ["a.png", "b.png"])
    table = write_csv(
        tmp_path / "o.csv", [{"path": "a.png", "rightsholder": "Ada"}, {"path": "x.png", "rightsholder": "Ada"}]
    )
    report = register(registry, folder, OwnerTable(table))
    assert listed(report) == {
        "b.png": "refused: no owner stated: o.csv has no row for it",
        "x.png": "row: line 3 of o.csv: no such file in the folder",
    }
    table = write_csv(tmp_path / "p.csv", [{"path": "b.png", "rightsholder": "Ada"}])
    report = register(registry, folder, OwnerTable(table))
    assert (report.registered, report.missing) == (1, 0)
    assert listed(report) == {"a.png": "refused: no owner stated: p.csv has no row for it"}
    assert rows(registry, "path", "missing_since") == [("a.png", None), ("b.png", None)]


def test_a_table_or_a_home_inside_the_folder_is_no_work(folder: Path) -> None:
    """People keep both beside their images."""
    write_pictures(folder, ["a.png"])
    table = write_csv(folder / "owners.csv", [{"path": "a.png", "rightsholder": "Ada"}])
    inside = create_registry(Home(folder / "home"))
    write(inside.home.sample_image("s"), encoded(picture(3)))
    report = register(inside, folder, OwnerTable(table), excluded=[table])
    assert (report.files, report.findings) == (1, ())


def test_a_data_set_is_one_folder(registry: Registry, folder: Path, tmp_path: Path) -> None:
    """The same name for another folder is refused, unless the folder itself was moved."""
    write_pictures(folder, ["a.png"])
    register(registry, folder)
    other = write_pictures(tmp_path / "other" / "works", ["b.png"], first=5)
    with pytest.raises(UsageError, match=r"is the folder .*; give the folder .* another name with --data-set"):
        register(registry, other)
    register(registry, other, data_set="second")
    folder.rename(tmp_path / "moved")
    report = register(registry, tmp_path / "moved", data_set="works")
    assert (report.unchanged, report.registered) == (1, 0)
    assert rows(registry, "data_set", "root")[0] == ("works", str(tmp_path / "moved"))


@pytest.mark.parametrize("name", ["nothing", "file", "loop"])
def test_what_is_no_folder_is_an_error(registry: Registry, tmp_path: Path, name: str) -> None:
    """Nothing there, a file, or a link to itself."""
    write(tmp_path / "file", b"x")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(InputError, match="give a folder of images"):
        register(registry, tmp_path / name)


def test_works_can_be_listed_by_rightsholder_licence_and_source(registry: Registry, folder: Path) -> None:
    """Filters are exact; hostile names are only names."""
    write_pictures(folder, ["Ada/a.png", "x' OR 1=1 --/b.png"])
    register(registry, folder, FolderPerRightsholder("MIT"))
    with registry.connection() as connection:
        assert [row["path"] for row in works(connection, WorksFilter(rightsholder="Ada")).rows] == ["Ada/a.png"]
        hostile = WorksFilter(rightsholder="x' OR 1=1 --")
        assert [row["path"] for row in works(connection, hostile).rows] == ["x' OR 1=1 --/b.png"]
        assert len(works(connection, WorksFilter(licence="MIT", data_set="works"), limit=1).rows) == 1


@pytest.mark.slow
def test_batches_and_processes_do_not_change_the_result(
    registry: Registry, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file per transaction or all, one process or three: the same rows with the same ids."""
    write_pictures(folder, [f"{number % 7}/{number:03d}.png" for number in range(150)])
    write(folder / "3" / "bad.png", b"bad")
    register(registry, folder)
    other = create_registry(Home(tmp_path / "other"))
    monkeypatch.setattr(registration, "BATCH", 40)
    monkeypatch.setattr(open_sources, "inspect_files", partial(inspect_files, seconds_alone=0.0))
    report = register(other, folder, workers=3)
    assert (report.registered, report.refused) == (150, 1)
    columns = ("asset_id", "path", "sha256", "width", "pixel_mode", "rightsholder")
    assert rows(other, *columns) == rows(registry, *columns)


def inspect_or_die(root: Path, task: Task, decode: bool) -> Result:
    """As a decoder with a defect does; another one prints."""
    if task.path == "deadly.png":
        os.kill(os.getpid(), signal.SIGKILL)
    os.write(1, b"warning: printed by a library\n")
    return inspect_file(root, task, decode)


@pytest.mark.slow
def test_a_file_that_kills_its_reader_is_refused_and_the_others_go_in(folder: Path) -> None:
    """In order, none twice, none lost."""
    names = [f"{number:03d}.png" for number in range(200)] + ["deadly.png"]
    write_pictures(folder, names)
    tasks = [Task(name) for name in sorted(names, key=lambda name: (name == "deadly.png") * 0.5 + (name > "100.png"))]
    results = list(inspect_files(folder, tasks, workers=2, inspect=inspect_or_die, seconds_alone=0.0))
    assert [result.path for result in results] == [task.path for task in tasks]
    refused = [result for result in results if isinstance(result, Refusal)]
    assert [(result.path, "ended the process" in result.reason) for result in refused] == [("deadly.png", True)]
    assert sum(isinstance(result, Work) for result in results) == 200


@pytest.mark.slow
def test_an_item_that_blocks_its_process_is_found_and_the_others_are_answered() -> None:
    """After a while the process is ended; in order, none twice, none lost."""

    def request(items: list[str]) -> Mapping[str, Any]:
        return {"kind": "apply", "function": "tests.registry.ingest.blocking:block", "root": "", "items": items}

    with ProcessPool(1) as pool:
        assert pool.ask(request, ["a", "endless", "b"], str.upper, seconds=5.0) == ["a", "ENDLESS", "b"]


def test_a_registration_that_is_left_ends_its_processes_at_once() -> None:
    """Also while each of them is amid an item and more items wait: Ctrl+C must not hang."""

    def request(items: list[str]) -> Mapping[str, Any]:
        return {"kind": "apply", "function": "tests.registry.ingest.blocking:block", "root": "", "items": items}

    def leave() -> None:
        with ProcessPool(4) as pool:
            chunks = iter([["a"], *([["endless"]] * 20)])
            answers = pool.in_order(lambda items: pool.ask(request, items, str.upper), chunks, 16)
            assert next(answers) == ["a"]
            time.sleep(1.0)
            answers.close()

    leaving = Thread(target=leave, daemon=True)
    leaving.start()
    leaving.join(60)
    assert not leaving.is_alive()


_READS = """
from registry.ingest.reading.processes import ReadingProcess

process = ReadingProcess()
request = {"kind": "apply", "function": "tests.registry.ingest.blocking:block", "root": "", "items": ["endless"]}
process.send(request)
print("reads", flush=True)
process.answer()
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="sessions are read from /proc")
@pytest.mark.slow
def test_a_killed_registration_leaves_no_process_amid_a_file() -> None:
    """Also where a decoder would take minutes: the parent that would end it is gone."""
    assert left_without_parent(_READS) == []


def test_progress_is_told_for_every_file(registry: Registry, folder: Path) -> None:
    """Up to the last one."""
    write_pictures(folder, ["a.png", "b.png", "c.png"])
    told: list[tuple[int, int]] = []
    register(registry, folder, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


KILLED = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any
from registry.storage.database import Registry
from registry.home import Home
from registry.ingest import registration
from registry.ingest.owners.declarations import OneOwner

if __name__ == "__main__":
    registration.BATCH = 10
    def progress(done, total):
        print(done, flush=True)
        time.sleep(0.01)
    registration.register_folder(
        Registry.open(Home(Path(sys.argv[1]))), Path(sys.argv[2]), OneOwner("Ada Example", "CC-BY-4.0"),
        now=datetime.now(UTC), on_progress=progress,
    )
"""


@pytest.mark.slow
def test_a_killed_registration_goes_on_where_it_stopped(registry: Registry, folder: Path) -> None:
    """Killed in the middle: what was stored is whole, the next run adds the rest and nothing
    twice.
    """
    write_pictures(folder, [f"{number:03d}.png" for number in range(120)])
    arguments = [sys.executable, "-c", KILLED, str(registry.home.root), str(folder)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 45:
                process.send_signal(signal.SIGKILL)
                break
    stored = count(registry, "asset")
    assert 30 <= stored < 120
    assert stored % 10 == 0
    assert count(registry, "asset_rights") == stored
    report = register(registry, folder)
    assert (report.unchanged, report.registered, report.declarations) == (stored, 120 - stored, 120 - stored)
    assert [path for (path,) in rows(registry, "path")] == [f"{number:03d}.png" for number in range(120)]
    assert count(registry, "asset_rights") == 120


@pytest.mark.slow
def test_workers_end_with_a_parent_that_was_killed(registry: Registry, folder: Path) -> None:
    """No process is left behind."""
    write_pictures(folder, [f"{number:03d}.png" for number in range(300)])
    program = KILLED.replace("on_progress=progress", "on_progress=progress, workers=2").replace(
        "registration.BATCH = 10",
        "from functools import partial; from registry.ingest import open_sources; open_sources.inspect_files = "
        "partial(open_sources.inspect_files, seconds_alone=0.0)",
    )
    arguments = [sys.executable, "-c", program, str(registry.home.root), str(folder)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        session = process.pid
        assert _in_session(session) >= 3
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while _in_session(session) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _in_session(session) == 0


def _in_session(session: int) -> int:
    """How many processes of this session are alive."""
    alive = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, found = stat.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        alive += int(found) == session and state != "Z"
    return alive
