"""The facts of a settlement table: read once, rendered as page and as JSON, hashed for the stamp.

Within a version a field may be added, none is removed or changes its meaning.
"""

from __future__ import annotations

import datetime
from typing import Any, Literal

from pydantic import Field

from registry.outputs.shares import By
from reports.facts import BasePart, Facts, optional_field

VERSION: Literal[1] = 1


class SettledRow(Facts):
    """What one rightsholder, licence or data set has of all divided outputs."""

    id: int | None = Field(description="Of its record; null: none is recorded, or the row stands for no record.")
    name: str | None = Field(description="Null: none is recorded for the works.")
    outputs: int = Field(description="Outputs of which it has a share above 0.")
    amount: float = Field(description="Sum of its shares: as many outputs' worth.")
    share: float = Field(description="Of all divided outputs, each counted alike.")
    low: float | None = Field(
        description="Lower end of the 95 % interval of the share, by resampling the outputs; null: fewer than two."
    )
    high: float | None


class SettledOutputs(Facts):
    """The outputs of the period."""

    generated: int = Field(description="Samples that were generated in the period.")
    audited: int = Field(description="Of these, how many were audited.")
    divided: int = Field(description="Of these, how many their newest audit divided: the table is about these alone.")
    earlier: int = Field(description="Audited by an earlier version, which divided nothing.")
    not_divided: int = Field(description="Audited, and not divided, since a value was no number or there was no list.")
    outside: int = Field(description="Images from outside that were audited in the period; they are not divided.")


class SettledMethod(Facts):
    """How some of the outputs were divided."""

    method: str
    settings: dict[str, Any] = Field(description="Those of the audits.")
    outputs: int


class SettlementFacts(Facts):
    """A settlement table."""

    by: By
    first_day: datetime.date | None = Field(description="Of the period, in UTC; null: from the beginning.")
    last_day: datetime.date | None = Field(description="Null: until now.")
    bases: list[BasePart] | None = optional_field(
        "The base models of the models that made the outputs; null: there is none."
    )
    verdict: str
    explanation: str
    outputs: SettledOutputs
    unattributed: SettledRow
    rows: list[SettledRow] = Field(description="The largest first; the table beside the page has all.")
    rows_total: int
    others: SettledRow | None = Field(description="All rows that are not listed, together; null: all are.")
    ensembles: list[str]
    methods: list[SettledMethod]
    interval: str
    resamples: int
    seed: int = Field(description="Of the resamples.")
    gaps: list[str]
    limits: list[str]
