"""Each rightsholder, tested once over all audited images of an encoding, and the record of it.

An image is tested with its *first* audit that kept the pulls. A later audit may have been made
because of what the first one found, with another ranker or a longer shortlist, until somebody
passes; the first cannot. Only generated images count: images from outside are chosen by people, who
may choose the works themselves.

Members in service decide what a code means. So the test runs over the images of one set of
members: that with the most images, the newest among equals.
"""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64
from safetensors import SafetensorError, safe_open

from attribution.evidence.group_test import Pulls
from attribution.evidence.joint_test import METHOD, RATE, ImagePart, assess_over_images
from registry.encodings.assignment import Assignment
from registry.encodings.store import UnitTable, load_units
from registry.encodings.words import Words, bits
from registry.event_log.events import changing
from registry.event_log.verify import newest_statement
from registry.home import Home
from registry.ids import canonical_json, sha256_of_file
from registry.outputs.joint_tests import EVENT
from registry.storage.database import Registry

DECOYS, DECOY_SEED = 20_000, 0
BEFORE_PULLS = "audited by a version that did not keep what the test needs"
OTHER_MEMBERS = "audited while other members served"
NO_FILE = "the audit's file is missing or was altered"
PULL_TENSORS = ("pull_row", "pull_units", "pull_alignment", "pull_neighbours")

_AUDITS = """
    SELECT audit.id, audit.sample_id, audit.artefact_sha256, audit.test -> 'members',
        audit.test -> 'rightsholders' -> 'tested'
    FROM audit JOIN audit_order ON audit_order.audit_id = audit.id JOIN ensemble ON ensemble.id = audit.ensemble_id
    WHERE encoding_id = ? AND sample_id IS NOT NULL ORDER BY audit_order.place
"""


@dataclass(frozen=True)
class EncodingLaw:
    """The law of an encoding's codes, at the members that served."""

    assignment: Assignment
    members: tuple[int, ...]

    @property
    def serving(self) -> tuple[int, ...] | None:
        """The members, or None for all."""
        return None if len(self.members) == self.assignment.n else self.members

    def codes(self, units: Int64[np.ndarray, " unit"], /) -> Bool[np.ndarray, "unit member"]:
        return self._bits(self.assignment.codes[units])

    def decoys(self, unit: int, /) -> Bool[np.ndarray, "decoy member"]:
        words = self.assignment.decoys(np.array([unit]), DECOYS, DECOY_SEED, self.serving).words
        return self._bits(words.reshape(-1))

    def joint_draws(
        self, units: Int64[np.ndarray, " unit"], draws: int, generator: np.random.Generator, /
    ) -> Bool[np.ndarray, "draw unit member"]:
        words = self.assignment.joint_draws(units, draws, generator, serving=self.serving)
        return self._bits(words.reshape(-1)).reshape(*words.shape, len(self.members))

    def _bits(self, words: Words) -> Bool[np.ndarray, "code member"]:
        return bits(words, self.assignment.n)[:, list(self.members)]


@dataclass(frozen=True)
class _Kept:
    """What an audit's file keeps for the test."""

    members: tuple[int, ...]
    parts: tuple[tuple[str, ImagePart], ...]


def pull_tensors(pulls: Sequence[Pulls], neighbours: np.ndarray, members: int) -> dict[str, np.ndarray]:
    """The pulls of an image's rightsholders as tensors of the audit's file, best place first."""
    return {
        "pull_row": np.repeat(np.arange(len(pulls)), [len(each.units) for each in pulls]),
        "pull_units": np.concatenate([np.empty(0, np.int64), *(each.units for each in pulls)]),
        "pull_alignment": np.concatenate([np.empty((0, members)), *(each.alignment for each in pulls)]),
        "pull_neighbours": np.asarray(neighbours, dtype=np.int64),
    }


def record_joint_tests(registry: Registry, encoding_id: str, now: datetime.datetime) -> Mapping[str, Any] | None:
    """Test the rightsholders of an encoding over its audited images, and record a changed result.

    Returns:
        The facts of the run; None if the encoding's units are neither works nor rightsholders, or
        no image can be used.
    """
    table = load_units(registry, encoding_id)
    if table.encoding.unit_kind not in ("asset", "rightsholder"):
        return None
    kept, left_out = _first_audits(registry, table)
    if not kept:
        return None
    # A later set of members wins among equals: counts keep the order of first appearance.
    images = Counter(each.members for each in kept)
    members = max(reversed(images), key=lambda one: images[one])
    left_out[OTHER_MEMBERS] = len(kept) - images[members]
    facts = _facts(table, members, [each for each in kept if each.members == members], left_out)
    with registry.connection() as connection:
        recorded = newest_statement(connection, EVENT, f"encoding {encoding_id}")
    if recorded is None or json.loads(recorded) != json.loads(canonical_json(facts)):
        with changing(registry, now) as change:
            change.record(EVENT, f"encoding {encoding_id}", after=facts)
    return facts


def _facts(
    table: UnitTable, members: tuple[int, ...], kept: Sequence[_Kept], left_out: Mapping[str, int]
) -> dict[str, Any]:
    encoding = table.encoding
    law = EncodingLaw(table.assignment, members)
    tested = assess_over_images((part for each in kept for part in each.parts), law)
    return {
        "encoding": encoding.id,
        "method": METHOD,
        "rate": RATE,
        "images": len(kept),
        "left_out": {reason: number for reason, number in sorted(left_out.items()) if number},
        "members": list(members),
        "tested": [
            {
                "name": each.name,
                "images": each.images,
                "units": each.units,
                "statistic": each.statistic,
                "p": each.p_value,
                "smallest_p": each.smallest_p,
                "q": each.q_value,
            }
            for each in tested
        ],
    }


def _first_audits(registry: Registry, table: UnitTable) -> tuple[list[_Kept], Counter[str]]:
    """Each image's first audit that can be used; and how many images have none, by reason."""
    with registry.connection() as connection:
        rows = connection.execute(_AUDITS, [table.encoding.id]).fetchall()
    found: dict[str, _Kept] = {}
    reasons: dict[str, str] = {}
    for audit_id, sample_id, sha256, members, tested in rows:
        if sample_id in found:
            continue
        kept = _read(registry.home, table, audit_id, sha256, members, tested)
        if isinstance(kept, str):
            reasons[sample_id] = kept
        else:
            found[sample_id] = kept
    left_out = Counter(reason for sample_id, reason in reasons.items() if sample_id not in found)
    return list(found.values()), left_out


def _read(
    home: Home, table: UnitTable, audit_id: str, sha256: str, members: str | None, tested: str | None
) -> _Kept | str:
    """An audit's parts, or why they cannot be used."""
    path = home.audit(audit_id)
    try:
        if sha256_of_file(path) != sha256:
            return NO_FILE
        with safe_open(path, framework="numpy") as file:
            if not set(PULL_TENSORS) <= set(file.keys()):
                return BEFORE_PULLS
            row, units, alignment, neighbours = (file.get_tensor(name) for name in PULL_TENSORS)
        serving = tuple(int(index) for index in json.loads(members or "null"))
        names = [str(each["name"]) for each in json.loads(tested or "[]")]
    except (OSError, SafetensorError, ValueError, TypeError, KeyError):
        return NO_FILE
    own = table.encoding.unit_kind == "rightsholder"
    return _Kept(serving, tuple(_parts(table.labels if own else names, own, row, units, alignment, neighbours)))


def _parts(
    names: Sequence[str], own: bool, row: np.ndarray, units: np.ndarray, alignment: np.ndarray, neighbours: np.ndarray
) -> Iterator[tuple[str, ImagePart]]:
    """Each rightsholder's part. ``own``: a unit is a rightsholder, named by the unit's label."""
    for place in range(int(row.max(initial=-1)) + 1):
        mine = row == place
        name = names[int(units[mine][0])] if own else names[place]
        yield name, ImagePart(place + 1, Pulls(units[mine], alignment[mine]), neighbours)
