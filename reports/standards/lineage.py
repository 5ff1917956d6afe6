"""The facts that exports of data sets and ensembles share: what the works are, whose they are, and
under which terms.

Everything is read on one connection, so that it and the end of the log are of one moment, and
nothing here grows with the number of works: these are counted and hashed, never listed. Texts come
from outside, so they are cut and control characters replaced; a data set with more licences or
rightsholders than :data:`MOST` names those of the most works and counts the others.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import unicodedata
from dataclasses import asdict, dataclass
from typing import Any

import duckdb

from registry.errors import IntegrityError, NotFoundError
from registry.export.cells import REPLACEMENT
from registry.storage.current_rights import counting_row
from registry.works.listings import BLOCK

MOST = 100
"""Licences, or rightsholders, that a document names of a data set."""
LONGEST = 300
"""Characters of a text from outside."""
_BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True)
class Terms:
    """A licence and how many works are under it, by who said so."""

    reference: str
    spdx: str | None
    url: str | None
    training: str
    declared: int
    verified: int


@dataclass(frozen=True)
class Owner:
    """A rightsholder, and how many of the works are theirs, alone or with others."""

    number: int
    name: str
    kind: str | None
    works: int


@dataclass(frozen=True)
class DataSetFacts:
    """A data set, or the part of it that is in an encoding."""

    number: int
    name: str
    kind: str
    works: int
    bytes: int
    described_only: int
    """Works that are known by their metadata alone."""
    missing: int
    """Works that were not found any more when the data set was registered again."""
    first_registered: str | None
    last_registered: str | None
    permissions: dict[str, int]
    media_types: dict[str, int]
    licences: tuple[Terms, ...]
    licences_in_all: int
    without_licence: int
    owners: tuple[Owner, ...]
    owners_in_all: int
    without_owner: int
    works_sha256: str
    """SHA-256 over the SHA-256 of its works in hexadecimal, each once, sorted, one per line: as
    ``works.txt`` of a member."""
    works_hashed: int

    @property
    def key(self) -> str:
        """A name for it that any format can hold."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:12]


def plain(facts: Any) -> Any:  # noqa: ANN401 - any of the dataclasses of these exports
    """Facts as JSON values, for their hash and for their document.

    Raises:
        IntegrityError: a number on record is none that JSON has.
    """
    try:
        return json.loads(json.dumps(asdict(facts), allow_nan=False))
    except ValueError as error:
        raise IntegrityError("a number on record is not finite; `creditline doctor` says what to do") from error


def clipped(text: str) -> str:
    """Text from outside as a document has it: of bounded length, without what would rearrange or
    end the line it is shown in.
    """
    cut = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return "".join(
        REPLACEMENT if unicodedata.category(each) in ("Cc", "Cs") or each in _BIDIRECTIONAL else each for each in cut
    )


def moment(value: datetime.datetime | None) -> str | None:
    """A time as the formats want it: ISO 8601 in UTC, to the second."""
    return value.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if value is not None else None


def data_set_facts(connection: duckdb.DuckDBPyConnection, name: str) -> DataSetFacts:
    """A whole data set.

    Raises:
        NotFoundError: there is none of this name.
    """
    found = connection.execute("SELECT id FROM data_set WHERE name = ?", [name]).fetchone()
    if found is None:
        raise NotFoundError(f"no data set {clipped(name)!r}; `creditline data-sets` lists what there is")
    return data_set_of(connection, int(found[0]), None)


def data_set_of(connection: duckdb.DuckDBPyConnection, number: int, encoding_id: str | None) -> DataSetFacts:
    """One data set; with an encoding, the part of it that the encoding has."""
    within = " AND id IN (SELECT asset_id FROM unit_asset WHERE encoding_id = ?)" if encoding_id else ""
    chosen = f"(SELECT * FROM asset WHERE data_set_id = ?{within})"  # noqa: S608 - numbers are parameters
    values: list[Any] = [number, encoding_id] if encoding_id else [number]

    def ask(query: str) -> list[tuple[Any, ...]]:
        return connection.execute(query, values).fetchall()

    name, kind = connection.execute("SELECT name, kind FROM data_set WHERE id = ?", [number]).fetchall()[0]
    counts = ask(
        "SELECT count(*), coalesce(sum(byte_size), 0)::BIGINT, count(*) FILTER (byte_size IS NULL), count(missing_since), "  # noqa: S608
        f"min(registered_at), max(registered_at), count(*) FILTER (licence_id IS NULL) FROM {chosen}"
    )[0]
    permissions = ask(f"SELECT permission, count(*) FROM {chosen} GROUP BY 1 ORDER BY 1")  # noqa: S608
    media = ask(
        f"SELECT media_type, count(*) FROM {chosen} WHERE media_type IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST}"  # noqa: S608
    )
    licences = ask(
        "SELECT reference, spdx, licence.url, training, count(*) - count(verified.id), count(verified.id), count(*) OVER () "  # noqa: S608
        f"FROM {chosen} AS work JOIN licence ON licence.id = work.licence_id "
        "LEFT JOIN asset_rights AS verified ON verified.id = work.verified_id AND verified.licence_id IS NOT NULL "
        f"GROUP BY licence.id, reference, spdx, licence.url, training ORDER BY count(*) DESC, reference LIMIT {MOST}"
    )
    owners = ask(_OWNERS.format(chosen=chosen, row=counting_row("work"), most=MOST))
    digest, hashed = _hash_of_works(connection, chosen, values)
    return DataSetFacts(
        number=number,
        name=clipped(name),
        kind=kind,
        works=int(counts[0]),
        bytes=int(counts[1]),
        described_only=int(counts[2]),
        missing=int(counts[3]),
        first_registered=moment(counts[4]),
        last_registered=moment(counts[5]),
        permissions={str(permission): int(count) for permission, count in permissions},
        media_types={clipped(media_type): int(count) for media_type, count in media},
        licences=tuple(Terms(clipped(row[0]), row[1], row[2], row[3], int(row[4]), int(row[5])) for row in licences),
        licences_in_all=int(licences[0][6]) if licences else 0,
        without_licence=int(counts[6]),
        owners=tuple(Owner(int(row[0]), clipped(row[1]), row[2], int(row[3])) for row in owners if row[0] is not None),
        owners_in_all=int(owners[0][4]) if owners else 0,
        without_owner=ask(f"SELECT count(*) FROM {chosen} WHERE rightsholder_id IS NULL")[0][0],  # noqa: S608
        works_sha256=digest,
        works_hashed=hashed,
    )


_OWNERS = """
    WITH work AS (SELECT id, declared_id, verified_id, rightsholder_id FROM {chosen} AS listed),
    further AS (
        SELECT DISTINCT shared.asset_id, coalesce(stated.merged_into, stated.id) AS owner_id FROM co_rightsholder AS shared
        JOIN work ON work.id = shared.asset_id
        LEFT JOIN asset_rights AS verified ON verified.id = work.verified_id
        JOIN rightsholder AS stated ON stated.id = shared.rightsholder_id
        WHERE shared.rights_id = {row} AND owner_id IS DISTINCT FROM work.rightsholder_id
    ), owned AS (
        SELECT owner_id, count(*) AS works FROM (
            SELECT rightsholder_id AS owner_id FROM work WHERE rightsholder_id IS NOT NULL
            UNION ALL SELECT owner_id FROM further
        ) GROUP BY 1
    )
    SELECT owner_id, name, kind, works, count(*) OVER () FROM owned JOIN rightsholder ON rightsholder.id = owner_id
    LEFT JOIN (
        SELECT rightsholder_id AS described_id, arg_max(kind, id) AS kind FROM rightsholder_details GROUP BY 1
    ) ON described_id = owner_id
    ORDER BY works DESC, name, owner_id LIMIT {most}
"""


def _hash_of_works(connection: duckdb.DuckDBPyConnection, chosen: str, values: list[Any]) -> tuple[str, int]:
    """The hash over the works' hashes, and how many these are; held in batches."""
    reader = connection.execute(
        f"SELECT sha256 || chr(10) AS line FROM {chosen} WHERE sha256 IS NOT NULL GROUP BY sha256 ORDER BY sha256",  # noqa: S608
        values,
    ).to_arrow_reader(BLOCK)
    total, count = hashlib.sha256(), 0
    for batch in reader:
        total.update("".join(batch.column(0).to_pylist()).encode())
        count += batch.num_rows
    return total.hexdigest(), count
