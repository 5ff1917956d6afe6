"""Templates of captions: names of columns, and nothing that runs or explodes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.captions.template import LONGEST_TEMPLATE, Template
from registry.errors import UsageError


def test_fields_are_filled_and_a_missing_one_leaves_no_caption() -> None:
    """Never `None` in the text; names are taken in either case, braces are written twice."""
    template = Template.parse("{Title}, by {creator} {{1}}")
    assert template.fill({"title": " Harbour ", "creator": "Ada"}.get) == "Harbour, by Ada {1}"
    for values in ({"title": "Harbour"}, {"title": "Harbour", "creator": " "}, {}):
        assert template.fill(values.get) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no field", "has no field"),
        ("", "has no field"),
        ("{}", "field without a name"),
        ("{title", "cannot be read"),
        ("title}", "cannot be read"),
        ("{title!r}", "has a format"),
        ("{title:>999999999}", "has a format"),
        ("{title:{creator}}", "has a format"),
        ("{title}\n", "one line"),
        ("{title}" + "x" * LONGEST_TEMPLATE, "1,007 characters; expected at most 1,000"),
        ("{title}\n{creator}", "has a line break or another control character"),
    ],
)
def test_other_templates_are_refused(text: str, message: str) -> None:
    """Formats, conversions, open braces."""
    with pytest.raises(UsageError, match=message):
        Template.parse(text)


@pytest.mark.parametrize("field", ["titel", "title.__class__", "title[0]", "0"])
def test_an_unknown_field_is_named_with_the_known_ones(field: str) -> None:
    """No attribute or index is looked up: these are names like any other."""
    with pytest.raises(UsageError, match=r"expected one of creator, title") as caught:
        Template.parse("{" + field + "}").check(["title", "creator"])
    assert repr(field) in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_a_template_or_refused(text: str) -> None:
    """With no other error."""
    try:
        template = Template.parse(text)
    except UsageError:
        return
    assert template.fill(lambda _name: "x") is not None
