"""Content Credentials (C2PA): findings about a generated image, signed into the image, and the
check of such a file.

:mod:`assertion` is the form of the statement and :mod:`findings` reads it from the registry; they
need no extra. The modules that sign, check or read keys need the extra ``c2pa``. Enter here:
anything about Content Credentials.
"""

from __future__ import annotations

from typing import Any

from registry.errors import MissingPartError

MISSING = "Content Credentials need an optional part that is not here: pip install 'creditline[c2pa]'"


def load_c2pa() -> Any:  # noqa: ANN401  # the library ships no types
    """The library ``c2pa``.

    Raises:
        MissingPartError: the library is not installed, or does not load on this system.
    """
    try:
        import c2pa
    except Exception as error:
        raise MissingPartError(MISSING) from error
    return c2pa
