"""Words that name nobody are told from names, whatever their case and punctuation."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.claims.record import open_claim
from registry.errors import InputError
from registry.rightsholders.no_names import names_nobody
from registry.rightsholders.records import add_rightsholder
from registry.storage.database import Registry

NOBODY = (
    *(
        "Unknown",
        "N/A",
        "n.a.",
        "NA",
        "-",
        "--",
        "\u2014",
        "?",
        "???",
        "\u2026",
        "none",
        "NULL",
        "nan",
        "anonymous",
        "Anon.",
    ),
    *(
        "unbekannt",
        "Unbekannter Fotograf",
        "k. A.",
        "keine Angabe",
        "inconnu",
        "Auteur inconnu",
        "desconocido",
        "An\u00f3nimo",
    ),
    *("Autor unbekannt", "Fotograf nicht bekannt", "s. n.", "S/D", "diverse", "Public Domain"),
    *("unknown, 1890", "Unbekannt, ca. 1900-1910", "1890 / unknown"),
    *(
        "desconhecido",
        "sconosciuto",
        "onbekend",
        "n.v.t.",
        "ok\u00e4nd",
        "nieznany",
        "brak danych",
        "nezn\u00e1m\u00fd",
    ),
    *(
        "\u043d\u0435\u0438\u0437\u0432\u0435\u0441\u0442\u043d\u043e",
        "\u4f5a\u540d",
        "\u4e0d\u660e",
        "\ubbf8\uc0c1",
        "\u0645\u062c\u0647\u0648\u0644",
    ),
    *(
        "Unknown artist",
        "unknown/anonymous",
        "Unknown, N/A",
        "#N/A",
        "(unknown)",
        "<none>",
        "[n/a]",
        "\u201cunknown\u201d",
    ),
)
NAMES = (
    *("Ada Example", "Nunn", "Nana", "Dr. No", "Unknown Mortal Studio", "Anonymous Press", "Noname GmbH", "Nadia"),
    *("Null Island Archive", "N", "100", "3M", "\u2605", "\u0905\u091c", "Brakman", "Ada / Unknown", "Unknown & Sons"),
    *("1890", "Ada, 1890", "1890 / 1900", "Domain GmbH"),
)


@pytest.mark.parametrize("text", NOBODY)
def test_words_for_nobody(text: str) -> None:
    """As they stand in tables of many languages."""
    assert names_nobody(text)


@pytest.mark.parametrize("text", NAMES)
def test_names(text: str) -> None:
    """Also where they begin with such a word, or name somebody beside nobody."""
    assert not names_nobody(text)


@given(
    st.sampled_from(NOBODY),
    st.sampled_from([str.upper, str.lower, str.title, lambda text: unicodedata.normalize("NFD", text)]),
    st.text(" .-_\u00a0", max_size=3),
    st.text(" .-_!\u00a0", max_size=3),
)
def test_spelling_does_not_count(text: str, spelled: object, before: str, after: str) -> None:
    """Case, composition, and signs around."""
    assert callable(spelled)
    assert names_nobody(before + spelled(text) + after)


def test_nobody_has_no_record(registry: Registry) -> None:
    """Neither as a claimant nor by hand."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(InputError, match="names nobody"):
        add_rightsholder(registry, "unknown", now)
    with pytest.raises(InputError, match="names nobody"):
        open_claim(registry, "N/A", "it is mine", works=["0"], now=now)
