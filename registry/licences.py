"""Licences: what a declared reference is, and what its own terms say about training a generative model.

    read_licence("http://creativecommons.org/licenses/by-nc/2.0/deed.de").training    # constrained: non-commercial

References come as SPDX expressions, as addresses of Creative Commons or rightsstatements.org, and in the words that people
use. What is not understood is kept verbatim and flagged, never guessed.

The table is conservative and reads licences, not the law: an exception for text and data mining is not a licence's term.
Training copies a work and may adapt it, so a licence that lets anybody copy and adapt permits it, under its duties. One
that withholds commercial use or adaptation permits it under that condition, which somebody has to check. The rest needs
review. ``A OR B`` is a choice, so the more permissive one counts; ``A AND B`` binds to both, so the stricter one does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from registry.errors import InputError

if TYPE_CHECKING:
    from license_expression import Licensing

LONGEST_REFERENCE = 4_096
MOST_IDENTIFIERS = 64
"""Identifiers in one expression; real ones have a handful."""


class LicencePermission(StrEnum):
    """What a licence's own terms say about training, from most to least permissive."""

    PERMITTED = "permitted"
    CONSTRAINED = "constrained"
    UNCLEAR = "unclear"
    PROHIBITED = "prohibited"


_STRICTNESS = {permission: rank for rank, permission in enumerate(LicencePermission)}


@dataclass(frozen=True)
class LicenceTerms:
    """One licence reference and what it means here."""

    reference: str
    """As it was declared."""
    spdx: str | None
    """The SPDX expression in its normal form; None where SPDX has no identifier for it, or it was not understood."""
    recognised: bool
    training: LicencePermission
    duties: tuple[str, ...]
    """What the licence asks of whoever uses the work, sorted."""
    url: str | None
    """Where the licence itself stands, if known."""
    note: str


def read_licence(reference: str) -> LicenceTerms:
    """What a licence reference means; the same whatever its case and spacing.

    Raises:
        InputError: the reference is longer than :data:`LONGEST_REFERENCE`.
    """
    if len(reference) > LONGEST_REFERENCE:
        raise InputError(
            f"a licence reference of {len(reference):,} characters; at most {LONGEST_REFERENCE:,} are read"
        )
    return replace(_terms(" ".join(reference.split()).casefold()), reference=reference)


@lru_cache(maxsize=65_536)
def _terms(key: str) -> LicenceTerms:
    words = key.strip(" .")
    found = _named(words) or _statement(words) or _creative_commons(words) or _expression(_without_address(words))
    if found is not None:
        return found
    if "all rights reserved" in words:
        return _terms_of(LicencePermission.PROHIBITED, note="all rights are reserved: no licence is granted")
    return replace(_terms_of(LicencePermission.UNCLEAR, note="not understood; kept as declared"), recognised=False)


def _terms_of(
    training: LicencePermission,
    duties: Iterable[str] = (),
    *,
    note: str,
    spdx: str | None = None,
    url: str | None = None,
) -> LicenceTerms:
    return LicenceTerms("", spdx, True, training, tuple(sorted(set(duties))), url, note)


# Words that people use

_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "mit license": "mit",
        "mit licence": "mit",
        "the mit license": "mit",
        "apache": "apache-2.0",
        "apache 2": "apache-2.0",
        "apache 2.0": "apache-2.0",
        "apache license 2.0": "apache-2.0",
        "apache license, version 2.0": "apache-2.0",
        "www.apache.org/licenses/license-2.0": "apache-2.0",
        "the unlicense": "unlicense",
        "gpl v2": "gpl-2.0-only",
        "gplv2": "gpl-2.0-only",
        "gpl v3": "gpl-3.0-only",
        "gplv3": "gpl-3.0-only",
        "lgplv3": "lgpl-3.0-only",
        "agplv3": "agpl-3.0-only",
        "odbl": "odbl-1.0",
        "opendatacommons.org/licenses/odbl/1-0": "odbl-1.0",
        "opendatacommons.org/licenses/by/1-0": "odc-by-1.0",
        "opendatacommons.org/licenses/pddl/1-0": "pddl-1.0",
        "pddl": "pddl-1.0",
        "cc0": "cc0-1.0",
        "cc zero": "cc0-1.0",
        "creative commons zero": "cc0-1.0",
        "pdm": "cc-pdm-1.0",
        "public domain mark": "cc-pdm-1.0",
        "public domain mark 1.0": "cc-pdm-1.0",
        "creativecommons.org/publicdomain/zero/1.0": "cc0-1.0",
        "creativecommons.org/publicdomain/mark/1.0": "cc-pdm-1.0",
        "creativecommons.org/licenses/publicdomain": "cc-pddc",
    }
)
_PUBLIC_DOMAIN = frozenset({"public domain", "publicdomain", "public-domain", "pd", "in the public domain"})
_ADDRESS = re.compile(r"https?://(?:www\.)?")
_LOCAL_FORM = re.compile(r"/(?:deed|legalcode|rdf)(?:\.[a-z_-]{2,12})?$")
_IDENTIFIER_ADDRESS = re.compile(r"(?:spdx\.org/licenses|opensource\.org/licenses?)/([a-z0-9.+-]+?)(?:\.html|\.php)?$")


def _without_address(words: str) -> str:
    """An address shortened to what tells licences apart; an identifier where a catalogue's address has it."""
    words = _LOCAL_FORM.sub("", _ADDRESS.sub("", words, count=1).split("?")[0].split("#")[0].rstrip("/"))
    catalogue = _IDENTIFIER_ADDRESS.fullmatch(words)
    return catalogue[1] if catalogue else words


def _named(words: str) -> LicenceTerms | None:
    if words in _PUBLIC_DOMAIN:
        return _terms_of(LicencePermission.PERMITTED, note="declared to be in the public domain; by whom is not said")
    plain = re.sub(r"^(cc0|cc zero|creative commons zero)[ -]v?1\.0( universal)?$", "cc0", words)
    identifier = _ALIASES.get(_without_address(plain).removesuffix(".txt"))
    return None if identifier is None else _expression(identifier)


# rightsstatements.org

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


def _statement(words: str) -> LicenceTerms | None:
    address = _STATEMENT.fullmatch(_without_address(words))
    code = address[1] if address else words
    if code not in _STATEMENTS or (address is None and not code.startswith(("inc", "noc"))):
        return None
    permission, duties, note = _STATEMENTS[code]
    spelt = "-".join(_SPELT.get(part, part.upper()) for part in code.split("-"))
    return _terms_of(permission, duties, note=note, url=f"https://rightsstatements.org/vocab/{spelt}/1.0/")


# Creative Commons

_ELEMENTS = ("by", "nc", "nd", "sa")
_DUTIES = {"by": "attribution", "nc": "non-commercial", "nd": "no-derivatives", "sa": "share-alike"}
_SPELLED_OUT = (
    (r"non[ -]?commercial", "nc"),
    (r"no[ -]?deriv(?:atives|ative|s)?(?: works)?", "nd"),
    (r"share[ -]?alike", "sa"),
    (r"attribution", "by"),
    (r"creative[ -]?commons", "cc"),
)
_FILLER = frozenset({"licence", "license", "public", "international", "unported", "generic", "intl", "int", "the", "v"})
_CC_ADDRESS = re.compile(
    r"creativecommons\.org/licenses/([a-z+-]{2,20})(?:/([0-9]\.[0-9]))?(?:/([a-z]{2,10}))?(?:/.*)?"
)
_CC_LIKE = re.compile(r"cc|creative|attribution|by").match
_CC_WORDS = re.compile(r"[a-z]+|[0-9](?:\.[0-9])?(?![0-9.])|[^ ,()_/-]+")
_LONG_PORTS = ("igo", "scotland")
_VERSIONS = (None, "1.0", "2.0", "2.1", "2.5", "3.0", "4.0")


def _creative_commons(words: str) -> LicenceTerms | None:
    address = _CC_ADDRESS.fullmatch(_without_address(words))
    if address:
        elements, version, port = set(address[1].split("-")), address[2], address[3]
    elif not _CC_LIKE(words):
        return None
    else:
        spoken = words
        for pattern, element in _SPELLED_OUT:
            spoken = re.sub(pattern, f" {element} ", spoken)
        parts = [part for part in _CC_WORDS.findall(spoken) if part not in _FILLER]
        if not parts or parts[0] not in ("cc", "by"):
            return None
        versions = [part for part in parts if part[0].isdigit()]
        elements = {part for part in parts if part in _ELEMENTS}
        rest = [part for part in parts if part not in _ELEMENTS and part not in ("cc", *versions)]
        if len(set(versions)) > 1 or len(rest) > 1 or not (parts[0] == "cc" or versions):
            return None
        version = (versions[0] if "." in versions[0] else f"{versions[0]}.0") if versions else None
        port = rest[0] if rest else None
        if port is not None and not (port.isalpha() and port != "or" and (len(port) == 2 or port in _LONG_PORTS)):
            return None
    if not elements or not elements <= set(_ELEMENTS) or version not in _VERSIONS:
        return None
    return _creative_commons_terms([element for element in _ELEMENTS if element in elements], version, port)


def _creative_commons_terms(elements: list[str], version: str | None, port: str | None) -> LicenceTerms:
    name = "-".join(elements)
    duties = [_DUTIES[element] for element in elements]
    constrained = [duty for duty in duties if duty in ("non-commercial", "no-derivatives")]
    permission = LicencePermission.CONSTRAINED if constrained else LicencePermission.PERMITTED
    note = "constrained: " + ", ".join(constrained) if constrained else "copying and adapting are permitted"
    if version is None:
        return _terms_of(permission, duties, note=f"{note}; Creative Commons, no version is stated")
    known = _identifiers()
    ported = known.get(f"cc-{name}-{version}-{port}") if port else None
    general = known.get(f"cc-{name}-{version}")
    if port and not ported:
        note += f"; the port {port!r} has no SPDX identifier, the general one stands for it"
    elif not general and not ported:
        note += "; SPDX has no identifier for it"
    chosen = ported or general
    url = f"https://creativecommons.org/licenses/{name}/{version}/" + (f"{port}/" if port else "")
    return _terms_of(permission, duties, note=note, spdx=chosen.key if chosen else None, url=url)


# SPDX expressions


@dataclass(frozen=True)
class _Identifier:
    key: str
    category: str
    is_exception: bool


@lru_cache(maxsize=1)
def _identifiers() -> Mapping[str, _Identifier]:
    """SPDX identifiers by their lower-case spelling, older spellings too; read once, when the first one is asked for."""
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


def _expression(text: str) -> LicenceTerms | None:
    """The terms of an SPDX expression, or None where a part of the text is neither identifier nor operator."""
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
    except (ExpressionError, RecursionError):
        return None
    if tree is None or len(tree.symbols) > MOST_IDENTIFIERS:
        return None
    terms = _of_tree(tree)
    return None if terms is None else replace(terms, spdx=tree.render())


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
    ordered = sorted(known, key=lambda term: (_STRICTNESS[term.training], len(term.duties), term.duties, term.note))
    if isinstance(tree, OR):
        return replace(ordered[0], url=None, note=f"a choice: {ordered[0].note}")
    duties = {duty for term in known for duty in term.duties}
    return replace(ordered[-1], duties=tuple(sorted(duties)), url=None, note=f"all apply: {ordered[-1].note}")


def _of_identifier(key: str) -> LicenceTerms | None:
    if "LicenseRef-" in key:
        return _terms_of(LicencePermission.UNCLEAR, note="a licence of somebody's own; it must be read", spdx=key)
    known = _identifiers()[key.lower().removesuffix("+")]
    if known.is_exception:
        return None
    match = re.fullmatch(r"cc-((?:by|nc|nd|sa)(?:-(?:nc|nd|sa))*)-([0-9.]+)(?:-([a-z]+))?", known.key.lower())
    if match:
        return _creative_commons_terms([e for e in _ELEMENTS if e in match[1].split("-")], match[2], match[3])
    url = _CC_ADDRESSES.get(known.key, f"https://spdx.org/licenses/{known.key}.html")
    if "noncommercial" in known.key.lower() or {"NC", "NCGL"} & set(known.key.split("-")):
        note = "constrained: non-commercial"
        return _terms_of(LicencePermission.CONSTRAINED, ("non-commercial",), note=note, spdx=known.key, url=url)
    permission, duties, note = _BY_CATEGORY.get(
        known.category.removesuffix(" Limited"), (LicencePermission.UNCLEAR, (), "restricted terms; they must be read")
    )
    return _terms_of(permission, duties, note=note, spdx=known.key, url=url)


_CC_ADDRESSES = {
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC-PDM-1.0": "https://creativecommons.org/publicdomain/mark/1.0/",
    "CC-PDDC": "https://creativecommons.org/licenses/publicdomain/",
}
