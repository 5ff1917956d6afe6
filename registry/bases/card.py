"""The model card of a base, README.md: the licence and data sets that its front matter names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from registry.bases.files import BaseFolder
from registry.errors import InputError
from registry.licences import read_licence
from registry.messages import plain_reason
from registry.text import stated_text

CARD = "README.md"
LONGEST_TRAINING_DATA = 500
"""Characters of the names of data sets: every document about adapters repeats them."""
_LARGEST = 2**20


@dataclass(frozen=True)
class Card:
    """What a card states. Nobody here has checked it."""

    licence: str | None = None
    training_data: str | None = None
    """The data sets that the base was trained on, in the card's words."""
    notes: tuple[str, ...] = ()
    """What could not be read; one sentence each."""


def read_card(folder: BaseFolder) -> Card:
    """The card of a base; an empty one where there is none.

    For the licence ``other`` the card's own name and address of the licence are taken.
    """
    if not folder.has(CARD):
        return Card()
    notes: list[str] = []
    try:
        card = _front_matter(folder.read(CARD, _LARGEST))
    except InputError as error:
        return Card(notes=tuple(f"the {what} in {CARD} is not read: {error}" for what in ("licence", "training data")))

    def read(what: str, reader: Callable[[dict[str, object]], str | None]) -> str | None:
        try:
            return reader(card)
        except InputError as error:
            notes.append(f"the {what} in {CARD} is not read: {error}")
            return None

    return Card(read("licence", _licence), read("training data", _training_data), tuple(notes))


def _front_matter(data: bytes) -> dict[str, object]:
    """The YAML between the first two lines of dashes; nothing in it is executed."""
    import yaml

    try:
        lines = data.decode("utf-8-sig").splitlines()
        if not lines or lines[0].strip() != "---" or "---" not in (rest := [line.rstrip() for line in lines[1:]]):
            return {}
        # The base loader makes texts, lists and mappings alone. Unlike the safe one it expands no
        # merge keys (<<), which can grow without bound.
        found = yaml.load("\n".join(rest[: rest.index("---")]), Loader=yaml.BaseLoader)  # noqa: S506 - see above
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"its front matter is no YAML ({plain_reason(error)[:100]})") from error
    return found if isinstance(found, dict) else {}


def _licence(card: dict[str, object]) -> str | None:
    listed = _texts(card, "license")
    if [name.lower() for name in listed] == ["other"]:
        own = [card.get("license_name"), card.get("license_link")]
        listed = [str(part).strip() for part in own if isinstance(part, str) and part.strip()] or listed
        licence = stated_text(" ".join(listed), "licence")
    else:
        licence = stated_text(" AND ".join(listed), "licence")
    if licence is not None:
        read_licence(licence)  # refuses one that is too long
    return licence


def _training_data(card: dict[str, object]) -> str | None:
    return stated_text(", ".join(_texts(card, "datasets")), "list of its datasets", longest=LONGEST_TRAINING_DATA)


def _texts(card: dict[str, object], field: str) -> list[str]:
    """A field with one text or several."""
    value = card.get(field) or ""
    texts = value if isinstance(value, list) else [value]
    found = [text.strip() for text in texts if isinstance(text, str)]
    if len(found) < len(texts):
        raise InputError(f"its {field} is no text and no list of texts")
    return [text for text in found if text]
