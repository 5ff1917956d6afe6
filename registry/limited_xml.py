"""XML from outside: no DTD, no entities, and a tree of limited depth and number of elements."""

from __future__ import annotations

from xml.etree.ElementTree import Element, TreeBuilder

from defusedxml.ElementTree import DefusedXMLParser

DEEPEST = 64
MOST_ELEMENTS = 20_000


class _LimitedTree(TreeBuilder):
    """While a tree is built, refuses one that would exhaust memory or the stack."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = self._count = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        self._count += 1
        if self._depth > DEEPEST:
            raise ValueError(f"elements are nested more than {DEEPEST} deep")
        if self._count > MOST_ELEMENTS:
            raise ValueError(f"more than {MOST_ELEMENTS:,} elements")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def parse_xml(text: str) -> Element:
    """The root element of a document, given as text: the encoding that it declares is ignored.

    Raises:
        ValueError: the document is too deep, too large, or has a DTD or entities.
        TypeError: it has no element.
        SyntaxError: it is not well-formed XML.
    """
    parser = DefusedXMLParser(target=_LimitedTree(), forbid_dtd=True, forbid_entities=True, forbid_external=True)
    parser.feed(text)
    root = parser.close()
    if not isinstance(root, Element):
        raise TypeError("no XML element")
    return root
