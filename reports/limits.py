"""What a report does not prove; it goes with every page and every document."""

from __future__ import annotations

LIMITS: tuple[tuple[str, str], ...] = (
    (
        "Only registered works can be found.",
        "A work that the models were trained on without being registered, or that they never saw, cannot appear in "
        "this report.",
    ),
    (
        "Similarity is not copying.",
        "The ranking compares pictures and knows nothing of how the models were trained. A similar work may have "
        "played no part, and near duplicates of a work resemble the output just as well.",
    ),
    (
        "The test asks one question.",
        "Its null hypothesis is that the unit made no difference to any member. A small p-value speaks against that; "
        "it does not say how much of the output comes from the unit, nor that nothing else contributed. It rests on "
        "the codes having been drawn at random, as the registry records.",
    ),
    (
        "Passing is not certain, and failing is not innocence.",
        "At the stated rate some of the units that pass do so by chance. A unit that does not pass may still have "
        "contributed together with others, or too little to be told apart with this many decoys: no p-value can be "
        "smaller than one over the number of decoys plus one.",
    ),
    (
        "Influence alone is no evidence.",
        "Leaving any members out changes an output. How far it moves mostly reflects which members were left out, so "
        "an influence is read beside the test and never instead of it.",
    ),
    (
        "The counterfactual belongs to this ensemble.",
        "It shows what these models make of the same noise once all members that saw the unit are left out, not what "
        "a model that was trained without the unit from the start would have made.",
    ),
    (
        "This is not a legal conclusion.",
        "Whether an output infringes, needs a licence or calls for credit is for people to decide. Rights are shown "
        "as they were declared or verified in the registry; creditline does not check them.",
    ),
)
"""(statement, explanation) pairs."""
