"""The facts of a portfolio, as its JSON has them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reports.facts import BasePart, Facts, NotMeasured, optional_field
from reports.portfolios.request import Request

VERSION: Literal[1] = 1


class OutputsPart(Facts):
    """The batch, counted. Each output counts once, by its newest audit."""

    audited: int
    unattributed: int = Field(description="Without a finding that counts: no licence covers them.")
    slight: int = Field(description="Of these, with findings of a lower grade than was asked for.")
    attributed: int = Field(description="With a finding that counts.")
    need_no_licence: int = Field(description="Of these, covered by findings whose works are all permitted.")
    cannot_be_covered: int = Field(description="Of the attributed, not covered by all licences together.")
    can_be_covered: int = Field(description="The other attributed outputs; the wanted share is of these.")
    wanted: int = Field(description="Outputs to cover.")
    covered: int = Field(description="By the choice, with those that need no licence.")
    not_audited: int = Field(description="Samples without an audit.")
    images_left_out: int = Field(description="Audited images from outside that were not asked for.")


class ChosenPart(Facts):
    """A rightsholder to license."""

    id: int
    name: str
    price: float
    works: int = Field(description="Works of theirs in units with a finding.")
    licences: list[str] = Field(description="Licences of these works on record now, the first five.")
    permissions: dict[str, int] = Field(description="These works by permission; permitted ones need no licence.")
    outputs: int = Field(description="Outputs with a finding that the licence covers.")
    needed_for: int = Field(description="Outputs that are covered with the choice, and not without this licence.")
    chosen_in_draws: float | NotMeasured = Field(description="Share of the draws in which they were chosen again.")


class CurvePart(Facts):
    """A point of the curve: the greedy choice after some licences."""

    licences: int
    cost: float
    covered: int
    share: float = Field(description="Of the outputs that can be covered.")
    expected: float | None = Field(
        description="Mean, over attributed outputs, of the probability that a source is licensed or permitted; null: not "
        "computed at this point."
    )


class RobustPart(Facts):
    """The choice under outputs and evidence that were drawn again."""

    draws: int
    mean: float = Field(description="Share of outputs with a source that the choice covers; mean over draws.")
    low: float = Field(description="The share that 95 % of the draws reach.")
    worst: float = Field(description="The smallest share of all draws.")
    chosen_again: int = Field(description="Draws in which rightsholders were chosen again.")


class OthersPart(Facts):
    """A rightsholder that is often chosen in the draws, and not here."""

    id: int
    name: str
    price: float
    chosen_in_draws: float


class UnavailablePart(Facts):
    """A rightsholder that cannot be chosen."""

    name: str
    outputs: int = Field(description="Outputs with such a finding.")
    reason: str


class UncoveredPart(Facts):
    """An output that all licences together do not cover."""

    output_id: str
    reason: str


class PairPart(Facts):
    """Two rightsholders that may not be chosen together."""

    one: str
    other: str


class PortfolioFacts(Facts):
    """The rightsholders to license, so that audited outputs are covered at the lowest price."""

    request: Request
    bases: list[BasePart] | None = optional_field(
        "The base models of the models that made the outputs; null: there is none."
    )
    verdict: str
    explanation: str
    rule: str = Field(description="When an output counts as covered.")
    outputs: OutputsPart
    reached: bool = Field(description="Whether the wanted coverage is reached.")
    cost: float
    priced: bool = Field(description="Whether prices were given; otherwise each rightsholder costs 1.")
    method: Literal["exact", "greedy"] = Field(description="That made the choice.")
    proven: bool = Field(description="Whether no cheaper choice exists.")
    lower_bound: float = Field(description="No choice with the wanted coverage costs less.")
    bound_sentence: str
    greedy_cost: float | None = Field(description="Of the greedy choice; null: it does not reach the coverage.")
    chosen: list[ChosenPart]
    curve: list[CurvePart] = Field(description="At most 200 points; all are in the table.")
    curve_total: int
    robust: RobustPart | NotMeasured
    others: list[OthersPart] = Field(description="Chosen in at least a fifth of the draws, and not here; 20 at most.")
    forbidden: list[PairPart]
    unavailable: list[UnavailablePart]
    unavailable_total: int
    uncovered: list[UncoveredPart] = Field(description="The first outputs that cannot be covered.")
    uncovered_total: int
    unattributed: list[str] = Field(description="Ids of the first outputs without a finding that counts.")
    limits: list[str]
