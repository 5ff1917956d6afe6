"""Rows of rights signals, for many works at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.event_log.events import Change
from registry.signals import RightsSignal


def insert_signals(
    change: Change,
    asset_ids: NDArray[np.int64],
    outcomes: NDArray[np.int64],
    distinct: Sequence[tuple[int | None, tuple[RightsSignal, ...]]],
) -> int:
    """Append signals in order of works; one that is on record already is left out.

    The caller recomputes the permissions and records the event.

    Args:
        change: to append to.
        asset_ids: works; one may stand several times.
        outcomes: for each, its place in ``distinct``.
        distinct: the site policy, or None, and its signals.

    Returns:
        How many signals are new.
    """
    signals = [(place, policy_id, signal) for place, (policy_id, all_of) in enumerate(distinct) for signal in all_of]
    if not signals:
        return 0
    connection = change.connection
    connection.register("found_works", pa.table({"found_id": asset_ids, "outcome": outcomes}))
    columns = {
        name: pa.array([None if (value := getattr(signal, name)) is None else str(value) for _, _, signal in signals])
        for name in ("protocol", "category", "use", "raw", "found_in")
    }
    table = {
        "place": pa.array([place for place, _, _ in signals], pa.int64()),
        "by_policy": pa.array([policy_id for _, policy_id, _ in signals], pa.int64()),
        **columns,
        "condition": pa.array([signal.constraint for _, _, signal in signals], pa.string()),
        "position": pa.array(range(len(signals)), pa.int64()),
    }
    connection.register("found_signals", pa.table(table))
    rows = connection.execute(
        "INSERT INTO rights_signal (id, asset_id, protocol, category, use, condition, raw, found_in, policy_id, seen_at) "
        "SELECT ? + row_number() OVER (ORDER BY found_id, position) - 1, found_id, protocol, category, use, condition, raw, "
        "found_in, by_policy, ? FROM found_works JOIN found_signals ON outcome = place ANTI JOIN rights_signal AS said "
        "ON said.asset_id = found_id AND said.policy_id IS NOT DISTINCT FROM by_policy "
        "AND said.protocol = found_signals.protocol AND said.category = found_signals.category "
        "AND said.use = found_signals.use AND said.condition IS NOT DISTINCT FROM found_signals.condition "
        "ORDER BY found_id, position",
        [change.next_id("rights_signal"), change.now],
    ).fetchall()
    connection.unregister("found_works")
    connection.unregister("found_signals")
    return int(rows[0][0])
