"""A file with the value of a ``Content-Usage`` response header (draft-ietf-aipref-attach), for
every path.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from registry.errors import InputError
from registry.signals import RightsSignal
from registry.site_policies.interface import SitePolicy, text_of
from registry.site_policies.preferences import preference_signals, read_preferences

HEADER = "content-usage:"


class HeaderPolicy(SitePolicy):
    """One header value, or several lines of the header, which are one value (RFC 9110, section
    5.3).
    """

    kind: ClassVar[str] = "aipref"

    def __init__(self, data: bytes, *, domain: str, file_name: str) -> None:
        super().__init__(data, domain=domain, file_name=file_name)
        value = ", ".join(header_values(text_of(data, file_name)))
        preferences, problems = read_preferences(value)
        for problem in problems:
            self._problem(problem)
        if not preferences:
            reason = problems[0] if problems else "it is empty"
            raise InputError(f"{file_name} states no preference: {reason}; expected a value such as train-ai=n")
        self._signals = preference_signals([(preferences, value)], file_name)

    def signals_for(self, paths: Sequence[str]) -> list[tuple[RightsSignal, ...]]:
        return [self._signals] * len(paths)


def header_values(text: str) -> list[str]:
    """The values of the header's lines; where no line names the header, every line is a value."""
    lines = [line.strip() for line in text.replace("\r", "\n").split("\n") if line.strip()]
    named = [line[len(HEADER) :].strip() for line in lines if line.lower().startswith(HEADER)]
    return named or lines
