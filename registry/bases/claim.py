"""The words about what is known of a base: every claim about an output says how far it goes.

An audit of adapters tests the works that the adapters were trained on. The base was trained before,
on works that no code assigns to members, so no test can say anything about them.
"""

from __future__ import annotations

from registry.bases.records import BaseRecord

SCOPE = "in the fine-tuning on these works"
"""How far a finding goes: added to a sentence that says where an output came from."""


def training_of(base: BaseRecord) -> str:
    """One sentence: what is known of the base's training data."""
    if base.trained_on is None:
        return f"What the base {base.name} was trained on is not known."
    return f"The base {base.name} was trained on the data set {base.trained_on}, as recorded by {base.recorded_by}."


def limits_of(base: BaseRecord) -> tuple[str, ...]:
    """The sentences that stand with every finding about an output of adapters on this base."""
    return (
        f"The test covers the adapters: it says where an output came from {SCOPE}.",
        training_of(base),
        "The base alone can also make what a work shows: no test here covers the works that the base was trained on.",
    )
