"""The statements of rightsstatements.org about a work's copyright; few of them are licences."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from registry.licences.terms import LicencePermission, LicenceTerms, terms_of, without_address

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
_STATEMENT = re.compile(r"rightsstatements\.org/(?:vocab|page)/([a-z-]+)/1\.0(?:/.*)?")


def statement(words: str) -> LicenceTerms | None:
    """The terms of a statement, given by its address or its code, or None."""
    address = _STATEMENT.fullmatch(without_address(words))
    code = address[1] if address else words
    if code not in _STATEMENTS or (address is None and not code.startswith(("inc", "noc"))):
        return None
    permission, duties, note = _STATEMENTS[code]
    spelt = "-".join(_SPELT.get(part, part.upper()) for part in code.split("-"))
    return terms_of(permission, duties, note=note, url=f"https://rightsstatements.org/vocab/{spelt}/1.0/")
