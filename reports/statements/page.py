"""The page of a statement: one offline file, for readers without technical training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registry.outputs.grades import is_slight
from registry.outputs.strength import strength_of
from reports.facts import NotMeasured
from reports.outputs.facts import BaseAlone
from reports.rendering.pictures import Picture
from reports.rendering.wording import number, percent
from reports.statements import words
from reports.statements.facts import FindingPart, IntervalPart, OutputPart, StatementFacts

CARDS = 12
"""Works shown with pictures; the others are in a table."""
OPEN_CARDS = 4
"""Of these, the works that are not folded away."""
IMAGES = 4
"""Images shown with one work; all but the first are folded away."""
OPEN_WORKS = 8
"""Works in the list of all works that are not folded away."""
MOST_ROWS = 40
MOST_MEMBERS = 64


Shown = Picture | NotMeasured


@dataclass(frozen=True)
class AloneShown:
    """What a base model alone made of an image's noise."""

    facts: BaseAlone | NotMeasured
    picture: Shown


@dataclass(frozen=True)
class Pictures:
    """Pictures on the page: works by asset id, images by the id of their audit."""

    works: Mapping[int, Shown]
    outputs: Mapping[str, Shown]
    bases: Mapping[str, AloneShown]
    """Audits of models with a base alone."""
    without: Mapping[tuple[str, int], Shown]
    """By audit and rank of the work, the image regenerated without it."""


@dataclass(frozen=True)
class Statement:
    """The facts of a statement, and the pictures on its page."""

    facts: StatementFacts
    pictures: Pictures


@dataclass(frozen=True)
class FoundIn:
    """One image in which a work was found."""

    output: OutputPart
    finding: FindingPart

    @property
    def mark(self) -> str:
        """The size and the strength of the finding, in a few words."""
        grade, effect, rate = self.finding.grade, self.finding.effect, self.output.false_discovery_rate
        slight = is_slight(grade, None if isinstance(effect, NotMeasured) else effect.low)
        strength = strength_of(self.finding.q_value, rate, slight=slight)
        return ", ".join(filter(None, (grade or "not graded", strength)))


@dataclass(frozen=True)
class WorkFound:
    """A work, or a group of works tested as one, and the images in which it was found."""

    images: Sequence[FoundIn]

    @property
    def unit(self) -> FindingPart:
        """The finding of the first image, for the name and the works."""
        return self.images[0].finding

    @property
    def shown(self) -> Sequence[FoundIn]:
        """The images that are shown with it."""
        return self.images[:IMAGES]


def works_found(outputs: Sequence[OutputPart]) -> list[WorkFound]:
    """Findings in generated images by work: those found in most images first, then by q."""
    found: dict[tuple[object, ...], list[FoundIn]] = {}
    for output in outputs:
        if output.kind == "sample":
            for finding in output.findings:
                found.setdefault(_unit_of(output, finding), []).append(FoundIn(output, finding))
    listed = [WorkFound(sorted(images, key=_by_evidence)) for images in found.values()]
    return sorted(listed, key=lambda each: (-len(each.images), *_by_evidence(each.images[0])))


def _unit_of(output: OutputPart, finding: FindingPart) -> tuple[object, ...]:
    """The same for findings of one work, by any model; of a group, by one model."""
    works = tuple(work.asset_id for work in finding.works)
    if finding.unit_kind == "asset" and works:
        return works
    return (output.ensemble_id, finding.unit_kind, finding.unit_label)


def _by_evidence(found: FoundIn) -> tuple[float, str, int]:
    return (found.finding.q_value, found.output.audit_id, found.finding.rank)


def page_values(statement: Statement) -> Mapping[str, object]:
    """Template values beside the facts and the pictures."""
    facts = statement.facts
    generated = [output for output in facts.outputs if output.kind == "sample"]
    found = works_found(generated)
    return {
        "cards": found[:CARDS],
        "open_cards": OPEN_CARDS,
        "open_works": OPEN_WORKS,
        "rows": found[CARDS : CARDS + MOST_ROWS],
        "left_out": max(0, len(found) - CARDS - MOST_ROWS),
        "images_left_out": max(0, facts.tested.found - len(generated)),
        "outside": [output for output in facts.outputs if output.kind == "image"][:MOST_ROWS],
        "together": words.together(facts.tested),
        "over_all": words.over_all_images(facts.over_all_images),
        "over_all_in_short": words.over_all_in_short(facts.over_all_images),
        "by_chance": words.by_chance,
        "joint": [each for each in facts.joint if each.output_kind == "sample"][:CARDS],
        "service": words.service(facts.works, facts.models, facts.bases or []),
        "leaving": words.leaving,
        "of_unseen": words.of_unseen,
        "unit": words.unit_of_theirs(facts.tested),
        "limits": words.limits(facts.bases or []),
        "most_members": MOST_MEMBERS,
        "share": share_text,
        "effect_in_words": effect_in_words,
    }


def effect_in_words(effect: IntervalPart | NotMeasured) -> str:
    """How far the models that saw a work move the image towards it, with the interval."""
    if isinstance(effect, NotMeasured):
        return f"How far the models that saw it move the image was not measured: {effect.not_measured}."
    value, low, high = (f"{number(100 * each, 2)} %" for each in (effect.value, effect.low, effect.high))
    return f"The models that saw it move the image {value} of the way to it; with 95 % confidence between {low} and {high}."


def share_text(share: IntervalPart | NotMeasured) -> str:
    """A share with its interval, in words."""
    if isinstance(share, NotMeasured):
        return f"not measured: {share.not_measured}"
    return f"{percent(share.value)}, between {percent(share.low)} and {percent(share.high)}"
