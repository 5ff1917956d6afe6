"""Base models: ids and hashes agree, each is where its newest details say, its files unchanged."""

from __future__ import annotations

from registry.bases.files import BaseFolder
from registry.bases.records import base_by_id
from registry.bases.verification import verify_base
from registry.doctor.findings import Examination, Progress, Severity
from registry.errors import CreditlineError, InputError
from registry.event_log.findings import RESTORE
from registry.storage.database import Registry


def check_bases(registry: Registry, found: Examination, on_progress: Progress, *, files: bool, every: bool) -> None:
    """Check every base model; ``files``: also its files; ``every``: those untouched since, too."""
    with registry.connection() as connection:
        ids = [str(base_id) for (base_id,) in connection.execute("SELECT id FROM base_model ORDER BY id").fetchall()]
    for number, base_id in enumerate(ids, start=1):
        where = f"base {base_id}"
        try:
            with registry.connection() as connection:
                base = base_by_id(connection, base_id)
        except CreditlineError as error:
            found.error("bases", where, str(error), RESTORE)
            continue
        try:
            BaseFolder.at(base.folder)
        except InputError:
            what = f"the base {base.name} is not in {base.folder}"
            repair = "`creditline base add NEW-FOLDER` records where it is now, or restore the folder"
            found.add("bases", Severity.WARNING, where, what, repair)
            continue
        if files:
            try:
                verify_base(registry.home, base, every=every)
            except CreditlineError as error:
                what, _, repair = str(error).rpartition("; ")
                found.error("bases", where, what, repair)
        on_progress("bases", number, len(ids))
    if ids:
        found.checked["bases"] = len(ids)
