"""The findings of an audit in plain words.

The sentences give readers without statistics the right idea, and readers with statistics nothing to
correct. Names from the registry appear unchanged; templates escape them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from registry.outputs.base_claim import IN_FINE_TUNING
from registry.outputs.grades import GRADES, MATTERS, SLIGHT, Thresholds
from registry.outputs.history import CHOSEN_BY_NAME
from reports.facts import NotMeasured
from reports.outputs.facts import (
    Candidate,
    Ensemble,
    Method,
    Output,
    RightsholderTests,
    Verdict,
    Work,
    by_evidence,
)
from reports.rendering.wording import count, number, other_members, percent, plain
from reports.seen.facts import Seen

FROM_INSIDE = "A finding does not say that the output is a copy, nor that nothing else contributed."
FROM_OUTSIDE = (
    "That is a finding about the models. It does not say that the image was made by them, or from these works: pictures "
    "that no model ever saw give such findings too."
)


def verdict_of(
    output: Output,
    ensemble: Ensemble,
    method: Method,
    candidates: Sequence[Candidate],
    together: RightsholderTests | NotMeasured,
    seen: Seen | NotMeasured | None,
    *,
    attributable: bool,
) -> Verdict:
    """The conclusion of an audit, and its sentences.

    ``together``: the tests of rightsholders. ``seen``: whether the models saw an image from outside
    itself.
    """
    itself = f"{seen.sentence} {seen.explanation}" if isinstance(seen, Seen) else ""
    return Verdict(
        attributable=attributable,
        sentence=headline(output, ensemble, candidates),
        explanation=" ".join(
            filter(
                None,
                (
                    itself,
                    slight_ones(ensemble, candidates),
                    certainty(output, ensemble, method, candidates),
                    passing_together(together, ensemble),
                ),
            )
        ),
        passing_ranks=[each.rank for each in by_evidence(candidates) if each.passes],
        taken_back=taken_back(ensemble, candidates),
    )


def unit_noun(ensemble: Ensemble, amount: int = 1) -> str:
    """The encoding's word for its units: work, rightsholder, or an owner-table column."""
    singular = {"asset": "work", "rightsholder": "rightsholder"}.get(ensemble.unit_kind) or plain(
        ensemble.unit_column or "group", 40
    )
    if ensemble.unit_kind == "column":
        singular = f"“{singular}” group"
    return singular if amount == 1 else singular + "s"


def output_noun(output: Output) -> str:
    """The word for what was audited: an image from outside is no output of these models."""
    return "output" if output.generated else "image"


def assignment(ensemble: Ensemble) -> str:
    """How units were assigned to members, and which groups of members the test compares."""
    noun = unit_noun(ensemble)
    if ensemble.support is None:
        dealt = f"Every {noun} was assigned at random to {ensemble.h} of {ensemble.n} members, each its own model."
        others = "other groups of members"
    else:
        dealt = (
            f"The works of one {group_noun(ensemble)} can be in {ensemble.support} of the {ensemble.n} members only, "
            f"drawn at random, each its own model; every {noun} was assigned at random to {ensemble.h} of these. "
            f"{other_members(ensemble.n - ensemble.support)} trained on none of them, and can serve on if all are withdrawn."
        )
        others = f"other groups of {ensemble.h} of the same {ensemble.support} members"
    return (
        f"{dealt} A ranker that does not know the assignment chose what to test. The test compares the pull of the members "
        f"that saw a {noun} with the pull of {others}, chosen by decoy codes that no {noun} has."
    )


def group_noun(ensemble: Ensemble) -> str:
    """The word for a group of works whose codes nest."""
    return "rightsholder" if ensemble.within == "rightsholder" else f"“{plain(ensemble.within or 'group', 40)}” group"


def headline(output: Output, ensemble: Ensemble, candidates: Sequence[Candidate]) -> str:
    """The verdict in one sentence: it names the main sources, and counts what else contributes.

    Nothing ties an image from outside to these models: its verdict is about the models, not the
    image. Of models on a base, the verdict is about the fine-tuning alone.
    """
    found = findings(candidates)
    start, preposition = (_OF_AN_OUTPUT, "to") if output.generated else (_OF_AN_IMAGE, "on")
    scope = "" if ensemble.base is None else f", {IN_FINE_TUNING}"
    if not found:
        explained = "this output" if output.generated else "what these models make of this image"
        verdict = f"no single {unit_noun(ensemble)} was found to explain {explained}."
        return _capital(verdict if ensemble.base is None else f"{IN_FINE_TUNING}, {verdict}")
    main, contributing = (_of(found, grade) for grade in MATTERS)
    if found[0][0].grade is None:
        others = f" and {_counted(found[1:], ensemble, 'other ')}" if len(found) > 1 else ""
        first, matter = ("first of all ", "matter") if others else ("", "matters")
        return f"{start}{first}{preposition} {_together(ensemble, found[0])}{scope}; how much it{others} {matter} was not graded."
    if not main and not contributing:
        return f"{start}{preposition} no {unit_noun(ensemble)} that matters{scope}: {_slight(found, ensemble)}."
    if not main:
        first = _together(ensemble, contributing[0])
        parts = first if len(contributing) == 1 else f"{_counted(contributing, ensemble)}, most of all {first}"
        return f"{start}in part {preposition} {parts}{scope}. None is a main source."
    if len(main) > _NAMED_TOGETHER:
        sources = f"{_counted(main, ensemble)}, first of all {preposition} {_together(ensemble, main[0])}"
    else:
        sources = _by_holder(ensemble, main)
    if contributing:
        sources += f"{scope}, and in part {preposition} {_counted(contributing, ensemble, 'other ')}"
        scope = ""
    return f"{start}{preposition} {sources}{scope}."


Finding = Sequence[Candidate]
"""Passing candidates that were tested as one: a group of look-alikes, or one candidate alone."""


def findings(candidates: Sequence[Candidate]) -> list[Finding]:
    """What passes: the best grade first, then the largest effect at least, then the evidence."""
    found: dict[tuple[str, int], list[Candidate]] = {}
    for each in by_evidence(candidates):
        if each.passes:
            key = ("alone", each.rank) if each.group_number is None else ("group", each.group_number)
            found.setdefault(key, []).append(each)

    def weight(finding: Finding) -> tuple[int, float]:
        first = finding[0]
        grade = len(GRADES) if first.grade is None else GRADES.index(first.grade)
        return grade, math.inf if first.grade is None or isinstance(first.effect, NotMeasured) else -first.effect.low

    return sorted(found.values(), key=weight)


def slight_ones(ensemble: Ensemble, candidates: Sequence[Candidate]) -> str:
    """The findings that do not matter, counted; empty if there are none, or nothing else."""
    found = findings(candidates)
    slight = _of(found, SLIGHT)
    return f"{_capital(_slight(slight, ensemble, 'other '))}." if slight and len(slight) < len(found) else ""


def _of(found: Sequence[Finding], grade: str) -> list[Finding]:
    return [finding for finding in found if finding[0].grade == grade]


def _slight(found: Sequence[Finding], ensemble: Ensemble, other: str = "") -> str:
    return f"{_counted(found, ensemble, other)} made a difference that is detectable but slight"


def _counted(found: Sequence[Finding], ensemble: Ensemble, other: str = "") -> str:
    """``2 works and 1 group of look-alikes``."""
    alone = sum(len(finding) == 1 for finding in found)
    parts = [count(alone, f"{other}{unit_noun(ensemble)}", f"{other}{unit_noun(ensemble, 2)}")] if alone else []
    if alone < len(found):
        parts.append(count(len(found) - alone, f"{other}group of look-alikes", f"{other}groups of look-alikes"))
    return " and ".join(parts)


def _together(ensemble: Ensemble, finding: Finding) -> str:
    """A finding by name; of a group of look-alikes all, or how many there are."""
    first, *others = (named(ensemble, each) for each in finding)
    if not others:
        return first
    if len(finding) > _NAMED_TOGETHER:
        return f"{first} or {count(len(others), 'look-alike')} of it, which the test cannot tell apart"
    return f"{_listed([first, *others], 'or')}, which the test cannot tell apart"


def _by_holder(ensemble: Ensemble, found: Sequence[Finding]) -> str:
    """Findings by name. Works of the same rightsholder stand together, so that the name is said
    once: ``“Rocket” and “Cactus” by Twemoji``.
    """
    together: dict[object, list[Finding]] = {}
    for place, finding in enumerate(found):
        alone = ensemble.unit_kind != "rightsholder" and len(finding) == 1 and finding[0].rightsholders
        together.setdefault(tuple(finding[0].rightsholders) if alone else place, []).append(finding)
    said = []
    for same in together.values():
        *titles, last = same
        quoted = [f"“{plain(finding[0].label, 80)}”" for finding in titles]
        said.append(_listed([*quoted, _together(ensemble, last)], "and"))
    last_word = ", and" if any(len(same) > 1 for same in together.values()) else " and"
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])}{last_word} {said[-1]}"


def _listed(names: Sequence[str], last: str) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def brief(sentence: str) -> str:
    """A verdict without its first words, for a list of outputs."""
    text = sentence.removeprefix("This output ").removeprefix("For this image, ")
    return _capital(text)


_NAMED_TOGETHER = 3
_OF_AN_OUTPUT = "This output traces "
_OF_AN_IMAGE = "For this image, these models lean "


def named(ensemble: Ensemble, candidate: Candidate) -> str:
    """A unit with its rightsholder: ``“Red apple” by Twemoji``."""
    if ensemble.unit_kind == "rightsholder":
        return f"the works of {plain(candidate.label, 80)}"
    holders = candidate.rightsholders
    title = f"“{plain(candidate.label, 80)}”"
    if not holders:
        return f"{title} (rightsholder not recorded)"
    more = f" and {count(len(holders) - 1, 'other')}" if len(holders) > 1 else ""
    return f"{title} by {plain(holders[0], 80)}{more}"


def certainty(output: Output, ensemble: Ensemble, method: Method, candidates: Sequence[Candidate]) -> str:
    """The certainty of the verdict, in two or three sentences."""
    tested = len(candidates)
    if not tested:
        return "The audit tested no unit, so it says nothing about where this output came from."
    nearest = by_evidence(candidates)[0]
    passing = [each for each in by_evidence(candidates) if each.passes]
    if passing:
        first = findings(candidates)[0][0]
        limit = FROM_INSIDE if output.generated else FROM_OUTSIDE
        pull = meaning_of_p(first, method, ensemble, by_name=len(passing) > 1, image=output_noun(output))
        said = (pull, meaning_of_effect(first), meaning_of_q(passing, tested, ensemble), at_the_limit(passing, method))
        return " ".join(filter(None, (*said, limit)))
    units = count(tested, unit_noun(ensemble), unit_noun(ensemble, 2))
    image, spread = output_noun(output), ": an output may draw a little on many works" if output.generated else ""
    if spread and ensemble.base is not None:
        spread += ", or on what the base model had learned before"
    if method.smallest_q > method.false_discovery_rate:
        return (
            f"No {unit_noun(ensemble)} could have been found on its own: with {count(method.decoys, 'other group')} of models "
            f"to compare with and {units} tested, even the strongest result possible misses the limit of "
            f"{percent(method.false_discovery_rate)}. "
            "More members would give more groups to compare with."
        )
    return (
        f"Of the {units} most similar to the {image}, none made a difference that stands out from chance (the limit: audits name "
        f"on average at most {percent(method.false_discovery_rate)} by chance). The strongest was "
        f"{named(ensemble, nearest)}. This is a result and not a failure{spread}."
    )


def passing_together(tests: RightsholderTests | NotMeasured, ensemble: Ensemble) -> str:
    """The rightsholders whose works pass as one, in a sentence; empty if there are none."""
    names = [] if isinstance(tests, NotMeasured) else [each.name for each in tests.tested if each.passes]
    if not names:
        return ""
    listed = ", ".join(f"“{plain(name, 80)}”" for name in names[:_NAMED_TOGETHER])
    more = f" and {count(len(names) - _NAMED_TOGETHER, 'other')}" if len(names) > _NAMED_TOGETHER else ""
    scope = "" if ensemble.base is None else f", {IN_FINE_TUNING}"
    return f"Tested as one{scope}, the works of {listed}{more} made a difference that chance hardly explains."


def meaning_of_p(
    candidate: Candidate, method: Method, ensemble: Ensemble, *, by_name: bool = False, image: str = "output"
) -> str:
    """The p-value as a count of codes, each for another group of members.

    ``by_name``: with the candidate's label, for a text about several candidates. ``image``: the
    word for what was audited.
    """
    works, them = ("this work", "it") if ensemble.unit_kind == "asset" else ("these works", "them")
    if candidate.group_number is not None:
        works, them = "these look-alikes", "them"
    elif by_name:
        label = plain(candidate.label, 80)
        works = f"“{label}”" if ensemble.unit_kind == "asset" else f"the works of {label}"
    as_strong = round(candidate.p_value * (method.decoys + 1)) - 1
    groups = count(method.decoys, "other group")
    if as_strong <= 0:
        return (
            f"The models that saw {works} pull the {image} towards {them} more strongly than any of {groups} of models."
        )
    return (
        f"Of {groups} of models, {as_strong:,} {'pulls' if as_strong == 1 else 'pull'} the {image} towards {works} at least as "
        "strongly as the models that saw "
        f"{them}."
    )


def meaning_of_effect(candidate: Candidate) -> str:
    """The size of a graded effect; empty without one."""
    if candidate.grade is None or isinstance(candidate.effect, NotMeasured):
        return ""
    effect = candidate.effect
    return (
        f"Having seen {'them' if candidate.group_number is not None or candidate.work_count > 1 else 'it'} takes a model "
        f"{_way(effect.value)} further on the way from what all models predict together to the picture, by the data between "
        f"{_way(effect.low)} and {_way(effect.high)}."
    )


def grading(method: Method) -> str:
    """The thresholds of the grades and how often they err; empty: the audit has none."""
    thresholds = Thresholds.of(method.settings)
    if thresholds is None:
        return ""
    return (
        f"graded by the lower end of the effect: main source from {_way(thresholds.main_source)} of the way, contributes from "
        f"{_way(thresholds.contributes)}, slight below; {WRONG_CODES}"
    )


WRONG_CODES = (
    "where benchmarks gave all works wrong codes, 3 of 900 audits named a main source at 15 %, and all 3 were among the 300 of "
    "adapters"
)
"""Of ``benchmarks/grades/held_out_sizes.py``, at the default thresholds."""


def _way(share: float) -> str:
    return f"{number(share * 100, 2)} %"


def at_the_limit(passing: Sequence[Candidate], method: Method) -> str:
    """Says so if no finding alone could have been surer; empty otherwise."""
    surest = min(each.q_value for each in passing)
    if not math.isclose(surest, method.smallest_q, rel_tol=1e-9):
        return ""
    limit = "No surer result is possible for one finding alone with these members"
    # The next larger q of a single finding is twice the smallest.
    if 2.0 * method.smallest_q <= method.false_discovery_rate:
        return f"{limit}."
    return (
        f"{limit}, and it is borderline: if one other group of models had pulled as strongly, the test would have found "
        "nothing."
    )


def meaning_of_q(passing: Sequence[Candidate], tested: int, ensemble: Ensemble) -> str:
    """The largest q of the candidates that pass, as the rate of the procedure that names them.

    The rate is an average over tests of as many units, with and without findings, if the works were
    dealt to the models anew: it is no statement about one test.
    """
    if tested == 1:
        return f"It was the only {unit_noun(ensemble)} tested."
    share = percent(max(each.q_value for each in passing))
    these = "this one" if len(passing) == 1 else f"these {len(passing)}"
    return (
        f"Tests that accept only findings as sure as {these} name on average at most {share} by chance; a test that names "
        "nothing counts as 0 %."
    )


_DUTIES = {
    "attribution": "Name the author, the title, the source and the licence, and say what was changed.",
    "notice": "Keep its copyright and licence notices.",
    "share-alike": "Share what is adapted from it under the same or a compatible licence.",
    "non-commercial": "No commercial use.",
    "no-derivatives": "Nothing adapted from it may be shared.",
}


def duties(work: Work, training: str | None) -> list[tuple[str, str]]:
    """The licence's duties as (name, meaning); ``training``: its terms on training."""
    permitted = work.permission in ("permitted", "constrained")
    if work.licence is None:
        meaning = (
            "What permits the use stands below."
            if permitted
            else "Nothing on record permits use: ask the rightsholder."
        )
        return [("no licence on record", meaning)]
    if work.licence_duties is None:
        return [("not understood", "creditline does not know what this licence asks: read it.")]
    if not work.licence_duties:
        if training in ("prohibited", "unclear"):
            meaning = "What does stands below." if permitted else "Ask the rightsholder."
            return [("no general permission", f"The licence alone does not permit use. {meaning}")]
        return [("no duties", "The licence asks for nothing.")]
    return [(name, _DUTIES.get(name, "See the licence.")) for name in work.licence_duties]


def taken_back(ensemble: Ensemble, candidates: Sequence[Candidate]) -> list[str]:
    """A sentence for each traced unit that may no longer be trained on."""
    return [
        f"{_capital(named(ensemble, candidate))} was {_TAKEN_BACK[state]} since: members that saw it "
        f"{'are out of service' if state == 'withdrawn' else 'were trained before that'}."
        for candidate in by_evidence(candidates)
        if candidate.passes
        for state in sorted({work.permission for work in candidate.works} & _TAKEN_BACK.keys())
        if any(
            work.permission == state
            and (isinstance(work.permissions_when_trained, NotMeasured) or state not in work.permissions_when_trained)
            for work in candidate.works
        )
    ]


_TAKEN_BACK = {"withdrawn": "withdrawn", "prohibited": "prohibited for training"}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def history_of(audit_ids: Sequence[str], audit_id: str, ranker: object) -> list[str]:
    """The audits of the same image, and grades on record before a ranker was named.

    Args:
        audit_ids: all audits of the image, in order of recording.
        audit_id: the one that is told of.
        ranker: its record of the ranker.
    """
    found = []
    if len(audit_ids) > 1:
        place, total = audit_ids.index(audit_id) + 1, len(audit_ids)
        found.append(
            f"This image was audited {count(total, 'time')}; this is audit {place} of {total}. Its findings count only if it is "
            "the newest. The more audits, the more findings by chance. The test of rightsholders over all images uses the "
            "first audit."
        )
    known = ranker if isinstance(ranker, Mapping) else {}
    grades = known.get("grades_before")
    if known.get("chosen") == CHOSEN_BY_NAME and isinstance(grades, Mapping):
        found.append(
            "The rankers were named for this audit after grades of rankers on the same ensemble were on record "
            f"({plain(str(grades.get('recorded_at', 'at an unknown time'))[:10], 40)}, event "
            f"{plain(str(grades.get('event', 'unknown')), 20)} of the log). A ranker chosen for what it finds makes findings by "
            "chance more likely."
        )
    return found
