"""Statements about a work's copyright, and the terms of image libraries; few of them are licences.

Sources: rightsstatements.org 1.0; the Europeana rights statements that preceded them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from registry.licences.terms import LicencePermission, LicenceTerms, terms_of

_STATEMENTS: Mapping[str, tuple[LicencePermission, tuple[str, ...], str]] = MappingProxyType(
    {
        "inc": (LicencePermission.UNCLEAR, (), "in copyright; the statement grants no licence and refuses none"),
        "inc-ow-eu": (LicencePermission.UNCLEAR, (), "in copyright, an orphan work in the EU"),
        "inc-edu": (LicencePermission.CONSTRAINED, ("educational-use",), "in copyright, educational use permitted"),
        "inc-nc": (LicencePermission.CONSTRAINED, ("non-commercial",), "in copyright, non-commercial use permitted"),
        "inc-ruu": (LicencePermission.UNCLEAR, (), "in copyright, the rightsholder cannot be found"),
        "noc-cr": (LicencePermission.CONSTRAINED, ("contract",), "no copyright, a contract restricts its use"),
        "noc-nc": (LicencePermission.CONSTRAINED, ("non-commercial",), "no copyright, non-commercial use only"),
        "noc-oklr": (LicencePermission.UNCLEAR, (), "no copyright, other laws restrict its use"),
        "noc-us": (LicencePermission.UNCLEAR, (), "no copyright in the United States; elsewhere is not said"),
        "cne": (LicencePermission.UNCLEAR, (), "copyright was not evaluated"),
        "und": (LicencePermission.UNCLEAR, (), "copyright could not be determined"),
        "nkc": (LicencePermission.UNCLEAR, (), "no known copyright, which is not certain"),
    }
)
_SPELT = {"inc": "InC", "noc": "NoC", "ow": "OW", "ruu": "RUU"}
_STATEMENT = re.compile(r"rightsstatements\.org/(?:vocab|page|data)/([a-z-]+)/1\.0(?:/[a-z]{2})?")
_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "in copyright": "inc",
        "in copyright - eu orphan work": "inc-ow-eu",
        "in copyright - educational use permitted": "inc-edu",
        "in copyright - non-commercial use permitted": "inc-nc",
        "in copyright - rights-holder(s) unlocatable or unidentifiable": "inc-ruu",
        "no copyright - contractual restrictions": "noc-cr",
        "no copyright - non-commercial use only": "noc-nc",
        "no copyright - other known legal restrictions": "noc-oklr",
        "no copyright - united states": "noc-us",
        "copyright not evaluated": "cne",
        "copyright undetermined": "und",
        "no known copyright": "nkc",
        "no known copyright restrictions": "nkc",
        "no known restrictions": "nkc",
    }
)
_EUROPEANA = re.compile(r"europeana\.eu/(?:portal/)?rights/([a-z-]+)(?:\.html)?")
_OLD_EUROPEANA: Mapping[str, tuple[LicencePermission, tuple[str, ...], str]] = MappingProxyType(
    {
        **dict.fromkeys(
            ("rr-f", "rr-p", "rr-r"), (LicencePermission.PROHIBITED, (), "rights reserved, so no licence is granted")
        ),
        "unknown": (LicencePermission.UNCLEAR, (), "copyright could not be determined"),
        "out-of-copyright-non-commercial": _STATEMENTS["noc-nc"],
        "orphan-work-eu": _STATEMENTS["inc-ow-eu"],
    }
)
_HOUSES = re.compile(
    r"(?:the )?(unsplash|pexels|pixabay|freepik|shutterstock|istock|getty images|adobe stock|envato|depositphotos|"
    r"dreamstime|alamy|500px)(?: content)? (?:licen[sc]e|lizenz|licence|licencia|licenza|licenca|licentie|licencja)"
    r"(?: agreement)?|(?:licen[sc]e: ?)?(unsplash|pexels|pixabay)"
    r"|(unsplash|pexels|pixabay)\.com/(?:[a-z]{2}/)?(?:service/)?(?:licen[sc]e|terms)(?:-summary)?"
)


def statement(words: str) -> LicenceTerms | None:
    """The terms of a statement, given by its code or its name, or of an image library; or None."""
    code = words if words.startswith(("inc", "noc")) else ""
    return _of_code(_NAMES.get(words, code)) or house_terms(words)


def rights_statement(address: str) -> LicenceTerms | None:
    """The terms of a statement at an address without scheme, or None."""
    if found := _STATEMENT.fullmatch(address):
        return _of_code(found[1])
    if (found := _EUROPEANA.fullmatch(address)) and found[1] in _OLD_EUROPEANA:
        permission, duties, note = _OLD_EUROPEANA[found[1]]
        return terms_of(permission, duties, note=note)
    return None


def house_terms(words: str) -> LicenceTerms | None:
    """An image library's own terms, by name or address: they change, so people must read them."""
    found = _HOUSES.fullmatch(words)
    if found is None:
        return None
    house = next(group for group in found.groups() if group)
    return terms_of(LicencePermission.UNCLEAR, note=f"the terms of {house}, which change; they must be read")


def _of_code(code: str) -> LicenceTerms | None:
    if code not in _STATEMENTS:
        return None
    permission, duties, note = _STATEMENTS[code]
    spelt = "-".join(_SPELT.get(part, part.upper()) for part in code.split("-"))
    return terms_of(permission, duties, note=note, url=f"https://rightsstatements.org/vocab/{spelt}/1.0/")
