"""A caption made of columns: ``{title}, by {creator}``.

    template = Template.parse("{title}, by {creator}")
    template.check(["title", "creator", "licence"])
    template.fill({"title": "Harbour", "creator": "Ada Example"}.get)   # 'Harbour, by Ada Example'

A field is the name of a column and nothing else: no attribute, index, conversion or format is
evaluated, so that a template can neither reach into the program nor blow up a text. A work that
lacks one of the fields gets no caption from the template.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from string import Formatter

from registry.errors import UsageError
from registry.text import has_control_characters, tidy

LONGEST_TEMPLATE = 1_000
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Template:
    """Texts and fields in turn; each pair is a text and the field behind it, or None at the end."""

    text: str
    parts: tuple[tuple[str, str | None], ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Read a template; ``{{`` and ``}}`` are braces.

        Raises:
            UsageError: it has no field, an unbalanced brace, or more than a name in a field.
        """
        if len(text) > LONGEST_TEMPLATE:
            raise UsageError(
                f"the template of captions has {len(text):,} characters; expected at most {LONGEST_TEMPLATE:,}"
            )
        if has_control_characters(text):
            raise UsageError(
                f"the template {text!r} has a line break or another control character; expected one line of text"
            )
        parts: list[tuple[str, str | None]] = []
        try:
            for before, name, form, conversion in Formatter().parse(text):
                if conversion is not None or form:
                    raise UsageError(
                        f"the template {text!r} has a format in the field {name!r}; expected the name of a column alone"
                    )
                parts.append((before, None if name is None else _key(name)))
        except ValueError as error:
            raise UsageError(
                f"the template {text!r} cannot be read: {error}; write a field as {{title}}, and a brace as {{{{ or }}}}"
            ) from error
        names = [name for _, name in parts if name is not None]
        if not names:
            raise UsageError(f"the template {text!r} has no field; expected a text such as '{{title}}, by {{creator}}'")
        if "" in names:
            raise UsageError(f"the template {text!r} has a field without a name; write the name of a column into it")
        return cls(text, tuple(parts))

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields in lower case, each once."""
        return tuple(dict.fromkeys(name for _, name in self.parts if name is not None))

    def check(self, known: Iterable[str]) -> None:
        """Check that every field is a known column, in upper or lower case.

        Raises:
            UsageError: one is not; the message names it and the known ones.
        """
        names = sorted(set(known))
        unknown = next((name for name in self.fields if name not in map(_key, names)), None)
        if unknown is not None:
            listed = ", ".join(name[:_SHOWN] for name in names[:_SHOWN])
            raise UsageError(f"the template {self.text!r} has the field {unknown[:_SHOWN]!r}; expected one of {listed}")

    def fill(self, value: Callable[[str], str | None]) -> str | None:
        """The caption of one work, with ``value`` for each field; None if a field has no value."""
        found = {name: tidy(value(name)) for name in self.fields}
        if not all(found.values()):
            return None
        return "".join(before + (found[name] or "" if name else "") for before, name in self.parts)


def _key(name: str) -> str:
    return name.strip().lower()
