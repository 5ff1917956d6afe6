"""A registry filled row by row: works, owners, and statements about them, one line each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from registry.event_log.events import Change, changing
from registry.permissions.derived_columns import recompute
from registry.permissions.rule import explain
from registry.rightsholders.names import licence_ids, rightsholder_ids
from registry.site_policies.store import apply_policies
from registry.storage.database import Registry
from registry.storage.tables import (
    Asset,
    AssetRights,
    AssetSignal,
    Claim,
    ClaimDecision,
    ClaimWork,
    CoRightsholder,
    DataSet,
    RightsholderMerge,
    Withdrawal,
    WithdrawalWork,
)
from tests.support.works import NOW


class Rights:
    """Adds rows, each in a change of its own, and reads the permissions that follow."""

    def __init__(self, registry: Registry) -> None:
        """Begin with one data set."""
        self.registry = registry
        self._add(DataSet(id=0, name="works", kind="folder", root="/works", created_at=NOW))

    def work(
        self,
        rightsholder: str | Sequence[str] | None = None,
        licence: str | None = None,
        *,
        url: str | None = None,
        source_url: str | None = None,
    ) -> int:
        """Register a work by its metadata alone; several rightsholders share it."""
        owners = [rightsholder] if isinstance(rightsholder, str) else list(rightsholder or ())
        with changing(self.registry, NOW) as change:
            number = change.next_id("asset")
            change.insert(
                Asset(
                    id=number,
                    data_set_id=0,
                    path=f"{number}.png",
                    url=url,
                    identity=number,
                    registered_at=NOW,
                    permission="unclear",
                )
            )
            self._declare(change, number, owners, licence, source_url=source_url)
            change.connection.execute(
                "UPDATE asset SET declared_id = (SELECT max(id) FROM asset_rights) WHERE id = ?", [number]
            )
            apply_policies(change, [number])
            recompute(change, [number])
            change.record("works registered", f"asset {number}")
        return number

    def declare(self, work: int, owners: Sequence[str], licence: str | None) -> None:
        """Add a declaration."""
        with changing(self.registry, NOW) as change:
            self._declare(change, work, owners, licence)
            recompute(change, [work])
            change.record("works registered", f"asset {work}")

    def _declare(
        self, change: Change, work: int, owners: Sequence[str], licence: str | None, *, source_url: str | None = None
    ) -> None:
        ids = rightsholder_ids(change, owners)
        number = change.next_id("asset_rights")
        change.insert(
            AssetRights(
                id=number,
                asset_id=work,
                basis="declared",
                rightsholder_id=ids[owners[0]] if owners else None,
                licence_id=licence_ids(change, [licence])[licence] if licence else None,
                source_url=source_url,
                recorded_from="table.csv",
                recorded_by=change.actor,
                recorded_at=NOW,
            )
        )
        first = change.next_id("co_rightsholder")
        change.insert(
            *(
                CoRightsholder(
                    id=first + place, rights_id=number, asset_id=work, position=place + 1, rightsholder_id=ids[name]
                )
                for place, name in enumerate(owners if len(owners) > 1 else ())
            )
        )

    def signal(self, work: int, use: str, category: str = "ai training") -> None:
        """Add a rights signal of the work's own file."""
        row: dict[str, Any] = {"protocol": "plus", "raw": "raw", "found_in": "xmp", "seen_at": NOW}
        with changing(self.registry, NOW) as change:
            number = change.next_id("rights_signal")
            change.insert(AssetSignal(id=number, asset_id=work, category=category, use=use, **row))
            recompute(change, [work])
            change.record("signals found", f"asset {work}")

    def claim(self, *works: int) -> int:
        """Open a claim; a work named twice is matched in two ways."""
        with changing(self.registry, NOW) as change:
            owner = rightsholder_ids(change, ["Claimant"])["Claimant"]
            number = change.next_id("claim")
            said: dict[str, Any] = {"recorded_by": "me", "recorded_at": NOW}
            change.insert(Claim(id=number, rightsholder_id=owner, statement="it is mine", **said))
            first = change.next_id("claim_work")
            change.insert(
                *(
                    ClaimWork(id=first + place, claim_id=number, asset_id=work, matched_by="id")
                    for place, work in enumerate(works)
                )
            )
            recompute(change, works)
            change.record("claim opened", f"claim {number}")
        return number

    def decide(self, claim: int, state: str) -> None:
        """Set the state of a claim."""
        said: dict[str, Any] = {"reason": "looked into", "recorded_by": "me", "recorded_at": NOW}
        with changing(self.registry, NOW) as change:
            number = change.next_id("claim_decision")
            change.insert(ClaimDecision(id=number, claim_id=claim, state=state, **said))
            recompute(change, None)
            change.record("claim decided", f"claim {claim}")

    def withdraw(self, scope: str, subject: int, works: Sequence[int] = ()) -> None:
        """Withdraw a work or a rightsholder, with the works covered today."""
        said: dict[str, Any] = {"reason": "asked us to", "recorded_by": "me", "recorded_at": NOW}
        with changing(self.registry, NOW) as change:
            number = change.next_id("withdrawal")
            change.insert(Withdrawal(id=number, scope=scope, subject_id=subject, **said))
            first = change.next_id("withdrawal_work")
            change.insert(
                *(
                    WithdrawalWork(id=first + place, withdrawal_id=number, asset_id=work)
                    for place, work in enumerate(works)
                )
            )
            recompute(change, None)
            change.record("withdrawn", f"{scope} {subject}")

    def merge(self, name: str, into: str) -> None:
        """Merge two records of the same rightsholder."""
        said: dict[str, Any] = {"reason": "the same", "recorded_by": "me", "recorded_at": NOW}
        merged, kept = self.holder(name), self.holder(into)
        with changing(self.registry, NOW) as change:
            number = change.next_id("rightsholder_merge")
            change.insert(RightsholderMerge(id=number, merged_id=merged, into_id=kept, **said))
            change.connection.execute("UPDATE rightsholder SET merged_into = ? WHERE id = ?", [kept, merged])
            recompute(change, None)
            change.record("rightsholders merged", f"rightsholder {merged}")

    def holder(self, name: str) -> int:
        """The id of a rightsholder's own record."""
        return self._one("SELECT id FROM rightsholder WHERE name = ?", name)

    def licence(self, reference: str) -> int:
        """The id of a licence."""
        return self._one("SELECT id FROM licence WHERE reference = ?", reference)

    def permission(self, work: int) -> str:
        """The value of the permission column."""
        with self.registry.connection() as connection:
            found = connection.execute("SELECT permission FROM asset WHERE id = ?", [work]).fetchall()
        return str(found[0][0])

    def grounds(self, work: int) -> list[tuple[int, str, str, bool]]:
        """Step, verdict and kind of each ground in order, and whether the ground decided."""
        with self.registry.connection() as connection:
            rows = explain(connection, [work]).to_pylist()
        assert {row["permission"] for row in rows} == {self.permission(work)}
        return [(row["step"], row["verdict"], row["kind"], row["decides"]) for row in rows]

    def _one(self, query: str, value: str) -> int:
        with self.registry.connection() as connection:
            return int(connection.execute(query, [value]).fetchall()[0][0])

    def _add(self, row: DataSet) -> None:
        with changing(self.registry, NOW) as change:
            change.insert(row)
            change.record("data set added", row.name)
