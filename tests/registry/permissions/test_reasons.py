"""The reason of a permission is all grounds that decide it, in every listing."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from registry.permissions.reasons import all_grounds, reason_column, reasons_of
from registry.permissions.reviews import record_review
from registry.permissions.rule import Permission
from registry.storage.database import Registry
from registry.works.listings import described
from tests.support.rights import Rights
from tests.support.works import NOW


@pytest.fixture
def mixed(registry: Registry) -> tuple[Registry, list[int]]:
    """Works with no ground, with one, and with several that decide."""
    rights = Rights(registry)
    works = [
        rights.work("Ada"),
        rights.work("Ada", "CC-BY-4.0"),
        rights.work("Ada", "All rights reserved"),
        rights.work("Grace", "see contract"),
    ]
    rights.signal(works[2], "prohibited", "all data mining")
    record_review(registry, "asset", [works[3]], Permission.PERMITTED, "contract", evidence="no. 12", now=NOW)
    return registry, works


def test_a_reason_is_every_ground_that_decides(mixed: tuple[Registry, list[int]]) -> None:
    """Joined, in any order of works, and never empty."""
    registry, works = mixed
    asked = [works[2], works[0], works[3], works[1], works[2]]
    with registry.connection() as connection:
        found = reasons_of(connection, works)
        for work, grounds in all_grounds(connection, works).items():
            deciding = {ground["reason"] for ground in grounds if ground["decides"]}
            assert set(found[work].split("; ")) >= {part for each in deciding for part in each.split("; ")}
            assert found[work]
        column = reason_column(connection, pa.array(np.array(asked)))
        assert column.to_pylist() == [found[work] for work in asked]
        assert {row["asset_id"]: row["reason"] for row in described(connection, works)} == found
    assert found[works[0]] == "nothing on record permits its use"
    assert "licence All rights reserved" in found[works[2]]
    assert "all data mining is prohibited" in found[works[2]]
    assert found[works[3]] == "review of the work: permitted, contract; evidence: no. 12"
