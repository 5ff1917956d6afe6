"""SPDX identifiers and expressions, through the license-expression library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from registry.licences.terms import LicencePermission, LicenceTerms, all_of, choice_of, terms_of

if TYPE_CHECKING:
    from license_expression import Licensing

MOST_IDENTIFIERS = 64
"""Identifiers in one expression; real ones have a handful."""


ELEMENTS = ("by", "nc", "nd", "sa")
_DUTIES = {"by": "attribution", "nc": "non-commercial", "nd": "no-derivatives", "sa": "share-alike"}


def creative_commons_terms(elements: list[str], version: str | None, port: str | None) -> LicenceTerms:
    """The terms of a Creative Commons licence by its elements, with its SPDX identifier if any."""
    name = "-".join(elements)
    duties = [_DUTIES[element] for element in elements]
    constrained = [duty for duty in duties if duty in ("non-commercial", "no-derivatives")]
    permission = LicencePermission.CONSTRAINED if constrained else LicencePermission.PERMITTED
    note = "constrained: " + ", ".join(constrained) if constrained else "copying and adapting are permitted"
    if version is None:
        return terms_of(permission, duties, note=f"{note}; Creative Commons, no version is stated")
    known = _identifiers()
    ported = known.get(f"cc-{name}-{version}-{port}") if port else None
    general = known.get(f"cc-{name}-{version}")
    if port and not ported:
        note += f"; the port {port!r} has no SPDX identifier, the general one stands for it"
    elif not general and not ported:
        note += "; SPDX has no identifier for it"
    chosen = ported or general
    url = f"https://creativecommons.org/licenses/{name}/{version}/" + (f"{port}/" if port else "")
    return terms_of(permission, duties, note=note, spdx=chosen.key if chosen else None, url=url)


@dataclass(frozen=True)
class _Identifier:
    key: str
    category: str
    is_exception: bool


@lru_cache(maxsize=1)
def _identifiers() -> Mapping[str, _Identifier]:
    """SPDX identifiers by their lower-case spelling, old spellings too; read at first use."""
    from license_expression import get_license_index

    found: dict[str, _Identifier] = {}
    for entry in get_license_index():
        key = entry.get("spdx_license_key")
        if key and not key.startswith("LicenseRef-"):
            known = _Identifier(key, entry.get("category") or "", bool(entry.get("is_exception")))
            for spelling in (key, *entry.get("other_spdx_license_keys", ())):
                found.setdefault(spelling.lower(), known)
    return found


_OPERATORS = MappingProxyType({"and": "AND", "or": "OR", "with": "WITH", "(": "(", ")": ")"})
_PARTS = re.compile(r"[()]|[^()\s]+")
_REFERENCE = re.compile(r"(?:documentref-[a-z0-9.-]+:)?licenseref-[a-z0-9.-]+").fullmatch
_SHARED = ("attribution", "notice")
_BY_CATEGORY: Mapping[str, tuple[LicencePermission, tuple[str, ...], str]] = MappingProxyType(
    {
        "Public Domain": (LicencePermission.PERMITTED, (), "given to the public domain, or as good as"),
        "Permissive": (LicencePermission.PERMITTED, _SHARED, "copying and adapting are permitted"),
        "Copyleft": (
            LicencePermission.PERMITTED,
            (*_SHARED, "share-alike"),
            "copying and adapting are permitted; whether a model must be shared alike is not settled",
        ),
    }
)


def expression(text: str) -> LicenceTerms | None:
    """The terms of an SPDX expression; None if a part is neither identifier nor operator."""
    parts = _PARTS.findall(text)
    if not parts or len(parts) > 4 * MOST_IDENTIFIERS:
        return None
    written: list[str] = []
    for part in parts:
        spelt = _OPERATORS.get(part) or _spelt(part)
        if spelt is None:
            return None
        written.append(spelt)
    if len(written) == 1 and written[0] not in _OPERATORS.values():
        alone = _of_identifier(written[0])
        return None if alone is None else replace(alone, spdx=written[0])
    from license_expression import ExpressionError

    try:
        tree = _grammar().parse(" ".join(written), simple=True)
    # IndexError: empty parentheses; AssertionError: an operator without a side, as in "( AND MIT".
    except (ExpressionError, RecursionError, IndexError, AssertionError):
        return None
    if tree is None or len(tree.symbols) > MOST_IDENTIFIERS:
        return None
    terms = _of_tree(tree)
    return None if terms is None else replace(terms, spdx=tree.render())


def gnu_terms(name: str, version: str | None, *, later: bool = False) -> LicenceTerms | None:
    """The terms of a GNU licence ("gpl", "lgpl", "agpl", "gfdl"); None for an unknown version."""
    if version is not None:
        full = version if "." in version else f"{version}.0"
        return expression(f"{name}-{full}-{'or-later' if later else 'only'}")
    note = _BY_CATEGORY["Copyleft"][2]
    return terms_of(LicencePermission.PERMITTED, _BY_CATEGORY["Copyleft"][1], note=f"{note}; no version is stated")


@lru_cache(maxsize=1)
def _grammar() -> Licensing:
    from license_expression import Licensing

    return Licensing()


def _spelt(part: str) -> str | None:
    known = _identifiers().get(part)
    if known is not None:
        return known.key
    later = _identifiers().get(part.removesuffix("+"))
    if later is not None and part.endswith("+"):
        return later.key + "+"
    if _REFERENCE(part):
        return part.replace("documentref-", "DocumentRef-").replace("licenseref-", "LicenseRef-")
    return None


def _of_tree(tree: object) -> LicenceTerms | None:
    """The terms of one node; None where a WITH does not join a licence and an exception."""
    from license_expression import AND, OR, LicenseSymbol, LicenseWithExceptionSymbol

    if isinstance(tree, LicenseWithExceptionSymbol):
        exception = _identifiers().get(tree.exception_symbol.key.lower())
        if exception is None or not exception.is_exception:
            return None
        base = _of_identifier(tree.license_symbol.key)
        return None if base is None else replace(base, url=None)
    if isinstance(tree, LicenseSymbol):
        return _of_identifier(tree.key)
    if not isinstance(tree, (AND, OR)):
        return None
    terms = [_of_tree(argument) for argument in tree.args]
    known = [term for term in terms if term is not None]
    if len(known) < len(terms):
        return None
    return choice_of(known) if isinstance(tree, OR) else all_of(known)


def _of_identifier(key: str) -> LicenceTerms | None:
    if "LicenseRef-" in key:
        return terms_of(LicencePermission.UNCLEAR, note="a custom licence; its terms must be read", spdx=key)
    known = _identifiers()[key.lower().removesuffix("+")]
    if known.is_exception:
        return None
    match = re.fullmatch(r"cc-((?:by|nc|nd|sa)(?:-(?:nc|nd|sa))*)-([0-9.]+)(?:-([a-z]+))?", known.key.lower())
    if match:
        return creative_commons_terms([e for e in ELEMENTS if e in match[1].split("-")], match[2], match[3])
    url = _CC_ADDRESSES.get(known.key, f"https://spdx.org/licenses/{known.key}.html")
    if "noncommercial" in known.key.lower() or {"NC", "NCGL"} & set(known.key.split("-")):
        note = "constrained: non-commercial"
        return terms_of(LicencePermission.CONSTRAINED, ("non-commercial",), note=note, spdx=known.key, url=url)
    permission, duties, note = _BY_CATEGORY.get(
        known.category.removesuffix(" Limited"), (LicencePermission.UNCLEAR, (), "restricted terms; they must be read")
    )
    return terms_of(permission, duties, note=note, spdx=known.key, url=url)


_CC_ADDRESSES = {
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC-PDM-1.0": "https://creativecommons.org/publicdomain/mark/1.0/",
    "CC-PDDC": "https://creativecommons.org/licenses/publicdomain/",
}
