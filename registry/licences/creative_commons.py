"""Creative Commons licences by the names that people give them, in many languages.

creative_commons("namensnennung - nicht kommerziell 3.0 deutschland")    # CC-BY-NC-3.0-DE
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from registry.licences.spdx import ELEMENTS, creative_commons_terms
from registry.licences.terms import LicenceTerms

_SPELLED_OUT: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), f" {element} ")
    for pattern, element in (
        # The longer names stand first: "no derivatives" before "no".
        (
            r"non?[ -]?comm?erc(?:ial|iale|ialis)?(?: use)?\b|nicht[ -]?kommerziell(?:e nutzung)?|pas "
            r"d'utilisation commerciale|"
            r"no[ -]?comercial|nao[ -]?comercial|uso nao comercial|niet[ -]?commercieel|uzycie niekomercyjne|"
            r"icke[ -]?kommersiell|ikke[ -]?kommersiell|ikke[ -]?kommerciel|ei[ -]?kaupallinen|非営利|非商业性使用|"
            r"非商業性|비영리|غير تجاري(?:ة)?",
            "nc",
        ),
        (
            r"no[ -]?deriv(?:atives?|ative|s)?(?: works?)?\b|keine[ -]?bearbeitung(?:en)?|pas de modifications?|"
            r"sin(?:[ -]?obras?)?[ -]?derivadas?|sem[ -]?deriv(?:acoes|ados)|non opere derivate|geen[ "
            r"-]?afgeleide[ -]?werken|"
            r"bez utworow zaleznych|inga[ -]?bearbetningar|改変禁止|禁止演绎|禁止改作|변경금지|منع الاشتقاق|بلا اشتقاق",
            "nd",
        ),
        (
            r"share[ -]?alike|weitergabe unter gleichen bedingungen|partage dans les memes conditions|"
            r"partage a l'identique|compartir[ -]?igual|compartilha[ -]?igual|condividi allo stesso modo|"
            r"gelijk[ -]?delen|na tych samych warunkach|dela[ -]?lika|継承|相同方式共享|相同方式分享|"
            r"동일조건변경허락|(?:الترخيص|المشاركة) بالمثل",
            "sa",
        ),
        (
            r"attribution\b|namensnennung|reconocimiento|atribucion|atribuicao|attribuzione|naamsvermelding|"
            r"uznanie autorstwa|erkannande|navngivelse|nimea|表示(?! *的)|署名|姓名標示|저작자표시|نسب المصنف|نسبة المصنف",
            "by",
        ),
        (
            r"creative[ -]?comm?ons|\bcreativecommons|크리에이티브 커먼즈|クリエイティブ ?コモンズ|知识共享|創用cc|"
            r"المشاع الابداعي",
            "cc",
        ),
    )
)
_PLACES: Mapping[str, str] = MappingProxyType(
    {
        **{"deutschland": "de", "germany": "de", "osterreich": "at", "austria": "at", "schweiz": "ch", "suisse": "ch"},
        **{"switzerland": "ch", "france": "fr", "espana": "es", "spain": "es", "italia": "it", "italy": "it"},
        **{"polska": "pl", "poland": "pl", "nederland": "nl", "netherlands": "nl", "sverige": "se", "sweden": "se"},
        **{
            "portugal": "pt",
            "brasil": "br",
            "brazil": "br",
            "japan": "jp",
            "日本": "jp",
            "korea": "kr",
            "대한민국": "kr",
        },
        **{"australia": "au", "canada": "ca", "taiwan": "tw", "台灣": "tw", "中国大陆": "cn", "united states": "us"},
        **{"belgium": "be", "belgique": "be", "belgie": "be", "norge": "no", "norway": "no", "danmark": "dk"},
        **{"denmark": "dk", "new zealand": "nz", "united kingdom": "uk", "uk: england & wales": "uk"},
        **{
            "uk: england and wales": "uk",
            "england and wales": "uk",
            "ireland": "ie",
            "india": "in",
            "luxembourg": "lu",
        },
    }
)
_IN_PLACES = re.compile("|".join(sorted(map(re.escape, _PLACES), key=len, reverse=True)))
_FILLER = frozenset(
    {
        *("licence", "license", "licenses", "public", "international", "unported", "generic", "intl", "int", "v"),
        *("version", "lizenz", "licencia", "licenza", "licenca", "licentie", "licencja", "licens", "internacional"),
        *("internazionale", "internationaal", "internationell", "miedzynarodowe", "generique"),
        *("generica", "generico", "ライセンス", "国際", "国际", "國際", "국제", "라이선스", "许可协议"),
        *("許諾", "協議", "许可", "دولي", "رخصة", "ver", "uluslararasi", "kansainvalinen"),
    }
)
_RUN_ON = re.compile("|".join(sorted((each for each in _FILLER if not each.isascii()), key=len, reverse=True)))
"""Filling words of languages that put no space between words."""
_LIKE = re.compile(r"cc|by\b|by[-_ ]?(?:nc|nd|sa)|" + "|".join(pattern.pattern for pattern, _ in _SPELLED_OUT)).match
_TOGETHER = re.compile(r"\b(cc)?((?:by)(?:(?:nc|nd|sa)){0,2})([0-9](?:\.[0-9])?)?\b")
_WORDS = re.compile(r"[^\W\d_]+|[0-9](?:[._][0-9])?(?![0-9.])|[^ ,()\[\]/:;._+-]+")
_NOT_PORTED = re.compile(r"\bnicht portiert\b|\bnon transpose\b|\bno adaptada\b|\bnao adaptada\b|非移植")
PORTS = frozenset(
    {
        "am",
        "ar",
        "at",
        "au",
        "az",
        "be",
        "bg",
        "br",
        "ca",
        "ch",
        "cl",
        "cn",
        "co",
        "cr",
        "cz",
        "de",
        "dk",
        "ec",
        "ee",
        "eg",
        "es",
        "fi",
        "fr",
        "ge",
        "gr",
        "gt",
        "hk",
        "hr",
        "hu",
        "ie",
        "igo",
        "il",
        "in",
        "it",
        "jp",
        "kr",
        "lu",
        "mk",
        "mt",
        "mx",
        "my",
        "nl",
        "no",
        "nz",
        "pe",
        "ph",
        "pl",
        "pr",
        "pt",
        "ro",
        "rs",
        "scotland",
        "se",
        "sg",
        "si",
        "th",
        "tw",
        "ug",
        "uk",
        "us",
        "ve",
        "vn",
        "za",
    }
)
"""Jurisdictions of Creative Commons, and the organisations between states."""
ONLY_WORDS = frozenset({"am", "at", "be", "co", "in", "is", "it", "my", "no"})
"""Codes that are words of English, too: version 4.0 has no ports, so they are words there."""
VERSIONS = (None, "1.0", "2.0", "2.1", "2.5", "3.0", "4.0")
_BRACKETED_SIGN = re.compile(r"[(\[][^\w()\[\]]*[+&][^\w()\[\]]*(?:[)\]]|$)")
"""A sign of joining alone in brackets: nobody knows what it adds."""
_SEVERAL = re.compile(r"[;!?]|\.\s|https?:|\b(?:and|or|und|oder|et|ou)\b")


def creative_commons(words: str) -> LicenceTerms | None:
    """The terms of a Creative Commons licence, or None where the folded words name none."""
    if not _LIKE(words) or _SEVERAL.search(words.replace("england and wales", "")) or _BRACKETED_SIGN.search(words):
        return None
    spoken = _NOT_PORTED.sub(" ", words)
    for pattern, element in _SPELLED_OUT:
        spoken = pattern.sub(element, spoken)
    spoken = _IN_PLACES.sub(lambda found: f" {_PLACES[found[0]]} ", spoken)
    spoken = _TOGETHER.sub(_apart, spoken)
    spoken = _RUN_ON.sub(" ", spoken)
    parts = [part for part in _WORDS.findall(spoken) if part not in _FILLER]
    if not parts or parts[0] not in ("cc", "by"):
        return None
    if not _is_one(parts):
        return None
    versions = {part.replace("_", ".") for part in parts if part[0].isdigit()}
    elements = {part for part in parts if part in ELEMENTS}
    rest = {part for part in parts if part not in ELEMENTS and part != "cc" and not part[0].isdigit()}
    alone = parts == ["by"] and words == "by"
    if len(versions) > 1 or len(rest) > 1 or alone or not elements:
        return None
    if not (parts[0] == "cc" or versions or len(elements) > 1 or "commons" in words):
        return None
    stated = next(iter(versions), None)
    version = (stated if "." in stated else f"{stated}.0") if stated else None
    port = next(iter(rest), None)
    if version not in VERSIONS or (port is not None and ("," in words or not _is_port(port, version, parts))):
        return None
    return creative_commons_terms([element for element in ELEMENTS if element in elements], version, port)


def _is_one(parts: list[str]) -> bool:
    """Whether the words name one licence, perhaps twice: "Attribution 4.0 (CC BY 4.0)"."""
    named: list[set[str]] = [set()]
    for part in parts:
        if part == "cc":
            named.append(set())
        elif part in ELEMENTS:
            named[-1].add(part)
    return len({frozenset(each) for each in named if each}) <= 1


def _is_port(port: str, version: str | None, parts: list[str]) -> bool:
    """Whether a word after the version names a jurisdiction of Creative Commons."""
    if port not in PORTS or version in (None, "4.0"):
        return False
    return parts.index(port) > max(place for place, part in enumerate(parts) if part[0].isdigit())


def _apart(found: re.Match[str]) -> str:
    """``ccbyncsa4.0`` as words."""
    elements = [found[2][place : place + 2] for place in range(0, len(found[2]), 2)]
    return " ".join(["cc" if found[1] else "", *elements, found[3] or ""])
