"""Prompts from the command line and from a file, checked before anything is generated."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.errors import CreditlineError, InputError, UsageError
from registry.ids import each_once
from registry.text import BIDI_CONTROLS, stated_text, tidy

LONGEST_PROMPT = 2_000
"""Characters; CLIP's text encoder reads about 300."""
LARGEST_FILE = 2**24
COLUMNS = ("prompt", "negative", "seed", "count")
_JSON_LINES, _TABLES = (".jsonl", ".ndjson"), (".csv", ".tsv")


@dataclass(frozen=True)
class PromptRow:
    """One prompt as it was given; None: not stated."""

    prompt: str | None
    negative: str | None = None
    seed: int | None = None
    count: int | None = None


def prompts_asked(texts: Sequence[str] | None, path: Path | None, classes: Collection[str]) -> list[PromptRow]:
    """The prompts of ``--prompt`` or ``--prompts``; one row without a prompt if both are absent.

    ``classes``: the ensemble's; such a prompt is taken as the registry spells it.

    Raises:
        UsageError: both were given, or a prompt is empty.
        InputError: a text or the file cannot be taken; names the line.
    """
    if texts and path is not None:
        raise UsageError("got both --prompt and --prompts; expected one of them")
    if path is not None:
        return read_prompts(path, classes)
    if not texts:
        return [PromptRow(None)]
    return [PromptRow(prompt_given(text, classes)) for text in texts]


def prompt_text(text: str | None, what: str, classes: Collection[str] = ()) -> str | None:
    """One line of text, in one spelling, or the name of a class; None if it is empty.

    Raises:
        InputError: too long, not UTF-8, with control characters, or with characters that change the
            direction of writing: they make a page show another text than the encoder reads.
    """
    if text in classes:
        return text
    stated = stated_text(text, what, longest=LONGEST_PROMPT)
    turning = next((character for character in stated or "" if character in BIDI_CONTROLS), None)
    if turning is not None:
        name = f"U+{ord(turning):04X} ({unicodedata.name(turning).lower()})"
        raise InputError(f"the {what} has {name}, which changes the direction of writing; leave it out")
    return stated


def prompt_given(text: str, classes: Collection[str]) -> str:
    """The prompt of ``--prompt``.

    Raises:
        UsageError: it is empty.
        InputError: as :func:`prompt_text`.
    """
    prompt = prompt_text(text, "prompt", classes)
    if prompt is None:
        raise UsageError("the prompt is empty; leave --prompt out for none")
    return prompt


def read_prompts(path: Path, classes: Collection[str] = ()) -> list[PromptRow]:
    """Read a file of prompts: CSV or JSON lines by its suffix, otherwise one prompt a line.

    CSV has a line of column names, JSON lines an object per line; ``prompt`` is required,
    ``negative``, ``seed`` and ``count`` may be absent or empty. Blank lines are no rows.

    Raises:
        InputError: the file, a column or a value cannot be taken; names the line.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path} has more than {LARGEST_FILE:,} bytes; split it")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the prompts {path}: {error.strerror}") from error
    suffix = path.suffix.lower()
    read = _table if suffix in _TABLES else _json_lines if suffix in _JSON_LINES else _lines
    rows = []
    for number, values in read(path, data):
        try:
            rows.append(_row(values, classes))
        except CreditlineError as error:
            raise InputError(f"{path}, line {number}: {error}") from error
    if not rows:
        raise InputError(f"{path} has no prompts")
    return rows


def _row(values: Mapping[str, Any], classes: Collection[str]) -> PromptRow:
    unknown = sorted(set(values) - set(COLUMNS))
    if unknown:
        raise InputError(f"got the column {unknown[0]!r}, expected {', '.join(COLUMNS)}")
    for name in ("prompt", "negative"):
        if not isinstance(values.get(name), str | None):
            raise InputError(f"{name} is {values[name]!r}, expected text")
    prompt = prompt_text(values.get("prompt"), "prompt", classes)
    if prompt is None:
        raise InputError("the prompt is missing or empty")
    return PromptRow(
        prompt,
        prompt_text(values.get("negative"), "negative text"),
        _number(values.get("seed"), "seed", 0),
        _number(values.get("count"), "count", 1),
    )


def _number(value: object, name: str, least: int) -> int | None:
    """A whole number, from JSON or as the text of a table."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        value = int(value)
    if type(value) is not int or value < least:
        raise InputError(f"{name} is {value!r}, expected a whole number from {least}")
    return value


def _lines(path: Path, data: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines of a text file that are not blank, with their numbers."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {place}: byte {data[error.start]:#04x} is not UTF-8") from error
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if tidy(line):
            yield number, {"prompt": line}


def _table(path: Path, data: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    from registry.ingest.owners.table_files import read_csv

    table = read_csv(path, data)
    names = [name.strip() for name in table.columns]
    if len(set(names)) < len(names) or "prompt" not in names:
        raise InputError(f"{path} has the columns {', '.join(names)}; expected prompt, and each column once")
    for row in table.rows:
        if len(row.values) != len(names):
            raise InputError(f"{path}, line {row.number}: {len(row.values)} values for {len(names)} columns")
        yield row.number, dict(zip(names, row.values, strict=True))


def _json_lines(path: Path, data: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in _lines(path, data):
        try:
            found = json.loads(line["prompt"], object_pairs_hook=each_once)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}, line {number}: not JSON ({error.msg}, column {error.colno})") from error
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {number}: not JSON ({error})") from error
        if not isinstance(found, dict):
            raise InputError(f"{path}, line {number}: expected an object with {', '.join(COLUMNS)}")
        yield number, found
