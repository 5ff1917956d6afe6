"""Checks of the names of archive members, the same for every format."""

from __future__ import annotations

import re
import secrets
from array import array
from collections.abc import Callable
from hashlib import blake2b

from registry.ingest.archives.limits import DamageError, Limits
from registry.ingest.archives.member_names import MemberName
from registry.ingest.findings import Finding, Kind

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters, and characters that make a name look like another one."""
_DRIVE = re.compile(r"[A-Za-z]:")
_SHOWN = 200

_MAGIC = (
    (b"PK\x03\x04", "ZIP"),
    (b"PK\x05\x06", "ZIP"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"Rar!\x1a\x07", "RAR"),
)


class MemberFilter:
    """Checks the members of one archive by name, and counts them.

    Example:
        ``admit(MemberName("./cats//1.jpg"))`` is ``"cats/1.jpg"``; ``../1.jpg`` is a finding;
        ``.git/x`` is None.
    """

    def __init__(self, archive: str, limits: Limits, include: Callable[[str], bool]) -> None:
        self.archive = archive
        self.hidden = 0
        """Members passed over: a part of the path begins with a dot or is ``__MACOSX``."""
        self.count = 0
        self._limits = limits
        self._include = include
        self._seen = _SeenNames()

    def admit(self, name: MemberName, reason: str | None = None) -> str | Finding | None:
        """The normalised path, a finding, or None to pass over; a ``reason`` refuses any name.

        Raises:
            DamageError: the archive has too many members.
        """
        self.count += 1
        if self.count > self._limits.members:
            raise DamageError(f"more than {self._limits.members:,} members; split the archive")
        path, fault = self._normalised(name.text)
        if fault := fault or name.fault:
            return self.refuse(path, fault)
        if any(part[0] == "." or part == "__MACOSX" for part in path.split("/")):
            self.hidden += 1
            return None
        if not self._include(path):
            return None
        if reason:
            return self.refuse(path, reason)
        if not self._seen.add(path.encode()):
            return self.refuse(path, "a second member of this name; only the first is taken")
        return path

    def refuse(self, path: str, reason: str) -> Finding:
        return Finding(f"{self.archive}!/{path}", Kind.REFUSED, reason)

    def _normalised(self, name: str) -> tuple[str, str | None]:
        size = len(name.encode())
        if size > self._limits.name_bytes:
            return _shown(name), f"a name of {size:,} bytes, at most {self._limits.name_bytes:,} are taken"
        if _CONTROL.search(name):
            return _shown(name), "the name holds control characters"
        if "\\" in name:
            return _shown(name), "the name holds a backslash; parts of a path are joined by forward slashes"
        if name.startswith("/") or _DRIVE.match(name):
            return _shown(name), "an absolute path, which leads out of the archive"
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in parts:
            return _shown(name), "a path with '..', which leads out of the archive"
        if not parts:
            return _shown(name), "a member without a name"
        return "/".join(parts), None


def nested_archive(data: bytes) -> str | None:
    """Why a member that is an archive or a compressed file is refused; None for any other."""
    kind = next((name for magic, name in _MAGIC if data.startswith(magic)), None)
    if kind is None and data[257:262] == b"ustar":
        kind = "TAR"
    return kind and f"an archive inside the archive ({kind}), which is not opened; unpack it and register what it holds"


def _shown(name: str) -> str:
    """A hostile name in a form that can be printed and stored."""
    text = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", name[: 4 * _SHOWN])
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


class _SeenNames:
    """A set of names in 11 to 22 bytes each, where a set of strings would need 200.

    It holds 64-bit hashes under a random key: among twenty million names the chance of any
    collision is one in ninety thousand, and the archive's author cannot cause one without the key.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(16)
        self._slots = array("Q", [0]) * 1024
        self._used = 0

    def add(self, name: bytes) -> bool:
        """Whether the name is new."""
        value = int.from_bytes(blake2b(name, digest_size=8, key=self._key).digest(), "big") or 1
        if not self._insert(value):
            return False
        self._used += 1
        if 4 * self._used > 3 * len(self._slots):
            old = self._slots
            self._slots = array("Q", [0]) * (2 * len(old))
            for kept in old:
                if kept:
                    self._insert(kept)
        return True

    def _insert(self, value: int) -> bool:
        slots, mask = self._slots, len(self._slots) - 1
        place = value & mask
        while found := slots[place]:
            if found == value:
                return False
            place = (place + 1) & mask
        slots[place] = value
        return True
