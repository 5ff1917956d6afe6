"""Registers members that other processes trained: jobs on a cluster, or another registry's.

A member's folder is checked before it counts: its files against its manifest, its manifest against
the ensemble's recipe, its works against the codes, its weights against the network. The folder is
copied by one rename and registered by one transaction, so a killed run is run again.
"""

from __future__ import annotations

import datetime
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from attribution.ensemble.recipe import EnsembleSettings
from attribution.training.lifecycle import create_ensemble, training_alone
from attribution.training.loop import steps_done
from attribution.training.member import checkpoint_name, clear_remains, member_alone
from registry.errors import CreditlineError, InputError, IntegrityError, LockedRegistryError
from registry.home import Home, write_folder_atomically
from registry.ids import content_id
from registry.members.manifest import (
    CONFIG_NAME,
    MANIFEST_NAME,
    WEIGHTS_NAME,
    WORKS_NAME,
    MemberFolder,
    read_member_folder,
)
from registry.members.register import check_against_codes, check_member, member_id, register_member
from registry.members.serving import ServiceStatus, service_status
from registry.storage import tables
from registry.storage.database import Registry

_OUT_OF_SERVICE = "out of service, since it saw withdrawn works: run its job again, or `creditline retrain`"


@dataclass(frozen=True)
class CollectedMember:
    """What became of one member of an ensemble."""

    index: int
    state: Literal["registered", "registered before", "in training", "missing", "refused"]
    """*refused*: there is a folder, and a check failed."""
    why: str = ""
    """Why the member is not registered; of a registered one, what a person should know."""
    member: tables.Member | None = None
    """Set if the member is registered."""


def collect_members(registry: Registry, ensemble_id: str, folders: Sequence[Path] = ()) -> Iterator[CollectedMember]:
    """Register every finished member of an ensemble; yield what became of each, by index.

    ``folders``: further places where jobs left members, each laid out as a home; the registry's own
    comes first. The members in the registry's own home count as trained, others as imported. A
    second call registers what was finished since.

    Raises:
        NotFoundError: no such ensemble.
        InputError: a place is no folder.
        ReadOnlyRegistryError: the registry cannot be written.
    """
    registry.check_writable()
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder: expected what jobs got as --out")
    settings = EnsembleSettings.of(registry, service_status(registry, ensemble_id).ensemble)
    places = [registry.home, *map(Home, folders)]
    for index in range(service_status(registry, ensemble_id).encoding.n):
        try:
            with member_alone(registry.home, ensemble_id, index):
                found = _collect(registry, ensemble_id, settings, index, places)
        except LockedRegistryError as error:
            found = CollectedMember(index, "in training", str(error))
        except CreditlineError as error:
            found = CollectedMember(index, "refused", str(error))
        yield found


def _collect(
    registry: Registry, ensemble_id: str, settings: EnsembleSettings, index: int, places: Sequence[Home]
) -> CollectedMember:
    service = service_status(registry, ensemble_id)
    newest = next((state for state in service.states if state.member.index == index), None)
    known = None if newest is None else newest.member
    if known is not None:
        check_member(registry.home.member(known.id), known)
    if newest is not None and newest.serves:
        return CollectedMember(index, "registered before", member=known)
    generation = 1 if known is None else known.generation + 1
    key = member_id(ensemble_id, index, generation)
    place = next((each for each in places if (each.member(key) / MANIFEST_NAME).is_file()), None)
    if place is None and known is not None:
        return CollectedMember(index, "registered before", _OUT_OF_SERVICE, known)
    if place is None:
        return CollectedMember(index, "missing", _progress_of(key, settings, places))
    found = read_member_folder(place.member(key))
    _check_recipe(found, service, index, generation)
    settings.network.load_member(found.path)
    check_against_codes(registry, found)
    _take(found, registry.home.member(key))
    member = _register(registry, registry.home.member(key), "trained" if place is registry.home else "imported")
    clear_remains(registry.home, key, finished=True)
    return CollectedMember(index, "registered", member=member)


def _progress_of(key: str, settings: EnsembleSettings, places: Sequence[Home]) -> str:
    """How far the training of a member came that has no folder."""
    steps = [steps_done(place.member(key).with_name(checkpoint_name(key))) for place in places]
    done = max((number for number in steps if number is not None), default=None)
    if done is None:
        return f"there is no folder {key}, and no checkpoint"
    return f"its last checkpoint is at step {done} of {settings.training.steps}: run its job again"


def _check_recipe(found: MemberFolder, service: ServiceStatus, index: int, generation: int) -> None:
    """Check that a manifest is of this place in this ensemble.

    Raises:
        InputError: it is not; the message names the first difference.
    """
    manifest, ensemble = found.manifest, service.ensemble
    got: dict[str, Any] = {
        "ensemble": manifest.ensemble_id,
        "index": manifest.index,
        "generation": manifest.generation,
        **_leaves(manifest.settings),
    }
    expected = {"ensemble": ensemble.id, "index": index, "generation": generation, **_leaves(ensemble.settings)}
    for name in sorted(got | expected):
        if got.get(name) != expected.get(name):
            raise InputError(
                f"the manifest in {found.path} has {name} {got.get(name)!r}, the ensemble's is {expected.get(name)!r}: "
                "remove the folder and train the member again"
            )


def _leaves(document: Mapping[str, Any], prefix: str = "settings") -> dict[str, Any]:
    """The values of nested settings by their whole names."""
    found: dict[str, Any] = {}
    for name, value in document.items():
        found |= _leaves(value, f"{prefix}.{name}") if isinstance(value, dict) else {f"{prefix}.{name}": value}
    return found


def other_versions(members: Sequence[tables.Member]) -> dict[int, dict[str, str]]:
    """By index, the versions and the machine of a member that are not those of most members.

    Such weights can differ by rounding from those that the other machines would have given.
    """
    versions: dict[int, dict[str, str]] = {member.index: member.manifest["versions"] for member in members}
    usual = {
        name: Counter(each.get(name, "") for each in versions.values()).most_common(1)[0][0]
        for name in sorted({name for each in versions.values() for name in each})
    }
    differing = {
        index: {name: each.get(name, "") for name, most in usual.items() if each.get(name, "") != most}
        for index, each in versions.items()
    }
    return {index: found for index, found in differing.items() if found}


def import_member(registry: Registry, folder: Path) -> tables.Member:
    """Register a member trained elsewhere, from a folder written by :func:`train_member`.

    Registers the manifest's ensemble too, if its encoding is registered here. The manifest must
    list the works that the encoding gives this member, and the weights must fit the ensemble's
    network.

    Raises:
        InputError: the folder or its manifest cannot be used.
        IntegrityError: a file differs from the manifest.
        UsageError: the manifest contradicts the registry.
        LockedRegistryError: another process trains the ensemble or the member.
    """
    if not (folder / MANIFEST_NAME).is_file():
        raise InputError(
            f"{folder} has no {MANIFEST_NAME}: expected the folder of a member, as `creditline train` leaves it"
        )
    found = read_member_folder(folder)
    settings = EnsembleSettings.from_json(found.manifest.settings).located(registry)
    expected = content_id("ensemble", {"encoding": found.manifest.encoding.id, "settings": settings.to_json()})
    if found.manifest.ensemble_id != expected:
        raise InputError(
            f"{folder / MANIFEST_NAME} names ensemble {found.manifest.ensemble_id}, but its encoding and settings "
            f"make {expected}: the manifest was altered, or written by another version"
        )
    settings.network.load_member(folder)
    check_against_codes(registry, found)
    place = registry.home.member(member_id(expected, found.manifest.index, found.manifest.generation))
    with training_alone(registry, expected), member_alone(registry.home, expected, found.manifest.index):
        with registry.session() as session:
            known = session.get(tables.Member, place.name)
        if known is not None and known.manifest_sha256 != found.manifest.sha256:
            raise InputError(f"{folder} is not member {place.name} as it is registered here (another manifest)")
        create_ensemble(registry, found.manifest.encoding.id, settings)
        _take(found, place)
        return _register(registry, place, "imported")


def _register(registry: Registry, place: Path, origin: str) -> tables.Member:
    return register_member(registry, read_member_folder(place), origin, datetime.datetime.now(datetime.UTC))


def _take(found: MemberFolder, place: Path) -> None:
    """Copy a member's folder to its place in the home, unless it is there."""
    if place.resolve() != found.path.resolve() and not _is_intact(place, found):
        write_folder_atomically(place, lambda part: _copy_member(found, part))


def _copy_member(member: MemberFolder, part: Path) -> None:
    for name in (CONFIG_NAME, MANIFEST_NAME, WORKS_NAME):
        shutil.copyfile(member.path / name, part / name)
    shutil.copyfile(member.weights, part / WEIGHTS_NAME)


def _is_intact(place: Path, expected: MemberFolder) -> bool:
    try:
        return read_member_folder(place).manifest == expected.manifest
    except (InputError, IntegrityError):
        return False
