"""Manifests: the works of one training, bound by hashes to its weights and settings.

A member is a folder of four files. ``works.txt`` lists the SHA-256 of every work that it trained
on, ``config.json`` and the weights are in diffusers' format, and ``manifest.json`` has the hashes
of these three files and how they were made. The folder can be checked without the registry, and a
member trained elsewhere is imported by it. A reference model has the same files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from registry.errors import InputError, IntegrityError
from registry.ids import canonical_json, sha256_of_file
from registry.members.merkle import root_of

MANIFEST_NAME = "manifest.json"
WORKS_NAME = "works.txt"
CONFIG_NAME = "config.json"
WEIGHTS_NAME = "diffusion_pytorch_model.safetensors"
LORA_NAMES = ("pytorch_lora_weights.safetensors", "adapter_model.safetensors")
"""The weights of an adapter that was trained elsewhere: as diffusers and as peft name the file."""

_LARGEST_MANIFEST = 16 * 2**20
_MEMBER = "restore the file or train the member again"
_REFERENCE = "restore the file or run `creditline members reference` again"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Identifier = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ManifestEncoding(_Frozen):
    """The encoding that the training follows."""

    id: Identifier
    n: int = Field(ge=2, le=64)
    h: int = Field(ge=1, le=63)
    seed: int
    unit_kind: Literal["asset", "rightsholder", "column"]
    unit_column: str | None


class ManifestWorks(_Frozen):
    """The number of works that the training saw, the hash of their listing, and a commitment to
    each.
    """

    count: int = Field(ge=0)
    sha256: Sha256
    merkle_root: Sha256
    """See :mod:`registry.members.merkle`: proves one work in or out without showing the others."""

    @classmethod
    def of(cls, hashes: Iterable[str]) -> ManifestWorks:
        """For works with these SHA-256."""
        listed = sorted(set(hashes))
        listing = works_listing(listed)
        return cls(count=len(listed), sha256=hashlib.sha256(listing).hexdigest(), merkle_root=root_of(listed))


class TrainingManifest(_Frozen):
    """One training: what it saw, and how it was done."""

    format_version: Literal[1] = 1
    ensemble_id: Identifier
    encoding: ManifestEncoding
    withdrawn_through: int | None = Field(ge=0)
    """The last withdrawal applied before training: works of it and of earlier ones were left out.
    None: there was none."""
    works: ManifestWorks
    settings: dict[str, JsonValue]
    """The ensemble's whole recipe."""
    seed: int
    """Of this training."""
    versions: dict[str, str]
    weights_sha256: Sha256
    config_sha256: Sha256
    created_at: Annotated[AwareDatetime, Field(strict=False)]

    def to_json(self) -> bytes:
        """The canonical bytes: sorted keys, no spaces, UTF-8, one newline at the end."""
        return (canonical_json(self.model_dump(mode="json")) + "\n").encode()

    @property
    def sha256(self) -> str:
        """Of the canonical bytes; ``member.manifest_sha256``."""
        return hashlib.sha256(self.to_json()).hexdigest()

    @classmethod
    def parse(cls, data: bytes, name: str = MANIFEST_NAME) -> Self:
        """Read a manifest; ``name`` is its name in errors.

        Raises:
            InputError: not JSON, a field missing, unknown or out of range.
        """
        if len(data) > _LARGEST_MANIFEST:
            raise InputError(f"{name} has {len(data)} bytes, expected a manifest of at most {_LARGEST_MANIFEST}")
        try:
            manifest = cls.model_validate_json(data)
            manifest.to_json()  # a NaN in the settings has no canonical form
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the document"
            raise InputError(
                f"{name} is not a manifest: {place}: {first['msg']}; write it again with creditline"
            ) from error
        except ValueError as error:
            raise InputError(f"{name} is not a manifest: {error}; write it again with creditline") from error
        return manifest


class Manifest(TrainingManifest):
    """The manifest of a member."""

    index: int = Field(ge=0, le=63)
    generation: int = Field(ge=1)
    """1, and one more each time the member is trained again without withdrawn works."""


class ReferenceManifest(TrainingManifest):
    """The manifest of a reference model, which sees all works of the encoding less withdrawn
    ones.
    """

    role: Literal["reference"] = "reference"


@dataclass(frozen=True)
class MemberFolder:
    """A member's files; their hashes were checked against its manifest."""

    path: Path
    manifest: Manifest
    works: tuple[str, ...]
    """SHA-256 of every work that the member trained on, sorted."""

    @property
    def config(self) -> Path:
        return self.path / CONFIG_NAME

    @property
    def weights(self) -> Path:
        return weights_file(self.path)


@dataclass(frozen=True)
class ReferenceFolder:
    """A reference model's files; their hashes were checked against its manifest."""

    path: Path
    manifest: ReferenceManifest
    works: tuple[str, ...]
    """SHA-256 of every work that it trained on, sorted."""


def weights_file(folder: Path) -> Path:
    """The weights in a member's folder, under creditline's name or that of a LoRA file."""
    found = (folder / name for name in (WEIGHTS_NAME, *LORA_NAMES))
    return next((path for path in found if path.is_file()), folder / WEIGHTS_NAME)


def works_listing(hashes: Iterable[str]) -> bytes:
    """The bytes of ``works.txt``: each SHA-256 once, lower-case hex, sorted, one per line."""
    return "".join(f"{sha256}\n" for sha256 in sorted(set(hashes))).encode("ascii")


def read_member_folder(folder: Path) -> MemberFolder:
    """Read a member's folder and check every file against its manifest.

    Raises:
        InputError: the manifest cannot be read.
        IntegrityError: a file is missing or differs from the manifest; the message names it.
    """
    manifest = Manifest.parse(_read(folder / MANIFEST_NAME, _MEMBER), str(folder / MANIFEST_NAME))
    return MemberFolder(folder, manifest, _checked_works(folder, manifest, _MEMBER))


def read_reference_folder(folder: Path) -> ReferenceFolder:
    """Read a reference model's folder; checks and errors as for a member."""
    manifest = ReferenceManifest.parse(_read(folder / MANIFEST_NAME, _REFERENCE), str(folder / MANIFEST_NAME))
    return ReferenceFolder(folder, manifest, _checked_works(folder, manifest, _REFERENCE))


def _checked_works(folder: Path, manifest: TrainingManifest, repair: str) -> tuple[str, ...]:
    """The works of the listing, after a check of the three files against the manifest."""
    listing = _read(folder / WORKS_NAME, repair)
    found = {
        WORKS_NAME: (hashlib.sha256(listing).hexdigest(), manifest.works.sha256),
        CONFIG_NAME: (_hash(folder / CONFIG_NAME, repair), manifest.config_sha256),
        weights_file(folder).name: (_hash(weights_file(folder), repair), manifest.weights_sha256),
    }
    for name, (got, expected) in found.items():
        if got != expected:
            raise IntegrityError(
                f"{folder / name} was altered: its SHA-256 is {got[:12]}…, the manifest says {expected[:12]}…; {repair}"
            )
    works = tuple(listing.decode("ascii", "replace").split())
    if works_listing(works) != listing or len(works) != manifest.works.count:
        raise IntegrityError(
            f"{folder / WORKS_NAME} is not a sorted list of {manifest.works.count} hashes, one per line"
        )
    malformed = next((line for line in works if not re.fullmatch("[0-9a-f]{64}", line)), None)
    if malformed is not None:
        raise IntegrityError(
            f"{folder / WORKS_NAME} has {malformed[:80]!r}, expected a SHA-256 in lower-case hex per line"
        )
    if root_of(works) != manifest.works.merkle_root:
        raise IntegrityError(f"{folder / MANIFEST_NAME} has a Merkle root that is not that of {WORKS_NAME}; {repair}")
    return works


def _read(path: Path, repair: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _missing(path, error, repair) from error


def _hash(path: Path, repair: str) -> str:
    try:
        return sha256_of_file(path)
    except OSError as error:
        raise _missing(path, error, repair) from error


def _missing(path: Path, error: OSError, repair: str) -> IntegrityError:
    return IntegrityError(f"cannot read {path}: {error.strerror}; {repair}")
