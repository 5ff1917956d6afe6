"""The one tree of errors, each with the exit status that the command line gives for it.

A message says what was got, what was expected and what to do next, in one line: library code
raises, only the command line prints. An error that comes from a driver (DuckDB, Pillow,
safetensors) is raised ``from`` it, so that ``--debug`` shows both.
"""

from __future__ import annotations

from typing import ClassVar


class CreditlineError(Exception):
    """Anything that creditline refuses or cannot do. ``exit_code`` is the status of the process
    that meets it.
    """

    exit_code: ClassVar[int] = 2


class UsageError(CreditlineError):
    """The command or call contradicts itself, or names something that does not exist."""


class NotFoundError(UsageError):
    """An id, path or name that the registry does not hold."""


class InputError(CreditlineError):
    """A file or table from outside cannot be used: unreadable, hostile, or not what it claims to
    be.
    """


class CapacityError(CreditlineError):
    """More was asked of an encoding than its codes hold: too many units, or too many ablated at
    once.
    """


class RegistryError(CreditlineError):
    """The registry itself is locked, damaged or of another schema version."""

    exit_code: ClassVar[int] = 3


class LockedRegistryError(RegistryError):
    """Another process holds the registry."""


class SchemaVersionError(RegistryError):
    """The registry was written by another schema version."""


class IntegrityError(RegistryError):
    """A file no longer is what the registry recorded: altered or missing weights, samples,
    manifests.
    """


class MissingPartError(CreditlineError):
    """An optional part (an extra, model weights) is not installed."""

    exit_code: ClassVar[int] = 4
