"""Sources that are named by an address: copied into the home, then read as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from cli.opening import now
from cli.output import narrate, plural, progress_bars
from registry.errors import UsageError

if TYPE_CHECKING:
    from registry.storage.database import Registry


def file_of(registry: Registry, source: str, *, dry_run: bool = False) -> Path:
    """The file or folder of a source; of an address, its copy in the home, which the log names.

    ``dry_run``: the log is left alone.

    Raises:
        UsageError: the address is malformed, or of a kind that is not read.
        InputError: it cannot be read.
        MissingPartError: its kind needs an extra.
    """
    from registry.event_log.events import changing
    from registry.object_storage.addresses import Address, is_address
    from registry.object_storage.copies import copy_of

    if not is_address(source):
        return Path(source)
    if source.lower().startswith("file:"):
        return _of_this_machine(source)
    address = Address.parse(source)
    registry.check_writable()
    with progress_bars() as progress:
        bar = progress.add_task(f"copying {address.name} (bytes)", total=None)
        copy = copy_of(
            registry.home, address, lambda done, total: progress.update(bar, advance=done, total=total or None)
        )
    narrate(f"{copy.address}: {plural(copy.files, 'file')}, {copy.copied:,} copied now, in {copy.path}")
    if not dry_run:
        facts = {"path": str(copy.path.resolve()), "files": copy.files, "bytes": copy.size, "sha256": copy.sha256}
        with changing(registry, now()) as change:
            change.record("source copied", f"address {copy.address}", after=facts)
    return copy.path


def _of_this_machine(source: str) -> Path:
    malformed = UsageError(f"got {source!r}, expected file:///PATH: a file of this machine")
    try:
        parts = urlsplit(source)
    except ValueError as error:
        raise malformed from error
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/") or parts.query or parts.fragment:
        raise malformed
    return Path(unquote(parts.path))
