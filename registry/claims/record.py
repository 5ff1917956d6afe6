"""Opening claims: a claimant asserts with evidence that works are theirs.

A claim names works by reference, or gives pictures to compare with all works
(:mod:`registry.similarity.search`). Until it is decided (:mod:`registry.claims.decisions`), its
works without a review of their own count as unclear at best (:mod:`registry.permissions.rule`).

A claim without matching works is kept with its fingerprints and hashes, to be matched again later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.errors import InputError, NotFoundError, RegistryError, UsageError
from registry.event_log.events import Change, changing
from registry.permissions.derived_columns import recompute
from registry.rightsholders.names import rightsholder_ids
from registry.rightsholders.no_names import stated_rightsholder
from registry.similarity.search import LookAlike, QueryImage, find_lookalikes, sha256_bounded
from registry.storage.database import Registry
from registry.storage.tables import Claim
from registry.text import stated_reason
from registry.works.lookup import resolve_rightsholder, resolve_works

LARGEST_EVIDENCE = 2**28
"""Bytes of a file of evidence. It is hashed, not kept."""
MOST_IMAGES = 100
"""Pictures of one claim. Each is compared with all works."""

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class Evidence:
    """The evidence for a claim: a text, or the name and hash of a file that the claimant keeps."""

    text: str
    sha256: str | None = None


@dataclass(frozen=True)
class Match:
    """A work of a claim, and how it was found."""

    asset_id: int
    matched_by: str
    distance: int | None = None
    mirrored: bool = False
    image: str | None = None


@dataclass(frozen=True)
class ClaimReport:
    """The result of opening a claim or matching it again."""

    claim_id: int
    rightsholder_id: int
    matches: tuple[Match, ...]
    """Works added to the claim."""
    unmatched: tuple[str, ...]
    """Hashes and pictures that match no work."""
    permissions_changed: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def read_evidence(text: str) -> Evidence:
    """Evidence from a command: the path of a file, or the text itself.

    Raises:
        InputError: the file cannot be read or is too large, or the text cannot be kept.
    """
    try:
        path = Path(text) if len(text) < 4_096 and Path(text).exists() else None
    except (OSError, ValueError):  # not a path: too long, or with a NUL
        path = None
    if path is None:
        return Evidence(stated_reason(text, "evidence"))
    sha256 = sha256_bounded(path, LARGEST_EVIDENCE, "file of evidence")
    return Evidence(stated_reason(path.name, "name of the evidence"), sha256)


def open_claim(
    registry: Registry,
    claimant: str,
    statement: str,
    *,
    now: datetime,
    works: Sequence[str] = (),
    images: Sequence[QueryImage] = (),
    evidence: Evidence | None = None,
) -> ClaimReport:
    """Record the assertion that works belong to a claimant.

    Args:
        registry: with the works.
        claimant: a name, which gets a record if it has none, or ``#<id>``.
        statement: the assertion.
        now: the time to record.
        works: references (:mod:`registry.works.lookup`); an unknown full SHA-256 is kept.
        images: pictures to compare with all works.
        evidence: for the assertion.

    Raises:
        NotFoundError: no work has a reference.
        InputError: a text that cannot be kept, or too many pictures.
        UsageError: neither works nor images were given.
    """
    by_id = re.fullmatch("#[0-9]+", claimant.strip())
    name = by_id[0] if by_id else stated_rightsholder(claimant, "claimant's name")
    said = stated_reason(statement, "statement")
    if not works and not images:
        raise UsageError("got neither works nor images; give --work or --image, once or more")
    if len(images) > MOST_IMAGES:
        raise InputError(
            f"got {len(images)} pictures, expected at most {MOST_IMAGES} in one claim; open several claims"
        )
    with changing(registry, now) as change:
        matches, unmatched = _match(change.connection, works, images)
        rightsholder_id = (
            resolve_rightsholder(change.connection, name) if by_id else rightsholder_ids(change, [name])[name]
        )
        claim = Claim(
            id=change.next_id("claim"),
            rightsholder_id=rightsholder_id,
            statement=said,
            evidence=evidence.text if evidence else None,
            evidence_sha256=evidence.sha256 if evidence else None,
            recorded_by=change.actor,
            recorded_at=now,
        )
        change.insert(claim)
        changed = _append_works(change, claim.id, matches)
        change.record(
            "claim opened",
            f"claim {claim.id}",
            after={
                "claimant": {"id": rightsholder_id, "name": name},
                "statement": said,
                "evidence": vars(evidence) if evidence else None,
                "works": len(matches),
                "hashes": sorted({each.lower() for each in works if _SHA256.fullmatch(each.strip())}),
                "images": [image.to_json() for image in images],
                "unmatched": unmatched,
            },
        )
    return ClaimReport(claim.id, rightsholder_id, tuple(matches), tuple(unmatched), changed)


def match_again(registry: Registry, claim_id: int, now: datetime) -> ClaimReport:
    """Compare a claim's pictures and hashes with the works registered now; works found before stay.

    Raises:
        NotFoundError: no such claim.
        UsageError: it is decided.
        RegistryError: the log no longer has the claim's opening.
    """
    with changing(registry, now) as change:
        rightsholder_id, state = claim_state(change.connection, claim_id)
        if state != "open":
            raise UsageError(f"claim {claim_id} is {state}; `creditline decide {claim_id} open --reason ...` first")
        hashes, images = sought(change.connection, claim_id)
        found, unmatched = _match(change.connection, hashes, images)
        known = set(claimed_works(change.connection, claim_id).tolist())
        new = [match for match in found if match.asset_id not in known]
        changed = _append_works(change, claim_id, new)
        if new:
            change.record("claim matched again", f"claim {claim_id}", after={"works": len(new), "unmatched": unmatched})
    return ClaimReport(claim_id, rightsholder_id, tuple(new), tuple(unmatched), changed)


def sought(connection: duckdb.DuckDBPyConnection, claim_id: int) -> tuple[list[str], list[QueryImage]]:
    """The hashes and pictures given when the claim was opened.

    Raises:
        RegistryError: the log no longer has them.
    """
    row = connection.execute(
        "SELECT after FROM event WHERE kind = 'claim opened' AND subject = ?", [f"claim {claim_id}"]
    ).fetchone()
    try:
        opened = json.loads(row[0]) if row else {}
        return [str(each) for each in opened["hashes"]], [QueryImage(**image) for image in opened["images"]]
    except (KeyError, TypeError, ValueError) as error:
        raise RegistryError(f"the log has no opening of claim {claim_id}; run `creditline log verify`") from error


def claimed_works(connection: duckdb.DuckDBPyConnection, claim_id: int) -> NDArray[np.int64]:
    """Ids of a claim's works, ascending."""
    rows = connection.execute(
        "SELECT DISTINCT asset_id FROM claim_work WHERE claim_id = ? ORDER BY asset_id", [claim_id]
    ).to_arrow_table()
    ids: NDArray[np.int64] = rows["asset_id"].to_numpy()
    return ids


def _match(
    connection: duckdb.DuckDBPyConnection, references: Sequence[str], images: Sequence[QueryImage]
) -> tuple[list[Match], list[str]]:
    """The works, each as first found; and the references and pictures that match no work."""
    found: dict[int, Match] = {}
    unmatched: list[str] = []
    for reference in references:
        is_hash = _SHA256.fullmatch(reference.strip()) is not None
        try:
            ids = resolve_works(connection, [reference])
        except NotFoundError:
            if not is_hash:
                raise
            unmatched.append(reference.strip().lower())
            continue
        for asset_id in ids:
            found.setdefault(asset_id, Match(asset_id, "sha256" if is_hash else "id"))
    for image in images:
        alike = find_lookalikes(connection, image)
        if not alike:
            unmatched.append(image.name)
        for each in alike:
            other = found.get(each.asset_id)
            if other is None or _nearer(each, other):
                found[each.asset_id] = Match(**vars(each))
    return list(found.values()), unmatched


def _nearer(each: LookAlike, other: Match) -> bool:
    """Whether a match is closer than another: the same bytes, or fewer differing bits."""
    return other.distance is not None and (each.distance is None or each.distance < other.distance)


def _append_works(change: Change, claim_id: int, matches: Sequence[Match]) -> int:
    if not matches:
        return 0
    first = change.next_id("claim_work")
    rows = pa.table(
        {
            "id": pa.array(range(first, first + len(matches)), pa.int64()),
            "asset_id": pa.array([match.asset_id for match in matches], pa.int64()),
            "matched_by": pa.array([match.matched_by for match in matches], pa.string()),
            "distance": pa.array([match.distance for match in matches], pa.int32()),
        }
    )
    change.connection.register("matched_works", rows)
    change.connection.execute(
        "INSERT INTO claim_work (id, claim_id, asset_id, matched_by, distance) "
        "SELECT id, ?, asset_id, matched_by, distance FROM matched_works ORDER BY id",
        [claim_id],
    )
    change.connection.unregister("matched_works")
    return recompute(change, np.sort(rows["asset_id"].to_numpy()))


def claim_state(connection: duckdb.DuckDBPyConnection, claim_id: int) -> tuple[int, str]:
    """Claimant's id and state. Raises NotFoundError for an unknown claim."""
    row = connection.execute(
        "SELECT rightsholder_id, (SELECT arg_max(state, claim_decision.id) FROM claim_decision WHERE claim_id = claim.id) "
        "FROM claim WHERE id = ?",
        [claim_id],
    ).fetchone()
    if row is None:
        raise NotFoundError(f"no claim {claim_id}; `creditline claims` lists them")
    return int(row[0]), str(row[1] or "open")
