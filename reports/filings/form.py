"""The form of a filing: numbered sections, each question's answer and its basis, open questions.

A :class:`Form` fills a :class:`Sheet` from the registry's facts and the provider's answers;
:mod:`reports.filings.versions` keeps filings as versions.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from reports.facts import Facts
from reports.filings.answers import Answers
from reports.filings.content_facts import ContentFacts
from reports.issuing.stamp import Stamp

VERSION: Literal[1] = 1
"""Version of the JSON document's form."""

Basis = Literal["registry", "provider", "to be provided"]


class ItemPart(Facts):
    """A question with its answer."""

    key: str
    question: str
    answer: str | list[str] | None = Field(description="Null: to be provided.")
    basis: Basis = Field(description="Who says so: the registry's facts, or the provider's file of answers.")
    note: str | None = Field(default=None, description="What the answer rests on.")


class TablePart(Facts):
    """A list that belongs to a section."""

    caption: str
    columns: list[str]
    rows: list[list[str | int]]


class SectionPart(Facts):
    """A section of the official form."""

    number: str
    title: str
    items: list[ItemPart]
    tables: list[TablePart]


class MissingPart(Facts):
    """A question without an answer."""

    key: str
    section: str
    question: str
    answer_with: str = Field(description="Table and key of the file of answers.")


class ContradictionPart(Facts):
    """Answers that cannot all be true."""

    answers: list[str] = Field(description="Tables and keys of the file of answers.")
    says: str


class ChangePart(Facts):
    """A fact that is another one than in the version before."""

    what: str = Field(description="Its place in `content` or `answers`.")
    before: str | None = Field(description="Null: there was none.")
    now: str | None = Field(description="Null: there is none.")


class ChangesPart(Facts):
    """What differs from the version before."""

    listed: list[ChangePart]
    left_out: int = Field(description="Further ones.")


class EarlierPart(Facts):
    """An earlier version."""

    filing_version: int
    issued_at: datetime.datetime
    html: str = Field(description="File name, beside this one.")
    sha256: str = Field(description="Of that page.")


class FilingDocument(Facts):
    """A filing for machines: the sections as people read them, and the numbers that they were
    written from.
    """

    creditline: Literal["ai-act-summary", "ab-2013-statement"]
    version: Literal[1] = VERSION
    title: str
    ensemble: str
    filing_version: int
    last_update: datetime.datetime
    earlier: list[EarlierPart]
    changes: ChangesPart | None = Field(
        description="Since the version before; null: this is the first, or that one's copy is lost."
    )
    contradictions: list[ContradictionPart] = Field(description="To be resolved before this is filed.")
    sections: list[SectionPart]
    to_be_provided: list[MissingPart]
    content: ContentFacts
    answers: dict[str, Any] = Field(description="By table of the file of answers.")
    stamp: Stamp


@dataclass
class Sheet:
    """The sections of a form while they are being filled in."""

    sections: list[SectionPart] = field(default_factory=list)
    missing: list[MissingPart] = field(default_factory=list)

    def section(self, number: str, title: str) -> None:
        """Begin a section."""
        self.sections.append(SectionPart(number=number, title=title, items=[], tables=[]))

    def known(self, question: str, answer: str | list[str], note: str | None = None) -> None:
        """Add an answer that the registry knows."""
        self._add(question, answer, "registry", note)

    def asked(self, question: str, answer: str | list[str] | None, answer_with: str, note: str | None = None) -> None:
        """Add an answer that only the provider can give."""
        if answer is None:
            item = self._add(question, None, "to be provided", note)
            section = self.sections[-1].number
            self.missing.append(MissingPart(key=item.key, section=section, question=question, answer_with=answer_with))
        else:
            self._add(question, answer, "provider", note)

    def follows(self, question: str, answer: str | list[str], note: str | None = None) -> None:
        """Add an answer that follows from another answer of the provider."""
        self._add(question, answer, "provider", note)

    def either(
        self, question: str, answer: str | None, answer_with: str, known: str | None, note: str | None = None
    ) -> None:
        """Add the provider's answer, else the registry's."""
        if answer is None and known is not None:
            self.known(question, known, note)
        else:
            self.asked(question, answer, answer_with)

    def optional(self, question: str, answer: str | None) -> None:
        """Add a remark that may be left out."""
        if answer is not None:
            self._add(question, answer, "provider", None)

    def table(self, caption: str, columns: Sequence[str], rows: Sequence[Sequence[str | int]]) -> None:
        """Add a list below the section's answers."""
        if rows:
            kept = [list(row) for row in rows]
            self.sections[-1].tables.append(TablePart(caption=caption, columns=list(columns), rows=kept))

    def _add(self, question: str, answer: str | list[str] | None, basis: Basis, note: str | None) -> ItemPart:
        section = self.sections[-1]
        key = f"{section.number}.{len(section.items) + 1}"
        item = ItemPart(key=key, question=question, answer=answer, basis=basis, note=note)
        section.items.append(item)
        return item


@dataclass(frozen=True)
class Form:
    """A kind of filing."""

    kind: str
    """The kind in its stamps."""
    creditline: Literal["ai-act-summary", "ab-2013-statement"]
    stem: str
    """Start of its files' names."""
    title: str
    lead: str
    law: str
    tables: frozenset[str]
    """The tables of answers that it uses; changes in others make no new version."""
    fill: Callable[[ContentFacts, Answers], Sheet]

    def name(self, ensemble_id: str, number: int, suffix: str) -> str:
        """The name of a version's file."""
        return f"{self.stem}-{ensemble_id}-v{number}.{suffix}"
