"""Names and links of licences by their SPDX identifiers. Nothing here interprets a licence.

Source: the SPDX licence list (https://spdx.org/licenses/), licences of works of art and icon sets.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_CREATIVE_COMMONS = {
    "BY": "Attribution",
    "BY-SA": "Attribution Share Alike",
    "BY-ND": "Attribution No Derivatives",
    "BY-NC": "Attribution Non Commercial",
    "BY-NC-SA": "Attribution Non Commercial Share Alike",
    "BY-NC-ND": "Attribution Non Commercial No Derivatives",
}

SPDX_NAMES = {
    **{
        f"CC-{terms}-{version}": f"Creative Commons {name} {version}"
        for terms, name in _CREATIVE_COMMONS.items()
        for version in ("1.0", "2.0", "2.5", "3.0", "4.0")
    },
    "CC0-1.0": "Creative Commons Zero 1.0 Universal",
    "PDDL-1.0": "Open Data Commons Public Domain Dedication 1.0",
    "ODbL-1.0": "Open Data Commons Open Database License 1.0",
    "Apache-2.0": "Apache License 2.0",
    "BSD-3-Clause": "BSD 3-Clause License",
    "ISC": "ISC License",
    "MIT": "MIT License",
    "MPL-2.0": "Mozilla Public License 2.0",
    "OFL-1.1": "SIL Open Font License 1.1",
    "Unlicense": "The Unlicense",
    "GFDL-1.3-only": "GNU Free Documentation License 1.3 only",
    "GFDL-1.3-or-later": "GNU Free Documentation License 1.3 or later",
    "GPL-2.0-only": "GNU General Public License 2.0 only",
    "GPL-2.0-or-later": "GNU General Public License 2.0 or later",
    "GPL-3.0-only": "GNU General Public License 3.0 only",
    "GPL-3.0-or-later": "GNU General Public License 3.0 or later",
    "LAL-1.3": "Licence Art Libre 1.3",
}
"""SPDX identifier -> full name."""

_BY_LOWER_CASE = {identifier.lower(): identifier for identifier in SPDX_NAMES}


def licence_name(reference: str) -> str | None:
    """The full name of an SPDX identifier in any case; None if unknown."""
    return SPDX_NAMES.get(_BY_LOWER_CASE.get(reference.strip().lower(), ""))


def licence_link(reference: str, url: str | None) -> str | None:
    """Link to the terms: the declared address, else SPDX's page, else None."""
    identifier = _BY_LOWER_CASE.get(reference.strip().lower())
    return web_address(url) or (f"https://spdx.org/licenses/{identifier}.html" if identifier else None)


def web_address(url: str | None) -> str | None:
    """``url`` if it is a plain http or https address, else None: no other may become a link."""
    if (
        not url
        or len(url) > 2000
        or re.search(r"[\s\x00-\x1f\x7f<>\"'`\\\u200b-\u200f\u202a-\u202e\u2066-\u2069]", url)
    ):
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and host and "@" not in parts.netloc else None
