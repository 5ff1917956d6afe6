"""Verified rights: the rightsholder and licence of a work, as checked here.

verify_rights(registry, [17], rightsholder="Ada Example", recorded_from="contract 12", now=now)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from registry.errors import NotFoundError, UsageError
from registry.event_log.events import LISTED, Change, changing
from registry.permissions.reviews import listed, subjects_of
from registry.rightsholders.names import licence_ids, rightsholder_ids
from registry.rightsholders.no_names import stated_rightsholder
from registry.site_policies.store import recompute_with_policies
from registry.storage.database import Registry
from registry.storage.results import records
from registry.storage.selection import selected_works
from registry.text import stated_reason, stated_text, tidy
from registry.withdrawals.record import cover_later_works


@dataclass(frozen=True)
class VerificationReport:
    """The result of recording verified rights."""

    works: int
    recorded: int
    """Works with a new row."""
    permissions_changed: int


_VERIFIED = ("rightsholder_id", "licence_id", "title", "creator", "source_url")


def verify_rights(
    registry: Registry,
    asset_ids: Sequence[int] | NDArray[np.int64],
    *,
    rightsholder: str | int | None = None,
    licence: str | None = None,
    title: str | None = None,
    creator: str | None = None,
    source_url: str | None = None,
    recorded_from: str,
    now: datetime,
) -> VerificationReport:
    """Record rights of works as verified; they outweigh declared rights.

    A field that is not given keeps its verified or declared value. A rightsholder replaces all
    declared and verified ones. A new name gets a record; an id must exist.

    Raises:
        UsageError: nothing was given.
        InputError: the rightsholder's name names nobody, or a text cannot be kept.
        NotFoundError: a work or the rightsholder is not registered.
    """
    texts = {"title": title, "creator": creator, "source_url": source_url}
    given: dict[str, Any] = {name: stated_text(value, name) for name, value in texts.items()}
    stated = stated_text(licence, "licence")
    holder = rightsholder
    if isinstance(rightsholder, str):
        holder = stated_rightsholder(rightsholder) if tidy(rightsholder) else None
    origin = stated_reason(recorded_from, "origin")
    if holder is None and stated is None and not any(given.values()):
        raise UsageError("got nothing to verify; give a rightsholder, a licence, a title, a creator or a source")
    if holder is not None:
        cover_later_works(registry, now)  # withdrawals of the former owner stay in force
    with changing(registry, now) as change:
        connection = change.connection
        subjects = subjects_of(connection, "asset", asset_ids)
        given["rightsholder_id"] = _holder(change, holder)
        given["licence_id"] = None if stated is None else licence_ids(change, [stated])[stated]
        columns = ", ".join(f"coalesce(?, verified.{name}) AS {name}" for name in _VERIFIED)
        differs = " OR ".join(f"verified.{name} IS DISTINCT FROM coalesce(?, verified.{name})" for name in _VERIFIED)
        values = [given[name] for name in _VERIFIED]
        first = change.next_id("asset_rights")
        rows = connection.execute(
            f"INSERT INTO asset_rights (id, asset_id, basis, {', '.join(_VERIFIED)}, attributes, recorded_from, "  # noqa: S608 - names above
            "recorded_by, recorded_at) SELECT ? + row_number() OVER (ORDER BY asset.id) - 1, asset.id, 'verified', "
            f"{columns}, verified.attributes, ?, ?, ? FROM asset JOIN subjects ON subject_id = asset.id "
            "LEFT JOIN asset_rights AS verified ON verified.id = asset.verified_id "
            f"WHERE verified.id IS NULL OR {differs} ORDER BY asset.id",
            [first, *values, origin, change.actor, now, *values],
        ).fetchall()
        recorded = int(rows[0][0])
        if not recorded:
            return VerificationReport(len(subjects), 0, 0)
        if holder is None:
            _keep_further_owners(change, first)
        touched = connection.execute("SELECT asset_id AS id FROM asset_rights WHERE id >= ? ORDER BY id", [first])
        ids = touched.fetchnumpy()["id"]
        before = _verified_before(connection, ids)
        changed = recompute_with_policies(change, ids)
        change.record(
            "rights verified",
            f"asset {ids[0]}" if len(ids) == 1 else f"{len(ids)} assets",
            before=before,
            after={**{name: value for name, value in given.items() if value is not None}, "works": listed(ids)},
        )
    return VerificationReport(len(subjects), recorded, changed)


def _holder(change: Change, rightsholder: str | int | None) -> int | None:
    if rightsholder is None:
        return None
    if isinstance(rightsholder, str):
        return rightsholder_ids(change, [rightsholder])[rightsholder]
    found = change.connection.execute("SELECT id FROM rightsholder WHERE id = ?", [rightsholder]).fetchone()
    if found is None:
        raise NotFoundError(f"no rightsholder #{rightsholder}; `creditline rightsholders` lists them")
    return int(found[0])


def _keep_further_owners(change: Change, first: int) -> None:
    """Copy the further rightsholders of the earlier verified rows to the new ones."""
    change.connection.execute(
        "INSERT INTO co_rightsholder (id, rights_id, asset_id, position, rightsholder_id, role, share) "
        "SELECT ? + row_number() OVER (ORDER BY newer.id, co_rightsholder.position) - 1, newer.id, newer.asset_id, "
        "co_rightsholder.position, co_rightsholder.rightsholder_id, role, share FROM asset_rights AS newer "
        "JOIN asset ON asset.id = newer.asset_id JOIN co_rightsholder ON rights_id = asset.verified_id "
        "WHERE newer.id >= ? ORDER BY newer.id, co_rightsholder.position",
        [change.next_id("co_rightsholder"), first],
    )


def _verified_before(connection: duckdb.DuckDBPyConnection, ids: NDArray[np.int64]) -> list[dict[str, Any]] | None:
    if len(ids) > LISTED:
        return None
    with selected_works(connection, ids):
        return records(
            connection.execute(
                "SELECT id AS asset, declared_id, verified_id, rightsholder_id, licence_id FROM asset "
                "JOIN selected_works ON id = selected_id ORDER BY id"
            )
        )
