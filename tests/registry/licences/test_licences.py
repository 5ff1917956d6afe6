"""Licences: what is understood, what it means for training, and that nothing in a reference can
break the reading.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry.errors import InputError
from registry.licences import LONGEST_REFERENCE, LicencePermission, read_licence

PERMITTED, CONSTRAINED = LicencePermission.PERMITTED, LicencePermission.CONSTRAINED
UNCLEAR, PROHIBITED = LicencePermission.UNCLEAR, LicencePermission.PROHIBITED


@pytest.mark.parametrize(
    ("reference", "spdx", "training", "duties"),
    [
        ("MIT", "MIT", PERMITTED, {"attribution", "notice"}),
        ("MIT License", "MIT", PERMITTED, {"attribution", "notice"}),
        ("CC BY 4.0", "CC-BY-4.0", PERMITTED, {"attribution"}),
        ("cc-by-sa-3.0", "CC-BY-SA-3.0", PERMITTED, {"attribution", "share-alike"}),
        ("CC-BY-SA-2.0-UK", "CC-BY-SA-2.0-UK", PERMITTED, {"attribution", "share-alike"}),
        ("CC BY-NC", None, CONSTRAINED, {"attribution", "non-commercial"}),
        (
            "Creative Commons Attribution-NoDerivs 2.5 Generic",
            "CC-BY-ND-2.5",
            CONSTRAINED,
            {"attribution", "no-derivatives"},
        ),
        ("CC0", "CC0-1.0", PERMITTED, set()),
        ("CC0 1.0 Universal", "CC0-1.0", PERMITTED, set()),
        ("PDM", "CC-PDM-1.0", PERMITTED, set()),
        ("Public Domain", None, PERMITTED, set()),
        ("GPL-2.0+", "GPL-2.0-or-later", PERMITTED, {"attribution", "notice", "share-alike"}),
        ("Apache-2.0+", "Apache-2.0+", PERMITTED, {"attribution", "notice"}),
        ("PolyForm-Noncommercial-1.0.0", "PolyForm-Noncommercial-1.0.0", CONSTRAINED, {"non-commercial"}),
        ("BUSL-1.1", "BUSL-1.1", UNCLEAR, set()),
        ("LicenseRef-House", "LicenseRef-house", UNCLEAR, set()),
        ("All rights reserved", None, PROHIBITED, set()),
        ("© 2020 Ada. All rights reserved.", None, PROHIBITED, set()),
        ("http://rightsstatements.org/vocab/InC/1.0/", None, UNCLEAR, set()),
        ("https://rightsstatements.org/page/NoC-NC/1.0/?language=en", None, CONSTRAINED, {"non-commercial"}),
    ],
)
def test_a_known_licence_is_understood(
    reference: str, spdx: str | None, training: LicencePermission, duties: set[str]
) -> None:
    """Identifiers, aliases and statements get their permission and duties from the documented
    table.
    """
    terms = read_licence(reference)
    assert (terms.recognised, terms.spdx, terms.training, set(terms.duties)) == (True, spdx, training, duties)
    assert terms.reference == reference
    assert terms.note


@pytest.mark.parametrize("scheme", ["http://", "https://www."])
@pytest.mark.parametrize("ending", ["", "/", "/deed.fr", "/legalcode"])
@pytest.mark.parametrize(
    ("path", "spdx", "url"),
    [
        ("licenses/by/4.0", "CC-BY-4.0", "licenses/by/4.0/"),
        ("licenses/by-nc-sa/2.0/uk", "CC-BY-NC-SA-2.0-UK", "licenses/by-nc-sa/2.0/uk/"),
        ("licenses/by-nd-nc/1.0", "CC-BY-NC-ND-1.0", "licenses/by-nc-nd/1.0/"),
        ("licenses/by/3.0/se", "CC-BY-3.0", "licenses/by/3.0/se/"),
        ("publicdomain/zero/1.0", "CC0-1.0", "publicdomain/zero/1.0/"),
        ("publicdomain/mark/1.0", "CC-PDM-1.0", "publicdomain/mark/1.0/"),
    ],
)
def test_creative_commons_addresses_are_understood(scheme: str, ending: str, path: str, spdx: str, url: str) -> None:
    """Every version and port, whatever the scheme and whichever page of the licence is meant."""
    terms = read_licence(f"{scheme}creativecommons.org/{path}{ending}")
    assert (terms.spdx, terms.url) == (spdx, f"https://creativecommons.org/{url}")


@pytest.mark.parametrize(
    ("expression", "spdx", "training"),
    [
        ("mit or cc-by-nc-4.0", "MIT OR CC-BY-NC-4.0", PERMITTED),
        ("MIT AND CC-BY-NC-4.0", "MIT AND CC-BY-NC-4.0", CONSTRAINED),
        ("(MIT OR CC-BY-NC-4.0) AND LicenseRef-x", "(MIT OR CC-BY-NC-4.0) AND LicenseRef-x", UNCLEAR),
        ("GPL-2.0 WITH Classpath-exception-2.0", "GPL-2.0-only WITH Classpath-exception-2.0", PERMITTED),
    ],
)
def test_a_choice_takes_the_permissive_and_a_conjunction_the_strict(
    expression: str, spdx: str, training: LicencePermission
) -> None:
    """OR lets the user of the work choose; AND binds to both."""
    terms = read_licence(expression)
    assert (terms.spdx, terms.training) == (spdx, training)


def test_a_conjunction_keeps_every_duty() -> None:
    """The duties of both sides hold, also those of the milder one."""
    assert read_licence("CC-BY-SA-4.0 AND CC-BY-NC-4.0").duties == ("attribution", "non-commercial", "share-alike")


@pytest.mark.parametrize(
    "reference",
    [
        "",
        " ",
        "foo",
        "MIT AND",
        "(MIT",
        "MIT MIT",
        "MIT WITH MIT",
        "Classpath-exception-2.0",
        "CC BY 9.9",
        "(" * 4096,
        "by",
        "CC BY 4.0 or so they say",
        "MIT " * 1000,
        "https://example.org/licence",
        "\0",
        "\ud800",
    ],
)
def test_what_is_not_understood_is_kept_and_flagged(reference: str) -> None:
    """No guess: verbatim, not recognised, to be reviewed."""
    terms = read_licence(reference)
    assert (terms.reference, terms.recognised, terms.spdx, terms.training) == (reference, False, None, UNCLEAR)


def test_a_reference_beyond_reason_is_refused() -> None:
    """The longest is read, one more character is an error."""
    read_licence("x" * LONGEST_REFERENCE)
    with pytest.raises(InputError, match="4,097"):
        read_licence("x" * (LONGEST_REFERENCE + 1))


FRAGMENTS = st.sampled_from(
    [
        "MIT",
        "CC-BY-4.0",
        "cc by",
        "4.0",
        "and",
        "OR",
        "with",
        "(",
        ")",
        "+",
        "LicenseRef-a",
        "/",
        "http://",
        "nc",
        "all rights",
    ]
)


@settings(deadline=None)  # the first text compiles the patterns
@given(st.one_of(st.text(max_size=200), st.lists(FRAGMENTS, max_size=12).map(" ".join)))
@example("()")
@example("MIT AND ()")
@example("\x1f")
def test_no_text_breaks_the_reading(reference: str) -> None:
    """Any text gives terms, with sorted duties, and an SPDX expression only where it was
    understood. What was not understood as a whole permits nothing, and says what was not.
    """
    terms = read_licence(reference)
    assert list(terms.duties) == sorted(set(terms.duties))
    assert terms.recognised or (terms.spdx is None and terms.training is not PERMITTED)
    assert bool(terms.unread) <= (not terms.recognised)
    assert terms.recognised or terms.unread or not reference.strip()
    if terms.spdx is not None:
        again = read_licence(terms.spdx)
        assert (again.spdx, again.training, again.duties) == (terms.spdx, terms.training, terms.duties)


@settings(deadline=None)  # the first text compiles the patterns
@given(st.lists(FRAGMENTS, max_size=8).map(" ".join), st.sampled_from(["  ", "\t", "\n "]))
def test_case_and_spacing_do_not_matter(reference: str, space: str) -> None:
    """The same licence in another spelling has the same terms."""
    plain = read_licence(reference)
    for other in (reference.upper(), reference.lower(), space + reference.replace(" ", space)):
        terms = read_licence(other)
        assert (terms.spdx, terms.training, terms.duties, terms.url) == (
            plain.spdx,
            plain.training,
            plain.duties,
            plain.url,
        )


def test_the_licence_index_is_read_only_when_asked_for() -> None:
    """Importing the module must not cost the command line its start."""
    code = "import sys, registry.licences; sys.exit('license_expression' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
