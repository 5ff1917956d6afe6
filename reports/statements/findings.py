"""The audited images, and those with a tested or passing unit of the rightsholder's works.

An image counts once, by its newest audit. A unit that passes, with q at or under the audit's rate,
counts as found; a unit that was only shortlisted is similar. Earlier audits are counted
separately.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Literal

import duckdb
import pyarrow as pa

from registry.outputs.chance import CHANCES, EVIDENCE_ORDER, chances_of
from registry.outputs.grades import GRADES_OF_CANDIDATES
from registry.outputs.shares import EARLIER, SHARES_OF_CANDIDATES, Share, received_of, shares_of, unattributed_of
from registry.works.listings import BLOCK
from reports.facts import NotMeasured
from reports.rendering.wording import clipped
from reports.statements.facts import (
    FindingPart,
    FoundWork,
    InfluencePart,
    IntervalPart,
    JointPart,
    OutputPart,
    TestedPart,
)
from reports.statements.works import title_of

MOST_OUTPUTS = 200
MOST_JOINT = 200
WORKS_OF_FINDING = 3
NOT_ASKED = "the audit did not measure it"

AUDITS = """
    SELECT audit.id AS audit_id, audit.ensemble_id, ensemble.encoding_id, encoding.unit_kind,
        CASE WHEN sample_id IS NULL THEN 'image' ELSE 'sample' END AS kind,
        coalesce(sample_id, image_sha256) AS subject, image_name, image_sha256, audit.created_at AS audited_at,
        TRY_CAST(audit.settings ->> 'false_discovery_rate' AS DOUBLE) AS rate, test -> 'rightsholders' -> 'tested' AS joint,
        test -> 'shares' AS shares, audit_order.newest, prompt.label
    FROM audit JOIN audit_order ON audit_order.audit_id = audit.id
    LEFT JOIN (SELECT id AS sample_id, label FROM sample) AS prompt USING (sample_id)
    JOIN ensemble ON ensemble.id = audit.ensemble_id JOIN encoding ON encoding.id = ensemble.encoding_id
"""
"""A row per audit; whether it is the newest of its image."""

PASSES = "coalesce(isfinite(their_audit.rate) AND isfinite(candidate.p_value) AND candidate.q_value <= their_audit.rate, false)"
"""A candidate with NaN does not pass: DuckDB orders NaN above all numbers."""

_TESTED = f"""
    SELECT their_audit.* EXCLUDE (joint, shares), rank, unit_number, p_value, q_value, effect, effect_low, effect_high,
        effect_not_measured, influence_exact, influence_estimate, not_measured, share, low AS share_low,
        high AS share_high, {PASSES} AS passes, grade, their_works, chance
    FROM candidate JOIN their_audit USING (audit_id) JOIN ({CHANCES}) AS chances USING (audit_id, rank)
    JOIN ({GRADES_OF_CANDIDATES}) AS graded USING (audit_id, rank)
    LEFT JOIN ({SHARES_OF_CANDIDATES}) AS divided USING (audit_id, rank) JOIN (
        SELECT encoding_id, unit_number, count(*) AS their_works FROM unit_asset
        WHERE asset_id IN (SELECT asset_id FROM their_work) GROUP BY ALL
    ) AS theirs USING (encoding_id, unit_number)
"""  # noqa: S608 - constants

_FOUND = """
    SELECT asset_id, count(DISTINCT subject) AS outputs_tested,
        count(DISTINCT subject) FILTER (passes AND unit_kind = 'asset') AS outputs_found,
        count(DISTINCT subject) FILTER (passes AND unit_kind <> 'asset') AS outputs_group_found
    FROM tested JOIN unit_asset USING (encoding_id, unit_number)
    WHERE newest AND kind = 'sample' AND asset_id IN (SELECT asset_id FROM their_work) GROUP BY asset_id
"""

TABLE = """
    SELECT kind AS output_kind, subject AS output_id, image_name, image_sha256, tested.audit_id AS audit_id, audited_at,
        newest AS newest_audit, ensemble_id, rank, unit_kind, unit.label AS unit_label, their_works AS their_works_in_unit,
        passes, p_value, q_value, rate AS false_discovery_rate,
        chance AS chance_to_pass, effect, effect_low, effect_high, effect_not_measured,
        influence_exact, influence_estimate, not_measured AS influence_not_measured, grade, share, share_low, share_high
    FROM tested LEFT JOIN unit ON unit.encoding_id = tested.encoding_id AND unit.number = unit_number
    ORDER BY passes DESC, q_value, audited_at, audit_id, rank
"""
"""A row per tested unit with works of the rightsholder, passing or not."""


_RANKED = ", ".join(f"candidate.{column}" for column in EVIDENCE_ORDER.split(", "))


JOINT_TESTS = """
    SELECT audit_id, kind, subject, rate, unnest(entries) AS entry, generate_subscripts(entries, 1) AS rank FROM (
        SELECT audit_id, kind, subject, rate, TRY_CAST(joint AS JSON[]) AS entries FROM their_audit
        WHERE newest AND json_type(joint) = 'ARRAY'
    )
"""
"""A row per rightsholder that an image's newest audit tested as one; needs ``their_audit``."""

JOINT_CHANCES = chances_of(
    "SELECT audit_id, rank, coalesce(TRY_CAST(entry ->> 'p' AS DOUBLE), 'nan'::DOUBLE) AS p_value, rate, "
    "NULL::DOUBLE AS step FROM joint_test"
)
"""The chance of each of these to pass; needs the table ``joint_test``."""


def prepare_findings(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables that the functions below read; needs ``their_work``."""
    for name, query in {
        "their_audit": AUDITS,
        "tested": _TESTED,
        "work_found": _FOUND,
        "joint_test": JOINT_TESTS,
        "joint_chance": JOINT_CHANCES,
    }.items():
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")


def findings_reader(connection: duckdb.DuckDBPyConnection) -> pa.RecordBatchReader:
    """All tested units of the rightsholder, for :func:`registry.export.files.write_listing`."""
    return connection.execute(TABLE).to_arrow_reader(BLOCK)


def read_tested(connection: duckdb.DuckDBPyConnection, joint: Sequence[JointPart]) -> TestedPart:
    """Counts of the tested images; ``joint``: from :func:`read_joint`."""
    generated = connection.execute("SELECT count(*) FROM sample").fetchall()[0][0]
    audited, earlier, images = connection.execute(
        "SELECT count(*) FILTER (newest AND kind = 'sample'), count(*) FILTER (NOT newest AND kind = 'sample'), "
        "count(*) FILTER (newest AND kind = 'image') FROM their_audit"
    ).fetchall()[0]
    tested, found, earlier_found, images_tested, images_found, groups_tested, groups = connection.execute(
        "SELECT count(DISTINCT audit_id) FILTER (newest AND kind = 'sample'), "
        "count(DISTINCT audit_id) FILTER (newest AND kind = 'sample' AND passes), "
        "count(DISTINCT audit_id) FILTER (NOT newest AND kind = 'sample' AND passes), "
        "count(DISTINCT audit_id) FILTER (newest AND kind = 'image'), "
        "count(DISTINCT audit_id) FILTER (newest AND kind = 'image' AND passes), "
        "count(DISTINCT (encoding_id, unit_number)) FILTER (newest AND kind = 'sample' AND unit_kind <> 'asset'), "
        "count(DISTINCT (encoding_id, unit_number)) FILTER (newest AND kind = 'sample' AND passes AND unit_kind <> 'asset') "
        "FROM tested"
    ).fetchall()[0]
    works_tested = connection.execute("SELECT count(*) FROM work_found").fetchall()[0][0]
    works_found = connection.execute(
        "SELECT count(DISTINCT asset_id) FROM tested JOIN unit_asset USING (encoding_id, unit_number) "
        "WHERE newest AND kind = 'sample' AND passes AND unit_kind = 'asset' "
        "AND asset_id IN (SELECT asset_id FROM their_work)"
    ).fetchall()[0][0]
    outputs = [each for each in joint if each.output_kind == "sample"]
    findings, by_chance, images_findings, images_by_chance = connection.execute(
        "SELECT count(*) FILTER (kind = 'sample' AND passes), coalesce(round(sum(chance) FILTER (kind = 'sample'), 6), 0), "
        "count(*) FILTER (kind = 'image' AND passes), coalesce(round(sum(chance) FILTER (kind = 'image'), 6), 0) "
        "FROM tested WHERE newest"
    ).fetchall()[0]
    return TestedPart(
        generated=generated,
        audited=audited,
        tested=tested,
        found=found,
        works_tested=works_tested,
        works_found=works_found,
        groups_tested=groups_tested,
        groups_found=groups,
        images_audited=images,
        images_tested=images_tested,
        images_found=images_found,
        earlier_audits=earlier,
        earlier_found=earlier_found,
        joint_tested=len({each.output_id for each in outputs}),
        joint_found=len({each.output_id for each in outputs if each.passes}),
        joint_tests=len(outputs),
        findings=findings,
        findings_by_chance=by_chance,
        images_findings=images_findings,
        images_findings_by_chance=images_by_chance,
        joint_by_chance=round(math.fsum(each.chance_to_pass for each in outputs), 6),
    )


def read_joint(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> list[JointPart]:
    """Joint tests of all works of the rightsholder, in the newest audit of each image, by q.

    An audit tests the names of its time, so an image may have several tests: of records merged
    since.
    """
    rows = connection.execute(
        """
        SELECT kind, subject, rate, entry ->> 'name', entry ->> 'works', entry ->> 'p', entry ->> 'q', chance
        FROM joint_test JOIN joint_chance USING (audit_id, rank) WHERE list_contains(?, entry ->> 'name')
        ORDER BY TRY_CAST(entry ->> 'q' AS DOUBLE), kind DESC, subject, entry ->> 'name'
        """,
        [list(names)],
    ).fetchall()
    found = []
    for kind, subject, rate, name, works, p, q, chance in rows:
        try:
            p_value, q_value, number = float(p), float(q), int(works)
        except (TypeError, ValueError):
            continue
        if math.isfinite(p_value) and math.isfinite(q_value):
            found.append(
                JointPart(
                    output_kind=kind_of(kind),
                    output_id=subject,
                    tested_as=clipped(name),
                    works=number,
                    p_value=p_value,
                    q_value=q_value,
                    passes=rate is not None and q_value <= rate,
                    chance_to_pass=chance,
                )
            )
    return found


def read_outputs(connection: duckdb.DuckDBPyConnection, rightsholder_id: int) -> tuple[list[OutputPart], int]:
    """Images with passing units of the rightsholder, and the number of images.

    Generated and most certain images come first.
    """
    total = connection.execute("SELECT count(DISTINCT audit_id) FROM tested WHERE newest AND passes").fetchall()[0][0]
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE shown_audit AS SELECT audit_id, min(q_value) AS best FROM tested "
        "WHERE newest AND passes GROUP BY audit_id, kind ORDER BY kind DESC, best, audit_id LIMIT ?",
        [MOST_OUTPUTS],
    )
    rows = _records(
        connection,
        "SELECT their_audit.* EXCLUDE (joint), candidate.rank AS rank, candidate.unit_number AS unit_number, "  # noqa: S608 - constants
        "coalesce(unit.label, '') AS unit_label, candidate.p_value AS p_value, candidate.q_value AS q_value, "
        "candidate.effect AS effect, candidate.effect_low AS effect_low, candidate.effect_high AS effect_high, "
        "candidate.effect_not_measured AS effect_not_measured, candidate.influence_exact AS influence_exact, "
        "candidate.influence_estimate AS influence_estimate, candidate.not_measured AS not_measured, "
        f"{PASSES} AS passes, tested.grade AS grade, coalesce(tested.their_works, 0) AS their_works, "
        "(SELECT count(*) FROM unit_asset AS all_of WHERE all_of.encoding_id = their_audit.encoding_id "
        "AND all_of.unit_number = candidate.unit_number) AS unit_works "
        "FROM candidate SEMI JOIN shown_audit USING (audit_id) JOIN their_audit USING (audit_id) "
        "LEFT JOIN tested ON tested.audit_id = candidate.audit_id AND tested.rank = candidate.rank "
        "LEFT JOIN unit ON unit.encoding_id = their_audit.encoding_id AND unit.number = candidate.unit_number "
        "ORDER BY their_audit.kind DESC, (SELECT best FROM shown_audit WHERE shown_audit.audit_id = candidate.audit_id), "
        f"audit_id, {_RANKED}",
    )
    works = _works_of_findings(connection)
    received = received_of(connection, sorted({row["audit_id"] for row in rows}))
    theirs = {
        audit: each.share for audit, everybody in received.items() for each in everybody if each.id == rightsholder_id
    }
    outputs = [_output(list(group), works, theirs) for _, group in groupby(rows, lambda row: row["audit_id"])]
    return outputs, total


def _works_of_findings(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, int], list[FoundWork]]:
    """The rightsholder's works by audit and unit; those listed as closest first."""
    rows = _records(
        connection,
        "SELECT audit_id, tested.unit_number AS unit_number, asset.id AS asset_id, asset.path AS path, asset.url AS url, "  # noqa: S608 - a number
        "asset.sha256 AS sha256, asset.permission AS permission, coalesce(verified.title, declared.title) AS title "
        "FROM tested SEMI JOIN shown_audit USING (audit_id) JOIN unit_asset USING (encoding_id, unit_number) "
        "JOIN their_asset AS asset ON asset.id = unit_asset.asset_id "
        "LEFT JOIN candidate_work USING (audit_id, unit_number, asset_id) "
        "LEFT JOIN their_rights AS declared ON declared.id = asset.declared_id AND declared.asset_id = asset.id "
        "LEFT JOIN their_rights AS verified ON verified.id = asset.verified_id AND verified.asset_id = asset.id "
        "WHERE passes "
        "QUALIFY row_number() OVER (PARTITION BY audit_id, tested.unit_number "
        f"ORDER BY position NULLS LAST, asset.id) <= {WORKS_OF_FINDING} ORDER BY audit_id, unit_number, position, asset_id",
    )
    found: dict[tuple[str, int], list[FoundWork]] = {}
    for row in rows:
        work = FoundWork(
            asset_id=row["asset_id"], title=title_of(row), sha256=row["sha256"], permission=row["permission"]
        )
        found.setdefault((row["audit_id"], row["unit_number"]), []).append(work)
    return found


def _output(
    candidates: list[dict[str, Any]], works: dict[tuple[str, int], list[FoundWork]], shares: Mapping[str, Share]
) -> OutputPart:
    audit = candidates[0]
    passed = [row for row in candidates if row["passes"]]
    test = {"shares": json.loads(audit["shares"]) if audit["shares"] else None}
    found = shares_of(test)
    missing = NotMeasured(clipped(found if isinstance(found, str) else EARLIER))
    parts = {} if isinstance(found, str) else found
    theirs = [row for row in passed if row["their_works"]]
    return OutputPart(
        kind=kind_of(audit["kind"]),
        id=audit["subject"],
        image_name=None if audit["image_name"] is None else clipped(audit["image_name"]),
        image_sha256=audit["image_sha256"],
        audit_id=audit["audit_id"],
        audited_at=audit["audited_at"],
        ensemble_id=audit["ensemble_id"],
        label=None if audit["label"] is None else clipped(audit["label"]),
        false_discovery_rate=audit["rate"],
        tested=len(candidates),
        passing=len(passed),
        findings=[_finding(row, works, _interval(parts.get(row["rank"]), missing)) for row in theirs],
        share=_interval(shares.get(audit["audit_id"]), missing),
        unattributed=_interval(unattributed_of(test), missing),
    )


def _interval(share: Share | None, missing: NotMeasured) -> IntervalPart | NotMeasured:
    return missing if share is None else IntervalPart(**vars(share))


def _finding(
    row: dict[str, Any], works: dict[tuple[str, int], list[FoundWork]], share: IntervalPart | NotMeasured
) -> FindingPart:
    effect = effect_of(row)
    return FindingPart(
        audit_id=row["audit_id"],
        rank=row["rank"],
        unit_label=clipped(row["unit_label"]),
        unit_kind=row["unit_kind"],
        unit_works=row["unit_works"],
        their_works=row["their_works"],
        works=works.get((row["audit_id"], row["unit_number"]), []),
        p_value=row["p_value"],
        q_value=row["q_value"],
        grade=row["grade"],
        effect=effect,
        influence=_influence(row),
        share=share,
    )


def effect_of(row: dict[str, Any]) -> IntervalPart | NotMeasured:
    """The effect of a candidate with its interval, or why it is missing."""
    values = [row["effect"], row["effect_low"], row["effect_high"]]
    if any(value is None for value in values):
        return NotMeasured(clipped(row["effect_not_measured"] or NOT_ASKED))
    if not all(math.isfinite(value) for value in values):
        return NotMeasured("it was recorded as no number")
    return IntervalPart(value=values[0], low=values[1], high=values[2])


def _influence(row: dict[str, Any]) -> InfluencePart | NotMeasured:
    exact, estimate = row["influence_exact"], row["influence_estimate"]
    if exact is not None and math.isfinite(exact):
        return InfluencePart(value=exact, method="exact ablation")
    if estimate is not None and math.isfinite(estimate):
        return InfluencePart(value=estimate, method="first-order estimate")
    return NotMeasured(clipped(row["not_measured"] or NOT_ASKED))


def unreadable(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Audits with unusable records, in sentences."""
    (rates,) = connection.execute(
        "SELECT count(*) FROM their_audit WHERE newest AND NOT coalesce(isfinite(rate), false)"
    ).fetchall()[0]
    (values,) = connection.execute(
        "SELECT count(*) FROM tested WHERE newest AND NOT (isfinite(p_value) AND isfinite(q_value))"
    ).fetchall()[0]
    found = []
    if rates:
        found.append(
            f"{rates:,} audits do not record their false discovery rate, so nothing in them passes; audit again"
        )
    if values:
        found.append(
            f"{values:,} tested units are recorded with a value that is no number and do not pass; audit again"
        )
    return found


def kind_of(kind: str) -> Literal["sample", "image"]:
    """Whether the image was generated here or comes from outside."""
    return "sample" if kind == "sample" else "image"


def _records(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = connection.execute(query).to_arrow_table().to_pylist()
    return rows
