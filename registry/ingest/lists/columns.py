"""The canonical columns as SQL: how each is read from a source column, and why a row is refused.

These expressions run on ten million rows, so ``strlen``, ``contains`` and ``starts_with`` decide
the common case; a regular expression or ``trim`` (a microsecond) runs only on the remaining rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registry.captions.template import Template
from registry.errors import InputError
from registry.ingest.lists.connection import identifier, literal, one_line
from registry.licences import LONGEST_REFERENCE
from registry.text import BLANKS

_TEXT = (
    "path",
    "url",
    "sha256",
    "other_hash",
    "media_type",
    "rightsholder",
    "licence",
    "title",
    "creator",
    "source_url",
    "caption",
)
_NUMBERS = {"byte_size": (2**40, "BIGINT"), "width": (2**20, "INTEGER"), "height": (2**20, "INTEGER")}
CANONICAL = (
    "path", "url", "sha256", "other_hash", "byte_size", "media_type", "width", "height",
    "rightsholder", "licence", "title", "creator", "source_url", "caption", "attributes",
)  # fmt: skip
MAPPABLE = tuple(name for name in CANONICAL if name != "attributes")
IDENTITY = ("path", "url", "sha256", "other_hash")
MALFORMED = "malformed"
"""A further column: the fault of a malformed line."""

LONGEST_TEXT = 65_536
LONGEST_URL = 8_192
LONGEST_PATH = 4_096
LONGEST_NAME = 1_024
_LONGEST = {
    "path": LONGEST_PATH, "url": LONGEST_URL, "source_url": LONGEST_URL, "other_hash": LONGEST_NAME,
    "media_type": LONGEST_NAME, "rightsholder": LONGEST_NAME, "licence": LONGEST_REFERENCE,
}  # fmt: skip
LONGEST_OF = {name: _LONGEST.get(name, LONGEST_TEXT) for name in _TEXT if name != "caption"}
"""The most bytes of a text, by column; a hash has its own rule. A caption is brought into order
instead, by :mod:`registry.ingest.bulk.captions`: no caption is a reason to refuse a row."""
LONGEST_ATTRIBUTES = LONGEST_TEXT
CHECKED_NUMBERS = tuple(_NUMBERS)
_ONE_LINE = ("path", "url", "other_hash", "media_type", "rightsholder", "licence", "source_url")
COMPOSED = ("path", "rightsholder", "licence", "title", "creator", "caption")
"""Texts that people write: brought into Unicode's composed form, so that equal looks are equal."""
TIDIED_LATER = ("url", "sha256", "media_type", "rightsholder", "licence", "title", "creator", "source_url", "caption")
"""Texts that :mod:`registry.ingest.bulk.texts` trims, which costs less than SQL."""

UNKNOWN_LICENCE = "?"
"""How lists write an unknown licence."""
_INTEGERS = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
)  # fmt: skip
_NUMERIC_TYPES = (*_INTEGERS, "FLOAT", "DOUBLE", "DECIMAL")
_TEXT_TYPES = ("VARCHAR", "BOOLEAN", "DATE", "TIME", "TIMESTAMP", "UUID", "ENUM", *_NUMERIC_TYPES)
_HASH_LENGTHS = {32: "md5", 40: "sha1", 128: "sha512"}


@dataclass(frozen=True)
class Constant:
    """The same value for every row, in place of a source column."""

    value: str


@dataclass(frozen=True)
class MadeCaption:
    """Captions made by a template: each of its fields is a source column, or a constant."""

    template: Template
    fields: Mapping[str, str | Constant]
    defaults: Mapping[str, str]
    """Values of fields for rows that state none."""


TEMPLATED = "caption_templated"
"""A further column: whether the template made the caption."""


def check_type(file: str, column: str, type_name: str, canonical: str) -> None:
    """Check that a source column can be read as the canonical one.

    Raises:
        InputError: it holds bytes, lists or structures, or no numbers where numbers are needed.
    """
    base = type_name.split("(", 1)[0].split(" ", 1)[0]
    nested = "[" in type_name
    fits = base in (("VARCHAR", *_NUMERIC_TYPES) if canonical in _NUMBERS else _TEXT_TYPES)
    if nested or not fits:
        expected = "numbers" if canonical in _NUMBERS else "text"
        raise InputError(
            f"{one_line(file)} has the column {one_line(column)!r} of type {one_line(type_name, 60)}, expected {expected} "
            f"for {canonical!r}; convert it or map another column"
        )


def canonical_columns(
    mapping: Mapping[str, str | Constant],
    types: Mapping[str, str],
    defaults: Mapping[str, str],
    attributes: Sequence[str],
    attribute_constants: Mapping[str, str],
    outcome: str | None,
    made: MadeCaption | None = None,
) -> dict[str, str]:
    """The expression of each canonical column over one file's columns; also a refusal's input.

    :data:`TIDIED_LATER` texts stay as they are, unless a default depends on them, and none is
    composed: :func:`registry.ingest.bulk.texts.tidied` does that.
    """
    columns: dict[str, str] = {}
    for name in _TEXT:
        value = mapping.get(name)
        expression = _text(name, value, types, ordered=name in defaults or name not in TIDIED_LATER)
        columns[name] = f"coalesce({expression}, {literal(defaults[name])})" if name in defaults else expression
    for name, (largest, kind) in _NUMBERS.items():
        if _is_whole(mapping.get(name), types):
            columns |= _whole_number(name, identifier(str(mapping[name])), largest, kind)
            continue
        number = _number(mapping.get(name), types)
        columns[name] = f"CASE WHEN {number} BETWEEN 1 AND {largest} THEN TRY_CAST({number} AS {kind}) END"
        if name in mapping:
            columns[f"{name}_problem"] = _number_problem(name, mapping[name], types)
    if made is not None:
        caption = _made_caption(made, types)
        columns["caption"] = f"coalesce({caption}, {columns['caption']})"
        columns[TEMPLATED] = f"({caption}) IS NOT NULL"
    columns["attributes"] = _attributes(attributes, attribute_constants)
    if outcome is not None:
        columns["outcome"] = f"CAST({identifier(outcome)} AS VARCHAR)"
    return columns


def refusal(mapping: Mapping[str, str | Constant], outcome: str | None, *, malformed: bool = False) -> str:
    """SQL for the reason to refuse a row, NULL for none; ``malformed``: with :data:`MALFORMED`."""
    cases = [_case(f"{name}_problem IS NOT NULL", f"{name}_problem") for name in _NUMBERS if name in mapping]
    if outcome is not None:
        cases.insert(0, _case("outcome IS DISTINCT FROM 'success'", "'img2dataset did not fetch it'"))
    if malformed:
        cases.insert(0, _case(f"{MALFORMED} IS NOT NULL", MALFORMED))
    stated = [name for name in IDENTITY if name in mapping]
    cases.append(_case(" AND ".join(f"{name} IS NULL" for name in stated), "'neither path nor url nor hash'"))
    if "sha256" in mapping:
        # The length first: it decides nearly every row that is wrong, and the expression need not.
        bad = "strlen(sha256) <> 64 OR NOT regexp_full_match(sha256, '[0-9a-f]+')"
        cases.append(_case(bad, "'sha256 is not 64 hexadecimal digits'"))
    texts = [name for name in LONGEST_OF if name in mapping and name != "sha256"]
    # A text that is too long may have been cut, so no other fault of it is looked for.
    cases += [
        _case(f"strlen({name}) > {LONGEST_OF[name]}", literal(f"{name} has more than {LONGEST_OF[name]:,} bytes"))
        for name in texts
    ]
    for name in ("url", "source_url"):
        if name in mapping:
            cases.extend(_url_cases(name))
    if "path" in mapping:
        cases.append(_case(_PATH_LEAVES, "'path leaves the folder'"))
    cases += [_case(_control_characters(name), literal(f"{name} has control characters")) for name in texts]
    cases.append(_case(f"strlen(attributes) > {LONGEST_TEXT}", f"'attributes have more than {LONGEST_TEXT:,} bytes'"))
    return "CASE " + " ".join(cases) + " END"


def _case(condition: str, reason: str) -> str:
    return f"WHEN {condition} THEN {reason}"


_PATH_LEAVES = (
    "starts_with(path, '/') OR substring(path, 2, 2) = ':/' "
    "OR (contains(path, '..') AND list_contains(string_split(path, '/'), '..'))"
)


def _url_cases(name: str) -> list[str]:
    common = f"starts_with({name}, 'https://') AND NOT starts_with({name}, 'https:///') AND strlen({name}) > 8"
    allowed = f"({common}) OR regexp_matches({name}, '^(?i:https?|ftp|s3|gs)://[^/]')"
    return [_case(f"NOT ({allowed})", literal(f"{name} is not one of http, https, ftp, s3 or gs"))]


def _control_characters(name: str) -> str:
    """SQL: whether a text has some. They make its JSON longer, which is quick to check."""
    pattern = "[\\x00-\\x1f\\x7f]" if name in _ONE_LINE else "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f]"
    return f"strlen(json_quote({name})) <> strlen({name}) + 2 AND regexp_matches({name}, '{pattern}')"


def _raw(value: str | Constant | None, types: Mapping[str, str]) -> str:
    if value is None:
        return "NULL::VARCHAR"
    if isinstance(value, Constant):
        return literal(value.value)
    column = identifier(value)
    return column if types[value] == "VARCHAR" else f"CAST({column} AS VARCHAR)"


def trimmed(text: str) -> str:
    """An expression of text without :data:`BLANKS` around it; NULL for an empty one."""
    bare = " AND ".join(f"ascii({end}) BETWEEN 33 AND 126" for end in (text, f"right({text}, 1)"))
    return (
        f"CASE WHEN {text} = '' THEN NULL WHEN {bare} THEN {text} ELSE nullif(trim({text}, {literal(BLANKS)}), '') END"
    )


def _text(name: str, value: str | Constant | None, types: Mapping[str, str], *, ordered: bool) -> str:
    if value is None:
        return "NULL::VARCHAR"
    raw = _raw(value, types)
    if not ordered:
        return raw
    text = trimmed(raw)
    if name == "sha256":
        return f"lower({text})"
    if name == "other_hash":
        return _other_hash(text, value)
    if name == "licence":
        return f"nullif({text}, {literal(UNKNOWN_LICENCE)})"
    return _path(text) if name == "path" else text


def _made_caption(made: MadeCaption, types: Mapping[str, str]) -> str:
    """NULL where a field of the template has no value."""
    values = {name: trimmed(_raw(column, types)) for name, column in made.fields.items()}
    values |= {
        name: f"coalesce({values.get(name, 'NULL')}, {literal(default)})" for name, default in made.defaults.items()
    }
    complete = " AND ".join(f"({values[name]}) IS NOT NULL" for name in made.template.fields)
    texts = [
        part
        for before, name in made.template.parts
        for part in (literal(before), *([f"({values[name]})"] if name is not None else []))
    ]
    return f"CASE WHEN {complete} THEN {' || '.join(texts)} END"


def _path(text: str) -> str:
    slashed = f"CASE WHEN contains({text}, chr(92)) THEN replace({text}, chr(92), '/') ELSE {text} END"
    parts = f"list_filter(string_split({slashed}, '/'), lambda part: part NOT IN ('', '.'))"
    rebuilt = f"CASE WHEN starts_with({slashed}, '/') THEN '/' ELSE '' END || array_to_string({parts}, '/')"
    odd = f"contains({slashed}, '//') OR contains({slashed}, './') OR ends_with({slashed}, '.') OR ends_with({slashed}, '/')"
    return f"CASE WHEN {odd} THEN nullif({rebuilt}, '') ELSE {slashed} END"


def _other_hash(text: str, value: str | Constant) -> str:
    """Prefixed with its algorithm: the stated one, else by its length, else the column's name."""
    column = "hash" if isinstance(value, Constant) else value.strip().lower()
    named = " ".join(
        f"WHEN strlen({text}) = {n} THEN {literal(name + ':')} || lower({text})" for n, name in _HASH_LENGTHS.items()
    )
    return (
        f"CASE WHEN contains({text}, ':') THEN {text} {named} ELSE {literal(one_line(column, 60) + ':')} || {text} END"
    )


def _is_whole(value: str | Constant | None, types: Mapping[str, str]) -> bool:
    return isinstance(value, str) and types[value] in _INTEGERS


def _whole_number(name: str, column: str, largest: int, kind: str) -> dict[str, str]:
    """The expressions for a column of an integer type."""
    problem = literal(f"{name} is not between 0 and {largest:,}")
    return {
        name: f"CASE WHEN {column} BETWEEN 1 AND {largest} THEN CAST({column} AS {kind}) END",
        f"{name}_problem": f"CASE WHEN {column} < 0 OR {column} > {largest} THEN {problem} END",
    }


def _number(value: str | Constant | None, types: Mapping[str, str]) -> str:
    if value is None:
        return "NULL::DOUBLE"
    text = isinstance(value, Constant) or types[value] == "VARCHAR"
    raw = f"trim({_raw(value, types)})" if text else identifier(str(value))
    return f"TRY_CAST({raw} AS DOUBLE)"


def _number_problem(name: str, value: str | Constant, types: Mapping[str, str]) -> str:
    """Missing numbers are NaN in pandas and 0 in many lists: both mean not stated."""
    number, largest = _number(value, types), _NUMBERS[name][0]
    raw = _raw(value, types)
    missing = f"isnan({number}) OR {number} = 0"
    return (
        f"CASE WHEN {number} IS NULL AND trim({raw}) <> '' THEN {literal(f'{name} is not a number')} "
        f"WHEN {missing} THEN NULL "
        f"WHEN {number} < 0 OR {number} > {largest} THEN {literal(f'{name} is not between 0 and {largest:,}')} "
        f"WHEN {number} <> floor({number}) THEN {literal(f'{name} is not a whole number')} END"
    )


def _attributes(names: Sequence[str], constants: Mapping[str, str]) -> str:
    if not names and not constants:
        return "NULL::VARCHAR"
    columns = [f"{literal(name)}, nullif(CAST({identifier(name)} AS VARCHAR), '')" for name in names]
    fixed = [f"{literal(name)}, {literal(value)}" for name, value in constants.items()]
    # Merging into an empty document drops nulls.
    return f"nullif(CAST(json_merge_patch('{{}}', json_object({', '.join(fixed + columns)})) AS VARCHAR), '{{}}')"
