"""How an audit's rankers searched very many works, as its record says.

Comparing all works is a matter of course and leaves no entry. An index finds most of the nearest
works and never all for certain, so whoever shows its answer shows its measured recall.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SEARCHED = "searched"
"""The entry in an audit's record of its rankers: by ranker, how it searched."""
EXACT_EITHER_WAY = "The test is exact either way: the search knows no code."


def went_through_an_index(ranker: object) -> bool:
    """Whether an audit searched an index; ``ranker``: what it recorded.

    >>> went_through_an_index({"searched": {"clip": {"search": "exact"}}})
    False
    """
    entry: Any = ranker.get(SEARCHED) if isinstance(ranker, Mapping) else None
    hows = entry.values() if isinstance(entry, Mapping) else ()
    return any(isinstance(how, Mapping) and how.get("search") == "index" for how in hows)


def searched_works(ranker: object) -> list[str]:
    """One line per ranker that met very many works; ``ranker``: what the audit recorded.

    >>> print(*searched_works({"searched": {"clip": {"sentence": "the index finds 98 % of them"}}}))
    clip: the index finds 98 % of them. The test is exact either way: the search knows no code.
    """
    entry: Any = ranker.get(SEARCHED) if isinstance(ranker, Mapping) else None
    if not isinstance(entry, Mapping):
        return []
    found = {
        str(name): how["sentence"] for name, how in entry.items() if isinstance(how, Mapping) and "sentence" in how
    }
    return [f"{name}: {sentence}. {EXACT_EITHER_WAY}" for name, sentence in found.items()]
