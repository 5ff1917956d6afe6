"""The home folder: where everything that is not a row lives, under names that are ids.

    registry.duckdb                     the registry
    log-head.json                       the newest hash of its log
    staging/                            lists in reading, the copy of a dry run; safe to delete
    fetched/<address>/                  copies of works and lists that are on object storage
    bases/<base>.json                   sizes and times of its files when they were last hashed
    members/<ensemble>-<index>/         configuration, weights, manifest, list of works
    references/<ensemble>/              the same of the reference model; can be trained again
    samples/<sample>.png                the generated image
    samples/<sample>.safetensors        output before clipping, predictions and losses of members
    contrasts/<sha256>.safetensors      the same predictions for any other image
    jacobians/<sample>.safetensors      dy/dv of that sample
    audits/<audit>.safetensors          statistics of decoys, influences, counterfactuals
    pictures/<sha256>.png               a small picture of every work that an audit lists
    training/<ensemble>/                pixels and features; can be rebuilt, safe to delete
    scores/<sha256>.parquet             supplied scores that a kept choice of rankers names
    keys/<sha256>.pem                   the private half of a key that signs documents
    reports/                            rendered pages and tables
    filings/                            every issued version of a filing, with its answers
    locks/<job>.lock                    one process at a time trains an ensemble, or a member

A file is written beside its place, synced and renamed into it: a reader never meets half of one.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from safetensors import SafetensorError

from registry.errors import InputError

DEFAULT_HOME = Path("creditline-home")
HOME_VARIABLE = "CREDITLINE_HOME"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ADVICE = {
    **dict.fromkeys(_FULL, "free some space or choose another place"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "make it writable or choose another place"),
    **dict.fromkeys((errno.ENOTDIR, errno.EISDIR, errno.EEXIST), "move away what lies there or choose another place"),
}
"""By the system's error; for any other, such as a failing disk, another place."""
_ERROR_IN_TEXT = re.compile(r"\(os error (\d+)\)")
"""In a message of safetensors, which has no number of its own."""
_FULL_IN_TEXT = re.compile(r"no space left|quota exceeded|file too large", re.IGNORECASE)
"""In a message of DuckDB."""


@dataclass(frozen=True)
class Home:
    """Paths in one home folder. A folder is made when something is written to it."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "registry.duckdb"

    def has_registry(self) -> bool:
        """Whether the registry's file is there.

        Raises:
            InputError: the system does not tell (missing rights, a name too long).
        """
        try:
            self.database.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise InputError(
                f"cannot look into {self.root}: {error.strerror}; make it readable or choose another --home"
            ) from error
        return True

    def base_times(self, base_id: str) -> Path:
        return self.root / "bases" / f"{base_id}.json"

    def member(self, member_id: str) -> Path:
        return self.root / "members" / member_id

    def reference_model(self, ensemble_id: str) -> Path:
        return self.root / "references" / ensemble_id

    def sample_image(self, sample_id: str) -> Path:
        return self.root / "samples" / f"{sample_id}.png"

    def sample_tensors(self, sample_id: str) -> Path:
        return self.root / "samples" / f"{sample_id}.safetensors"

    def image_predictions(self, key: str) -> Path:
        return self.root / "contrasts" / f"{key}.safetensors"

    def jacobian(self, sample_id: str) -> Path:
        return self.root / "jacobians" / f"{sample_id}.safetensors"

    def audit(self, audit_id: str) -> Path:
        return self.root / "audits" / f"{audit_id}.safetensors"

    def picture(self, sha256: str) -> Path:
        return self.root / "pictures" / f"{sha256}.png"

    def signing_key(self, key_id: str) -> Path:
        return self.root / "keys" / f"{key_id}.pem"

    def training(self, ensemble_id: str) -> Path:
        return self.root / "training" / ensemble_id

    @property
    def log_head(self) -> Path:
        return self.root / "log-head.json"

    @property
    def staging(self) -> Path:
        return self.root / "staging"

    @property
    def fetched(self) -> Path:
        return self.root / "fetched"

    @property
    def locks(self) -> Path:
        return self.root / "locks"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def filings(self) -> Path:
        return self.root / "filings"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's errors about a file or folder that is being written into ours.

    Raises:
        InputError: ``path`` cannot be written (missing rights, full disk).
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        found = _ERROR_IN_TEXT.search(str(error))
        number = getattr(error, "errno", None) or (int(found[1]) if found else None)
        advice = _ADVICE.get(number or 0, "choose another place")
        raise InputError(f"cannot write {path}: {reason}; {advice}") from error


FREE_SPACE = "free some space, then run the same command again"
"""The advice of an error that :func:`lacks_space`."""


def lacks_space(error: BaseException) -> bool:
    """Whether an error of the system or of DuckDB says that a disk or a quota is full."""
    return getattr(error, "errno", None) in _FULL or bool(_FULL_IN_TEXT.search(str(error)))


@contextmanager
def scratch_folder(place: Path | None = None, prefix: str = "creditline-") -> Iterator[Path]:
    """A folder for temporary files, in ``place`` or the system's folder; removed at the end.

    Raises:
        InputError: it cannot be made.
    """
    with ExitStack() as stack:
        try:
            system = Path(tempfile.gettempdir()) if place is None else place
        except FileNotFoundError as error:  # the system's folder takes no file
            raise InputError(f"{error.strerror}; free some space, or name a folder in TMPDIR") from error
        with writing(system):
            system.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix, dir=system))
        yield Path(folder)


def write_private(path: Path, data: bytes) -> None:
    """Write ``data`` whole or not at all, into a file that its owner alone can ever read.

    Raises:
        InputError: the folder cannot be written.
    """

    def write(place: Path) -> None:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)

    write_atomically(path, write)


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, sync it, and rename it to ``path``.

    Raises:
        InputError: the folder cannot be written (missing rights, full disk).
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    with writing(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            # A missing file, or a folder that nobody can write, has nothing to remove.
            with suppress(OSError):
                temporary.unlink()


def reserve(file: BinaryIO, size: int) -> None:
    """Make an open file ``size`` bytes long, and take the space for them.

    A process is killed if it writes to a part of a mapped file for which the disk has no space.
    Raises OSError if there is too little.
    """
    file.flush()
    if hasattr(os, "posix_fallocate") and size:
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)


def write_folder_atomically(folder: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a new folder beside ``folder``, sync its files, and rename it.

    A folder that is there already is replaced.

    Raises:
        InputError: the folder cannot be written (missing rights, full disk).
    """
    part = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    with writing(folder):
        try:
            part.mkdir(parents=True)
            write(part)
            for path in part.rglob("*"):
                if path.is_file():
                    with path.open("rb+") as file:
                        os.fsync(file.fileno())
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def write_bytes_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` so that ``path`` is either unchanged or complete."""
    write_atomically(path, lambda temporary: temporary.write_bytes(data))
