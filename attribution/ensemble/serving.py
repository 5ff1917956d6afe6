"""The members that serve, or once served, an ensemble's samples, as a value for workers.

An ensemble serves with the members that saw no withdrawn work. Samples from before a withdrawal or
a retraining were served by other members; their replay and audit use those members, whose files are
kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from attribution.denoisers.ensemble import Ensemble
from attribution.ensemble.recipe import EnsembleSettings
from registry.encodings.words import Words, bits
from registry.errors import CapacityError, IntegrityError, UsageError
from registry.home import Home
from registry.ids import sha256_of, sha256_of_file
from registry.members.manifest import WEIGHTS_NAME, ManifestEncoding
from registry.members.seen import withdrawals_applied_through
from registry.members.serving import history_of, served_by, service_status
from registry.outputs.queries import ensemble_with_encoding
from registry.storage import tables
from registry.storage.database import Registry

NOT_ITS_MEMBERS = "no generation of the ensemble's members made it"


@dataclass(frozen=True)
class ServingEnsemble:
    """Members that serve together, as a picklable value."""

    id: str
    encoding: ManifestEncoding
    settings: EnsembleSettings
    indices: tuple[int, ...]
    """The members' bits in the codes, ascending: all n, unless works were withdrawn."""
    member_ids: tuple[str, ...]
    """In the order of ``indices``, like the following fields."""
    weights_sha256: tuple[str, ...]
    withdrawals_applied_through: tuple[int | None, ...]
    """For each member, the last withdrawal applied before it was trained."""

    @property
    def members_sha256(self) -> str:
        """One hash for all weights, in order."""
        return sha256_of(list(self.weights_sha256))

    @property
    def complete(self) -> bool:
        """Whether all n members serve."""
        return len(self.indices) == self.encoding.n

    def membership_of(self, codes: Words) -> Bool[np.ndarray, "unit member"]:
        """The codes' bits at the members that serve."""
        return bits(codes, self.encoding.n)[:, list(self.indices)]


def manifest_encoding(encoding: tables.Encoding) -> ManifestEncoding:
    """The encoding, as named by a manifest."""
    return ManifestEncoding.model_validate(encoding.model_dump(include=set(ManifestEncoding.model_fields)))


def serving_ensemble(registry: Registry, ensemble_id: str) -> ServingEnsemble:
    """The members of an ensemble that are in service now.

    Raises:
        NotFoundError: no such ensemble.
        UsageError: some members have never been trained.
        CapacityError: every member saw a withdrawn work.
    """
    service = service_status(registry, ensemble_id)
    if len(service.states) < service.encoding.n:
        raise UsageError(
            f"ensemble {ensemble_id} has {len(service.states)} of {service.encoding.n} members; "
            "run `creditline train` to train the others, or `creditline members import`"
        )
    if not service.serving:
        raise CapacityError(
            f"each of the {service.encoding.n} members of ensemble {ensemble_id} saw works that were withdrawn, so none may "
            f"serve: run `creditline retrain --ensemble {ensemble_id}`"
        )
    return _serving_ensemble(registry, service.ensemble, service.encoding, service.serving)


def ensembles_that_served(
    registry: Registry, rows: Sequence[tables.Sample]
) -> list[tuple[ServingEnsemble | None, list[tables.Sample]]]:
    """Samples grouped by the members that served them; None where the registry lacks the members.

    Groups are in the order in which members were registered
    (:func:`registry.members.serving.served_by`).
    """
    groups: dict[tuple[str, str], list[tables.Sample]] = {}
    for row in rows:
        groups.setdefault((row.ensemble_id, row.members_sha256), []).append(row)
    found: list[tuple[int, ServingEnsemble | None, list[tables.Sample]]] = []
    for ensemble_id in sorted({row.ensemble_id for row in rows}):
        with registry.session() as session:
            ensemble, encoding = ensemble_with_encoding(session, ensemble_id)
            history = history_of(session, ensemble_id)
        for (key, sha256), listed in groups.items():
            if key == ensemble_id:
                served = served_by(history, listed[0].members, sha256)
                place = len(history) if served is None else served[0]
                found.append(
                    (
                        place,
                        None if served is None else _serving_ensemble(registry, ensemble, encoding, served[1]),
                        listed,
                    )
                )
    found.sort(key=lambda item: (item[2][0].ensemble_id, item[0], item[2][0].members_sha256))
    return [(served, listed) for _, served, listed in found]


def _serving_ensemble(
    registry: Registry, ensemble: tables.Ensemble, encoding: tables.Encoding, members: Sequence[tables.Member]
) -> ServingEnsemble:
    return ServingEnsemble(
        id=ensemble.id,
        encoding=manifest_encoding(encoding),
        settings=EnsembleSettings.of(registry, ensemble),
        indices=tuple(member.index for member in members),
        member_ids=tuple(member.id for member in members),
        weights_sha256=tuple(member.weights_sha256 for member in members),
        withdrawals_applied_through=tuple(withdrawals_applied_through(member) for member in members),
    )


def open_ensemble(home: Home, ensemble: ServingEnsemble, device: str = "cpu") -> Ensemble:
    """Load the members for inference, after a check of their weights files.

    Raises:
        IntegrityError: a member's files are missing or were altered; the message names the file.
    """
    folders = [home.member(key) for key in ensemble.member_ids]
    for folder, registered in zip(folders, ensemble.weights_sha256, strict=True):
        check_weights(folder / WEIGHTS_NAME, registered)
    return ensemble.settings.network.open_members(folders, device)


def check_weights(path: Path, registered: str) -> None:
    """Compare a weights file with its registered hash.

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
