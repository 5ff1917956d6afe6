"""Names of works and rightsholders in commands, and the records that they mean.

A work is named by its id (``17`` or ``#17``), by its SHA-256 (all of it, or a unique start of eight
digits or more), by its place as ``<data set>:<path>``, or, if it is known by metadata alone, by its
address or the other hash of its source. A rightsholder is named exactly, or by id as ``#17``; a
merged record stands for the one that counts.

Ids and whole hashes are found through columns of numbers; a start of a hash and a path read texts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import duckdb
import pyarrow as pa

from registry.errors import NotFoundError, UsageError
from registry.text import tidy
from registry.works.identity import IDENTITY_KEY, identity_of

LEAST_PREFIX = 8
"""Hex digits of the shortest start of a hash."""

_LARGEST_ID = 2**63 - 1
_NUMBER = re.compile(r"[0-9]{1,19}")
_HEX = re.compile(r"[0-9a-fA-F]{8,64}")
_HASH_DIGITS = 64
_SUGGESTIONS = 3
_LIKENESS = 0.8


def resolve_works(connection: duckdb.DuckDBPyConnection, references: Sequence[str]) -> list[int]:
    """Ids of the works that the references mean, each once, in the order of the references.

    Raises:
        NotFoundError: no work has a reference.
        UsageError: several works' hashes start with a reference.
    """
    texts = [_text(reference, "work") for reference in references]
    found = _by_number(connection, texts) | _by_key(connection, texts)
    ids: dict[int, None] = {}
    for reference in texts:
        matches = found.get(reference) or _by_prefix(connection, reference) or _by_path(connection, reference)
        if not matches:
            raise NotFoundError(
                f"no work {reference!r}; expected its id, its SHA-256 (at least {LEAST_PREFIX} digits) or "
                "'<data set>:<path>': `creditline works` lists them"
            )
        ids.update(dict.fromkeys(matches))
    return list(ids)


def resolve_rightsholder(connection: duckdb.DuckDBPyConnection, reference: str) -> int:
    """Id of the rightsholder that the reference means; for a merged record, of the one that counts.

    Raises:
        NotFoundError: no rightsholder has this name or id.
        UsageError: several have this name.
    """
    text = _text(reference, "rightsholder")
    number = _number(text[1:]) if text.startswith("#") else None
    condition, value = ("id = ?", number) if number is not None else ("name = ?", tidy(text) or text)
    rows = connection.execute(
        f"SELECT DISTINCT effective_id FROM effective_rightsholder WHERE {condition} ORDER BY 1",  # noqa: S608 - two constants
        [value],
    ).fetchall()
    if not rows:
        raise NotFoundError(f"no rightsholder {text!r}; {_suggestion(connection, text)}")
    if len(rows) > 1:
        listed = ", ".join(f"#{row[0]}" for row in rows[:10])
        raise UsageError(f"{len(rows)} rightsholders have the name {text!r}; name one by its id: {listed}")
    return int(rows[0][0])


def _text(reference: str, kind: str) -> str:
    """The reference, if a registry can hold it: an argument can be any bytes."""
    try:
        reference.encode()
    except UnicodeEncodeError as error:
        raise NotFoundError(f"no {kind} {reference!r}: it is not UTF-8") from error
    return reference.strip()


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) and int(text) <= _LARGEST_ID else None


def _by_number(connection: duckdb.DuckDBPyConnection, references: Sequence[str]) -> dict[str, list[int]]:
    stated = {reference: _number(reference.removeprefix("#")) for reference in references}
    numbers = {reference: number for reference, number in stated.items() if number is not None}
    if not numbers:
        return {}
    # With bounds DuckDB skips the blocks that cannot hold them.
    rows = connection.execute(
        "SELECT id FROM asset WHERE id BETWEEN ? AND ? AND id IN (SELECT unnest(?::BIGINT[]))",
        [min(numbers.values()), max(numbers.values()), list(numbers.values())],
    ).fetchall()
    there = {int(number) for (number,) in rows}
    return {reference: [number] for reference, number in numbers.items() if number in there}


def _by_key(connection: duckdb.DuckDBPyConnection, references: Sequence[str]) -> dict[str, list[int]]:
    """Works whose whole hash, other hash or address is the reference."""
    keys = {text: text.lower() if _HEX.fullmatch(text) else text for text in references}
    if not keys:
        return {}
    table = pa.table(
        {
            "named": pa.array(keys.keys(), pa.string()),
            "key": pa.array(keys.values(), pa.string()),
            "key_identity": pa.array(map(identity_of, keys.values()), pa.uint64()),
        }
    )
    connection.register("named_works", table)
    rows = connection.execute(
        f"SELECT named, id FROM asset JOIN named_works ON identity = key_identity AND {IDENTITY_KEY} = key "  # noqa: S608 - a constant
        "ORDER BY id"
    ).fetchall()
    connection.unregister("named_works")
    found: dict[str, list[int]] = {}
    for named, number in rows:
        found.setdefault(str(named), []).append(int(number))
    return found


def _by_prefix(connection: duckdb.DuckDBPyConnection, reference: str) -> list[int]:
    if not _HEX.fullmatch(reference) or len(reference) == _HASH_DIGITS:
        return []
    start = reference.lower()
    # A range of texts, as DuckDB keeps each block's smallest and largest; "g" follows hex digits.
    rows = connection.execute(
        "SELECT id FROM asset WHERE sha256 >= ? AND sha256 < ? LIMIT 2", [start, start + "g"]
    ).fetchall()
    if len(rows) > 1:
        raise UsageError(f"{reference!r} is the start of several works' hashes; give more digits")
    return [int(number) for (number,) in rows]


def _by_path(connection: duckdb.DuckDBPyConnection, reference: str) -> list[int]:
    """The work last found at a place. Data set names and paths can both contain colons."""
    sets = connection.execute(
        "SELECT id, name FROM data_set WHERE starts_with(?, name || ':') ORDER BY length(name) DESC", [reference]
    ).fetchall()
    for data_set_id, name in sets:
        row = connection.execute(
            "SELECT id FROM asset WHERE data_set_id = ? AND path = ? ORDER BY missing_since IS NULL DESC, id DESC LIMIT 1",
            [data_set_id, reference[len(name) + 1 :]],
        ).fetchone()
        if row is not None:
            return [int(row[0])]
    return []


def _suggestion(connection: duckdb.DuckDBPyConnection, text: str) -> str:
    rows = connection.execute(
        "SELECT name FROM (SELECT name, jaro_winkler_similarity(lower(name), lower(?)) AS likeness FROM rightsholder) "
        "WHERE likeness >= ? ORDER BY likeness DESC, name LIMIT ?",
        [text[:200], _LIKENESS, _SUGGESTIONS],
    ).fetchall()
    if not rows:
        return "expected an exact name or '#<id>': `creditline rightsholders` lists them"
    return "did you mean " + " or ".join(repr(str(name)[:200]) for (name,) in rows) + "?"
