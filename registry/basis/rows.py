"""From a few ids to all rows that say something about them, through the tables' references.

A work leads to its rights, signals, claims and withdrawals, these to rightsholders, licences, data
sets and policies, and all of them to reviews. An audit leads to its candidates, their units and
works, its sample, and the members of its ensemble. An ensemble leads to the base model that its
recipe names, and a base model to its licence and the data set that it was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.event_log.parts import SUBJECTS
from registry.event_log.seals import KEYED_TABLES

Ids = Sequence[int] | NDArray[np.int64] | Literal["all"]


@dataclass(frozen=True, eq=False)
class Basis:
    """The facts that a document rests on, by the ids that lead to their rows."""

    works: Ids = ()
    rightsholders: Sequence[int] = ()
    audits: Sequence[str] = ()
    samples: Sequence[str] = ()
    ensembles: Sequence[str] = ()
    bases: Sequence[str] = ()
    """Base models; those of the ensembles come by themselves."""
    whole_encodings: bool = False
    """Whether the document rests on all units and works of the ensembles' encodings."""
    events: Sequence[str] = ()
    """Kinds of events that the document reads itself."""


RIGHTS_EVENTS = ("permission changed", "member registered")
"""Kinds of events that tell the permissions of works when a member was trained on them."""

DOMAINS: Mapping[str, str] = {
    "data_set": "data_set",
    "asset": "work",
    "asset_rights": "work",
    "caption": "work",
    "co_rightsholder": "work",
    "embedded_metadata": "work",
    "rights_signal": "work",
    "site_policy": "policy",
    "fingerprint": "work",
    "near_duplicate": "work",
    "rightsholder": "rightsholder",
    "rightsholder_details": "rightsholder",
    "rightsholder_identifier": "rightsholder",
    "rightsholder_merge": "rightsholder",
    "licence": "licence",
    "review": "reviewed",
    "claim": "claim",
    "claim_work": "work",
    "claim_decision": "claim",
    "withdrawal": "withdrawal",
    "withdrawal_work": "work",
}
"""By numbered table, the ids that :data:`registry.event_log.parts.SUBJECTS` compares."""

_CLOSURE: Mapping[str, str] = {
    "claim": """
        SELECT claim_id AS id FROM claim_work SEMI JOIN work ON asset_id = work.id
        UNION SELECT claim.id FROM claim SEMI JOIN seed ON rightsholder_id = seed.id
    """,
    "withdrawal": """
        SELECT withdrawal_id AS id FROM withdrawal_work SEMI JOIN work ON asset_id = work.id
        UNION SELECT withdrawal.id FROM withdrawal SEMI JOIN seed ON subject_id = seed.id WHERE scope = 'rightsholder'
    """,
    "policy": "SELECT policy_id AS id FROM rights_signal SEMI JOIN work ON asset_id = work.id",
    "named": """
        SELECT id FROM seed
        UNION SELECT rightsholder_id FROM asset SEMI JOIN work ON asset.id = work.id
        UNION SELECT rightsholder_id FROM asset_rights SEMI JOIN work ON asset_id = work.id
        UNION SELECT rightsholder_id FROM co_rightsholder SEMI JOIN work ON asset_id = work.id
        UNION SELECT rightsholder_id FROM main.claim SEMI JOIN their_claim ON claim.id = their_claim.id
        UNION SELECT subject_id FROM main.withdrawal SEMI JOIN their_withdrawal ON withdrawal.id = their_withdrawal.id
            WHERE scope = 'rightsholder'
    """,
    "merged": """
        SELECT id FROM named
        UNION SELECT merged_into FROM main.rightsholder SEMI JOIN named ON rightsholder.id = named.id
        UNION SELECT rightsholder.id FROM main.rightsholder SEMI JOIN named ON merged_into = named.id
        UNION SELECT into_id FROM rightsholder_merge SEMI JOIN named ON merged_id = named.id
        UNION SELECT merged_id FROM rightsholder_merge SEMI JOIN named ON into_id = named.id
    """,
    "rightsholder": """
        SELECT id FROM merged
        UNION SELECT represented_by FROM rightsholder_details SEMI JOIN merged ON rightsholder_id = merged.id
    """,
    "licence": """
        SELECT licence_id AS id FROM asset SEMI JOIN work ON asset.id = work.id
        UNION SELECT licence_id FROM asset_rights SEMI JOIN work ON asset_id = work.id
        UNION SELECT licence_id FROM base_details SEMI JOIN basis_bases ON base_id = basis_bases.id
    """,
    "data_set": """
        SELECT data_set_id AS id FROM asset SEMI JOIN work ON asset.id = work.id
        UNION SELECT data_set_id FROM base_details SEMI JOIN basis_bases ON base_id = basis_bases.id
    """,
    "reviewed": """
        SELECT id FROM work UNION SELECT id FROM their_rightsholder UNION SELECT id FROM their_licence
        UNION SELECT id FROM their_data_set
    """,
}
"""By domain, the ids that the domains before it lead to; in this order."""

_ALIKE = ("claim", "withdrawal", "rightsholder", "licence", "data_set")
"""Domains with the name of a table: a query calls their ids ``their_<domain>``."""


def find_ids(
    connection: duckdb.DuckDBPyConnection, basis: Basis, listed: Sequence[int], bases: Sequence[str]
) -> dict[str, NDArray[np.int64]]:
    """All ids by domain, ascending, also as the temporary table ``basis_id`` (domain, id).

    ``listed``: works that audits list. ``bases``: base models of :func:`find_keys`.
    """
    works = "SELECT id FROM asset"
    if not isinstance(basis.works, str):
        works = "SELECT id FROM basis_works"
        chosen = np.union1d(np.asarray(basis.works, np.int64), np.asarray(listed, np.int64))
        connection.register("basis_works", pa.table({"id": pa.array(chosen, pa.int64())}))
    seeds = np.unique(np.asarray(basis.rightsholders, np.int64))
    connection.register("basis_seeds", pa.table({"id": pa.array(seeds, pa.int64())}))
    connection.register("basis_bases", pa.table({"id": pa.array(bases, pa.string())}))
    parts = [f"work AS MATERIALIZED ({works})", "seed AS MATERIALIZED (SELECT id FROM basis_seeds)"]
    for domain, query in _CLOSURE.items():
        distinct = f"SELECT DISTINCT id::BIGINT AS id FROM ({query}) AS found(id) WHERE id IS NOT NULL"  # noqa: S608 - constants
        parts.append(f"{_name_of(domain)} AS MATERIALIZED ({distinct})")
    domains = sorted(set(DOMAINS.values()))
    every = " UNION ALL ".join(
        f"SELECT '{domain}' AS domain, id FROM {_name_of(domain)}"  # noqa: S608 - constants
        for domain in domains
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE basis_id AS WITH {', '.join(parts)} SELECT * FROM ({every}) ORDER BY domain, id"  # noqa: S608 - above
    )
    connection.unregister("basis_seeds")
    connection.unregister("basis_bases")
    if not isinstance(basis.works, str):
        connection.unregister("basis_works")
    found = connection.execute("SELECT domain, id FROM basis_id ORDER BY domain, id").fetchnumpy()
    names, ids = found["domain"].astype(str), found["id"]
    return {domain: ids[names == domain] for domain in domains}


def _name_of(domain: str) -> str:
    return f"their_{domain}" if domain in _ALIKE else domain


def rows_about(connection: duckdb.DuckDBPyConnection) -> dict[str, NDArray[np.int64]]:
    """By numbered table, the ids of its rows about the ids of its domain, ascending."""
    every = " UNION ALL ".join(
        f"SELECT '{table}' AS name, {table}.id FROM {table} SEMI JOIN "  # noqa: S608 - our tables
        f"(SELECT id FROM basis_id WHERE domain = '{domain}') AS basis ON {table}.{SUBJECTS[table]} = basis.id"
        for table, domain in DOMAINS.items()
    )
    found = connection.execute(f"SELECT name, id FROM ({every}) ORDER BY name, id").fetchnumpy()  # noqa: S608 - above
    names = found["name"].astype(str)
    return {table: found["id"][names == table] for table in DOMAINS}


@dataclass(frozen=True)
class Keys:
    """Keys of the keyed tables, and of tables of units the numbers that count."""

    keys: Mapping[str, Sequence[str]]
    numbers: Mapping[str, NDArray[np.int64] | None]
    """By encoding: the units; None: all."""
    works: Sequence[int]
    """Works that the audits list, or that are the first of a listed unit."""


def find_keys(connection: duckdb.DuckDBPyConnection, basis: Basis) -> Keys:
    """The keys that audits, samples and ensembles lead to."""
    audits = list(dict.fromkeys(basis.audits))
    of_audits = connection.execute(
        "SELECT sample_id, ensemble_id FROM audit WHERE list_contains(?, id)", [audits]
    ).fetchall()
    samples = sorted({*basis.samples, *(str(sample) for sample, _ in of_audits if sample is not None)})
    of_samples = connection.execute("SELECT ensemble_id FROM sample WHERE list_contains(?, id)", [samples]).fetchall()
    ensembles = sorted(
        {*basis.ensembles, *(str(each) for _, each in of_audits), *(str(each) for (each,) in of_samples)}
    )
    encodings = sorted(
        str(each)
        for (each,) in connection.execute(
            "SELECT DISTINCT encoding_id FROM ensemble WHERE list_contains(?, id)", [ensembles]
        ).fetchall()
    )
    bases = connection.execute(
        "SELECT base FROM (SELECT id AS base FROM base_model UNION SELECT key FROM seal_part WHERE table_name = 'base_model') "
        "WHERE list_contains($bases, base) OR EXISTS (SELECT 1 FROM ensemble "
        "WHERE list_contains($ensembles, ensemble.id) AND json_extract_string(settings, '$.network.base') = base) ORDER BY base",
        {"bases": list(basis.bases), "ensembles": ensembles},
    ).fetchall()
    members = connection.execute(
        "SELECT id FROM member WHERE list_contains($ensembles, ensemble_id) UNION "
        "SELECT key FROM seal_part WHERE table_name = 'member' AND list_contains($ensembles, split_part(key, '-', 1))",
        {"ensembles": ensembles},
    ).fetchall()
    tested = connection.execute(
        "SELECT DISTINCT encoding_id, unit_number FROM candidate JOIN audit ON audit.id = audit_id "
        "JOIN ensemble ON ensemble.id = ensemble_id WHERE list_contains(?, audit_id) ORDER BY ALL",
        [audits],
    ).fetchall()
    listed = connection.execute(
        "SELECT asset_id FROM candidate_work WHERE list_contains($audits, audit_id) UNION SELECT min(asset_id) FROM candidate "
        "JOIN audit ON audit.id = audit_id JOIN ensemble ON ensemble.id = ensemble_id JOIN unit_asset "
        "ON unit_asset.encoding_id = ensemble.encoding_id AND unit_asset.unit_number = candidate.unit_number "
        "WHERE list_contains($audits, audit_id) GROUP BY unit_asset.encoding_id, unit_asset.unit_number",
        {"audits": audits},
    ).fetchall()
    if basis.whole_encodings:
        listed += connection.execute(
            "SELECT DISTINCT asset_id FROM unit_asset WHERE list_contains(?, encoding_id)", [encodings]
        ).fetchall()
    elif not isinstance(basis.works, str) and len(basis.works):
        connection.register("basis_works", pa.table({"id": pa.array(np.asarray(basis.works, np.int64))}))
        tested += connection.execute(
            "SELECT DISTINCT encoding_id, unit_number FROM unit_asset SEMI JOIN basis_works ON asset_id = basis_works.id "
            "WHERE list_contains(?, encoding_id)",
            [encodings],
        ).fetchall()
        connection.unregister("basis_works")
    numbers: dict[str, NDArray[np.int64] | None] = {
        encoding: None
        if basis.whole_encodings or isinstance(basis.works, str)
        else np.asarray([number for of, number in tested if of == encoding], np.int64)
        for encoding in encodings
    }
    keys = {
        "encoding": encodings,
        **{table: encodings for table, (column, _) in KEYED_TABLES.items() if column == "encoding_id"},
        "ensemble": ensembles,
        **{table: [str(each) for (each,) in bases] for table in ("base_model", "base_component", "base_details")},
        "member": sorted(str(each) for (each,) in members),
        "sample": samples,
        "audit": audits,
        "candidate": audits,
        "candidate_work": audits,
    }
    return Keys(keys, numbers, sorted(int(each) for (each,) in listed))
