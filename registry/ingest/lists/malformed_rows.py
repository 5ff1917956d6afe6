"""Lists with malformed lines: these become refused rows, and the other lines are read.

DuckDB reads a list as a whole or fails. If it fails, the list is copied here line by line: a sound
line as it is, a malformed one as a row with only the reason, in the column :data:`MARK`. DuckDB
then reads the copy, and rows keep their numbers.

An open quote extends to the next quote. If that record is malformed, only the line with the open
quote is refused, and reading continues with the line after it.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from registry.errors import InputError
from registry.home import FREE_SPACE, lacks_space
from registry.ids import each_once
from registry.ingest.lists.connection import one_line

MARK = "why this line cannot be read"
LONGEST_LINE = 2**21
DEEPEST = 200
NOT_UTF8 = "bytes that are not UTF-8; save the list as UTF-8"
OPEN_QUOTE = "a quote is not closed, or text follows one; double quotes that are meant"
TOO_LONG = f"a line of more than {LONGEST_LINE:,} bytes"
TOO_DEEP = f"JSON nested more than {DEEPEST} deep"
_NAMED = 5
"""Lines that are kept for each reason."""
_FIELDS_COUNTED = 20
_DOUBTFUL = 10
"""Lines after an open quote in which a stray quote counts as its end."""
_BOM = b"\xef\xbb\xbf"


@dataclass
class CleanCopy:
    """The rows of the copy of a list."""

    sound: int = 0
    lines: dict[int, int] = field(default_factory=dict)
    """The line of the file by row (from 1), for the first malformed lines of each reason."""
    _first: str = ""
    _rows: int = 0
    _reasons: Counter[str] = field(default_factory=Counter)

    def count_sound(self) -> None:
        """One more row that can be read."""
        self._rows += 1
        self.sound += 1

    def count_malformed(self, line: int, reason: str) -> None:
        """One more row that cannot be read."""
        self._rows += 1
        self._reasons[reason] += 1
        self._first = self._first or f"line {line:,}: {reason}"
        if self._reasons[reason] <= _NAMED:
            self.lines[self._rows] = line

    def check(self, path: Path) -> None:
        """Check that there is a sound row.

        Raises:
            InputError: there is none; the message names the first fault.
        """
        if self._rows and not self.sound:
            raise InputError(f"{path}, {self._first}; no line of it can be read")


def split_csv(path: Path, packed: bool, header: Sequence[str], delimiter: str, target: Path) -> CleanCopy:
    """Copy a CSV file without its header, with :data:`MARK` as a first column.

    Raises:
        InputError: no line of it can be read, or the disk is full.
    """
    found = CleanCopy()
    separator = delimiter.encode()
    with _files(path, packed, target) as (source, copy), _long_cells():
        lines = _Lines(source)
        if "\r" in next(lines).rstrip("\r\n"):
            raise InputError(
                f"{path} ends its lines with carriage returns and some are malformed; save it again as CSV"
            )
        for taken, line, values, fault in _records(lines, delimiter):
            if not fault and not values and len(header) > 1:
                continue  # a blank line is no row
            if reason := fault or (_wrong_count(values, len(header)) if values else ""):
                found.count_malformed(line, reason)
                copy.write(b'"' + reason.replace('"', '""').encode() + b'"' + separator * len(header) + b"\n")
                continue
            found.count_sound()
            copy.write(separator + b"".join(taken).rstrip(b"\r\n") + b"\n")
    found.check(path)
    return found


def split_json(path: Path, packed: bool, target: Path) -> CleanCopy:
    """Copy JSON lines, with an object of nothing but :data:`MARK` for each malformed one.

    Raises:
        InputError: no line of it can be read, or the disk is full.
    """
    found = CleanCopy()
    with _files(path, packed, target) as (source, copy):
        number = 0
        while data := source.readline(LONGEST_LINE + 1):
            number += 1
            if too_long := len(data) > LONGEST_LINE:
                _drain(source, data)
            data = data.removeprefix(_BOM) if number == 1 else data
            if not data.strip():
                continue
            reason = TOO_LONG if too_long else _json_fault(data)
            if reason:
                found.count_malformed(number, reason)
                data = json.dumps({MARK: reason}).encode()
            else:
                found.count_sound()
            copy.write(data.rstrip(b"\r\n") + b"\n")
    found.check(path)
    return found


def depth_of(line: bytes) -> int:
    """The nesting depth of a line, without brackets in text."""
    depth = deepest = 0
    for bracket in re.findall(rb"[\[\]{}]", re.sub(rb'"(?:[^"\\]|\\.)*"', b"", line)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def too_deep(line: bytes) -> bool:
    """Whether a line is nested so deep that a JSON reader may overrun its stack."""
    return line.count(b"{") + line.count(b"[") > DEEPEST and depth_of(line) > DEEPEST


def opened(path: Path, packed: bool) -> gzip.GzipFile | io.BufferedReader:
    """The list, unpacked."""
    return gzip.open(path) if packed else path.open("rb")


def _json_fault(data: bytes) -> str | None:
    if too_deep(data):
        return TOO_DEEP
    try:
        value = json.loads(data.decode(), object_pairs_hook=each_once, parse_int=str)
        if b"\\u" in data:
            json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair can be written, but not read
    except UnicodeDecodeError:
        return NOT_UTF8
    except UnicodeEncodeError:
        return "not JSON: half of a surrogate pair; correct the line"
    except json.JSONDecodeError as error:
        return f"not JSON: {one_line(error.msg, 60)}; correct the line, which has to be one JSON object"
    except (ValueError, RecursionError):
        return "not JSON that can be read: the same name twice; correct the line"
    if not isinstance(value, dict):
        return 'no JSON object, as in {"url": …}; correct the line'
    return f"a name that is needed here, {MARK!r}; rename it" if MARK in {name.lower() for name in value} else None


def _wrong_count(values: Sequence[str], expected: int) -> str:
    """The fault in the number of fields, or an empty text; DuckDB ignores further empty fields."""
    fields = len(values)
    if fields == expected or (fields > expected and not any(values[expected:])):
        return ""
    # Bounded, so that millions of lines do not have millions of different reasons.
    shown = f"{fields:,}" if fields <= expected + _FIELDS_COUNTED else f"more than {expected + _FIELDS_COUNTED:,}"
    return f"{shown} {'field' if fields == 1 else 'fields'}, expected {expected:,}; correct the line"


class _TooLongError(Exception):
    """A record has too many bytes."""


class _Lines:
    """The lines of a file; the lines of the current record can be given back."""

    def __init__(self, source: BinaryIO | gzip.GzipFile | io.BufferedReader) -> None:
        self.number = 0
        """Number of the line that was read last."""
        self.seen = 0
        """Largest number of a line that was read."""
        self.taken: list[bytes] = []
        self.start = 1
        self.not_utf8 = False
        self._size = 0
        self._source = source
        self._again: deque[bytes] = deque()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._source.readline(LONGEST_LINE + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self.seen = max(self.seen, self.number)
        self.taken.append(line)
        self._size += len(line)
        if self._size > LONGEST_LINE:
            _drain(self._source, line)
            self.taken[-1] = line.rstrip(b"\n") + b"\n"  # complete, should it be read again
            raise _TooLongError
        try:
            return line.decode()
        except UnicodeDecodeError:
            # The end of its record must be found anyway.
            self.not_utf8 = True
            return line.decode(errors="replace")

    def begin(self) -> None:
        self.taken, self._size, self.not_utf8 = [], 0, False
        self.start = self.number + 1

    def give_back(self) -> None:
        """Read all lines of the record again, except its first."""
        again = self.taken[1:]
        self._again.extendleft(reversed(again))
        self.number -= len(again)
        self.taken = self.taken[:1]


def _records(lines: _Lines, delimiter: str) -> Iterator[tuple[list[bytes], int, list[str], str]]:
    """Each record: its lines, the first one's number, its cells, its fault (or an empty text)."""
    rows = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    doubtful = 0
    while True:
        lines.begin()
        reason, values = "", []
        try:
            values = next(rows)
        except StopIteration:
            return
        except (csv.Error, _TooLongError) as error:
            alone = len(lines.taken) == 1
            reason = TOO_LONG if alone and isinstance(error, _TooLongError) else OPEN_QUOTE
            doubtful = lines.seen + _DOUBTFUL
            lines.give_back()
            rows = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
        else:
            if lines.not_utf8:
                reason = NOT_UTF8
            elif lines.start <= doubtful and b"".join(lines.taken).count(b'"') % 2:
                reason = OPEN_QUOTE  # probably the end of the cell that was given up
        yield lines.taken, lines.start, values, reason


def _drain(source: BinaryIO | gzip.GzipFile | io.BufferedReader, line: bytes) -> None:
    """Skip the rest of a line."""
    while line and not line.endswith(b"\n"):
        line = source.readline(LONGEST_LINE)


@contextmanager
def _files(path: Path, packed: bool, target: Path) -> Iterator[tuple[gzip.GzipFile | io.BufferedReader, BinaryIO]]:
    try:
        with opened(path, packed) as source, target.open("wb") as copy:
            yield source, copy
    except OSError as error:
        if lacks_space(error):
            raise InputError(f"cannot write a copy of {path} to {target}: {error.strerror}; {FREE_SPACE}") from error
        raise InputError(f"cannot read {path} line by line: {error.strerror or error}") from error


@contextmanager
def _long_cells() -> Iterator[None]:
    before = csv.field_size_limit(LONGEST_LINE)
    try:
        yield
    finally:
        csv.field_size_limit(before)
