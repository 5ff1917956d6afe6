"""How many more units can be withdrawn, in words; for `plan` and `withdraw`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from registry.planning.withdrawal_capacity import WithdrawalCapacity


def in_words(further: WithdrawalCapacity) -> str:
    """The number of units that can be withdrawn while a member stays in service."""
    if further.guaranteed == 0:
        certain = "the next withdrawn unit may leave no member in service"
    else:
        units = "one more unit" if further.guaranteed == 1 else f"any {further.guaranteed:,} more units"
        certain = f"after the withdrawal of {units} a member is still in service"
    return (
        f"{certain}; of units drawn at random, {further.median:,} can be withdrawn (in 9 of 10 cases {further.low:,} to "
        f"{further.high:,})"
    )
