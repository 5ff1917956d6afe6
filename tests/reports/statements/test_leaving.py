"""What a statement says of a withdrawal: the members of the support, and who would serve on."""

from __future__ import annotations

import pytest

from reports.statements.facts import ModelPart
from reports.statements.words import leaving


def model(support: list[int] | None, serving: int, that_saw: int) -> ModelPart:
    return ModelPart(
        ensemble_id="e", encoding_id="c", unit_kind="asset", works=3, members_in_all=8, members_that_saw=5,
        in_service=serving, in_service_that_saw=that_saw, out_of_service_that_saw=5 - that_saw, members=[],
        reference=None, support=support,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (
            model([0, 1, 2, 4, 5, 7], 8, 5),
            "Works of yours can be in members 0, 1, 2, 4, 5 and 7 only, of 8 in all. The other 2 members trained on none of "
            "them. If all your works were withdrawn now, 5 of the 8 members in service would go out of service at once, and "
            "3 would serve on.",
        ),
        (
            model(None, 5, 5),
            "Works of yours can be in any of its 8 members. If all your works were withdrawn now, 5 of the 5 members in "
            "service would go out of service at once, and none would be left until members are trained without your works.",
        ),
        (
            model(list(range(8)), 3, 0),
            "Works of yours can be in any of its 8 members: some of them were encoded with those of another rightsholder, or "
            "without one. No member in service saw a work of yours, so a withdrawal takes none out of service.",
        ),
        (model(None, 0, 0), "Works of yours can be in any of its 8 members. No member is in service now."),
    ],
)
def test_what_a_withdrawal_would_do(part: ModelPart, said: str) -> None:
    assert leaving(part) == said
