"""``creditline withdrawals``: list all withdrawals."""

from __future__ import annotations

from cli.opening import open_registry
from cli.options import HomeOption, JsonOption
from cli.output import plain_row, print_json, print_table
from registry.home import DEFAULT_HOME


def withdrawals(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List all withdrawals: subject, number of works, time, author and reason.

    Examples:
        creditline withdrawals
    """
    from registry.withdrawals.record import list_withdrawals

    with open_registry(home).connection() as connection:
        rows = list_withdrawals(connection)
    if as_json:
        print_json("withdrawals", {"withdrawals": [plain_row(row) for row in rows]})
        return
    cells = [
        (
            row["id"],
            f"{'work' if row['scope'] == 'asset' else 'rightsholder'} {row['subject']} (#{row['subject_id']})",
            row["works"],
            row["recorded_at"],
            row["recorded_by"],
            row["reason"],
        )
        for row in rows
    ]
    print_table(("withdrawal", "subject", "works", "recorded at", "recorded by", "reason"), cells)
