"""The answer about one image from outside, as facts: the statistic, its p-values, the record.

Three answers are possible, and each says no more than its ground.

- ``trained_on``: by the record, if the file is a registered work that a member in service saw; or
  by the test, if the conformal p is at most the stated error. Without probes, or with so few that
  p cannot be as small, the test never gives this answer.
- ``leans_on``: the models lean on registered works when they see the image; that says nothing about
  the image itself.
- ``nothing_shown``: neither.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from attribution.metrics.euclidean import NotMeasured
from attribution.seen.asking import Asked, Asker, ProbesAsked, Shown
from attribution.seen.statistic import conformal_p
from registry.encodings.probes import LEVEL, smallest_p
from registry.members.seen import encoded_works

METHOD = (
    "pull towards the image itself under the code of the nearest registered work, standardised over decoys; the largest of "
    "the image as it is and laid over the work; ranked among probes"
)
NO_PROBES = "the encoding keeps no works out of all members to compare with (`creditline encode --probes`)"
Answer = Literal["trained_on", "leans_on", "nothing_shown"]


@dataclass(frozen=True)
class RegisteredFile:
    """A registered work with the bytes of the image's file."""

    asset_id: int
    members: tuple[int, ...]
    """Indices of the members in service that saw it."""
    probe: bool
    """Whether the encoding keeps it out of all members by choice."""


@dataclass(frozen=True)
class Seen:
    """Everything that the answer rests on."""

    asked: Asked | NotMeasured
    probes: int
    """Probes that the image was compared with."""
    p_value: float | NotMeasured
    """Conformal, from the probes."""
    registered: RegisteredFile | None
    """None: no registered work has the file's bytes."""
    level: float = LEVEL

    def answer(self, *, leans: bool) -> tuple[Answer, Literal["record", "test"]]:
        """The answer and its ground; ``leans``: whether a candidate passes the test of layer 2."""
        if self.registered is not None and self.registered.members:
            return "trained_on", "record"
        by_test = not isinstance(self.p_value, NotMeasured) and self.p_value <= self.level
        if by_test and (self.registered is None or not self.registered.probe):
            return "trained_on", "test"
        return ("leans_on" if leans else "nothing_shown"), "test"

    def to_json(self, *, leans: bool) -> dict[str, Any]:
        """The facts, as an audit keeps them."""
        answer, ground = self.answer(leans=leans)
        facts: dict[str, Any] = {
            "method": METHOD,
            "answer": answer,
            "ground": ground,
            "level": self.level,
            "probes": self.probes,
            "smallest_p": smallest_p(self.probes),
            "p": self.p_value.to_json() if isinstance(self.p_value, NotMeasured) else self.p_value,
            "registered_file": None if self.registered is None else asdict(self.registered),
        }
        if isinstance(self.asked, NotMeasured):
            return {**facts, "statistic": self.asked.to_json()}
        as_is, laid = self.asked.pull.by_look
        return {
            **facts,
            "statistic": self.asked.pull.value,
            "as_it_is": as_is,
            "laid_over_the_work": laid,
            "change": asdict(self.asked.overlay),
            "nearest": {"asset": self.asked.asset_id, "unit": self.asked.unit},
            "randomisation_p": self.asked.pull.p_value,
            "decoys": self.asked.decoys,
        }


def seen_of(asker: Asker, shown: Shown) -> Seen:
    """Ask about one image, and about the probes."""
    (asked,) = asker.ask([shown])
    probes = asker.probes(labelled=shown.label is not None)
    others = probes.without(shown.sha256)
    return Seen(asked, len(others), _p_value(asked, probes, others), _registered(asker, shown.sha256))


def _p_value(asked: Asked | NotMeasured, probes: ProbesAsked, others: np.ndarray) -> float | NotMeasured:
    if isinstance(asked, NotMeasured):
        return asked
    if not len(others):
        return NotMeasured(NO_PROBES if not probes.not_asked else "none of the probes can be used any more")
    return conformal_p(asked.pull.value, others)


def _registered(asker: Asker, sha256: str) -> RegisteredFile | None:
    ensemble = asker.ensemble
    with asker.registry.connection() as connection:
        ids = [
            int(number)
            for (number,) in connection.execute(
                "SELECT id FROM asset WHERE sha256 = ? ORDER BY id", [sha256]
            ).fetchall()
        ]
        if not ids:
            return None
        works = encoded_works(connection, ensemble.encoding.id, np.array(ids, dtype=np.int64))
        (probes,) = connection.execute(
            "SELECT count(*) FROM encoding_probe WHERE encoding_id = ? AND list_contains(?, asset_id)",
            [ensemble.encoding.id, ids],
        ).fetchall()[0]
    through = ensemble.withdrawals_applied_through
    saw = [index for index, last in zip(ensemble.indices, through, strict=True) if works.seen_by(index, last).any()]
    asset_id = int(works.asset_ids[0]) if len(works.asset_ids) else ids[0]
    return RegisteredFile(asset_id, tuple(saw), bool(probes))
