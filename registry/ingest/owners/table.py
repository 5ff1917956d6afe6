"""The owner table: its columns, and the row for each file.

Columns, in upper or lower case: ``path`` (relative to the folder) or ``sha256`` names the file;
with both, the path finds it and the hash must agree. ``rightsholder`` names the owner. ``licence``,
``title``, ``creator``, ``source_url`` (or ``url``) and ``caption`` (or ``text``, ``prompt``) are
recorded too; every further column becomes an attribute of the work.

Several rightsholders are in ``rightsholder``, ``rightsholder_2``, ``rightsholder_3`` and so on,
each with optional ``…_role`` and ``…_share``; a share is a number from 0 to 1, or a percentage.

An unusable row, such as one of two that contradict each other, is ignored and becomes a finding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from registry.captions.sources import Source, caption_column
from registry.captions.texts import in_order
from registry.errors import InputError
from registry.ingest.findings import Finding, Kind
from registry.ingest.owners.declarations import Declaration, Holder, NoDeclaration, OwnerSource
from registry.ingest.owners.table_files import TableRow, read_table
from registry.rightsholders.no_names import names_nobody
from registry.text import BLANKS, has_control_characters, tidy

_OTHER_NAMES: Mapping[str, str] = MappingProxyType({"license": "licence", "url": "source_url"})
_STATED = ("rightsholder", "licence", "title", "creator", "source_url")
_HOLDER = re.compile(r"rightsholder(?:_(?P<number>[2-9]|[1-9]\d{1,2}))?(?:_(?P<fact>role|share))?")
_OWN = frozenset({*_STATED, "path", "sha256", "caption"})
_ONE_LINE = ("path", "sha256", "rightsholder", "licence")


class _UnusableRowError(Exception):
    """Why a row is ignored."""


class OwnerTable(OwnerSource):
    """A table of declarations, matched to files by relative path or by hash."""

    def __init__(self, path: Path, *, licence: str | None = None, allow_unowned: bool = False) -> None:
        """Read the table; ``licence`` is for rows that state none.

        Raises:
            InputError: the table cannot be read, or lacks a column.
        """
        table = read_table(path)
        self.name = path.name
        self.licence = licence
        self.allow_unowned = allow_unowned
        self.columns = _canonical_columns(path, table.columns)
        self._holder_columns = _holder_columns(self.columns)
        self._own_columns = {name for each in self._holder_columns.values() for name in each.values()}
        self.attribute_names = [name for name in self.columns if name not in _OWN | self._own_columns]
        self.key = "path" if "path" in self.columns else "sha256"
        self.findings: list[Finding] = []
        self._declarations: dict[str, Declaration] = {}
        self._spellings: dict[str, str] = {}  # the key as the table has it, and the hash it states
        self._hashes: dict[str, str] = {}
        self._nobody: dict[str, str] = {}  # words for nobody, in place of a rightsholder
        self._lines: dict[str, int] = {}
        self._spoiled: dict[str, str] = {}
        self._asked: set[str] = set()
        for row in table.rows:
            self._add(row)

    def declare(self, path: str, sha256: str) -> Declaration | NoDeclaration:
        key = _path_key(path) if self.key == "path" else sha256
        self._asked.add(key)
        if key in self._spoiled:
            return NoDeclaration(f"its owner is unclear: {self._spoiled[key]}")
        declaration = self._declarations.get(key)
        if declaration is None:
            if self.allow_unowned:
                return Declaration(self.name, licence=self.licence)
            return NoDeclaration(f"no owner stated: {self.name} has no row for it")
        if self._hashes.get(key, sha256) != sha256:
            return NoDeclaration(f"its content is not that of line {self._lines[key]} of {self.name} (another sha256)")
        if declaration.rightsholder is None and not self.allow_unowned:
            said = self._nobody.get(key)
            instead = f"says {said!r}, which names nobody" if said else "has no rightsholder"
            return NoDeclaration(f"no owner stated: line {self._lines[key]} of {self.name} {instead}")
        return declaration

    def unused(self) -> list[Finding]:
        return [
            Finding(self._spellings[key], Kind.ROW, f"line {line} of {self.name}: no such file in the folder")
            for key, line in self._lines.items()
            if key not in self._asked
        ]

    def _add(self, row: TableRow) -> None:
        values: dict[str, str | None] = dict(zip(self.columns, row.values, strict=False))
        spelling = (values.get(self.key) or "").strip(BLANKS)
        try:
            key = self._key_of(row, values)
            said = self._take_nobody(values)
            caption = in_order(values.get("caption") or "")
            declaration = self._declaration(values, caption.text)
        except _UnusableRowError as error:
            self.findings.append(Finding(spelling, Kind.ROW, f"line {row.number} of {self.name}: {error}"))
            return
        if caption.note:
            self.findings.append(Finding(spelling, Kind.CAPTION, f"line {row.number} of {self.name}: {caption.note}"))
        earlier = self._lines.get(key)
        if said and earlier is None:
            self._nobody[key] = said[0]
        if said and (self.allow_unowned or declaration.rightsholder):
            reason = f"line {row.number} of {self.name}: {', '.join(map(repr, said))} names nobody: no rightsholder"
            self.findings.append(Finding(spelling, Kind.ROW, reason))
        if earlier is None:
            self._lines[key] = row.number
            self._spellings[key] = spelling
            self._declarations[key] = declaration
            if self.key == "path" and (stated := tidy(values.get("sha256"))):
                self._hashes[key] = stated.lower()
            return
        same = self._declarations[key] == declaration
        reason = (
            f"lines {earlier} and {row.number} of {self.name} {'say the same' if same else 'contradict each other'}"
        )
        self.findings.append(Finding(spelling, Kind.ROW, reason))
        if not same:
            self._spoiled[key] = reason

    def _take_nobody(self, values: dict[str, str | None]) -> list[str]:
        """Empty the cells that name nobody in place of a rightsholder; returns their words."""
        columns = ["rightsholder", *(each["name"] for each in self._holder_columns.values())]
        found = [name for name in dict.fromkeys(columns) if (text := tidy(values.get(name))) and names_nobody(text)]
        said = [str(tidy(values[name])) for name in found]
        values |= dict.fromkeys(found)
        return said

    def _key_of(self, row: TableRow, values: Mapping[str, str | None]) -> str:
        if len(row.values) != len(self.columns):
            raise _UnusableRowError(f"{len(row.values)} fields, expected {len(self.columns)}")
        for name, value in values.items():
            if name == "caption":
                continue  # brought into order, as every caption is
            one_line = name in _ONE_LINE or _HOLDER.fullmatch(name)
            if has_control_characters((value or "").strip(BLANKS), "" if one_line else "\n\r\t"):
                raise _UnusableRowError(f"control characters in {name!r}")
        text = (values.get(self.key) or "").strip(BLANKS)
        if not text:
            raise _UnusableRowError(f"no {self.key}")
        if self.key == "sha256":
            if not re.fullmatch("[0-9a-fA-F]{64}", text):
                raise _UnusableRowError("its sha256 is not 64 hexadecimal digits")
            return text.lower()
        key = _path_key(text)
        if key.startswith("/") or re.match("[A-Za-z]:/", key) or ".." in PurePosixPath(key).parts:
            raise _UnusableRowError("a path that leaves the folder; expected a path relative to the folder")
        return key

    def _declaration(self, values: Mapping[str, str | None], caption: str | None) -> Declaration:
        stated = {name: tidy(values.get(name)) for name in _STATED}
        holders = self._holders(stated["rightsholder"], values)
        further = {
            name: value.strip(BLANKS)
            for name, value in values.items()
            if name not in _OWN and name not in self._own_columns and value and value.strip(BLANKS)
        }
        licence = stated["licence"] or self.licence
        empty = {"rightsholder"} if stated["rightsholder"] is None else set()
        empty |= {"licence"} if licence is None and "licence" in self.columns else set()
        return Declaration(
            self.name,
            rightsholder=stated["rightsholder"],
            licence=licence,
            title=stated["title"],
            creator=stated["creator"],
            source_url=stated["source_url"],
            attributes=MappingProxyType(further),
            holders=holders,
            empty=frozenset(empty),
            captions=MappingProxyType({Source.COLUMN: caption} if caption else {}),
        )

    def _holders(self, first: str | None, values: Mapping[str, str | None]) -> tuple[Holder, ...] | None:
        """All rightsholders of a row; empty if there is one, without role and share."""
        if not self._holder_columns:
            return None
        found: list[Holder] = []
        for number, columns in self._holder_columns.items():
            name = first if number == 1 else tidy(values.get(columns["name"]))
            role, share = (tidy(values.get(columns.get(fact, ""))) for fact in ("role", "share"))
            if name is None:
                if role or share:
                    raise _UnusableRowError(f"rightsholder {number} has a role or share, but no name")
                continue
            if first is None:
                raise _UnusableRowError(f"rightsholder {number} is named, but the first one is not")
            found.append(Holder(name, role, None if share is None else _share(share)))
        if sum(holder.share or 0.0 for holder in found) > 1.0 + 1e-9:
            raise _UnusableRowError("the shares of its rightsholders add up to more than 1")
        if len({holder.name for holder in found}) < len(found):
            raise _UnusableRowError("a rightsholder is named twice")
        alone = len(found) == 1 and found[0].role is None and found[0].share is None
        return () if alone else tuple(found)


def _share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise _UnusableRowError(f"the share {text[:40]!r}; expected a number from 0 to 1, or a percentage")
    return share


def _holder_columns(columns: tuple[str, ...]) -> dict[int, dict[str, str]]:
    """The columns of each rightsholder, by number; empty if the only one is ``rightsholder``."""
    found: dict[int, dict[str, str]] = {}
    for column in columns:
        if match := _HOLDER.fullmatch(column):
            found.setdefault(int(match["number"] or 1), {})[match["fact"] or "name"] = column
    if set(found) == {1} and set(found[1]) == {"name"}:
        return {}
    return {number: {"name": "", **columns_of} for number, columns_of in sorted(found.items())}


def _canonical_columns(path: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    columns = []
    captions = caption_column(name.strip().lower() for name in names)
    for name in names:
        lower = name.strip().lower()
        lower = "caption" if lower == captions else _OTHER_NAMES.get(lower, lower)
        columns.append(lower if lower in _OWN or _HOLDER.fullmatch(lower) else name.strip())
    found = ", ".join(repr(name) for name in names)
    if not {"path", "sha256"} & set(columns) or "rightsholder" not in columns:
        raise InputError(
            f"{path} has the columns {found}; expected 'path' or 'sha256', and 'rightsholder' "
            "(further ones: 'licence', 'title', 'creator', 'source_url', 'caption', 'rightsholder_2')"
        )
    repeated = next((name for number, name in enumerate(columns) if name in columns[:number]), None)
    if repeated is not None:
        raise InputError(f"{path} has the column {repeated!r} twice (columns: {found}); rename one")
    if "" in columns:
        raise InputError(f"{path} has a column without a name (columns: {found}); name it or leave it out")
    return tuple(columns)


def _path_key(path: str) -> str:
    """One key for all spellings of a path: Windows' separators, ``./``, decomposed letters."""
    text = (tidy(path) or "").replace("\\", "/")
    return ("/" if text.startswith("/") else "") + "/".join(part for part in text.split("/") if part not in ("", "."))
