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
import pyarrow.compute as pc
from numpy.typing import NDArray

from registry.encodings.codes import codes_of, decoys_available
from registry.encodings.nested import places_within
from registry.encodings.probes import probe_ids
from registry.encodings.store import (
    Drawn,
    UnitTable,
    add_encoding,
    load_units,
    slots_of,
    stated_reason_for,
    units_sha256,
)
from registry.encodings.works import LAWFUL, left_out, unit_works
from registry.errors import CapacityError, NotFoundError, UsageError
from registry.event_log.events import changing
from registry.ids import content_id
from registry.permissions.rule import Permission
from registry.storage.database import Registry
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
    base = load_units(registry, encoding_id)
    former = base.encoding
    if former.unit_kind != "asset":
        raise UsageError(f"encoding {former.id} has units of kind {former.unit_kind}, expected works (--unit asset)")
    within = None if base.groups is None else base.groups.codes.within
    with changing(registry, now) as change:
        connection = change.connection
        probes = probe_ids(connection, former.id)
        works = unit_works(connection, "asset", None, permissions, within, probes)
        works = works.filter(pc.invert(pc.is_in(works["asset_id"], value_set=pa.array(base.asset_ids))))
        if not works.num_rows:
            raise NotFoundError(f"encoding {former.id} has every work that may be encoded; nothing to add")
        numbers = len(base.codes) + np.arange(works.num_rows)
        works = works.set_column(works.schema.get_field_index("unit_number"), "unit_number", pa.array(numbers))
        drawn = _further(base, works, numbers)
        choice = {"extends": former.id, "units_sha256": units_sha256(connection, works, named=False)}
        extension_id = content_id("encoding", choice)
        if not connection.execute("SELECT 1 FROM encoding WHERE id = ?", [extension_id]).fetchone():
            whole = pa.concat_tables([works.select(["asset_id"]), pa.table({"asset_id": base.asset_ids})])
            encoding = Encoding(
                id=extension_id,
                unit_count=len(base.codes) + len(numbers),
                left_out=left_out(connection, whole, permissions, probes),
                created_at=now,
                **former.model_dump(include={"unit_kind", "unit_column", "n", "h", "seed"}),
            )
            _copy(connection, former.id, extension_id)
            add_encoding(change, encoding, works, drawn, permissions, stated, probes)
    with registry.session() as session:
        return session.get_one(Encoding, extension_id)


def _further(base: UnitTable, works: pa.Table, numbers: NDArray[np.int64]) -> Drawn:
    """The codes of the new units."""
    former, groups = base.encoding, base.groups
    if groups is None:
        decoys_available(former.n, former.h, int(numbers[-1]) + 1, base.code_format)
        made = EncodingCodes(code_format=base.code_format, extends=former.id)
        return Drawn(made, numbers, codes_of(former.seed, former.n, former.h, numbers, base.code_format))
    known = {label: number for number, label in enumerate(groups.labels) if groups.keys[number] is not None}
    open_group = next((number for number, key in enumerate(groups.keys) if key is None), None)
    named = works["group_label"].dictionary_encode().combine_chunks()
    labels = named.dictionary.to_pylist()
    if missing := sorted(label for label in labels if label not in known):
        raise CapacityError(
            f"{len(missing):,} groups have no support in encoding {former.id} (for example {missing[0]!r}); "
            "run `creditline encode` without --extend for a new encoding with them"
        )
    if named.null_count and open_group is None:
        raise CapacityError(
            f"{named.null_count:,} works have no {groups.codes.within}, and encoding {former.id} has no such works; run "
            "`creditline encode` without --extend for a new encoding with them"
        )
    of_label = np.array([*(known[label] for label in labels), -1 if open_group is None else open_group])
    group = of_label[named.indices.fill_null(len(labels)).to_numpy(zero_copy_only=False)]
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
    unit_slots = pa.table({"unit_number": numbers, "group_number": group, "place": places})
    stored = pa.table(
        {
            "number": np.arange(len(groups.slots)),
            "key": pa.array(groups.keys, pa.string()),
            "label": groups.labels,
            "support": groups.supports,
            "slots": groups.slots,
        }
    )
    return Drawn(made, numbers, slots.codes[slots.starts[group] + places], stored, unit_slots)


def _copy(connection: duckdb.DuckDBPyConnection, former: str, extension: str) -> None:
    """The former encoding's units, works and slots, under the extension's id."""
    for table, order in (("unit", "number"), ("unit_asset", "unit_number, asset_id"), ("unit_slot", "unit_number")):
        connection.execute(
            f"INSERT INTO {table} SELECT * REPLACE (? AS encoding_id) FROM {table} WHERE encoding_id = ? ORDER BY {order}",  # noqa: S608 - our tables
            [extension, former],
        )
