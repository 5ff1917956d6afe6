"""Opens a command's registry and ensemble, and states its time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from registry.storage.database import Registry
    from registry.storage.tables import Ensemble


def open_registry(home: Path, *, read_only: bool = False) -> Registry:
    """The registry in the folder of ``--home``; ``read_only``: beside others that read it.

    Raises:
        NotFoundError: the folder has no registry.
        IntegrityError: the registry is damaged, or another version's.
    """
    from registry.home import Home
    from registry.storage.database import LOCK_PATIENCE, LONG_PATIENCE, Registry

    return Registry.open(Home(home), lock_patience=LONG_PATIENCE if read_only else LOCK_PATIENCE, read_only=read_only)


def ensemble_named(registry: Registry, reference: str | None) -> Ensemble:
    """The ensemble of ``--ensemble``; None: the newest.

    Raises:
        NotFoundError: no ensemble, or several, have an id with this beginning.
    """
    from registry.outputs.queries import named_ensemble

    with registry.session() as session:
        return named_ensemble(session, reference)


def works_named_or_of(
    connection: duckdb.DuckDBPyConnection, works: list[str] | None, rightsholder: str | None
) -> tuple[list[int], int | None]:
    """Ids of the named works, or the id of the named rightsholder; one of the two must be given.

    Raises:
        UsageError: neither or both are given.
        NotFoundError: a work or the rightsholder is not registered.
    """
    from registry.errors import UsageError
    from registry.works.lookup import resolve_rightsholder, resolve_works

    if bool(works) == (rightsholder is not None):
        raise UsageError("expected either WORK or --rightsholder NAME, and not both")
    named = None if rightsholder is None else resolve_rightsholder(connection, rightsholder)
    return resolve_works(connection, works or []), named


def now() -> datetime:
    """The time that a command records."""
    return datetime.now(UTC)
