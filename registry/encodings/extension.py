"""Extensions: later works get codes beside those of an encoding, which itself never changes.

An extension is a new encoding. It has all units of the former one, with their numbers and codes,
then the new works. Plain codes go on with the next numbers. Where codes nest, a new work gets the
next free slot of its group: the room that was drawn with the encoding. So the law of the codes is
that of the former encoding, and tests are as exact. Ensembles of the former encoding keep their
members; an ensemble of the extension is trained anew. The probes of the former encoding stay
probes, and later works do not become any.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import duckdb
import numpy as np
import pyarrow as pa

from registry.encodings.codes import decoys_available
from registry.encodings.insertion import Drawn, DrawnSlots, add_encoding, plain_codes
from registry.encodings.nested import places_within
from registry.encodings.probes import probe_ids
from registry.encodings.store import UnitCodes, load_codes, slots_of, stated_reason_for
from registry.encodings.unit_works import UnitWorks, unit_works
from registry.encodings.works import LAWFUL
from registry.errors import CapacityError, NotFoundError, UsageError
from registry.event_log.events import changing
from registry.ids import content_id
from registry.permissions.rule import Permission
from registry.storage.database import Registry
from registry.storage.row_groups import BLOCK
from registry.storage.tables import Encoding, EncodingCodes


def extend_encoding(
    registry: Registry,
    encoding_id: str,
    now: datetime,
    *,
    permissions: Collection[Permission] = LAWFUL,
    reason: str | None = None,
) -> Encoding:
    """Give the works that an encoding of works does not have codes beside its own.

    Raises:
        NotFoundError: no such encoding, or no further work.
        UsageError: its units are not works.
        CapacityError: no code is left, or a group has no support or no room; nothing is written.
    """
    stated = stated_reason_for(permissions, reason)
    base = load_codes(registry, encoding_id)
    former = base.encoding
    if former.unit_kind != "asset":
        raise UsageError(f"encoding {former.id} has units of kind {former.unit_kind}, expected works (--unit asset)")
    within = None if base.groups is None else base.groups.codes.within
    with changing(registry, now) as change:
        connection = change.connection
        probes = probe_ids(connection, former.id)
        extends = former.id, len(base.codes)
        works = unit_works(connection, "asset", None, permissions, within, probes, extends=extends)
        if not works.works:
            raise NotFoundError(f"encoding {former.id} has every work that may be encoded; nothing to add")
        drawn = _further(base, works)
        choice = {"extends": former.id, "units_sha256": works.sha256()}
        extension_id = content_id("encoding", choice)
        if not connection.execute("SELECT 1 FROM encoding WHERE id = ?", [extension_id]).fetchone():
            encoding = Encoding(
                id=extension_id,
                unit_count=len(base.codes) + works.units,
                left_out={},
                created_at=now,
                **former.model_dump(include={"unit_kind", "unit_column", "n", "h", "seed"}),
            )
            _copy(connection, former.id, extension_id, len(base.codes))
            add_encoding(change, encoding, works, drawn, permissions, stated, probes)
    with registry.session() as session:
        return session.get_one(Encoding, extension_id)


def _further(base: UnitCodes, works: UnitWorks) -> Drawn:
    """The codes of the new units."""
    former, groups = base.encoding, base.groups
    if groups is None:
        decoys_available(former.n, former.h, works.first + works.units, base.code_format)
        made = EncodingCodes(code_format=base.code_format, extends=former.id)
        return plain_codes(made, former.n, former.h, former.seed)
    known = {label: number for number, label in enumerate(groups.labels) if groups.keys[number] is not None}
    open_group = next((number for number, key in enumerate(groups.keys) if key is None), None)
    named = works.connection.execute(
        "SELECT number, label FROM group_name WHERE number IN (SELECT group_number FROM taken_work) ORDER BY number"
    ).fetchall()
    if missing := sorted(label for _, label in named if label not in known):
        raise CapacityError(
            f"{len(missing):,} groups have no support in encoding {former.id} (for example {missing[0]!r}); "
            "run `creditline encode` without --extend for a new encoding with them"
        )
    stated = works.group_numbers()
    if (without := int((stated < 0).sum())) and open_group is None:
        raise CapacityError(
            f"{without:,} works have no {groups.codes.within}, and encoding {former.id} has no such works; run "
            "`creditline encode` without --extend for a new encoding with them"
        )
    of_stated = np.full(int(stated.max()) + 2, -1 if open_group is None else open_group)  # the last: without a group
    for number, label in named:
        of_stated[number] = known[label]
    group = of_stated[stated]
    places = np.bincount(groups.group_of_unit, minlength=len(groups.slots))[group] + places_within(group)
    full = np.unique(group[places >= groups.slots[group]])
    if len(full):
        label = groups.labels[full[0]] or f"no {groups.codes.within}"
        raise CapacityError(
            f"{len(full):,} groups have more works than room in encoding {former.id} (for example {label!r}, with codes "
            f"for {int(groups.slots[full[0]]):,} works); run `creditline encode` without --extend for a new encoding"
        )
    slots = slots_of(former.n, former.h, former.seed, groups)
    made = EncodingCodes(
        code_format=base.code_format,
        extends=former.id,
        within=groups.codes.within,
        support=groups.codes.support,
        attempt=groups.codes.attempt,
    )
    stored = pa.table(
        {
            "number": np.arange(len(groups.slots)),
            "key": pa.array(groups.keys, pa.string()),
            "label": groups.labels,
            "support": groups.supports,
            "slots": groups.slots,
        }
    )
    codes = slots.codes[slots.starts[group] + places]
    return Drawn(made, lambda numbers: codes[numbers - works.first], DrawnSlots(stored, group, places))


def _copy(connection: duckdb.DuckDBPyConnection, former: str, extension: str, units: int) -> None:
    """The former encoding's units, works and slots, under the extension's id, by blocks."""
    for table, number in (("unit", "number"), ("unit_asset", "unit_number"), ("unit_slot", "unit_number")):
        for first in range(0, units, BLOCK):
            connection.execute(
                f"INSERT INTO {table} SELECT * REPLACE (? AS encoding_id) FROM {table} "  # noqa: S608 - our tables
                f"WHERE encoding_id = ? AND {number} BETWEEN ? AND ? ORDER BY {number}",
                [extension, former, first, first + BLOCK - 1],
            )
