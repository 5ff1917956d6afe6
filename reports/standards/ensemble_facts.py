"""The facts that exports of an ensemble share: its members and their manifests, and the data sets
they were trained on.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from dataclasses import dataclass
from typing import Any

import duckdb

from registry.errors import IntegrityError, NotFoundError
from registry.members.serving import NOT_COVERED, withdrawn_works
from registry.storage.database import Registry
from reports.standards.lineage import DataSetFacts, clipped, data_set_of, moment, plain


@dataclass(frozen=True)
class MemberFacts:
    """One model of an ensemble and what its manifest says."""

    id: str
    index: int
    generation: int
    origin: str
    serves: bool
    withdrawn_seen: int
    """Works it was trained on that were withdrawn since."""
    works: int | None
    works_sha256: str | None
    merkle_root: str
    manifest_sha256: str
    weights_sha256: str
    config_sha256: str | None
    withdrawn_through: int | None
    seed: int | None
    versions: dict[str, str]
    trained_at: str | None
    seen: dict[str, int]
    """By the number of a data set, how many of its works the code and the withdrawals heeded give
    the member."""


@dataclass(frozen=True)
class EnsembleFacts:
    """An ensemble: its members, the newest generation of each, and the data sets that its encoding
    drew on.
    """

    id: str
    encoding_id: str
    unit_kind: str
    unit_column: str | None
    n: int
    h: int
    encoding_seed: int
    units: int
    settings: dict[str, Any]
    created_at: str
    members: tuple[MemberFacts, ...]
    data_sets: tuple[DataSetFacts, ...]

    def seen_by(self, member: MemberFacts) -> list[DataSetFacts]:
        """The data sets that a member saw works of."""
        return [data for data in self.data_sets if str(data.number) in member.seen]

    @property
    def version(self) -> str:
        """Of the weights: another as soon as a member is trained again."""
        weights = "\n".join(member.weights_sha256 for member in self.members)
        return hashlib.sha256(weights.encode()).hexdigest()[:12]


def ensemble_facts(connection: duckdb.DuckDBPyConnection, ensemble_id: str) -> EnsembleFacts:
    """An ensemble.

    Raises:
        NotFoundError: there is none of this id.
        IntegrityError: its encoding is not registered.
    """
    row = connection.execute(
        "SELECT encoding_id, settings, created_at FROM ensemble WHERE id = ?", [ensemble_id]
    ).fetchone()
    if row is None:
        raise NotFoundError(f"no ensemble {clipped(ensemble_id)!r}; `creditline status` says what there is")
    encoding = connection.execute(
        "SELECT id, unit_kind, unit_column, n, h, seed, unit_count FROM encoding WHERE id = ?", [row[0]]
    ).fetchone()
    if encoding is None:
        raise IntegrityError(
            f"ensemble {ensemble_id} names encoding {row[0]}, which is not there: restore the registry"
        )
    sets = connection.execute(
        "SELECT DISTINCT data_set_id FROM asset WHERE id IN (SELECT asset_id FROM unit_asset WHERE encoding_id = ?) "
        "ORDER BY data_set_id",
        [row[0]],
    ).fetchall()
    return EnsembleFacts(
        id=ensemble_id,
        encoding_id=str(encoding[0]),
        unit_kind=str(encoding[1]),
        unit_column=clipped(encoding[2]) if encoding[2] else None,
        n=int(encoding[3]),
        h=int(encoding[4]),
        encoding_seed=int(encoding[5]),
        units=int(encoding[6]),
        settings=json.loads(row[1] or "{}"),
        created_at=str(moment(row[2])),
        members=members_of(connection, ensemble_id, str(row[0])),
        data_sets=tuple(data_set_of(connection, int(number), str(row[0])) for (number,) in sets),
    )


def members_of(connection: duckdb.DuckDBPyConnection, ensemble_id: str, encoding_id: str) -> tuple[MemberFacts, ...]:
    """The newest generation of every member, by index."""
    withdrawn = withdrawn_works(connection, encoding_id)
    rows = connection.execute(
        'SELECT id, "index", generation, origin, manifest, manifest_sha256, merkle_root, weights_sha256 FROM member '
        'WHERE ensemble_id = ? QUALIFY row_number() OVER (PARTITION BY "index" ORDER BY generation DESC) = 1 '
        'ORDER BY "index"',
        [ensemble_id],
    ).fetchall()
    manifests = [json.loads(row[4] or "{}") for row in rows]
    seen_of = _works_by_data_set(
        connection,
        encoding_id,
        [(row[1], said.get("withdrawn_through")) for row, said in zip(rows, manifests, strict=True)],
    )
    found = []
    for row, said in zip(rows, manifests, strict=True):
        member, index, generation, origin, _, manifest_sha256, merkle_root, weights_sha256 = row
        works = said.get("works") or {}
        seen = int(withdrawn.seen_by(index, said.get("withdrawn_through")).sum())
        found.append(
            MemberFacts(
                id=member,
                index=index,
                generation=generation,
                origin=origin,
                serves=seen == 0,
                withdrawn_seen=seen,
                works=works.get("count"),
                works_sha256=works.get("sha256"),
                merkle_root=merkle_root,
                manifest_sha256=manifest_sha256,
                weights_sha256=weights_sha256,
                config_sha256=said.get("config_sha256"),
                withdrawn_through=said.get("withdrawn_through"),
                seed=said.get("seed"),
                versions={clipped(name): clipped(str(text)) for name, text in (said.get("versions") or {}).items()},
                trained_at=moment(datetime.datetime.fromisoformat(said["created_at"]))
                if said.get("created_at")
                else None,
                seen=seen_of[index],
            )
        )
    return tuple(found)


def _works_by_data_set(
    connection: duckdb.DuckDBPyConnection, encoding_id: str, members: list[tuple[int, int | None]]
) -> dict[int, dict[str, int]]:
    """By member, of which data sets it saw works, and of how many; as its training chose them."""
    heeded = [(int(index), -1 if through is None else int(through)) for index, through in members]
    counts = ", ".join(
        f"count(*) FILTER ((code >> {index}::UBIGINT) & 1 = 1 AND coalesce(first, {NOT_COVERED}) > {through})"
        for index, through in heeded
    )
    if not counts:
        return {}
    rows = connection.execute(
        f"SELECT data_set_id, {counts} FROM unit_asset "  # noqa: S608 - numbers
        "JOIN unit ON unit.encoding_id = unit_asset.encoding_id AND number = unit_number "
        "JOIN asset ON asset.id = asset_id "
        "LEFT JOIN (SELECT asset_id AS covered_id, min(withdrawal_id) AS first FROM withdrawal_work GROUP BY 1) "
        "ON covered_id = asset_id WHERE unit_asset.encoding_id = ? GROUP BY data_set_id ORDER BY data_set_id",
        [encoding_id],
    ).fetchall()
    return {
        index: {str(row[0]): int(row[place]) for row in rows if row[place]}
        for place, (index, _) in enumerate(members, start=1)
    }


def facts(registry: Registry, subject: str) -> object:
    """The facts of an export of the ensemble ``subject``, for its stamp."""
    with registry.connection() as connection:
        return plain(ensemble_facts(connection, subject))


def unknown_of_ensemble(found: EnsembleFacts) -> list[str]:
    """What is not on record of an ensemble's members and works, in words."""
    unknown = []
    if len(found.members) < found.n:
        unknown.append(f"{found.n - len(found.members)} of {found.n} members (not trained yet)")
    for data in found.data_sets:
        if data.without_licence:
            unknown.append(f"licence of {data.without_licence:,} works of data set {data.name}")
        if data.without_owner:
            unknown.append(f"rightsholder of {data.without_owner:,} works of data set {data.name}")
        if len(data.licences) < data.licences_in_all or len(data.owners) < data.owners_in_all:
            unknown.append(f"licences and rightsholders of data set {data.name} beyond those of the most works")
    return unknown
