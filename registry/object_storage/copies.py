"""Copies of what addresses name, in the home: made once, and again where the original changed.

    fetched/<address>/<name>           the file, or the folder with all below it
    fetched/<address>/copied.jsonl     a line per file: its size and version there, its SHA-256 here

A copy is the same as before if size and version (ETag, generation, time of change) are, and if the
file here still has its hash. After all files are copied the originals are looked at once more, so
that a copy is of one state. What an original lost, its copy loses too.

Everything about an original is hostile: its names, its sizes, and that both change meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from registry.errors import CreditlineError, InputError
from registry.home import Home, write_atomically, write_bytes_atomically, writing
from registry.messages import plain_reason
from registry.object_storage.addresses import Address, without_secrets
from registry.storage.job_lock import only_one

CHUNK = 2**20
BLOCK = 2**24
"""Bytes that one request asks for."""
AT_ONCE = 8
"""Files that are copied together."""
LARGEST_FILE = 2**40
LARGEST_UNSTATED = 2**30
"""Bytes of a file whose size its server does not state."""
MOST_FILES = 1_000_000
LONGEST_PART, MOST_PARTS = 255, 64
RECORD = "copied.jsonl"
_VERSIONS = ("ETag", "etag", "generation", "md5Hash", "Last-Modified", "LastModified", "updated", "mtime", "created")


@dataclass(frozen=True)
class Copied:
    """One file of a copy, as the record has it."""

    path: str
    """Relative to the folder of the copy, with ``/``."""
    size: int
    version: str | None
    """As the storage states it; None: nothing, so the file is copied again each time."""
    sha256: str


@dataclass(frozen=True)
class Copy:
    """The copy of what one address names."""

    path: Path
    """The file or folder."""
    address: str
    """As it may be shown and recorded."""
    files: int
    size: int
    """Bytes of all files."""
    copied: int
    """Files that were copied now; the others had not changed."""
    sha256: str
    """Of the one file; of a folder, over the paths and hashes of all files, sorted."""


@dataclass(frozen=True)
class _Original:
    key: str
    path: str
    size: int | None
    version: str | None


def copy_of(home: Home, address: Address, tell: Callable[[int, int], object] = lambda _done, _total: None) -> Copy:
    """Copy what an address names into the home, or find the copy that still is the same.

    ``tell`` gets (bytes just copied, bytes to copy in all).

    Raises:
        InputError: it cannot be read, has names or sizes that are refused, or changed meanwhile.
        MissingPartError: the extra is not installed.
        LockedRegistryError: another process copies it now.
    """
    storage, place = address.file_system(), home.fetched / address.key
    _check_part(address.name, address)
    target = place / address.name
    with only_one(home, f"fetched-{address.key}", f"{address.shown} is being copied"):
        originals = _originals(storage, address)
        known = {each.path: each for each in _recorded(place)}
        kept = [known[each.path] for each in originals if _is_same(known.get(each.path), each, place)]
        there = {each.path for each in kept}
        missing = [each for each in originals if each.path not in there]
        _check_space(home, address, missing)
        _remove_others(place, target, there)
        copied = list(_copied(storage, address, place, missing, tell))
        if copied and _states(_originals(storage, address)) != _states(originals):
            raise InputError(f"{address.shown} was changed while it was copied; run the same command again")
        every = sorted([*kept, *copied], key=lambda each: each.path)
        _record(place, every)
    return Copy(target, address.shown, len(every), sum(each.size for each in every), len(copied), _sha256(every))


def _originals(storage: Any, address: Address) -> list[_Original]:  # noqa: ANN401 - fsspec has no types
    """The files that an address names, sorted.

    Raises:
        InputError: there are none, or one is refused.
    """
    with _read_errors(address):
        storage.invalidate_cache()
        root = storage._strip_protocol(address.text).rstrip("/")
        facts = storage.info(root)
        if facts.get("type") != "directory":
            return [_original(root, address.name, facts, address)]
        listed: Mapping[str, Mapping[str, Any]] = storage.find(root, detail=True)
    if len(listed) > MOST_FILES:
        raise InputError(f"{address.shown} has {len(listed):,} files, expected at most {MOST_FILES:,}: name its parts")
    found = []
    for key, facts in sorted(listed.items()):
        relative = key.removeprefix(f"{root}/")
        # Consoles of storage make such objects for folders.
        if key.rstrip("/") == root or (relative.endswith("/") and not facts.get("size")):
            continue
        for part in relative.split("/"):
            _check_part(part, address)
        if relative.count("/") >= MOST_PARTS:
            raise InputError(f"{address.shown} has a file in more than {MOST_PARTS} folders: {relative[:80]!r}…")
        found.append(_original(key, f"{address.name}/{relative}", facts, address))
    folders = {str(parent) for each in found for parent in Path(each.path).parents}
    for each in found:
        if each.path in folders:
            raise InputError(f"{address.shown} has {each.path!r} as a file and as a folder: rename one of them")
    if not found:
        raise InputError(f"{address.shown} has no files")
    return found


def _original(key: str, path: str, facts: Mapping[str, Any], address: Address) -> _Original:
    size = facts.get("size")
    if size is not None and not 0 <= int(size) <= LARGEST_FILE:
        raise InputError(f"{path} of {address.shown} has {int(size):,} bytes, expected at most {LARGEST_FILE:,}")
    version = next((str(facts[name]) for name in _VERSIONS if facts.get(name)), None)
    return _Original(key, path, None if size is None else int(size), version)


def _check_part(part: str, address: Address) -> None:
    """Refuse the name of a file or folder that this machine could read in another way."""
    if part in ("", ".", "..", RECORD) or "\\" in part or not part.isprintable() or len(part.encode()) > LONGEST_PART:
        raise InputError(f"{address.shown} has the name {part[:80]!r}, which is not kept in a folder here: rename it")


def _states(originals: Sequence[_Original]) -> list[tuple[str, int | None, str | None]]:
    return [(each.path, each.size, each.version) for each in originals]


def _is_same(known: Copied | None, original: _Original, place: Path) -> bool:
    if known is None or known.version is None or (known.size, known.version) != (original.size, original.version):
        return False
    file = place / known.path
    return file.is_file() and not file.is_symlink() and _hash_of(file) == known.sha256


def _hash_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _check_space(home: Home, address: Address, missing: Sequence[_Original]) -> None:
    needed = sum(each.size or 0 for each in missing)
    free = shutil.disk_usage(home.root).free
    if needed > free:
        raise InputError(
            f"{address.shown} needs {needed:,} bytes in {home.root}, which has {free:,} left: free some space"
        )


def _remove_others(place: Path, target: Path, kept: set[str]) -> None:
    """Remove what is not of this copy: files of earlier states, and parts of an interrupted run."""
    with writing(place):
        place.mkdir(parents=True, exist_ok=True)
        for path in place.iterdir():
            if path.name in kept or path.name == RECORD or (path == target and path.is_dir() and not path.is_symlink()):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        for path in sorted(target.rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path.relative_to(place).as_posix() not in kept:
                path.unlink()
        if target.is_dir() and not any(target.iterdir()):
            target.rmdir()


def _copied(
    storage: Any,  # noqa: ANN401 - fsspec has no types
    address: Address,
    place: Path,
    missing: Sequence[_Original],
    tell: Callable[[int, int], object],
) -> Iterator[Copied]:
    """Copy files, several together; yields each once it is whole, and records it."""
    total, stopped, telling = sum(each.size or 0 for each in missing), threading.Event(), threading.Lock()

    def told(count: int) -> None:
        with telling:
            tell(count, total)

    def copy(original: _Original) -> Copied:
        found = hashlib.sha256()
        most = LARGEST_UNSTATED if original.size is None else original.size
        done = 0

        def write(part: Path) -> None:
            nonlocal done
            with part.open("wb") as file:
                for chunk in _chunks(storage, address, original):
                    done += len(chunk)
                    if stopped.is_set():
                        raise InputError(f"{address.shown} was not copied: the command ended")
                    if done > most:
                        break
                    file.write(chunk)
                    found.update(chunk)
                    told(len(chunk))
            if done > most or (original.size is not None and done < most):
                got = "more" if done > most else f"{done:,}"
                raise InputError(
                    f"{original.path} of {address.shown} has {got} bytes where {most:,} were expected: run the same "
                    "command again if it was being written"
                )

        write_atomically(place / original.path, write)
        return Copied(original.path, done, original.version, found.hexdigest())

    with ThreadPoolExecutor(AT_ONCE) as pool, (place / RECORD).open("a", encoding="utf-8") as record:
        waiting = [pool.submit(copy, each) for each in missing]
        try:
            for each in waiting:
                one = each.result()
                # A run that is interrupted leaves what it has copied.
                record.write(json.dumps(asdict(one)) + "\n")
                record.flush()
                yield one
        finally:
            stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)


def _chunks(storage: Any, address: Address, original: _Original) -> Iterator[bytes]:  # noqa: ANN401 - fsspec has no types
    """The bytes of an original: by ranges; of the web, or of an unknown size, by one stream."""
    with _read_errors(address):
        if original.size is not None and not address.on_web:
            # An open file of fsspec would ask for the size once more.
            for start in range(0, original.size, BLOCK):
                yield storage.cat_file(original.key, start=start, end=min(start + BLOCK, original.size))
            return
        with storage.open(original.key, "rb", block_size=0 if address.on_web else BLOCK) as source:
            while chunk := source.read(CHUNK):
                yield chunk


def _recorded(place: Path) -> Iterator[Copied]:
    try:
        lines = (place / RECORD).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        try:
            yield Copied(**json.loads(line))
        except (ValueError, TypeError):  # the last line of an interrupted run
            continue


def _record(place: Path, files: Sequence[Copied]) -> None:
    text = "".join(json.dumps(asdict(each)) + "\n" for each in files)
    write_bytes_atomically(place / RECORD, text.encode())


def _sha256(files: Sequence[Copied]) -> str:
    if len(files) == 1 and "/" not in files[0].path:
        return files[0].sha256
    return hashlib.sha256("".join(f"{each.sha256}  {each.path}\n" for each in files).encode()).hexdigest()


@contextmanager
def _read_errors(address: Address) -> Iterator[None]:
    """Turn the errors of a storage into one line without secrets.

    Raises:
        InputError: about the address.
    """
    try:
        yield
    except CreditlineError:
        raise
    except Exception as error:  # every storage has errors of its own
        told = InputError(f"cannot read {address.shown}: {_reason(error)}")
        # The text of the error has the query, or that of a redirect, and --debug shows causes.
        raise told from None if address.on_web else error


def _reason(error: BaseException) -> str:
    """Why a storage could not be read: the cause that says most."""
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__) is not None and len(chain) < 8:
        chain.append(cause)
    ours = next((each for each in chain if isinstance(each, CreditlineError)), None)
    if ours is not None:
        return str(ours)
    numbers = [getattr(each, "status", None) for each in chain]
    if any(type(each).__name__ == "TooManyRedirects" for each in chain):
        return "it redirects too often"
    if any(isinstance(each, TimeoutError) for each in chain):
        return "the server was silent for too long"
    if (status := next((each for each in numbers if isinstance(each, int)), None)) is not None:
        return f"the server answers with status {status}"
    if isinstance(error, FileNotFoundError) and len(chain) == 1:
        return os.strerror(2)
    return without_secrets(plain_reason(chain[-1]))
