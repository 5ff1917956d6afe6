"""What a withdrawal does to the models: members and reference models that go out of service.

The codes and manifests tell, so the answer can be given before the withdrawal is recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from registry.encodings.probes import probes_among
from registry.ids import sha256_of
from registry.members.reference_models import reference_saw
from registry.members.seen import withdrawals_applied_through
from registry.members.serving import service_status
from registry.planning.withdrawal_capacity import WithdrawalCapacity, withdrawals_left
from registry.storage.database import Registry
from registry.storage.results import number_of


@dataclass(frozen=True)
class Impact:
    """Consequences of a withdrawal for one ensemble, or for an encoding that has none."""

    encoding_id: str
    ensemble_id: str | None
    works: int
    """Number of the works that are in the encoding."""
    n: int
    saw: tuple[int, ...]
    """Indices of the members whose newest generation saw one of the works."""
    serving: tuple[int, ...]
    """Indices of the members still in service."""
    further: WithdrawalCapacity | None
    """Units that can be withdrawn before no member is left; None without an ensemble."""
    reference_model: bool = False
    """Whether the reference model saw one of the works; then it is unused until trained again."""
    leaving: tuple[int, ...] = ()
    """Indices of the members that this withdrawal takes out of service."""
    probes: int = 0
    """Number of the works that are probes: no member saw them, and from the withdrawal on no image
    is compared with them."""
    samples: int = 0
    """Samples by the members in service until now: ``creditline sample`` cannot restore their files
    any more. They can still be verified and audited, by the members that made them."""

    def to_json(self) -> dict[str, Any]:
        further = None if self.further is None else self.further.to_json()
        return {
            **vars(self),
            "saw": list(self.saw),
            "serving": list(self.serving),
            "leaving": list(self.leaving),
            "further": further,
        }


def impacts_of(registry: Registry, works: Sequence[int], fresh: Sequence[int]) -> list[Impact]:
    """Consequences of withdrawing these works, for every ensemble and encoding without one.

    ``fresh``: those of the ``works`` that were not withdrawn before. The answer is the same before
    the withdrawal is recorded and after.
    """
    with registry.connection() as connection:
        connection.register("named", pa.table({"named_id": pa.array(works, pa.int64())}))
        rows = connection.execute(
            "SELECT encoding.id, any_value(n), count(*) FROM unit_asset JOIN named ON asset_id = named_id "
            "JOIN encoding ON encoding.id = encoding_id GROUP BY 1 ORDER BY 1"
        ).fetchall()
        probes = probes_among(connection, pa.table({"asset_id": pa.array(works, pa.int64())}))
        of_probes = connection.execute(
            "SELECT id, n, 0 FROM encoding WHERE list_contains(?, id) ORDER BY id", [list(probes)]
        ).fetchall()
        rows += [row for row in of_probes if row[0] not in {each for each, *_ in rows}]
        ensembles: dict[str, list[str]] = {}
        for encoding_id, ensemble_id in connection.execute(
            "SELECT encoding_id, id FROM ensemble ORDER BY id"
        ).fetchall():
            ensembles.setdefault(str(encoding_id), []).append(str(ensemble_id))
    impacts = []
    for encoding_id, n, count in rows:
        of_encoding = ensembles.get(str(encoding_id), [])
        found = [_impact(registry, ensemble_id, int(count), works, fresh) for ensemble_id in of_encoding]
        if str(encoding_id) not in ensembles:
            found.append(Impact(str(encoding_id), None, int(count), int(n), (), (), None))
        impacts += [replace(each, probes=probes.get(str(encoding_id), 0)) for each in found]
    return impacts


def _impact(registry: Registry, ensemble_id: str, count: int, works: Sequence[int], fresh: Sequence[int]) -> Impact:
    service = service_status(registry, ensemble_id, works)
    named = np.isin(service.withdrawn.asset_ids, np.asarray(works, dtype=np.int64))
    new = np.isin(service.withdrawn.asset_ids, np.asarray(fresh, dtype=np.int64))
    saw, leaving = [], []
    for state in service.states:
        seen = service.withdrawn.seen_by(state.member.index, withdrawals_applied_through(state.member))
        if (seen & named).any():
            saw.append(state.member.index)
        if (seen & new).any() and not (seen & ~new).any():
            leaving.append(state.member.index)
    serving = tuple(member.index for member in service.serving)
    before = sorted({*serving, *leaving})
    together = sha256_of([state.member.weights_sha256 for state in service.states if state.member.index in before])
    with registry.connection() as connection:
        samples = number_of(
            connection,
            "SELECT count(*) FROM sample WHERE ensemble_id = ? AND members_sha256 = ?",
            [ensemble_id, together],
        )
    return Impact(
        encoding_id=service.encoding.id,
        ensemble_id=ensemble_id,
        works=count,
        n=service.encoding.n,
        saw=tuple(saw),
        serving=serving,
        further=withdrawals_left(registry, service.encoding.id, serving, works),
        reference_model=reference_saw(registry, service, works),
        leaving=tuple(leaving),
        samples=samples if leaving else 0,
    )
