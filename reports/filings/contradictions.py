"""Answers that cannot all be true: within one file, or against the registry's facts.

Like a filing with open questions, a filing with contradictions is written, and lists them.
"""

from __future__ import annotations

from collections.abc import Iterator

from reports.filings.answers import Answers, Source
from reports.filings.content_facts import ContentFacts
from reports.filings.form import ContradictionPart
from reports.filings.sources import SOURCES, Sourced, key_of, sourced, used, works
from reports.filings.toml_keys import basic_string
from reports.rendering.wording import quoted


def contradictions(content: ContentFacts, answers: Answers, tables: frozenset[str]) -> list[ContradictionPart]:
    """Contradictions among the answers that a form uses; ``tables`` names their tables."""
    sets = sourced(content, answers)
    found = [
        *_of_sources(content, answers, sets),
        *_of_details(answers, sets),
        *_of_synthetic(content, answers, sets),
        *_of_days(content, answers),
        *_of_dependencies(content, answers),
    ]
    return [each for each in found if all(key.partition(".")[0] in tables for key in each.answers)]


def _of_sources(content: ContentFacts, answers: Answers, sets: list[Sourced]) -> Iterator[ContradictionPart]:
    """A general yes or no against the sources of single data sets."""
    for source, name in SOURCES.items():
        given = _general(answers, source)
        of_it = [each for each in sets if each.source == source]
        if of_it and given and not any(given.values()):
            named = ", ".join(quoted(each.facts.name) for each in of_it[:5])
            yield ContradictionPart(
                answers=[*given, *(key_of(each, "source") for each in of_it[:5] if each.answers.source)],
                says=f"{' and '.join(given)} is answered with No, but the source of {named} is {quoted(name)}",
            )
        # Some generated images may be in a data set of another source.
        expected = any(given.values()) and not (source == "synthetic" and _signs(content))
        if expected and sets and not of_it and all(each.source for each in sets):
            keys = [key for key, stated in given.items() if stated]
            yield ContradictionPart(
                answers=keys,
                says=f"{' and '.join(keys)} is answered with Yes, but every data set has another source than {quoted(name)}",
            )


def _of_details(answers: Answers, sets: list[Sourced]) -> Iterator[ContradictionPart]:
    """Details of a source that another answer says was not used; the filing omits the details."""
    for source in SOURCES:
        given = _general(answers, source)
        table = next(iter(given), "").partition(".")[0]
        if not given or any(given.values()) or any(each.source == source for each in sets):
            continue
        asked = getattr(answers, table).model_dump(exclude_none=True)
        told = [f"{table}.{key}" for key in asked if f"{table}.{key}" not in given and key != "comments"]
        if told:
            yield ContradictionPart(
                answers=[*given, *told],
                says=f"{' and '.join(given)} is answered with No, but {' and '.join(told)} "
                f"{'is' if len(told) == 1 else 'are'} answered, and not shown",
            )
    for name, each in answers.data_sets.items():
        asked_of: tuple[tuple[str, Source, object], ...] = (
            ("crawler", "crawled", each.crawler),
            ("publicly_known", "private", each.publicly_known),
        )
        for key, source, given_for in asked_of:
            if given_for is not None and each.source not in (None, source):
                place = f"data_sets.{basic_string(name)}"
                yield ContradictionPart(
                    answers=[f"{place}.source", f"{place}.{key}"],
                    says=f"the source of {quoted(name)} is {quoted(SOURCES[each.source])}, but {key} is answered, which is "
                    f"asked of {quoted(SOURCES[source])} data sets alone, and not shown",
                )


def _general(answers: Answers, source: Source) -> dict[str, bool]:
    """General answers on a source, by key; empty while one of them is open."""
    if source != "user":
        stated = getattr(answers, source).used
        return {} if stated is None else {f"{source}.used": stated}
    users = answers.user_data
    given = {"user_data.from_model": users.from_model, "user_data.from_services": users.from_services}
    known = {key: stated for key, stated in given.items() if stated is not None}
    return known if any(known.values()) or len(known) == len(given) else {}


def _of_synthetic(content: ContentFacts, answers: Answers, sets: list[Sourced]) -> Iterator[ContradictionPart]:
    """Answers about generated images against signs of generated images."""
    for each in sets:
        if each.answers.source not in (None, "synthetic") and each.facts.works == each.facts.own_outputs:
            yield ContradictionPart(
                answers=[key_of(each, "source")],
                says=f"the source of {quoted(each.facts.name)} is {quoted(SOURCES[each.answers.source])}, but all of its works "
                "equal outputs that were generated here",
            )
    stated, _ = used(answers.synthetic.used, "synthetic", sets)
    if stated is False and _signs(content):
        # Unanswered, "No" follows from the sources of all data sets.
        answered = answers.synthetic.used is False
        who = "synthetic.used says" if answered else "the sources of the data sets say"
        yield ContradictionPart(
            answers=["synthetic.used"] if answered else [key_of(each, "source") for each in sets[:5]],
            says=f"{who} that no generated images were used, but there are signs of {works(_signs(content))} of the training "
            "content being generated",
        )


def _signs(content: ContentFacts) -> int:
    return sum(max(each.said_synthetic, each.own_outputs) for each in content.data_sets)


def _of_dependencies(content: ContentFacts, answers: Answers) -> Iterator[ContradictionPart]:
    """An answer that there is no model to depend on, against the base model."""
    if content.base is not None and (answers.model.dependencies or "").strip(" .").casefold() in (
        "none",
        "no",
        "keine",
    ):
        yield ContradictionPart(
            answers=["model.dependencies"],
            says=f"model.dependencies says {quoted(answers.model.dependencies or '')}, but the members are adapters on "
            f"{content.base.called}",
        )


def _of_days(content: ContentFacts, answers: Answers) -> Iterator[ContradictionPart]:
    """Answered days against days on record."""
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
