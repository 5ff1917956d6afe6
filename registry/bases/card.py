"""The model card of a base, README.md: the licence that its front matter names."""

from __future__ import annotations

from registry.bases.files import BaseFolder
from registry.errors import InputError
from registry.licences import read_licence
from registry.messages import plain_reason
from registry.text import stated_text

CARD = "README.md"
_LARGEST = 2**20


def licence_of_card(folder: BaseFolder) -> tuple[str | None, str | None]:
    """The licence that the card states, and a note where the card cannot be read.

    For the licence ``other`` the card's own name and address of the licence are taken.
    """
    if not folder.has(CARD):
        return None, None
    try:
        licence = _stated(_front_matter(folder.read(CARD, _LARGEST)))
        if licence is not None:
            read_licence(licence)  # refuses one that is too long
        return licence, None
    except InputError as error:
        return None, f"the licence in {CARD} is not read: {error}"


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


def _stated(card: dict[str, object]) -> str | None:
    value = card.get("license") or ""
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) for name in names):
        raise InputError("its license is no text")
    listed = [str(name).strip() for name in names]
    if [name.lower() for name in listed] == ["other"]:
        own = [card.get("license_name"), card.get("license_link")]
        listed = [str(part).strip() for part in own if isinstance(part, str) and part.strip()] or listed
        return stated_text(" ".join(listed), "licence")
    return stated_text(" AND ".join(listed), "licence")
