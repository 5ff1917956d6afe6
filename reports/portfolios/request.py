"""The request for a portfolio: its settings, prices and forbidden pairs, read and checked.

    request = asked(connection, share=0.95, prices=Path("prices.csv"), forbid=["Ada,Bo"])

A request becomes the subject of the document's stamp, so that `creditline report verify` can choose
again. It names rightsholders by their ids.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import duckdb
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from registry.errors import InputError, NotFoundError, UsageError
from registry.ids import canonical_json
from registry.ingest.owners.table_files import Table, TableRow, read_table
from registry.outputs.grades import MATTERS, SLIGHT, Grade
from registry.text import tidy

MOST_PRICE = 1e12
MOST_DRAWS = 10_000
NAME, PRICE, OTHER = "rightsholder", "price", "other"
"""Column names of the tables."""
MOST_NAMED = 5
"""Faults of a table that a message names."""

Counted = Literal["main source", "contributes", "slight"]
"""Lowest grades of findings that count: `slight` is every finding."""
Price = Annotated[float, Field(ge=0, le=MOST_PRICE, allow_inf_nan=False)]


class Request(BaseModel):
    """What was asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    audits: list[str] | None = Field(default=None, description="Ids; null: the newest audit of every output.")
    ensemble: str | None = Field(default=None, description="Outputs of this ensemble alone; null: of all.")
    images: bool = Field(default=False, description="Whether images from outside count as outputs too.")
    grade: Counted = Field(default="contributes", description="Lowest grade of a finding that counts.")
    share: float = Field(default=1.0, gt=0, le=1, description="Of the outputs that can be covered, to be covered.")
    hits: Annotated[int, Field(ge=1, le=1_000)] | Literal["all"] | None = Field(
        default=None, description="Findings that must be licensed or permitted; null: the certainty decides."
    )
    certainty: float = Field(
        default=0.9, gt=0, lt=1, description="Probability that at least one source is licensed or permitted."
    )
    draws: int = Field(default=100, ge=0, le=MOST_DRAWS, description="Draws of outputs and evidence.")
    seed: int = Field(default=0, ge=0, lt=2**63, description="Of the draws.")
    prices: dict[str, Price] | None = Field(default=None, description="By rightsholder's id; null: each costs 1.")
    forbidden: list[tuple[int, int]] = Field(default_factory=list, description="Pairs of ids, the lower first.")

    @property
    def grades(self) -> tuple[Grade, ...]:
        """The grades of findings that count."""
        return {"main source": MATTERS[:1], "contributes": MATTERS, "slight": (*MATTERS, SLIGHT)}[self.grade]

    def subject(self) -> str:
        """The request as the subject of a stamp."""
        return canonical_json(self.model_dump(mode="json"))


def from_subject(subject: str) -> Request:
    """The request that :meth:`Request.subject` wrote.

    Raises:
        NotFoundError: the text is no request.
    """
    try:
        return Request.model_validate(json.loads(subject))
    except (ValueError, ValidationError, RecursionError) as error:
        raise NotFoundError(
            f"got the subject {subject[:60]!r}, expected the request of a portfolio; run `creditline portfolio`"
        ) from error


def asked(
    connection: duckdb.DuckDBPyConnection,
    *,
    prices: Path | None = None,
    forbid: Sequence[str] = (),
    forbidden: Path | None = None,
    **settings: object,
) -> Request:
    """A request; ``settings``: fields of :class:`Request`.

    Raises:
        InputError: a table has a fault; the message names the line and the value.
        UsageError: a setting or a pair is outside what is allowed.
        NotFoundError: a pair names no rightsholder.
    """
    names = _Names(connection) if prices or forbid or forbidden else None
    pairs = [] if names is None else [_pair(names, text) for text in forbid]
    if names is not None and forbidden is not None:
        pairs += _forbidden_table(names, forbidden)
    priced = None if names is None or prices is None else _price_table(names, prices)
    try:
        return Request.model_validate({**settings, "prices": priced, "forbidden": sorted(set(pairs))})
    except ValidationError as error:
        first = error.errors()[0]
        field = "-".join(str(each) for each in first["loc"][:1])
        raise UsageError(f"--{field}: got {str(first['input'])[:60]!r}; {first['msg'].lower()}") from error


class _Names:
    """The ids that count, by name and by ``#ID``."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.ids: dict[str, set[int]] = {}
        self.names: dict[int, str] = {}
        for number, name, counts in connection.execute(
            "SELECT id, name, effective_id FROM effective_rightsholder"
        ).fetchall():
            self.ids.setdefault(name, set()).add(int(counts))
            self.ids.setdefault(f"#{number}", set()).add(int(counts))
            if number == counts:
                self.names[int(counts)] = name

    def find(self, text: str) -> int:
        """The id of a name or ``#ID``; raises NotFoundError or UsageError."""
        stated = tidy(text)
        if stated is None:
            raise UsageError("got an empty name, expected a rightsholder's name or #ID")
        found = self.ids.get(stated, set())
        if not found:
            raise NotFoundError(f"no rightsholder {stated[:80]!r}; `creditline rightsholders` lists them")
        if len(found) > 1:
            listed = ", ".join(f"#{each}" for each in sorted(found)[:10])
            raise UsageError(f"{len(found)} rightsholders have the name {stated[:80]!r}; name one by its id: {listed}")
        return next(iter(found))


def _pair(names: _Names, text: str) -> tuple[int, int]:
    try:
        fields = next(csv.reader([text], skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        raise UsageError(
            f'--forbid: got {text[:80]!r}, expected two names with a comma between them ("A,B")'
        ) from error
    if len(fields) != 2:
        raise UsageError(
            f"--forbid: got {text[:80]!r} as two names: {len(fields)} found, expected one comma between them; put a name with a "
            'comma in quotation marks ("Example, Ada",Bo)'
        )
    one, other = names.find(fields[0]), names.find(fields[1])
    if one == other:
        raise UsageError(f"--forbid: {text[:80]!r} names one rightsholder twice; expected two rightsholders")
    return min(one, other), max(one, other)


def _price_table(names: _Names, path: Path) -> dict[str, float]:
    table = _table(path, (NAME, PRICE), "table of prices")
    found: dict[int, tuple[float, int]] = {}
    faults: list[str] = []
    for number, (name, price) in _cells(table, (NAME, PRICE)):
        try:
            holder = names.find(name)
        except UsageError as error:
            faults.append(f"line {number}: {error}")
            continue
        amount = _amount(price)
        if amount is None:
            faults.append(
                f"line {number}: {names.names[holder][:80]!r} has the price {price[:40]!r}, expected a number from 0 to 1e12"
            )
        elif holder in found:
            faults.append(
                f"line {number}: {names.names[holder][:80]!r} has a price in line {found[holder][1]} already; state one price"
            )
        else:
            found[holder] = amount, number
    _refuse(path, faults)
    return {str(holder): amount for holder, (amount, _) in sorted(found.items())}


def _forbidden_table(names: _Names, path: Path) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    faults: list[str] = []
    for number, (name, other) in _cells(_table(path, (NAME, OTHER), "table of pairs"), (NAME, OTHER)):
        try:
            one, two = names.find(name), names.find(other)
        except UsageError as error:
            faults.append(f"line {number}: {error}")
            continue
        if one == two:
            faults.append(f"line {number}: {name[:80]!r} and {other[:80]!r} are one rightsholder; expected two")
        pairs.append((min(one, two), max(one, two)))
    _refuse(path, faults)
    return pairs


def _table(path: Path, columns: Sequence[str], what: str) -> Table:
    table = read_table(path, what)
    stated = [(column or "").strip().lower() for column in table.columns]
    for column in columns:
        if stated.count(column) != 1:
            raise InputError(
                f"{path} has the columns {', '.join(stated)[:160]!r}, expected {' and '.join(columns)}, each once"
            )
    return Table(tuple(stated), table.rows)


def _cells(table: Table, columns: Sequence[str]) -> Iterable[tuple[int, tuple[str, str]]]:
    places = [table.columns.index(column) for column in columns]

    def cell(row: TableRow, place: int) -> str:
        return (row.values[place] or "") if place < len(row.values) else ""

    for row in table.rows:
        if any(value and value.strip() for value in row.values):
            yield row.number, (cell(row, places[0]), cell(row, places[1]))


def _amount(text: str) -> float | None:
    """A price; None: no number that can be one."""
    try:
        # Python also reads 1_000 and digits of other scripts: no spreadsheet writes a price so.
        amount = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return None
    return amount + 0.0 if math.isfinite(amount) and 0 <= amount <= MOST_PRICE else None


def _refuse(path: Path, faults: Sequence[str]) -> None:
    if faults:
        more = f"; and {len(faults) - MOST_NAMED} more" if len(faults) > MOST_NAMED else ""
        raise InputError(f"{path}: {'; '.join(faults[:MOST_NAMED])}{more}; nothing was chosen")
