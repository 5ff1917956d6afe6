"""The home folder: where everything that is not a row lives, under names that are ids.

    registry.duckdb                     the registry
    log-head.json                       the newest hash of its log
    staging/                            lists in reading, the copy of a dry run; safe to delete
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
    reports/                            rendered pages and tables
    filings/                            every issued version of a filing, with its answers

A file is written beside its place, synced and renamed into it: a reader never meets half of one.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from registry.errors import InputError

DEFAULT_HOME = Path("creditline-home")
HOME_VARIABLE = "CREDITLINE_HOME"


@dataclass(frozen=True)
class Home:
    """Paths in one home folder. A folder is made when something is written to it."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "registry.duckdb"

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

    def training(self, ensemble_id: str) -> Path:
        return self.root / "training" / ensemble_id

    @property
    def log_head(self) -> Path:
        return self.root / "log-head.json"

    @property
    def staging(self) -> Path:
        return self.root / "staging"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def filings(self) -> Path:
        return self.root / "filings"


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, sync it, and rename it to ``path``.

    Raises:
        InputError: the folder cannot be written (missing rights, full disk).
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot write {path}: {reason}; free some space or choose another place") from error
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Sync the files of a folder to disk before the folder is renamed."""
    for path in folder.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def write_bytes_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` so that ``path`` is either unchanged or complete."""
    write_atomically(path, lambda temporary: temporary.write_bytes(data))
