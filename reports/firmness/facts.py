"""How firm the verdicts by similarity are, as a report gives it."""

from __future__ import annotations

import datetime
from typing import Literal

from pydantic import Field

from reports.facts import Facts, NotMeasured


class Change(Facts):
    """The smallest change that an attack found."""

    into: str = Field(description="The unit with the nearest work after the change.")
    l2: float = Field(description="Length of the change over all values, in grey levels of 255.")
    linf: int = Field(description="The largest change of a value, in grey levels.")


class FirmVerdict(Facts):
    """The nearest work by one similarity."""

    by: str = Field(description="`pixels`, the name of an embedding, or `ranking`.")
    unit: str
    smallest_l2: Change | NotMeasured
    smallest_linf: Change | NotMeasured
    benign: int = Field(description="Benign changes that were tried: JPEG, scaling, one pixel, a cut edge.")
    turned_by: list[str] = Field(description="Those that turn the nearest work.")


class SearchedRanker(Facts):
    """A ranker of the ranking that orders the candidates, and its part in the search for a change.

    Every change was shown to the ranking itself, with all its rankers.
    """

    name: str
    weight: float
    search: Literal["slope", "stand-in", "held"] = Field(
        description="`slope`: the search follows the ranker's own slope. `stand-in`: it follows that of pixels instead. "
        "`held`: it does not follow the ranker, which does not read the picture."
    )


class Checks(Facts):
    """Changed pictures that the searches for a change showed to the whole ranking."""

    most: int = Field(description="That one search may show: a setting.")
    l2: int = Field(description="Shown by the search for a short change.")
    linf: int = Field(description="Shown by the search for a change of few grey levels.")
    ended: list[Literal["l2", "linf"]] = Field(
        description="Searches that this setting ended; they may have missed smaller changes."
    )


class FirmRanking(FirmVerdict):
    """The first work of the ranking that orders the candidates."""

    rankers: list[SearchedRanker]
    checks: Checks | None = Field(default=None, description="Missing: an earlier version measured, without a limit.")


class RepeatedTest(Facts):
    """The test of an image from outside on a changed copy."""

    change: str
    passes: bool
    p_value: float | None = Field(description="Null: the unit was not among the tested ones.")
    q_value: float | None


class Firmness(Facts):
    """How small a change turns the nearest work."""

    measured_at: datetime.datetime
    event: int = Field(description="Of the log, that has the measurement.")
    event_sha256: str
    verdicts: list[FirmVerdict]
    ranking: FirmRanking | NotMeasured = Field(
        description="The ranking that orders the candidates; if it was not attacked, how firm it is is not known."
    )
    test: str = Field(description="What the same changes do to the test.")
    repeated: list[RepeatedTest]
    order_l2: float = Field(description="Order of magnitude of the sensitivity theorem, in grey levels (L2).")
    theorem: Literal["Dai and Gifford, ICLR 2023, arXiv:2112.04033"]
