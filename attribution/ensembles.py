"""Ensembles as the registry knows them: created from an encoding and a recipe, trained or imported, and opened.

The parent process talks to the registry and the workers to the files. A member counts only once its folder stands
complete and its row is registered; whatever a killed run left behind is picked up or cleared by the next one.
"""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from attribution.denoiser import WEIGHTS_FILE, load_denoiser
from attribution.ensemble import Ensemble
from attribution.settings import EnsembleSettings
from attribution.training import MemberTask, checkpoint_name, train_member
from attribution.training_set import labels_sha256
from attribution.workers import Device, run_tasks
from registry import models
from registry.database import Registry
from registry.encodings import idle_members, load_units
from registry.errors import CapacityError, InputError, IntegrityError, UsageError
from registry.events import changing
from registry.home import Home, sync_folder
from registry.ids import content_id, sha256_of, sha256_of_file
from registry.manifests import MANIFEST_NAME, ManifestEncoding, MemberFolder, read_member_folder
from registry.members import check_against_codes, member_id, register_member
from registry.outputs import ensemble_with_encoding, members_of
from registry.queries import training_assets


@dataclass(frozen=True)
class EnsembleReference:
    """A complete ensemble as values that a worker can be handed."""

    id: str
    encoding: ManifestEncoding
    settings: EnsembleSettings
    member_ids: tuple[str, ...]
    """In order of their bit in the codes."""
    weights_sha256: tuple[str, ...]

    @property
    def members_sha256(self) -> str:
        """One hash for all weights, in order."""
        return sha256_of(list(self.weights_sha256))


def create_ensemble(registry: Registry, encoding_id: str, settings: EnsembleSettings) -> models.Ensemble:
    """Register an ensemble, or find the one of the same encoding and recipe.

    Raises:
        NotFoundError: no such encoding.
        CapacityError: it has so few units that a member would train on nothing.
    """
    units = load_units(registry, encoding_id)
    idle = idle_members(units.codes, units.encoding.n)
    if idle:
        raise CapacityError(
            f"{len(units.codes)} units leave {len(idle)} of {units.encoding.n} members without any work, "
            f"member {idle[0]} for one: encode with fewer members, a larger --weight or another --seed"
        )
    document = settings.to_json()
    ensemble_id = content_id("ensemble", {"encoding": encoding_id, "settings": document})
    with registry.session() as session:
        found = session.get(models.Ensemble, ensemble_id)
    if found is not None:
        return found
    now = datetime.datetime.now(datetime.UTC)
    made = models.Ensemble(id=ensemble_id, encoding_id=encoding_id, settings=document, created_at=now)
    with changing(registry, now) as change:
        change.insert(made)
        change.record("ensemble created", f"ensemble {ensemble_id}", after={"encoding": encoding_id})
        change.seal("ensemble", ensemble_id)
    return made


def encoding_reference(encoding: models.Encoding) -> ManifestEncoding:
    """The encoding as a manifest names it."""
    return ManifestEncoding.model_validate(encoding.model_dump(include=set(ManifestEncoding.model_fields)))


@dataclass(frozen=True)
class Labels:
    """The classes that members are conditioned on; the defaults are those of unconditional members."""

    classes: tuple[str, ...] = ()
    sha256: str | None = None


def labels_of(registry: Registry, encoding_id: str, column: str | None) -> Labels:
    """The values of a label column among the works of an encoding, and the hash of which work has which.

    Raises:
        NotFoundError: no work has a value in the column.
        UsageError: some works have none.
    """
    if column is None:
        return Labels()
    assets = training_assets(registry, encoding_id, column)
    values = assets.values or []
    missing = [path for path, value in zip(assets.paths, values, strict=True) if not value]
    if missing:
        raise UsageError(
            f"{len(missing)} works have no value in column {column!r}, the first is {missing[0]}: "
            "fill the column in and register again, or train without --label"
        )
    return Labels(tuple(sorted({str(value) for value in values})), labels_sha256(assets))


def train_ensemble(
    registry: Registry,
    ensemble_id: str,
    device: Device,
    on_progress: Callable[[int, int], object] = lambda _member, _steps: None,
    checkpoint_seconds: float | None = None,
) -> Iterator[models.Member]:
    """Train the members that are missing, yielding each as it is registered; the training set must have been built.

    ``on_progress`` gets (member's index, steps just done).

    Raises:
        NotFoundError: no such ensemble.
        WorkerDiedError: a worker was killed.
        IntegrityError: a member's folder was altered before it could be registered.
    """
    with registry.session() as session:
        ensemble, encoding = ensemble_with_encoding(session, ensemble_id)
        registered = {member.index for member in members_of(session, ensemble_id)}
    settings = EnsembleSettings.from_json(ensemble.settings)
    missing = [index for index in range(encoding.n) if index not in registered]
    further = {} if checkpoint_seconds is None else {"checkpoint_seconds": checkpoint_seconds}
    tasks = [
        MemberTask(
            home=Home(registry.home.root.resolve()),
            ensemble_id=ensemble_id,
            member_id=member_id(ensemble_id, index),
            index=index,
            encoding=encoding_reference(encoding),
            settings=settings,
            device=device.name,
            **further,
        )
        for index in missing
    ]
    _clear_remains(registry.home, ensemble_id, [member_id(ensemble_id, index) for index in registered])
    for _, folder in run_tasks(train_member, tasks, device, lambda task, steps: on_progress(missing[task], steps)):
        yield register_member(registry, read_member_folder(folder), "trained", datetime.datetime.now(datetime.UTC))


def _clear_remains(home: Home, ensemble_id: str, finished: Collection[str]) -> None:
    """Remove what killed runs left: half-written files and folders, and checkpoints of members that are done."""
    for part in home.member(ensemble_id).parent.glob(f".*{ensemble_id}-*"):
        if part.name.endswith(".part"):
            shutil.rmtree(part, ignore_errors=True)
            part.unlink(missing_ok=True)
        elif part.name in {checkpoint_name(key) for key in finished}:
            part.unlink(missing_ok=True)


def import_member(registry: Registry, folder: Path) -> models.Member:
    """Take in a member that was trained elsewhere: its folder as :func:`train_member` writes it.

    The ensemble is the one that the manifest names; it is registered here if its encoding is. What the manifest lists must
    be what the encoding gives this member, and the weights must be those of the ensemble's network.

    Raises:
        InputError: the folder or its manifest cannot be used.
        IntegrityError: a file is not what the manifest says.
        UsageError: the manifest contradicts the registry.
    """
    if not (folder / MANIFEST_NAME).is_file():
        raise InputError(
            f"{folder} has no {MANIFEST_NAME}: expected the folder of a member, as `creditline train` leaves it"
        )
    found = read_member_folder(folder)
    settings = EnsembleSettings.from_json(found.manifest.settings)
    expected = content_id("ensemble", {"encoding": found.manifest.encoding.id, "settings": settings.to_json()})
    if found.manifest.ensemble_id != expected:
        raise InputError(
            f"{folder / MANIFEST_NAME} names ensemble {found.manifest.ensemble_id}, but its encoding and settings "
            f"make {expected}: the manifest was altered, or written by another version"
        )
    load_denoiser(folder, settings.network)
    check_against_codes(registry, found)
    place = registry.home.member(member_id(expected, found.manifest.index))
    with registry.session() as session:
        known = session.get(models.Member, place.name)
    if known is not None and known.manifest_sha256 != found.manifest.sha256:
        raise InputError(f"{folder} is not member {place.name} as it is registered here (another manifest)")
    create_ensemble(registry, found.manifest.encoding.id, settings)
    if place.resolve() != folder.resolve() and not _is_intact(place, found):
        _copy_member(found, place)
    return register_member(registry, read_member_folder(place), "imported", datetime.datetime.now(datetime.UTC))


def _copy_member(member: MemberFolder, place: Path) -> None:
    part = place.with_name(f".{place.name}.import.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        for name in ("config.json", WEIGHTS_FILE, "manifest.json", "works.txt"):
            shutil.copyfile(member.path / name, part / name)
        sync_folder(part)
        shutil.rmtree(place, ignore_errors=True)
        part.rename(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _is_intact(place: Path, wanted: MemberFolder) -> bool:
    try:
        return read_member_folder(place).manifest == wanted.manifest
    except (InputError, IntegrityError):
        return False


def reference_of(registry: Registry, ensemble_id: str) -> EnsembleReference:
    """A complete ensemble, ready to be opened.

    Raises:
        NotFoundError: no such ensemble.
        UsageError: some of its members are not trained yet.
    """
    with registry.session() as session:
        ensemble, encoding = ensemble_with_encoding(session, ensemble_id)
        members = members_of(session, ensemble_id)
    if len(members) < encoding.n:
        raise UsageError(
            f"ensemble {ensemble_id} has {len(members)} of {encoding.n} members; "
            "run `creditline train` to train the others, or `creditline members import`"
        )
    return EnsembleReference(
        id=ensemble_id,
        encoding=encoding_reference(encoding),
        settings=EnsembleSettings.from_json(ensemble.settings),
        member_ids=tuple(member.id for member in members),
        weights_sha256=tuple(member.weights_sha256 for member in members),
    )


def open_ensemble(home: Home, reference: EnsembleReference, device: str = "cpu") -> Ensemble:
    """Load the members for inference, each held against the hash that was registered.

    Raises:
        IntegrityError: a member's files are missing or were altered; the message names the file.
    """
    denoisers = []
    for key, registered in zip(reference.member_ids, reference.weights_sha256, strict=True):
        folder = home.member(key)
        check_weights(folder / WEIGHTS_FILE, registered)
        denoisers.append(load_denoiser(folder, reference.settings.network).to(device))
    return Ensemble(denoisers)


def check_weights(path: Path, registered: str) -> None:
    """Hold a weights file against its registered hash.

    Raises:
        IntegrityError: missing or altered.
    """
    try:
        found = sha256_of_file(path)
    except OSError as error:
        raise IntegrityError(
            f"{path} cannot be read ({error.strerror}): restore it or import the member again"
        ) from error
    if found != registered:
        raise IntegrityError(
            f"{path} was altered (SHA-256 {found[:12]}, registered {registered[:12]}): restore it or import the member again"
        )
