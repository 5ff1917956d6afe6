"""Files: works, samples and audits have the recorded hashes; unrecorded files are leftovers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from registry.doctor.findings import Examination, Progress, Severity
from registry.storage.database import Registry

SMALL = 4 * 2**30
"""Bytes of all works, up to which they are read by default."""

_MEMBER_OF_ARCHIVE = "!/"
_AT_ONCE = 10_000

Check = tuple[str, Path, str, int | None, str]
"""Place for the finding, file, SHA-256, size if known, and repair."""


def bytes_of_works(registry: Registry) -> int:
    """Bytes of all registered files that are not missing."""
    with registry.connection() as connection:
        query = "SELECT coalesce(sum(byte_size), 0)::BIGINT FROM asset WHERE missing_since IS NULL"
        return int(connection.execute(query).fetchall()[0][0])


def check_works(registry: Registry, found: Examination, on_progress: Progress) -> None:
    """Read every work in a folder, and compare its hash."""
    total = 0
    with registry.connection() as connection:
        total, archived = connection.execute(
            "SELECT count(*) FILTER (NOT contains(path, ?)), count(*) FILTER (contains(path, ?)) FROM asset "
            "JOIN data_set ON data_set.id = data_set_id WHERE byte_size IS NOT NULL AND missing_since IS NULL "
            "AND path IS NOT NULL AND kind = 'folder'",
            [_MEMBER_OF_ARCHIVE, _MEMBER_OF_ARCHIVE],
        ).fetchall()[0]
    done = 0
    for checks in _works(registry):
        done += _check_all(checks, "works", Severity.WARNING, found)
        on_progress("works", done, total)
    found.checked["works"] = done
    if archived:
        found.skipped["works in archives"] = (
            f"{archived:,} works are in archives; register the archives again to check them"
        )


def _works(registry: Registry) -> Iterator[list[Check]]:
    """Works in folders, in batches; the registry is closed between batches."""
    last = -1
    while True:
        with registry.connection() as connection:
            rows = connection.execute(
                "SELECT asset.id, root, path, sha256, byte_size FROM asset JOIN data_set ON data_set.id = data_set_id "
                "WHERE asset.id > ? AND byte_size IS NOT NULL AND missing_since IS NULL AND path IS NOT NULL "
                "AND kind = 'folder' AND NOT contains(path, ?) ORDER BY asset.id LIMIT ?",
                [last, _MEMBER_OF_ARCHIVE, _AT_ONCE],
            ).fetchall()
        if not rows:
            return
        last = rows[-1][0]
        yield [
            (f"work {number}", Path(root, path), sha256, size, f"restore the file, or register {root} again")
            for number, root, path, sha256, size in rows
        ]


def check_outputs(registry: Registry, found: Examination) -> None:
    """Check the images and tensors of samples, and the results of audits."""
    home = registry.home
    with registry.connection() as connection:
        samples = connection.execute("SELECT id, seed, image_sha256, tensors_sha256 FROM sample ORDER BY id").fetchall()
        audits = connection.execute("SELECT id, artefact_sha256 FROM audit ORDER BY id").fetchall()
    checks: list[Check] = []
    for number, seed, image, tensors in samples:
        repair = f"run `creditline sample --seed {seed}` again with the same settings: it restores the files"
        checks.append((f"sample {number}", home.sample_image(number), image, None, repair))
        checks.append((f"sample {number}", home.sample_tensors(number), tensors, None, repair))
    checks += [
        (f"audit {number}", home.audit(number), sha256, None, "restore the file from a copy, or run the audit again")
        for number, sha256 in audits
    ]
    found.checked["outputs"] = _check_all(checks, "outputs", Severity.WARNING, found)


def check_leftovers(registry: Registry, found: Examination) -> None:
    """Note files of the home that no row names: leftovers of a stopped command."""
    home = registry.home
    with registry.connection() as connection:
        known = {
            name: {str(number) for (number,) in connection.execute(f"SELECT id FROM {name}").fetchall()}  # noqa: S608 - names below
            for name in ("base_model", "member", "sample", "audit", "ensemble")
        }
    places = (
        ("bases", "base_model"),
        ("members", "member"),
        ("references", "ensemble"),
        ("samples", "sample"),
        ("jacobians", "sample"),
        ("audits", "audit"),
    )
    for folder, table in places:
        for path in _entries(home.root / folder):
            if path.name.split(".")[0] not in known[table] or path.name.endswith(".part"):
                _leftover(found, path, f"no {table} has this name")
    for path in _entries(home.staging):
        _leftover(found, path, "a list being read, or the copy for a dry run")
    for path in _entries(home.root):
        if path.name.endswith(".part"):
            _leftover(found, path, "an unfinished file")


def _leftover(found: Examination, path: Path, why: str) -> None:
    what = f"{why}: a stopped command left it; it is harmless"
    repair = f"run the command again, or `rm -r '{path}'` while no command is running"
    found.add("leftovers", Severity.NOTE, str(path), what, repair)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _check_all(checks: Iterable[Check], name: str, severity: Severity, found: Examination) -> int:
    done = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for (where, path, _, _, repair), wrong in pool.map(lambda check: (check, _fault(*check[1:4])), checks):
            done += 1
            if wrong:
                found.add(name, severity, where, f"{path} {wrong}", repair)
    return done


def _fault(path: Path, sha256: str, size: int | None) -> str | None:
    try:
        if not path.is_file():
            return "is missing"
        if size is not None and path.stat().st_size != size:
            return f"has {path.stat().st_size:,} bytes, expected {size:,}: it was changed"
        with path.open("rb") as file:
            got = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"
    return None if got == sha256 else f"was changed: its SHA-256 is {got[:12]}…, expected {str(sha256)[:12]}…"
