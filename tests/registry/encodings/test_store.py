"""Encodings over registered works: units in a stable order, immutable, idempotent, and what is left
out.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from registry.doctor import examine
from registry.encodings.codes import codes_of
from registry.encodings.extension import extend_encoding
from registry.encodings.store import UnitTable, create_encoding, load_units
from registry.encodings.unit_works import unit_works
from registry.encodings.works import LAWFUL, group_sizes, unit_count
from registry.errors import CapacityError, NotFoundError, UsageError
from registry.home import Home
from registry.ingest.owners.table import OwnerTable
from registry.permissions.rule import Permission
from registry.schema.create import create_registry
from registry.storage.database import Registry
from registry.storage.tables import Encoding
from registry.works.queries import training_assets, works_outside
from tests.support.works import NOW, register, write_csv, write_pictures

NAMES = ("a.png", "b.png", "c.png", "d.png", "e.png")
TABLE = [
    {"path": "a.png", "rightsholder": "Zoe", "licence": "CC0-1.0", "title": "First", "odd.'name\"/~": "x"},
    {"path": "b.png", "rightsholder": "Ada", "licence": "CC0-1.0", "title": "", "odd.'name\"/~": "y"},
    {"path": "c.png", "rightsholder": "Zoe", "licence": "", "title": "", "odd.'name\"/~": "x"},
    {"path": "d.png", "rightsholder": "Ada", "licence": "", "title": "", "odd.'name\"/~": ""},
    {"path": "e.png", "rightsholder": "", "licence": "MIT", "title": "", "odd.'name\"/~": "y"},
]


@pytest.fixture
def filled(registry: Registry, folder: Path, tmp_path: Path) -> Registry:
    """Five works of two rightsholders, one work without; a column with an awkward name."""
    write_pictures(folder, NAMES)
    register(registry, folder, OwnerTable(write_csv(tmp_path / "owners.csv", TABLE), allow_unowned=True))
    return registry


def test_works_as_units_are_numbered_by_id_and_get_the_codes_of_their_numbers(filled: Registry) -> None:
    """Labels are titles where there are any, else paths."""
    encoding = create_encoding(filled, "asset", None, 6, 3, 4, NOW)
    units = load_units(filled, encoding.id)
    assert units.labels == ["First", "b.png", "c.png", "d.png", "e.png"]
    assert units.keys == [str(asset) for asset in units.asset_ids]
    assert units.codes.tolist() == codes_of(4, 6, 3, range(5), 2).tolist()
    assert units.unit_numbers.tolist() == [0, 1, 2, 3, 4]
    assert (encoding.n, encoding.h, encoding.seed, encoding.unit_count) == (6, 3, 4, 5)


def test_rightsholders_as_units_hold_all_their_works_in_order_of_name(filled: Registry) -> None:
    """The work without a rightsholder is left out and counted."""
    encoding = create_encoding(filled, "rightsholder", None, 4, 2, 0, NOW)
    units = load_units(filled, encoding.id)
    assert units.labels == ["Ada", "Zoe"]
    assert units.unit_numbers.tolist() == [1, 0, 1, 0]
    assert units.asset_codes.tolist() == units.codes[units.unit_numbers].tolist()
    with filled.connection() as connection:
        assert works_outside(connection, encoding.id) == 1


@pytest.mark.parametrize(
    ("column", "labels"),
    [
        ("odd.'name\"/~", ["x", "y"]),
        ("licence", ["CC0-1.0", "MIT"]),
        ("data_set", ["works"]),
        ("rightsholder", ["Ada", "Zoe"]),
    ],
)
def test_any_column_groups_works_however_it_is_named(filled: Registry, column: str, labels: list[str]) -> None:
    """Columns of the owner table, and the ones that every work has; works without a value are left
    out.
    """
    units = load_units(filled, create_encoding(filled, "column", column, 4, 2, 0, NOW).id)
    assert units.labels == units.keys == labels


def test_members_train_on_exactly_the_units_with_their_bit(filled: Registry) -> None:
    """And every work is seen by h members."""
    units = load_units(filled, create_encoding(filled, "rightsholder", None, 6, 2, 1, NOW).id)
    seen = [units.assets_of_member(index).tolist() for index in range(6)]
    for asset, code in zip(units.asset_ids.tolist(), units.asset_codes.tolist(), strict=True):
        assert [asset in works for works in seen] == [bool(code >> index & 1) for index in range(6)]
        assert sum(asset in works for works in seen) == 2
    assert units.membership.sum(axis=1).tolist() == [2, 2]


def test_the_same_choice_is_the_same_encoding_and_another_is_another(filled: Registry) -> None:
    """Asked twice, there is one; n, h, seed, unit and works are all part of its identity."""
    first = create_encoding(filled, "asset", None, 6, 3, 0, NOW)
    assert create_encoding(filled, "asset", None, 6, 3, 0, NOW).id == first.id
    others = [
        ("asset", None, 7, 3, 0),
        ("asset", None, 6, 2, 0),
        ("asset", None, 6, 3, 1),
        ("rightsholder", None, 6, 3, 0),
    ]
    assert len({first.id, *(create_encoding(filled, *choice, NOW).id for choice in others)}) == 5
    with filled.session() as session:
        assert session.get_one(Encoding, first.id).unit_count == 5


def test_works_that_come_later_do_not_change_an_encoding(filled: Registry, folder: Path) -> None:
    """They are counted as outside; encoding again makes another that has them."""
    before = create_encoding(filled, "asset", None, 6, 3, 0, NOW)
    codes = load_units(filled, before.id).codes
    write_pictures(folder, ["f.png"], first=50)
    register(filled, folder)
    assert np.array_equal(load_units(filled, before.id).codes, codes)
    with filled.connection() as connection:
        assert works_outside(connection, before.id) == 1
    after = create_encoding(filled, "asset", None, 6, 3, 0, NOW)
    assert after.id != before.id
    assert after.unit_count == 6


def test_a_work_that_is_gone_joins_no_new_encoding(filled: Registry, folder: Path) -> None:
    """It cannot be trained on; encodings that have it keep it."""
    before = create_encoding(filled, "asset", None, 6, 3, 0, NOW)
    (folder / "b.png").unlink()
    register(filled, folder)
    assert create_encoding(filled, "asset", None, 6, 3, 0, NOW).unit_count == 4
    assert len(load_units(filled, before.id).codes) == 5


def test_the_same_works_have_the_same_encoding_in_any_registry(filled: Registry, folder: Path, tmp_path: Path) -> None:
    """Ids hash content, not this registry's numbers: registered beside another folder,
    rightsholders have other ids.
    """
    other = create_registry(Home(tmp_path / "other"), now=NOW)
    register(other, write_pictures(tmp_path / "more", ["m.png"], first=90))
    with other.connection() as connection:
        connection.execute("UPDATE asset SET missing_since = now()")
    register(other, folder, OwnerTable(tmp_path / "owners.csv", allow_unowned=True))
    for kind in ("asset", "rightsholder"):
        ids = {create_encoding(where, kind, None, 6, 3, 0, NOW).id for where in (filled, other)}
        assert len(ids) == 1


@pytest.mark.parametrize("permissions", [LAWFUL, {Permission.PERMITTED}, {Permission.WITHDRAWN}])
def test_units_and_groups_are_counted_as_they_are_made(filled: Registry, permissions: set[Permission]) -> None:
    """The counts by which sizes are chosen are those of the works with their texts."""
    column = "odd.'name\"/~"
    with filled.connection() as connection:
        for kind, name in (("asset", None), ("rightsholder", None), ("column", column)):
            count = unit_count(connection, kind, name, permissions)
            if not count:
                with pytest.raises(NotFoundError):
                    unit_works(connection, kind, name, permissions)
                continue
            numbers = unit_works(connection, kind, name, permissions).unit_numbers().tolist()
            assert count == 1 + max(numbers)
        for within in ("rightsholder", column):
            sizes, without = group_sizes(connection, within, permissions)
            if unit_count(connection, "asset", None, permissions):
                groups = unit_works(connection, "asset", None, permissions, within).group_numbers().tolist()
                assert without == groups.count(-1)
                assert sorted(sizes.tolist()) == sorted(Counter(group for group in groups if group >= 0).values())
            else:
                assert (sizes.tolist(), without) == ([], 0)


def test_what_cannot_be_encoded_is_refused_with_what_there_is(filled: Registry, tmp_path: Path) -> None:
    """More units than codes, no works, no such column, no such kind, an impossible size or seed;
    nothing is stored.
    """
    with pytest.raises(
        CapacityError, match="5 units, but 3 members with weight 1 have codes for 3; use 5 members or more"
    ):
        create_encoding(filled, "asset", None, 3, 1, 0, NOW)
    with pytest.raises(NotFoundError, match="'style'; columns: caption, creator, data_set, licence, odd"):
        create_encoding(filled, "column", "style", 4, 2, 0, NOW)
    with pytest.raises(UsageError, match="expected one of asset, rightsholder, column"):
        create_encoding(filled, "artist", None, 4, 2, 0, NOW)
    with pytest.raises(UsageError, match="64-bit"):
        create_encoding(filled, "asset", None, 4, 2, 2**63, NOW)
    with pytest.raises(NotFoundError, match="no works are registered"):
        create_encoding(create_registry(Home(tmp_path / "empty")), "asset", None, 4, 2, 0, NOW)
    with filled.session() as session:
        assert session.get(Encoding, "nothing") is None
    with pytest.raises(NotFoundError, match="no encoding nothing"):
        load_units(filled, "nothing")


def test_works_are_left_out_by_what_they_may_be_used_for_and_counted_by_reason(filled: Registry) -> None:
    """Prohibited ones unless a reason is given, withdrawn ones always, and those without a file."""
    with filled.connection() as connection:
        for number, permission in enumerate(("permitted", "prohibited", "withdrawn", "constrained")):
            connection.execute("UPDATE asset SET permission = ? WHERE id = ?", [permission, number])
        connection.execute("UPDATE asset SET byte_size = NULL WHERE id = 4")
    lawful = create_encoding(filled, "asset", None, 6, 3, 0, NOW)
    assert load_units(filled, lawful.id).asset_ids.tolist() == [0, 3]
    assert lawful.left_out == {"metadata only": 1, "prohibited": 1, "withdrawn": 1}
    permitted = create_encoding(filled, "asset", None, 6, 3, 0, NOW, permissions={Permission.PERMITTED})
    assert permitted.left_out == {"constrained": 1, "metadata only": 1, "prohibited": 1, "withdrawn": 1}
    wide = LAWFUL | {Permission.PROHIBITED}
    taken = create_encoding(filled, "asset", None, 6, 3, 0, NOW, permissions=wide, reason="never published")
    assert load_units(filled, taken.id).asset_ids.tolist() == [0, 1, 3]
    for permissions, reason in ((wide, None), (LAWFUL, "for no reason"), (wide | {Permission.WITHDRAWN}, "all of it")):
        with pytest.raises(UsageError):
            create_encoding(filled, "asset", None, 6, 3, 0, NOW, permissions=permissions, reason=reason)
    with filled.connection() as connection:
        connection.execute("UPDATE asset SET permission = 'prohibited'")
    with pytest.raises(NotFoundError, match="no registered work may be encoded: 4 prohibited"):
        create_encoding(filled, "asset", None, 6, 3, 0, NOW)


def test_training_gets_files_hashes_units_and_a_column_in_order_of_id(filled: Registry, folder: Path) -> None:
    """A work without a value has None; without a column there are no values."""
    encoding = create_encoding(filled, "rightsholder", None, 4, 2, 0, NOW)
    assets = training_assets(filled, encoding.id, "odd.'name\"/~")
    assert assets.paths == [folder / name for name in NAMES[:4]]
    assert assets.values == ["x", "y", "x", None]
    assert assets.unit_numbers.tolist() == [1, 0, 1, 0]
    assert len(set(assets.sha256)) == 4
    assert training_assets(filled, encoding.id, None).values is None
    with pytest.raises(NotFoundError, match="columns there are"):
        training_assets(filled, encoding.id, "style")


def nested(registry: Registry, **others: str) -> UnitTable:
    """The works of :data:`TABLE`, nested within rightsholders."""
    encoding = create_encoding(
        registry, "asset", None, 8, 2, 0, NOW, within=others.get("within", "rightsholder"), support=6
    )
    return load_units(registry, encoding.id)


def test_codes_nest_in_the_supports_of_rightsholders(filled: Registry) -> None:
    """A support for each, the open group for works without one, and a code inside for each work."""
    units = nested(filled)
    groups = units.groups
    assert groups is not None
    assert (groups.labels, groups.group_of_unit.tolist()) == (["Ada", "Zoe", ""], [1, 0, 1, 0, 2])
    assert [key is None for key in groups.keys] == [False, False, True]
    assert (groups.slots.tolist(), groups.places.tolist()) == ([3, 3, 2], [0, 0, 1, 1, 0])
    assert np.bitwise_count(groups.supports).tolist() == [6, 6, 8]
    assert not (units.codes & ~groups.supports[groups.group_of_unit]).any()
    assert len(set(units.codes.tolist())) == 5
    assert set(np.bitwise_count(units.codes).tolist()) == {2}
    assert units.assignment.codes is units.codes
    assert nested(filled).encoding.id == units.encoding.id
    assert nested(filled, within="data_set").encoding.id != units.encoding.id


def test_later_works_get_codes_in_the_support_of_their_rightsholder(
    filled: Registry, folder: Path, tmp_path: Path
) -> None:
    """The extension has all former units; without room or support nothing is written."""
    base = nested(filled)
    write_pictures(folder, ["f.png", "g.png"], first=50)
    table = [*TABLE, {"path": "f.png", "rightsholder": "Zoe"}, {"path": "g.png", "rightsholder": ""}]
    owners = write_csv(tmp_path / "more.csv", [{**dict.fromkeys(TABLE[0], ""), **row} for row in table])
    register(filled, folder, OwnerTable(owners, allow_unowned=True))
    more = load_units(filled, extend_encoding(filled, base.encoding.id, NOW).id)
    assert more.codes[:5].tolist() == base.codes.tolist()
    assert more.keys[:5] == base.keys
    assert (base.groups, more.groups) != (None, None)
    assert more.groups is not None
    assert more.groups.group_of_unit.tolist() == [1, 0, 1, 0, 2, 1, 2]
    assert more.groups.places.tolist() == [0, 0, 1, 1, 0, 2, 1]
    assert not (more.codes & ~more.groups.supports[more.groups.group_of_unit]).any()
    assert len(set(more.codes.tolist())) == 7
    assert load_units(filled, base.encoding.id).codes.tolist() == base.codes.tolist()
    assert not [each.what for each in examine(filled).findings if "encoding" in each.where]
    with pytest.raises(NotFoundError, match="nothing to add"):
        extend_encoding(filled, more.encoding.id, NOW)
    write_pictures(folder, ["h.png"], first=70)
    table = [*table, {"path": "h.png", "rightsholder": "Zoe"}]
    owners = write_csv(tmp_path / "again.csv", [{**dict.fromkeys(TABLE[0], ""), **row} for row in table])
    register(filled, folder, OwnerTable(owners, allow_unowned=True))
    with pytest.raises(CapacityError, match=r"more works than room.*'Zoe'.*codes for 3 works"):
        extend_encoding(filled, more.encoding.id, NOW)
    write_pictures(folder, ["i.png"], first=80)
    table = [*table, {"path": "i.png", "rightsholder": "Kim"}]
    owners = write_csv(tmp_path / "third.csv", [{**dict.fromkeys(TABLE[0], ""), **row} for row in table])
    register(filled, folder, OwnerTable(owners, allow_unowned=True))
    with pytest.raises(CapacityError, match=r"no support in encoding.*'Kim'"):
        extend_encoding(filled, more.encoding.id, NOW)
    plain = create_encoding(filled, "asset", None, 7, 3, 0, NOW)
    assert plain.unit_count == 9


def test_groups_that_do_not_fit_are_refused_with_sizes_that_would_do(filled: Registry) -> None:
    """Before anything is written."""
    with pytest.raises(CapacityError, match=r"a group that needs 3 codes .* a support has 1; --members \d+ --support"):
        create_encoding(filled, "asset", None, 3, 1, 0, NOW, within="rightsholder", support=2)
    for choice in (
        ("asset", None, None, 5),
        ("asset", None, "rightsholder", None),
        ("rightsholder", None, "data_set", 5),
    ):
        kind, column, within, support = choice
        with pytest.raises(UsageError, match="codes nest for single works"):
            create_encoding(filled, str(kind), column, 8, 2, 0, NOW, within=within, support=support)
    with pytest.raises(UsageError, match="codes of weight 2 within supports of 2 members"):
        create_encoding(filled, "asset", None, 8, 2, 0, NOW, within="rightsholder", support=2)
    with pytest.raises(UsageError, match="a support of 9 of 8 members, expected one of 2 to 7"):
        create_encoding(filled, "asset", None, 8, 2, 0, NOW, within="rightsholder", support=9)
    with filled.connection() as connection:
        assert connection.execute("SELECT count(*) FROM encoding").fetchall() == [(0,)]


def test_old_encodings_keep_their_format(filled: Registry) -> None:
    """No row of how they were made: codes of format 1, as before, and their extension follows."""
    encoding = create_encoding(filled, "asset", None, 6, 3, 4, NOW, code_format=1)
    units = load_units(filled, encoding.id)
    assert units.code_format == 1
    assert units.codes.tolist() == codes_of(4, 6, 3, range(5)).tolist()
    with filled.connection() as connection:
        assert connection.execute("SELECT count(*) FROM encoding_codes").fetchall() == [(0,)]
    assert not [each for each in examine(filled).findings if "encoding" in each.where]


def test_an_altered_code_or_support_is_found(filled: Registry) -> None:
    """Drawn again, the rows differ."""
    units = nested(filled)
    with filled.connection() as connection:
        connection.execute("UPDATE unit SET code = code + 1 WHERE number = 3")
        connection.execute("UPDATE unit_group SET support = xor(support, 255) WHERE number = 0")
    found = [each.what for each in examine(filled).findings if units.encoding.id in each.where]
    assert any("unit 3) have a code that does not follow from their group" in what for what in found)
    assert any("group 0) have a support" in what for what in found)


def test_a_work_of_several_rightsholders_is_in_the_group_of_the_first(
    registry: Registry, folder: Path, tmp_path: Path
) -> None:
    """And a work that changes its rightsholder later keeps its code and its group."""
    write_pictures(folder, NAMES[:3])
    names = ("Zoe", "Ada", "Ada")
    rows = [
        {"path": path, "rightsholder": name, "rightsholder_2": "Ada" if name == "Zoe" else ""}
        for path, name in zip(NAMES, names, strict=False)
    ]
    register(registry, folder, OwnerTable(write_csv(tmp_path / "owners.csv", rows)))
    units = nested(registry)
    assert units.groups is not None
    assert [units.groups.labels[group] for group in units.groups.group_of_unit] == list(names)
    moved = [{**row, "rightsholder": "Kim"} for row in rows]
    register(registry, folder, OwnerTable(write_csv(tmp_path / "moved.csv", moved)))
    again = load_units(registry, units.encoding.id)
    assert again.groups is not None
    assert (again.codes.tolist(), again.groups.labels) == (units.codes.tolist(), ["Ada", "Zoe"])
    assert again.groups.group_of_unit.tolist() == units.groups.group_of_unit.tolist()


def test_codes_nest_only_within_a_group_that_works_have(filled: Registry) -> None:
    """A name of no column is refused, with those that there are, each once; nothing is recorded."""
    with pytest.raises(NotFoundError, match="no registered work has a 'stile'") as refused:
        create_encoding(filled, "asset", None, 8, 2, 0, NOW, within="stile", support=6)
    known = str(refused.value).split("; there are ")[1].split(", ")
    assert known.count("rightsholder") == 1
    assert len(set(known)) == len(known)
    with filled.connection() as connection:
        assert connection.execute("SELECT count(*) FROM encoding").fetchall() == [(0,)]
