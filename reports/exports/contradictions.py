"""Answers that cannot all be true: of one file, or against what the registry knows.

A filing with one is written all the same, as one with open questions is; it lists them, so that nobody files it unseen.
"""

from __future__ import annotations

from collections.abc import Iterator

from reports.exports.answers import Answers
from reports.exports.content_facts import ContentFacts
from reports.exports.filing import ContradictionPart
from reports.exports.sources import SOURCES, Sourced, key_of, sourced, works, yes_no
from reports.words import quoted


def contradictions(content: ContentFacts, answers: Answers, tables: frozenset[str]) -> list[ContradictionPart]:
    """Those of the answers that a form uses; ``tables`` names their tables."""
    sets = sourced(content, answers)
    found = [
        *_of_sources(answers, sets),
        *_of_synthetic(content, answers, sets),
        *_of_days(content, answers),
    ]
    return [each for each in found if all(key.partition(".")[0] in tables for key in each.answers)]


def _of_sources(answers: Answers, sets: list[Sourced]) -> Iterator[ContradictionPart]:
    """A general yes or no against the sources of single data sets."""
    for source, name in SOURCES.items():
        key, stated = _general(answers, source)
        of_it = [each for each in sets if each.source == source]
        if stated is False and of_it:
            named = ", ".join(quoted(each.facts.name) for each in of_it[:5])
            yield ContradictionPart(
                answers=[key, *(key_of(each, "source") for each in of_it[:5] if each.answers.source)],
                says=f"{key} is answered with No, but the source of {named} is {quoted(name)}",
            )
        if stated and sets and not of_it and all(each.source for each in sets):
            yield ContradictionPart(
                answers=[key],
                says=f"{key} is answered with Yes, but every data set has another source than {quoted(name)}",
            )


def _general(answers: Answers, source: str) -> tuple[str, bool | None]:
    if source != "user":
        return f"{source}.used", getattr(answers, source).used
    users = answers.user_data
    either = users.from_model or users.from_services
    return "user_data.from_model", None if not either and None in (users.from_model, users.from_services) else bool(
        either
    )


def _of_synthetic(content: ContentFacts, answers: Answers, sets: list[Sourced]) -> Iterator[ContradictionPart]:
    """What was answered about generated images against the signs of them."""
    for each in sets:
        if each.answers.source not in (None, "synthetic") and each.facts.works == each.facts.own_outputs:
            yield ContradictionPart(
                answers=[key_of(each, "source")],
                says=f"the source of {quoted(each.facts.name)} is {quoted(SOURCES[each.answers.source])}, but all of its works "
                "equal outputs that were generated here",
            )
    signs = sum(max(each.said_synthetic, each.own_outputs) for each in content.data_sets)
    if answers.synthetic.used is False and signs and not any(each.source == "synthetic" for each in sets):
        yield ContradictionPart(
            answers=["synthetic.used"],
            says=f"synthetic.used is answered with {yes_no(answers.synthetic.used)}, but {works(signs)} of the training content "
            "have signs of being generated",
        )


def _of_days(content: ContentFacts, answers: Answers) -> Iterator[ContradictionPart]:
    """Days that were answered against days on record."""
    newest, placed = answers.content.latest_acquisition, answers.model.placed_on_market
    if newest and content.registered_to and newest.isoformat() > content.registered_to:
        yield ContradictionPart(
            answers=["content.latest_acquisition"],
            says=f"content.latest_acquisition is {newest}, but the newest work was registered on {content.registered_to}, and so "
            "was acquired then or before",
        )
    if placed and placed.isoformat() < content.made:
        yield ContradictionPart(
            answers=["model.placed_on_market"],
            says=f"model.placed_on_market is {placed}, but the ensemble was made after that, on {content.made}",
        )
