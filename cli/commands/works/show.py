"""``creditline show``: everything on record about one work."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.opening import open_registry
from cli.options import HomeOption, JsonOption
from cli.output import cell_text, echo, plain_row, print_fields, print_json, print_table
from registry.home import DEFAULT_HOME

_TITLES = {
    "permission_grounds": "Grounds of the permission",
    "rightsholders": "Rightsholders",
    "rights_history": "Statements about its rights, newest first",
    "captions": "Captions, newest first",
    "synthetic": "Made wholly or partly by an AI model, by what its file says",
    "signals": "Rights signals of its file and its site",
    "claims": "Claims",
    "near_duplicates": "Near duplicates",
    "encodings": "Encodings that contain it",
    "probe_of": "Encodings that keep it out of all members by choice, as a probe",
    "seen_by": "Members trained on it",
    "withdrawals": "Withdrawals",
}

_COLUMNS: dict[str, tuple[str, ...]] = {
    "permission_grounds": ("step", "verdict", "reason", "said_by", "decides"),
    "rightsholders": ("rightsholder", "role", "share"),
    "rights_history": (
        *("basis", "newest", "rightsholder", "licence", "title", "creator"),
        *("recorded_from", "recorded_by", "recorded_at"),
    ),
    "captions": ("newest", "caption", "source", "recorded_from", "recorded_by", "recorded_at"),
    "synthetic": ("signs",),
    "signals": ("protocol", "category", "use", "condition", "found_in", "seen_at"),
    "claims": ("claim_id", "state", "claimant", "statement", "matched_by", "distance", "decision_reason"),
    "near_duplicates": ("asset_id", "distance", "rightsholder", "of_another"),
    "encodings": ("encoding_id", "unit_kind", "unit_number", "unit", "members"),
    "probe_of": ("encoding_id", "unit_kind", "n", "meaning"),
    "seen_by": ("ensemble_id", "member_id", "member_index", "generation", "newest", "manifest_sha256"),
    "withdrawals": ("withdrawal_id", "scope", "reason", "recorded_by", "recorded_at"),
}

_HIDDEN = frozenset({"asset_id", "permission", "declared_id", "verified_id", "rightsholder_id", "licence_id"})
_LONGEST_VALUE = 2_000


def show(
    work: Annotated[str, typer.Argument(metavar="WORK", help="Work: id, SHA-256 or DATA-SET:PATH.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Show everything on record about one work.

    The permission and its grounds, rightsholders, captions, embedded metadata, rights signals,
    claims, near duplicates, encodings with it as a work or as a probe, the members trained on the
    work, and withdrawals.

    Examples:
        creditline show 17
        creditline show "museum:rooms/4/vase.jpg" --json
    """
    from registry.works.details import work_details
    from registry.works.lookup import resolve_works

    with open_registry(home).connection() as connection:
        facts = [work_details(connection, asset_id) for asset_id in resolve_works(connection, [work])]
    if as_json:
        print_json("show", {"works": [_plain(fact) for fact in facts]})
        return
    for fact in facts:
        _print_work(fact)


def _print_work(facts: dict[str, Any]) -> None:
    work = facts["work"]
    echo(f"Work {work['asset_id']}: {work['title'] or work['path'] or work['url'] or work['sha256']}")
    echo(f"Permission: {work['permission']}")
    _print_values({name: value for name, value in work.items() if value is not None and name not in _HIDDEN})
    for name, title in _TITLES.items():
        if facts[name]:
            typer.echo(f"\n{title}")
            columns = _COLUMNS[name]
            print_table(
                [column.replace("_", " ") for column in columns],
                [[_cut(_in_words(column, row[column])) for column in columns] for row in facts[name]],
            )
    for row in facts["embedded_metadata"]:
        typer.echo(f"\nEmbedded metadata, read {row['read_at']}")
        values = {name: value for name, value in row.items() if name not in ("id", "fields", "read_at")}
        for place, fields in (row["fields"] or {}).items():
            values |= (
                {f"{place}: {name}": each for name, each in fields.items()}
                if isinstance(fields, dict)
                else {place: fields}
            )
        _print_values({name: value for name, value in values.items() if value not in (None, [], {})})


def _print_values(values: dict[str, Any]) -> None:
    print_fields([(name.replace("_", " "), _cut(value)) for name, value in values.items()])


def _in_words(column: str, value: object) -> object:
    """The value for people: a decision about one work has the table's name as its scope."""
    return "work" if column == "scope" and value == "asset" else value


def _cut(value: object) -> object:
    text = cell_text(value)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        name: plain_row(value) if isinstance(value, dict) else [plain_row(row) for row in value]
        for name, value in facts.items()
    }
