"""The files of a base's folder: which ones a part is loaded from, and their hashes.

Only safetensors are read. A file must lie in the folder; in a snapshot of the hub's cache it may be
a link into the ``blobs`` of the same repository. Weights are one file, or shards with an index.
"""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from registry.bases.documents import Config, read_config, shown
from registry.bases.support import REPLACING
from registry.errors import InputError

LARGEST_CONFIG = 2**20
"""Bytes of a configuration."""
LARGEST_INDEX = 2**25
"""Bytes of an index of shards."""
MOST_SHARDS = 1_000

_BLOCK = 2**24
_PICKLED = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
_SHARD = re.compile(r"[\w.-]{1,200}\.safetensors")
_CONVERT = (
    "in an environment that you trust, load the pipeline with diffusers and save it with save_pretrained, which writes "
    "safetensors; or download the files that end in .safetensors"
)

Progress = Callable[[int, int], object]
"""Called with the number of bytes that were hashed, and the number in all."""


def no_progress(_done: int, _total: int) -> None:
    """Default: no progress callback."""


def counting(total: int, on_progress: Progress) -> Callable[[int], object]:
    """A function that takes the bytes of one block after another and reports their sum."""
    done = 0

    def on_read(count: int) -> None:
        nonlocal done
        done += count
        on_progress(done, total)

    return on_read


@dataclass(frozen=True)
class BaseFolder:
    """A folder that may hold a base."""

    root: Path
    """Resolved."""

    @classmethod
    def at(cls, path: Path) -> BaseFolder:
        """The folder at a path.

        Raises:
            InputError: there is none, or it is no folder of a pipeline.
        """
        try:
            root = path.resolve(strict=True)
            is_folder = root.is_dir()
        except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: links in a circle
            raise InputError(f"cannot open the folder {path}: {getattr(error, 'strerror', None) or error}") from error
        if not is_folder:
            raise InputError(
                f"{path} is a file; expected a folder in diffusers' format (with model_index.json): load the file with "
                "diffusers (from_single_file) and save it with save_pretrained"
            )
        return cls(root)

    def has(self, name: str) -> bool:
        """Whether there is a file, or anything else, of this name."""
        try:
            (self.root / name).lstat()
        except (OSError, ValueError):
            return False
        return True

    def names(self, part: str) -> list[str]:
        """Names in the folder of a part, sorted.

        Raises:
            InputError: there is no such folder.
        """
        try:
            return sorted(path.name for path in (self.root / part).iterdir())
        except OSError as error:
            raise InputError(
                f"the base in {self.root} has no folder {part}: {error.strerror}; copy or download it again"
            ) from error

    def refuse_replacing(self, part: str) -> None:
        """Refuse a file beside a part's weights that changes the network when it is loaded.

        Raises:
            InputError: there is one; the message names it.
        """
        for name in REPLACING:
            if self.has(f"{part}/{name}"):
                raise InputError(
                    f"{part}/{name} of the base in {self.root} would load an adapter into {part}; merge the adapter into the "
                    "weights, or remove the file"
                )

    def file(self, name: str) -> Path:
        """The place of a file of the base.

        Raises:
            InputError: it is missing, no plain file, or leads out of the folder.
        """
        try:
            place = (self.root / name).resolve(strict=True)
            is_plain = stat.S_ISREG(place.stat().st_mode)
        except (OSError, RuntimeError, ValueError) as error:
            raise InputError(
                f"the base in {self.root} lacks the file {name}: the copy is incomplete; copy or download it again"
            ) from error
        if not any(place.is_relative_to(root) for root in self._roots()):
            raise InputError(
                f"{name} of the base in {self.root} is a link to a place outside of the folder; copy the file into the folder"
            )
        if not is_plain:
            raise InputError(f"{name} of the base in {self.root} is no plain file")
        return place

    def read(self, name: str, largest: int = LARGEST_CONFIG) -> bytes:
        """The bytes of a small file.

        Raises:
            InputError: as :meth:`file`; or it is larger than ``largest``, or cannot be read.
        """
        place = self.file(name)
        try:
            with place.open("rb") as file:
                data = file.read(largest + 1)
        except OSError as error:
            raise InputError(f"cannot read {self.root / name}: {error.strerror}") from error
        if len(data) > largest:
            raise InputError(f"{self.root / name} has more than {largest:,} bytes, too many for such a file")
        return data

    def config(self, name: str) -> Config:
        """A configuration.

        Raises:
            InputError: as :meth:`read`, or it is no JSON object.
        """
        return read_config(self.read(name), str(self.root / name))

    def times(self, name: str) -> list[int]:
        """Size, times and place on disk of a file: while they stay, so does its content.

        Raises:
            InputError: as :meth:`file`.
        """
        found = self.file(name).stat()
        return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]

    def sha256(self, name: str, on_read: Callable[[int], object]) -> tuple[int, str]:
        """Size and SHA-256 (hex) of a file; ``on_read`` gets the bytes of each block.

        Raises:
            InputError: as :meth:`file`, or it cannot be read.
        """
        digest, size = hashlib.sha256(), 0
        try:
            with self.file(name).open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
                    size += len(block)
                    on_read(len(block))
        except OSError as error:
            raise InputError(f"cannot read {self.root / name}: {error.strerror}") from error
        return size, digest.hexdigest()

    def _roots(self) -> list[Path]:
        """The folder; of a snapshot in the hub's cache also the files that it links to."""
        roots = [self.root]
        if self.root.parent.name == "snapshots":
            with suppress(OSError):
                roots.append((self.root.parent.parent / "blobs").resolve(strict=True))
        return roots


@dataclass(frozen=True)
class WeightFiles:
    """The weight files of one part under one variant."""

    files: tuple[str, ...]
    """Relative to the base's folder: one file, or an index and its shards."""
    tensors: dict[str, str] | None
    """By tensor, the file that the index says has it; None without an index."""


def variants_of(folder: BaseFolder, part: str, stem: str) -> set[str | None]:
    """The variants of a part's safetensors that the folder has; None: files without a variant.

    Raises:
        InputError: there are no safetensors. If there are pickled weights, the message names one.
    """
    pattern = re.compile(rf"{stem}(?:\.([\w-]+))?\.safetensors|{stem}\.safetensors\.index(?:\.([\w-]+))?\.json")
    names = folder.names(part)
    found = {match[1] or match[2] for name in names if (match := pattern.fullmatch(name)) and not _is_shard(match[1])}
    if found:
        return found
    for name in names:
        if name.endswith(_PICKLED):
            raise InputError(
                f"{part}/{name} of the base in {folder.root} holds pickled weights, which can run code when they are read, and "
                f"{part} has no {stem}.safetensors: {_CONVERT}"
            )
    raise InputError(
        f"the base in {folder.root} lacks {part}/{stem}.safetensors: the copy is incomplete; copy or download it again"
    )


def weight_files(folder: BaseFolder, part: str, stem: str, variant: str | None) -> WeightFiles:
    """The weight files of a part under a variant that it has.

    Raises:
        InputError: both one file and an index are there, or the index is malformed.
    """
    single = f"{part}/{stem}{_dotted(variant)}.safetensors"
    index = f"{part}/{stem}.safetensors.index{_dotted(variant)}.json"
    if not folder.has(index):
        return WeightFiles((single,), None)
    if folder.has(single):
        raise InputError(f"the base in {folder.root} has both {single} and {index}; remove the one that is not meant")
    config = read_config(folder.read(index, LARGEST_INDEX), str(folder.root / index))
    listed = config.values.get("weight_map")
    if not isinstance(listed, dict) or not listed:
        config.refuse("weight_map", "an object with the file of each tensor")
    for name in set(map(str, listed.values())):
        if not _SHARD.fullmatch(name):
            raise InputError(
                f"{config.where} names the file {shown(name)}; expected the name of a safetensors file beside it"
            )
    tensors = {str(tensor): f"{part}/{name}" for tensor, name in listed.items()}
    shards = sorted(set(tensors.values()))
    if len(shards) > MOST_SHARDS:
        raise InputError(f"{config.where} names {len(shards):,} files; expected at most {MOST_SHARDS:,}")
    return WeightFiles((index, *shards), tensors)


def pickled(folder: BaseFolder, parts: Iterable[str]) -> list[str]:
    """Pickled weights that lie beside safetensors, and are not read."""
    return [f"{part}/{name}" for part in parts for name in folder.names(part) if name.endswith(_PICKLED)]


def _dotted(variant: str | None) -> str:
    return "" if variant is None else f".{variant}"


def _is_shard(variant: str | None) -> bool:
    return variant is not None and re.search(r"-\d{5}-of-\d{5}", variant) is not None
