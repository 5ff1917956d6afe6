"""Checks the rows and events that a document rests on, before anything is issued.

    with registry.connection() as connection:
        head = checked_head(connection, registry.home, Basis(audits=[audit_id]))
        facts = read(connection)

Compared are the rows with the parts of their seals, the parts with the events that sealed them, the
events with the newest one, and the newest one with ``log-head.json``; and the columns with the
current state with the rows that they follow from; and candidates with the audits' own files. Each
step reads only what the document rests on, so the cost does not grow with the registry.

Limits: a row that was removed is missed only if the entry of its part in ``seal_part`` was edited
as well, and so are events that no row and no reader of the document refers to. A document's works
are found by the rows as they are: a work that forged rows give to another rightsholder or data set
is not among them, so a document about the former one lacks it, unless an audit or a part leads to
it. `creditline log verify` reads everything and finds all of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NewType

import duckdb
import numpy as np
from numpy.typing import NDArray

from registry.basis.audit_files import check_audit_files
from registry.basis.rows import DOMAINS, Basis, Keys, find_ids, find_keys, rows_about
from registry.basis.sealed_events import HELP, altered, prove_head, proved, seals_of
from registry.errors import IntegrityError
from registry.event_log.computed_parts import compared
from registry.event_log.events import time_text
from registry.event_log.locations import KINDS, REGISTERED, LocationHistory
from registry.event_log.parts import Kept, difference, kept_parts, parts_of_seal, place_of, sha256_of_parts
from registry.event_log.seals import KEYED_TABLES, MOVED_COLUMNS, NUMBERED_TABLES
from registry.event_log.verify import foreign_functions
from registry.home import Home
from registry.permissions.derived_columns import find_stale

CheckedHead = NewType("CheckedHead", tuple[int, str])
"""Sequence and hash of the log's newest event, when the rows of a basis were found as sealed."""


def checked_head(connection: duckdb.DuckDBPyConnection, home: Home, basis: Basis) -> CheckedHead:
    """The end of the log, after all that ``basis`` leads to was checked.

    Call it in the transaction that reads the document's facts, before any of them is read: a reader
    may break off at a value that nobody but a forger writes.

    Raises:
        IntegrityError: a row or an event is not as it was sealed; the message names it.
    """
    if functions := foreign_functions(connection):
        raise IntegrityError(
            f"the registry has functions that may replace DuckDB's: {', '.join(functions[:20])}; {HELP}"
        )
    head = prove_head(connection, home.log_head)
    keys = find_keys(connection, basis)
    ids = find_ids(connection, basis, keys.works, keys.keys["base_model"])
    parts = _numbered_parts(connection, head[0], ids) + _keyed_parts(connection, keys)
    history = _check(connection, head[0], basis, parts)
    _check_current(connection, None if isinstance(basis.works, str) else ids["work"], history)
    check_audit_files(connection, home, basis.audits)
    return CheckedHead(head)


@dataclass(frozen=True)
class _Sealed:
    """The seals of a table, or of one of its keys."""

    table: str
    key: str | None
    parts: Sequence[Kept]
    """All parts of these seals, over which their events state a hash."""
    chosen: Sequence[Kept]
    """The parts with rows that count."""


def _numbered_parts(
    connection: duckdb.DuckDBPyConnection, head: int, ids: Mapping[str, NDArray[np.int64]]
) -> list[_Sealed]:
    """The parts of the numbered tables with rows about the ids, or that once had some."""
    through = seals_of(proved(connection, head, [])[head]).through if head else {}
    rows = rows_about(connection)
    spans = connection.execute(
        "SELECT table_name, sequence, first, last, lowest, highest FROM seal_part WHERE key IS NULL ORDER BY table_name, first"
    ).fetchnumpy()
    names = spans["table_name"].astype(str)
    chosen: dict[str, NDArray[np.int64]] = {}
    events: set[int] = set()
    for table in NUMBERED_TABLES:
        of_table = {name: column[names == table] for name, column in spans.items()}
        first, last = _whole(of_table["first"]), _whole(of_table["last"])
        _check_spans(table, first, last, int(through.get(table, -1)), rows[table])
        wanted = np.zeros(len(first), bool)
        wanted[np.searchsorted(last, rows[table])] = True
        wanted |= _about(ids[DOMAINS[table]], of_table["lowest"], of_table["highest"])
        if wanted.any():
            chosen[table] = first[wanted]
            events |= {int(each) for each in _whole(of_table["sequence"])[wanted]}
    kept: dict[str, list[Kept]] = {}
    for part in kept_parts(connection, sorted(events), list(chosen)):
        kept.setdefault(part.table, []).append(part)
    return [
        _Sealed(table, None, kept[table], [part for part in kept[table] if part.first in starts])
        for table, starts in ((table, set(firsts.tolist())) for table, firsts in chosen.items())
    ]


def _check_spans(
    table: str, first: NDArray[np.int64], last: NDArray[np.int64], through: int, rows: NDArray[np.int64]
) -> None:
    """The parts are without a gap up to the last sealed id, and no row is beyond."""
    end = int(last[-1]) if len(last) else -1
    if not np.array_equal(first, np.append(0, last + 1)[: len(first)]) or through != end:
        raise IntegrityError(f"the parts of the seals over {table} (table seal_part) were edited; {HELP}")
    if len(rows) and (rows[0] < 0 or rows[-1] > end):
        outside = int(rows[0] if rows[0] < 0 else rows[-1])
        raise IntegrityError(f"{table}, row {outside:,}: no event added it; {HELP}")


def _about(
    ids: NDArray[np.int64], lowest: NDArray[np.int64], highest: NDArray[np.int64]
) -> NDArray[np.bool_] | Literal[False]:
    """The parts whose span of subjects has one of the ids."""
    if not len(ids):
        return False
    at = np.searchsorted(ids, np.ma.filled(lowest, 0))
    near = ids[np.minimum(at, len(ids) - 1)]
    found: NDArray[np.bool_] = ~np.ma.getmaskarray(lowest) & (at < len(ids)) & (near <= np.ma.filled(highest, 0))
    return found


def _whole(column: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.ma.filled(np.ma.asarray(column, np.int64), -1)


def _keyed_parts(connection: duckdb.DuckDBPyConnection, keys: Keys) -> list[_Sealed]:
    """The seals of the keyed tables' keys, with the parts that count."""
    newest: dict[tuple[str, str], list[Kept]] = {}
    for part in kept_parts(
        connection, tables=list(keys.keys), keys=sorted({key for each in keys.keys.values() for key in each})
    ):
        place = part.table, part.key or ""
        # Of several seals of a key the newest counts.
        if place in newest and newest[place][0].sequence < part.sequence:
            del newest[place]
        newest.setdefault(place, []).append(part)
    every = " UNION ALL ".join(
        f"SELECT DISTINCT '{table}' AS name, {KEYED_TABLES[table][0]} AS key FROM {table} "  # noqa: S608 - our tables
        f"WHERE list_contains(${table}, {KEYED_TABLES[table][0]})"
        for table in keys.keys
    )
    for table, key in connection.execute(every, {name: list(each) for name, each in keys.keys.items()}).fetchall():
        if (table, key) not in newest:
            raise IntegrityError(f"{table}, {KEYED_TABLES[table][0]} {key}: no event sealed it; {HELP}")
    found: list[_Sealed] = []
    for (table, key), parts in newest.items():
        if key in keys.keys[table]:
            numbers = keys.numbers.get(key) if table in ("unit", "unit_asset", "unit_slot") else None
            found.append(
                _Sealed(table, key, parts, [part for part in parts if numbers is None or _holds(part, numbers)])
            )
    return found


def _holds(part: Kept, numbers: NDArray[np.int64]) -> bool:
    return bool(
        ((part.first or 0) <= numbers).any() and ((numbers >= (part.first or 0)) & (numbers <= (part.last or 0))).any()
    )


def _check(
    connection: duckdb.DuckDBPyConnection, head: int, basis: Basis, sealed: Sequence[_Sealed]
) -> LocationHistory:
    """Compare the rows with their parts and the parts with their events."""
    moved = connection.execute(
        "SELECT count(*) FROM event WHERE list_contains(?, kind)", [[kind for kind in KINDS if kind != REGISTERED]]
    ).fetchall()[0][0]
    kinds = [*basis.events, *(KINDS if moved else ())]
    read = connection.execute("SELECT sequence FROM event WHERE list_contains(?, kind)", [kinds]).fetchall()
    sequences = {int(each) for (each,) in read} | {part.sequence for each in sealed for part in each.chosen}
    events = proved(connection, head, sequences)
    history = LocationHistory()
    for _, event in sorted(events.items()):
        history.read(event)
    if history.unread:
        raise IntegrityError(altered(events[history.unread[0]]))
    for each in sealed:
        _check_parts(events, each)
    first_values = {table: history.first_values(connection, table) for table in MOVED_COLUMNS}
    chosen = [part for each in sealed for part in each.chosen]
    for part, now in compared(connection, chosen, first_values):
        if differs := difference(part, now):
            raise IntegrityError(
                f"{place_of(part)}: {differs} from what event {part.sequence:,} sealed; {HELP}"
                if now.rows == part.rows
                else f"{place_of(part)}: {differs} (event {part.sequence:,}); {HELP}"
            )
    return history


def _check_parts(events: Mapping[int, dict[str, Any]], sealed: _Sealed) -> None:
    """The parts of the seals are those over which the events state a hash."""
    counting = {part.sequence for part in sealed.chosen}
    seals = {sequence: seals_of(events[sequence]).rows for sequence in counting}
    for sequence, rows in seals.items():
        of_event = [part for part in sealed.parts if part.sequence == sequence]
        for seal in rows:
            if (seal.table, seal.key) != (sealed.table, sealed.key) or seal.parts is None:
                continue
            of_seal = parts_of_seal(of_event, seal)
            if sha256_of_parts(of_seal) != seal.sha256:
                raise IntegrityError(
                    f"the parts of event {sequence:,}'s seal over {seal.table} (table seal_part) were edited; {HELP}"
                )
            of_event = [part for part in of_event if part not in of_seal]
        if of_event:
            raise IntegrityError(f"{place_of(of_event[0])}: event {sequence:,} did not seal it; {HELP}")


def _check_current(
    connection: duckdb.DuckDBPyConnection, works: NDArray[np.int64] | None, history: LocationHistory
) -> None:
    """The columns with the current state follow from sealed rows and events. None: all works."""
    if works is None or len(works):
        for number in find_stale(connection, works)[:1]:
            raise IntegrityError(
                f"asset, row {number:,}: its rightsholder, licence, permission or caption does not follow from the rows "
                f"about it; {HELP}"
            )
    for number, path, missing in connection.execute(
        "SELECT asset.id, path, missing_since FROM asset SEMI JOIN basis_id AS basis ON asset.id = basis.id AND domain = 'work' "
        "WHERE missing_since IS NOT NULL OR list_contains(?, asset.id)",
        [sorted(history.path.keys() | history.missing.keys())],
    ).fetchall():
        since = None if missing is None else time_text(missing)
        if since != history.missing.get(int(number)) or path != history.path.get(int(number), path):
            raise IntegrityError(
                f"asset, row {number:,}: no event says where it is, or since when it is missing; {HELP}"
            )
    for number, name, root in connection.execute(
        "SELECT data_set.id, name, root FROM data_set "
        "SEMI JOIN basis_id AS basis ON data_set.id = basis.id AND domain = 'data_set'"
    ).fetchall():
        if root != history.root.get(str(name), root):
            raise IntegrityError(f"data_set, row {number:,}: no event names its folder; {HELP}")
    for number in _stale_merges(connection):
        raise IntegrityError(f"rightsholder, row {number:,}: merged_into does not follow from the merges; {HELP}")


def _stale_merges(connection: duckdb.DuckDBPyConnection) -> list[int]:
    """Rightsholders of the basis with another record to be merged into than the merges say."""
    into = dict(connection.execute("SELECT merged_id, into_id FROM rightsholder_merge ORDER BY id").fetchall())
    rows = connection.execute(
        "SELECT rightsholder.id, merged_into FROM rightsholder "
        "SEMI JOIN basis_id AS basis ON rightsholder.id = basis.id AND domain = 'rightsholder' ORDER BY rightsholder.id"
    ).fetchall()
    found = []
    for number, merged in rows:
        last, seen = number, set()
        while last in into and last not in seen:
            seen.add(last)
            last = into[last]
        if (None if last == number else last) != merged:
            found.append(int(number))
    return found
