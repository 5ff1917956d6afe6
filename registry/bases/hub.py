"""A base by its name on the hub, from the hub's cache on this machine. Nothing is downloaded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from registry.errors import InputError, NotFoundError

_NAME = re.compile(r"(?P<repository>[\w-][\w.-]{0,95}/[\w-][\w.-]{0,95})(?:@(?P<revision>[\w-][\w.-]{0,199}))?")


@dataclass(frozen=True)
class FoundBase:
    """The folder of a base, and where it is from as far as its place shows."""

    folder: Path
    name: str
    source: str | None
    """Name and commit on the hub; None for a folder of the user's."""


def find_folder(reference: str) -> FoundBase:
    """The folder that a path, or a name such as ``owner/model`` or ``owner/model@revision``, means.

    A folder counts before a name.

    Raises:
        InputError: neither a folder nor a name.
        NotFoundError: the hub's cache on this machine has no such model.
    """
    path = Path(reference)
    try:
        # An empty path would be the current folder.
        there = bool(reference) and path.exists()
    except (OSError, ValueError) as error:
        raise InputError(f"cannot open the folder {reference[:200]!r}: {error}") from error
    if there:
        snapshot = _snapshot(path)
        return FoundBase(path, snapshot[0] if snapshot else path.resolve().name, _source(snapshot))
    match = _NAME.fullmatch(reference)
    if match is None:
        raise InputError(
            f"there is no folder {reference[:200]!r}; expected a folder in diffusers' format, or the name of a model in the "
            "hub's cache, such as owner/model"
        )
    folder = _cached(match["repository"], match["revision"])
    return FoundBase(folder, match["repository"], _source(_snapshot(folder)))


def _cached(repository: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, HfHubHTTPError, OSError) as error:
        at = f" --revision {revision}" if revision else ""
        raise NotFoundError(
            f"there is no folder {repository}, and the hub's cache ({HF_HUB_CACHE}) has no model {repository}: download it "
            f"(`hf download {repository}{at}`) and try again; creditline itself downloads nothing"
        ) from error


def _snapshot(path: Path) -> tuple[str, str] | None:
    """The name and commit of a snapshot in the hub's cache, from its place; None elsewhere."""
    snapshot = path.resolve()
    repository = snapshot.parent.parent.name
    if snapshot.parent.name != "snapshots" or not repository.startswith("models--"):
        return None
    return repository.removeprefix("models--").replace("--", "/"), snapshot.name


def _source(snapshot: tuple[str, str] | None) -> str | None:
    return None if snapshot is None else f"{snapshot[0]}, commit {snapshot[1]}"
