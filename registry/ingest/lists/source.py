"""A list of works that has been opened: its columns and files, as SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby
from pathlib import Path
from types import MappingProxyType

from registry.errors import InputError
from registry.ingest.lists.columns import (
    CANONICAL,
    MALFORMED,
    TIDIED_LATER,
    Constant,
    MadeCaption,
    canonical_columns,
    refusal,
)
from registry.ingest.lists.connection import identifier, literal
from registry.signals import RightsSignal

__all__ = ["CANONICAL", "Constant", "ListFile", "ListSource", "fingerprint"]


@dataclass(frozen=True)
class ListFile:
    """One Parquet file: how many rows, and the DuckDB type of each column."""

    path: Path
    rows: int
    types: Mapping[str, str]
    mark: str | None = None
    """The column with the fault of each malformed line; None if there is no such line."""
    lines: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    """The line of the file by row (from 1), for the first malformed lines."""

    def with_malformed_lines(self, mark: str, lines: Mapping[int, int]) -> ListFile:
        """This file with malformed lines among its rows."""
        types = {name: kind for name, kind in self.types.items() if name != mark}
        return ListFile(self.path, self.rows, MappingProxyType(types), mark, MappingProxyType(dict(lines)))


@dataclass(frozen=True)
class ListSource:
    """A list of works as a relation over Parquet files.

    ``mapping``: canonical column to source column or constant. ``defaults``: values for rows that
    state none. ``outcome``: img2dataset's column that states whether a work was fetched.
    ``fingerprint``: size and modification time (ns) of ``origins``, the user's files.
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
    signals: tuple[RightsSignal, ...] = ()
    """Rights signals about every work of the list."""
    made: MadeCaption | None = None
    """A template of captions."""
    origins: tuple[Path, ...] = ()
    parts: tuple[ListFile, ...] = ()

    @property
    def has_malformed_lines(self) -> bool:
        """Whether some rows are malformed lines."""
        return any(part.mark is not None for part in self.parts)

    @property
    def untidied(self) -> tuple[str, ...]:
        """The texts of :meth:`select` that are as the list has them, see
        :data:`registry.ingest.lists.columns.TIDIED_LATER`.
        """
        return tuple(name for name in TIDIED_LATER if self.states(name) and name not in self.defaults)

    def states(self, name: str) -> bool:
        """Whether rows can have a value of a canonical column."""
        return name in self.mapping or name in self.defaults or (name == "caption" and self.made is not None)

    def select(self) -> str:
        """A ``SELECT`` of all rows in order, with ``row_number`` and the input of :meth:`reasons`.

        ``row_number`` counts from 1 over all files. Texts are not composed yet
        (:data:`registry.ingest.lists.columns.COMPOSED`), and those in :attr:`untidied` not trimmed:
        :func:`registry.ingest.bulk.texts.tidied` does both for a fraction of what SQL needs.
        """
        offsets = accumulate((part.rows for part in self.parts), initial=0)
        parts = zip(self.parts, offsets, strict=False)
        groups = groupby(parts, key=lambda entry: (entry[0].mark, *entry[0].types.items()))
        return "\nUNION ALL\n".join(self._scan(list(group)) for _, group in groups)

    def reasons(self, rows: str) -> str:
        """A ``SELECT`` of ``row_number`` and ``reason`` over a relation of these rows."""
        reason = refusal(self.mapping, self.outcome, malformed=self.has_malformed_lines)
        return f"SELECT row_number, {reason} AS reason FROM {rows}"  # noqa: S608 - our name

    def place(self, row_number: int) -> str:
        """The place of a row, for a message: the file if there are several, and row or line."""
        offset = 0
        for origin, part in zip(self.origins, self.parts, strict=True):
            if row_number <= offset + part.rows:
                line = part.lines.get(row_number - offset)
                row = f"row {row_number - offset:,}" if line is None else f"line {line:,}"
                return f"{origin.name}, {row}" if len(self.parts) > 1 else row
            offset += part.rows
        return f"row {row_number:,}"

    def verify(self) -> None:
        """Check that no file was changed since the list was opened.

        Raises:
            InputError: one was changed or is gone.
        """
        for origin, before in zip(self.origins, self.fingerprint, strict=True):
            if fingerprint(origin) != before:
                raise InputError(f"{origin} was changed while it was read; leave it alone and start again")

    def _scan(self, parts: Sequence[tuple[ListFile, int]]) -> str:
        """Files with the same columns, each with the number of rows before it."""
        types = parts[0][0].types
        columns = canonical_columns(
            self.mapping,
            types,
            self.defaults,
            self.attributes,
            self.attribute_constants,
            self.outcome,
            self.made,
        )
        if self.has_malformed_lines:
            mark = parts[0][0].mark
            columns[MALFORMED] = "NULL::VARCHAR" if mark is None else identifier(mark)
        files = ", ".join(literal(str(part.path)) for part, _ in parts)
        # The virtual columns are named: their option fails where a file has one of that name.
        if len(parts) > 1:
            offsets = ", ".join(str(offset + 1) for _, offset in parts)
            row_number = f"file_row_number + ([{offsets}]::BIGINT[])[file_index::BIGINT + 1]"
        else:
            row_number = f"file_row_number + {parts[0][1] + 1}"
        taken = ",\n".join(f"{expression} AS {identifier(name)}" for name, expression in columns.items())
        return f"SELECT {taken},\n{row_number} AS row_number\nFROM read_parquet([{files}], hive_partitioning = false)"


def fingerprint(file: Path) -> tuple[int, int]:
    """Size and modification time in nanoseconds.

    Raises:
        InputError: it does not exist or cannot be read.
    """
    try:
        status = file.stat()
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}") from error
    return status.st_size, status.st_mtime_ns
