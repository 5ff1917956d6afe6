"""The training content of an ensemble, counted once for every filing.

Training content is every work that the newest generation of some member saw: the works of the
encoding, except withdrawn works that all members have since been retrained without.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from typing import Any

import duckdb

from registry.errors import NotFoundError
from registry.members.seen import seen_by_any, withdrawn_works
from registry.members.serving import newest_of
from registry.outputs.base_claim import base_claim
from registry.permissions.rule import CURRENT_SIGNALS
from registry.signals import TRAINING
from reports.content.ensembles import MemberRecord, member_record, read_encoding, read_members
from reports.content.selection import (
    RIGHTSHOLDERS,
    count_licences,
    count_values,
    count_works,
    prepare_hosts,
    select_works,
)
from reports.facts import BasePart
from reports.filings.content_facts import ContentFacts, DataSetWorks, DomainWorks, LicenceWorks, SignalWorks

MOST_LICENCES = 100
MOST_DOMAINS = 100_000
SMALL_PROVIDER_DOMAINS = 1_000
"""Most domains that a small or medium-sized provider lists."""

_SIGNALS = f"""
    SELECT * FROM ({CURRENT_SIGNALS}) WHERE use <> 'unspecified'
        AND category IN ({", ".join(f"'{category.value}'" for category in sorted(TRAINING))})
"""  # noqa: S608 - constants


def read_content(
    connection: duckdb.DuckDBPyConnection,
    ensemble_id: str,
    *,
    crawled: Collection[str] = (),
    small_provider: bool = False,
) -> ContentFacts:
    """Count an ensemble's training content, in temporary tables of the connection.

    ``crawled``: names of the data sets with ranked domains. ``small_provider``: list 5 % of the
    domains, at most 1,000, instead of 10 %.

    Raises:
        NotFoundError: no such ensemble, or it has no member.
    """
    ensemble = connection.execute(
        "SELECT ensemble.encoding_id, ensemble.created_at, ensemble.settings, left_out FROM ensemble "
        "LEFT JOIN encoding ON encoding.id = ensemble.encoding_id WHERE ensemble.id = ?",
        [ensemble_id],
    ).fetchone()
    if ensemble is None:
        raise NotFoundError(f"no ensemble {ensemble_id[:80]!r}; `creditline status` lists them")
    encoding = read_encoding(connection, ensemble[0], f"ensemble {ensemble_id}")
    history = read_members(connection, ensemble_id)
    members = [member_record(member) for member in newest_of(history)]
    if not members:
        raise NotFoundError(
            f"ensemble {ensemble_id} has no member yet, so it was trained on nothing; run `creditline train`"
        )
    trained_without, never_seen = _select(connection, encoding.id, members, [member_record(each) for each in history])
    withdrawn = withdrawn_works(connection, encoding.id)
    serving = [each for each in members if not withdrawn.seen_by(each.index, each.withdrawn_through).any()]
    totals = count_works(connection)
    licences, licences_in_all = count_licences(connection, MOST_LICENCES)
    permissions = {str(name): works for name, works in count_values(connection, "permission").items()}
    with_signal, with_reservation, reserved_left_out = _count_signals(connection, encoding.id)
    top, crawled_domains = _top_domains(connection, crawled, small_provider=small_provider)
    with_address, domains = _row(
        connection,
        "SELECT coalesce(sum(works), 0)::BIGINT, count(DISTINCT host) FROM selected_host WHERE host IS NOT NULL",
    )
    origins = [member.origin for member in members]
    return ContentFacts(
        ensemble=ensemble_id,
        encoding=encoding.id,
        made=_day(ensemble[1]),
        members=encoding.n,
        members_trained=origins.count("trained"),
        members_imported=len(origins) - origins.count("trained"),
        members_serving=len(serving),
        settings=json.loads(ensemble[2] or "{}"),
        base=BasePart.of(base_claim(connection, ensemble_id)),
        works=totals.works,
        bytes=totals.bytes,
        unit_kind=encoding.unit_kind,
        units=encoding.units,
        formats=_formats(connection),
        shortest_side=totals.shortest_side,
        longest_side=totals.longest_side,
        registered_from=_day(totals.first_registered) if totals.first_registered else None,
        registered_to=_day(totals.last_registered) if totals.last_registered else None,
        data_sets=_data_sets(connection),
        rightsholders=_row(connection, f"SELECT count(rightsholder_id) FROM ({RIGHTSHOLDERS})")[0],  # noqa: S608 - a constant
        without_rightsholder=totals.without_rightsholder,
        licences=[LicenceWorks(reference=each.reference, spdx=each.spdx, works=each.works) for each in licences],
        owners_verified=totals.owners_verified,
        licences_verified=totals.licences_verified,
        other_licences=licences_in_all - len(licences),
        without_licence=totals.without_licence,
        permissions=permissions,
        signals=_signals(connection),
        with_signal=with_signal,
        with_reservation=with_reservation,
        left_out=dict(sorted(json.loads(ensemble[3] or "{}").items())),
        reserved_left_out=reserved_left_out,
        trained_without=trained_without,
        never_seen=never_seen,
        withdrawn_since=permissions.get("withdrawn", 0),
        with_address=with_address,
        domains_in_all=domains,
        crawled_domains=crawled_domains,
        top_domains=top[:MOST_DOMAINS],
        top_domains_left_out=max(0, len(top) - MOST_DOMAINS),
    )


def names_of_data_sets(connection: duckdb.DuckDBPyConnection, ensemble_id: str) -> list[str]:
    """The data sets with works in an ensemble's encoding, the largest first."""
    query = (
        "SELECT name FROM (SELECT data_set_id, count(*) AS works FROM unit_asset JOIN asset ON asset.id = asset_id "
        "WHERE encoding_id = (SELECT encoding_id FROM ensemble WHERE id = ?) GROUP BY 1) "
        "JOIN data_set ON data_set.id = data_set_id ORDER BY works DESC, name"
    )
    return [str(name) for (name,) in _rows(connection, query, [ensemble_id])]


def _select(
    connection: duckdb.DuckDBPyConnection,
    encoding_id: str,
    members: Sequence[MemberRecord],
    generations: Sequence[MemberRecord],
) -> tuple[int, int]:
    """Select the training content.

    Returns the number of withdrawn works that all members were retrained without, and of works that
    no member ever saw.
    """
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE encoded AS SELECT asset_id, {_seen_by(members)} AS seen, "  # noqa: S608 - numbers
        f"{_seen_by(generations)} AS ever_seen FROM encoded_work WHERE encoding_id = ?",
        [encoding_id],
    )
    select_works(connection, "SELECT asset.* FROM asset JOIN encoded ON asset_id = asset.id WHERE seen")
    prepare_hosts(connection)
    without, never = _row(
        connection,
        "SELECT count(*) FILTER (ever_seen), count(*) FILTER (NOT ever_seen) FROM encoded JOIN asset ON asset.id = asset_id "
        "WHERE permission = 'withdrawn' AND NOT seen",
    )
    return without, never


def _seen_by(members: Sequence[MemberRecord]) -> str:
    return seen_by_any((member.index, member.withdrawn_through) for member in members)


def _formats(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    found = {name or "not recorded": works for name, works in count_values(connection, "media_type").items()}
    return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))


def _count_signals(connection: duckdb.DuckDBPyConnection, encoding_id: str) -> tuple[int, int, int]:
    """Works of the training content with a signal about training, those with a reservation, and
    works with a reservation that were registered by then and left out.
    """
    with_signal, with_reservation, left_out = _row(
        connection,
        "SELECT count(DISTINCT asset_id) FILTER (selected_work.id IS NOT NULL), "  # noqa: S608 - constants
        "count(DISTINCT asset_id) FILTER (selected_work.id IS NOT NULL AND use <> 'allowed'), "
        "count(DISTINCT asset_id) FILTER (selected_work.id IS NULL AND use <> 'allowed' "
        "AND asset.registered_at <= (SELECT created_at FROM encoding WHERE id = ?)) "
        f"FROM ({_SIGNALS}) JOIN asset ON asset.id = asset_id LEFT JOIN selected_work ON selected_work.id = asset_id",
        [encoding_id],
    )
    return with_signal, with_reservation, left_out


def _signals(connection: duckdb.DuckDBPyConnection) -> list[SignalWorks]:
    rows = _rows(
        connection,
        "SELECT protocol, use, count(DISTINCT asset_id) "  # noqa: S608 - constants
        f"FROM ({_SIGNALS}) SEMI JOIN selected_work ON selected_work.id = asset_id GROUP BY ALL ORDER BY ALL",
    )
    return [SignalWorks(protocol=protocol, use=use, works=works) for protocol, use, works in rows]


def _top_domains(
    connection: duckdb.DuckDBPyConnection, crawled: Collection[str], *, small_provider: bool
) -> tuple[list[DomainWorks], int]:
    """The largest domains by bytes of the named data sets, and the number of all domains.

    10 % are returned; of a small provider 5 %, at most :data:`SMALL_PROVIDER_DOMAINS`.
    """
    sites = (
        "SELECT host, sum(works)::BIGINT AS works, sum(bytes)::BIGINT AS bytes FROM selected_host "
        "JOIN data_set ON data_set.id = data_set_id WHERE host IS NOT NULL AND list_contains(?, name) GROUP BY host"
    )
    names = sorted(crawled)
    count = int(_row(connection, f"SELECT count(*) FROM ({sites})", [names])[0])  # noqa: S608 - a constant
    listed = min(math.ceil(count / 20), SMALL_PROVIDER_DOMAINS) if small_provider else math.ceil(count / 10)
    rows = _rows(connection, f"{sites} ORDER BY bytes DESC, works DESC, host LIMIT ?", [names, listed])
    return [DomainWorks(domain=host, works=works, bytes=size) for host, works, size in rows], count


def _data_sets(connection: duckdb.DuckDBPyConnection) -> list[DataSetWorks]:
    """Data sets with works in the training content, the largest first."""
    rows = _rows(
        connection,
        """
        WITH held AS (
            SELECT data_set_id, count(*) AS works, coalesce(sum(byte_size), 0)::BIGINT AS bytes,
                min(registered_at) AS first, max(registered_at) AS last FROM selected_work GROUP BY 1
        ), sites AS (
            SELECT data_set_id, sum(works)::BIGINT AS works, count(*) AS hosts FROM selected_host
            WHERE host IS NOT NULL GROUP BY 1
        ), generated AS (
            SELECT data_set_id, count(*) AS works FROM selected_work
            WHERE sha256 IN (SELECT image_sha256 FROM sample) GROUP BY 1
        ), stated AS (
            SELECT data_set_id, count(*) AS works FROM selected_work
            SEMI JOIN synthetic_work ON asset_id = selected_work.id GROUP BY 1
        ), used AS (
            SELECT data_set_id, min(created_at) AS first FROM (
                SELECT DISTINCT encoding_id, data_set_id FROM unit_asset JOIN asset ON asset.id = asset_id
                WHERE encoding_id IN (SELECT encoding_id FROM ensemble)
            ) AS encoded_sets JOIN ensemble ON ensemble.encoding_id = encoded_sets.encoding_id GROUP BY 1
        )
        SELECT data_set.name, data_set.kind, held.works, held.bytes, coalesce(sites.works, 0), coalesce(hosts, 0),
            held.first, held.last, used.first, coalesce(generated.works, 0), coalesce(stated.works, 0)
        FROM held JOIN data_set ON data_set.id = held.data_set_id
        LEFT JOIN sites ON sites.data_set_id = data_set.id LEFT JOIN generated ON generated.data_set_id = data_set.id
        LEFT JOIN stated ON stated.data_set_id = data_set.id LEFT JOIN used ON used.data_set_id = data_set.id
        ORDER BY held.works DESC, data_set.name
        """,
    )
    return [
        DataSetWorks(
            name=name,
            kind=kind,
            works=works,
            bytes=size,
            with_address=with_address,
            domains=hosts,
            registered_from=_day(first),
            registered_to=_day(last),
            first_trained=_day(used) if used else None,
            own_outputs=generated,
            said_synthetic=stated,
        )
        for name, kind, works, size, with_address, hosts, first, last, used, generated, stated in rows
    ]


def _rows(connection: duckdb.DuckDBPyConnection, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    return connection.execute(query, list(values)).fetchall()


def _row(connection: duckdb.DuckDBPyConnection, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
    return _rows(connection, query, values)[0]


def _day(moment: Any) -> str:  # noqa: ANN401 - a datetime of the registry
    return f"{moment:%Y-%m-%d}"
