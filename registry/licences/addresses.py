"""Licences by their addresses on the web.

An address is understood as a whole or not at all: a path, query or fragment that says something
else, such as ``/by/4.0/no-ai-training``, is not cut off.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from registry.licences.creative_commons import ONLY_WORDS, PORTS, VERSIONS
from registry.licences.spdx import ELEMENTS, creative_commons_terms, expression, gnu_terms
from registry.licences.statements import house_terms, rights_statement
from registry.licences.terms import LicenceTerms

ADDRESS = re.compile(
    r"(?:https?:?//?|//)[!#-;=?-~]+|\bwww\.[!#-;=?-~]+"
    r"|\b(?:[a-z0-9-]+\.)*(?:creativecommons|rightsstatements|opendatacommons|opensource|spdx|unlicense|gnu|apache|"
    r"unsplash|pexels|pixabay|europeana|artlibre|choosealicense|wtfpl)\.(?:org|com|net|eu)/[!#-;=?-~]*"
)
"""Addresses in a folded text. Hosts of licences are known without a scheme, too."""

_SCHEME = re.compile(r"(?:https?:?//?|//)?(?:www\.)?")
_LANGUAGE = (
    r"(?!nc|nd|ai)(?:[a-z]{2}|ast|fil|hsb|kab)(?:[_-](?:at|au|be|br|ca|ch|cn|es|fr|gb|hk|id|in|mx|pt|sg|tw|us|ar|pe|"
    r"hans|hant|latn|cyrl|latin))?"
)
_PAGE = re.compile(rf"/(?:(?:deed|legalcode|rdf)(?:\.(?:{_LANGUAGE}|txt|html))?|legalcode\.{_LANGUAGE}\.html)$")
_QUERY = re.compile(
    r"(?:(?:ref|atype|lang|language|locale|relatedurl|date|utm_[a-z]+)=[a-z0-9_.:/%+-]*(?:&(?:amp;)?|$))*"
)
_FRAGMENT = re.compile(r"(?:ref-[a-z-]{1,40}|s[0-9][a-z0-9.]{0,8}|legalcode|deed|languages|top)?")

_CREATIVE_COMMONS = re.compile(
    r"creativecommons\.org/licen[sc]es?/([a-z+-]{2,20})(?:/([0-9]\.[0-9]))?(?:/([a-z]{2,10}))?"
)
_IDENTIFIER = re.compile(
    r"(?:spdx\.org/licenses|opensource\.org/licenses?|choosealicense\.com/licenses)/([a-z0-9.+-]+?)"
    r"(?:\.html|\.php|\.txt|\.json)?"
)
_GNU = re.compile(
    r"gnu\.org/(?:licenses/(?:old-licenses/)?|copyleft/)(a?gpl|lgpl|fdl)(?:-([0-9]\.[0-9]))?(?:[.-][a-z.-]{2,12})?"
)

_NAMED: Mapping[str, str] = MappingProxyType(
    {
        "apache.org/licenses/license-2.0": "apache-2.0",
        "apache.org/licenses/license-2.0.txt": "apache-2.0",
        "apache.org/licenses/license-2.0.html": "apache-2.0",
        "artlibre.org/licence/lal": "lal-1.3",
        "artlibre.org/licence/lal/en": "lal-1.3",
        "creativecommons.org/licenses/gpl/2.0": "gpl-2.0-only",
        "creativecommons.org/licenses/lgpl/2.1": "lgpl-2.1-only",
        "creativecommons.org/licenses/mit": "mit",
        "creativecommons.org/licenses/publicdomain": "cc-pddc",
        "creativecommons.org/licences/publicdomain": "cc-pddc",
        "creativecommons.org/licenses/zero/1.0": "cc0-1.0",
        "creativecommons.org/licenses/cc0/1.0": "cc0-1.0",
        "creativecommons.org/licenses/mark/1.0": "cc-pdm-1.0",
        "creativecommons.org/publicdomain/zero/1.0": "cc0-1.0",
        "creativecommons.org/publicdomain/zero": "cc0-1.0",
        "creativecommons.org/publicdomain/mark/1.0": "cc-pdm-1.0",
        "creativecommons.org/publicdomain/mark": "cc-pdm-1.0",
        "nationalarchives.gov.uk/doc/open-government-licence/version/1": "ogl-uk-1.0",
        "nationalarchives.gov.uk/doc/open-government-licence/version/2": "ogl-uk-2.0",
        "nationalarchives.gov.uk/doc/open-government-licence/version/3": "ogl-uk-3.0",
        "mit-license.org": "mit",
        "opendatacommons.org/licenses/by/1-0": "odc-by-1.0",
        "opendatacommons.org/licenses/by/1.0": "odc-by-1.0",
        "opendatacommons.org/licenses/odbl/1-0": "odbl-1.0",
        "opendatacommons.org/licenses/odbl/1.0": "odbl-1.0",
        "opendatacommons.org/licenses/odbl": "odbl-1.0",
        "opendatacommons.org/licenses/pddl/1-0": "pddl-1.0",
        "opendatacommons.org/licenses/pddl/1.0": "pddl-1.0",
        "opendatacommons.org/licenses/pddl": "pddl-1.0",
        "opensource.org/license/apache-2-0": "apache-2.0",
        "opensource.org/license/gpl-2-0": "gpl-2.0-only",
        "opensource.org/license/gpl-3-0": "gpl-3.0-only",
        "opensource.org/license/isc-license-txt": "isc",
        "unlicense.org": "unlicense",
        "wtfpl.net": "wtfpl",
        "wtfpl.net/txt/copying": "wtfpl",
    }
)


def plain_address(address: str) -> str | None:
    """A folded address without scheme, page and query; None if these say anything of their own."""
    rest = _SCHEME.sub("", address, count=1)
    rest, _, fragment = rest.partition("#")
    rest, _, query = rest.partition("?")
    if not _FRAGMENT.fullmatch(fragment) or not _QUERY.fullmatch(query):
        return None
    rest = rest.rstrip("/")
    return _PAGE.sub("", rest)


def address_terms(address: str) -> LicenceTerms | None:
    """The terms at a folded address, or None if it is of no known licence."""
    plain = plain_address(address)
    if plain is None:
        return None
    identifier = _NAMED.get(plain)
    if identifier is not None:
        return expression(identifier)
    if found := _CREATIVE_COMMONS.fullmatch(plain):
        elements = set(found[1].split("-"))
        if not elements <= set(ELEMENTS) or found[2] not in VERSIONS or not _is_port(found[2], found[3]):
            return None
        return creative_commons_terms([each for each in ELEMENTS if each in elements], found[2], found[3])
    if found := _IDENTIFIER.fullmatch(plain):
        return expression(found[1])
    if found := _GNU.fullmatch(plain):
        return gnu_terms("gfdl" if found[1] == "fdl" else found[1], found[2])
    return rights_statement(plain) or house_terms(plain)


def _is_port(version: str | None, port: str | None) -> bool:
    return port is None or (port in PORTS and not (version == "4.0" and port in ONLY_WORDS))
