"""Encodings: from a unit kind, n, h and seed to units with codes. An encoding never changes.

Units are numbered in a fixed order: works by id, rightsholders and groups by name. Later works, and
works without a unit, are outside: :func:`registry.works.queries.works_outside` counts them. The
same units give the same encoding, because its id is a hash over them.

Where codes nest (:mod:`registry.encodings.nested`), the rows say which group a work had when it was
encoded. If the work changes its rightsholder later, its code stays in the former support: the
withdrawal of the new rightsholder puts the members out of service that saw this work, as well as
those of the new rightsholder's own support. No member keeps the work in either case.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.encodings.assignment import Assignment, Groups
from registry.encodings.codes import capacity
from registry.encodings.insertion import add_encoding, draw_codes
from registry.encodings.keys import CODE_FORMAT, FIRST_FORMAT
from registry.encodings.nested import Slots, slots_again
from registry.encodings.probes import choose_probes
from registry.encodings.unit_works import unit_works
from registry.encodings.words import bits
from registry.encodings.works import LAWFUL
from registry.errors import NotFoundError, UsageError
from registry.event_log.events import changing
from registry.ids import content_id
from registry.permissions.rule import Permission
from registry.storage.database import Registry
from registry.storage.results import columns_of
from registry.storage.row_hash import digest_of
from registry.storage.tables import Encoding, EncodingCodes
from registry.storage.text_column import TextColumn
from registry.text import stated_reason


@dataclass(frozen=True, eq=False)
class GroupTable:
    """The groups of an encoding whose codes nest, as stored."""

    codes: EncodingCodes
    supports: NDArray[np.uint64]
    """Shape (G,)."""
    slots: NDArray[np.int64]
    """Shape (G,)."""
    keys: list[str | None]
    """Null: the open group, of works without a group; it comes last."""
    labels: list[str]
    group_of_unit: NDArray[np.int64]
    """Shape (N,)."""
    places: NDArray[np.int64]
    """Shape (N,): the unit's slot in its group."""


@dataclass(frozen=True, eq=False, kw_only=True)
class UnitCodes:
    """An encoding with the codes of its N units and their A works: integers alone."""

    encoding: Encoding
    codes: NDArray[np.uint64]
    """Shape (N,), by unit number; bit i set: member i trains on it."""
    asset_ids: NDArray[np.int64]
    """Shape (A,), ascending."""
    unit_numbers: NDArray[np.int64]
    """Shape (A,): the unit of each work in ``asset_ids``."""
    code_format: int = FIRST_FORMAT
    groups: GroupTable | None = None
    """None: codes do not nest."""

    @property
    def asset_codes(self) -> NDArray[np.uint64]:
        """Shape (A,): the code of each work's unit."""
        return self.codes[self.unit_numbers]

    @property
    def membership(self) -> NDArray[np.bool_]:
        """Shape (N, n): whether member i trains on the unit."""
        return bits(self.codes, self.encoding.n)

    def assets_of_member(self, index: int) -> NDArray[np.int64]:
        """Ids of the works that member ``index`` trains on, ascending."""
        return self.asset_ids[bits(self.asset_codes, self.encoding.n)[:, index]]

    @cached_property
    def assignment(self) -> Assignment:
        """The codes and their law, for tests."""
        encoding, groups = self.encoding, self.groups
        nested = None
        if groups is not None:
            slots = slots_of(encoding.n, encoding.h, encoding.seed, groups)
            made = groups.codes
            nested = Groups(
                made.support or 0,
                made.within or "",
                slots,
                groups.group_of_unit,
                groups.places,
                groups.keys,
                groups.labels,
            )
        return Assignment(encoding.n, encoding.h, encoding.seed, self.code_format, self.codes, nested)


@dataclass(frozen=True, eq=False, kw_only=True)
class UnitTable(UnitCodes):
    """An encoding with its N units, their names and their A works."""

    keys: Sequence[str]
    labels: Sequence[str]


def slots_of(n: int, h: int, seed: int, groups: GroupTable) -> Slots:
    """All codes of the groups, those for later works included, drawn again."""
    open_slots = int(groups.slots[-1]) if groups.keys and groups.keys[-1] is None else 0
    counts = groups.slots[: len(groups.slots) - (open_slots > 0)]
    made = groups.codes
    return slots_again(seed, n, made.support or 0, h, counts, open_slots, made.attempt or 0)


def create_encoding(
    registry: Registry,
    unit_kind: str,
    column: str | None,
    n: int,
    h: int,
    seed: int,
    now: datetime,
    *,
    permissions: Collection[Permission] = LAWFUL,
    reason: str | None = None,
    within: str | None = None,
    support: int | None = None,
    code_format: int = CODE_FORMAT,
    probes: float | None = None,
) -> Encoding:
    """Give every unit of the registered works a code, or return the encoding that has done so.

    Args:
        registry: where the works are and the encoding goes.
        unit_kind: ``asset``, ``rightsholder`` or ``column``.
        column: with unit kind ``column``, the column with the units; else None.
        n: number of members, 2 to 64.
        h: number of members that train on each unit, 1 to n-1.
        seed: chooses one of the possible assignments; any 64-bit integer.
        now: the time to record.
        permissions: works with one of these are encoded, all others are left out.
        reason: why prohibited works are encoded; it is recorded.
        within: with unit kind ``asset``, ``rightsholder`` or a column: codes of one group nest in
            one support. None: plain codes.
        support: with ``within``, the members of a support, h+1 to n-1.
        code_format: of plain codes; see :mod:`registry.encodings.keys`.
        probes: the share of the works to keep out of all members; None: no probes, see
            :mod:`registry.encodings.probes`.

    Raises:
        UsageError: an impossible choice, withdrawn works, or prohibited works without a reason.
        NotFoundError: no work has such a unit.
        CapacityError: more units than codes, or groups that do not fit.
    """
    if not -(2**63) <= seed < 2**63:
        raise UsageError(f"got the seed {seed}, expected a 64-bit integer")
    capacity(n, h, code_format)
    stated = stated_reason_for(permissions, reason)
    if (within is None) != (support is None) or (within is not None and unit_kind != "asset"):
        raise UsageError(
            f"got units of kind {unit_kind!r} within {within!r} and a support of {support}: codes nest for single works "
            "(--unit asset), with a group (--within) and a support (--support)"
        )
    choice: dict[str, Any] = {"unit_kind": unit_kind, "unit_column": column, "n": n, "h": h, "seed": seed}
    made = EncodingCodes(code_format=code_format, within=within, support=support)
    with changing(registry, now) as change:
        connection = change.connection
        works = unit_works(connection, unit_kind, column, permissions, within)
        kept_out = None if probes is None else choose_probes(works, probes, seed)
        if kept_out is not None:
            works = unit_works(connection, unit_kind, column, permissions, within, kept_out)
        drawn = draw_codes(works, made, n, h, seed)
        how: dict[str, Any] = (
            {} if code_format == FIRST_FORMAT else {"code_format": code_format, "within": within, "support": support}
        )
        if kept_out is not None:
            how["probes_sha256"] = _probes_sha256(connection, kept_out)
        encoding_id = content_id("encoding", {**choice, **how, "units_sha256": works.sha256()})
        if not connection.execute("SELECT 1 FROM encoding WHERE id = ?", [encoding_id]).fetchone():
            encoding = Encoding(id=encoding_id, unit_count=works.units, left_out={}, created_at=now, **choice)
            add_encoding(change, encoding, works, drawn, permissions, stated, kept_out)
    with registry.session() as session:
        return session.get_one(Encoding, encoding_id)


def stated_reason_for(permissions: Collection[Permission], reason: str | None) -> str | None:
    """The reason to record for these permissions; None: none is needed.

    Raises:
        UsageError: withdrawn works, prohibited works without a reason, or a reason without them.
    """
    if Permission.WITHDRAWN in permissions:
        raise UsageError("withdrawn works cannot be encoded; leave 'withdrawn' out of the permissions")
    forbidden = Permission.PROHIBITED in permissions
    stated = None if reason is None else stated_reason(reason)
    if forbidden and stated is None:
        raise UsageError("prohibited works are encoded only with a reason; give --reason")
    if stated is not None and not forbidden:
        raise UsageError(
            "got a reason, but no prohibited works are included; give --include-forbidden or leave --reason out"
        )
    return stated


def idle_members(unit_codes: NDArray[np.uint64], n: int) -> list[int]:
    """Members, ascending, that are in no unit's code; possible if units are few."""
    seen = bits(np.bitwise_or.reduce(unit_codes), n)[0]
    return [int(index) for index in np.flatnonzero(~seen)]


def load_codes(registry: Registry, encoding_id: str) -> UnitCodes:
    """The codes of an encoding's units, and its works: 8 bytes a unit and 16 a work.

    Raises:
        NotFoundError: there is no such encoding.
    """
    return UnitCodes(**_integers(registry, encoding_id))


def load_units(registry: Registry, encoding_id: str) -> UnitTable:
    """The units of an encoding, their codes and their works.

    Raises:
        NotFoundError: there is no such encoding.
    """
    fields = _integers(registry, encoding_id)
    with registry.connection() as connection:
        query = "SELECT key, label FROM unit WHERE encoding_id = ? ORDER BY number"
        names = connection.execute(query, [encoding_id]).to_arrow_table()
    return UnitTable(**fields, keys=TextColumn(names["key"]), labels=TextColumn(names["label"]))


def _integers(registry: Registry, encoding_id: str) -> dict[str, Any]:
    """The fields of :class:`UnitCodes`."""
    with registry.session() as session:
        encoding = session.get(Encoding, encoding_id)
        made = session.get(EncodingCodes, encoding_id)
    if encoding is None:
        raise NotFoundError(f"no encoding {encoding_id}; `creditline status` lists them")
    of_encoding = [encoding_id]
    with registry.connection() as connection:
        (codes,) = columns_of(connection, ["code"], "unit WHERE encoding_id = ? ORDER BY number", of_encoding)
        columns, rows = ["asset_id", "unit_number"], "unit_asset WHERE encoding_id = ? ORDER BY asset_id"
        asset_ids, unit_numbers = columns_of(connection, columns, rows, of_encoding)
        groups = None if made is None or made.within is None else load_groups(connection, made)
    return {
        "encoding": encoding,
        "codes": codes,
        "asset_ids": asset_ids,
        "unit_numbers": unit_numbers,
        "code_format": FIRST_FORMAT if made is None else made.code_format,
        "groups": groups,
    }


def load_groups(connection: duckdb.DuckDBPyConnection, made: EncodingCodes) -> GroupTable:
    """The groups of an encoding whose codes nest."""
    groups = connection.execute(
        "SELECT key, label, support, slots FROM unit_group WHERE encoding_id = ? ORDER BY number", [made.encoding_id]
    ).to_arrow_table()
    units = connection.execute(
        "SELECT group_number, place FROM unit_slot WHERE encoding_id = ? ORDER BY unit_number", [made.encoding_id]
    ).to_arrow_table()
    return GroupTable(
        codes=made,
        supports=groups["support"].to_numpy(),
        slots=groups["slots"].to_numpy(),
        keys=groups["key"].to_pylist(),
        labels=groups["label"].to_pylist(),
        group_of_unit=units["group_number"].to_numpy(),
        places=units["place"].to_numpy(),
    )


def _probes_sha256(connection: duckdb.DuckDBPyConnection, probes: pa.Table) -> str:
    """Hash over the probes' content, equal in every registry with these works."""
    connection.register("kept_out", probes)
    query = "SELECT sha256 FROM asset JOIN kept_out ON id = asset_id ORDER BY sha256"
    found = digest_of(connection.execute(query)).sha256
    connection.unregister("kept_out")
    return found
