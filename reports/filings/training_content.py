"""What an ensemble was trained on, counted once for every filing: works, data sets, licences,
signals, sites, opt-outs.

Training content is every work that the newest generation of some member saw: works of the encoding,
less those that were withdrawn and that all members have since been trained without. Whatever is
asked here is asked of the whole set in the database, so that ten million works are counted without
one of them being read into Python.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import duckdb

from registry.errors import NotFoundError
from registry.members.seen import seen_by_any, withdrawals_applied_through
from registry.members.serving import Service
from registry.permissions.rule import CURRENT_SIGNALS
from registry.signals import TRAINING
from registry.storage.current_rights import effective_rights_id
from registry.storage.tables import Member
from reports.filings.content_facts import ContentFacts, DataSetFacts, LicenceFacts, SignalFacts
from reports.filings.domains import count_domains, top_domains_of

MOST_LICENCES = 100
MOST_DOMAINS = 100_000
AI_SOURCES = ("trainedalgorithmicmedia", "compositewithtrainedalgorithmicmedia")
"""IPTC digital source types, in small letters, that say that a file was made by a generative model,
wholly or in part."""


def read_content(
    connection: duckdb.DuckDBPyConnection,
    service: Service,
    generations: Sequence[Member],
    *,
    crawled: Collection[str] = (),
    small_provider: bool = False,
) -> ContentFacts:
    """Count an ensemble's training content.

    Args:
        connection: to the registry; makes temporary tables.
        service: the ensemble, its encoding, and the newest generation of each member.
        generations: all of its members that there ever were.
        crawled: names of the data sets whose domains are ranked.
        small_provider: list 5 % of the domains, or 1,000 if that is fewer, in place of 10 %.

    Raises:
        NotFoundError: no member is registered, so that nothing was trained on.
    """
    ensemble, encoding = service.ensemble, service.encoding
    members = [state.member for state in service.states]
    if not members:
        raise NotFoundError(
            f"ensemble {ensemble.id} has no member yet, so it was trained on nothing; run `creditline train`"
        )
    _select(connection, encoding.id, members, generations)
    domains = count_domains(connection)
    works, size, first, last, short, long = _row(
        connection,
        "SELECT count(*), coalesce(sum(byte_size), 0)::BIGINT, min(registered_at), max(registered_at), "
        "min(least(width, height)), max(greatest(width, height)) FROM content",
    )
    licences = _rows(
        connection,
        "SELECT reference, spdx, works FROM (SELECT licence_id, count(*) AS works FROM content GROUP BY 1) "
        "JOIN licence ON licence.id = licence_id ORDER BY works DESC, reference, licence.id",
    )
    signals = f"SELECT * FROM ({CURRENT_SIGNALS}) WHERE use <> 'unspecified' AND category IN ({_training()})"  # noqa: S608 - constants
    with_signal, with_reservation, reserved_left_out = _row(
        connection,
        "SELECT count(DISTINCT asset_id) FILTER (work_id IS NOT NULL), "  # noqa: S608 - constants
        "count(DISTINCT asset_id) FILTER (work_id IS NOT NULL AND use <> 'allowed'), "
        "count(DISTINCT asset_id) FILTER (work_id IS NULL AND use <> 'allowed' AND registered <= ?) "
        f"FROM ({signals}) LEFT JOIN content ON work_id = asset_id "
        "JOIN (SELECT id AS registered_id, registered_at AS registered FROM asset) ON registered_id = asset_id",
        [encoding.created_at],
    )
    owners_verified, licences_verified = _row(
        connection,
        "SELECT count(verified.rightsholder_id), count(verified.licence_id) FROM content JOIN asset_rights AS verified "
        "ON verified.id = content.verified_id AND verified.asset_id = work_id",
    )
    top, crawled_domains = top_domains_of(connection, crawled, small_provider=small_provider)
    origins = [member.origin for member in members]
    return ContentFacts(
        ensemble=ensemble.id,
        encoding=encoding.id,
        made=_day(ensemble.created_at),
        members=encoding.n,
        members_trained=origins.count("trained"),
        members_imported=len(origins) - origins.count("trained"),
        members_serving=len(service.serving),
        settings=ensemble.settings,
        works=works,
        bytes=size,
        unit_kind=encoding.unit_kind,
        units=encoding.unit_count,
        formats=dict(
            _rows(
                connection,
                "SELECT coalesce(media_type, 'not recorded'), count(*) FROM content GROUP BY 1 ORDER BY 2 DESC, 1",
            )
        ),
        shortest_side=short,
        longest_side=long,
        registered_from=_day(first) if first else None,
        registered_to=_day(last) if last else None,
        data_sets=_data_sets(connection),
        rightsholders=_rightsholders(connection),
        without_rightsholder=_count(connection, "FROM content WHERE rightsholder_id IS NULL"),
        licences=[LicenceFacts(reference=name, spdx=spdx, works=held) for name, spdx, held in licences[:MOST_LICENCES]],
        owners_verified=owners_verified,
        licences_verified=licences_verified,
        other_licences=max(0, len(licences) - MOST_LICENCES),
        without_licence=_count(connection, "FROM content WHERE licence_id IS NULL"),
        permissions=dict(_rows(connection, "SELECT permission, count(*) FROM content GROUP BY 1 ORDER BY 2 DESC, 1")),
        signals=[
            SignalFacts(protocol=protocol, use=use, works=held)
            for protocol, use, held in _rows(
                connection,
                f"SELECT protocol, use, count(DISTINCT asset_id) FROM ({signals}) SEMI JOIN content ON work_id = asset_id "  # noqa: S608 - constants
                "GROUP BY ALL ORDER BY ALL",
            )
        ],
        with_signal=with_signal,
        with_reservation=with_reservation,
        left_out=dict(sorted(encoding.left_out.items())),
        reserved_left_out=reserved_left_out,
        trained_without=_count(connection, "FROM no_more WHERE ever_seen"),
        never_seen=_count(connection, "FROM no_more WHERE NOT ever_seen"),
        withdrawn_since=_count(connection, "FROM content WHERE permission = 'withdrawn'"),
        with_address=_row(connection, "SELECT coalesce(sum(works), 0)::BIGINT FROM site")[0],
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
    connection: duckdb.DuckDBPyConnection, encoding_id: str, members: Sequence[Member], generations: Sequence[Member]
) -> None:
    """The tables ``content``, of the works that some member has, and ``no_more``, of withdrawn ones
    that none has.
    """
    columns = (
        "work_id, data_set_id, byte_size, media_type, width, height, licence_id, rightsholder_id, permission, registered_at, "
        "declared_id, verified_id"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE encoded AS SELECT {columns}, {_seen_by(members)} AS seen, "  # noqa: S608 - numbers and constants
        f"{_seen_by(generations)} AS ever_seen FROM (SELECT asset.*, asset.id AS work_id, code, first_withdrawal "
        "FROM encoded_work JOIN asset ON asset.id = encoded_work.asset_id WHERE encoding_id = ?)",
        [encoding_id],
    )
    connection.execute("CREATE OR REPLACE TEMP VIEW content AS SELECT * FROM encoded WHERE seen")
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW no_more AS SELECT * FROM encoded WHERE permission = 'withdrawn' AND NOT seen"
    )


def _seen_by(members: Sequence[Member]) -> str:
    return seen_by_any((member.index, withdrawals_applied_through(member)) for member in members)


def _data_sets(connection: duckdb.DuckDBPyConnection) -> list[DataSetFacts]:
    """Data sets with works among the training content, the largest first."""
    said = ", ".join(f"'{each}'" for each in AI_SOURCES)
    rows = _rows(
        connection,
        "WITH held AS (SELECT data_set_id, count(*) AS works, coalesce(sum(byte_size), 0)::BIGINT AS bytes, "  # noqa: S608 - constants
        "min(registered_at) AS first, max(registered_at) AS last FROM content GROUP BY 1), "
        "sites AS (SELECT data_set_id, sum(works)::BIGINT AS works, count(*) AS hosts FROM site GROUP BY 1), "
        "made AS (SELECT content.data_set_id, count(*) AS works FROM content JOIN asset ON asset.id = work_id "
        "WHERE asset.sha256 IN (SELECT image_sha256 FROM sample) GROUP BY 1), "
        "said AS (SELECT data_set_id, count(DISTINCT work_id) AS works FROM content "
        f"JOIN embedded_metadata ON asset_id = work_id WHERE regexp_extract(lower(digital_source_type), '[a-z]*$') IN ({said}) "
        "GROUP BY 1), "
        "used AS (SELECT data_set_id, min(created_at) AS first FROM ("
        "SELECT DISTINCT encoding_id, data_set_id FROM unit_asset JOIN asset ON asset.id = asset_id "
        "WHERE encoding_id IN (SELECT encoding_id FROM ensemble)"
        ") AS encoded_sets JOIN ensemble ON ensemble.encoding_id = encoded_sets.encoding_id GROUP BY 1) "
        "SELECT data_set.name, data_set.kind, held.works, held.bytes, coalesce(sites.works, 0), coalesce(hosts, 0), "
        "held.first, held.last, used.first, coalesce(made.works, 0), coalesce(said.works, 0) "
        "FROM held JOIN data_set ON data_set.id = held.data_set_id "
        "LEFT JOIN sites ON sites.data_set_id = data_set.id LEFT JOIN made ON made.data_set_id = data_set.id "
        "LEFT JOIN said ON said.data_set_id = data_set.id LEFT JOIN used ON used.data_set_id = data_set.id "
        "ORDER BY held.works DESC, data_set.name",
    )
    return [
        DataSetFacts(
            name=name,
            kind=kind,
            works=works,
            bytes=size,
            with_address=with_address,
            domains=hosts,
            registered_from=_day(first),
            registered_to=_day(last),
            first_trained=_day(used) if used else None,
            own_outputs=made,
            said_synthetic=said_by,
        )
        for name, kind, works, size, with_address, hosts, first, last, used, made, said_by in rows
    ]


def _rightsholders(connection: duckdb.DuckDBPyConnection) -> int:
    """How many own works of the training content, alone or with others."""
    return _count(
        connection,
        "FROM (SELECT rightsholder_id AS owner_id FROM content WHERE rightsholder_id IS NOT NULL UNION "  # noqa: S608 - constants
        "SELECT effective_id FROM co_rightsholder JOIN content ON work_id = co_rightsholder.asset_id "
        "JOIN effective_rightsholder AS stated ON stated.id = co_rightsholder.rightsholder_id "
        "LEFT JOIN asset_rights AS verified ON verified.id = content.verified_id AND verified.asset_id = work_id "
        f"WHERE rights_id = {effective_rights_id('content')})",
    )


def _training() -> str:
    return ", ".join(f"'{category.value}'" for category in sorted(TRAINING))


def _rows(connection: duckdb.DuckDBPyConnection, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    return connection.execute(query, list(values)).fetchall()


def _row(connection: duckdb.DuckDBPyConnection, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
    return _rows(connection, query, values)[0]


def _count(connection: duckdb.DuckDBPyConnection, rest: str) -> int:
    return int(_row(connection, f"SELECT count(*) {rest}")[0])


def _day(moment: Any) -> str:  # noqa: ANN401 - a datetime of the registry
    return f"{moment:%Y-%m-%d}"
