"""Members in service: those that saw none of the withdrawn works.

The codes and a member's manifest show what it saw (:mod:`registry.members.seen`), so a withdrawal
takes effect as soon as it is recorded: nothing has to be trained, copied or switched. Only the
newest generation can be in service. Earlier ones stay on record, to verify their outputs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pyarrow as pa
from sqlalchemy import literal_column
from sqlmodel import Session, col, select

from registry.ids import sha256_of
from registry.members.seen import EncodedWorks, withdrawals_applied_through, withdrawn_works
from registry.outputs.queries import ensemble_with_encoding
from registry.storage.database import Registry
from registry.storage.tables import Encoding, Ensemble, Member


@dataclass(frozen=True)
class MemberState:
    """The newest generation of a member, and how many of the withdrawn works it saw."""

    member: Member
    withdrawn_seen: int

    @property
    def serves(self) -> bool:
        return self.withdrawn_seen == 0


@dataclass(frozen=True)
class ServiceStatus:
    """The members of an ensemble, in and out of service."""

    ensemble: Ensemble
    encoding: Encoding
    states: tuple[MemberState, ...]
    """In order of index; fewer than n if some members were never trained."""
    withdrawn: EncodedWorks

    @property
    def serving(self) -> list[Member]:
        return [state.member for state in self.states if state.serves]

    @property
    def out_of_service(self) -> list[Member]:
        return [state.member for state in self.states if not state.serves]


def service_status(registry: Registry, ensemble_id: str, also: Sequence[int] = ()) -> ServiceStatus:
    """The newest generation of every member, and whether it is in service.

    ``also``: works that count as withdrawn now, see :func:`registry.members.seen.withdrawn_works`.

    Raises:
        NotFoundError: no such ensemble.
    """
    with registry.session() as session:
        ensemble, encoding = ensemble_with_encoding(session, ensemble_id)
        newest = newest_of(generations_of(session, ensemble_id))
    with registry.connection() as connection:
        withdrawn = withdrawn_works(connection, encoding.id, also)
    states = tuple(
        MemberState(member, int(withdrawn.seen_by(member.index, withdrawals_applied_through(member)).sum()))
        for member in newest
    )
    return ServiceStatus(ensemble, encoding, states, withdrawn)


def works_left(registry: Registry, service: ServiceStatus, indices: Collection[int]) -> dict[int, int]:
    """Number of works that are not withdrawn, among those of each of these members' codes."""
    if not indices:
        return {}
    listed = sorted(int(index) for index in indices)
    counts = ", ".join(f"count(*) FILTER ((code >> {index}::UBIGINT) & 1 = 1)" for index in listed)
    with registry.connection() as connection:
        connection.register("withdrawn_works", pa.table({"withdrawn_id": service.withdrawn.asset_ids}))
        found = connection.execute(
            f"SELECT {counts} FROM (SELECT asset_id, unit_number FROM unit_asset WHERE encoding_id = $encoding) "  # noqa: S608 - numbers
            "ANTI JOIN withdrawn_works ON withdrawn_id = asset_id "
            "JOIN (SELECT number, code FROM unit WHERE encoding_id = $encoding) ON number = unit_number",
            {"encoding": service.encoding.id},
        ).fetchall()[0]
        connection.unregister("withdrawn_works")
    return dict(zip(listed, map(int, found), strict=True))


def service_statuses(registry: Registry) -> list[ServiceStatus]:
    """The service status of every ensemble, oldest ensemble first."""
    with registry.session() as session:
        ensembles = list(session.exec(select(Ensemble.id).order_by(col(Ensemble.created_at), col(Ensemble.id))))
    return [service_status(registry, ensemble_id) for ensemble_id in ensembles]


def generations_of(session: Session, ensemble_id: str) -> list[Member]:
    """All members of an ensemble that were ever registered, by index and generation."""
    query = select(Member).where(Member.ensemble_id == ensemble_id).order_by(col(Member.index), col(Member.generation))
    return list(session.exec(query))


def newest_of(members: Sequence[Member]) -> list[Member]:
    """The newest generation of each index, by index."""
    newest: dict[int, Member] = {}
    for member in members:
        if member.index not in newest or newest[member.index].generation < member.generation:
            newest[member.index] = member
    return [newest[index] for index in sorted(newest)]


def history_of(session: Session, ensemble_id: str) -> list[Member]:
    """All members of an ensemble in order of registration, as a clock may have gone backwards."""
    query = select(Member).where(Member.ensemble_id == ensemble_id).order_by(literal_column("rowid"))
    return list(session.exec(query))


def served_by(
    history: Sequence[Member], indices: Sequence[int], members_sha256: str
) -> tuple[int, list[Member]] | None:
    """The members that served together, by index, and the history's place from which on they did.

    None if unknown. ``members_sha256`` is the hash over the hashes of their weights.
    """
    newest: dict[int, Member] = {}
    wanted = sorted(set(indices))
    for place, member in enumerate(history):
        if member.index not in newest or newest[member.index].generation < member.generation:
            newest[member.index] = member
        if wanted and member.index in wanted and newest.keys() >= set(wanted):
            found = [newest[index] for index in wanted]
            if sha256_of([each.weights_sha256 for each in found]) == members_sha256:
                return place, found
    return None
