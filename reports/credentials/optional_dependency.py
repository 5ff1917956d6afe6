"""The extra ``c2pa``: without it everything else works, and what needs it says how to install
it.
"""

from __future__ import annotations

from typing import Any

from registry.errors import MissingPartError

MISSING = "Content Credentials need an optional part that is not here: pip install 'creditline[c2pa]'"


def load_c2pa() -> Any:  # noqa: ANN401  # the library ships no types
    """The library ``c2pa``.

    Raises:
        MissingPartError: it is not installed, or does not load on this system.
    """
    try:
        import c2pa
    except Exception as error:
        raise MissingPartError(MISSING) from error
    return c2pa
