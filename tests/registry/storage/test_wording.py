"""Licences in plain words against training, and identities that are not those of the content."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.doctor import examine
from registry.errors import NotFoundError
from registry.licences import LicencePermission, read_licence
from registry.storage.database import Registry
from registry.works.listings import WorksFilter, count_works
from tests.support.works import register, write_pictures


@pytest.mark.parametrize(
    "words", ["no AI training", "CC BY 4.0 (no AI training)", "Free, not for machine learning", "NoAI"]
)
def test_plain_words_against_training_prohibit_it(words: str) -> None:
    """Beside a licence, too, which is then not the one that a review of its identifier is about."""
    terms = read_licence(words)
    assert (terms.training, terms.spdx) == (LicencePermission.PROHIBITED, None)


@pytest.mark.parametrize("words", ["House rules", "no attribution needed", "Not a fair use"])
def test_other_words_do_not(words: str) -> None:
    """What says nothing about training is unclear."""
    assert read_licence(words).training is LicencePermission.UNCLEAR


def test_the_doctor_finds_an_identity_that_is_not_that_of_the_content(registry: Registry, folder: Path) -> None:
    """Such a work would not be recognised when its bytes come again."""
    register(registry, write_pictures(folder, ["a.png", "b.png"]))
    assert "identities" not in {finding.check for finding in examine(registry).findings}
    with registry.connection() as connection:
        connection.execute("UPDATE asset SET identity = 7 WHERE id = 0")
    assert any(
        finding.check == "identities" and "does not follow from their content" in finding.what
        for finding in examine(registry).findings
    )


def test_a_filter_that_names_nothing_is_an_error(registry: Registry, folder: Path) -> None:
    """An empty answer would read as if there were no such works."""
    register(registry, write_pictures(folder, ["a.png"]))
    with registry.connection() as connection, pytest.raises(NotFoundError, match="no rightsholder 'Nobody'"):
        count_works(connection, WorksFilter(rightsholder="Nobody"))
