"""The tests of rightsholders over all audited images of an encoding: the newest run counts.

:mod:`attribution.audit.joint_tests` makes them, an event of the log keeps them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

EVENT = "rightsholders tested over all images"

_NEWEST = """
    SELECT subject, after, recorded_at, sequence FROM event WHERE kind = ?
    QUALIFY row_number() OVER (PARTITION BY subject ORDER BY sequence DESC) = 1 ORDER BY sequence
"""

_WAITING = """
    SELECT count(DISTINCT coalesce(sample_id, image_sha256)) FROM audit JOIN ensemble ON ensemble.id = ensemble_id
    WHERE encoding_id = ? AND sample_id IS NOT NULL
"""


@dataclass(frozen=True)
class JointTest:
    """One rightsholder's test over all images of an encoding."""

    name: str
    images: int
    """Images in which works of theirs were tested."""
    units: int
    p_value: float
    smallest_p: float
    """The smallest p that was possible."""
    q_value: float
    """Over the rightsholders of the run."""
    passes: bool


@dataclass(frozen=True)
class JointRun:
    """One test of every rightsholder over the audited images of an encoding."""

    encoding_id: str
    rate: float
    images: int
    """Generated images whose first usable audit was used."""
    images_left_out: int
    """Audited images that could not be used: by an older version, or while other members served."""
    images_since: int
    """Generated images that were audited first after the run."""
    tested: tuple[JointTest, ...]
    """The smallest q first."""
    made_at: datetime
    event: int

    def of(self, names: Sequence[str]) -> list[JointTest]:
        """The tests of these records of one rightsholder."""
        return [each for each in self.tested if each.name in names]


def newest_joint_runs(connection: duckdb.DuckDBPyConnection) -> list[JointRun]:
    """The newest run of each encoding. A run that was edited beyond reading is left out."""
    found = []
    for subject, after, recorded_at, sequence in connection.execute(_NEWEST, [EVENT]).fetchall():
        encoding_id = str(subject).removeprefix("encoding ")
        ((audited,),) = connection.execute(_WAITING, [encoding_id]).fetchall()
        try:
            run = _run(encoding_id, json.loads(after), int(audited), recorded_at.astimezone(UTC), int(sequence))
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        found.append(run)
    return found


def _run(encoding_id: str, facts: dict[str, Any], audited: int, made_at: datetime, sequence: int) -> JointRun:
    rate = float(facts["rate"])
    tested = tuple(
        JointTest(
            name=str(row["name"]),
            images=int(row["images"]),
            units=int(row["units"]),
            p_value=_number(row["p"]),
            smallest_p=_number(row["smallest_p"]),
            q_value=_number(row["q"]),
            passes=_number(row["q"]) <= rate,
        )
        for row in facts["tested"]
    )
    used, left_out = int(facts["images"]), sum(int(number) for number in facts["left_out"].values())
    return JointRun(
        encoding_id=encoding_id,
        rate=rate,
        images=used,
        images_left_out=left_out,
        images_since=max(0, audited - used - left_out),
        tested=tested,
        made_at=made_at,
        event=sequence,
    )


def _number(value: object) -> float:
    number = float(value)  # type: ignore[arg-type]  # a TypeError is caught with the others
    if not math.isfinite(number):
        raise ValueError(f"not a number: {value}")
    return number
