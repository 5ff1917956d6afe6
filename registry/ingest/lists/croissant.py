"""Croissant (MLCommons, 1.0 and 1.1): JSON-LD descriptions of data sets, read for their works.

Used are the local files that a record set reads, the columns that its fields extract, and the data
set's licence, creator, name, URL and citation, for works that state none. Its conditions of use
count for every work (:mod:`registry.ingest.lists.usage_conditions`).
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from registry.errors import InputError
from registry.ingest.lists.columns import IDENTITY
from registry.ingest.lists.connection import one_line
from registry.ingest.lists.presets import canonical_of
from registry.ingest.lists.usage_conditions import usage_signals
from registry.signals import RightsSignal

LARGEST_DESCRIPTION = 2**24
MOST_FILES = 100_000
_LONGEST_DEFAULT = 2_000

_Node = Mapping[str, Any]


@dataclass(frozen=True)
class Described:
    """Files with the works, canonical column to source column, what counts for every work."""

    files: tuple[Path, ...]
    columns: Mapping[str, str]
    defaults: Mapping[str, str]
    attributes: Mapping[str, str]
    signals: tuple[RightsSignal, ...]


def read_croissant(path: Path) -> Described:
    """Read a description and find its files beside it.

    Raises:
        InputError: no Croissant, no works, or files missing, changed or outside the folder.
    """
    document = _load(path)
    resources = {_id(node): node for node in _nodes(document, "distribution")}
    candidates = []
    for record_set in _nodes(document, "recordSet"):
        source, columns = _columns(record_set)
        if source is not None and set(columns) & set(IDENTITY):
            candidates.append((source, columns))
    if not candidates:
        if any(_names_works(node) for node in _rows_inside(document)):
            raise InputError(
                f"{path} holds the rows of its works in itself (inline data), which is not read; supported is a record set "
                "that reads a CSV, Parquet or JSON-lines file beside the description: write the rows to such a file and "
                "register that"
            )
        raise InputError(
            f"{path} has no record set with a field for the path, URL or hash of a work; give its CSV, Parquet or JSON "
            "lines instead, and map the columns"
        )
    if len({source for source, _ in candidates}) > 1:
        raise InputError(f"{path} describes {len(candidates)} lists of works; give one of their files instead")
    source, columns = candidates[0]
    if source not in resources:
        raise InputError(f"{path} reads {one_line(source)!r}, which is not in its distribution")
    files = _files(path, resources, resources[source])
    signals = usage_signals(document, path.name)
    return Described(files, MappingProxyType(columns), _defaults(document), _attributes(document), signals)


def _load(path: Path) -> _Node:
    try:
        if path.stat().st_size > LARGEST_DESCRIPTION:
            raise InputError(
                f"{path} has more than {LARGEST_DESCRIPTION:,} bytes, too many for a Croissant description"
            )
        document = json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {one_line(str(error))}") from error
    if not isinstance(document, dict) or not (
        ("distribution" in document or _rows_inside(document)) and "recordSet" in document
    ):
        raise InputError(f"{path} is not a Croissant description: it has no 'distribution' and 'recordSet'")
    return document


def _rows_inside(document: _Node) -> list[_Node]:
    """Record sets with their rows in the description itself: Croissant's inline data."""
    return [node for node in _nodes(document, "recordSet") if "data" in node or "cr:data" in node]


def _names_works(record_set: _Node) -> bool:
    """Whether one of its fields is named like a work's path, URL or hash."""
    names = [_id(entry).rsplit("/", 1)[-1] for entry in _nodes(record_set, "field")]
    return any(canonical_of(name) in IDENTITY for name in names)


def _nodes(document: _Node, key: str) -> list[_Node]:
    value = document.get(key)
    values = value if isinstance(value, list) else [value]
    return [node for node in values if isinstance(node, dict)]


def _id(node: _Node) -> str:
    for key in ("@id", "name"):
        if isinstance(node.get(key), str):
            return str(node[key])
    return ""


def _reference(node: object) -> str | None:
    if isinstance(node, dict):
        node = node.get("@id")
    return node if isinstance(node, str) else None


def _columns(record_set: _Node) -> tuple[str | None, dict[str, str]]:
    """The file or file set that the record set reads, and its canonical columns."""
    found: list[tuple[str, str, str]] = []
    for entry in _nodes(record_set, "field"):
        source = entry.get("source")
        if not isinstance(source, dict) or not isinstance(extract := source.get("extract"), dict):
            continue
        column = extract.get("column", extract.get("jsonPath"))
        resource = _reference(source.get("fileObject")) or _reference(source.get("fileSet"))
        if resource is None or not isinstance(column, str):
            continue
        column = column.removeprefix("$.")
        canonical = (
            canonical_of(_id(entry).rsplit("/", 1)[-1]) or canonical_of(str(entry.get("name"))) or canonical_of(column)
        )
        if canonical is not None:
            found.append((resource, canonical, column))
    main = next((resource for resource, canonical, _ in found if canonical in IDENTITY), None)
    columns: dict[str, str] = {}
    for resource, canonical, column in found:
        if resource == main:
            columns.setdefault(canonical, column)
    return main, columns


def _files(path: Path, resources: Mapping[str, _Node], node: _Node) -> tuple[Path, ...]:
    container = next((_reference(entry) for entry in _contained_in(node)), None)
    inside = resources.get(container or "")
    if inside is not None and str(inside.get("encodingFormat", "")).lower() not in ("git+https", "directory"):
        raise InputError(
            f"{path}: {one_line(_id(node))!r} is inside {one_line(_id(inside))!r}; unpack that and give the list itself"
        )
    if node.get("@type") in ("cr:FileSet", "FileSet") or ("includes" in node and "contentUrl" not in node):
        return _file_set(path, node)
    return (_file_object(path, node),)


def _contained_in(node: _Node) -> Sequence[object]:
    value = node.get("containedIn", [])
    return value if isinstance(value, list) else [value]


def _file_object(path: Path, node: _Node) -> Path:
    url = node.get("contentUrl")
    if not isinstance(url, str) or not url:
        raise InputError(f"{path}: {one_line(_id(node))!r} has no contentUrl")
    if "://" in url:
        raise InputError(
            f"{path}: {one_line(url)} is not beside it; download it first and write its relative path as contentUrl"
        )
    file = _inside(path, url)
    if not file.is_file():
        raise InputError(f"{path}: there is no file {one_line(url)!r} beside it")
    stated = node.get("sha256")
    if isinstance(stated, str) and stated.strip():
        try:
            with file.open("rb") as opened:
                found = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"cannot read {file}: {error.strerror}") from error
        if found != stated.strip().lower():
            raise InputError(
                f"{file} has the sha256 {found}, but {path.name} states {one_line(stated, 80)}; it was changed"
            )
    return file


def _file_set(path: Path, node: _Node) -> tuple[Path, ...]:
    includes, excludes = _patterns(node.get("includes")), _patterns(node.get("excludes"))
    folder = path.parent
    found = []
    for pattern in includes:
        _inside(path, pattern)
    for number, file in enumerate(sorted(folder.rglob("*"))):
        if number >= MOST_FILES:
            raise InputError(f"{folder} holds more than {MOST_FILES:,} files; put the description beside fewer")
        name = file.relative_to(folder).as_posix()
        included = any(fnmatch.fnmatchcase(name, pattern) for pattern in includes)
        if included and file.is_file() and not any(fnmatch.fnmatchcase(name, pattern) for pattern in excludes):
            found.append(_inside(path, name))
    if not found:
        raise InputError(
            f"{path}: no file beside it is one of {one_line(', '.join(includes)) or 'its includes, which are none'}"
        )
    return tuple(found)


def _patterns(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [pattern.removeprefix("./") for pattern in values if isinstance(pattern, str) and pattern]


def _inside(path: Path, relative: str) -> Path:
    """The file of that name, which must be below the description's folder, links resolved."""
    pure = PurePosixPath(relative.replace("\\", "/"))
    folder = path.parent.resolve()
    if pure.is_absolute() or ".." in pure.parts or ":" in pure.parts[0:1] or "\0" in relative:
        raise InputError(f"{path}: {one_line(relative)!r} leaves its folder")
    try:
        file = (folder / pure).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{path}: {one_line(relative)!r} cannot be followed: {one_line(str(error))}") from error
    if not file.is_relative_to(folder):
        raise InputError(f"{path}: {one_line(relative)!r} leaves its folder")
    return file


def _defaults(document: _Node) -> Mapping[str, str]:
    stated = {
        "licence": _first_text(document.get("license")),
        "creator": _first_text(document.get("creator")),
        "source_url": _first_text(document.get("url")),
    }
    if not str(stated["source_url"]).startswith(("https://", "http://")):
        stated["source_url"] = None
    return MappingProxyType({name: value for name, value in stated.items() if value})


def _attributes(document: _Node) -> Mapping[str, str]:
    stated = {"dataset": _first_text(document.get("name")), "citation": _first_text(document.get("citeAs"))}
    stated["citation"] = stated["citation"] or _first_text(document.get("citation"))
    return MappingProxyType({name: value for name, value in stated.items() if value})


def _first_text(value: object) -> str | None:
    """Text, the name of a person or licence, or the first of several."""
    for _ in range(4):
        if isinstance(value, list):
            value = value[0] if value else None
        elif isinstance(value, dict):
            value = value.get("name") or value.get("url") or value.get("@id")
    if not isinstance(value, str):
        return None
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in value).split())
    return line[:_LONGEST_DEFAULT] or None
