"""Reference models: folders are as recorded; works are the encoding's less withdrawn ones."""

from __future__ import annotations

from registry.doctor.findings import Examination, Severity
from registry.errors import CreditlineError
from registry.members.manifest import ManifestWorks, read_reference_folder
from registry.members.reference_models import RecordedReference, check_reference, command_for, recorded_reference
from registry.members.register import expected_works
from registry.members.serving import ServiceStatus, service_status
from registry.storage.database import Registry


def check_reference_models(registry: Registry, found: Examination, *, files: bool) -> None:
    """Check the reference model of every ensemble that has one; ``files``: also its folder."""
    with registry.connection() as connection:
        ensembles = [str(row[0]) for row in connection.execute("SELECT id FROM ensemble ORDER BY id").fetchall()]
    there = [ensemble_id for ensemble_id in ensembles if registry.home.reference_model(ensemble_id).is_dir()]
    for ensemble_id in there:
        where = str(registry.home.reference_model(ensemble_id))
        repair = f"run {command_for(ensemble_id)} again, or `rm -r '{where}'`"
        try:
            _check(registry, service_status(registry, ensemble_id), where, repair, found, files=files)
        except CreditlineError as error:
            found.error("reference models", where, str(error), repair)
    if there:
        found.checked["reference models"] = len(there)


def _check(
    registry: Registry, service: ServiceStatus, where: str, repair: str, found: Examination, *, files: bool
) -> None:
    with registry.connection() as connection:
        recorded = recorded_reference(connection, service.ensemble.id)
    if recorded is None:
        what = "the log has no event about this reference model, so it is not used"
        found.add("reference models", Severity.WARNING, where, what, repair)
        return
    seen = int(service.withdrawn.seen_by(None, recorded.withdrawals_applied_through).sum())
    if seen:
        what = f"this reference model saw {seen:,} works that are withdrawn now, and is not used"
        found.add("reference models", Severity.WARNING, where, what, repair)
    if files:
        _check_folder(registry, service, recorded, where, repair, found)


def _check_folder(
    registry: Registry, service: ServiceStatus, recorded: RecordedReference, where: str, repair: str, found: Examination
) -> None:
    folder = read_reference_folder(registry.home.reference_model(service.ensemble.id))
    manifest = check_reference(service, folder, recorded).manifest
    expected = ManifestWorks.of(expected_works(registry, service.encoding.id, None, manifest.withdrawn_through))
    if expected != manifest.works:
        what = (
            f"its manifest lists {manifest.works.count:,} works that differ from the {expected.count:,} of the encoding less "
            "withdrawn ones"
        )
        found.error("reference models", where, what, repair)
