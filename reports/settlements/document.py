"""The document of a settlement table: read in one transaction, as page, JSON, CSV and Parquet."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

from registry.basis.check import checked_head
from registry.basis.rows import RIGHTS_EVENTS, Basis
from registry.errors import IntegrityError, NotFoundError
from registry.export.files import write_listing
from registry.outputs.shares import WAYS, By, divided_outputs, shares_by
from registry.storage.database import Registry
from reports.facts import base_parts
from reports.issuing.document import Document, Reading
from reports.rendering.columns import Column, Table, batch_of
from reports.rendering.wording import clipped
from reports.settlements import sums, words
from reports.settlements.facts import VERSION, SettledMethod, SettledOutputs, SettledRow, SettlementFacts

MOST_ROWS = 200
MOST_METHODS = 20
DIGITS = 9
"""Decimal places of the figures: the order of a sum must not change the facts."""
ROUNDING = 1e-6
"""An output's shares may sum to this much more than 1."""
UNATTRIBUTED, RECEIVED = "unattributed", "share"

TABLE = Table(
    "shares",
    "One rightsholder, licence or data set; the last row is the unattributed part",
    (
        Column("row", "text", "`share`, or `unattributed`"),
        Column("id", "whole number", "Id of the record", "none is recorded, or the unattributed part"),
        Column("name", "text", "Its name", "none is recorded, or the unattributed part"),
        Column("outputs", "whole number", "Divided outputs of which it has a share above 0"),
        Column("amount", "number", "Sum of its shares", unit="outputs"),
        Column("share", "number", "Its share of all divided outputs", unit="share"),
        Column("share_low", "number", "Lower end of the 95 % interval", "fewer than two outputs are divided", "share"),
        Column("share_high", "number", "Upper end of it", "fewer than two outputs are divided", "share"),
    ),
)


class Asked(NamedTuple):
    """The subject of a settlement table."""

    by: By
    first_day: datetime.date | None
    last_day: datetime.date | None

    def __str__(self) -> str:
        if self.first_day is None and self.last_day is None:
            return self.by
        return f"{self.by} {self.first_day or ''}..{self.last_day or ''}"

    @classmethod
    def of(cls, text: str) -> Asked:
        """The subject of a stamp.

        Raises:
            NotFoundError: it names no way and period.
        """
        by, _, period = text.partition(" ")
        days = re.fullmatch(r"([0-9-]{10})?\.\.([0-9-]{10})?", period or "..")
        try:
            if days is None or by not in WAYS:
                raise ValueError
            first, last = (None if day is None else datetime.date.fromisoformat(day) for day in days.groups())
        except ValueError as error:
            raise NotFoundError(f"there is no settlement table of {text[:60]!r}") from error
        return cls(by, first, last)

    @property
    def since(self) -> datetime.datetime | None:
        """The first moment of the period."""
        return None if self.first_day is None else _midnight(self.first_day)

    @property
    def before(self) -> datetime.datetime | None:
        """The first moment after it."""
        return None if self.last_day is None else _midnight(self.last_day) + datetime.timedelta(days=1)

    @property
    def stem(self) -> str:
        """Of the files' names."""
        days = [f"-from-{self.first_day}" if self.first_day else "", f"-to-{self.last_day}" if self.last_day else ""]
        return f"shares-by-{self.by}{''.join(days)}"


def _midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(), datetime.UTC)


def read_settlement(registry: Registry, subject: str, scratch: Path) -> Reading[SettlementFacts]:
    """The facts of a settlement table; writes the complete table into ``scratch``.

    Raises:
        NotFoundError: the subject names no way and period.
        IntegrityError: a row below the facts is not as sealed, or an output's shares are
            impossible.
    """
    asked = Asked.of(subject)
    with registry.connection() as connection:
        outputs = divided_outputs(connection, asked.since, asked.before)
        head = checked_head(connection, registry.home, _basis(connection, asked))
        shares_by(connection, asked.by)
        counted = SettledOutputs(**vars(outputs))
        rows, unattributed = _rows(connection, counted.divided)
        ensembles, methods = _methods(connection)
        bases, all_on_bases = base_parts(connection, ensembles)
    facts = SettlementFacts(
        by=asked.by,
        first_day=asked.first_day,
        last_day=asked.last_day,
        bases=bases or None,
        verdict=words.verdict(asked.by, counted, unattributed, rows, fine_tuning=all_on_bases),
        explanation=words.explanation(counted, rows[0] if rows else None),
        outputs=counted,
        unattributed=unattributed,
        rows=[row.model_copy(update={"name": row.name and clipped(row.name)}) for row in rows[:MOST_ROWS]],
        rows_total=len(rows),
        others=_together(rows[MOST_ROWS:]),
        ensembles=ensembles,
        methods=methods,
        interval=sums.METHOD,
        resamples=sums.RESAMPLES,
        seed=sums.SEED,
        gaps=words.gaps(counted),
        limits=[f"{statement} {explained}" for statement, explained in words.limits(bases)],
    )
    listed = [(RECEIVED, row) for row in rows] + [(UNATTRIBUTED, unattributed)]
    tables = {form: scratch / f"table.{form}" for form in ("csv", "parquet")}
    for place in tables.values():
        batch = batch_of(TABLE, [_row_of_table(kind, row) for kind, row in listed])
        write_listing(pa.RecordBatchReader.from_batches(batch.schema, [batch]), place)
    return Reading(str(asked), facts, head, asked.stem, tables)


def _basis(connection: duckdb.DuckDBPyConnection, asked: Asked) -> Basis:
    """The audits of the period with all that they lead to, and all of its samples."""
    audits = connection.execute("SELECT audit_id FROM settled ORDER BY audit_id").fetchall()
    samples = connection.execute(
        "SELECT id FROM sample WHERE coalesce(created_at >= $since, $since IS NULL) "
        "AND coalesce(created_at < $before, $before IS NULL) ORDER BY id",
        {"since": asked.since, "before": asked.before},
    ).fetchall()
    return Basis(
        audits=[str(each) for (each,) in audits], samples=[str(each) for (each,) in samples], events=RIGHTS_EVENTS
    )


def _rows(connection: duckdb.DuckDBPyConnection, divided: int) -> tuple[list[SettledRow], SettledRow]:
    """All rows, the largest first, and the unattributed part."""
    nothing = SettledRow(id=None, name=None, outputs=0, amount=0.0, share=0.0, low=None, high=None)
    if not divided:
        return [], nothing
    found = connection.execute(
        """
        WITH place AS (
            SELECT audit_id, row_number() OVER (ORDER BY audit_id) - 1 AS output
            FROM (SELECT DISTINCT audit_id FROM settled_share)
        ), named AS (
            SELECT receiver_id, receiver, row_number() OVER (ORDER BY receiver_id NULLS LAST) - 1 AS row
            FROM (SELECT DISTINCT receiver_id, receiver FROM received)
        )
        SELECT row::BIGINT AS row, output::BIGINT AS output, share FROM received JOIN place USING (audit_id)
        JOIN named ON named.receiver_id IS NOT DISTINCT FROM received.receiver_id ORDER BY row, output
        """
    ).fetchnumpy()
    names = connection.execute(
        "SELECT DISTINCT receiver_id, receiver FROM received ORDER BY receiver_id NULLS LAST"
    ).fetchall()
    of_row, of_output, share = (np.ma.filled(found[name], 0) for name in ("row", "output", "share"))
    left = 1.0 - np.bincount(of_output, share, divided)
    if (share < 0).any() or (left < -ROUNDING).any():
        raise IntegrityError(
            "shares of an output are negative, or sum to more than 1; run `creditline doctor`, then audit again"
        )
    outputs = np.arange(divided)
    found_sums = sums.summed(
        np.concatenate([of_row, np.full(divided, len(names))]),
        np.concatenate([of_output, outputs]),
        np.concatenate([share, np.maximum(left, 0.0)]),
        (len(names) + 1, divided),
    )

    def row(place: int, number: int | None, name: str | None) -> SettledRow:
        low, high = (None, None) if divided < 2 else (found_sums.low[place], found_sums.high[place])
        return SettledRow(
            id=number,
            name=name,
            outputs=int(found_sums.outputs[place]),
            amount=round(float(found_sums.amount[place]), DIGITS),
            share=round(float(found_sums.amount[place]) / divided, DIGITS),
            low=None if low is None else round(float(low), DIGITS),
            high=None if high is None else round(float(high), DIGITS),
        )

    rows = [row(place, number, name) for place, (number, name) in enumerate(names)]
    rows.sort(key=lambda each: (-each.amount, each.id is None, each.id or 0))
    return rows, row(len(names), None, None)


def _together(rows: list[SettledRow]) -> SettledRow | None:
    """Rows that are not listed, without an interval."""
    if not rows:
        return None
    return SettledRow(
        id=None,
        name=None,
        outputs=max(row.outputs for row in rows),
        amount=round(sum(row.amount for row in rows), DIGITS),
        share=round(sum(row.share for row in rows), DIGITS),
        low=None,
        high=None,
    )


def _methods(connection: duckdb.DuckDBPyConnection) -> tuple[list[str], list[SettledMethod]]:
    """The ensembles, and the different methods and settings, the most frequent first."""
    ensembles = connection.execute(
        "SELECT DISTINCT ensemble_id FROM audit JOIN (SELECT DISTINCT audit_id FROM settled_share) ON audit_id = id ORDER BY 1"
    ).fetchall()
    found = connection.execute(
        """
        SELECT test::JSON ->> '$.shares.method' AS method, settings ->> 'shortlist' AS shortlist, count(*) AS outputs
        FROM audit JOIN (SELECT DISTINCT audit_id FROM settled_share) ON audit_id = id
        GROUP BY ALL ORDER BY outputs DESC, method, shortlist LIMIT ?
        """,
        [MOST_METHODS],
    ).fetchall()
    methods = [
        SettledMethod(
            method=clipped(method or "not recorded"), settings={"shortlist": _whole(shortlist)}, outputs=outputs
        )
        for method, shortlist, outputs in found
    ]
    return [str(each) for (each,) in ensembles], methods


def _whole(text: str | None) -> int | str | None:
    return int(text) if text and text.isdecimal() else text


def _row_of_table(kind: str, row: SettledRow) -> dict[str, Any]:
    return {
        "row": kind,
        "id": row.id,
        "name": row.name,
        "outputs": row.outputs,
        "amount": row.amount,
        "share": row.share,
        "share_low": row.low,
        "share_high": row.high,
    }


def page_values(facts: SettlementFacts) -> Mapping[str, object]:
    """The template's values beside the facts."""
    one, many = words.WAYS[facts.by]
    return {"one": one, "many": many, "limits": words.limits(facts.bases or [])}


SETTLEMENT = Document(
    kind="settlement table",
    name="settlement",
    version=VERSION,
    model=SettlementFacts,
    template="settlement.html.j2",
    read=read_settlement,
    page_values=page_values,
)
