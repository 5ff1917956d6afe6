"""Nothing that restricts a work ever loosens its permission, over all combinations of grounds."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import pytest

from registry.event_log.events import changing
from registry.permissions.derived_columns import recompute
from registry.permissions.reviews import record_review
from registry.permissions.rule import STRICTNESS, Permission
from registry.rightsholders.names import licence_ids, rightsholder_ids
from registry.storage.database import Registry
from registry.storage.tables import Asset, AssetRights, AssetSignal, Claim, ClaimWork, CoRightsholder
from tests.support.rights import Rights
from tests.support.works import NOW, copied

REVIEWS = ("none", "permitted", "constrained", "prohibited")
SECOND = ("absent", *REVIEWS)
LICENCES = (
    *(None, "CC0-1.0", "CC-BY-NC-4.0", "All rights reserved"),
    *("LicenseRef-permitted", "LicenseRef-constrained", "LicenseRef-prohibited"),
)
SIGNALS = (None, "allowed", "constrained", "prohibited")
Grounds = tuple[str, str, str | None, str | None, bool]
"""Review of the first rightsholder, review of a second one, licence, rights signal, open claim."""


@pytest.fixture(scope="module")
def strictness(tmp_path_factory: pytest.TempPathFactory, empty: Registry) -> dict[Grounds, int]:
    """The strictness of a work for every combination of grounds."""
    registry = copied(empty, tmp_path_factory.mktemp("grounds"))
    Rights(registry)
    combinations: list[Grounds] = list(product(REVIEWS, SECOND, LICENCES, SIGNALS, (False, True)))
    with changing(registry, NOW) as change:
        owners = rightsholder_ids(change, [f"{place} {review}" for place in ("first", "second") for review in SECOND])
        licences = licence_ids(change, [name for name in LICENCES if name])
        rows: dict[str, list[Any]] = {kind: [] for kind in ("asset", "rights", "co", "signal", "claimed")}
        said: dict[str, Any] = {"recorded_by": "me", "recorded_at": NOW}
        for number, (first, second, licence, signal, claimed) in enumerate(combinations):
            work: dict[str, Any] = {"data_set_id": 0, "path": f"{number}.png", "identity": number, "registered_at": NOW}
            rows["asset"].append(Asset(id=number, permission="unclear", declared_id=number, **work))
            rows["rights"].append(
                AssetRights(
                    id=number,
                    asset_id=number,
                    basis="declared",
                    rightsholder_id=owners[f"first {first}"],
                    licence_id=licences[licence] if licence else None,
                    recorded_from="table.csv",
                    **said,
                )
            )
            for place, name in enumerate([f"first {first}", f"second {second}"] if second != "absent" else []):
                owner: dict[str, Any] = {"rights_id": number, "asset_id": number, "rightsholder_id": owners[name]}
                rows["co"].append(CoRightsholder(id=len(rows["co"]), position=place + 1, **owner))
            if signal:
                seen: dict[str, Any] = {
                    "protocol": "plus",
                    "raw": "raw",
                    "found_in": "xmp",
                    "seen_at": NOW,
                    "use": signal,
                }
                rows["signal"].append(AssetSignal(id=number, asset_id=number, category="ai training", **seen))
            if claimed:
                rows["claimed"].append(ClaimWork(id=number, claim_id=0, asset_id=number, matched_by="id"))
        change.insert(Claim(id=0, rightsholder_id=owners["first none"], statement="it is mine", **said))
        for inserted in rows.values():
            change.insert(*inserted)
        recompute(change, None)
        change.record("works registered", "all combinations")
    for decided in REVIEWS[1:]:
        condition = "with a notice" if decided == "constrained" else None
        subjects = {
            "rightsholder": [owners[f"first {decided}"], owners[f"second {decided}"]],
            "licence": [licences[f"LicenseRef-{decided}"]],
        }
        for scope, ids in subjects.items():
            record_review(registry, scope, ids, Permission(decided), "as agreed", condition=condition, now=NOW)
    with registry.connection() as connection:
        found = connection.execute("SELECT permission FROM asset ORDER BY id").fetchall()
    return {grounds: STRICTNESS.index(Permission(row[0])) for grounds, row in zip(combinations, found, strict=True)}


def test_a_further_owner_never_loosens(strictness: dict[Grounds, int]) -> None:
    """Whatever was decided about the further owner, or nothing."""
    for (first, second, *rest), found in strictness.items():
        assert found >= strictness[first, "absent", *rest], (first, second, rest)  # type: ignore[index]  # a star in a tuple


def test_a_stricter_review_of_an_owner_never_loosens(strictness: dict[Grounds, int]) -> None:
    """Of the first owner or of the second."""
    for looser, stricter in pairwise(REVIEWS[1:]):
        for (first, second, *rest), found in strictness.items():
            if first == stricter:
                assert found >= strictness[looser, second, *rest], (first, second, rest)  # type: ignore[index]
            if second == stricter:
                assert found >= strictness[first, looser, *rest], (first, second, rest)  # type: ignore[index]


def test_a_stricter_review_of_a_licence_never_loosens(strictness: dict[Grounds, int]) -> None:
    """With the same owners, signal and claim."""
    for looser, stricter in pairwise(LICENCES[4:]):
        for (first, second, licence, signal, claimed), found in strictness.items():
            if licence == stricter:
                assert found >= strictness[first, second, looser, signal, claimed], (first, second, licence, signal)


def test_a_reservation_or_a_claim_never_loosens(strictness: dict[Grounds, int]) -> None:
    """A signal against training, a stricter one than before, or an open claim."""
    for (first, second, licence, signal, claimed), found in strictness.items():
        for looser in SIGNALS[: SIGNALS.index(signal)] if signal not in (None, "allowed") else ():
            assert found >= strictness[first, second, licence, looser, claimed], (first, second, licence, signal)
        if claimed:
            assert found >= strictness[first, second, licence, signal, False], (first, second, licence, signal)


def test_the_combinations_reach_every_permission(strictness: dict[Grounds, int]) -> None:
    """Otherwise the tests above would compare little."""
    assert set(strictness.values()) == {STRICTNESS.index(Permission(name)) for name in (*REVIEWS[1:], "unclear")}
