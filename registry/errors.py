"""The tree of errors, each with the exit status of the command line.

A message is one line: what was got, what was expected, what to do. Library code raises; only the
command line prints. A driver's error stays as the cause (``from``), so that ``--debug`` shows both.
"""

from __future__ import annotations

from typing import ClassVar


class CreditlineError(Exception):
    """Anything that creditline refuses or cannot do. ``exit_code`` is the status of the process."""

    exit_code: ClassVar[int] = 2


class UsageError(CreditlineError):
    """The command or call contradicts itself, or names something that does not exist."""


class NotFoundError(UsageError):
    """The registry has no such id, path or name."""


class InputError(CreditlineError):
    """A file or table from outside is unreadable, hostile, or of another kind than claimed."""


class CapacityError(CreditlineError):
    """An encoding has too few codes: too many units, or too many ablated at once."""


class RegistryError(CreditlineError):
    """The registry itself is locked, damaged, write-protected or of another schema version."""

    exit_code: ClassVar[int] = 3


class LockedRegistryError(RegistryError):
    """Another process holds the registry, or trains the same ensemble."""


class ReadOnlyRegistryError(RegistryError):
    """The home can only be read, and a change was to be recorded in it."""


class SchemaVersionError(RegistryError):
    """The registry was written by another schema version."""


class IntegrityError(RegistryError):
    """A file differs from its record: altered or missing weights, samples, manifests."""


class MissingPartError(CreditlineError):
    """An optional part (an extra, model weights) is not installed."""

    exit_code: ClassVar[int] = 4
