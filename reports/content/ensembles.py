"""Ensembles and members: codes, manifests, and the data sets of the works that each member saw."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import duckdb
from sqlmodel import SQLModel

from registry.errors import IntegrityError, NotFoundError
from registry.members.seen import seen_by_any, withdrawn_works
from registry.members.serving import newest_of
from registry.storage.results import records
from registry.storage.tables import Member
from registry.supplied_facts import SubjectKind, supplied
from reports.content.data_sets import DataSetContent, read_data_set_content
from reports.content.texts import lines, moment, one_line, optional_line

_JSON_COLUMNS = frozenset(
    {"manifest", "settings", "sampler", "members", "versions", "ranker", "test", "landscape", "timings"}
)
_Row = TypeVar("_Row", bound=SQLModel)


@dataclass(frozen=True)
class EncodingRecord:
    """An encoding: the division of units among members."""

    id: str
    unit_kind: str
    unit_column: str | None
    n: int
    h: int
    seed: int
    units: int


@dataclass(frozen=True)
class MemberRecord:
    """A member and its manifest."""

    id: str
    index: int
    generation: int
    origin: str
    weights_sha256: str
    manifest_sha256: str
    merkle_root: str
    config_sha256: str | None
    works: int | None
    works_sha256: str | None
    withdrawn_through: int | None
    """The last withdrawal that the member's training applied."""
    seed: int | None
    versions: dict[str, str]
    trained_at: str | None


@dataclass(frozen=True)
class MemberContent(MemberRecord):
    """A member and the works that it saw."""

    withdrawn_seen: int
    """Works seen and withdrawn since."""
    works_by_data_set: dict[str, int]
    """Works seen, by id of their data set."""

    @property
    def serves(self) -> bool:
        """Whether the member is in service."""
        return self.withdrawn_seen == 0


@dataclass(frozen=True)
class EnsembleContent:
    """An ensemble: the newest generation of each member, and the data sets of its encoding."""

    id: str
    encoding: EncodingRecord
    settings: dict[str, Any]
    created_at: str
    members: tuple[MemberContent, ...]
    data_sets: tuple[DataSetContent, ...]
    supplied: dict[str, str]
    """Facts that people supplied, by name; see :mod:`registry.supplied_facts`."""

    def data_sets_of(self, member: MemberContent) -> list[DataSetContent]:
        """The data sets of the works that a member saw."""
        return [data for data in self.data_sets if str(data.id) in member.works_by_data_set]

    @property
    def base_id(self) -> str | None:
        """The id of the base model that the members are adapters on."""
        network = self.settings.get("network")
        found = network.get("base") if isinstance(network, dict) else None
        return found if isinstance(found, str) else None

    @property
    def version(self) -> str:
        """Version of the weights; changes with each retraining of a member."""
        weights = "\n".join(member.weights_sha256 for member in self.members)
        return hashlib.sha256(weights.encode()).hexdigest()[:12]


def read_ensemble(connection: duckdb.DuckDBPyConnection, ensemble_id: str) -> EnsembleContent:
    """An ensemble.

    Raises:
        NotFoundError: no ensemble has this id.
        IntegrityError: its encoding is not registered.
    """
    row = connection.execute(
        "SELECT encoding_id, settings, created_at FROM ensemble WHERE id = ?", [ensemble_id]
    ).fetchone()
    if row is None:
        raise NotFoundError(f"no ensemble {one_line(ensemble_id)!r}; `creditline status` lists them")
    encoding = read_encoding(connection, str(row[0]), f"ensemble {ensemble_id}")
    sets = connection.execute(
        "SELECT DISTINCT data_set_id FROM asset WHERE id IN (SELECT asset_id FROM unit_asset WHERE encoding_id = ?) "
        "ORDER BY data_set_id",
        [encoding.id],
    ).fetchall()
    return EnsembleContent(
        id=ensemble_id,
        encoding=encoding,
        settings=json.loads(row[1] or "{}"),
        created_at=str(moment(row[2])),
        members=read_member_contents(connection, ensemble_id, encoding.id),
        data_sets=tuple(read_data_set_content(connection, int(number), encoding.id) for (number,) in sets),
        supplied=supplied(connection, SubjectKind.ENSEMBLE, ensemble_id),
    )


def read_encoding(connection: duckdb.DuckDBPyConnection, encoding_id: str, user: str) -> EncodingRecord:
    """An encoding; ``user``: the object that refers to it, for the error.

    Raises:
        IntegrityError: the encoding is not registered.
    """
    row = connection.execute(
        "SELECT id, unit_kind, unit_column, n, h, seed, unit_count FROM encoding WHERE id = ?", [encoding_id]
    ).fetchone()
    if row is None:
        raise IntegrityError(f"{user} names encoding {encoding_id}, which is not there: restore the registry")
    return EncodingRecord(row[0], row[1], optional_line(row[2]), *row[3:])


def read_members(connection: duckdb.DuckDBPyConnection, ensemble_id: str) -> list[Member]:
    """All members of an ensemble ever registered, in order of registration."""
    rows = connection.execute("SELECT * FROM member WHERE ensemble_id = ? ORDER BY rowid", [ensemble_id])
    return [row_of(Member, row) for row in records(rows)]


def read_member_contents(
    connection: duckdb.DuckDBPyConnection, ensemble_id: str, encoding_id: str
) -> tuple[MemberContent, ...]:
    """The newest generation of every member of an ensemble, by index."""
    members = [member_record(member) for member in newest_of(read_members(connection, ensemble_id))]
    withdrawn = withdrawn_works(connection, encoding_id)
    seen = _count_seen(connection, encoding_id, members)
    return tuple(
        MemberContent(
            **asdict(member),
            withdrawn_seen=int(withdrawn.seen_by(member.index, member.withdrawn_through).sum()),
            works_by_data_set={str(number): counts[place] for number, counts in seen.items() if counts[place]},
        )
        for place, member in enumerate(members)
    )


def member_record(member: Member) -> MemberRecord:
    """A member's row and manifest."""
    manifest = member.manifest or {}
    works, created_at = manifest.get("works") or {}, manifest.get("created_at")
    return MemberRecord(
        id=member.id,
        index=member.index,
        generation=member.generation,
        origin=member.origin,
        weights_sha256=member.weights_sha256,
        manifest_sha256=member.manifest_sha256,
        merkle_root=member.merkle_root,
        config_sha256=manifest.get("config_sha256"),
        works=works.get("count"),
        works_sha256=works.get("sha256"),
        withdrawn_through=manifest.get("withdrawn_through"),
        seed=manifest.get("seed"),
        versions=lines(manifest.get("versions")),
        trained_at=moment(datetime.datetime.fromisoformat(created_at)) if created_at else None,
    )


def _count_seen(
    connection: duckdb.DuckDBPyConnection, encoding_id: str, members: Sequence[MemberRecord]
) -> dict[int, list[int]]:
    """By data set, the number of works that each member saw: one pass over the codes."""
    if not members:
        return {}
    counts = ", ".join(
        f"count(*) FILTER ({seen_by_any([(member.index, member.withdrawn_through)])})" for member in members
    )
    rows = connection.execute(
        f"SELECT data_set_id, {counts} FROM encoded_work JOIN asset ON asset.id = asset_id WHERE encoding_id = ? "  # noqa: S608 - numbers
        "GROUP BY 1 ORDER BY 1",
        [encoding_id],
    ).fetchall()
    return {int(row[0]): list(row[1:]) for row in rows}


def row_of(table: type[_Row], row: dict[str, Any]) -> _Row:
    """A row of the database as an object of its table."""
    return table(
        **{
            name: json.loads(value) if name in _JSON_COLUMNS and isinstance(value, str) else value
            for name, value in row.items()
        }
    )
