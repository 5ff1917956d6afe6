"""The kind of a source, by its content rather than its name."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

from registry.errors import InputError
from registry.file_kinds import LOOKED_AT, described
from registry.ingest.archives import is_archive
from registry.ingest.reading.webdataset import is_webdataset

_LISTS = re.compile(r"\.(?:parquet|(?:csv|tsv|txt|jsonl|ndjson)(?:\.gz)?|json|jsonld)$", re.IGNORECASE)
_SHARD = re.compile(r"\d+\.tar", re.IGNORECASE)
_ADDRESS = re.compile("[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
_OFFICE = ("an Excel workbook", "a Word document", "a document of an older Microsoft Office, such as .xls")
_LOOKED_AT = 100_000
"""Entries of a folder that decide about its kind, at most."""


class SourceKind(StrEnum):
    """How a source is read."""

    FOLDER = "folder"
    ARCHIVE = "archive"
    SHARDS = "shards"
    LIST = "list"

    @property
    def described(self) -> str:
        """In words, for messages."""
        return _DESCRIBED[self]


_DESCRIBED = {
    SourceKind.FOLDER: "a folder of images",
    SourceKind.ARCHIVE: "an archive",
    SourceKind.SHARDS: "shards of img2dataset",
    SourceKind.LIST: "a list of works",
}


def kind_of(source: Path) -> SourceKind:
    """The kind of a source.

    Raises:
        InputError: it does not exist, or works cannot be registered from it.
    """
    try:
        if source.is_dir():
            return _kind_of_folder(source)
        if not source.is_file():
            got = "is a device or a pipe" if source.exists() else "does not exist"
            if _ADDRESS.match(str(source)):
                raise InputError(f"{source} is an address, and works are registered from files: mount or download it")
            raise InputError(f"{source} {got}; give a folder, an archive or a list of works")
        with source.open("rb") as file:
            start = file.read(LOOKED_AT)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {source}: {getattr(error, 'strerror', None) or error}") from error
    if start[:4] in (b"PAR1", b"PARE"):
        return SourceKind.LIST
    kind = described(start)
    if kind in _OFFICE:
        raise InputError(f"{source} is {kind}; save its table as CSV (`CSV UTF-8`)")
    if not _LISTS.search(source.name) and is_archive(source):
        return SourceKind.SHARDS if is_webdataset(source) else SourceKind.ARCHIVE
    if _LISTS.search(source.name):
        return SourceKind.LIST
    looks = f"{source} looks like {kind}; it is" if kind else f"{source} is"
    raise InputError(
        f"{looks} neither an archive (ZIP or TAR) nor a list of works (.parquet, .csv, .tsv, .jsonl, Croissant .json); "
        "for single images give their folder"
    )


def _kind_of_folder(folder: Path) -> SourceKind:
    """Shards of img2dataset, a list in several Parquet files, or else a folder of images."""
    tables = others = 0
    shard = None
    for number, entry in enumerate(folder.iterdir()):
        if number >= _LOOKED_AT:
            break
        if entry.name.startswith((".", "_")):
            continue
        if entry.suffix.lower() == ".parquet" and entry.is_file():
            tables += 1
        elif _SHARD.fullmatch(entry.name) and entry.is_file():
            shard = entry if shard is None or entry.name < shard.name else shard
        elif not (entry.suffix.lower() in (".json", ".crc", ".md", ".txt") and entry.is_file()):
            others += 1
    if shard is not None and not others and is_archive(shard) and is_webdataset(shard):
        return SourceKind.SHARDS
    return SourceKind.LIST if tables and not others and shard is None else SourceKind.FOLDER
