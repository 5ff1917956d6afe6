"""JSON files of a base, read as what they are: untrusted text with typed values.

    config = read_config(data, "unet/config.json")
    config.whole("in_channels", least=1)

Every message names the file and the value, and says what was expected.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from registry.errors import InputError
from registry.messages import plain_reason

_SHOWN = 80


@dataclass(frozen=True)
class Config:
    """A JSON object, and the file that it is from."""

    where: str
    values: Mapping[str, object]

    def whole(self, name: str, *, least: int = 1, most: int = 2**24, default: int | None = None) -> int:
        """A whole number.

        Raises:
            InputError: the value is missing without a default, or no whole number in the range.
        """
        value = self.values.get(name)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.refuse(name, f"a whole number from {least:,} to {most:,}")
        return value

    def number(self, name: str, *, default: float | None = None, above: float | None = None) -> float:
        """A finite number. Raises as :meth:`whole` does."""
        value = self.values.get(name)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not -1e12 < value < 1e12:
            self.refuse(name, "a number")
        if not math.isfinite(value) or (above is not None and value <= above):
            self.refuse(name, "a number" if above is None else f"a number above {above:g}")
        return float(value)

    def text(self, name: str, *, default: str | None = None) -> str:
        """A short text. Raises as :meth:`whole` does."""
        value = self.values.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= _SHOWN:
            self.refuse(name, f"a text of at most {_SHOWN} characters")
        return value

    def wholes(self, name: str) -> list[int]:
        """A list of positive whole numbers. Raises as :meth:`whole` does."""
        value = self.values.get(name)
        if not isinstance(value, list) or not 0 < len(value) <= 64:
            self.refuse(name, "a list of numbers")
        found = []
        for each in value:
            if isinstance(each, bool) or not isinstance(each, int) or not 0 < each <= 2**24:
                self.refuse(name, "a list of positive whole numbers")
            found.append(each)
        return found

    def refuse(self, name: str, expected: str) -> NoReturn:
        """Refuse the value of ``name``.

        Raises:
            InputError: always.
        """
        got = f"has {name} {shown(self.values[name])}" if name in self.values else f"has no {name}"
        raise InputError(f"{self.where} {got}; expected {expected}")


def read_config(data: bytes, where: str) -> Config:
    """The JSON object in a file's bytes.

    Raises:
        InputError: it is no JSON object; the message names ``where``.
    """
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is not JSON: {plain_reason(error)}; restore the file") from error
    if not isinstance(document, dict):
        raise InputError(f"{where} holds {shown(document)}; expected a JSON object")
    return Config(where, document)


def shown(value: object) -> str:
    """A value from outside in a message: one short line."""
    text = value if isinstance(value, str) else _as_json(value)
    line = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    line = line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
    return f"'{line}'" if isinstance(value, str) else line


def _as_json(value: object) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else f"a list of {len(value):,}"
    try:
        return json.dumps(value)
    except ValueError:  # a number of more digits than are printed
        return "a number of many digits"
