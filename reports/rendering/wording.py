"""Figures and findings in plain words.

A reader who has never met a p-value should come away with the right idea, and one who has should
find nothing wrong. Names from the registry appear here as they are; the renderings escape them.
"""

from __future__ import annotations

import math
import unicodedata

from reports.facts import NotMeasured
from reports.outputs.facts import AuditFacts, Candidate, EnsembleFacts, RandomisationTest
from reports.outputs.work_facts import LicenceFacts

FROM_OUTSIDE = (
    "That is a finding about the models. It does not say that the image was made by them, or from these works: pictures "
    "that no model ever saw give such findings too."
)
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def plain(text: str, limit: int = 160) -> str:
    """``text`` for one line of a page: no control characters, nothing that turns the writing
    direction, not endless.
    """
    kept = text[: limit + 1]
    shown = "".join(
        " "
        if c in "\t\n\r"
        else REPLACEMENT
        if c in _BIDI_CONTROLS or unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")
        else c
        for c in kept
    )
    shown = shown[:limit].rstrip() + "…" if len(text) > limit else shown.strip()
    return shown or "(no name)"


def quoted(text: str) -> str:
    """A name from outside, in a sentence."""
    return f"“{plain(text)}”"


def number(value: float, digits: int = 3) -> str:
    """``value`` with that many significant digits, without an exponent where people can do
    without.
    """
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude < -5 or magnitude > 8:
        return f"{value:.{digits - 1}e}"
    text = f"{value:,.{max(0, digits - 1 - magnitude)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


def percent(share: float) -> str:
    """A share as a percentage of two significant digits."""
    if share >= 1:
        return "100 %"
    return "over 99 %" if share > 0.99 else f"{number(share * 100, 2)} %"


def count(amount: int, one: str, many: str | None = None) -> str:
    """``3 works``, ``1 work``."""
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"


def unit_noun(ensemble: EnsembleFacts, amount: int = 1) -> str:
    """What the units of this encoding are called: a work, a rightsholder, or a group by a column of
    the owner table.
    """
    singular = {"asset": "work", "rightsholder": "rightsholder"}.get(ensemble.unit_kind) or plain(
        ensemble.unit_column or "group", 40
    )
    if ensemble.unit_kind == "column":
        singular = f"“{singular}” group"
    return singular if amount == 1 else singular + "s"


def headline(audit: AuditFacts) -> str:
    """The verdict in one sentence.

    Nothing ties an image from outside to these models, so there the verdict is about the models and
    not about the image.
    """
    generated = audit.subject.kind == "sample"
    if not audit.passing:
        explained = "this output" if generated else "what these models make of this image"
        return f"No single {unit_noun(audit.ensemble)} explains {explained}."
    return (_OF_AN_OUTPUT if generated else _OF_AN_IMAGE) + _sources(audit, "to" if generated else "on") + "."


def brief(audit: AuditFacts) -> str:
    """The verdict for a list of outputs, without its first words."""
    text = headline(audit).removeprefix("This output ").removeprefix("For this image, ")
    return text[0].upper() + text[1:]


_OF_AN_OUTPUT = "This output traces "
_OF_AN_IMAGE = "For this image, these models lean "


def _sources(audit: AuditFacts, preposition: str) -> str:
    first, amount = named(audit, audit.passing[0]), len(audit.passing)
    if amount == 1:
        return f"{preposition} {first}"
    return f"{preposition} {amount} {unit_noun(audit.ensemble, amount)}, first of all {preposition} {first}"


def named(audit: AuditFacts, candidate: Candidate) -> str:
    """A unit with its owner: ``“Red apple” by Twemoji``."""
    if audit.ensemble.unit_kind == "rightsholder":
        return f"the works of {plain(candidate.label, 80)}"
    holders = candidate.rightsholders
    title = f"“{plain(candidate.label, 80)}”"
    if not holders:
        return f"{title} (rightsholder not recorded)"
    more = f" and {count(len(holders) - 1, 'other')}" if len(holders) > 1 else ""
    return f"{title} by {plain(holders[0], 80)}{more}"


def certainty(audit: AuditFacts) -> str:
    """How sure the verdict is, in two or three sentences."""
    test, ensemble = audit.test, audit.ensemble
    tested = len(audit.candidates)
    if not tested:
        return "The audit tested no unit, so nothing can be said about where this output came from."
    if audit.passing:
        first = audit.passing[0]
        meaning = f"{meaning_of_p(first, test)} {meaning_of_q(first, tested, ensemble)}"
        return f"{meaning} {FROM_OUTSIDE}" if audit.subject.kind == "image" else meaning
    units = count(tested, unit_noun(ensemble), unit_noun(ensemble, 2))
    if test.smallest_q > test.false_discovery_rate:
        return (
            f"None could have passed on its own: with {count(test.decoys, 'decoy')} and {units} tested, the smallest q "
            f"that one alone can reach is {number(test.smallest_q)}, above the limit of "
            f"{number(test.false_discovery_rate)}. "
            "An encoding with more codes would resolve more."
        )
    nearest = audit.by_evidence[0]
    return (
        f"Of the {units} most similar to it, none made a difference that stands out at a false discovery rate of "
        f"{percent(test.false_discovery_rate)}. The nearest was {named(audit, nearest)} with "
        f"q = {number(nearest.q_value)}. This is a result and not a failure: an output may draw a little on many works."
    )


def meaning_of_p(candidate: Candidate, test: RandomisationTest) -> str:
    """The p-value as a count of codes."""
    as_strong = round(candidate.p_value * (test.decoys + 1)) - 1
    decoys, p = count(test.decoys, "decoy code"), number(candidate.p_value)
    if as_strong <= 0:
        return (
            f"The models that saw it pull the output towards it more strongly than under any of the {decoys} (p = {p})."
        )
    return f"Under {as_strong:,} of the {decoys} the pull towards it is at least as strong as under its own (p = {p})."


def meaning_of_q(candidate: Candidate, tested: int, ensemble: EnsembleFacts) -> str:
    """The q-value as an expected share of false findings."""
    if tested == 1:
        return f"It was the only {unit_noun(ensemble)} tested (q = {number(candidate.q_value)})."
    return (
        f"Among the {tested} {unit_noun(ensemble, tested)} tested, accepting everything at this level would be wrong "
        f"in at most {percent(candidate.q_value)} of findings on average (q = {number(candidate.q_value)})."
    )


_DUTIES = {
    "attribution": "Name the author, the title, the source and the licence, and say what was changed.",
    "notice": "Keep its copyright and licence notices.",
    "share-alike": "Share what is adapted from it under the same or a compatible licence.",
    "non-commercial": "No commercial use.",
    "no-derivatives": "Nothing adapted from it may be shared.",
}


def duties(terms: LicenceFacts | None) -> tuple[tuple[str, str], ...]:
    """What a licence asks of whoever uses the work: the name of each duty, and what it means."""
    if terms is None:
        return (("no licence on record", "Nothing gives leave to use it: ask the rightsholder."),)
    if not terms.recognised:
        return (("not understood", "Nobody here could tell what this licence asks: read it."),)
    if not terms.duties:
        if terms.training in ("prohibited", "unclear"):
            return ((terms.training, "The licence gives no general leave: ask the rightsholder."),)
        return (("no duties", "The licence asks for nothing."),)
    return tuple((name, _DUTIES.get(name, "See the licence.")) for name in terms.duties)


_PERMISSIONS = {
    "permitted": "may be trained on",
    "constrained": "may be trained on under conditions",
    "unclear": "not clear whether it may be trained on",
    "prohibited": "may not be trained on",
    "withdrawn": "withdrawn: members that saw it serve no more",
}


def permission(name: str) -> str:
    """A permission in words."""
    return _PERMISSIONS.get(name, plain(name, 40))


def taken_back(audit: AuditFacts) -> tuple[str, ...]:
    """What became of the works that the output traces to: a sentence for each unit that may no
    longer be trained on.
    """
    return tuple(
        f"{_capital(named(audit, candidate))} was {_TAKEN_BACK[state]} since: members that saw it "
        f"{'serve no more' if state == 'withdrawn' else 'were trained before that'}."
        for candidate in audit.passing
        for state in sorted({work.permission for work in candidate.works} & _TAKEN_BACK.keys())
        if any(
            work.permission == state
            and (isinstance(work.permissions_then, NotMeasured) or state not in work.permissions_then)
            for work in candidate.works
        )
    )


_TAKEN_BACK = {"withdrawn": "withdrawn", "prohibited": "prohibited for training"}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
