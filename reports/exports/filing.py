"""Filings: documents of numbered sections, in versions that are kept.

A filing's facts are what the registry knows and what the provider answered; wording and layout follow from them. Where they
are what the newest version was made from, that version is given again, byte for byte; else there is a next one. The log of
issued documents says which versions there were, and the copies in ``filings/`` of the home have their contents. The answers
stand in each version's JSON, so that its facts can be read again without the file that they came from.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import duckdb
from pydantic import Field, ValidationError

from registry.database import Registry
from registry.errors import InputError, NotFoundError
from registry.home import Home, write_bytes_atomically
from registry.outputs import ensemble_with_encoding
from registry.service import generations_of, newest_of
from reports.exports.answers import Answers, check_data_sets
from reports.exports.training_content import ContentFacts, read_content
from reports.html import rendered
from reports.issuing import EVENT, Document, Issued, record_issue, write_document
from reports.schema import Part
from reports.stamps import META, Stamp, stamp_of

VERSION: Literal[1] = 1
"""Of the form of the JSON document."""
LARGEST_KEPT = 2**26
"""Bytes of a kept copy that are read."""

Basis = Literal["registry", "provider", "to be provided"]


class ItemPart(Part):
    """A question with its answer."""

    key: str
    question: str
    answer: str | list[str] | None = Field(description="Null: to be provided.")
    basis: Basis = Field(description="Who says so: the registry's facts, or the provider's file of answers.")
    note: str | None = Field(default=None, description="What the answer rests on.")


class TablePart(Part):
    """A list that belongs to a section."""

    caption: str
    columns: list[str]
    rows: list[list[str | int]]


class SectionPart(Part):
    """A section of the official form."""

    number: str
    title: str
    items: list[ItemPart]
    tables: list[TablePart]


class MissingPart(Part):
    """A question that nobody has answered."""

    key: str
    section: str
    question: str
    answer_with: str = Field(description="Table and key of the file of answers.")


class EarlierPart(Part):
    """An earlier version."""

    filing_version: int
    issued_at: datetime.datetime
    html: str = Field(description="File name, beside this one.")
    sha256: str = Field(description="Of that page.")


class FilingDocument(Part):
    """A filing for machines: the sections as people read them, and the numbers that they were written from."""

    creditline: Literal["ai-act-summary", "ab-2013-statement"]
    version: Literal[1] = VERSION
    title: str
    ensemble: str
    filing_version: int
    last_update: datetime.datetime
    earlier: list[EarlierPart]
    sections: list[SectionPart]
    to_be_provided: list[MissingPart]
    content: ContentFacts
    answers: dict[str, Any] = Field(description="By table of the file of answers.")
    stamp: Stamp


@dataclass
class Sheet:
    """The sections of a form while they are filled in."""

    sections: list[SectionPart] = field(default_factory=list)
    missing: list[MissingPart] = field(default_factory=list)

    def section(self, number: str, title: str) -> None:
        """Begin a section."""
        self.sections.append(SectionPart(number=number, title=title, items=[], tables=[]))

    def known(self, question: str, answer: str | list[str], note: str | None = None) -> None:
        """Something that the registry knows."""
        self._add(question, answer, "registry", note)

    def asked(self, question: str, answer: str | list[str] | None, answer_with: str, note: str | None = None) -> None:
        """Something that the provider alone can say."""
        if answer is None:
            item = self._add(question, None, "to be provided", note)
            section = self.sections[-1].number
            self.missing.append(MissingPart(key=item.key, section=section, question=question, answer_with=answer_with))
        else:
            self._add(question, answer, "provider", note)

    def follows(self, question: str, answer: str | list[str], note: str | None = None) -> None:
        """Something that follows from what the provider said elsewhere in the file."""
        self._add(question, answer, "provider", note)

    def either(
        self, question: str, answer: str | None, answer_with: str, known: str | None, note: str | None = None
    ) -> None:
        """The provider's answer if there is one, else what the registry knows."""
        if answer is None and known is not None:
            self.known(question, known, note)
        else:
            self.asked(question, answer, answer_with)

    def optional(self, question: str, answer: str | None) -> None:
        """A remark that may be left out."""
        if answer is not None:
            self._add(question, answer, "provider", None)

    def table(self, caption: str, columns: Sequence[str], rows: Sequence[Sequence[str | int]]) -> None:
        """A list below the section's answers."""
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
    """As its stamps name it."""
    creditline: Literal["ai-act-summary", "ab-2013-statement"]
    stem: str
    """Its files' names begin with it."""
    title: str
    lead: str
    law: str
    tables: frozenset[str]
    """The tables of answers that it uses; others do not make a new version of it."""
    fill: Callable[[ContentFacts, Answers], Sheet]

    def name(self, ensemble_id: str, number: int, suffix: str) -> str:
        """The name of a version's file."""
        return f"{self.stem}-{ensemble_id}-v{number}.{suffix}"


@dataclass
class Kept:
    """A version, as the log says."""

    number: int
    issued_at: datetime.datetime
    facts_sha256: str
    files: dict[str, str] = field(default_factory=dict)
    """SHA-256 by suffix."""


@dataclass(frozen=True)
class Filed:
    """What a run gave out."""

    document: FilingDocument
    page: Path
    data: Path
    new: bool
    """Whether this is a version that had not been there."""
    answers_of: int | None
    """The version whose answers were used again, where no file was given."""


def file_version(
    registry: Registry, form: Form, ensemble_id: str, answers: Answers | None, out: Path, now: datetime.datetime
) -> Filed:
    """Write the newest version of a filing, and all earlier ones that it links to, into a folder.

    Args:
        registry: where the facts are, and where the log says what was issued.
        form: which filing.
        ensemble_id: the ensemble that it is about.
        answers: the provider's; None: those of the newest version, if there is one.
        out: the folder.
        now: when this is.

    Raises:
        NotFoundError: no such ensemble, or it has no member.
        InputError: answers that contradict the registry, a kept copy that is needed is lost, or a folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        # Asked first: the log must not name a version that nobody was given.
        raise InputError(f"cannot write to {out} ({error.strerror}); choose another folder") from error
    with registry.connection() as connection:
        versions = versions_of(connection, form, ensemble_id)
    newest = versions[-1] if versions else None
    reused = newest.number if answers is None and newest else None
    if answers is None:
        answers = _kept_answers(registry.home, form, ensemble_id, newest) if newest else Answers()
    content, facts, stamp = _read(registry, form, ensemble_id, answers, now)
    if newest and newest.facts_sha256 == stamp.facts_sha256:
        number, issued_at, copies = newest.number, newest.issued_at, _copies(registry.home, form, ensemble_id, newest)
        if copies is not None:
            document = FilingDocument.model_validate_json(copies["json"])
            paths = _give(form, ensemble_id, versions, registry.home, out)
            return Filed(document, *paths, new=False, answers_of=reused)
        earlier = versions[:-1]
    else:
        number, issued_at, earlier = (newest.number if newest else 0) + 1, now, versions
    document = _document(form, content, answers, facts, number, issued_at, earlier, stamp)
    issued = [write_document(registry.home.filings, each) for each in _rendered(form, document)]
    record_issue(registry, issued, now)
    with registry.connection() as connection:
        versions = versions_of(connection, form, ensemble_id)
    paths = _give(form, ensemble_id, versions, registry.home, out)
    return Filed(document, *paths, new=newest is None or number != newest.number, answers_of=reused)


def facts_of(registry: Registry, form: Form, ensemble_id: str) -> dict[str, Any]:
    """The facts of a filing as the registry has them now, under the answers of its newest version.

    Raises:
        NotFoundError: it was never filed.
        InputError: the kept copy of the newest version is lost.
    """
    with registry.connection() as connection:
        versions = versions_of(connection, form, ensemble_id)
    if not versions:
        raise NotFoundError(f"no {form.kind} was issued for ensemble {ensemble_id!r}; `creditline export` writes one")
    answers = _kept_answers(registry.home, form, ensemble_id, versions[-1])
    return _read(registry, form, ensemble_id, answers, datetime.datetime.now(datetime.UTC))[1]


def versions_of(connection: duckdb.DuckDBPyConnection, form: Form, ensemble_id: str) -> list[Kept]:
    """The versions that the log names, in order."""
    rows = connection.execute(
        "SELECT recorded_at, after FROM event WHERE kind = ? AND contains(after, ?) ORDER BY sequence",
        [EVENT, f"{form.stem}-{ensemble_id}-v"],
    ).fetchall()
    pattern = re.compile(re.escape(f"{form.stem}-{ensemble_id}-v") + r"(\d{1,9})\.(html|json)").fullmatch
    found: dict[int, Kept] = {}
    for recorded_at, after in rows:
        for each in (Issued(**document) for document in json.loads(after)["documents"]):
            match = pattern(each.name)
            if match and (each.kind, each.subject) == (form.kind, ensemble_id):
                kept = found.setdefault(int(match[1]), Kept(int(match[1]), recorded_at, each.facts_sha256))
                kept.files[match[2]] = each.sha256
    return [found[number] for number in sorted(found)]


def _read(
    registry: Registry, form: Form, ensemble_id: str, answers: Answers, now: datetime.datetime
) -> tuple[ContentFacts, dict[str, Any], Stamp]:
    with registry.session() as session:
        ensemble, encoding = ensemble_with_encoding(session, ensemble_id)
        members = newest_of(generations_of(session, ensemble_id))
    crawled = [name for name, each in answers.data_sets.items() if each.source == "crawled"]
    with registry.connection() as connection:
        names = [str(name) for (name,) in connection.execute("SELECT name FROM data_set").fetchall()]
        check_data_sets(answers, names)
        small = bool(answers.content.small_or_medium)
        content = read_content(connection, ensemble, encoding, members, crawled=crawled, small_provider=small)
        given = answers.model_dump(mode="json", include=set(form.tables), exclude_none=True)
        facts = {"form": VERSION, "content": content.model_dump(mode="json"), "answers": given}
        return content, facts, stamp_of(connection, form.kind, ensemble_id, facts, now)


def _document(
    form: Form,
    content: ContentFacts,
    answers: Answers,
    facts: dict[str, Any],
    number: int,
    issued_at: datetime.datetime,
    earlier: Sequence[Kept],
    stamp: Stamp,
) -> FilingDocument:
    sheet = form.fill(content, answers)
    return FilingDocument(
        creditline=form.creditline,
        title=form.title,
        ensemble=content.ensemble,
        filing_version=number,
        last_update=issued_at.astimezone(datetime.UTC),
        earlier=[
            EarlierPart(
                filing_version=each.number,
                issued_at=each.issued_at.astimezone(datetime.UTC),
                html=form.name(content.ensemble, each.number, "html"),
                sha256=each.files.get("html", ""),
            )
            for each in reversed(earlier)
        ],
        sections=sheet.sections,
        to_be_provided=sheet.missing,
        content=content,
        answers=facts["answers"],
        stamp=stamp,
    )


def _rendered(form: Form, document: FilingDocument) -> list[Document]:
    name = form.name(document.ensemble, document.filing_version, "{}")
    page = rendered(
        "filing.html.j2", filing=document, form=form, stamp=document.stamp, meta=META, data=name.format("json")
    )
    return [
        Document(name.format("html"), page.encode("utf-8", "replace"), document.stamp),
        Document(name.format("json"), (document.model_dump_json(indent=2) + "\n").encode(), document.stamp),
    ]


def _copies(home: Home, form: Form, ensemble_id: str, kept: Kept) -> dict[str, bytes] | None:
    """The files of a version by suffix; None unless each is there and is the one that the log names."""
    found: dict[str, bytes] = {}
    for suffix in ("html", "json"):
        try:
            with (home.filings / form.name(ensemble_id, kept.number, suffix)).open("rb") as file:
                found[suffix] = file.read(LARGEST_KEPT)
        except OSError:
            return None
        if hashlib.sha256(found[suffix]).hexdigest() != kept.files.get(suffix):
            return None
    return found


def _kept_answers(home: Home, form: Form, ensemble_id: str, kept: Kept) -> Answers:
    copies = _copies(home, form, ensemble_id, kept)
    try:
        if copies is not None:
            document = FilingDocument.model_validate_json(copies["json"])
            return Answers.model_validate_json(json.dumps(document.answers))
    except ValidationError as error:
        raise InputError(
            f"the answers of version {kept.number} are not in a form that is read here; give them with --answers FILE"
        ) from error
    raise InputError(
        f"the copy of version {kept.number} in {home.filings} is missing or altered, so its answers are not known; "
        "restore it, or give the answers with --answers FILE"
    )


def _give(form: Form, ensemble_id: str, versions: Sequence[Kept], home: Home, out: Path) -> tuple[Path, Path]:
    """Copy every version that is whole into the folder; returns the newest one's page and data."""
    for kept in versions:
        for suffix, data in (_copies(home, form, ensemble_id, kept) or {}).items():
            write_bytes_atomically(out / form.name(ensemble_id, kept.number, suffix), data)
    newest = versions[-1].number
    return out / form.name(ensemble_id, newest, "html"), out / form.name(ensemble_id, newest, "json")
