"""Tables, ids and references. Ids are dense: a reference is compared with the largest id alone."""

from __future__ import annotations

import duckdb

from registry.doctor.findings import Examination, Severity
from registry.event_log.findings import RESTORE
from registry.event_log.seals import NUMBERED_TABLES
from registry.event_log.verify import DROP_FUNCTIONS, FOREIGN, foreign_functions
from registry.rightsholders.alike_names import alike_names
from registry.schema.create import relations_made_anew, relations_of
from registry.storage.results import distinct_numbers, number_of
from registry.works.identity import IDENTITY

REFERENCES: tuple[tuple[str, str, str], ...] = (
    ("asset", "data_set_id", "data_set"),
    ("asset", "declared_id", "asset_rights"),
    ("asset", "verified_id", "asset_rights"),
    ("asset", "rightsholder_id", "rightsholder"),
    ("asset", "licence_id", "licence"),
    ("asset", "caption_id", "caption"),
    ("asset_rights", "asset_id", "asset"),
    ("asset_rights", "rightsholder_id", "rightsholder"),
    ("asset_rights", "licence_id", "licence"),
    ("caption", "asset_id", "asset"),
    ("co_rightsholder", "rights_id", "asset_rights"),
    ("co_rightsholder", "asset_id", "asset"),
    ("co_rightsholder", "rightsholder_id", "rightsholder"),
    ("embedded_metadata", "asset_id", "asset"),
    ("rights_signal", "asset_id", "asset"),
    ("rights_signal", "policy_id", "site_policy"),
    ("fingerprint", "asset_id", "asset"),
    ("near_duplicate", "asset_id", "asset"),
    ("near_duplicate", "other_asset_id", "asset"),
    ("rightsholder", "merged_into", "rightsholder"),
    ("rightsholder_details", "rightsholder_id", "rightsholder"),
    ("rightsholder_details", "represented_by", "rightsholder"),
    ("rightsholder_identifier", "rightsholder_id", "rightsholder"),
    ("rightsholder_merge", "merged_id", "rightsholder"),
    ("rightsholder_merge", "into_id", "rightsholder"),
    ("claim", "rightsholder_id", "rightsholder"),
    ("claim_work", "claim_id", "claim"),
    ("claim_work", "asset_id", "asset"),
    ("claim_decision", "claim_id", "claim"),
    ("withdrawal_work", "withdrawal_id", "withdrawal"),
    ("withdrawal_work", "asset_id", "asset"),
    ("unit_asset", "asset_id", "asset"),
    ("encoding_probe", "asset_id", "asset"),
    ("candidate_work", "asset_id", "asset"),
    ("base_details", "licence_id", "licence"),
    ("base_details", "data_set_id", "data_set"),
)
"""Columns with ids of rows of other tables. Null refers to nothing."""

_SCOPES = {"asset": "asset", "rightsholder": "rightsholder", "licence": "licence", "data set": "data_set"}

NAMED_REFERENCES: tuple[tuple[str, str, str], ...] = (
    ("unit", "encoding_id", "encoding"),
    ("unit_asset", "encoding_id", "encoding"),
    ("encoding_codes", "encoding_id", "encoding"),
    ("encoding_codes", "extends", "encoding"),
    ("encoding_probe", "encoding_id", "encoding"),
    ("unit_group", "encoding_id", "encoding"),
    ("unit_slot", "encoding_id", "encoding"),
    ("base_component", "base_id", "base_model"),
    ("base_details", "base_id", "base_model"),
    ("ensemble", "encoding_id", "encoding"),
    ("member", "ensemble_id", "ensemble"),
    ("sample", "ensemble_id", "ensemble"),
    ("audit", "ensemble_id", "ensemble"),
    ("audit", "sample_id", "sample"),
    ("candidate", "audit_id", "audit"),
    ("candidate_work", "audit_id", "audit"),
)
"""Columns with text ids of other tables."""

_REMAKE = "restore the registry from a copy"


def check_columns(connection: duckdb.DuckDBPyConnection, found: Examination) -> bool:
    """Check tables, views and functions against this schema; False if no query can be trusted."""
    if functions := foreign_functions(connection):
        found.error("tables", "functions", FOREIGN.format(", ".join(functions[:20])), DROP_FUNCTIONS)
        return False
    wanted, wanted_views = relations_made_anew()
    tables, views = relations_of(connection)
    readable = True
    for name, columns in sorted(wanted.items()):
        present = tables.get(name, {})
        missing = sorted(columns.keys() - present.keys())
        further = sorted(present.keys() - columns.keys())
        if missing:
            readable = False
            what = f"the columns {', '.join(missing)} are missing" if present else "there is no table of this name"
            found.error("tables", name, what, _REMAKE)
        if further:
            found.error(
                "tables",
                name,
                f"has columns that creditline did not make: {', '.join(further)}",
                "drop them with DuckDB",
            )
        for column in sorted(columns.keys() & present.keys()):
            if columns[column] != present[column]:
                readable = False
                what = f"the column {column} is {present[column][:100]}, expected {columns[column]}"
                found.error("tables", name, what, _REMAKE)
    for name, definition in sorted(wanted_views.items()):
        if views.get(name) != definition:
            what = "was altered" if name in views else "is missing"
            found.error("tables", name, f"this view {what}", "`creditline migrate` makes the views anew")
    found.checked["tables"] = len(wanted)
    return readable


def check_numbers(connection: duckdb.DuckDBPyConnection, found: Examination) -> None:
    """The ids of every numbered table are 0, 1, 2, … without gaps or repeats."""
    for table in NUMBERED_TABLES:
        count, distinct, first, last = distinct_numbers(connection, "id", table)
        found.checked["ids"] = found.checked.get("ids", 0) + count
        if distinct != count:
            found.error("ids", table, f"{count - distinct:,} ids occur more than once", RESTORE)
        elif count and (first, last) != (0, count - 1):
            found.error(
                "ids", table, f"ids go from {first} to {last}, expected 0 to {count - 1:,}: rows are missing", RESTORE
            )


def check_references(connection: duckdb.DuckDBPyConnection, found: Examination) -> None:
    """Rows refer to existing rows."""
    for table, column, target in REFERENCES:
        _refer(connection, found, table, column, target, "true")
    for scope, target in _SCOPES.items():
        for table in ("review", "withdrawal"):
            _refer(connection, found, table, "subject_id", target, f"scope = '{scope}'")
    for table in ("review", "withdrawal"):
        query = f"SELECT count(*) FROM {table} WHERE NOT list_contains(?, scope)"  # noqa: S608 - our tables
        unknown = number_of(connection, query, [list(_SCOPES)])
        if unknown:
            found.error("references", table, f"{unknown:,} rows have an unknown scope", RESTORE)
    for table, column, target in NAMED_REFERENCES:
        names = connection.execute(
            f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL AND {column} NOT IN (SELECT id FROM {target}) "  # noqa: S608
            "ORDER BY 1 LIMIT 20"
        ).fetchall()
        for (name,) in names:
            found.error("references", f"{table} {name}", f"there is no such {target}", RESTORE)


def check_identities(connection: duckdb.DuckDBPyConnection, found: Examination) -> None:
    """The identity of a work follows from its content, and the same bytes are one work."""
    wrong = number_of(connection, f"SELECT count(*) FROM asset WHERE identity <> {IDENTITY}")  # noqa: S608 - a constant
    found.checked["identities"] = number_of(connection, "SELECT count(*) FROM asset")
    if wrong:
        what = f"{wrong:,} works have an identity that does not follow from their content; their files would be registered anew"
        found.error("identities", "asset", what, RESTORE)
    # A listed work with a file registered later has two rows; only the file's has a size. Equal
    # identities are few, and hashes are read for these alone.
    twice = number_of(
        connection,
        "SELECT count(*) FROM (SELECT 1 FROM asset WHERE byte_size IS NOT NULL AND identity IN ("
        "    SELECT identity FROM asset WHERE byte_size IS NOT NULL GROUP BY identity HAVING count(*) > 1"
        ") GROUP BY identity, sha256 HAVING count(*) > 1)",
    )
    if twice:
        found.error("identities", "asset", f"{twice:,} files are registered as several works each", RESTORE)


def check_merges(connection: duckdb.DuckDBPyConnection, found: Examination) -> None:
    """Every merged rightsholder names the record at the end of its merges."""
    into = dict(connection.execute("SELECT merged_id, into_id FROM rightsholder_merge ORDER BY id").fetchall())
    rows = connection.execute(
        "SELECT id, merged_into FROM rightsholder WHERE merged_into IS NOT NULL "
        "OR id IN (SELECT merged_id FROM rightsholder_merge)"
    ).fetchall()
    for number, current in rows:
        target, seen = number, {number}
        while target in into and into[target] not in seen:
            target = into[target]
            seen.add(target)
        if current != (None if target == number else target):
            merged = "no merge" if target == number else f"a merge into {target}"
            what = f"is merged into {current}, but the record has {merged}"
            found.error("merges", f"rightsholder {number}", what, RESTORE)
    found.checked["merges"] = len(rows)


def check_names(connection: duckdb.DuckDBPyConnection, found: Examination) -> None:
    """Rightsholders with names that are spelled alike are pointed out."""
    groups = alike_names(connection)
    for group in groups:
        where = ", ".join(f"#{number}" for number in group.ids[:10])
        found.add(
            "names", Severity.NOTE, f"rightsholders {where}", group.reason, "nothing needs to be done if they differ"
        )
    found.checked["names"] = len(groups)


def _refer(
    connection: duckdb.DuckDBPyConnection, found: Examination, table: str, column: str, target: str, condition: str
) -> None:
    largest = number_of(connection, f"SELECT coalesce(max(id), -1) FROM {target}")  # noqa: S608 - our tables
    wrong = number_of(
        connection,
        f"SELECT count(*) FROM {table} WHERE {condition} AND ({column} < 0 OR {column} > ?)",  # noqa: S608 - our tables
        [largest],
    )
    found.checked["references"] = found.checked.get("references", 0) + 1
    if wrong:
        found.error("references", f"{table}.{column}", f"{wrong:,} rows name a missing {target}", RESTORE)
