"""Which members may serve: those that saw none of the works that were withdrawn.

What a member saw follows from the codes and from the last withdrawal that its training heeded, both
of which its manifest names. So a withdrawal takes effect the moment that it is recorded: nothing
has to be trained, copied or switched. Of the generations of a member only the newest can serve;
earlier ones stay on record and on disk, to verify what they made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import literal_column
from sqlmodel import Session, col, select

from registry.ids import sha256_of
from registry.outputs.queries import ensemble_with_encoding
from registry.storage.database import Registry
from registry.storage.tables import Encoding, Ensemble, Member

NOT_COVERED = 2**62
"""In place of a withdrawal's number: the work's rightsholder had withdrawn before the work came,
and no row covers it yet."""


@dataclass(frozen=True, eq=False)
class WithdrawnWorks:
    """The K works of an encoding that were withdrawn, by asset id."""

    asset_ids: NDArray[np.int64]
    unit_numbers: NDArray[np.int64]
    sha256: list[str]
    codes: NDArray[np.uint64]
    """Shape (K,): of each work's unit."""
    first: NDArray[np.int64]
    """Shape (K,): the first withdrawal that covers the work."""

    def seen_by(self, index: int, withdrawn_through: int | None) -> NDArray[np.bool_]:
        """Shape (K,): whether a member that heeded the withdrawals up to this one trained on the
        work.
        """
        has_bit = (self.codes >> np.uint64(index) & np.uint64(1)).astype(np.bool_)
        return has_bit & self.seen_by_all(withdrawn_through)

    def seen_by_all(self, withdrawn_through: int | None) -> NDArray[np.bool_]:
        """Shape (K,): the same of a model of all works."""
        return self.first > (-1 if withdrawn_through is None else withdrawn_through)

    def left_out(self, withdrawn_through: int | None) -> list[str]:
        """SHA-256 of the works that a training which heeds the withdrawals up to this one leaves
        out.
        """
        through = -1 if withdrawn_through is None else withdrawn_through
        return [sha256 for sha256, first in zip(self.sha256, self.first.tolist(), strict=True) if first <= through]


@dataclass(frozen=True)
class MemberState:
    """The newest generation of a member, and how many works it saw that were withdrawn since."""

    member: Member
    withdrawn_seen: int

    @property
    def serves(self) -> bool:
        return self.withdrawn_seen == 0


@dataclass(frozen=True)
class Service:
    """Who serves in an ensemble."""

    ensemble: Ensemble
    encoding: Encoding
    states: tuple[MemberState, ...]
    """By index; fewer than n while some members have never been trained."""
    withdrawn: WithdrawnWorks

    @property
    def serving(self) -> list[Member]:
        return [state.member for state in self.states if state.serves]

    @property
    def out_of_service(self) -> list[Member]:
        return [state.member for state in self.states if not state.serves]


def service_of(registry: Registry, ensemble_id: str) -> Service:
    """The newest generation of every member, and whether it serves.

    Raises:
        NotFoundError: no such ensemble.
    """
    with registry.session() as session:
        ensemble, encoding = ensemble_with_encoding(session, ensemble_id)
        newest = newest_of(generations_of(session, ensemble_id))
    with registry.connection() as connection:
        withdrawn = withdrawn_works(connection, encoding.id)
    states = tuple(
        MemberState(member, int(withdrawn.seen_by(member.index, heeded_by(member)).sum())) for member in newest
    )
    return Service(ensemble, encoding, states, withdrawn)


def services(registry: Registry) -> list[Service]:
    """Of all ensembles, the oldest first."""
    with registry.session() as session:
        ensembles = list(session.exec(select(Ensemble.id).order_by(col(Ensemble.created_at), col(Ensemble.id))))
    return [service_of(registry, ensemble_id) for ensemble_id in ensembles]


def withdrawn_works(connection: duckdb.DuckDBPyConnection, encoding_id: str) -> WithdrawnWorks:
    """The works of an encoding that were withdrawn, themselves or with all of their
    rightsholder's.
    """
    rows = connection.execute(
        "SELECT asset_id, unit_number, sha256, code, coalesce(first, ?) AS first FROM unit_asset "
        "JOIN unit ON unit.encoding_id = unit_asset.encoding_id AND number = unit_number "
        "JOIN asset ON asset.id = asset_id "
        "LEFT JOIN (SELECT asset_id AS covered_id, min(withdrawal_id) AS first FROM withdrawal_work GROUP BY 1) "
        "ON covered_id = asset_id "
        "WHERE unit_asset.encoding_id = ? AND (permission = 'withdrawn' OR first IS NOT NULL) ORDER BY asset_id",
        [NOT_COVERED, encoding_id],
    ).to_arrow_table()
    return WithdrawnWorks(
        asset_ids=rows["asset_id"].to_numpy(),
        unit_numbers=rows["unit_number"].to_numpy(),
        sha256=rows["sha256"].to_pylist(),
        codes=rows["code"].to_numpy(),
        first=rows["first"].to_numpy(),
    )


def heeded_by(member: Member) -> int | None:
    """The last withdrawal that a member's training heeded."""
    through = member.manifest["withdrawn_through"]
    return None if through is None else int(through)


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
    """All members of an ensemble in the order in which they were registered; a clock may have gone
    backwards.
    """
    query = select(Member).where(Member.ensemble_id == ensemble_id).order_by(literal_column("rowid"))
    return list(session.exec(query))


def served_by(
    history: Sequence[Member], indices: Sequence[int], members_sha256: str
) -> tuple[int, list[Member]] | None:
    """The members that served together, by index, and the place in the history from which on they
    did; None if unknown.

    They were, of these indices, the newest of some moment; the hash over their weights' hashes
    tells of which.
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
