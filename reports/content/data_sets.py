"""One data set, or its part in an encoding: counted and hashed, never listed.

Of many licences or rightsholders, those with the most works are named and the others counted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import duckdb

from registry.errors import NotFoundError
from registry.supplied_facts import SubjectKind, supplied
from registry.works.listings import BLOCK
from reports.content.selection import (
    LicenceCount,
    RightsholderCount,
    count_licences,
    count_rightsholders,
    count_values,
    count_works,
    select_works,
)
from reports.content.texts import moment, one_line

MOST = 100
"""Licences, rightsholders or media types named per data set."""


@dataclass(frozen=True)
class DataSetContent:
    """A data set, or its part in an encoding."""

    id: int
    name: str
    kind: str
    works: int
    bytes: int
    described_only: int
    """Works known by their metadata alone."""
    missing: int
    """Works not found by a later registration of the data set."""
    first_registered: str | None
    last_registered: str | None
    permissions: dict[str, int]
    media_types: dict[str, int]
    licences: tuple[LicenceCount, ...]
    licences_in_all: int
    without_licence: int
    owners: tuple[RightsholderCount, ...]
    owners_in_all: int
    without_owner: int
    works_sha256: str
    """SHA-256 over the sorted distinct SHA-256 (hexadecimal) of the works, one per line, as in a
    member's ``works.txt``."""
    works_hashed: int
    supplied: dict[str, str]
    """Facts that people supplied, by name; see :mod:`registry.supplied_facts`."""

    @property
    def key(self) -> str:
        """A name for the content that any format can hold."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:12]


def data_set_named(connection: duckdb.DuckDBPyConnection, name: str) -> DataSetContent:
    """A whole data set.

    Raises:
        NotFoundError: no data set has this name.
    """
    found = connection.execute("SELECT id FROM data_set WHERE name = ?", [name]).fetchone()
    if found is None:
        raise NotFoundError(f"no data set {one_line(name)!r}; `creditline data-sets` lists them")
    return read_data_set_content(connection, int(found[0]), None)


def read_data_set_content(
    connection: duckdb.DuckDBPyConnection, data_set_id: int, encoding_id: str | None
) -> DataSetContent:
    """One data set; with an encoding, only its part in the encoding."""
    name, kind = connection.execute("SELECT name, kind FROM data_set WHERE id = ?", [data_set_id]).fetchall()[0]
    if encoding_id is None:
        select_works(connection, "SELECT * FROM asset WHERE data_set_id = ?", [data_set_id])
    else:
        within = "id IN (SELECT asset_id FROM unit_asset WHERE encoding_id = ?)"
        select_works(
            connection,
            f"SELECT * FROM asset WHERE data_set_id = ? AND {within}",  # noqa: S608 - a constant
            [data_set_id, encoding_id],
        )
    totals = count_works(connection)
    licences, licences_in_all = count_licences(connection, MOST)
    owners, owners_in_all = count_rightsholders(connection, MOST)
    permissions = count_values(connection, "permission")
    media_types = [(one_line(name), count) for name, count in count_values(connection, "media_type").items() if name]
    digest, hashed = _hash_of_works(connection)
    return DataSetContent(
        id=data_set_id,
        name=one_line(name),
        kind=kind,
        works=totals.works,
        bytes=totals.bytes,
        described_only=totals.described_only,
        missing=totals.missing,
        first_registered=moment(totals.first_registered),
        last_registered=moment(totals.last_registered),
        permissions={str(permission): count for permission, count in sorted(permissions.items(), key=str)},
        media_types=dict(media_types[:MOST]),
        licences=tuple(replace(each, reference=one_line(each.reference)) for each in licences),
        licences_in_all=licences_in_all,
        without_licence=totals.without_licence,
        owners=owners,
        owners_in_all=owners_in_all,
        without_owner=totals.without_rightsholder,
        works_sha256=digest,
        works_hashed=hashed,
        supplied=supplied(connection, SubjectKind.DATA_SET, name),
    )


def _hash_of_works(connection: duckdb.DuckDBPyConnection) -> tuple[str, int]:
    """The hash over the hashes of the selected works, and their number; read in batches."""
    reader = connection.execute(
        "SELECT sha256 || chr(10) AS line FROM selected_work WHERE sha256 IS NOT NULL GROUP BY sha256 ORDER BY sha256"
    ).to_arrow_reader(BLOCK)
    total, count = hashlib.sha256(), 0
    for batch in reader:
        total.update("".join(batch.column(0).to_pylist()).encode())
        count += batch.num_rows
    return total.hexdigest(), count
