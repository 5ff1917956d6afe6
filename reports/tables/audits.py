"""The table of audits: one row per audit with its outcome, method and hashes, in batches.

The database takes an audit's recorded JSON apart; a missing figure, or NaN, is null.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from registry.works.listings import BLOCK
from reports.rendering.columns import Column, Table, fitted
from reports.statements.findings import AUDITS

_RECORDED = "the audit does not record it"
_SAMPLE = "an image from outside, or the sample is not on record"
_NONE = "it has no candidate"

TABLE = Table(
    "audits",
    "One audit of one output",
    (
        Column("output_id", "text", "Id of the sample, or the SHA-256 of an audited image"),
        Column("output_kind", "text", "`sample`: made by the registry's models; `image`: from outside"),
        Column("image_name", "text", "File name of an audited image, as it was given", "a sample"),
        Column("image_sha256", "text", "SHA-256 of the output's file"),
        Column("seed", "whole number", "Seed that the sample was made with", _SAMPLE),
        Column(
            "label", "text", "Prompt of the sample: a text, or the name of a class", "none, or an image from outside"
        ),
        Column("audit_id", "text", "Id of the audit"),
        Column("audited_at", "time", "When it was recorded", unit="UTC"),
        Column("newest", "truth", "Whether no later audit of the same output is on record"),
        Column("ensemble_id", "text", "Id of the ensemble whose members were asked"),
        Column("encoding_id", "text", "Id of the encoding that divides the works among the members"),
        Column(
            "unit_kind",
            "text",
            "What a unit is: `asset` (one work), `rightsholder`, or `column` (works with one value)",
        ),
        Column("n", "whole number", "Members of the encoding"),
        Column("attributable", "truth", "The verdict: whether any candidate passed, as the audit recorded it"),
        Column("false_discovery_rate", "number", "A candidate passes with q at or under it", _RECORDED, "share"),
        Column("tested", "whole number", "Candidates: units that were tested"),
        Column("passing", "whole number", "Of these, how many passed"),
        Column("smallest_p", "number", "Smallest p of a candidate", _NONE, "probability"),
        Column("smallest_q", "number", "Smallest q of a candidate", _NONE, "share"),
        Column("possible_p", "number", "Smallest p that this audit could have given", _RECORDED, "probability"),
        Column("possible_q", "number", "Smallest q that a single unit could have reached", _RECORDED, "share"),
        Column("statistic", "text", "Statistic of the test", _RECORDED),
        Column("steps", "whole number", "Steps of the noise schedule that it is summed over", _RECORDED),
        Column("decoys", "whole number", "Decoy codes that each unit was compared with", _RECORDED),
        Column("decoys_available", "whole number", "How many of them there are", _RECORDED),
        Column("decoys_chosen", "text", "`all`, or `at random`", _RECORDED),
        Column("ranker", "text", "Ranker that chose the candidates' order", _RECORDED),
        Column("ranker_member_lds", "number", "Grade of the ranker, 1 at best", "not measured", "rank correlation"),
        Column("influence_radius_exact", "number", "Largest influence of any unit, by exact ablation", "not measured"),
        Column("influence_radius_estimate", "number", "The same by first-order estimate", "not measured"),
        Column("rightsholders_tested", "whole number", "Rightsholders whose works were tested as one", "not tested"),
        Column("rightsholders_passing", "whole number", "Of these, how many passed", "not tested"),
        Column("settings", "object", "All settings of the audit"),
        Column("versions", "object", "Versions of the software"),
        Column("timings", "object", "Seconds by stage"),
        Column("seconds", "number", "Their sum", "the audit records none", "seconds"),
        Column(
            "artefact_sha256",
            "text",
            "SHA-256 of the audit's file, as recorded; whether it is still so is not looked at",
        ),
        Column("members_sha256", "text", "Hash over the hashes of the members' weights that were asked", _RECORDED),
        Column("noise_sha256", "text", "Hash of the noise that the sample was made from", _SAMPLE),
    ),
)

_QUERY = f"""
    WITH listed AS MATERIALIZED ({AUDITS}), outcome AS (
        SELECT audit_id, count(*) AS tested,
            count(*) FILTER (isfinite(rate) AND isfinite(p_value) AND q_value <= rate) AS passing,
            min(p_value) FILTER (isfinite(p_value)) AS smallest_p, min(q_value) FILTER (isfinite(q_value)) AS smallest_q
        FROM candidate JOIN listed USING (audit_id) GROUP BY audit_id
    ), together AS (
        SELECT audit_id, count(*) AS tested, count(*) FILTER (isfinite(q) AND q <= rate) AS passing FROM (
            SELECT audit_id, rate, TRY_CAST(unnest(TRY_CAST(joint AS JSON[])) ->> 'q' AS DOUBLE) AS q
            FROM listed WHERE json_type(joint) = 'ARRAY'
        ) GROUP BY audit_id
    )
    SELECT listed.subject AS output_id, listed.kind AS output_kind, listed.image_name, listed.image_sha256, sample.seed,
        sample.label::VARCHAR AS label, listed.audit_id, listed.audited_at, listed.newest, listed.ensemble_id,
        listed.encoding_id, listed.unit_kind, encoding.n, audit.attributable, listed.rate AS false_discovery_rate,
        coalesce(outcome.tested, 0) AS tested, coalesce(outcome.passing, 0) AS passing, outcome.smallest_p,
        outcome.smallest_q,
        TRY_CAST(audit.test ->> 'smallest_p' AS DOUBLE) AS possible_p,
        TRY_CAST(audit.test ->> 'smallest_q' AS DOUBLE) AS possible_q,
        audit.test ->> 'statistic' AS statistic, TRY_CAST(audit.test ->> 'steps' AS BIGINT) AS steps,
        TRY_CAST(audit.test ->> 'decoys' AS BIGINT) AS decoys,
        TRY_CAST(audit.test ->> 'decoys_available' AS BIGINT) AS decoys_available,
        audit.test ->> 'decoys_chosen' AS decoys_chosen, audit.ranker ->> 'name' AS ranker,
        TRY_CAST(audit.ranker ->> '$.member_lds.value' AS DOUBLE) AS ranker_member_lds,
        TRY_CAST(audit.landscape ->> '$.exact.radius' AS DOUBLE) AS influence_radius_exact,
        TRY_CAST(audit.landscape ->> '$.estimate.radius' AS DOUBLE) AS influence_radius_estimate,
        together.tested AS rightsholders_tested, together.passing AS rightsholders_passing,
        {{settings}} AS settings, {{versions}} AS versions, {{timings}} AS timings,
        list_sum(map_values(TRY_CAST(audit.timings AS MAP(VARCHAR, DOUBLE)))) AS seconds,
        audit.artefact_sha256, audit.test ->> 'members_sha256' AS members_sha256, sample.noise_sha256
    FROM listed JOIN audit ON audit.id = listed.audit_id JOIN encoding ON encoding.id = listed.encoding_id
    LEFT JOIN sample ON sample.id = audit.sample_id
    LEFT JOIN outcome ON outcome.audit_id = listed.audit_id LEFT JOIN together ON together.audit_id = listed.audit_id
    ORDER BY listed.audited_at, listed.audit_id
"""  # noqa: S608 - constants


def audit_rows(connection: duckdb.DuckDBPyConnection) -> pa.RecordBatchReader:
    """All audits, oldest first, in batches."""
    objects = {
        name: f"CASE WHEN json_type(audit.{name}) = 'OBJECT' THEN audit.{name}::VARCHAR ELSE '{{}}' END"
        for name in ("settings", "versions", "timings")
    }
    return fitted(TABLE, connection.execute(_QUERY.format(**objects)).to_arrow_reader(BLOCK))
