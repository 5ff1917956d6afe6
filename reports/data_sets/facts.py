"""The facts of a data-set report: the JSON document, and the input of its stamp.

Within a version a field may be added; none is removed or changes its meaning. Lists are the first
rows of tables; beside each is the count of all rows.
"""

from __future__ import annotations

import datetime
from typing import Literal

from pydantic import Field

from reports.facts import Facts

VERSION: Literal[1] = 1


class CountRow(Facts):
    """Works of one name, and what is on record about training on them."""

    name: str | None = Field(description="Null: not recorded.")
    note: str | None = Field(default=None, description="What the name stands for, where that is known.")
    works: int
    forbidden: int = Field(description="Of these, prohibited or withdrawn.")


class CountTable(Facts):
    """The largest rows of a table, and how many it has."""

    rows: list[CountRow]
    total: int
    works_left_out: int = Field(description="Works in the rows that are not listed here.")


class Conflict(Facts):
    """Works about which the registry holds statements that contradict each other, or may."""

    kind: str = Field(description="What contradicts what.")
    explanation: str = Field(description="What that means, and what counts.")
    works: int


class MemberOptOuts(Facts):
    """Works in the manifest of a member that may no longer be trained on."""

    member: str
    index: int
    generation: int
    serves: bool
    works: int = Field(description="Works of this data set in its manifest.")
    withdrawn_since: int = Field(description="Of these, withdrawn after its training.")
    prohibited_since: int = Field(description="Of these, prohibited now, but not when the member was registered.")
    prohibited_before: int = Field(description="Of these, prohibited already then, and trained on all the same.")
    prohibited_when_unknown: int = Field(
        description="Of these, prohibited now; the log does not say what they were then, as large events name no works."
    )


class ModelOptOuts(Facts):
    """An ensemble that divides works of the data set among its members."""

    ensemble_id: str
    works: int
    members_in_all: int
    members: list[MemberOptOuts] = Field(description="The newest generation of each.")


class DataSetFacts(Facts):
    """Everything that a data-set report says."""

    data_set_id: int
    name: str
    kind: str
    created_at: datetime.datetime
    verdict: str
    explanation: str
    works: int
    bytes: int
    metadata_only: int = Field(description="Works that are known by their metadata alone.")
    missing: int = Field(description="Works that a later registration did not find again.")
    without_rightsholder: int
    without_licence: int
    verified: int = Field(description="Works whose rights were checked here.")
    with_signals: int
    synthetic: int = Field(description="Works whose file says that an AI model made it, wholly or partly.")
    first_registered: datetime.datetime | None
    last_registered: datetime.datetime | None
    permissions: list[CountRow]
    grounds: CountTable = Field(
        description="By the ground that decides the permission; a work with several such grounds counts for each."
    )
    sources: CountTable
    statements: CountTable = Field(description="By where the declared rights were read.")
    rightsholders: CountTable
    licences: CountTable
    formats: CountTable
    signals: CountTable
    conflicts: list[Conflict]
    models: list[ModelOptOuts]
    gaps: list[str]
    limits: list[str]
