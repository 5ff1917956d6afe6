"""A list of works that has been opened: which columns it gives, from which files, as SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from types import MappingProxyType

from registry.errors import InputError
from registry.ingest.lists.columns import CANONICAL, LOOSE, MALFORMED, Constant, canonical_columns, refusal
from registry.ingest.lists.connection import identifier, literal

__all__ = ["CANONICAL", "Constant", "ListFile", "ListSource", "fingerprint"]


@dataclass(frozen=True)
class ListFile:
    """One Parquet file: how many rows, and the DuckDB type of each column."""

    path: Path
    rows: int
    types: Mapping[str, str]
    mark: str | None = None
    """The column that says of a malformed line what is wrong with it, if there is such a line."""
    lines: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    """By row (1 is the first) the line of the file, for the first of these lines."""

    def sieved(self, mark: str, lines: Mapping[int, int]) -> ListFile:
        """The same with malformed lines among its rows."""
        types = {name: kind for name, kind in self.types.items() if name != mark}
        return ListFile(self.path, self.rows, MappingProxyType(types), mark, MappingProxyType(dict(lines)))


@dataclass(frozen=True)
class ListSource:
    """A list of works as a relation over Parquet files.

    ``mapping`` says for each canonical column the source column that it is read from, or its
    constant; ``defaults`` what a row gets that states nothing there. ``outcome`` is img2dataset's
    column that says whether a work was fetched at all. ``fingerprint`` is size and modification
    time (ns) of ``origins``, the files as the user gave them.
    """

    name: str
    files: tuple[Path, ...]
    preset: str | None
    mapping: Mapping[str, str | Constant]
    not_taken: tuple[str, ...]
    rows: int
    fingerprint: tuple[tuple[int, int], ...]
    attributes: tuple[str, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    attribute_constants: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    outcome: str | None = None
    origins: tuple[Path, ...] = ()
    parts: tuple[ListFile, ...] = ()

    @property
    def sieved(self) -> bool:
        """Whether some of the rows stand for malformed lines."""
        return any(part.mark is not None for part in self.parts)

    @property
    def loose(self) -> tuple[str, ...]:
        """The texts of :meth:`unchecked` that are as the list has them, see
        :data:`registry.ingest.lists.columns.LOOSE`.
        """
        return tuple(name for name in LOOSE if name in self.mapping and name not in self.defaults)

    def relation(self, first: int, count: int) -> str:
        """A ``SELECT`` of the canonical columns, ``row_number`` and ``reason`` for the rows from
        ``first`` (0 is the first).

        ``row_number`` counts from 1 over all files. ``reason`` is NULL for a row that may be
        registered. Every column is an expression over its own row, so what is not selected is not
        read, and row groups outside the range are skipped.
        """
        taken = ", ".join(CANONICAL)
        reason = refusal(self.mapping, self.outcome, sieved=self.sieved)
        inner = self._inner(first, count)
        return f"SELECT {taken}, row_number, {reason} AS reason FROM (\n{inner}\n)"  # noqa: S608 - names are quoted

    def unchecked(self) -> str:
        """A ``SELECT`` of all rows without ``reason``, but with what :meth:`reasons` needs beside
        the canonical columns.

        For whoever can tell at a glance that most rows are sound: the checks cost more than
        reading. Texts are not in composed form yet either, see
        :data:`registry.ingest.lists.columns.COMPOSED`, nor those in :attr:`loose` in order.
        """
        return f"SELECT * FROM (\n{self._inner(0, self.rows, tidy=False)}\n)"  # noqa: S608 - names are quoted

    def reasons(self, rows: str) -> str:
        """A ``SELECT`` of ``row_number`` and ``reason`` over rows of :meth:`unchecked`, given as
        the name of a relation.
        """
        reason = refusal(self.mapping, self.outcome, sieved=self.sieved)
        return f"SELECT row_number, {reason} AS reason FROM {rows}"  # noqa: S608 - our name

    def _inner(self, first: int, count: int, *, tidy: bool = True) -> str:
        ranges = self._ranges(first, first + count) or [(((self.parts[0], 0),), 0, 0)]
        selects = [self._scan(parts, lower, upper, tidy=tidy) for parts, lower, upper in ranges]
        return "\nUNION ALL\n".join(selects)

    def place(self, row_number: int) -> str:
        """Where a row is, for a message: the file too where there are several, and of a malformed
        line its number.
        """
        offset = 0
        for origin, part in zip(self.origins, self.parts, strict=True):
            if row_number <= offset + part.rows:
                line = part.lines.get(row_number - offset)
                row = f"row {row_number - offset:,}" if line is None else f"line {line:,}"
                return f"{origin.name}, {row}" if len(self.parts) > 1 else row
            offset += part.rows
        return f"row {row_number:,}"

    def verify(self) -> None:
        """Hold that no file was changed since the list was opened.

        Raises:
            InputError: one was changed or is gone.
        """
        for origin, before in zip(self.origins, self.fingerprint, strict=True):
            if fingerprint(origin) != before:
                raise InputError(f"{origin} was changed while it was read; leave it alone and start again")

    def _ranges(self, first: int, end: int) -> list[tuple[tuple[tuple[ListFile, int], ...], int, int]]:
        """Files with their offsets, and the rows wanted of each: whole files of equal columns
        together, cut ones alone.
        """
        wanted, offset = [], 0
        for part in self.parts:
            lower, upper = max(first - offset, 0), min(end - offset, part.rows)
            if lower < upper:
                whole = (lower, upper) == (0, part.rows)
                alike = (part.mark, *part.types.items()) if whole else (offset,)
                wanted.append(((part, offset), lower, upper, alike))
            offset += part.rows
        ranges = []
        for _, group in groupby(wanted, key=lambda entry: entry[3]):
            entries = list(group)
            whole = len(entries) > 1
            lower, upper = (0, 0) if whole else entries[0][1:3]
            ranges.append((tuple(entry[0] for entry in entries), lower, upper))
        return ranges

    def _scan(self, parts: Sequence[tuple[ListFile, int]], lower: int, upper: int, *, tidy: bool) -> str:
        types = parts[0][0].types
        columns = canonical_columns(
            self.mapping,
            types,
            self.defaults,
            self.attributes,
            self.attribute_constants,
            self.outcome,
            tidy=tidy,
        )
        if self.sieved:
            mark = parts[0][0].mark
            columns[MALFORMED] = "NULL::VARCHAR" if mark is None else identifier(mark)
        files = ", ".join(literal(str(part.path)) for part, _ in parts)
        # The virtual columns are named instead of asked for by option: the option fails where a
        # file has one of that name.
        if len(parts) > 1:
            offsets = ", ".join(str(offset + 1) for _, offset in parts)
            row_number, where = f"file_row_number + ([{offsets}]::BIGINT[])[file_index::BIGINT + 1]", ""
        else:
            row_number = f"file_row_number + {parts[0][1] + 1}"
            where = f" WHERE file_row_number >= {lower} AND file_row_number < {upper}"
        taken = ",\n".join(f"{expression} AS {identifier(name)}" for name, expression in columns.items())
        return f"SELECT {taken},\n{row_number} AS row_number\nFROM read_parquet([{files}], hive_partitioning = false){where}"


def fingerprint(file: Path) -> tuple[int, int]:
    """Size and modification time in nanoseconds.

    Raises:
        InputError: it is not there or cannot be looked at.
    """
    try:
        status = file.stat()
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}") from error
    return status.st_size, status.st_mtime_ns
