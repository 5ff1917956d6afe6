"""What registration does beside storing files: what works say about themselves, several
rightsholders, look-alikes, kills.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from registry.doctor import examine
from registry.home import Home
from registry.image_files.inspection import Refusal, Result, Task, Work, inspect_file
from registry.ingest import near_duplicates
from registry.ingest.findings import Kind
from registry.ingest.owners.declarations import Declaration, FolderPerRightsholder, OneOwner
from registry.ingest.owners.table import OwnerTable
from registry.ingest.reading.file_inspection import inspect_files
from registry.ingest.store.embedded import conflicts
from registry.metadata import UNREAD_CREDENTIALS, EmbeddedMetadata
from registry.schema.create import create_registry
from registry.storage.database import Registry
from tests.registry.metadata.files import VOCABULARY, data_mining, with_xmp
from tests.support.works import NOW, encoded, picture, register, write, write_csv, write_pictures

pytestmark = pytest.mark.reopens  # other processes open the registry

PROHIBITED = data_mining(f"{VOCABULARY}DMI-PROHIBITED", "<photoshop:Credit>Zoe Other / Agency</photoshop:Credit>")


def query(registry: Registry, statement: str) -> list[tuple[object, ...]]:
    """The rows of a query."""
    with registry.connection() as connection:
        return connection.execute(statement).fetchall()


def test_what_a_file_says_is_kept_and_counts(registry: Registry, folder: Path) -> None:
    """The packet, its fields and its signals; a declaration that says otherwise is recorded, and
    both are shown.
    """
    write(folder / "a.jpg", with_xmp("JPEG", PROHIBITED))
    write_pictures(folder, ["b.png"])
    report = register(registry, folder, OneOwner("Ada Example", "CC-BY-4.0"))
    assert (report.registered, report.embedded, report.signals, report.conflicts) == (2, 1, 1, 2)
    assert query(registry, "SELECT asset_id, credit_line, xmp FROM embedded_metadata") == [
        (0, "Zoe Other / Agency", PROHIBITED)
    ]
    assert query(registry, "SELECT protocol, use FROM rights_signal") == [("plus", "prohibited")]
    assert query(registry, "SELECT permission FROM asset ORDER BY id") == [("prohibited",), ("permitted",)]
    holders = "SELECT name FROM asset JOIN rightsholder ON rightsholder.id = rightsholder_id"
    assert query(registry, holders) == [("Ada Example",), ("Ada Example",)]
    credit, terms = [finding.reason for finding in report.findings]
    assert "'Ada Example'" in credit
    assert "'Zoe Other / Agency'" in credit
    assert "permits training" in terms
    assert "prohibits" in terms
    again = register(registry, folder, OneOwner("Ada Example", "CC-BY-4.0"))
    assert (again.unchanged, again.embedded, again.conflicts) == (2, 0, 0)
    newer = register(registry, folder, OneOwner("Bob", "CC-BY-4.0"))
    assert newer.conflicts == 4, "a newer declaration is compared with what the file said then, and with the one before"
    assert not examine(registry, quick=True).findings


@pytest.mark.parametrize(
    ("declared", "stated", "expected"),
    [
        ({"rightsholder": "Ada Example"}, {"copyright_notice": "© 2019 ADA  EXAMPLE. All rights reserved."}, 0),
        ({"rightsholder": "Ada Example"}, {"creator": "Example, Ada"}, 0),
        ({"rightsholder": "Agency", "creator": "Ada"}, {"creator": "Ada"}, 0),
        ({"rightsholder": "Ada"}, {"copyright_notice": "Copyright 2020, all rights reserved"}, 0),
        ({"rightsholder": "Ada"}, {"creator": "Zoe"}, 1),
        ({"rightsholder": "Agency", "creator": "Ada"}, {"creator": "Zoe", "credit_line": "Agency"}, 1),
        ({"rightsholder": "Agency"}, {"creator": "Zoe", "credit_line": "Zoe / Agency"}, 0),
        ({"licence": "CC-BY-4.0"}, {"rights_url": "https://creativecommons.org/licenses/by/4.0/"}, 0),
        ({"licence": "CC-BY-4.0"}, {"rights_url": "https://creativecommons.org/licenses/by-nc/4.0/"}, 1),
        ({"licence": "CC-BY-4.0"}, {"rights_url": "https://example.org/terms"}, 0),
        ({}, {"creator": "Zoe", "rights_url": "https://creativecommons.org/licenses/by-nc/4.0/"}, 0),
    ],
)
def test_a_conflict_is_a_contradiction_and_not_another_spelling(
    declared: dict[str, str], stated: dict[str, str], expected: int
) -> None:
    """Case, order, years and boilerplate do not count; what is not declared contradicts nothing."""
    fields = {"xmp": {"xmpRights:WebStatement": stated["rights_url"]}} if "rights_url" in stated else {}
    metadata = EmbeddedMetadata(**stated, fields=fields)  # type: ignore[arg-type]
    found = list(conflicts(Declaration("table", **declared), metadata))  # type: ignore[arg-type]  # names of the fields
    assert len(found) == expected, found


def die_of_credentials(root: Path, task: Task, decode: bool) -> Result:
    """As the library that reads content credentials might."""
    if task.credentials and task.path == "signed.jpg":
        os.kill(os.getpid(), signal.SIGKILL)
    return inspect_file(root, task, decode)


@pytest.mark.parametrize("seconds_alone", [0.0, 5.0])
@pytest.mark.slow
def test_content_credentials_that_end_a_process_are_left_unread(folder: Path, seconds_alone: float) -> None:
    """The work goes in with the problem noted; and they are never read in this process itself."""
    from tests.registry.metadata.signing import signed  # skips the test where the extra is not installed

    write(folder / "signed.jpg", signed(encoded(picture(1, 32), "JPEG"), "image/jpeg"))
    write_pictures(folder, ["a.png", "z.png"], 5)
    tasks = [Task(name) for name in ("a.png", "signed.jpg", "z.png")]
    results = list(inspect_files(folder, tasks, workers=2, inspect=die_of_credentials, seconds_alone=seconds_alone))
    assert [result.path for result in results] == [task.path for task in tasks]
    assert not [result for result in results if isinstance(result, Refusal)]
    assert isinstance(results[1], Work)
    assert results[1].embedded is not None
    assert results[1].embedded.problems == (UNREAD_CREDENTIALS,)
    sound = list(inspect_files(folder, tasks, seconds_alone=seconds_alone))[1]
    assert isinstance(sound, Work)
    assert sound.embedded is not None
    assert sound.embedded.c2pa is not None


@pytest.mark.slow
def test_a_table_names_several_rightsholders_with_roles_and_shares(
    registry: Registry, folder: Path, tmp_path: Path
) -> None:
    """In order; the same again changes nothing, another share is a newer declaration, a source with
    one name leaves them.
    """
    write_pictures(folder, ["a.png", "b.png"])
    row = {"path": "a.png", "rightsholder": "Ada", "rightsholder_role": "photographer", "rightsholder_share": "60%"}
    row |= {"rightsholder_2": "Bob", "rightsholder_2_role": "", "rightsholder_2_share": "0.4", "rightsholder_10": "Eve"}
    table = [row, {"path": "b.png", "rightsholder": "Zoe"}]

    def shares() -> list[tuple[object, ...]]:
        return query(
            registry,
            "SELECT co_rightsholder.asset_id, position, name, role, share FROM co_rightsholder "
            "JOIN rightsholder ON rightsholder.id = co_rightsholder.rightsholder_id JOIN asset ON declared_id = rights_id "
            "ORDER BY rights_id, position",
        )

    for declared in (2, 0):
        report = register(registry, folder, OwnerTable(write_csv(tmp_path / "owners.csv", table)))
        assert (report.declarations, report.declarations_changed, report.findings) == (declared, 0, ())
    assert shares() == [(0, 1, "Ada", "photographer", 0.6), (0, 2, "Bob", None, 0.4), (0, 3, "Eve", None, None)]
    row["rightsholder_2_share"] = "0.3"
    assert register(registry, folder, OwnerTable(write_csv(tmp_path / "owners.csv", table))).declarations_changed == 1
    assert shares()[1] == (0, 2, "Bob", None, 0.3)
    register(registry, folder, OneOwner("Ada", "MIT"))
    assert [each[2] for each in shares()] == ["Ada", "Bob", "Eve"], "who says nothing of them leaves them"
    register(registry, folder, OneOwner("Zoe", "MIT"))
    assert shares() == []


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (
            {"rightsholder": "A", "rightsholder_share": "0.7", "rightsholder_2": "B", "rightsholder_2_share": "40 %"},
            "more than 1",
        ),
        ({"rightsholder": "A", "rightsholder_share": "-1"}, "the share '-1'"),
        ({"rightsholder": "A", "rightsholder_share": "nan"}, "the share 'nan'"),
        ({"rightsholder": "", "rightsholder_2": "B"}, "is named, but the first one is not"),
        (
            {"rightsholder": "A", "rightsholder_2": "", "rightsholder_2_role": "author"},
            "has a role or share, but no name",
        ),
        ({"rightsholder": "A", "rightsholder_2": "A"}, "named twice"),
    ],
)
def test_rows_with_impossible_shares_count_for_nothing(tmp_path: Path, columns: dict[str, str], reason: str) -> None:
    """And the reason is listed."""
    table = OwnerTable(write_csv(tmp_path / "owners.csv", [{"path": "a.png", **columns}]))
    assert [reason in finding.reason for finding in table.findings] == [True]


def photograph(seed: int) -> Image.Image:
    """A picture with enough in it to be compared."""
    noise = np.random.default_rng(seed).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((160, 160), Image.Resampling.BICUBIC)


@pytest.mark.slow
def test_look_alikes_of_different_rightsholders_are_found(registry: Registry, folder: Path) -> None:
    """At intake, and also between an earlier run and a later one; what was searched is not searched
    again.
    """
    write(folder / "Ada" / "a.png", encoded(photograph(1)))
    write(folder / "Ada" / "same.jpg", encoded(photograph(1), "JPEG", quality=70))
    write(folder / "Ada" / "other.png", encoded(photograph(2)))
    write(folder / "Ada" / "flat.png", encoded(Image.new("RGB", (64, 64), "teal")))
    owners = FolderPerRightsholder("MIT")
    first = register(registry, folder, owners, near_duplicates=True)
    assert (first.fingerprints, first.not_comparable, first.near_duplicate_pairs, first.near_duplicates_across) == (
        4,
        1,
        1,
        0,
    )
    write(folder / "Zoe" / "copy.jpg", encoded(photograph(1), "JPEG", quality=40))
    second = register(registry, folder, owners, near_duplicates=True)
    assert (second.fingerprints, second.near_duplicates_across) == (1, 1)
    (finding,) = second.findings
    assert finding.kind == Kind.NEAR_DUPLICATE
    assert "belong to 2 rightsholders" in finding.reason
    assert "Zoe/copy.jpg (Zoe)" in finding.reason
    third = register(registry, folder, owners, near_duplicates=True)
    assert (third.fingerprints, third.near_duplicate_pairs, third.findings) == (0, 0, ())
    assert not examine(registry, quick=True).findings


@pytest.mark.slow
def test_a_search_over_its_time_goes_on_at_the_next_run(
    registry: Registry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every run gets one slice further and says so; the pairs are those of one search."""
    for number in range(10):
        write(folder / f"{number}.jpg", encoded(photograph(number % 2), "JPEG", quality=60 + number))
    whole = compared_at_once(registry, folder)
    monkeypatch.setattr(near_duplicates, "SLICE", 4)
    with monkeypatch.context() as patch:
        patch.setattr(near_duplicates, "SEARCH_SECONDS", -1.0)
        patch.setattr(near_duplicates, "_SECONDS_PER_NEW", 1e6)
        report = register(registry, folder, near_duplicates=True)
        assert report.fingerprints == 10
        assert ["4 of 10 new works were compared" in finding.reason for finding in report.findings] == [True]
        with registry.connection() as connection:
            assert near_duplicates.works_to_compare(connection) == 6
        report = register(registry, folder, near_duplicates=True)
        assert ["4 of 6 new works were compared" in finding.reason for finding in report.findings] == [True]
    steps = list[tuple[int, int]]()
    near_duplicates.compare_the_rest(registry, NOW, lambda done, total: steps.append((done, total)))
    assert steps == [(2, 2)]
    with registry.connection() as connection:
        assert near_duplicates.works_to_compare(connection) == 0
        pairs = connection.execute(
            "SELECT asset_id, other_asset_id, distance FROM near_duplicate ORDER BY ALL"
        ).fetchall()
    assert pairs == whole
    assert near_duplicates.compare_the_rest(registry, NOW).pairs == 0


def compared_at_once(registry: Registry, folder: Path) -> list[tuple[int, int, int]]:
    """The pairs that one search over all works finds, in a registry of its own."""
    other = create_registry(Home(registry.home.root.with_name("other")))
    register(other, folder, near_duplicates=True)
    with other.connection() as connection:
        return connection.execute(
            "SELECT asset_id, other_asset_id, distance FROM near_duplicate ORDER BY ALL"
        ).fetchall()


RUN = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from registry.storage.database import Registry
from registry.home import Home
from registry.ingest import fingerprinting, registration
from registry.ingest.owners.declarations import OneOwner
registration.BATCH = 12
fingerprinting.BATCH = 12
print("ready", flush=True)
registration.register_folder(
    Registry.open(Home(Path(sys.argv[1]))), Path(sys.argv[2]), OneOwner("Ada Example", "MIT"), now=datetime.now(UTC), workers=2,
)
"""


@pytest.mark.slow
def test_killed_at_random_moments_nothing_is_lost_or_doubled(registry: Registry, folder: Path) -> None:
    """After each kill the registry opens, its log holds, and in the end every work is there
    once.
    """
    for number in range(60):
        write(folder / f"{number:03d}.png", encoded(photograph(number)))
    for moment in (0.05, 0.3, 0.6, 0.9, 1.3):
        arguments = [sys.executable, "-c", RUN, str(registry.home.root), str(folder)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, start_new_session=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                process.wait(moment * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
        assert not [found for found in examine(registry, quick=True).findings if found.severity != "note"]
    register(registry, folder, OneOwner("Ada Example", "MIT"), near_duplicates=True)
    counts = "SELECT count(*), count(DISTINCT sha256), count(DISTINCT path), count(declared_id) FROM asset"
    assert query(registry, counts) == [(60, 60, 60, 60)]
    assert query(registry, "SELECT count(*), count(DISTINCT asset_id) FROM fingerprint") == [(60, 60)]
    assert query(registry, "SELECT count(*) FROM asset_rights") == [(60,)]
    assert not [found for found in examine(registry, quick=True).findings if found.severity != "note"]


@pytest.mark.slow
def test_two_registrations_at_once_register_every_work_once(registry: Registry, folder: Path) -> None:
    """They take turns, batch by batch, and neither fails."""
    for number in range(30):
        write(folder / f"{number:03d}.png", encoded(photograph(number)))
    command = [sys.executable, "-c", RUN, str(registry.home.root), str(folder)]
    both = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(120) for process in both] == [0, 0]
    assert query(registry, "SELECT count(*), count(DISTINCT sha256), count(declared_id) FROM asset") == [(30, 30, 30)]
    assert query(registry, "SELECT count(*), count(DISTINCT asset_id) FROM fingerprint") == [(30, 30)]
    assert query(registry, "SELECT count(*) FROM data_set") == [(1,)]
