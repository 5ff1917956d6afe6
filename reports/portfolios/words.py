"""The sentences of a portfolio."""

from __future__ import annotations

from registry.outputs.base_claim import IN_FINE_TUNING
from reports.portfolios.choice import Choice
from reports.portfolios.facts import OutputsPart, RobustPart
from reports.portfolios.request import Request
from reports.rendering.wording import count, number, percent

LIMITS = (
    "This is no legal clearance. It counts evidence of attribution; it does not say that a licence is needed, that one "
    "is enough, or that an output infringes anything.",
    "An output is covered once enough of its findings are licensed or permitted. Its other sources may be neither.",
    "An audit tests its shortlist alone. A source outside the shortlist has no finding, and no licence here covers it.",
    "Prices are those that were given. No price was checked, and none was estimated.",
    "Findings, permissions and rightsholders are those on record when the document was made.",
)


_GRADES = {
    "main source": "A finding counts if it is graded main source.",
    "contributes": "A finding counts if it is graded main source or contributes.",
    "slight": "Every finding counts, also one that is detectable but slight.",
}


def rule(request: Request) -> str:
    """When an output counts as covered."""
    source = f"{_GRADES[request.grade]} Audits of older versions have no grades: all of their findings count."
    if request.hits == "all":
        return f"{source} An output is covered if all findings that count are licensed or permitted."
    if request.hits is not None:
        findings = "one of them is" if request.hits == 1 else f"{request.hits} of them are"
        return f"{source} An output is covered if at least {findings} licensed or permitted."
    return (
        f"{source} Its probability to be a source is (1 − q) times the probability that its effect is above 0. An output is "
        f"covered if at least one of its licensed or permitted findings is a source with probability {number(request.certainty)} "
        "or more: 1 − the product of the misses, so that each further licence adds less."
    )


def verdict(choice: Choice, outputs: OutputsPart, *, priced: bool) -> str:
    """The headline."""
    if not outputs.audited:
        return "No output was audited, so there is nothing to cover."
    if not outputs.attributed:
        return f"None of {count(outputs.audited, 'audited output')} has a finding that counts, so there is nobody to license."
    if not outputs.can_be_covered:
        return f"No licence covers any of the {count(outputs.attributed, 'output')} with findings."
    whole = outputs.covered == outputs.can_be_covered > 1
    some = f"all {outputs.covered:,}" if whole else f"{outputs.covered:,} of the {outputs.can_be_covered:,}"
    covered = f"{some} {'output' if outputs.can_be_covered == 1 else 'outputs'} that can be covered"
    licences = len(choice.chosen)
    if not licences and choice.reached:
        have = "has" if outputs.covered == 1 else "have"
        return f"There is nobody to add: {covered} {have} enough findings of works that may be trained on already."
    price = f", for {number(choice.cost, 6)} together," if priced else ""
    said = f"{'A licence from' if licences == 1 else 'Licences from'} {count(licences, 'rightsholder')}{price}"
    if choice.reached:
        return f"{said} {'covers' if licences == 1 else 'cover'} {covered}."
    return (
        f"No choice was found that covers {count(outputs.wanted, 'output')}: {said[0].lower()}{said[1:]} "
        f"{'covers' if licences == 1 else 'cover'} {covered}."
    )


def explanation(outputs: OutputsPart, *, fine_tuning: bool = False) -> str:
    """The batch in words: nothing in it is left out. ``fine_tuning``: all models are on a base."""
    scope = f", {IN_FINE_TUNING}" if fine_tuning else ""
    if not outputs.audited:
        return "Run `creditline audit` first."
    parts = [
        f"Of {count(outputs.audited, 'audited output')}, {outputs.attributed:,} have a finding that counts{scope}."
    ]
    if outputs.unattributed:
        slight = f" ({outputs.slight:,} have findings of a lower grade)" if outputs.slight else ""
        parts.append(f"{outputs.unattributed:,} have none{slight}: no licence here covers them.")
    if outputs.cannot_be_covered:
        parts.append(
            f"{outputs.cannot_be_covered:,} with findings cannot be covered by any licence that can be chosen."
        )
    if outputs.need_no_licence:
        are = "is" if outputs.need_no_licence == 1 else "are"
        parts.append(
            f"{outputs.need_no_licence:,} {are} covered without a licence from this list: enough findings are of permitted works."
        )
    if outputs.not_audited:
        parts.append(f"{count(outputs.not_audited, 'sample')} were not audited and are not counted.")
    if outputs.images_left_out:
        parts.append(f"{count(outputs.images_left_out, 'image')} from outside were left out.")
    return " ".join(parts)


def bound_sentence(choice: Choice, *, priced: bool) -> str:
    """How far the choice can be from the best."""
    if not choice.reached:
        if choice.exact is not None and choice.exact.chosen is None:
            return "No choice without a forbidden pair covers as much: an exact solver searched all of them."
        return "Forbidden pairs keep this choice from the wanted coverage. Whether another one reaches it is not known."
    if not len(choice.chosen):
        return "Nobody is chosen, so no choice can be smaller."
    cost, unit = choice.cost, "price" if priced else "number of licences"
    if choice.exact is not None and choice.exact.proven:
        return f"No other choice that covers as much has a lower {unit}: an exact solver searched all of them."
    if choice.lower_bound >= cost - 1e-9:
        return f"No other choice that covers as much has a lower {unit}: the lower bound equals it."
    if choice.lower_bound <= 0:
        return f"The choice is greedy. No lower bound above 0 was found for its {unit}."
    above = cost / choice.lower_bound - 1
    return (
        f"The choice is greedy. No choice that covers as much has a {unit} below {number(choice.lower_bound, 6)}, so this one "
        f"is at most {percent(above) if above < 1 else f'{number(above * 100, 3)} %'} above the best."
    )


def robust_sentence(robust: RobustPart) -> str:
    """What the draws say."""
    return (
        f"Outputs and evidence were drawn again {robust.draws:,} times. The choice covers {percent(robust.mean)} of the outputs "
        f"with a source on average, {percent(robust.low)} or more in 95 % of the draws, and {percent(robust.worst)} in the worst."
    )
