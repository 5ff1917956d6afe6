"""The source of each data set, by the answers or the registry; and phrases shared by filings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from reports.filings.answers import Answers, DataSetAnswers, Source
from reports.filings.content_facts import ContentFacts, DataSetWorks
from reports.filings.toml_keys import basic_string
from reports.rendering.wording import count, number, percent

SOURCES: Mapping[Source, str] = MappingProxyType(
    {
        "public": "publicly available",
        "licensed": "commercially licensed",
        "private": "private, from third parties",
        "crawled": "crawled or scraped",
        "user": "user data",
        "synthetic": "synthetic",
        "other": "other",
    }
)
NONE = DataSetAnswers()


@dataclass(frozen=True)
class Sourced:
    """A data set and its source."""

    facts: DataSetWorks
    answers: DataSetAnswers
    source: Source | None
    """None: to be provided."""


def sourced(content: ContentFacts, answers: Answers) -> list[Sourced]:
    """The data sets with their sources, the largest first.

    The registry knows one source: a data set is synthetic if all its works are outputs generated
    here. A licence or an address says how a work may be used or where it is, not how it was
    obtained.
    """
    found = []
    for facts in content.data_sets:
        given = answers.data_sets.get(facts.name, NONE)
        known: Source | None = "synthetic" if facts.works == facts.own_outputs else None
        found.append(Sourced(facts, given, given.source or known))
    return found


def key_of(each: Sourced, question: str) -> str:
    """The key that answers a question about one data set: ``data_sets."museum".link``."""
    return f"data_sets.{basic_string(each.facts.name)}.{question}"


def used(stated: bool | None, source: Source, sets: list[Sourced]) -> tuple[bool | None, str | None]:
    """Whether content of this source was used, and the ground if the answers do not say.

    The sources of single data sets override a general no, so a filing does not contradict itself.
    """
    named = sum(each.source == source for each in sets)
    if named:
        return True, f"{count(named, 'data set')} of this source"
    if stated is None and all(each.source is not None for each in sets):
        return False, "the source of every data set is known, and none is of this kind"
    return stated, None


def yes_no(value: bool | None) -> str | None:
    """The forms' "Yes" or "No"; None: open."""
    return None if value is None else "Yes" if value else "No"


def works(amount: int) -> str:
    """``1,024 works``."""
    return count(amount, "work")


def period(first: str | None, last: str | None) -> str:
    """Two days, or one."""
    return str(first) if first == last else f"{first} to {last}"


def counted(values: Mapping[str, int]) -> str:
    """``3 permitted, 1 unclear``."""
    return ", ".join(f"{amount:,} {name}" for name, amount in values.items()) or "none"


def licences(content: ContentFacts) -> str:
    """The licences in one sentence."""
    named = [f"{each.reference} ({works(each.works)})" for each in content.licences]
    if content.other_licences:
        named.append(f"{content.other_licences:,} more")
    if content.without_licence:
        named.append(f"no licence on record ({works(content.without_licence)})")
    return "; ".join(named)


def declared(verified: int, content: ContentFacts) -> str:
    """The basis of the works' rightsholders or licences, of which ``verified`` are verified."""
    if not verified:
        return "as declared when the works were registered; none was verified here"
    if verified == content.works:
        return "verified for every work"
    return f"verified for {works(verified)}; the others are as declared when the works were registered"


def share(part: int, whole: int) -> str:
    """``part`` as a percentage of ``whole``."""
    return percent(part / whole) if whole and part else "0 %"


def megabytes(size: int) -> str:
    """Bytes for people."""
    units = ("bytes", "kB", "MB", "GB", "TB")
    place = 0
    value = float(size)
    while value >= 1000 and place < len(units) - 1:
        value, place = value / 1000, place + 1
    return f"{number(value)} {units[place]}"
