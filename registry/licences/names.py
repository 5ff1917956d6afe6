"""Names that people give to licences and to the public domain, beside SPDX identifiers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from registry.licences.spdx import expression, gnu_terms
from registry.licences.terms import LicencePermission, LicenceTerms, terms_of

_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "apache": "apache-2.0",
        "apache 2": "apache-2.0",
        "apache 2.0": "apache-2.0",
        "apache license 2.0": "apache-2.0",
        "apache license, version 2.0": "apache-2.0",
        "apache license version 2.0": "apache-2.0",
        "apache software license 2.0": "apache-2.0",
        "asl 2.0": "apache-2.0",
        "mit license": "mit",
        "the mit license": "mit",
        "mit/x11": "mit",
        "expat": "mit",
        "unlicense": "unlicense",
        "the unlicense": "unlicense",
        "bsd 2-clause": "bsd-2-clause",
        "bsd 3-clause": "bsd-3-clause",
        "new bsd": "bsd-3-clause",
        "simplified bsd": "bsd-2-clause",
        "odbl": "odbl-1.0",
        "open database license": "odbl-1.0",
        "open database license 1.0": "odbl-1.0",
        "odc-by": "odc-by-1.0",
        "pddl": "pddl-1.0",
        "free art license": "lal-1.3",
        "free art license 1.3": "lal-1.3",
        "fal": "lal-1.3",
        "licence art libre": "lal-1.3",
        "ogl v3.0": "ogl-uk-3.0",
        "ogl 3": "ogl-uk-3.0",
        "open government licence v3.0": "ogl-uk-3.0",
        "open government licence 3.0": "ogl-uk-3.0",
        "licence ouverte 2.0": "etalab-2.0",
        "licence ouverte v2.0": "etalab-2.0",
        "datenlizenz deutschland namensnennung 2.0": "dl-de-by-2.0",
        "sil open font license 1.1": "ofl-1.1",
        "open font license": "ofl-1.1",
        "ecos-2.0": "gpl-2.0-or-later with ecos-exception-2.0",
        "pdm": "cc-pdm-1.0",
        "pdm 1.0": "cc-pdm-1.0",
        "cc pdm": "cc-pdm-1.0",
        "cc pdm 1.0": "cc-pdm-1.0",
        "cc-pdm": "cc-pdm-1.0",
        "public domain mark": "cc-pdm-1.0",
        "public domain mark 1.0": "cc-pdm-1.0",
        "creative commons public domain mark 1.0": "cc-pdm-1.0",
        "creative commons public domain mark": "cc-pdm-1.0",
        "public domain mark 1.0 universal": "cc-pdm-1.0",
        "パブリック・ドメイン・マーク": "cc-pdm-1.0",
    }
)
_GNU = re.compile(
    r"(?:the )?(?:gnu )?(?P<name>(?P<kind>affero |lesser |library )?general public license|free documentation license|"
    r"[al]?gpl|g?fdl)"
    r"(?:,? ?[-]?(?:v|version )?\.? ?(?P<version>[123](?:\.[0-9])?))?"
    r"(?P<later>\+| or(?: \(at your option\))? (?:any )?(?:later|newer|higher)(?: version)?|-or-later)?(?: only|-only)?"
)
_GNU_KINDS = {"affero ": "agpl", "lesser ": "lgpl", "library ": "lgpl", None: "gpl"}
_DEPRECATED = re.compile(r"(gpl-[23]\.0)-with-(autoconf|bison|classpath|font|gcc)-exception")
"""Identifiers of SPDX 1 that named a licence and its exception in one word."""
_EXCEPTIONS = {
    ("gpl-2.0", "autoconf"): "autoconf-exception-2.0",
    ("gpl-3.0", "autoconf"): "autoconf-exception-3.0",
    ("gpl-2.0", "bison"): "bison-exception-2.2",
    ("gpl-2.0", "classpath"): "classpath-exception-2.0",
    ("gpl-2.0", "font"): "font-exception-2.0",
    ("gpl-2.0", "gcc"): "gcc-exception-2.0",
    ("gpl-3.0", "gcc"): "gcc-exception-3.1",
}
_ZERO = re.compile(
    r"(?:creative commons |cc )?(?:cc[ -_]?0|cc[ -_]zero|creative commons[ -]zero|zero|creative commons 0)"
    r"(?:[ ,]*\(?cc0\)?)?(?:[ ,_-]*(?:v|version )?1(?:[._]0)?)?(?: universal| universell| universel(?:le)?| "
    r"universale?)?"
    r"(?:[ -]+public domain dedication)?|public domain dedication(?: and license)?(?: \(cc0\))?|no rights reserved|"
    r"keine rechte vorbehalten|aucun droit reserve"
)
_PUBLIC_DOMAIN = re.compile(
    r"(?:in |in the )?public[ -]?domain|publicdomain|pd|gemeinfrei|domaine public|dominio publico|pubblico "
    r"dominio|dominio pubblico|"
    r"publiek domein|domena publiczna|volne dilo|allman egendom|общественное достояние|суспільне надбання|kamu mali|"
    r"ملكية عامة|الملكية العامة|ملك عام|النطاق العام|パブリックドメイン|公有领域|公有領域|公共领域|퍼블릭 도메인|"
    r"pd-(?:old(?:-[a-z0-9-]+)?|self|author|user|art|scan|ineligible|textlogo|shape|simple|because)"
)
_PUBLIC_DOMAIN_SOMEWHERE = re.compile(
    r"pd-(?:us|usgov|1923|1996)[a-z0-9-]*|(?:in the )?public domain (?:in|within) (?:the )?(?:usa?|"
    r"u\.s\.(?:a\.)?|united states(?: of america)?)"
    r"|(?:united states|us|u\.s\.) government works?"
)


def named(words: str) -> LicenceTerms | None:
    """The terms of a licence by a folded name, or None."""
    if _PUBLIC_DOMAIN_SOMEWHERE.fullmatch(words):
        return terms_of(LicencePermission.UNCLEAR, note="in the public domain in one country; elsewhere is not said")
    if _PUBLIC_DOMAIN.fullmatch(words):
        return terms_of(LicencePermission.PERMITTED, note="declared to be in the public domain, without a reason")
    if words[:1] != "0" and _ZERO.fullmatch(words) and words not in ("zero", "cc 0 1"):
        return expression("cc0-1.0")
    plain = words.replace("licence", "license").removesuffix(" license")
    if found := _GNU.fullmatch(plain) or _GNU.fullmatch(f"{plain} license"):
        return gnu_terms(_gnu_name(found), found["version"], later=bool(found["later"]))
    if found := _DEPRECATED.fullmatch(words):
        exception = _EXCEPTIONS.get((found[1], found[2]))
        return None if exception is None else expression(f"{found[1]}-only with {exception}")
    identifier = _ALIASES.get(words) or _ALIASES.get(f"{plain} license") or _ALIASES.get(plain)
    return None if identifier is None else expression(identifier)


def _gnu_name(found: re.Match[str]) -> str:
    name = found["name"]
    if name in ("fdl", "gfdl", "free documentation license"):
        return "gfdl"
    return _GNU_KINDS[found["kind"]] if name.endswith("general public license") else name
