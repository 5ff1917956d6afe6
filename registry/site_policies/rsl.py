"""RSL 1.0, Really Simple Licensing: XML with the licences of a site's works.

A ``content`` element names works by a path pattern (RFC 9309) and lists the licences on offer. The
longest pattern that matches a path decides. :mod:`registry.rsl_licences` reads the licences.

Source: rslstandard.org/rsl (1.0), sections 3.2 to 3.7; tokens of its drafts are read too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from xml.etree.ElementTree import Element

from registry.errors import InputError
from registry.limited_xml import parse_xml
from registry.rsl_licences import NAMESPACE, content_signals, element_name
from registry.signals import RightsSignal
from registry.site_policies.hosts import domain_of, path_of
from registry.site_policies.interface import SitePolicy, check_counts, text_of
from registry.site_policies.paths import PathPatterns, fault_of, normal_path, normal_pattern


class RslPolicy(SitePolicy):
    """The licences of one RSL document, by path."""

    kind: ClassVar[str] = "rsl"

    def __init__(self, data: bytes, *, domain: str, file_name: str) -> None:
        super().__init__(data, domain=domain, file_name=file_name)
        contents = [element for element in self._root(data).iter() if element_name(element) == "content"]
        if not contents:
            raise InputError(f"{file_name} has no <content> of RSL; expected <rsl xmlns='{NAMESPACE}'><content url=…>")
        signals: dict[str, list[RightsSignal]] = {}
        for number, content in enumerate(contents, start=1):
            pattern = self._pattern(number, content)
            if pattern is not None:
                found = content_signals(content, f"content {number}", self.file_name, self._problem)
                signals.setdefault(pattern, []).extend(found)
        longest_first = sorted(signals, key=lambda pattern: (-len(pattern), pattern))
        check_counts(file_name, longest_first)
        self._patterns = PathPatterns(longest_first)
        self._found = [tuple(sorted(signals[pattern])) for pattern in longest_first]

    def signals_for(self, paths: Sequence[str]) -> list[tuple[RightsSignal, ...]]:
        first, found = self._patterns.first, self._found
        return [() if (at := first(normal_path(path or "/"))) is None else found[at] for path in paths]

    def _root(self, data: bytes) -> Element:
        text = text_of(data, self.file_name)
        try:
            return parse_xml(text)
        except (SyntaxError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"{self.file_name} is not the XML of an RSL document: {reason[:200]}") from error

    def _pattern(self, number: int, content: Element) -> str | None:
        """The path pattern of a content element; None, with a problem, if it has no usable one."""
        url = (content.get("url") or "").strip()
        if "://" in url:
            if domain_of(url) != self.domain:
                self._problem(f"content {number} is about {url[:80]!r}, which is not on {self.domain}")
                return None
            path = path_of(url) or "/"
        else:
            path = url
        fault = "names no address" if not path else fault_of(path)
        if fault is not None:
            self._problem(f"content {number}: {fault}")
            return None
        return normal_pattern(path)
