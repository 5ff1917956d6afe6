"""The table of statements: one row per rightsholder with the figures of their statement.

This table counts for all rightsholders at once, by joins: a hundred thousand single statements
would take days. Tests compare both. Here the codes alone say which members saw the works; a
statement also compares them with the members' listings.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from registry.outputs.chance import CHANCES
from registry.outputs.joint_tests import newest_joint_runs
from registry.schema.views import SAW
from registry.storage.current_rights import effective_rights_id
from registry.works.listings import BLOCK
from reports.rendering.columns import Column, Table, fitted
from reports.statements.findings import AUDITS, JOINT_CHANCES, JOINT_TESTS, PASSES

EXPECTED = "expected number"


def _number(name: str, meaning: str) -> Column:
    return Column(name, "whole number", meaning)


def _share(name: str, meaning: str) -> Column:
    return Column(name, "number", meaning, unit=EXPECTED)


_UNTESTED = "no such test was made"

TABLE = Table(
    "statements",
    "One rightsholder; records that were merged count as one",
    (
        _number("rightsholder_id", "Id of the rightsholder"),
        Column("rightsholder", "text", "Name"),
        Column("kind", "text", "`person`, `organisation`, `collective` or other", "not stated"),
        Column("represented_by", "text", "Name of the rightsholder that speaks for this one", "none does"),
        Column("identifiers", "texts", "Their identifiers elsewhere, as `scheme:value`; empty: none on record"),
        Column("merged_names", "texts", "Names of records that were found to be the same; empty: there are none"),
        _number("works", "Works that they own or have a share in"),
        _number("works_shared", "Of these, works that have other rightsholders as well"),
        _number("works_missing", "Of these, works whose file was not found any more"),
        _number("works_with_signals", "Of these, works with a machine-readable reservation or permission"),
        _number("works_permitted", "Of these, works that may be trained on"),
        _number("works_unclear", "Of these, works whose permission is unclear"),
        _number("works_constrained", "Of these, works that may be trained on under conditions"),
        _number("works_prohibited", "Of these, works that must not be trained on"),
        _number("works_withdrawn", "Of these, works that were withdrawn"),
        _number("licences", "Different licences of the works; none at all counts as one"),
        _number("models", "Ensembles that divide works of theirs among their members"),
        _number("members_that_saw", "Members, of all generations, that saw a work of theirs"),
        _number("newest_members_that_saw", "Of these, members of the newest generation of their place"),
        _number("outputs_generated", "Generated images on record; the same in every row"),
        _number("outputs_audited", "Of these, how many were audited; the same in every row"),
        _number("outputs_tested", "Of these, in how many a unit with works of theirs was tested, by the newest audit"),
        _number("outputs_found", "Of these, in how many one passed: the images in which they were significant"),
        _number("works_tested", "Works of theirs that were tested in some generated image, alone or in a unit"),
        _number("works_found", "Works that are a unit of their own and passed in some generated image"),
        _number("groups_found", "Units of several works that have theirs and passed in some generated image"),
        _number("images_tested", "Images from outside in which a unit with works of theirs was tested"),
        _number("images_found", "Of these, in how many one passed"),
        _number(
            "earlier_found", "Audits of generated images, replaced by newer ones, in which a unit of theirs had passed"
        ),
        _number("joint_tested", "Generated images in which their works were tested together as one"),
        _number("joint_found", "Of these, in how many they passed, of merged records the works of one"),
        _number("withdrawals", "Withdrawals that cover works of theirs or were made in their name"),
        _number("certificates", "Certificates that name withdrawn works of theirs"),
        _number("claims_made", "Claims of theirs"),
        _number("claims_on_works", "Claims of others on works of theirs"),
        _number("claims_open", "Of both, how many are open"),
        _number("findings", "Findings in generated images: units with works of theirs that passed, once an image"),
        _share(
            "findings_by_chance", "Findings expected by chance, at most, if no work of theirs had made a difference"
        ),
        _share("joint_by_chance", "Joint tests expected to pass by chance, at most"),
        Column("over_all_images_p", "number", "p of the test over all images, of several the smallest", _UNTESTED),
        Column("over_all_images_q", "number", "Its q over all rightsholders tested", _UNTESTED),
        Column("over_all_images_passes", "truth", "Whether it passes; of several tests, whether one does", _UNTESTED),
    ),
)

_OWNED = f"""
    SELECT rightsholder_id AS holder_id, id AS asset_id FROM asset WHERE rightsholder_id IS NOT NULL
    UNION
    SELECT effective_id, owned.id
    FROM co_rightsholder JOIN asset AS owned ON owned.id = co_rightsholder.asset_id
    JOIN effective_rightsholder AS stated ON stated.id = co_rightsholder.rightsholder_id
    LEFT JOIN asset_rights AS verified ON verified.id = owned.verified_id
    WHERE co_rightsholder.rights_id = {effective_rights_id("owned")}
"""  # noqa: S608 - constants

_WORKS = """
    SELECT holder_id, count(*) AS works, count(*) FILTER (shared) AS works_shared,
        count(missing_since) AS works_missing, count(signalled.asset_id) AS works_with_signals,
        count(*) FILTER (permission = 'permitted') AS works_permitted, count(*) FILTER (permission = 'unclear') AS works_unclear,
        count(*) FILTER (permission = 'constrained') AS works_constrained,
        count(*) FILTER (permission = 'prohibited') AS works_prohibited,
        count(*) FILTER (permission = 'withdrawn') AS works_withdrawn,
        count(DISTINCT coalesce(licence_id, -1)) AS licences
    FROM owner_work JOIN asset ON asset.id = owner_work.asset_id
    LEFT JOIN (SELECT DISTINCT asset_id FROM current_signal) AS signalled ON signalled.asset_id = owner_work.asset_id
    LEFT JOIN (
        SELECT DISTINCT owner_work.holder_id AS sharing_id, several.asset_id, true AS shared
        FROM (
            SELECT asset_id, rightsholder_id FROM work_rightsholder
            WHERE asset_id IN (SELECT asset_id FROM co_rightsholder)
        ) AS several JOIN owner_work ON owner_work.asset_id = several.asset_id
        WHERE several.rightsholder_id <> owner_work.holder_id
    ) AS sharing ON sharing_id = holder_id AND sharing.asset_id = owner_work.asset_id
    GROUP BY holder_id
"""

# The union of a rightsholder's codes says all of this, except for works left out by some members.
_CODES = """
    SELECT holder_id, encoding_id, first_withdrawal, bit_or(code::UBIGINT) AS code
    FROM owner_work JOIN encoded_work USING (asset_id)
    GROUP BY ALL
"""

_MODELS = f"""
    SELECT holder_id, count(DISTINCT ensemble_id) AS models, count(DISTINCT member_id) AS members_that_saw,
        count(DISTINCT member_id) FILTER (newest) AS newest_members_that_saw
    FROM (
        SELECT holder_id, ensemble.id AS ensemble_id, member_id, newest
        FROM owner_code JOIN ensemble USING (encoding_id)
        LEFT JOIN trained_member ON trained_member.ensemble_id = ensemble.id AND {SAW}
    ) GROUP BY holder_id
"""  # noqa: S608 - a constant

_JUDGED = f"""
    SELECT candidate.unit_number, their_audit.* EXCLUDE (joint), {PASSES} AS passes, chance
    FROM candidate JOIN their_audit USING (audit_id) JOIN ({CHANCES}) AS chances USING (audit_id, rank)
"""  # noqa: S608 - constants

_UNIT_WORKS = """
    SELECT encoding_id, unit_number, asset_id, holder_id
    FROM unit_asset SEMI JOIN judged USING (encoding_id, unit_number) JOIN owner_work USING (asset_id)
"""

_TESTED = """
    SELECT holder_id,
        count(DISTINCT audit_id) FILTER (newest AND kind = 'sample') AS outputs_tested,
        count(DISTINCT audit_id) FILTER (newest AND kind = 'sample' AND passes) AS outputs_found,
        count(DISTINCT asset_id) FILTER (newest AND kind = 'sample') AS works_tested,
        count(DISTINCT asset_id) FILTER (newest AND kind = 'sample' AND passes AND unit_kind = 'asset') AS works_found,
        count(DISTINCT (encoding_id, unit_number)) FILTER (newest AND kind = 'sample' AND passes AND unit_kind <> 'asset')
            AS groups_found,
        count(DISTINCT audit_id) FILTER (newest AND kind = 'image') AS images_tested,
        count(DISTINCT audit_id) FILTER (newest AND kind = 'image' AND passes) AS images_found,
        count(DISTINCT audit_id) FILTER (NOT newest AND kind = 'sample' AND passes) AS earlier_found
    FROM judged JOIN judged_work USING (encoding_id, unit_number) GROUP BY holder_id
"""

_JOINT = """
    SELECT holder_id, count(DISTINCT subject) AS joint_tested,
        count(DISTINCT subject) FILTER (isfinite(rate) AND q <= rate) AS joint_found, round(sum(chance), 6) AS joint_by_chance
    FROM (
        SELECT subject, rate, chance, entry ->> 'name' AS name, entry ->> 'works' AS works,
            TRY_CAST(entry ->> 'p' AS DOUBLE) AS p, TRY_CAST(entry ->> 'q' AS DOUBLE) AS q
        FROM joint_test JOIN joint_chance USING (audit_id, rank) WHERE kind = 'sample'
    ) JOIN (SELECT DISTINCT effective_id AS holder_id, name FROM effective_rightsholder) USING (name)
    WHERE isfinite(p) AND isfinite(q) AND regexp_full_match(works, '-?[0-9]+') GROUP BY holder_id
"""

_CHANCE = """
    SELECT holder_id, count(*) FILTER (passes) AS findings, round(sum(chance), 6) AS findings_by_chance FROM (
        SELECT DISTINCT holder_id, audit_id, unit_number, passes, chance
        FROM judged JOIN judged_work USING (encoding_id, unit_number) WHERE newest AND kind = 'sample'
    ) GROUP BY holder_id
"""

_OVER_ALL = """
    SELECT holder_id, min(p) AS over_all_images_p, min(q) AS over_all_images_q,
        bool_or(passes) AS over_all_images_passes
    FROM over_all JOIN (SELECT DISTINCT effective_id AS holder_id, name FROM effective_rightsholder) USING (name)
    GROUP BY holder_id
"""

_WITHDRAWALS = """
    SELECT holder_id, count(DISTINCT withdrawal_id) AS withdrawals FROM (
        SELECT holder_id, withdrawal_id FROM withdrawal_work JOIN owner_work USING (asset_id)
        UNION ALL
        SELECT effective_id, withdrawal.id FROM withdrawal JOIN effective_rightsholder AS stated
            ON scope = 'rightsholder' AND stated.id = subject_id
    ) GROUP BY holder_id
"""

_CERTIFICATES = """
    SELECT holder_id, count(DISTINCT sequence) AS certificates FROM (
        SELECT sequence, unnest(TRY_CAST(after::JSON -> 'works' AS VARCHAR[])) AS sha256 FROM event
        WHERE kind = 'certificate made' AND json_valid(after) AND (after::JSON -> 'document_sha256') IS NOT NULL
    ) JOIN asset USING (sha256) JOIN owner_work ON owner_work.asset_id = asset.id
    WHERE permission = 'withdrawn' GROUP BY holder_id
"""

_CLAIMS = """
    SELECT holder_id, count(*) FILTER (theirs) AS claims_made, count(*) FILTER (NOT theirs) AS claims_on_works,
        count(*) FILTER (state = 'open') AS claims_open
    FROM (
        SELECT claimant_id AS holder_id, claim_id, state, true AS theirs FROM current_claim
        UNION
        SELECT holder_id, claim_id, state, false FROM current_claim JOIN claim_work USING (claim_id)
            JOIN owner_work USING (asset_id) WHERE claimant_id IS DISTINCT FROM holder_id
    ) GROUP BY holder_id
"""

_PARTS = {
    "owner_work": _OWNED,
    "owner_code": _CODES,
    "their_audit": AUDITS,
    "judged": _JUDGED,
    "judged_work": _UNIT_WORKS,
    "joint_test": JOINT_TESTS,
    "joint_chance": JOINT_CHANCES,
    "counted_works": _WORKS,
    "counted_models": _MODELS,
    "counted_tested": _TESTED,
    "counted_joint": _JOINT,
    "counted_chance": _CHANCE,
    "counted_over_all": _OVER_ALL,
    "counted_withdrawals": _WITHDRAWALS,
    "counted_certificates": _CERTIFICATES,
    "counted_claims": _CLAIMS,
}
_COUNTED = [name for name in _PARTS if name.startswith("counted_")]
_OF_ALL = """
    SELECT (SELECT count(*) FROM sample) AS outputs_generated,
        (SELECT count(*) FROM their_audit WHERE newest AND kind = 'sample') AS outputs_audited
"""


def statement_rows(connection: duckdb.DuckDBPyConnection) -> pa.RecordBatchReader:
    """All rightsholders by id, in batches. Leaves temporary tables on the connection."""
    _over_all(connection)
    for name, query in _PARTS.items():
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")
    # A part without a row for a rightsholder counts 0.
    columns = ", ".join(
        f"coalesce({column.name}, 0) AS {column.name}"
        if column.kind == "whole number" or column.unit == EXPECTED
        else column.name
        for column in TABLE.columns
    )
    joins = " ".join(f"LEFT JOIN {name} ON {name}.holder_id = rightsholder_id" for name in _COUNTED)
    query = f"SELECT {columns} FROM rightsholder_current CROSS JOIN ({_OF_ALL}) {joins} ORDER BY rightsholder_id"  # noqa: S608 - constants
    return fitted(TABLE, connection.execute(query).to_arrow_reader(BLOCK))


def _over_all(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table ``over_all`` of the newest tests over all images."""
    tests = [test for run in newest_joint_runs(connection) for test in run.tested]
    found = pa.table(
        {
            "name": pa.array([test.name for test in tests], pa.string()),
            "p": pa.array([test.p_value for test in tests], pa.float64()),
            "q": pa.array([test.q_value for test in tests], pa.float64()),
            "passes": pa.array([test.passes for test in tests], pa.bool_()),
        }
    )
    connection.register("joint_runs", found)
    connection.execute("CREATE OR REPLACE TEMP TABLE over_all AS SELECT * FROM joint_runs")
    connection.unregister("joint_runs")
