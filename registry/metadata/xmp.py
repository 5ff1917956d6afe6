"""The properties about rights in XMP packets (RDF in XML).

The XML is parsed within limits (:mod:`registry.limited_xml`). Properties may be attributes or
elements, plain or in an ``rdf:Alt``, ``Seq`` or ``Bag``. Of several languages the default is taken,
or else the first that is not empty; texts about rights are taken in every language. A reservation
counts anywhere in the packet, because programs put it in wrong places.

Sources: ISO 16684-1 (XMP), sections 7.3 to 7.9 and C.2; W3C TDMRep, section on metadata in PDF;
rslstandard.org/guide/file-embedding.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from xml.etree.ElementTree import Element

from registry.limited_xml import parse_xml
from registry.metadata import plus
from registry.metadata.byte_text import WINDOWS_BYTES
from registry.metadata.rights_words import words_of_damaged_xmp
from registry.metadata.synthetic import AI_PROPERTIES
from registry.metadata.values import MOST_SIGNALS, Problems, clean, put
from registry.rsl_licences import NAMESPACE, content_signals
from registry.signals import LONGEST_RAW, Category, Protocol, RightsSignal, Use, reservation, short

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_PLUS = "{http://ns.useplus.org/ldf/xmp/1.0/}"
_IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_CONTAINERS = frozenset({f"{_RDF}Alt", f"{_RDF}Seq", f"{_RDF}Bag"})
_DATA_MINING = f"{_PLUS}DataMining"
_MINING = re.compile(r"\}data[-_ ]?mining$", re.IGNORECASE)
_TDM = re.compile(r"tdmrep[/#]?\}(?:tdm-)?(reservation|policy)$", re.IGNORECASE)
_RSL_NAME = re.compile(r"rslstandard\.org/rsl", re.IGNORECASE)
_RSL_CONTENT, _RSL_ROOT = f"{{{NAMESPACE}}}content", f"{{{NAMESPACE}}}rsl"
_IN_EVERY_LANGUAGE = frozenset(
    {
        "{http://purl.org/dc/elements/1.1/}rights",
        "{http://purl.org/dc/terms/}rights",
        "{http://ns.adobe.com/xap/1.0/rights/}UsageTerms",
        f"{_PLUS}OtherConstraints",
    }
)
"""Texts about rights: a reservation may stand in one language only."""

PROPERTIES: Mapping[str, str] = MappingProxyType(
    {
        "{http://purl.org/dc/elements/1.1/}creator": "dc:creator",
        "{http://purl.org/dc/elements/1.1/}rights": "dc:rights",
        "{http://purl.org/dc/elements/1.1/}title": "dc:title",
        "{http://purl.org/dc/elements/1.1/}description": "dc:description",
        "{http://purl.org/dc/terms/}license": "dcterms:license",
        "{http://purl.org/dc/terms/}rights": "dcterms:rights",
        "{http://creativecommons.org/ns#}license": "cc:license",
        "{http://web.resource.org/cc/}license": "cc:license",
        "{http://creativecommons.org/ns#}prohibits": "cc:prohibits",
        "{http://web.resource.org/cc/}prohibits": "cc:prohibits",
        "{http://ns.adobe.com/photoshop/1.0/}Credit": "photoshop:Credit",
        "{http://ns.adobe.com/photoshop/1.0/}Instructions": "photoshop:Instructions",
        "{http://ns.adobe.com/xap/1.0/rights/}WebStatement": "xmpRights:WebStatement",
        "{http://ns.adobe.com/xap/1.0/rights/}UsageTerms": "xmpRights:UsageTerms",
        f"{_IPTC}DigitalSourceType": "Iptc4xmpExt:DigitalSourceType",
        **{f"{_IPTC}{name}": f"Iptc4xmpExt:{name}" for name in AI_PROPERTIES},
        "{http://purl.org/dc/terms/}provenance": "dcterms:provenance",
    }
)
"""Read only directly under ``rdf:RDF``: deeper ones may be about a part or a source."""
ANYWHERE: Mapping[str, str] = MappingProxyType(
    {
        _DATA_MINING: "plus:DataMining",
        f"{_PLUS}OtherConstraints": "plus:OtherConstraints",
        f"{_IPTC}EncRightsExpr": "Iptc4xmpExt:EncRightsExpr",
        f"{_IPTC}LinkedRightsExpr": "Iptc4xmpExt:LinkedRightsExpr",
    }
)
_CONSTRAINT_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        plus.SEE_CONSTRAINT: ("plus:OtherConstraints", "xmpRights:UsageTerms"),
        plus.SEE_EMBEDDED: ("Iptc4xmpExt:EncRightsExpr",),
        plus.SEE_LINKED: ("Iptc4xmpExt:LinkedRightsExpr",),
    }
)
"""Places of the constraint that a value points to, best first: programs without a field for PLUS's
property write it into the terms of use."""

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)


@dataclass
class XmpContent:
    """The content of one packet."""

    fields: dict[str, str] = field(default_factory=dict)
    signals: list[RightsSignal] = field(default_factory=list)


def read_xmp(packet: bytes, problems: Problems, found_in: str = "xmp") -> XmpContent:
    """Read one packet. An unparsable one yields no fields, but any prohibition in it."""
    content = XmpContent()
    try:
        root = parse_xml(_decoded(packet, problems))
        _read_fields(root, content, problems)
        _read_data_mining(root, content, problems, found_in)
        _read_tdm(root, content, problems, found_in)
        _read_rsl(root, content, problems, found_in)
    except Exception as error:
        problems.add_error("XMP cannot be read", error)
        damaged = f"{found_in} (not readable)"
        found = list(plus.prohibitions_in(packet, damaged)) or list(words_of_damaged_xmp(packet, damaged, problems))
        if _RSL_NAME.search(packet.decode("latin-1")):
            found.append(_unread_rsl("RSL", damaged))
        content.signals = found[:MOST_SIGNALS]
    return content


def _decoded(packet: bytes, problems: Problems) -> str:
    encoding = next((name for start, name in _ENCODINGS if packet.startswith(start)), "utf-8")
    try:
        text = packet.decode(encoding)
    except UnicodeDecodeError as error:
        instead = "read as Windows-1252" if encoding == "utf-8" else "replaced"
        problems.add(f"XMP is not the {encoding} that it should be, at byte {error.start:,}; such bytes are {instead}")
        text = packet.decode(encoding, WINDOWS_BYTES if encoding == "utf-8" else "replace")
    text = text.strip("\0 \r\n\t\ufeff")
    allowed = _NOT_XML.sub("", text)
    if len(allowed) != len(text):
        problems.add(f"XMP has {len(text) - len(allowed):,} characters that XML forbids; they are left out")
    return allowed


def _read_fields(root: Element, content: XmpContent, problems: Problems) -> None:
    for tag, values in [*_described(root), *_everywhere(root)]:
        name = PROPERTIES.get(tag) or ANYWHERE[tag]
        put(content.fields, name, "; ".join(value for value in values if value.strip()), problems, "XMP")


def _read_data_mining(root: Element, content: XmpContent, problems: Problems, found_in: str) -> None:
    values = {value: None for tag, values in _everywhere(root) if tag == _DATA_MINING for value in values}
    for tag, found in _misplaced(root):
        problems.add(f"{tag[1:].replace('}', ' ')[:200]} is not plus:DataMining; its value is read as if it were")
        values |= dict.fromkeys(found)
    for value in values:
        term = plus.term_of(value)
        if term and term not in plus.VALUES:
            problems.add(f"plus:DataMining is {value[:200]!r}, which is no value of the PLUS vocabulary")
        places = _CONSTRAINT_OF.get(term, ("plus:OtherConstraints",))
        constraint = next((content.fields[place] for place in places if place in content.fields), None)
        if constraint is None and term in _CONSTRAINT_OF:
            problems.add(f"plus:DataMining is {term}, and there is nothing to see in {' or '.join(places)}")
        content.signals += plus.read_data_mining(value, constraint, found_in)


def _read_tdm(root: Element, content: XmpContent, problems: Problems, found_in: str) -> None:
    """TDMRep as properties, which its report gives for the XMP of PDF; they may stand in any."""
    stated: dict[str, list[str]] = {"reservation": [], "policy": []}
    for element in root.iter():
        attributes = [(name, [value]) for name, value in element.attrib.items()]
        if _TDM.search(element.tag):
            attributes.append((element.tag, _values(element)))
        for name, values in attributes:
            if found := _TDM.search(name):
                stated[found[1].lower()] += [value.strip() for value in values]
    policy = next((value for value in stated["policy"] if value), None)
    for value in dict.fromkeys(stated["reservation"]):
        use = reservation(value)
        if use is None:
            problems.add(f"tdm:reservation is {value[:200]!r}, expected 0 or 1")
        content.signals.append(
            RightsSignal(
                Protocol.TDMREP,
                Category.ALL,
                use or Use.UNCLEAR,
                clean(policy)[:LONGEST_RAW] if policy and use is Use.PROHIBITED else None,
                clean(f"tdm:reservation {value}")[:LONGEST_RAW],
                found_in,
            )
        )


def _read_rsl(root: Element, content: XmpContent, problems: Problems, found_in: str) -> None:
    """RSL in a file, which its guide to media files describes. Every licence is about the file."""
    contents = list(root.iter(_RSL_CONTENT))
    for number, element in enumerate(contents, start=1):
        content.signals += content_signals(element, f"RSL content {number}", found_in, problems.add)
    read = {id(each) for element in contents for each in element.iter()}
    for element in root.iter():
        names = [element.tag] if element.tag != _RSL_ROOT or not contents else []
        for name in (*names, *element.attrib) if id(element) not in read else ():
            if _RSL_NAME.search(name.partition("}")[0]):
                said = name[1:].replace("}", " ")[:200]
                problems.add(f"{said} is no part of RSL's content and is not understood")
                content.signals.append(_unread_rsl(said, found_in))


def _unread_rsl(said: str, found_in: str) -> RightsSignal:
    condition = short(f"not understood: {clean(said)}")
    return RightsSignal(Protocol.RSL, Category.AI_TRAINING, Use.CONSTRAINED, condition, short(clean(said)), found_in)


def _misplaced(root: Element) -> Iterator[tuple[str, list[str]]]:
    """Properties called DataMining, in other letters or in a namespace that is not PLUS's."""
    for element in root.iter():
        if element.tag != _DATA_MINING and _MINING.search(element.tag):
            yield element.tag, _values(element)
        for name, value in element.attrib.items():
            if name != _DATA_MINING and _MINING.search(name):
                yield name, [value]


def _described(root: Element) -> Iterator[tuple[str, list[str]]]:
    for rdf in root.iter(f"{_RDF}RDF"):
        for node in rdf:
            for name, value in node.attrib.items():
                if name in PROPERTIES:
                    yield name, [value]
            for child in node:
                if child.tag in PROPERTIES:
                    yield child.tag, _values(child)


def _everywhere(root: Element) -> Iterator[tuple[str, list[str]]]:
    for element in root.iter():
        if element.tag in ANYWHERE:
            yield element.tag, _values(element)
        for name, value in element.attrib.items():
            if name in ANYWHERE:
                yield name, [value]


def _values(element: Element) -> list[str]:
    containers = [child for child in element if child.tag in _CONTAINERS]
    if not containers:
        return [_plain(element)]
    values = [_values_in(container, element.tag) for container in containers]
    return [value for each in values for value in each]


def _values_in(container: Element, tag: str) -> list[str]:
    items = [(item.get(_LANGUAGE, "").lower(), _plain(item)) for item in container]
    if tag == _DATA_MINING or not any(value.strip() for _, value in items):
        return [value for _, value in items]  # all of them: the strictest counts
    if container.tag == f"{_RDF}Alt" and any(language for language, _ in items):
        stated = [(language, value) for language, value in items if value.strip()]
        stated.sort(key=lambda item: item[0] != "x-default")
        values = list(dict.fromkeys(value for _, value in stated))
        return values if tag in _IN_EVERY_LANGUAGE else values[:1]
    return [value for _, value in items]


def _plain(element: Element) -> str:
    """A simple value, an address, or the main value of a structure."""
    for node in element.iter():
        for name in (f"{_RDF}resource", f"{_RDF}value"):
            if value := node.get(name):
                return value
        if node.tag == f"{_RDF}value" and node.text:
            return node.text
    return "".join(element.itertext())
