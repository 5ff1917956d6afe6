"""The same work, declared twice: in every way and order, the stricter declaration counts."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import pytest

from registry.event_log.verify import verify
from registry.ingest.bulk import ListReport, register_list
from registry.ingest.findings import Kind
from registry.ingest.lists import open_list
from registry.ingest.owners.table import OwnerTable
from registry.ingest.registration import RegistrationReport, register_archive, register_folder
from registry.licences import read_licence
from registry.permissions.derived_columns import find_stale
from registry.permissions.rule import STRICTNESS, Permission
from registry.storage.database import Registry
from tests.support.works import NOW, copied, encoded, picture, write, write_csv

OWNERS = (None, "Ada", "Ben")
CC0 = "CC0-1.0"
SAME = "https://creativecommons.org/publicdomain/zero/1.0/"
LICENCES = (None, CC0, SAME, "CC-BY-NC-4.0", "No AI training")
Statement = tuple[str | None, str | None]
"""Rightsholder and licence; None is not stated."""
STATEMENTS: tuple[Statement, ...] = tuple(product(OWNERS, LICENCES))
PAIRS = tuple(product(STATEMENTS, STATEMENTS))
ALONE = {licence: str(read_licence(licence).training) if licence else "unclear" for licence in LICENCES}


def expected_permission(first: Statement, second: Statement) -> str:
    """A missing licence is filled by the same rightsholder's, or by one stated for nobody."""
    licences = {first[1], second[1]}
    if len({first[0], second[0]} - {None}) < 2 and licences != {None}:
        licences.discard(None)
    return max((ALONE[licence] for licence in licences), key=lambda name: STRICTNESS.index(Permission(name)))


def contradict(first: Statement, second: Statement) -> bool:
    """Other names, or other terms; two references to one licence agree."""
    owners = {first[0], second[0]} - {None}
    terms = {CC0 if licence == SAME else licence for licence in (first[1], second[1])} - {None}
    return len(owners) > 1 or len(terms) > 1


class Works:
    """One work for each pair of statements, and its bytes."""

    def __init__(self, folder: Path, pairs: Sequence[tuple[Statement, Statement]]) -> None:
        """Draw the pictures."""
        self.folder, self.pairs = folder, pairs
        self.data = [encoded(picture(number)) for number in range(len(pairs))]
        self.hashes = [hashlib.sha256(data).hexdigest() for data in self.data]

    def listed(self, registry: Registry, name: str, *turns: int) -> ListReport:
        """A list with the statements of these turns (0 or 1) about every work."""
        rows = [
            {"sha256": sha256, "rightsholder": pair[turn][0] or "", "licence": pair[turn][1] or ""}
            for turn in turns
            for sha256, pair in zip(self.hashes, self.pairs, strict=True)
        ]
        path = write_csv(self.folder / f"{name}.csv", rows)
        with_staging = self.folder / f"staging {name}"
        with_staging.mkdir(exist_ok=True)
        return register_list(registry, open_list(path, staging=with_staging), root=path, now=NOW, allow_unowned=True)

    def files(self, registry: Registry, name: str, *turns: int, archive: bool = False) -> RegistrationReport:
        """A folder or archive with a file of every work for each turn, and its owner table."""
        rows = []
        for turn in turns:
            for number, (data, pair) in enumerate(zip(self.data, self.pairs, strict=True)):
                path = f"{turns.index(turn)}/{number}.png"
                write(self.folder / name / path, data)
                rows.append({"path": path, "rightsholder": pair[turn][0] or "", "licence": pair[turn][1] or ""})
        table = OwnerTable(write_csv(self.folder / f"{name} {turns}.csv", rows), allow_unowned=True)
        source = self.folder / name
        if archive:
            source = self.folder / f"{name}.zip"
            with zipfile.ZipFile(source, "w") as opened:
                for file in sorted((self.folder / name).rglob("*.png")):
                    opened.write(file, file.relative_to(self.folder / name))
        register = register_archive if archive else register_folder
        return register(registry, source, table, now=NOW, near_duplicates=False)


Reports = Sequence[RegistrationReport | ListReport]
WAYS: dict[str, Callable[[Works, Registry, int, int], Reports]] = {
    "two rows of a list": lambda works, into, one, two: [works.listed(into, "list", one, two)],
    "two lists": lambda works, into, one, two: [works.listed(into, "a", one), works.listed(into, "b", two)],
    "two files of a folder": lambda works, into, one, two: [works.files(into, "folder", one, two)],
    "two files of an archive": lambda works, into, one, two: [works.files(into, "files", one, two, archive=True)],
    "two folders": lambda works, into, one, two: [works.files(into, "a", one), works.files(into, "b", two)],
    "the same folder again": lambda works, into, one, two: [works.files(into, "a", one), works.files(into, "a", two)],
    "a list, then files": lambda works, into, one, two: [works.listed(into, "a", one), works.files(into, "b", two)],
    "files, then a list": lambda works, into, one, two: [works.files(into, "a", one), works.listed(into, "b", two)],
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Works:
    """Pictures for every pair, drawn once."""
    return Works(tmp_path_factory.mktemp("drawn"), PAIRS)


@pytest.mark.parametrize("turns", [(0, 1), (1, 0)])
@pytest.mark.parametrize("way", WAYS)
def test_the_stricter_statement_counts_in_any_way_and_order(
    way: str, turns: tuple[int, int], drawn: Works, empty: Registry, tmp_path: Path
) -> None:
    """Every pair of statements has the expected permission, its conflict is listed, and nobody is
    lost; what is recorded once is not recorded again, and the record is sound.
    """
    drawn.folder = tmp_path
    registry = copied(empty, tmp_path / "home")
    reports = WAYS[way](drawn, registry, *turns)
    with registry.connection() as connection:
        found = dict(connection.execute("SELECT sha256, permission FROM asset WHERE missing_since IS NULL").fetchall())
        owners = dict(
            connection.execute(
                "SELECT sha256, list(DISTINCT name) FROM asset JOIN asset_rights ON asset_id = asset.id "
                "JOIN rightsholder ON rightsholder.id = asset_rights.rightsholder_id GROUP BY 1"
            ).fetchall()
        )
        assert find_stale(connection) == []
    for (first, second), sha256 in zip(drawn.pairs, drawn.hashes, strict=True):
        assert found[sha256] == expected_permission(first, second), (first, second)
        assert set(owners.get(sha256, ())) == {first[0], second[0]} - {None}, (first, second)
    listed = sum(contradict(*pair) for pair in drawn.pairs)
    told = [
        report.conflicts if isinstance(report, ListReport) else report.counts.get(str(Kind.CONFLICT), 0)
        for report in reports
    ]
    assert sum(told) == listed
    assert not verify(registry).faults


@pytest.mark.parametrize("former", [("Ada", CC0), (None, CC0)])
@pytest.mark.parametrize("source", ["listed", "files"])
def test_an_emptied_cell_takes_back_what_its_source_stated(
    source: str, former: Statement, empty: Registry, tmp_path: Path
) -> None:
    """The newest version of a table counts: without its licence the work is no longer permitted.

    The change is a conflict, told once; a cell that is filled again counts again.
    """
    registry = copied(empty, tmp_path / "home")
    holder = former[0]
    versions: tuple[Statement, ...] = (former, (holder, None), (holder, None), former, (None, None))
    works = Works(tmp_path, [(version, version) for version in versions[:1]])
    found = []
    for version in (*versions, former):
        works.pairs = [(version, version)]
        if source == "files":
            write(tmp_path / "art" / "0" / "0.png", works.data[0])
            rows = [{"path": "0/0.png", "rightsholder": version[0] or "", "licence": version[1] or ""}]
            table = OwnerTable(write_csv(tmp_path / "owners.csv", rows), allow_unowned=True)
            report = register_folder(registry, tmp_path / "art", table, now=NOW, near_duplicates=False)
            conflicts = report.counts.get(str(Kind.CONFLICT), 0)
        else:
            conflicts = works.listed(registry, "list", 0).conflicts
        with registry.connection() as connection:
            ((permission, owner),) = connection.execute("SELECT permission, rightsholder_id FROM asset").fetchall()
            assert find_stale(connection) == []
        found.append((permission, owner is not None, conflicts))
    stated = holder is not None
    assert found == [
        ("permitted", stated, 0),
        ("unclear", stated, 1),
        ("unclear", stated, 0),
        ("permitted", stated, 0),
        ("unclear", False, 1),
        ("permitted", stated, 0),
    ]
    assert not verify(registry).faults


def test_an_empty_cell_of_another_table_takes_back_nothing(empty: Registry, tmp_path: Path) -> None:
    """Only the source that stated a licence can take it back by leaving it out."""
    registry = copied(empty, tmp_path / "home")
    works = Works(tmp_path, [(("Ada", CC0), ("Ada", None))])
    works.listed(registry, "a", 0)
    report = works.listed(registry, "b", 1)
    with registry.connection() as connection:
        assert connection.execute("SELECT permission FROM asset").fetchall() == [("permitted",)]
    assert report.conflicts == 0
