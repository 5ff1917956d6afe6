"""Limits of a report's proof, stated on every page and in every document."""

from __future__ import annotations

from reports.facts import BasePart

LIMITS: tuple[tuple[str, str], ...] = (
    (
        "Only registered works can be found.",
        "A work that the models were trained on without being registered, or that they never saw, cannot appear in "
        "this report.",
    ),
    (
        "Similarity is not copying.",
        "The ranking only chooses what to test, without knowing which models saw which works. A work high in it may have "
        "played no part, and near duplicates of a work resemble the output just as well.",
    ),
    (
        "An image from outside is tested differently.",
        "If the audited models did not generate an image, the audit adds noise to it and shows it to them. A work is found if "
        "they lean on the work to make sense of the image, perhaps only because the two look alike. The test does not say "
        "where the image came from.",
    ),
    (
        "The test asks one question.",
        "Did the unit make a difference to any model? A finding says that chance hardly explains what was seen. It does "
        "not say how much of the output comes from the unit, nor that nothing else contributed. It rests on the codes "
        "having been drawn at random, as the registry records. A unit that taught a model nothing still takes the place of "
        "other works in training; for units of a small share of the works this was measured to leave the test’s error rates "
        "as stated, for a unit that takes half of the training they may be a few points larger.",
    ),
    (
        "A finding is not certain, and no finding does not rule a work out.",
        "At the stated rate some of the sources found are chance. The rate holds for each output separately: among "
        "findings that are picked from many outputs, more may be chance. A unit that is not found may still have "
        "contributed together with others, or too little for this number of comparisons to show.",
    ),
    (
        "Influence alone is no evidence.",
        "Leaving out any members changes an output. How far the output moves mostly reflects which members were left out, so "
        "an influence is read beside the test and never instead of it.",
    ),
    (
        "The counterfactual belongs to this ensemble.",
        "It shows what these models make of the same noise without the members that saw the unit. It does not show what "
        "a model that was trained without the unit from the start would have made.",
    ),
    (
        "This is not a legal conclusion.",
        "Whether an output infringes, needs a licence or calls for credit is for people to decide. Rights are shown "
        "as they were declared or verified in the registry; creditline does not check them.",
    ),
)
"""(statement, explanation) pairs."""


def limits_of(base: BasePart | None) -> tuple[tuple[str, str], ...]:
    """The limits of a report; with a base model, the fine-tuning comes first."""
    if base is None:
        return LIMITS
    return (("Only the fine-tuning is tested.", f"{base.scope} {base.unknown}"), *LIMITS)
