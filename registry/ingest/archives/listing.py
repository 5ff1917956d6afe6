"""A ZIP's or a plain TAR's members listed first, so that several processes can then read them in
any order.

    names = open_zip(path).names         # each process opens the ZIP for itself and reads its share of the names
    members = tar_index(path).members    # each process reads its share of the members

A compressed TAR has no such list: to reach a member, everything before it must be unpacked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from registry.errors import InputError
from registry.ingest.archives.limits import DamageError, Limits
from registry.ingest.archives.member_filter import Gate
from registry.ingest.archives.opening import (
    DEFAULT,
    ArchiveMember,
    OpenArchive,
    about,
    every,
    is_zip,
    judged,
    open_directory,
    printable,
)
from registry.ingest.archives.sources import FileSource, open_regular, read_at
from registry.ingest.archives.tars import BLOCK, is_tar_header, walk_tar
from registry.ingest.findings import Finding, Kind


@dataclass(frozen=True)
class IndexedMember:
    """Where in a plain TAR a member's bytes are."""

    path: str
    offset: int
    size: int


@dataclass(frozen=True)
class TarIndex:
    """What a plain TAR holds, in its order."""

    members: tuple[IndexedMember, ...]
    findings: tuple[Finding, ...]
    hidden: int


class ZipArchive(OpenArchive):
    """A ZIP whose members are read in any order; one process opens it for itself, and two threads
    may share it.

    Raises:
        InputError: it is no ZIP, nothing of it can be read, or it lists too many members to hold
            their names in memory.
    """

    def __init__(self, path: Path, limits: Limits = DEFAULT) -> None:
        super().__init__(path, every, limits)
        try:
            with about(path):
                if not is_zip(self._descriptor):
                    raise DamageError("not a ZIP file")
                self._directory = open_directory(self._descriptor, limits)
                if self._directory.count > limits.indexed:
                    raise DamageError(
                        f"{self._directory.count:,} members, at most {limits.indexed:,} can be listed at once"
                    )
                self._places: dict[str, int] = {}
                found: list[Finding] = []
                for place, entry in self._directory.entries():
                    admitted = None if entry.is_folder else self._gate.admit(entry.name, entry.fault)
                    if isinstance(admitted, str):
                        self._places[admitted] = place
                    elif admitted:
                        found.append(admitted)
        except BaseException:
            self.close()
            raise
        self.names = tuple(self._places)
        """What can be read, in the archive's order."""
        self.findings = tuple(found)
        """What is refused by its name or kind."""

    def read(self, name: str) -> ArchiveMember | Finding:
        """One of ``names``, or why it is refused."""
        if name not in self._places:
            raise InputError(f"no member {name[:200]!r} in {self._gate.archive}; ask for one of its names")
        try:
            data = self._directory.read(self._directory.entry_at(self._places[name]))
        except DamageError as error:
            data = str(error)
        return judged(self._gate, name, data)


def open_zip(path: Path, *, limits: Limits = DEFAULT) -> ZipArchive:
    """A ZIP for reading in any order; see :class:`ZipArchive`."""
    return ZipArchive(path, limits)


def member_names(path: Path, *, limits: Limits = DEFAULT) -> tuple[str, ...]:
    """The members of a ZIP that can be asked for, in its order."""
    with open_zip(path, limits=limits) as archive:
        return archive.names


def tar_index(path: Path, *, limits: Limits = DEFAULT) -> TarIndex:
    """List a plain TAR by its headers alone, passing over the bytes between them.

    Raises:
        InputError: it is no TAR or a compressed one, nothing of it can be read, or it has too many
            members for a list.
    """
    gate = Gate(printable(path), limits, every)
    members: list[IndexedMember] = []
    findings: list[Finding] = []
    descriptor = open_regular(path)
    try:
        with about(path):
            if not is_tar_header(read_at(descriptor, BLOCK, 0)):
                raise DamageError("not a TAR file, or a compressed one, whose members cannot be read in any order")
        for entry in walk_tar(FileSource(descriptor), limits):
            if gate.count == limits.indexed:
                raise InputError(f"more than {limits.indexed:,} members in {gate.archive}; read it in order instead")
            path_or_finding = gate.admit(entry.name, entry.fault)
            if isinstance(path_or_finding, str):
                members.append(IndexedMember(path_or_finding, entry.offset, entry.size))
            elif path_or_finding:
                findings.append(path_or_finding)
    except DamageError as error:
        if not gate.count:
            raise InputError(f"cannot read the archive {gate.archive}: {error}") from error
        if members and members[-1].offset + members[-1].size > os.fstat(descriptor).st_size:
            members.pop()
        findings.append(Finding(gate.archive, Kind.REFUSED, f"the rest of the archive cannot be read: {error}"))
    finally:
        os.close(descriptor)
    return TarIndex(tuple(members), tuple(findings), gate.hidden)


def read_indexed(path: Path, member: IndexedMember) -> ArchiveMember | Finding:
    """Read one member of a plain TAR from where :func:`tar_index` found it."""
    gate = Gate(printable(path), DEFAULT, every)
    descriptor = open_regular(path)
    try:
        data = read_at(descriptor, member.size, member.offset)
    except DamageError as error:
        return gate.refuse(member.path, str(error))
    finally:
        os.close(descriptor)
    return judged(gate, member.path, data if len(data) == member.size else "cut off: the file ends inside it")
